"""Leaves cycles behind that nobody collects, and tells which: a forked child collects them and looks."""

import gc
import os
import sys

import common


class Node(object):
    def __init__(self):
        self.other = None


class Finalized(Node):
    def __del__(self):
        pass


class Slotted(object):
    __slots__ = ("other",)


def leave_behind():
    for kind in (Node, Finalized, Slotted):
        for _ in range(20):
            first, second = kind(), kind()
            first.other, second.other = second, first
    for _ in range(15):
        own = Node()
        own.other = own
        own.hangs = [Node(), {"key": [own, (own,)]}]
    for _ in range(10):
        items = []
        items.append(items)
        mapping = {"items": items}
        mapping["own"] = mapping
    for _ in range(5):
        def function():
            return function
        try:
            raise ValueError(function)
        except ValueError as error:
            kept = error
            kept.own = kept


def reachable():
    """Cycles that somebody does refer to."""
    first, second = Node(), Finalized()
    first.other, second.other = second, first
    return [first, {"second": second}]


@common.or_die
def measure():
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    common.write(sys.argv[1], common.process(
        [{"lwp": os.getppid()}], pid=os.getppid(), garbage=sorted(map(id, gc.garbage)), kept=[id(KEPT[0])]))


gc.collect()
gc.disable()
gc.set_threshold(901, 11, 12)
STAYS = reachable()
KEPT = [Node()]
leave_behind()
if not os.fork():
    measure()
    os._exit(0)
os.wait()
gc.garbage.append(KEPT[0])
os.write(1, b"ready\n")
os.read(0, 1)
