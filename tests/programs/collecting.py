"""Stands still within a collection: the garbage has been set aside, and a finalizer waits."""

import gc
import os
import sys

import common


class Cycle(object):
    def __init__(self, other=None):
        self.other = other or Cycle(self)


class Waiting(Cycle):
    def __del__(self):
        os.write(1, b"ready\n")
        os.read(common.HOLD_FD, 1)
        os._exit(0)


def failed():
    try:
        raise KeyError("in the garbage")
    except KeyError as error:
        return error


gc.disable()
for _ in range(100):
    Cycle()
garbage = Cycle()
garbage.error = failed()
ERROR = id(garbage.error)
del garbage
KEPT = [Cycle() for _ in range(10)]
Waiting()
common.write(sys.argv[1], common.process([{"lwp": os.getpid()}], cycles=2 * 100 + 2 + 2 * 10 + 1, waiting=1,
                                           error=ERROR))
gc.collect()
