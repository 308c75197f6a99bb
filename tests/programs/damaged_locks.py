# -*- coding: utf-8 -*-
"""Threads that wait for locks whose memory is damaged afterwards, and for objects whose attributes make no sense.

    python damaged_locks.py TRUTH.json

One pair of threads is whole. Says "ready" when all is damaged; nothing of Python runs from then on.
"""

import concurrent.futures
import gc
import os
import queue
import sys
import threading

import common
from common import arrive

LINES = common.marked(__file__)
STRANGER = 0x7654321000  # an ident of no thread
GARBAGE = b"\xdd" * 8


def write(address, data):
    """Overwrite memory of this process."""
    with open("/proc/self/mem", "r+b", 0) as memory:
        memory.seek(address)
        memory.write(data)


def field(thing, value):
    """The address of the only 8 bytes of an object that have this value."""
    with open("/proc/self/mem", "rb", 0) as memory:
        memory.seek(id(thing))
        raw = memory.read(sys.getsizeof(thing))
    at = raw.index(value.to_bytes(8, "little"))
    return id(thing) + at


def start(key, function, *arguments):
    """A thread that waits in a function."""
    def wait():
        arrive(key, "lock")
        function(*arguments)  # @ waits
    threading.Thread(target=common.or_die(wait), name=key).start()


def main():
    """Start them all, tell, damage."""
    gc.disable()
    whole, freed, owned = threading.Lock(), threading.Lock(), threading.RLock()
    event, future = threading.Event(), concurrent.futures.Future()
    jobs, semaphore, barrier = queue.Queue(), threading.BoundedSemaphore(1), threading.Barrier(2)
    taken = threading.Barrier(3)
    type_at = field(whole, id(type(whole))) - id(whole)

    def holder():
        with whole, freed, semaphore:  # @ takes
            arrive("holder")
            taken.wait()
            common.hold()

    def owner():
        with owned:
            arrive("owner")
            taken.wait()
            common.hold()

    thread = threading.Thread(target=common.or_die(holder), name="holder")
    thread.start()
    threading.Thread(target=common.or_die(owner), name="owner").start()
    taken.wait()
    for key, function in (
            ("whole", whole.acquire), ("freed", freed.acquire), ("owned", owned.acquire), ("event", event.wait),
            ("future", future.result), ("join", thread.join), ("queue", jobs.get), ("semaphore", semaphore.acquire),
            ("barrier", barrier.wait)):
        start(key, function)

    def damage():
        common.settle({"whole", "freed", "owned", "event", "future", "join", "queue", "semaphore", "barrier",
                       "holder", "owner"})
        common.write(sys.argv[1], common.process(
            [{"key": key, "ident": arrival.ident, "lwp": arrival.native_id} for key, arrival in common.arrivals.items()],
            whole=hex(id(whole)), owned=hex(id(owned)), stranger=STRANGER, takes=LINES["takes"], waits=LINES["waits"]))
        vars(event).clear()
        for thing, name, value in ((future, "_state", 5), (thread, "_name", future), (thread, "_ident", "x"),
                                   (jobs, "queue", 7), (jobs, "maxsize", "many"), (semaphore, "_value", None),
                                   (semaphore, "_initial_value", -(1 << 80)), (barrier, "_parties", [])):
            vars(thing)[name] = value
        write(field(owned, common.arrivals["owner"].ident), STRANGER.to_bytes(8, "little"))
        write(id(freed) + type_at, GARBAGE)
        os.write(1, b"ready\n")
        common.hold()

    arrive("damage")
    damage()


if __name__ == "__main__":
    main()
