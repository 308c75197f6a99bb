# -*- coding: utf-8 -*-
"""Few objects, and something of everything that the commands read: for runs that are made by the thousand.

    python -S -E small.py TRUTH.json

A deadlock, a chain of exceptions, a generator, a coroutine, a recursion, values of many types, garbage.
"""

import _thread
import os
import sys
import threading

import places
from places import arrivals, arrive, chain, hold

DEPTH = 40

first_lock, second_lock = threading.Lock(), threading.RLock()
both_hold = threading.Barrier(2)
event = threading.Event()


class Account(object):
    kind = "savings"

    def __init__(self, number, owner=None):
        self.number = number
        self.owner = owner
        self.itself = self
        self.history = [{"amount": amount, "text": u"Übertrag %d" % amount} for amount in range(3)]


class Slots(object):
    __slots__ = ("left", "right")


class Derived(dict):
    pass


class Refused(ValueError):
    pass


def values():
    """One of each."""
    slots = Slots()
    slots.left, slots.right = 1, (2.5, -3j)
    derived = Derived(a=1)
    derived.label = "derived"
    return {
        "numbers": [0, -1, 1 << 70, True, 2.5, 1j], "texts": ["", "ascii", u"ÿ", u"Ω", u"\U0001F40D", b"bytes"],
        "containers": [{1, 2}, frozenset("a"), (), (1, (2,)), bytearray(b"x"), range(3), {}],
        "instances": [Account(7), slots, derived, Account], "functions": [values, len, "".join, arrive],
    }


def deadlocked_one(account):
    local = values()
    with first_lock:
        both_hold.wait()
        arrive("deadlock-1", "lock")
        with second_lock:
            return local


def deadlocked_two(account):
    with second_lock:
        both_hold.wait()
        arrive("deadlock-2", "lock")
        with first_lock:
            pass


def handler(account):
    try:
        try:
            {}["missing"]
        except KeyError as error:
            raise Refused("order", 1) from error
    except Refused:
        try:
            int("x")
        except ValueError:
            arrive("handler")
            hold()


def generator(account):
    def numbers():
        yield 1
        arrive("generator")
        hold()
        yield 2
    return list(number for number in numbers())


def coroutine(account):
    async def inner():
        arrive("coroutine")
        hold()

    async def outer():
        await inner()
    try:
        outer().send(None)
    except StopIteration:
        pass


def descend(account, depth=DEPTH):
    if depth:
        return descend(account, depth - 1)
    arrive("deep")
    return hold()


def waiting(account):
    arrive("event", "lock")
    event.wait()


PLACES = {"deadlock-1": deadlocked_one, "deadlock-2": deadlocked_two, "handler": handler, "generator": generator,
          "coroutine": coroutine, "deep": descend, "event": waiting}


def write(path, threads, objects):
    """In a child: what writes JSON would be a third of all that there is here."""
    import common
    common.write(path, common.process(threads, pid=os.getppid(), objects=objects))


@places.or_die
def tell(path):
    """Wait for all, and write what the interpreter says of them."""
    places.settle(set(PLACES) | {"main"})
    frames = sys._current_frames()
    threads = [{"key": key, "ident": arrival.ident, "lwp": arrival.native_id, "frames": chain(frames[arrival.ident])}
               for key, arrival in sorted(arrivals.items())]
    places.apart(write, path, threads, [id(kept), id(kept[0]), id(Account), id(event)])
    os.write(1, b"ready\n")


kept = [Account(1, Account(2)), values()]


def main():
    """Start everything, then wait for ever."""
    threading.stack_size(256 << 10)
    cycle = [Account(3)]
    cycle.append(cycle)
    del cycle
    for key, function in sorted(PLACES.items()):
        threading.Thread(target=function, args=(kept[0],), name=key).start()
    _thread.start_new_thread(tell, (sys.argv[1],))
    arrive("main")
    hold()


if __name__ == "__main__":
    main()
