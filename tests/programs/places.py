# -*- coding: utf-8 -*-
"""Going to a place, and knowing that all are there; without what needs large modules, for small.py.

Runs on CPython 3.6 to 3.15, in sub-interpreters too.
"""

import _thread
import os
import sys
import time
from _functools import partial

DEADLINE = 60.0  # seconds; far more than is needed, so that a hang ends in a message

# Nobody ever writes here, so a read of HOLD_FD blocks until the process dies.
HOLD_FD, _HOLD_WRITER = os.pipe()

# A C callable, so that the innermost Python frame is the caller's own.
hold = partial(os.read, HOLD_FD, 1)

arrivals = {}  # key -> Arrival


class Arrival:
    """A thread that is about to block: which one, and how the kernel will show that it has."""

    def __init__(self, waits):
        self.waits = waits
        self.ident = _thread.get_ident()
        # threading.get_native_id() came with 3.8.
        self.native_id = int(os.readlink("/proc/thread-self").rpartition("/")[2])


def arrive(key, waits="read"):
    """Say that this thread goes to its place now."""
    arrivals[key] = Arrival(waits)


# System calls of x86-64, by what a thread waits in.
SYSCALLS = {
    "read": (0,),
    "sleep": (23, 35, 230, 270),  # select, nanosleep, clock_nanosleep, pselect6
    "select": (23, 270),
    "poll": (7, 271),
    "lock": (202,),
    "timed lock": (202,),
    "shared lock": (202,),
    "any read": (0,),
    "recv": (45,),
    "accept": (43, 288),
    "flock": (73,),
    "epoll": (232, 281),
    "child": (61, 247),
    "pause": (34,),
    "open": (2, 257),
    "connect": (42,),
    "signal": (128,),
}
# A wait that is meant to last ends so many seconds from now; one for the GIL has milliseconds.
LONG = 1000


def is_settled(tid, waits):
    """Whether the kernel shows the thread blocked as announced."""
    with open("/proc/self/task/%d/syscall" % tid) as file:
        fields = file.read().split()
    if fields[0] == "running" or int(fields[0]) not in SYSCALLS[waits]:
        return False
    if waits == "read":
        return int(fields[1], 16) in (HOLD_FD, 0)
    if waits in ("lock", "shared lock"):
        # A wait for the GIL is a futex too, but one with a timeout: the switch interval.
        return int(fields[4], 16) == 0
    if waits == "timed lock":
        return int(fields[4], 16) != 0 and ends_late(int(fields[4], 16))
    return True


def ends_late(deadline):
    """Whether a timespec in this process's memory lies far ahead, on whichever clock."""
    with open("/proc/self/mem", "rb", 0) as memory:
        memory.seek(deadline)
        seconds = int.from_bytes(memory.read(8), "little")
    return min(abs(seconds - time.time()), abs(seconds - time.monotonic())) > LONG


def unsettled(expected):
    """Which of the expected threads have not arrived, or are not blocked yet."""
    late = set(expected) - set(arrivals)
    for key in set(expected) - late:
        if not is_settled(arrivals[key].native_id, arrivals[key].waits):
            late.add(key)
    return late


def settle(expected):
    """Wait until all of the expected threads are blocked."""
    wait_for(lambda: not unsettled(expected), lambda: "not there: %s" % sorted(unsettled(expected)))


def wait_for(condition, what):
    """Poll until the condition holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what())
        time.sleep(0.001)


def chain(frame):
    """The frames from this one outwards, as the interpreter tells them."""
    frames = []
    while frame is not None:
        code = frame.f_code
        frames.append({
            "function": code.co_name,
            "qualname": getattr(code, "co_qualname", None),
            "file": code.co_filename,
            "line": frame.f_lineno,
        })
        frame = frame.f_back
    return frames


def process(threads, **more):
    """The truth about this process, or about another one whose `pid` is given."""
    return dict({"pid": os.getpid(), "python": sys.version.split()[0], "threads": threads}, **more)


def or_die(function):
    """A failure ends the process, so that whoever waits for "ready" sees the end of the pipe."""
    def call(*arguments):
        try:
            function(*arguments)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    return call


def apart(function, *arguments):
    """Call it in a child, which has the modules that it needs. Raises RuntimeError where the child failed.

    Not in __main__: Python warns there of threads that a child has not.
    """
    child = os.fork()
    if not child:
        or_die(function)(*arguments)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("the child failed")
