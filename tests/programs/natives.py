# -*- coding: utf-8 -*-
"""Threads in Python code that C functions called, which Python code called; writes which C function is where.

    python natives.py TRUTH.json [DIRECTORY OF nativeext]

Runs on CPython 3.6 to 3.15. The truth of a thread has its frames, and `between`: of two Python functions
one of which called the other the name of a C function that is between them, how Python names it
("callable"), or C does ("function"), or the beginning of its library's file name ("library").
"""

import ctypes
import functools
import json
import os
import pickle
import re
import sys
import threading
import time

import common
from common import HOLD_FD, arrive, chain

FOREVER = 10 ** 6

places = []  # (key, function, between)


def place(*between):
    """Have the function run in a thread of its own; `between` as the truth has it."""
    def register(function):
        places.append((function.__name__, function, [list(each) for each in between]))
        return function
    return register


def held(key):
    """A function that says where it is and blocks there."""
    def hold(*arguments):
        arrive(key)
        os.read(HOLD_FD, 1)
        return 0
    return hold


def stops(callback):
    """The innermost C function, of every thread that ends in hold()."""
    return (None, "callable", "posix.read", "hold"), callback


@place((None, "callable", "time.sleep", "sleeping"))
def sleeping():
    arrive("sleeping", "sleep")
    time.sleep(FOREVER)


held_lock = threading.Lock()
held_lock.acquire()


# Which has no frame where the compiler made a jump of its call of the parking lot.
@place()
def locking():
    arrive("locking", "lock")
    held_lock.acquire()


@place(*stops(("hold", "callable", "sorted", "sorting")))
def sorting():
    sorted([2, 1], key=held("sorting"))


@place(*stops(("hold", "callable", "_functools.reduce", "reducing")))
def reducing():
    functools.reduce(held("reducing"), [1, 2])


@place((None, "callable", "posix.read", "hold"))
def substituting():
    re.compile("a").sub(held("substituting"), "banana")


@place(*stops(("hold", "callable", "list", "mapping")))
def mapping():
    list(map(held("mapping"), [1]))


class Called:
    def __call__(self, *arguments):
        held("calling")()


@place((None, "callable", "posix.read", "hold"), ("__call__", "callable", "list", "calling"))
def calling():
    list(map(Called(), [1]))


def generator():
    yield
    held("sending")()
    yield


@place((None, "callable", "posix.read", "hold"))
def sending():
    running = generator()
    next(running)
    running.send(None)


class Deleted:
    def __del__(self):
        held("deleting")()


@place((None, "callable", "posix.read", "hold"))
def deleting():
    deleted = Deleted()
    del deleted


class Reduced:
    def __reduce__(self):
        held("pickling")()
        return (int, ())


@place((None, "callable", "posix.read", "hold"), ("__reduce__", "callable", "_pickle.dumps", "pickling"))
def pickling():
    pickle.dumps(Reduced())


@place((None, "callable", "posix.read", "hold"))
def encoding():
    json.dumps([object()], default=held("encoding"))


@place(*stops(("hold", "library", "libc", "comparing")))
def comparing():
    library = ctypes.CDLL(None)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    numbers = (ctypes.c_int * 2)(2, 1)
    library.qsort(numbers, ctypes.c_size_t(2), ctypes.c_size_t(4), kind(held("comparing")))


@place((None, "callable", "posix.read", "hold"))
def deep():
    down(50)


def down(depth):
    if depth:
        sorted([1], key=lambda _: down(depth - 1))
    else:
        held("deep")()


if len(sys.argv) > 2:
    sys.path.insert(0, sys.argv[2])
    import nativeext

    @place(*stops(("hold", "function", "nativeext_helper", "extending")),
           ("hold", "callable", "nativeext.call", "extending"), ("hold", "library", "nativeext.", "extending"))
    def extending():
        nativeext.call(held("extending"))


@common.or_die
def tell():
    common.settle([key for key, _function, _between in places] + ["main"])
    frames = sys._current_frames()
    truths = []
    for key, _function, between in places:
        arrival = common.arrivals[key]
        truths.append({"key": key, "lwp": arrival.native_id, "ident": arrival.ident, "busy_lines": None,
                       "frames": chain(frames[arrival.ident]), "between": between})
    main = common.arrivals["main"]
    truths.append({"key": "main", "lwp": main.native_id, "ident": main.ident, "busy_lines": None,
                   "frames": chain(frames[main.ident]), "between": []})
    common.write(sys.argv[1], common.process(truths, native_threads=[]))
    os.write(1, b"ready\n")


def main():
    for key, function, _between in places:
        threading.Thread(target=function, name=key).start()
    threading.Thread(target=tell, name="tell").start()
    arrive("main")
    os.read(HOLD_FD, 1)


main()
