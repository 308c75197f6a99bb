"""Calls C code that loses references, with objects of many kinds, and C code that keeps some rightly.

    python losing.py TRUTH.json CALLS [DIRECTORY OF losing]

Without the directory it only has many objects, none of them lost.
"""

import collections
import decimal
import gc
import itertools
import os
import re
import sys
import weakref

import common

# So that what is told here does not look like an address in memory.
DISGUISE = 1 << 62
lost = {}
kept = []


class Plain:
    def __init__(self, number):
        self.number = number


class Slots:
    __slots__ = ("number", "__weakref__")


def kinds(number):
    """An object of each kind, none of which is there already."""
    slots = Slots()
    slots.number = number + 10 ** 6
    dictionary = {"number": number, "text": "text %d" % number}
    yield from ("text %d" % number, b"bytes %d" % number, number + 10 ** 6, number / 7, (number, "in"), [number],
                dictionary, {number}, Plain(number), slots, lambda: number, bytearray(b"x"), slice(number, None),
                collections.deque([number]), collections.OrderedDict(number=number), Plain(number).__init__)
    # One that is referred to as well.
    kept.append(dictionary)
    yield dictionary["text"]


def held_rightly(number):
    """What no C code has lost, though much of it only C code knows."""
    values = iter([number])
    generator = (each for each in (number, "text"))
    next(generator)
    plain = Plain(number)
    plain.__dict__
    return [
        values, generator, plain, weakref.ref(plain), zip([number], [str(number)]), itertools.chain([[number]], []),
        map(str, [number]), enumerate([str(number)]), range(number * 10 ** 6, number * 10 ** 7), {number: str(number)}.keys(),
        re.compile("a{%d}" % number).match("a" * number) if number < 100 else None, decimal.Decimal(number),
        memoryview(bytearray(8)), property(lambda self: number), type("Type", (Plain,), {}) if number < 100 else None,
        collections.OrderedDict([(str(number), [number])]), collections.deque([[number]]), frozenset([str(number)]),
    ]


@common.or_die
def measure():
    common.write(sys.argv[1], common.process(
        [{"lwp": os.getppid()}], pid=os.getppid(), lost=lost, disguise=DISGUISE,
        plain=sum(type(each) is Plain for each in gc.get_objects())))


def main(calls, folder=None):
    if folder is not None:
        sys.path.insert(0, folder)
        import losing

        losing.resemble(Plain)
        for number in range(calls):
            for each in kinds(number):
                if losing.lose(each):
                    lost[str(id(each) ^ DISGUISE)] = type(each).__name__
            if not number % 100:
                kept.append(losing.hold(["held", number]))
                losing.keep(["kept", number])
                kept.append(held_rightly(number))
    else:
        kept.extend(held_rightly(number) for number in range(calls))
    # The list of all objects is made in a child: here its memory would have their addresses afterwards too.
    child = os.fork()
    if not child:
        measure()
        os._exit(0)
    os.waitpid(child, 0)
    os.write(1, b"ready\n")
    os.read(0, 1)


main(int(sys.argv[2]), *sys.argv[3:])
