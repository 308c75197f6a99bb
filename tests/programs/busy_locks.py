# -*- coding: utf-8 -*-
"""Threads that take, pass on and wait for locks of all kinds as fast as they can, and never hang for good.

    python busy_locks.py TRUTH.json

Whatever a stop shows, it is no deadlock. Says "ready" and goes on until it is killed.
"""

import asyncio
import concurrent.futures
import contextlib
import importlib
import itertools
import logging
import multiprocessing
import os
import queue
import random
import sys
import threading
import time

import common

PAUSE = 0.0005  # seconds: what a timeout in here takes

workers = []


def worker(count=1):
    """Run the function again and again in so many threads."""
    def register(function):
        workers.extend([function] * count)
        return function
    return register


ordered = [threading.Lock() for _ in range(3)] + [threading.RLock() for _ in range(2)]


@worker(4)
def in_order():
    """Several locks, always in the same order."""
    with contextlib.ExitStack() as stack:
        for lock in ordered:
            if random.random() < 0.6:
                stack.enter_context(lock)


@worker(2)
def nested():
    """The same with statements."""
    with ordered[0]:
        with ordered[1], ordered[3]:
            with ordered[3]:
                sum(range(50))


crossed = [threading.Lock(), threading.Lock()]


@worker(2)
def in_either_order():
    """Two locks in any order; who does not get the second one soon gives the first one up."""
    one, other = random.sample(crossed, 2)
    with one:
        if other.acquire(timeout=PAUSE):
            other.release()


lent = threading.Lock()


@worker(3)
def lets_go_for_a_while():
    """A lock that the body of a with statement gives up and takes again."""
    with lent:
        lent.release()
        try:
            sum(range(50))
        finally:
            lent.acquire()


changed = threading.Condition()
state = {"value": 0}


@worker(2)
def notifies():
    """A Condition whose waiters are woken while its lock is kept."""
    with changed:
        state["value"] += 1
        changed.notify_all()
        with ordered[4]:
            pass


@worker(3)
def is_notified():
    """Its waiters."""
    with changed:
        seen = state["value"]
        changed.wait_for(lambda: state["value"] != seen)


jobs = queue.Queue(2)
simple = getattr(queue, "SimpleQueue", queue.Queue)()


@worker(2)
def puts():
    """Into a queue that is mostly full."""
    jobs.put(1)
    simple.put(1)


@worker(2)
def gets():
    """Out of it."""
    simple.get()
    jobs.get()
    jobs.task_done()


handshake = threading.Lock()
handshake.acquire()


@worker()
def lets_another_go():
    """A lock that one thread takes and another one lets go."""
    with contextlib.suppress(RuntimeError):
        handshake.release()


@worker()
def is_let_go():
    """Waits for a lock that it has itself."""
    handshake.acquire(timeout=PAUSE)


@contextlib.contextmanager
def both():
    with ordered[1]:
        with ordered[2]:
            yield


@worker(2)
def through_a_generator():
    """Locks that a generator holds."""
    with both():
        sum(range(50))


outer_pool = concurrent.futures.ThreadPoolExecutor(2)
inner_pool = concurrent.futures.ThreadPoolExecutor(2)


@worker(2)
def through_pools():
    """Work that waits for work in another pool, and in the same one where there is room."""
    outer_pool.submit(lambda: inner_pool.submit(sum, range(50)).result()).result()


@worker()
def new_pools():
    """A pool whose second worker starts because of the first one's work."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pool.submit(lambda: pool.submit(sum, range(50)).result()).result()


event_loop = asyncio.new_event_loop()


async def takes_locks_in_the_loop():
    """A lock that it lets go before it lets others run, then a thread that asks the loop again."""
    with ordered[2]:
        sum(range(50))
    return await event_loop.run_in_executor(None, in_the_loop)


def in_the_loop():
    """The loop goes on meanwhile."""
    return asyncio.run_coroutine_threadsafe(asyncio.sleep(0), event_loop).result()


@worker(3)
def asks_the_loop():
    """For what it has begun, and what it has not."""
    asyncio.run_coroutine_threadsafe(takes_locks_in_the_loop(), event_loop).result()


@worker()
def runs_the_loop():
    """Of which each run is a short one."""
    event_loop.run_until_complete(asyncio.sleep(PAUSE))


@worker()
def joins():
    """Threads that end."""
    thread = threading.Thread(target=in_order)
    thread.start()
    thread.join()


few = threading.BoundedSemaphore(2)
meeting = threading.Barrier(2)


@worker(3)
def takes_turns():
    """A semaphore."""
    with few:
        sum(range(50))


@worker(2)
def meets():
    """A barrier."""
    meeting.wait()


numbers = itertools.count()


@worker(2)
def imports():
    """The locks of imports."""
    name = random.choice(("colorsys", "this_is_missing", "chunk_of_nothing", "sndhdr_missing"))
    # Somebody else may have taken it away meanwhile.
    with contextlib.suppress(ImportError, KeyError):
        sys.modules.pop(name, None)
        importlib.import_module(name)


log = logging.getLogger("busy")
log.addHandler(logging.StreamHandler(open(os.devnull, "w")))
log.propagate = False


@worker(3)
def logs():
    """The lock of a handler."""
    log.warning("%d", next(numbers))


context = multiprocessing.get_context("fork")
shared, handed, room = context.Lock(), context.Lock(), context.BoundedSemaphore(1)
shared_jobs = context.Queue(1)
MOMENT = 1  # seconds that the other process waits at most, so that it ends with this one


@worker(2)
def puts_shared():
    """Into a queue that processes share, and that has room for one."""
    shared_jobs.put(1)


@worker(2)
def gets_shared():
    """Out of it."""
    shared_jobs.get()


@worker(2)
def in_order_with_a_shared_one():
    """A lock that the other process takes, too."""
    with shared:
        with ordered[0]:
            pass


@worker(2)
def one_at_a_time():
    """A semaphore that is one more lock."""
    with room:
        sum(range(50))


@worker()
def is_let_go_by_the_other_process():
    """Waits for a lock that it has taken itself."""
    handed.acquire()


def other_process(parent):
    """Takes what is shared, and lets go what it has not taken."""
    while os.getppid() == parent:
        if shared.acquire(timeout=MOMENT):
            shared.release()
        with contextlib.suppress(ValueError):
            handed.release()
        time.sleep(PAUSE)


def forever(function):
    """One thread."""
    while True:
        function()


def main():
    """Start them all."""
    context.Process(target=other_process, args=(os.getpid(),), daemon=True).start()
    sys.setswitchinterval(0.0005)
    for function in workers:
        threading.Thread(target=common.or_die(forever), args=(function,), name=function.__name__).start()
    common.write(sys.argv[1], common.process([]))
    os.write(1, b"ready\n")
    common.hold()


if __name__ == "__main__":
    main()
