# -*- coding: utf-8 -*-
"""A process that raises exceptions once somebody traces it; it tells where py-catch has to stop.

    python raises.py TRUTH.json
"""

import os
import re
import sys
import threading

import common


class Mine(KeyError):
    """Derived from what is caught."""


class Holder:
    """Holds a type of the same name."""

    class Mine(Exception):
        """Holder.Mine"""


def lookup():
    return {}["a"]


def deeper(depth):
    if depth:
        return deeper(depth - 1)
    raise Mine("passes through several frames")


def generate():
    yield 1
    raise FileNotFoundError(2, "in a generator")


def convert():
    return int("no number")


def held():
    raise Holder.Mine()


def again():
    try:
        lookup()
    except KeyError:
        # The same exception again: it has been raised before.
        raise


def others():
    """Nothing that is caught."""
    for function in (convert, lambda: next(iter(())), lambda: getattr(3, "nothing"), lambda: 1 / 0):
        try:
            function()
        except (ValueError, StopIteration, AttributeError, ZeroDivisionError):
            pass


# What is called, which exception that catches, and the type and innermost function of each stop.
STEPS = (
    (lookup, KeyError, [("KeyError", "lookup")]),
    (others, (), []),
    (lambda: deeper(3), Mine, [("Mine", "deeper")]),
    (lambda: list(generate()), OSError, [("FileNotFoundError", "generate")]),
    (again, KeyError, [("KeyError", "lookup")]),
    (held, Holder.Mine, [("Holder.Mine", "held")]),
)
# In another thread.
LAST = ("KeyError", "lookup")


def is_traced():
    with open("/proc/self/status") as file:
        return re.search(r"(?m)^TracerPid:\s*(\d+)$", file.read()).group(1) != "0"


@common.or_die
def worker():
    try:
        lookup()
    except KeyError:
        pass
    common.hold()


def main():
    stops = [stop for _function, _caught, found in STEPS for stop in found]
    common.write(sys.argv[1], common.process([], stops=stops + [LAST], lwp=os.getpid()))
    os.write(1, b"ready\n")
    common.wait_for(is_traced, lambda: "nobody traces this process")
    for function, caught, _stops in STEPS:
        try:
            function()
        except caught:
            pass
    threading.Thread(target=worker, name="worker").start()
    common.hold()


if __name__ == "__main__":
    main()
