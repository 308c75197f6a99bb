"""Changes its heap all the time: makes and drops objects, grows lists, collects. Some things stay."""

import functools
import gc
import mmap
import os
import sys

import common


class Stays(object):
    pass


class Comes(object):
    def __init__(self, other):
        self.other = other


STAYING = [Stays() for _ in range(777)]
BROKEN = [[None] * 9]
CACHED = functools.lru_cache()(abs)
for number in range(1000, 1003):
    CACHED(number)
# Far more addresses than memory: a few pages are touched.
SPARSE = mmap.mmap(-1, 100 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000))
for place in range(0, 100 << 30, 10 << 30):
    SPARSE[place] = 1


def churn():
    kept = []
    while True:
        for index in range(2000):
            kept.append(Comes(kept and kept[-1]))
            kept.append({index: [index]})
            kept.append("text %d" % index * 40)
        gc.collect(0)
        del kept[::2]
        if len(kept) > 20000:
            kept = []


common.write(sys.argv[1], common.process([{"lwp": os.getpid()}], broken=id(BROKEN[0]), cached=id(CACHED),
                                        staying=len(STAYING)))
os.write(1, b"ready\n")
churn()
