# -*- coding: utf-8 -*-
"""A greenlet that another one has switched to: the thread state leads to the frames of the one that runs only.

    python greenlets.py TRUTH.json

Needs the package greenlet. The truth has the frames of the main thread, those that lie behind the switch too.
"""

import os
import sys
import threading

import greenlet

import common
from common import HOLD_FD, arrive, chain

outside = []


def inner():
    arrive("main")
    os.read(HOLD_FD, 1)


def runs():
    list(map(lambda _: inner(), [1]))


def switches():
    sorted([1], key=lambda _: leave())


def leave():
    # Itself, its caller, and so on: what is no longer in the thread state from the switch on.
    outside.extend(chain(sys._getframe()))
    outside[0]["line"] += 2
    greenlet.greenlet(runs).switch()


@common.or_die
def tell():
    common.settle(["main"])
    main = common.arrivals["main"]
    known = chain(sys._current_frames()[main.ident])
    common.write(sys.argv[1], common.process([
        {"key": "main", "lwp": main.native_id, "ident": main.ident, "busy_lines": None, "frames": known + outside,
         "known": len(known)}], native_threads=[]))
    os.write(1, b"ready\n")


threading.Thread(target=tell, name="tell").start()
switches()
