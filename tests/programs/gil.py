# -*- coding: utf-8 -*-
"""A process in which one thread provably holds the GIL, and others provably wait for it.

    python gil.py TRUTH.json

The holder prints "ready" and then calls C's pause() with the GIL held; from then on no other Python
code runs. Three waiters read a byte each from standard input: when those come they need the GIL.
"""

import ctypes
import os
import sys
import threading

import common
from common import arrivals, arrive, chain, hold

WAITERS = 3

pause = ctypes.PyDLL(None).pause  # unlike CDLL, it keeps the GIL during the call


def waiter(key):
    arrive(key)
    os.read(0, 1)


def bystander():
    arrive("bystander")
    hold()


def describe(key, frames):
    """One thread's truth."""
    return {"key": key, "ident": arrivals[key].ident, "lwp": arrivals[key].native_id, "frames": frames}


def tell(path):
    """Wait for the others, write the truth of all, say so."""
    others = ["main", "bystander"] + ["waiter-%d" % number for number in range(WAITERS)]
    common.settle(others)
    frames = sys._current_frames()
    threads = [describe(key, chain(frames[arrivals[key].ident])) for key in others]
    # The caller is on the line on which it stays.
    threads.append(describe("holder", chain(sys._getframe(1))))
    # Who waits for the GIL wakes up this often to ask for it: from now on, hardly ever.
    sys.setswitchinterval(1000)
    common.write(path, common.process(threads))
    os.write(1, b"ready\n")


@common.or_die
def holder(path):
    arrive("holder")
    tell(path), pause()


def main():
    """Start everything, then wait for ever."""
    for number in range(WAITERS):
        threading.Thread(target=waiter, args=("waiter-%d" % number,)).start()
    threading.Thread(target=bystander).start()
    threading.Thread(target=holder, args=(sys.argv[1],)).start()
    arrive("main")
    hold()


if __name__ == "__main__":
    main()
