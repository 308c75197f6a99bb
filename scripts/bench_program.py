"""What scripts/bench measures: a small service whose threads are each blocked in a place of its own.

Stacks are 10 to 20 frames deep and go through the standard library. The innermost frame of each
thread is a function of this file that is inside a blocking C call. Its arguments: TRUTH.json, where
it writes the names of these functions, and the number of threads. When all threads are there it
writes "ready"; the end of standard input ends it. Runs on CPython 3.6 and newer.
"""

import contextlib
import functools
import itertools
import json
import os
import re
import select
import socket
import sys
import threading
import time

FOREVER = 1000000  # seconds
NOBODY_WRITES, _KEPT_OPEN = os.pipe()
ARRIVALS, _ARRIVED = os.pipe()
# C all the way, so that no Python frame is ever above that of the function that calls it.
arrived = functools.partial(os.write, _ARRIVED, b".")


# Where the threads block.

def wait_for_payment():
    lock = threading.Lock()
    lock.acquire()
    arrived()
    lock.acquire()


def wait_for_stock():
    changed = threading.Lock()
    changed.acquire()
    arrived()
    with changed:
        pass


def read_reply():
    arrived()
    os.read(NOBODY_WRITES, 1)


def receive_header():
    ours, _theirs = socket.socketpair()
    arrived()
    ours.recv(4)


def receive_datagram():
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    arrived()
    listener.recvfrom(512)


def poll_devices():
    poll = select.poll()
    poll.register(NOBODY_WRITES, select.POLLIN)
    arrived()
    poll.poll()


def select_readers():
    arrived()
    select.select([NOBODY_WRITES], [], [])


def back_off():
    arrived()
    time.sleep(FOREVER)


def wait_with_timeout():
    lock = threading.Lock()
    lock.acquire()
    arrived()
    lock.acquire(True, FOREVER)


def compare_prices():
    arrived()
    os.read(NOBODY_WRITES, 1)


def expand_template():
    arrived()
    time.sleep(FOREVER)


def load_page():
    arrived()
    select.select([NOBODY_WRITES], [], [], FOREVER)


def close_connection():
    ours, _theirs = socket.socketpair()
    arrived()
    ours.recv(1)


# The ways there.

class Service:
    """A request goes through middleware, routing and a transaction to a handler."""

    def __init__(self, handler):
        self.handler = handler

    def serve(self, *requests):
        for number, request in enumerate(requests):
            self.dispatch(number, request)

    def dispatch(self, number, request):
        chain = functools.reduce(self.wrap, ("log", "authenticate", "limit"), self.route)
        return chain({"number": number, "path": request})

    def wrap(self, inner, middleware):
        def call(request):
            request[middleware] = len(request)
            return inner(request)
        return call

    def route(self, request):
        with self.transaction(request) as transaction:
            return [self.commit(transaction, item) for item in ("item",)]

    def commit(self, transaction, item):
        return self.handler() if transaction and item else None

    @contextlib.contextmanager
    def transaction(self, request):
        yield dict(request)


class Walker:
    """Visits a nested document and works at its only leaf."""

    def __init__(self, work):
        self.work = work

    def visit(self, node):
        return getattr(self, "visit_" + type(node).__name__)(node)

    def visit_dict(self, node):
        return {key: self.visit(value) for key, value in node.items()}

    def visit_list(self, node):
        return [self.visit(value) for value in node]

    def visit_str(self, node):
        return self.work()


def document(depth):
    """A document nested so deep."""
    return "leaf" if depth == 0 else [document(depth - 1)] if depth % 2 else {"key": document(depth - 1)}


def pages(fetch, number):
    """A generator that never gets to its first item."""
    yield from (fetch() for _ in range(number))


def drain(items, budget):
    """Recurse a little, then use up an iterator."""
    if budget:
        return drain(items, budget - 1)
    return sum(1 for _ in items)


class Connection:
    """Blocks in its finalizer."""

    def __del__(self):
        close_connection()


def drop_connection(depth):
    if depth:
        drop_connection(depth - 1)
    else:
        Connection()


def walk(work, depth):
    Walker(work).visit(document(depth))


def serve(handler):
    Service(handler).serve("/orders", "/prices")


JOBS = (
    lambda: serve(wait_for_payment),
    lambda: walk(wait_for_stock, 5),
    lambda: serve(lambda: walk(read_reply, 1)),
    lambda: walk(lambda: drain(pages(receive_header, 3), 2), 3),
    lambda: serve(receive_datagram),
    lambda: drain(pages(lambda: walk(poll_devices, 3), 1), 2),
    lambda: walk(select_readers, 6),
    lambda: drain(pages(back_off, 2), 9),
    lambda: serve(lambda: drain((wait_with_timeout() for _ in "ab"), 4)),
    lambda: serve(lambda: sorted("abc", key=lambda _: compare_prices() or 0)),
    lambda: walk(lambda: re.sub("x", lambda _: expand_template(), "axa"), 4),
    lambda: serve(lambda: list(pages(load_page, 1))),
    lambda: drop_connection(8),
)


def wait_for_end(path):
    """Tell who is where, and wait."""
    with open(path, "w") as file:
        json.dump(sorted(frame.f_code.co_name for frame in sys._current_frames().values()), file)
    os.write(1, b"ready\n")
    os.read(0, 1)
    # No thread ever comes back.
    os._exit(0)


def main(path, threads, depth):
    """The main thread is one of the threads, with a stack of its own."""
    if depth:
        main(path, threads, depth - 1)
    for job in itertools.islice(itertools.cycle(JOBS), threads - 1):
        threading.Thread(target=job, daemon=True).start()
    for _ in range(threads - 1):
        os.read(ARRIVALS, 1)
    wait_for_end(path)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), 10)
