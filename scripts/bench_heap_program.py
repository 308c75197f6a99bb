"""What scripts/bench_heap measures: a process with a heap of a given size, which answers questions about it.

Its argument is how many objects the garbage collector tracks; 1.4 times as many are str, int and float. Each line of
standard input is a question, each of standard output an answer in JSON.
"""

import collections
import gc
import json
import sys
import time


class Plain(object):
    def __init__(self, number):
        self.number = number
        self.text = "text %d" % number


class Slots(object):
    __slots__ = ("first", "second")

    def __init__(self, first, second):
        self.first = first
        self.second = second


def made(number, before):
    """One object that the collector tracks."""
    kind = number % 6
    if kind == 0:
        return {"number": number + 1000, "share": number / 3.0}
    if kind == 1:
        return [number + 1000, "item %d" % number]
    if kind == 2:
        return (before, number / 3.0)
    if kind == 3:
        return Slots(before, "slot %d" % number)
    if kind == 4:
        return Plain(number + 1000)
    return {before and "name %d" % number}


def counted():
    """The census as a program takes it of itself."""
    start = time.perf_counter()
    kinds = collections.Counter(map(type, gc.get_objects()))
    return {"seconds": time.perf_counter() - start, "objects": sum(kinds.values())}


def by_guppy():
    import guppy

    start = time.perf_counter()
    heap = guppy.hpy().heap()
    return {"seconds": time.perf_counter() - start, "objects": heap.count}


def deep(kept):
    """The address of an object that is reached only when nearly all others have been."""
    return id([each for each in kept[-6:] if isinstance(each, Plain)][0].text)


def main():
    gc.disable()
    count = int(sys.argv[1])
    kept, before, number = [], None, 0
    while number < count:
        before = made(number, before)
        kept.append(before)
        number += 1
    answers = {"count": counted, "guppy": by_guppy, "deep": lambda: {"address": deep(kept)}}
    print(json.dumps({"tracked": len(gc.get_objects())}))
    sys.stdout.flush()
    for line in sys.stdin:
        try:
            answer = answers[line.strip()]()
        except Exception as error:
            answer = {"problem": "%s: %s" % (type(error).__name__, error)}
        print(json.dumps(answer))
        sys.stdout.flush()


main()
