# -*- coding: utf-8 -*-
"""Threads that hang in every way that locks allow; writes down what each waits for, who has it, and since where.

    python locks.py TRUTH.json

Runs on CPython 3.6 to 3.15. Each scenario says beforehand which threads it has and what will be true of them;
lines are those that are marked in this file with "# @ name".
"""

import asyncio
import contextlib
import concurrent.futures
import fcntl
import functools
import importlib
import logging
import multiprocessing
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import common
from common import HOLD_FD, arrive

FOREVER = 10 ** 6  # seconds
LINES = common.marked(__file__)

scenarios = []
expected = {}  # key of a thread -> what it waits for
deadlocks = []  # keys in the order of their waits
possible = []
kept = []


def scenario(function):
    """Have the function start its threads before the truth is taken."""
    scenarios.append(function)
    return function


def start(key, function, *arguments):
    """A thread that says it goes to its place in its own time."""
    thread = threading.Thread(target=common.or_die(function), args=arguments, name=key)
    thread.start()
    return thread


def waits(key, kind, address=None, holder=None, evidence=None, taken=None, name=None, at=None, **more):
    """What will be true of a thread: `taken` and `at` are marks of lines, or `at` is None for the library's."""
    expected[key] = dict(
        more, kind=kind, address=hex(address) if address is not None else None, holder=holder, evidence=evidence,
        taken=LINES[taken] if taken else None, name=name, at=LINES[at] if at else None)


def instance(thing):
    """An object as object.__repr__() has it, without its module."""
    return "<%s at 0x%x>" % (type(thing).__name__, id(thing))


# --- two locks, in both orders ---------------------------------------------------------------

class Warehouse:
    def __init__(self):
        self.orders = threading.Lock()
        self.stock = threading.Lock()
        self.both = threading.Barrier(2)

    def ship(self):
        with self.orders:  # @ two/ship takes
            self.both.wait()
            self.take()

    def take(self):
        arrive("two/ship", "lock")
        with self.stock:  # @ two/ship waits
            raise AssertionError

    def receive(self):
        with self.stock:  # @ two/receive takes
            self.both.wait()
            arrive("two/receive", "lock")
            self.orders.acquire()  # @ two/receive waits


@scenario
def two_locks():
    warehouse = Warehouse()
    start("two/ship", warehouse.ship)
    start("two/receive", warehouse.receive)
    waits("two/ship", "lock", id(warehouse.stock), "two/receive", "with-block", "two/receive takes",
          "self.stock of " + instance(warehouse), "two/ship waits")
    waits("two/receive", "lock", id(warehouse.orders), "two/ship", "with-block", "two/ship takes",
          "self.orders of " + instance(warehouse), "two/receive waits")
    deadlocks.append(["two/ship", "two/receive"])


# --- five locks in a ring, every other one an RLock -------------------------------------------

@scenario
def five_locks():
    ring = [threading.RLock() if number % 2 else threading.Lock() for number in range(5)]
    barrier = threading.Barrier(5)

    def philosopher(number):
        left, right = ring[number], ring[(number + 1) % 5]
        with left:  # @ five takes
            barrier.wait()
            arrive("five/%d" % number, "lock")
            with right:  # @ five waits
                raise AssertionError

    for number in range(5):
        other = (number + 1) % 5
        kind = "rlock" if other % 2 else "lock"
        start("five/%d" % number, philosopher, number)
        waits("five/%d" % number, kind, id(ring[other]), "five/%d" % other,
              "owner-field" if kind == "rlock" else "with-block", "five takes", "right", "five waits")
    deadlocks.append(["five/%d" % number for number in range(5)])


# --- nested, re-entered, and through several kinds of managers ----------------------------------

nested_lock = threading.Lock()


@contextlib.contextmanager
def managed(lock):
    with lock:
        yield


@scenario
def managers():
    inner, outer, owned = threading.Lock(), threading.Lock(), threading.RLock()
    ready = threading.Barrier(4)

    def holder():
        with outer, managed(nested_lock):  # @ managers takes two
            try:
                with inner:  # @ managers takes
                    with owned:  # @ managers takes owned
                        with owned:
                            ready.wait()
                            common.arrive("managers/holder")
                            common.hold()  # @ managers holds
            finally:
                pass

    def waiter(key, lock):
        ready.wait()
        arrive(key, "lock")
        lock.acquire()  # @ managers waits

    start("managers/holder", holder)
    for key, lock, evidence, taken in (
            ("inner", inner, "with-block", "managers takes"),
            ("generator", nested_lock, "with-block", "managers takes two"),
            ("owned", owned, "owner-field", "managers takes owned")):
        key = "managers/" + key
        start(key, waiter, key, lock)
        waits(key, "rlock" if evidence == "owner-field" else "lock", id(lock), "managers/holder", evidence, taken,
              "lock", "managers waits")
    waits("managers/holder", "io", descriptor=HOLD_FD, what="read", at="managers holds")


# --- a Condition whose waiter is notified by a thread that keeps the lock -----------------------

@scenario
def condition():
    mutex, changed = threading.Lock(), threading.Condition(threading.Lock())
    started = threading.Event()

    def waiter():
        with mutex:  # @ condition/waiter takes
            with changed:
                started.set()
                arrive("condition/waiter", "lock")
                changed.wait()  # @ condition/waiter waits

    def waker():
        started.wait()
        with changed:  # @ condition/waker takes
            changed.notify()
            arrive("condition/waker", "lock")
            with mutex:  # @ condition/waker waits
                raise AssertionError

    start("condition/waiter", waiter)
    start("condition/waker", waker)
    waits("condition/waiter", "lock", id(changed._lock), "condition/waker", "with-block", "condition/waker takes",
          None, "condition/waiter waits")
    waits("condition/waker", "lock", id(mutex), "condition/waiter", "with-block", "condition/waiter takes",
          "mutex", "condition/waker waits")
    deadlocks.append(["condition/waiter", "condition/waker"])


@scenario
def condition_of_an_rlock():
    changed = threading.Condition()

    def waiter():
        with changed:
            arrive("condition/rlock", "lock")
            changed.wait()  # @ condition/rlock waits

    start("condition/rlock", waiter)
    waits("condition/rlock", "condition", id(changed), name="changed", at="condition/rlock waits")


# --- waits with a timeout: no deadlock for certain --------------------------------------------

@scenario
def with_timeouts():
    one, other = threading.Lock(), threading.Lock()
    both = threading.Barrier(2)

    def cross(key, mine, others):
        with mine:  # @ timeout takes
            both.wait()
            arrive(key, "timed lock")
            others.acquire(timeout=FOREVER)  # @ timeout waits

    for key, mine, others, holder in (("timeout/one", one, other, "timeout/other"),
                                      ("timeout/other", other, one, "timeout/one")):
        start(key, cross, key, mine, others)
        waits(key, "lock", id(others), holder, "with-block", "timeout takes", "others", "timeout waits", timeout=True)
    possible.append(["timeout/one", "timeout/other"])


# --- a thread that waits for itself -------------------------------------------------------------

@scenario
def itself():
    lock = threading.Lock()

    def take_twice():
        with lock:  # @ self takes
            arrive("self", "lock")
            with lock:  # @ self waits
                raise AssertionError

    start("self", take_twice)
    waits("self", "lock", id(lock), "self", "with-block", "self takes", "lock", "self waits")
    deadlocks.append(["self"])


# --- acquire() that leaves no trace -----------------------------------------------------------

class ReadersWriters:
    def __init__(self):
        self.mutex = threading.Lock()

    def begin_read(self):
        self.mutex.acquire()
        raise KeyError("between acquire() and release()")


@scenario
def lost():
    shared = ReadersWriters()
    failed = threading.Event()

    def reader():
        with contextlib.suppress(KeyError):
            shared.begin_read()
        failed.set()
        arrive("lost/reader")
        common.hold()  # @ lost/reader goes on

    def writer():
        failed.wait()
        arrive("lost/writer", "lock")
        with shared.mutex:  # @ lost/writer waits
            raise AssertionError

    start("lost/reader", reader)
    start("lost/writer", writer)
    waits("lost/reader", "io", descriptor=HOLD_FD, what="read", at="lost/reader goes on")
    waits("lost/writer", "lock", id(shared.mutex), None, None, None, "shared.mutex of " + instance(shared),
          "lost/writer waits", problem="held, and no live thread's frame holds it", candidates=["lost/reader"])


def owner_that_ended():
    """Last of all: the ident of the thread, an address, is taken again by one that starts later."""
    owned = threading.RLock()
    taken = threading.Event()

    def waiter():
        taken.wait()
        arrive("ended", "lock")
        with owned:  # @ ended waits
            raise AssertionError

    start("ended", waiter)
    taker = threading.Thread(target=owned.acquire)
    taker.start()
    ident = taker.ident
    taker.join()
    waits("ended", "rlock", id(owned), name="owned", at="ended waits", ended=ident)
    taken.set()


# --- what is made of locks ----------------------------------------------------------------------

@scenario
def queues():
    full, empty = queue.Queue(2), queue.Queue()
    full.put(0)
    full.put(1)

    def dies(use):
        use()
        sys.exit("the work that this thread was for is not done")

    # The consumer of one takes an item and dies, as does the producer of the other with nothing put.
    for use in (full.get, empty.qsize):
        worker = threading.Thread(target=dies, args=(use,))
        worker.start()
        worker.join()
    full.put(1)

    def producer():
        arrive("queue/full", "lock")
        full.put(2)  # @ queue/full waits

    def consumer():
        arrive("queue/empty", "lock")
        empty.get()  # @ queue/empty waits

    def joiner():
        arrive("queue/join", "lock")
        full.join()  # @ queue/join waits

    start("queue/full", producer)
    start("queue/empty", consumer)
    start("queue/join", joiner)
    waits("queue/full", "queue", id(full), name="full", at="queue/full waits", note="full: 2 items, limit 2")
    waits("queue/empty", "queue", id(empty), name="empty", at="queue/empty waits", note="empty: 0 items, no limit")
    waits("queue/join", "queue", id(full), name="full", at="queue/join waits", note="3 tasks are not done")


@scenario
def simple_queue():
    jobs = getattr(queue, "SimpleQueue", queue.Queue)()  # 3.7

    def worker():
        arrive("simple-queue", "lock")
        jobs.get()  # @ simple-queue waits

    start("simple-queue", worker)
    waits("simple-queue", "queue", id(jobs), name="jobs", at="simple-queue waits")


@scenario
def synchronizers():
    event, semaphore, barrier = threading.Event(), threading.Semaphore(0), threading.Barrier(3)
    bounded = threading.BoundedSemaphore(1)
    taken = threading.Event()

    def wait_for_event():
        arrive("event", "lock")
        event.wait()  # @ event waits

    def wait_for_event_a_while():
        arrive("event/timed", "timed lock")
        event.wait(FOREVER)  # @ event/timed waits

    def wait_for_semaphore():
        arrive("semaphore", "lock")
        semaphore.acquire()  # @ semaphore waits

    def meet():
        arrive("barrier", "lock")
        barrier.wait()  # @ barrier waits

    def hold_bounded():
        with bounded:  # @ bounded takes
            taken.set()
            arrive("bounded/holder")
            common.hold()  # @ bounded holds

    def wait_for_bounded():
        taken.wait()
        arrive("bounded/waiter", "lock")
        with bounded:  # @ bounded waits
            raise AssertionError

    start("event", wait_for_event)
    start("event/timed", wait_for_event_a_while)
    start("semaphore", wait_for_semaphore)
    start("barrier", meet)
    start("bounded/holder", hold_bounded)
    start("bounded/waiter", wait_for_bounded)
    waits("event", "event", id(event), name="event", at="event waits")
    waits("event/timed", "event", id(event), name="event", at="event/timed waits", timeout=True)
    waits("semaphore", "semaphore", id(semaphore), name="semaphore", at="semaphore waits")
    waits("barrier", "barrier", id(barrier), name="barrier", at="barrier waits", note="1 of 3 threads are there")
    waits("bounded/holder", "io", descriptor=HOLD_FD, what="read", at="bounded holds")
    waits("bounded/waiter", "semaphore", id(bounded), "bounded/holder", "with-block", "bounded takes", "bounded",
          "bounded waits", note="0 of 1 free")


@scenario
def bounded_semaphores():
    """Who is inside a with statement has it; there is no more to know where somebody else called acquire()."""
    both, mixed = threading.BoundedSemaphore(2), threading.BoundedSemaphore(3)
    mixed.acquire()
    inside = threading.Barrier(4)

    def take_twice(key, semaphore):
        with semaphore:  # @ bounded takes twice
            inside.wait()
            arrive(key, "lock")
            semaphore.acquire()  # @ bounded waits again

    for key, semaphore in (("both/0", both), ("both/1", both), ("mixed/0", mixed), ("mixed/1", mixed)):
        key = "bounded/" + key
        start(key, take_twice, key, semaphore)
        waits(key, "semaphore", id(semaphore), name="semaphore", at="bounded waits again",
              note="0 of %d free" % (2 if semaphore is both else 3), **(
                  dict(any_of=["bounded/both/0", "bounded/both/1"]) if semaphore is both
                  else dict(problem="2 threads are inside a with statement on it")))
    deadlocks.append(["bounded/both/0", "bounded/both/1"])


# --- readers and writers: the first reader takes a lock that the last one lets go -----------------

class Shelf:
    def __init__(self):
        self.readers = 0
        self.counter = threading.Lock()
        self.nobody_reads = threading.Lock()

    def begin_read(self):
        with self.counter:
            self.readers += 1
            if self.readers == 1:
                self.nobody_reads.acquire()

    def end_read(self):
        with self.counter:
            self.readers -= 1
            if not self.readers:
                self.nobody_reads.release()

    def read(self, key):
        self.begin_read()
        try:
            arrive(key)
            common.hold()  # @ shelf reads
        finally:
            self.end_read()

    def write(self):
        arrive("shelf/writer", "lock")
        with self.nobody_reads:  # @ shelf waits
            raise AssertionError


@scenario
def readers_and_a_writer():
    shelf = Shelf()
    readers = ["shelf/reader/0", "shelf/reader/1"]
    for key in readers:
        start(key, shelf.read, key)
        waits(key, "io", descriptor=HOLD_FD, what="read", at="shelf reads")
    common.settle(set(readers))
    start("shelf/writer", shelf.write)
    waits("shelf/writer", "lock", id(shelf.nobody_reads), name="self.nobody_reads of " + instance(shelf),
          at="shelf waits", problem="held, and no live thread's frame holds it", candidates=readers)


# --- futures --------------------------------------------------------------------------------------

@scenario
def starved_pool():
    pool = concurrent.futures.ThreadPoolExecutor(2)
    both = threading.Barrier(2)
    futures = {}

    def inner():
        raise AssertionError

    def outer(number):
        threading.current_thread().name = "pool/%d" % number
        both.wait()
        futures[number] = pool.submit(inner)
        waits("pool/%d" % number, "future", id(futures[number]), name=None, at="pool waits", note="pending",
              any_of=["pool/0", "pool/1"])
        arrive("pool/%d" % number, "lock")
        future = futures[number]
        future.result()  # @ pool waits

    kept.append([pool, futures, [pool.submit(outer, number) for number in range(2)]])
    deadlocks.append(["pool/0", "pool/1"])


def in_turn(*calls):
    """A function that makes the calls from C code, so that the last one has no Python frame of this program."""
    return functools.partial(list, map(functools.partial.__call__, calls))


@scenario
def work_without_a_frame():
    """What a work item waits for is not what an idle worker waits for."""
    jobs = getattr(queue, "SimpleQueue", queue.Queue)()
    pool = concurrent.futures.ThreadPoolExecutor(2)
    partial = functools.partial
    kept.append([pool, [
        pool.submit(in_turn(partial(arrive, "item/get", "lock"), partial(jobs.get))),
        pool.submit(in_turn(partial(arrive, "item/read"), partial(os.read, HOLD_FD, 1)))]])
    waits("item/get", "queue", id(jobs), name=instance(jobs))
    waits("item/read", "io", descriptor=HOLD_FD, what="read on fd")


@scenario
def as_completed():
    futures = [concurrent.futures.Future() for _ in range(3)]

    def waiter():
        arrive("future/any", "lock")
        for _future in concurrent.futures.as_completed(futures):  # @ future/any waits
            raise AssertionError

    start("future/any", waiter)
    waits("future/any", "future", at="future/any waits", what="concurrent.futures.as_completed()", note="3 not done")


@scenario
def running_future():
    pool = concurrent.futures.ThreadPoolExecutor(1)

    def work():
        threading.current_thread().name = "future/worker"
        arrive("future/worker")
        common.hold()  # @ future/worker runs

    def waiter():
        arrive("future/waiter", "lock")
        future.result()  # @ future/waiter waits

    future = pool.submit(work)
    kept.append(pool)
    start("future/waiter", waiter)
    waits("future/worker", "io", descriptor=HOLD_FD, what="read", at="future/worker runs")
    waits("future/waiter", "future", id(future), "future/worker", "call", None, "future", "future/waiter waits")


# --- an event loop that waits for what only it computes ----------------------------------------------

@scenario
def event_loops():
    async def forever(begun):
        begun.set()
        await asyncio.sleep(FOREVER)

    def in_a_loop(key, make):
        loop = asyncio.new_event_loop()
        kept.append(loop)
        loop.run_until_complete(make(key, loop))

    def submit(loop, begun=None):
        future = asyncio.run_coroutine_threadsafe(forever(begun or threading.Event()), loop)
        kept.append(future)
        return future

    async def waits_for_what_it_has_not_begun(key, loop):
        future = submit(loop)
        block(key, future)

    async def waits_for_what_it_has_begun(key, loop):
        begun = asyncio.Event()
        future = submit(loop, begun)
        await begun.wait()
        block(key, future)

    def block(key, future):
        waits(key, "future", id(future), key, "call", None, "future", "loop waits", note="pending")
        arrive(key, "lock")
        future.result()  # @ loop waits

    for key, make in (("loop/not begun", waits_for_what_it_has_not_begun), ("loop/begun", waits_for_what_it_has_begun)):
        expected[key] = {}
        start(key, in_a_loop, key, make)
        deadlocks.append([key])

    # Another thread keeps a lock that the loop wants while it waits for the loop.
    lock = threading.Lock()
    taken = threading.Event()

    async def takes(key, loop):
        def ask():
            with lock:  # @ loop/asker takes
                taken.set()
                future = submit(loop)
                waits("loop/asker", "future", id(future), "loop/asked", "call", None, "future", "loop/asker waits")
                arrive("loop/asker", "lock")
                future.result()  # @ loop/asker waits

        start("loop/asker", ask)
        taken.wait()
        arrive(key, "lock")
        with lock:  # @ loop/asked waits
            raise AssertionError

    expected["loop/asker"] = {}
    start("loop/asked", in_a_loop, "loop/asked", takes)
    waits("loop/asked", "lock", id(lock), "loop/asker", "with-block", "loop/asker takes", "lock", "loop/asked waits")
    deadlocks.append(["loop/asked", "loop/asker"])

    # A loop at rest computes it sooner or later; one that nobody runs does not.
    async def rests(key, loop):
        start("loop/guest", block_on, "loop/guest", submit(loop), key)
        arrive(key, "epoll")
        await asyncio.sleep(FOREVER)

    def block_on(key, future, other):
        waits(key, "future", id(future), other, *(["call", None] if other else [None, None]), "future",
              "loop/guest waits", **({} if other else dict(
                  problem="no thread is seen that would compute it: neither a pool's worker nor one that runs a "
                          "loop of asyncio's")))
        arrive(key, "lock")
        future.result()  # @ loop/guest waits

    expected["loop/guest"] = expected["loop/nobody"] = {}
    start("loop/host", in_a_loop, "loop/host", rests)
    waits("loop/host", "io", what="epoll", timeout=True)
    kept.append(asyncio.new_event_loop())
    start("loop/nobody", block_on, "loop/nobody", submit(kept[-1]), None)


# --- joins ------------------------------------------------------------------------------------------

@scenario
def joins():
    threads = {}

    def joiner(key, other):
        common.wait_for(lambda: other in threads, lambda: "the other thread has not started")
        arrive(key, "lock")
        threads[other].join()  # @ join waits

    for key, other in (("join/one", "join/other"), ("join/other", "join/one")):
        waits(key, "join", None, other, "call", None, None, "join waits")
        threads[key] = start(key, joiner, key, other)
    deadlocks.append(["join/one", "join/other"])


# --- imports -------------------------------------------------------------------------------------

@scenario
def imports():
    module = "deadlocked_module"
    folder = tempfile.mkdtemp(dir=".")
    with open(os.path.join(folder, module + ".py"), "w") as file:
        file.write("import __main__\n__main__.in_an_import()\n")
    sys.path.insert(0, os.path.abspath(folder))
    lock = threading.Lock()
    inside, taken = threading.Event(), threading.Event()

    def in_an_import():
        inside.set()
        taken.wait()
        arrive("import/importer", "lock")
        with lock:  # @ import/importer waits
            raise AssertionError

    globals()["in_an_import"] = in_an_import

    def importer():
        importlib.import_module(module)

    def other():
        inside.wait()
        with lock:  # @ import/other takes
            taken.set()
            arrive("import/other", "lock")
            importlib.import_module(module)  # @ import/other waits

    start("import/importer", importer)
    start("import/other", other)
    waits("import/importer", "lock", id(lock), "import/other", "with-block", "import/other takes", "lock",
          "import/importer waits")
    waits("import/other", "import", None, "import/importer", "owner-field", None, repr(module))
    deadlocks.append(["import/importer", "import/other"])


# --- multiprocessing -------------------------------------------------------------------------------

context = multiprocessing.get_context("fork")
process_queue, starved_queue = context.Queue(), context.Queue()
process_lock = context.Lock()


def die_with_locks():
    process_queue._rlock.acquire()
    process_lock.acquire()
    os._exit(0)


@scenario
def processes():
    def getter():
        arrive("process/queue", "shared lock")
        process_queue.get()  # @ process/queue waits

    def locker():
        arrive("process/lock", "shared lock")
        with process_lock:  # @ process/lock waits
            raise AssertionError

    def starved():
        arrive("process/starved", "any read")
        starved_queue.get()  # @ process/starved waits

    reader, writer = context.Pipe(False)
    kept.append(writer)

    def receiver():
        arrive("process/pipe", "any read")
        reader.recv()  # @ process/pipe waits

    start("process/queue", getter)
    start("process/lock", locker)
    start("process/pipe", receiver)
    start("process/starved", starved)
    waits("process/queue", "process lock", id(process_queue._rlock._semlock), name="__main__.process_queue",
          at="process/queue waits", note="the lock of its readers",
          problem="held by another process, or one that has ended: no thread of this one holds it")
    waits("process/lock", "process lock", id(process_lock._semlock), name="__main__.process_lock",
          at="process/lock waits",
          problem="held by another process, or one that has ended: no thread of this one holds it")
    # The child that was to fill it has died.
    waits("process/starved", "io", descriptor=starved_queue._reader.fileno(),
          what="Queue.get() of __main__.starved_queue: read on fd", at="process/starved waits")
    waits("process/pipe", "io", descriptor=reader.fileno(), what="Connection.recv() of reader: read on fd",
          at="process/pipe waits")


class Fed:
    """Is pickled by the thread that feeds a queue of multiprocessing."""

    def __reduce__(self):
        arrive("shared/feeder", "lock")
        return int, ()


@scenario
def shared_synchronizers():
    """What multiprocessing makes of semaphores, which nobody holds, and locks that threads of this process have."""
    event, changed, barrier = context.Event(), context.Condition(), context.Barrier(3)
    semaphore, bounded, twice = context.Semaphore(0), context.BoundedSemaphore(1), context.Lock()
    tasks = context.JoinableQueue(1)
    tasks.put(Fed())

    def wait(key, function):
        arrive(key, "shared lock")
        function()  # @ shared waits

    def wait_on_condition():
        with changed:
            arrive("shared/condition", "shared lock")
            changed.wait()  # @ shared/condition waits

    def take_twice(key, mutex):
        with mutex:  # @ shared takes
            arrive(key, "shared lock")
            mutex.acquire()  # @ shared waits again

    start("shared/condition", wait_on_condition)
    waits("shared/condition", "condition", id(changed), name="changed", at="shared/condition waits",
          what="multiprocessing Condition")
    waits("shared/feeder", "queue", what="work: the idle feeder thread")
    for key, function, kind, thing, what, note in (
            ("event", event.wait, "event", event, "multiprocessing Event", None),
            ("barrier", barrier.wait, "barrier", barrier, "multiprocessing Barrier", None),
            ("semaphore", semaphore.acquire, "semaphore", semaphore, "multiprocessing Semaphore", "0 free"),
            ("put", lambda: tasks.put(2), "queue", tasks, "multiprocessing JoinableQueue.put() of", "full: 1 item, limit 1"),
            ("join", tasks.join, "queue", tasks, "multiprocessing JoinableQueue.join() of",
             "tasks are not done")):
        key = "shared/" + key
        start(key, wait, key, function)
        address = id(thing._semlock) if thing is semaphore else id(thing)
        waits(key, kind, address, at=None if key == "shared/put" else "shared waits", what=what, note=note)
    for key, mutex, kind, address, evidence in (
            ("shared/twice", twice, "process lock", id(twice._semlock), "owner-field"),
            ("shared/bounded", bounded, "semaphore", id(bounded._semlock), "with-block")):
        start(key, take_twice, key, mutex)
        waits(key, kind, address, key, evidence, "shared takes", "mutex", "shared waits again")
        deadlocks.append([key])


@scenario
def shared_and_not():
    """A ring over locks of both kinds; where a bare acquire() took the shared one, another process may have it."""
    def ring(takes):
        shared, local = context.Lock(), threading.Lock()
        both = threading.Barrier(2)

        def take_shared():
            with shared if takes == "with" else contextlib.suppress():  # @ ring takes shared
                if takes != "with":
                    shared.acquire()
                both.wait()
                arrive("ring/%s/shared" % takes, "lock")
                local.acquire()  # @ ring waits for local

        def take_local():
            with local:  # @ ring takes local
                both.wait()
                arrive("ring/%s/local" % takes, "shared lock")
                shared.acquire()  # @ ring waits for shared

        keys = ["ring/%s/shared" % takes, "ring/%s/local" % takes]
        start(keys[0], take_shared)
        start(keys[1], take_local)
        waits(keys[0], "lock", id(local), keys[1], "with-block", "ring takes local", "local", "ring waits for local")
        waits(keys[1], "process lock", id(shared._semlock), keys[0], "owner-field",
              "ring takes shared" if takes == "with" else None, "shared", "ring waits for shared")
        (deadlocks if takes == "with" else possible).append(keys)

    ring("with")
    ring("bare")


# --- system calls ------------------------------------------------------------------------------------

@scenario
def system_calls():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    host, port = listener.getsockname()
    client = socket.create_connection((host, port))
    idle = socket.socket()
    idle.bind(("127.0.0.1", 0))
    idle.listen(5)
    file = open("locked", "w")
    other = open("locked", "w")
    fcntl.flock(other, fcntl.LOCK_EX)
    epoll = select.epoll()
    epoll.register(HOLD_FD, select.EPOLLIN)
    epoll.register(client.fileno(), select.EPOLLIN)
    poll = select.poll()
    poll.register(HOLD_FD, select.POLLIN)
    poll.register(idle.fileno(), select.POLLIN)
    child, popen = (subprocess.Popen([sys.executable, "-c", "import os; os.read(0, 1)"], stdin=subprocess.PIPE)
                    for _ in range(2))
    os.mkfifo("fifo")
    queued = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    queued[0].bind("full")
    queued[0].listen(0)
    queued[1].connect("full")
    kept.extend([listener, other, child, queued])

    def call(key, settled, function, *arguments):
        arrive(key, settled)
        function(*arguments)  # @ call waits

    for key, kind, settled, function, arguments, facts in (
            ("call/recv", "io", "recv", client.recv, (1,),
             dict(what="recv", descriptor=client.fileno(), text="to %s:%d" % (host, port))),
            ("call/accept", "io", "accept", idle.accept, (),
             dict(what="accept", descriptor=idle.fileno(), text="listening at %s:%d" % idle.getsockname())),
            ("call/flock", "io", "flock", fcntl.flock, (file, fcntl.LOCK_EX),
             dict(what="flock", descriptor=file.fileno(), text=os.path.abspath("locked"))),
            ("call/epoll", "io", "epoll", epoll.poll, (),
             dict(what="epoll", descriptor=epoll.fileno(), text="epoll of 2 descriptors")),
            ("call/poll", "io", "poll", poll.poll, (), dict(what="poll on 2 descriptors")),
            ("call/select", "io", "select", select.select, ([HOLD_FD], [], []),
             dict(what="select", descriptor=HOLD_FD)),
            ("call/sleep", "sleep", "sleep", time.sleep, (FOREVER,), dict(seconds=FOREVER)),
            ("call/child", "child", "child", os.waitpid, (child.pid, 0),
             dict(what="child process %d" % child.pid, text="sleeping")),
            ("call/popen", "child", "child", popen.wait, (),
             dict(what="Popen.wait() of function.__self__: child process %d" % popen.pid, text="sleeping")),
            ("call/open", "io", "open", os.open, ("fifo", os.O_RDONLY), dict(what="open of fifo")),
            ("call/connect", "io", "connect", queued[2].connect, ("full",),
             dict(what="connect to full on fd", descriptor=queued[2].fileno())),
            ("call/signal", "native", "signal", signal.sigwait, ({signal.SIGUSR2},), dict(what="a signal: SIGUSR2"))):
        start(key, call, key, settled, function, *arguments)
        waits(key, kind, at=None if key in ("call/accept", "call/signal") else "call waits", **facts)


# --- a signal handler that logs: in the main thread, last --------------------------------------------

class Formatted(logging.StreamHandler):
    def emit(self, record):
        arrive("signal/worker", "lock")
        with state_lock:  # @ signal/worker waits
            raise AssertionError


state_lock = threading.Lock()
handler = Formatted()
log = logging.getLogger("locks")
log.addHandler(handler)
log.propagate = False


def on_signal(number, frame):
    arrive("main", "lock")
    log.warning("in a signal handler")  # @ main logs


def the_main_thread():
    with state_lock:  # @ main takes
        start("signal/worker", log.warning, "in a worker")
        common.settle({"signal/worker"})
        owner_that_ended()
        signal.raise_signal(signal.SIGUSR1) if hasattr(signal, "raise_signal") else os.kill(
            os.getpid(), signal.SIGUSR1)
        time.sleep(FOREVER)


# --- the truth ---------------------------------------------------------------------------------------

def truth():
    """What every thread waits for, with idents in the place of keys."""
    idents = {key: arrival.ident for key, arrival in common.arrivals.items()}
    threads = []
    for key, facts in expected.items():
        facts = dict(facts, holder=idents[facts["holder"]] if facts["holder"] else None)
        for name in ("candidates", "any_of"):
            facts[name] = [idents[other] for other in facts.get(name, ())]
        threads.append({"key": key, "ident": idents[key], "lwp": common.arrivals[key].native_id, "wait": facts})
    return common.process(
        threads, deadlocks=[[idents[key] for key in keys] for keys in deadlocks],
        possible=[[idents[key] for key in keys] for keys in possible])


def write_truth(path):
    """Wait until all are at their places; write."""
    common.wait_for(lambda: set(common.arrivals) >= set(expected) and "main" in common.arrivals,
                    lambda: "not there: %s" % sorted(set(expected) - set(common.arrivals)))
    common.settle(set(expected))
    common.write(path, truth())
    os.write(1, b"ready\n")


def main():
    """Start everything, then hang."""
    path, = sys.argv[1:]
    child = os.fork()
    if not child:
        die_with_locks()
    os.waitpid(child, 0)
    writer = threading.Thread(target=common.or_die(write_truth), args=(path,), name="writer")
    waits("main", "rlock", id(handler.lock), "signal/worker", "owner-field",
          name="self.lock of " + instance(handler))
    waits("signal/worker", "lock", id(state_lock), "main", "with-block", "main takes", "__main__.state_lock",
          "signal/worker waits")
    deadlocks.append(["main", "signal/worker"])
    for function in scenarios:
        function()
    writer.start()
    signal.signal(signal.SIGUSR1, on_signal)
    the_main_thread()


if __name__ == "__main__":
    main()
