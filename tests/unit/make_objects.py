"""Run by each interpreter, 3.6 and newer: makes objects, tells where they are and what they hold, and waits.

Prints one JSON list of [case, kind, address, contents] and reads a line. Dictionaries and attributes are
told as [name, number] pairs in their order.
"""

import ctypes
import json
import sys

kept = []


def told(case, kind, thing, contents):
    """One case; the object is kept alive."""
    kept.append(thing)
    return [case, kind, id(thing), contents]


class Name(str):
    """A subclass of str."""


class Plain(object):
    """Ordinary instances."""

    def __init__(self, **attributes):
        for name in sorted(attributes):
            setattr(self, name, attributes[name])


class Reordered(object):
    """Instances whose attributes are not set in the order of the first one."""


class Deleted(object):
    """Instances of which attributes were deleted."""


class Shown(object):
    """Instances that were asked for their dictionary."""


class Many(object):
    """Instances with more attributes than shared keys have room for."""


class Slots(object):
    """Instances with a dictionary and a slot."""

    __slots__ = ("slot", "__dict__")


class Bare(object):
    """Instances without a dictionary."""

    __slots__ = ("slot",)


class Failure(Exception):
    """A type of C with a dictionary, and a class derived from it."""


def texts():
    """Every way in which a str is stored."""
    values = {"empty": "", "ascii": "hello", "nul": "a\0b", "latin-1": "h\xe9llo\xff",
              "ucs2": "\u043f\u0440\uffff",
              "ucs4": "a\U0001f40d\U0010ffff", "lone surrogate": "a\udc80b",
              "surrogates with astral": "\ud800\U0001f40d",
              "long": "x" * 5000 + "\u044f"}
    for case in sorted(values):
        yield told("text " + case, "text", values[case], list(map(ord, values[case])))
        yield told("subclass " + case, "text", Name(values[case]), list(map(ord, values[case])))
    pair = "".join(map(chr, (0xD83D, 0xDE00)))
    yield told("text surrogate pair", "text", pair, [0xD83D, 0xDE00])
    if sys.version_info < (3, 12):
        # The old API: a str that is not ready holds wchar_t.
        make = ctypes.pythonapi.PyUnicode_FromUnicode
        make.argtypes, make.restype = [ctypes.c_wchar_p, ctypes.c_ssize_t], ctypes.py_object
        wide = ctypes.pythonapi.PyUnicode_AsUnicode
        wide.argtypes, wide.restype = [ctypes.py_object], ctypes.c_void_p
        thing = make(None, 3)
        ctypes.memmove(wide(thing), "a\u044f\U0001f40d".encode("utf-32-le"), 12)
        yield told("text not ready", "text", thing, [0x61, 0x44F, 0x1F40D])


def numbers():
    """Every sign and number of digits."""
    for value in (0, 1, -1, True, False, 255, -5, 256, 257, 2**15, 2**30 - 1, 2**30, -2**30, 2**31, 2**60,
                  2**63,
                  -2**64, 3**200, -7**301):
        yield told("int %d" % value, "int", value, str(int(value)))


def containers():
    """Bytes, tuples, lists."""
    for value in (b"", b"abc", b"\0\xff" * 3000):
        yield told("bytes %d" % len(value), "bytes", value, value.hex())
    for items in ([], [1], list(range(1000, 1300))):
        yield told("tuple %d" % len(items), "tuple", tuple(items), items)
        yield told("list %d" % len(items), "list", items, items)


def dictionaries():
    """Every shape of a dict."""
    for count in (0, 1, 5, 6, 100, 200):
        yield told("dict text %d" % count, "dict", {"k%d" % index: index for index in range(count)},
                   [["k%d" % index, index] for index in range(count)])
    # An index of four bytes, from 65536 slots on.
    yield told("dict large", "ends", {"k%d" % index: index for index in range(22000)},
               [22000, ["k0", 0], ["k1", 1], ["k21999", 21999]])
    mixed = {1: 10, "a": 11, 2: 12}
    yield told("dict general", "dict", mixed, [[1, 10], ["a", 11], [2, 12]])
    holes = {"k%d" % index: index for index in range(50)}
    for index in range(0, 50, 3):
        del holes["k%d" % index]
    yield told("dict deleted", "dict", holes, [["k%d" % index, index] for index in range(50) if index % 3])
    again = {"a": 1, "b": 2, "c": 3}
    del again["a"]
    again["a"] = 4
    yield told("dict inserted again", "dict", again, [["b", 2], ["c", 3], ["a", 4]])


def instances():
    """Every way in which attributes are stored."""
    for number in range(3):
        yield told("plain %d" % number, "attributes", Plain(a=number, b=7, c=9),
                   [["a", number], ["b", 7], ["c", 9]])
    yield told("plain without", "attributes", Plain(), [])
    first = Reordered()
    first.a, first.b, first.c = 1, 2, 3
    kept.append(first)
    second = Reordered()
    second.c, second.a = 4, 5
    yield told("reordered", "attributes", second, [["c", 4], ["a", 5]])
    gone = Deleted()
    gone.a, gone.b, gone.c = 1, 2, 3
    del gone.b
    yield told("deleted", "attributes", gone, [["a", 1], ["c", 3]])
    shown = Shown()
    shown.a, shown.b = 1, 2
    yield told("dictionary of an instance", "dict", vars(shown), [["a", 1], ["b", 2]])
    yield told("asked for its dictionary", "attributes", shown, [["a", 1], ["b", 2]])
    replaced = Shown()
    replaced.a = 1
    replaced.__dict__ = {"x": 5}
    yield told("given a dictionary", "attributes", replaced, [["x", 5]])
    many = Many()
    for index in range(100):
        setattr(many, "a%d" % index, index)
    yield told("many", "attributes", many, [["a%d" % index, index] for index in range(100)])
    slots = Slots()
    slots.slot, slots.a = 1, 2
    yield told("slots", "attributes", slots, [["a", 2]])
    bare = Bare()
    bare.slot = 1
    yield told("no dictionary", "attributes", bare, [])
    failure = Failure("x")
    failure.a = 3
    yield told("exception", "attributes", failure, [["a", 3]])
    numbers.attribute = 8
    yield told("function", "attributes", numbers, [["attribute", 8]])


def codes():
    """Code objects, one of a nested function."""
    def inner():
        return [lambda: kept for _ in ()]

    for function in (told, inner, Plain.__init__):
        code = function.__code__
        yield told("code " + code.co_name, "code", code, [
            code.co_name, getattr(code, "co_qualname", None), code.co_filename, code.co_firstlineno])


def main():
    """Tell, then wait for the end."""
    cases = [case for make in (texts, numbers, containers, dictionaries, instances, codes) for case in make()]
    print(json.dumps(cases), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
