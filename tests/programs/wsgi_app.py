# -*- coding: utf-8 -*-
"""A WSGI application for servers of others; the environment's TRUTH names the file for what it tells.

    /block/KEY   never answers
    /busy        computes for some milliseconds, then answers
    /pid         the worker's process id
    /tell/N/M    waits until N requests are blocked and M threads have names, writes the truth
"""

import os
import sys
import threading

import common
import hosted

# The sum of as many numbers takes some 3 ms.
NUMBERS = 200000

busy_chains = {}  # LWP -> the frames around busy()


def busy():
    """Only arithmetic, on the lines that `busy_lines` names."""
    busy_chains[threading.get_ident()] = common.chain(sys._getframe())
    total = 0
    for number in range(NUMBERS):
        total += number
    return total


def lwps():
    return sorted(int(name) for name in os.listdir("/proc/self/task"))


def begun():
    """The threads that have come so far as to know their idents; a pool may be starting another one."""
    return [thread for thread in threading.enumerate() if thread.ident is not None]


def tell(count, named):
    """Everything about this worker, once its blocked requests are at their places."""
    common.wait_for(lambda: len(common.arrivals) >= count, lambda: "only %d blocked" % len(common.arrivals))
    common.wait_for(lambda: len(begun()) >= named, lambda: str(threading.enumerate()))
    common.settle(list(common.arrivals))
    teller = int(os.readlink("/proc/thread-self").rpartition("/")[2])
    first = busy.__code__.co_firstlineno
    hosted.write(
        os.environ["TRUTH"], lwps=lwps(), teller=teller,
        names=dict((str(thread.ident), thread.name) for thread in begun()),
        busy=dict((str(ident), frames) for ident, frames in busy_chains.items()),
        busy_lines=list(range(first + 2, first + 7)))


def application(environ, start_response):
    """The entry point."""
    hosted.let_attach()
    words = environ["PATH_INFO"].strip("/").split("/")
    answer = ""
    if words[0] == "block":
        hosted.block(words[1])
    elif words[0] == "busy":
        answer = str(busy())
    elif words[0] == "pid":
        answer = str(os.getpid())
    elif words[0] == "tell":
        tell(int(words[1]), int(words[2]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer.encode()]
