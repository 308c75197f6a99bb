# -*- coding: utf-8 -*-
"""Python called by C called by Python, and then calls of mkdir from two functions.

    python calls.py TRUTH.json

Blocks in open() of a FIFO, "release" in its directory, deep within calls. When somebody opens it, functions
call mkdir; then it waits for ever. Another thread computes all the time. Runs on CPython 3.6 to 3.15.
"""

import os
import threading


def busy():
    while True:
        sum(range(100))


def unwanted(number):
    try:
        os.mkdir("/nonexistent/unwanted")
    except OSError:
        pass


def wanted(number):
    name = "näme"
    large = 2 ** 70
    flag = True
    share = -0.1
    nothing = None
    huge = 10 ** 400
    try:
        os.mkdir("/nonexistent/wanted")
    except OSError:
        pass
    return name, large, flag, share, nothing, huge


def innermost(item):
    own = "innermost's"
    with open("release"):
        pass
    for number in range(20):
        unwanted(number)
    wanted(-5)
    os.read(0, 1)
    return own


def middle(item):
    own = "middle's"
    return sorted([item], key=innermost), own


def caller(item):
    own = "caller's"
    return middle(item), own


def outer():
    own = "outer's"
    return sorted([1], key=caller), own


os.mkfifo("release")
threading.Thread(target=busy, daemon=True).start()
os.write(1, b"ready\n")
outer()
