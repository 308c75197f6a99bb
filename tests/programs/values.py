# -*- coding: utf-8 -*-
"""Makes values of every type whose repr() gdbext knows, writes what repr() gives for each, and waits.

    python values.py TRUTH.json

Runs on CPython 3.6 to 3.15. TRUTH.json has "values": a list of [case, address, text]. Where gdbext shows
another text than repr(), because that would need code of the process, the text is that one.
"""

import abc
import array
import asyncio
import collections
import datetime
import decimal
import enum
import fractions
import functools
import http
import importlib.util
import json
import math
import os
import pathlib
import re
import signal
import socket
import sys
import threading
import time
import types
import typing
import uuid
import weakref

import common

try:
    import dataclasses
except ImportError:  # 3.6
    dataclasses = None

kept = []


def shown(instance, *parts):
    """What gdbext shows for an instance whose repr() it does not know, or that has attributes."""
    type_ = type(instance)
    inner = ": %s" % ", ".join(parts) if parts else ""
    return "<%s.%s at %#x%s>" % (type_.__module__, type_.__qualname__, id(instance), inner)


class Case:
    """Collects cases under a name."""

    def __init__(self):
        self.told = []

    def add(self, name, value, text=None):
        kept.append(value)
        self.told.append([name, id(value), repr(value) if text is None else text])

    def each(self, name, values):
        for number, value in enumerate(values):
            self.add("%s %d" % (name, number), value)


def numbers(case):
    """int, bool, float, complex."""
    powers = [2 ** bits + more for bits in (0, 8, 15, 29, 30, 31, 32, 59, 60, 61, 63, 64, 90, 100, 120, 511)
              for more in (-1, 0, 1)]
    case.each("int", powers + [-value for value in powers] + [0, 10 ** 100, -10 ** 99, 3 ** 500])
    case.add("int of many digits", 7 ** 20000)
    case.add("int of many zeros", -10 ** 9000)
    case.each("bool", [True, False])
    special = [float("inf"), float("-inf"), float("nan"), 0.0, -0.0]
    floats = special + [1.0, -1.5, 0.1, 1e16, 1e15, 123456789012345680.0, 1e-5, 1e-4, 5e-324, 1.7976931348623157e308,
                        1 / 3, math.pi, 1e22, 1e23, 2.5e-8, 100000.0, 0.30000000000000004]
    case.each("float", floats)
    case.each("complex", [complex(real, imag) for real in special + [1.5, 1e20] for imag in special + [2.0, -1e-7]])
    case.each("singleton", [None, Ellipsis, NotImplemented])


def texts(case):
    """str, bytes, bytearray."""
    case.each("str", [
        "", "a", "it's", '"quoted"', "both ' and \"", "\0\x01\x1b[31m\x7f\n\r\t\\", "\xe9t\xe9", "\xa0\xad\x85",
        "\u043f\u0440\u0438", "\u20ac\u2028\u202e\ufeff", "\U0001f40d", "\U0010ffff\ue000", "\ud800", "\udc80x",
        "\ud83d" + "\ude00", "a" * 10000, "\u4e2d" * 5000, "\U0001f600" * 3000, "tab\tend", "\xff", "\u0378", " "])
    case.each("bytes", [b"", b"a", b"it's", b'"', b"'\"", bytes(range(256)), b"x" * 9999])
    case.each("bytearray", [bytearray(), bytearray(b"abc'"), bytearray(b"'\""), bytearray(bytes(range(256)))])
    shrunk = bytearray(b"0123456789" * 10)
    del shrunk[:7]
    case.add("bytearray cut at its start", shrunk)


class Key:
    """Hashes as it is told."""

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return self.number

    def __eq__(self, other):
        return self is other


def containers(case):
    """list, tuple, dict, set, frozenset, deque, range, slice."""
    case.each("list", [[], [1], [1, [2, [3]]], [None] * 1000, list(range(3000)), [[], (), {}, set(), "", b""]])
    case.each("tuple", [(), (1,), (1, 2), ((),), (1, (2, (3,))), tuple(range(1000))])
    case.each("dict", [{}, {"a": 1}, {1: 2, "b": [3]}, {"k%d" % index: index for index in range(2000)},
                       {index: str(index) for index in range(300)}, {(1, 2): {3: 4}}])
    holes = {"k%d" % index: index for index in range(100)}
    for index in range(0, 100, 3):
        del holes["k%d" % index]
    holes["k0"] = "again"
    case.add("dict with deleted entries", holes)
    first = {index: None for index in range(50)}
    for index in range(49):
        del first[index]
    case.add("dict whose last entry is left", first)
    emptied = {"a": 1}
    del emptied["a"]
    case.add("dict emptied", emptied)
    case.add("namespace of an instance", vars(Plain(1, 2)))
    deleted = Plain(1, 2)
    del deleted.a
    case.add("namespace without its first", vars(deleted))
    case.each("set", [set(), {1}, {1, 2, 3}, set(range(1000)), {"a", b"b", 1.5, (), None}, {-1, -2}])
    gone = set(range(20))
    for index in range(0, 20, 2):
        gone.remove(index)
    case.add("set with deleted entries", gone)
    case.each("frozenset", [frozenset(), frozenset([1]), frozenset("abc"), frozenset([frozenset([1])])])
    case.each("deque", [collections.deque(), collections.deque([1]), collections.deque([1, 2], 2),
                        collections.deque([], 0), collections.deque(range(1000)), collections.deque(maxlen=7)])
    turned = collections.deque(range(200))
    turned.rotate(77)
    turned.popleft()
    turned.appendleft("left")
    case.add("deque turned", turned)
    case.each("range", [range(0), range(5), range(1, 10, 3), range(10, 0, -1), range(2 ** 70)])
    case.each("slice", [slice(None), slice(1, 2), slice(None, -1, "x"), slice(1, None, [2])])
    mapping = {"a": 1, 2: "b"}
    case.each("view", [mapping.keys(), mapping.values(), mapping.items(), {}.keys()])
    case.each("mappingproxy", [types.MappingProxyType(mapping), types.MappingProxyType({})])
    if hasattr(__builtins__, "frozendict"):
        case.each("frozendict", [__builtins__.frozendict(), __builtins__.frozendict(a=1, b=[2])])


def cycles(case):
    """What contains itself, and what only contains something twice."""
    one = [1]
    case.add("list twice", [one, one, (one, one)])
    values = [], {}, collections.deque(), collections.OrderedDict(), collections.defaultdict(list)
    for value in values:
        name = type(value).__name__
        if isinstance(value, dict):
            value["self"] = value
        else:
            value.append(value)
        case.add("%s in itself" % name, value)
        case.add("%s in itself in a list" % name, [value, value])
    inner = []
    pair = (inner, 1)
    inner.append(pair)
    case.add("tuple in itself", pair)
    case.add("list in a tuple in itself", inner)
    deep = start = []
    for _ in range(4):
        deep.append({"next": []})
        deep = deep[0]["next"]
    deep.append(start)
    case.add("five levels back to itself", start)
    holder = Key(1)
    group = {holder}
    holder.group = group
    case.add("set in itself", group, "{%s}" % shown(holder, "number=1", "group=set(...)"))
    name = types.SimpleNamespace(a=1)
    name.me = name
    case.add("namespace in itself", name)
    node = Plain(1, None)
    node.b = [node]
    case.add("instance in itself", node, shown(node, "a=1", "b=[%s]" % shown(node, "...")))
    other = List([1])
    other.me = other
    case.add("list with attributes in itself", other, shown(other, "[1]", "me=%s" % shown(other, "...")))
    bare = List()
    bare.append(bare)
    case.add("derived list in itself", bare)
    call = functools.partial(print)
    call.__setstate__((call, (call,), {}, {}))
    if sys.version_info < (3, 15):
        case.add("partial in itself", call)
    nested = []
    for _ in range(60):
        nested = [nested]
    case.add("sixty levels", nested)
    if sys.version_info >= (3, 8):
        proxied = {}
        proxied["me"] = types.MappingProxyType(proxied)
        case.add("mappingproxy in itself", proxied)
        views = {}
        views["values"] = views.values()
        case.add("view in itself", views)


class Plain:
    def __init__(self, a, b):
        self.a = a
        self.b = b

    def method(self):
        """Bound."""


class Empty:
    pass


class Slots:
    __slots__ = ("b", "a", "__hidden", "unset")

    def __init__(self):
        self.a = 1
        self.b = [2]
        self.__hidden = 3


class MoreSlots(Slots):
    __slots__ = ("c", "__dict__", "__weakref__")


class OwnRepr:
    def __init__(self):
        self.x = 1

    def __repr__(self):
        return "anything at all"


class OwnReprEmpty:
    __slots__ = ()

    def __repr__(self):
        return "anything at all"


class ObjectRepr(list):
    __repr__ = object.__repr__


class ListRepr(OwnRepr, list):
    __repr__ = list.__repr__

    def __init__(self):
        list.__init__(self, [4])


class List(list):
    pass


class Tuple(tuple):
    pass


class Dict(dict):
    def __missing__(self, key):
        return key


class Int(int):
    pass


class Str(str):
    pass


class Bytes(bytes):
    pass


class Float(float):
    pass


class Set(set):
    pass


class FrozenSet(frozenset):
    pass


class Deque(collections.deque):
    pass


class IntRepr(int):
    def __repr__(self):
        return "number"


class DictRepr(dict):
    def __repr__(self):
        return "mapping"


class SlottedInt(int):
    __slots__ = ()


class Meta(type):
    pass


class MetaRepr(type):
    def __repr__(cls):
        return "any class"


class Metad(metaclass=Meta):
    pass


class MetaRepred(metaclass=MetaRepr):
    pass


class Abstract(metaclass=abc.ABCMeta):
    class Nested:
        pass


class Dynamic:
    """Has so many attributes that they share no keys."""

    def __init__(self):
        for index in range(200):
            setattr(self, "a%d" % index, index)


Dotted = type("a.dotted", (), {"__slots__": ("x",)})


def instances(case):
    """Objects with `__dict__`, with `__slots__`, of classes derived from built-in ones."""
    for index in range(5):
        plain = Plain(index, [index])
        case.add("plain %d" % index, plain, shown(plain, "a=%d" % index, "b=[%d]" % index))
    case.add("plain object", object())
    case.add("empty", Empty())
    late = Empty()
    late.later = {1: 2}
    case.add("late", late, shown(late, "later={1: 2}"))
    reordered = Plain.__new__(Plain)
    reordered.b, reordered.a = 1, 2
    case.add("reordered", reordered, shown(reordered, "b=1", "a=2"))
    replaced = Plain(1, 2)
    replaced.__dict__ = {"x": 1}
    case.add("replaced", replaced, shown(replaced, "x=1"))
    dictionary = Plain(1, 2)
    vars(dictionary)
    case.add("asked for its dictionary", dictionary, shown(dictionary, "a=1", "b=2"))
    dynamic = Dynamic()
    case.add("dynamic", dynamic, shown(dynamic, *("a%d=%d" % (index, index) for index in range(200))))
    slots = Slots()
    case.add("slots", slots, shown(slots, "_Slots__hidden=3", "a=1", "b=[2]"))
    more = MoreSlots()
    more.c, more.d = 4, 5
    case.add("inherited slots", more, shown(more, "d=5", "_Slots__hidden=3", "a=1", "b=[2]", "c=4"))
    dotted = Dotted()
    dotted.x = 5
    case.add("slots of a class with a dot", dotted, shown(dotted, "x=5"))
    case.each("without a module", [type("Numbered", (), {"__module__": 5}),
                                         type("Numbered", (), {"__module__": 5})()])
    case.each("derived with a dot", [type("a.dot", bases, {})(*arguments) for bases, arguments in (
        ((set,), ([1],)), ((list,), ([1],)), ((ValueError,), (1,)), ((collections.deque,), ([1],)))])
    own = OwnRepr()
    case.add("own repr", own, shown(own, "x=1"))
    bare = OwnReprEmpty()
    case.add("own repr without attributes", bare, shown(bare))
    listed = ObjectRepr([1])
    case.add("a list with the repr of object", listed)
    of_list = ListRepr()
    case.add("with the repr of list", of_list)
    for type_, arguments in (
            (List, ([1],)), (Tuple, ([1, 2],)), (Dict, ({"a": 1},)), (Int, (7,)), (Int, (-2 ** 70,)), (Int, (0,)),
            (Str, ("s\xe9",)), (Bytes, (b"b",)), (Float, (1.5,)), (Set, ([1],)), (Set, ()), (FrozenSet, ([1],)),
            (FrozenSet, ()), (Deque, ([1], 3)), (SlottedInt, (3,)), (Tuple, ()), (Bytes, (b"0123456789abcdef",))):
        value = type_(*arguments)
        text = repr(value)
        case.add("derived %s %s" % (type_.__name__, text), value)
        if hasattr(value, "__dict__"):
            with_attributes = type_(*arguments)
            with_attributes.note, with_attributes.more = "n", None
            case.add("with attributes %s %s" % (type_.__name__, text), with_attributes,
                     shown(with_attributes, text, "note='n'", "more=None"))
    number, mapping = IntRepr(5), DictRepr(a=1)
    mapping.x = 2
    case.add("int with own repr", number, shown(number, "5"))
    case.add("dict with own repr", mapping, shown(mapping, "{'a': 1}", "x=2"))
    case.each("class", [Plain, Abstract, Abstract.Nested, Meta, Metad, int, type, object, collections.deque,
                        collections.OrderedDict, decimal.Decimal, datetime.date, functools.partial, ValueError,
                        type(None), type(print), types.FunctionType, threading.Thread, os.stat_result])
    case.add("class with own repr", MetaRepred,
             "<%s.MetaRepr at %#x: <class '%s.MetaRepred'>>" % (__name__, id(MetaRepred), __name__))


def functions(case):
    """Functions, methods, descriptors, modules, code, generators, cells, weak references."""
    plain = Empty()

    def closure(value):
        def inner():
            return value
        return inner

    async def coroutine():
        """Never started."""

    async def asynchronous():
        yield 1

    def generator():
        yield 1

    inner = closure([1])
    awaited = coroutine()
    case.each("function", [closure, inner, functions, Plain.method, lambda: 0, typing.get_type_hints])
    case.each("built-in", [len, print, [].append, "x".join, plain.__dir__, time.sleep, os.getpid, dict.fromkeys,
                           int.from_bytes, math.sin, object.__new__, {}.get])
    case.add("bound method of a class", classmethod(closure).__get__(None, Empty))
    case.each("bound", [types.MethodType(callee, 5) for callee in (Str, int, Empty().__init__, str.join, types.MethodType(
        functions, 5))])
    held = types.MethodType(functions, plain)
    case.add("bound method of an instance", held)
    case.add("bound built-in", types.MethodType(len, [1]))
    case.each("descriptor", [str.join, int.__add__, dict.__dict__["fromkeys"], type.__dict__["__mro__"],
                             types.FunctionType.__globals__, Slots.a, [].__len__, (5).__add__, plain.__str__])
    case.each("property", [property(closure)])
    case.each("wrapping", [staticmethod(len), classmethod(len)])
    case.each("module", [sys, os, json, importlib.util, collections, sys.modules["__main__"], time, math,
                         types.ModuleType("made"), typing])
    sys.path.insert(0, os.getcwd())
    os.makedirs("namespace_package", exist_ok=True)
    case.each("module of another kind", [sys.modules["_frozen_importlib"], importlib.import_module("namespace_package")])
    filed = types.ModuleType("filed")
    filed.__file__ = "/no/where.py"
    case.add("module with a file", filed)
    case.each("code", [closure.__code__, (lambda: 0).__code__, compile("1", "na\xefve 'file'", "eval")])
    case.each("generator", [generator(), (each for each in ()), awaited, asynchronous()])
    empty = types.CellType() if hasattr(types, "CellType") else None
    case.each("cell", [inner.__closure__[0]] + [empty] * bool(empty))
    gone = Empty()
    dead = weakref.ref(gone)
    del gone
    named = Empty()
    named.__name__ = "name"
    kept.extend([named, plain])
    case.each("weakref", [weakref.ref(plain), dead, weakref.ref(Plain), weakref.ref(closure), weakref.ref(len)])
    # Some releases add the __name__ of the object, some only one that its type defines.
    for each in (named, json):
        case.add("weakref %s" % type(each).__name__, weakref.ref(each), "<weakref at %#x; to '%s' at %#x>" % (
            id(weakref.ref(each)), type(each).__name__, id(each)))
    case.add("weakref to what has a module", weakref.ref(common.Arrival("read")))
    released = memoryview(b"abc")
    case.add("memoryview", memoryview(b"abc"))
    released.release()
    case.add("memoryview released", released)
    case.add("super", super(MoreSlots, MoreSlots()))
    case.add("unbound super", super(Plain))
    case.each("iterator", [iter([]), iter({}), zip(), map(len, []), enumerate([])])


def exceptions(case):
    """Exceptions, own ones too."""
    class Own(Exception):
        pass

    class WithAttributes(Exception):
        def __init__(self, code):
            super().__init__("code %d" % code)
            self.code = code

    case.each("exception", [
        ValueError(), ValueError("x"), KeyError("k", 2), OSError(2, "No such file"), OSError(2, "No", "file"),
        StopIteration(1), SystemExit(3), KeyboardInterrupt(), UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
        SyntaxError("bad", ("f", 1, 2, "text")), ImportError("none"), ImportError("m", name="n"),
        ImportError(path="p"), ModuleNotFoundError("m", name="n", path="p"), Own(), Own("a", [1]), AttributeError("a"),
        RecursionError("deep"), ZeroDivisionError("by")])
    with_attributes = WithAttributes(5)
    case.add("exception with attributes", with_attributes, shown(with_attributes, repr(with_attributes), "code=5"))
    if sys.version_info >= (3, 11):
        case.each("group", [ExceptionGroup("several", [ValueError(1), TypeError(2)]),  # noqa: F821
                            BaseExceptionGroup("one", (KeyboardInterrupt(),))])  # noqa: F821


class Color(enum.Enum):
    RED = 1
    GREEN = "g"
    BLUE = (1, [2])


class Number(enum.IntEnum):
    ONE = 1
    ALSO_ONE = 1
    TWO = 2


class Permission(enum.Flag):
    READ = 4
    WRITE = 2
    RUN = 1
    ALL = 7


class Mode(enum.IntFlag):
    A = 1
    B = 2
    C = 8


class Word(str, enum.Enum):
    HELLO = "hello"


class Several(enum.Flag):
    A = 1
    B = 2
    C = 4
    AB = 3


class Date(datetime.date, enum.Enum):
    FIRST = (2000, 1, 2)


class OwnEnum(enum.Enum):
    ONE = 1

    def __repr__(self):
        return "one"


def enums(case):
    """Members, combinations, the classes."""
    case.each("enum", list(Color) + list(Number) + list(Word))
    case.each("flag", [Permission.READ, Permission.ALL, Permission.READ | Permission.RUN, Permission(0),
                       Mode.A, Mode.A | Mode.B, Mode.A | Mode.C, Mode(0), Mode(16 | 1), Mode(-2), ~Mode.A])
    case.each("enum class", [Color, Number, Permission, Mode, Word])
    case.each("flag of several", [Several.A | Several.C, Several.AB | Several.C, ~Several.A, Several(0)])
    case.each("library enum", [signal.SIGINT, socket.AF_INET, http.HTTPStatus.OK, Date.FIRST, re.I, re.I | re.M,
                               re.I | re.A | re.X, re.RegexFlag(0), re.RegexFlag(1 << 12 | 2), ~re.RegexFlag.I])
    if dataclasses is not None:
        plain = dataclasses.make_dataclass("Data", ["x", "y"])
        case.each("enum of dataclass", list(enum.Enum("OfData", {"A": (1, [2])}, type=plain)))
    own = OwnEnum.ONE
    text = dict(vars(own))
    case.add("enum with own repr", own,
             shown(own, *("%s=%s" % (name, repr(value)) for name, value in text.items())))


Point = collections.namedtuple("Point", "x y")
Single = collections.namedtuple("Single", ["only"])
Nothing = collections.namedtuple("Nothing", "")


class Typed(typing.NamedTuple):
    name: str
    more: list = []


class Derived(Point):
    __slots__ = ()


class DerivedRepr(Point):
    def __repr__(self):
        return "point"


def tuples(case):
    """Named tuples of every kind."""
    case.each("namedtuple", [Point(1, "y"), Single([1]), Nothing(), Typed("n"), Derived(1, 2), Point(Point(1, 2), 3)])
    own = DerivedRepr(1, 2)
    case.add("namedtuple with own repr", own, shown(own, "(1, 2)"))
    case.each("struct sequence", [time.gmtime(0), os.stat("/"), sys.version_info, sys.flags, sys.float_info,
                                  sys.hash_info, os.terminal_size((80, 24))])


def library(case):
    """Types of the standard library."""
    case.each("defaultdict", [collections.defaultdict(), collections.defaultdict(list, {"a": [1]})])
    # Its own repr() is "defaultdict(..., {})": C code guards the factory twice, and takes that for a cycle.
    guarded = collections.defaultdict(functools.partial(int, "5"))
    case.add("defaultdict of partial", guarded, "defaultdict(functools.partial(<class 'int'>, '5'), {})")
    ordered = collections.OrderedDict([("a", 1), ("b", [2]), ("c", {})])
    moved = collections.OrderedDict((index, -index) for index in range(50))
    moved.move_to_end(3)
    moved.move_to_end(40, last=False)
    del moved[7]
    case.each("OrderedDict", [collections.OrderedDict(), ordered, moved])
    case.each("Counter", [collections.Counter(), collections.Counter("abracadabra"), collections.Counter(a=-1, b=0),
                          collections.Counter(a=1.5, b=2, c=float("inf"))])
    mixed = collections.Counter(a=1, b="x")
    case.add("Counter that can't be sorted", mixed, "<collections.Counter at %#x: {'a': 1, 'b': 'x'}>" % id(mixed))
    case.each("ChainMap", [collections.ChainMap(), collections.ChainMap({"a": 1}, {})])
    case.each("User", [collections.UserDict(a=1), collections.UserList([1]), collections.UserString("s")])
    case.each("namespace", [types.SimpleNamespace(), types.SimpleNamespace(z=1, a=[2])])
    case.each("partial", [functools.partial(print), functools.partial(print, 1, "b", end="", file=None),
                          type("Partial", (functools.partial,), {})(print, 1)])
    case.each("derived of the library", [type("Own", (base,), {})(*arguments) for base, arguments in (
        (collections.defaultdict, (int, {1: 2})), (collections.OrderedDict, ([(1, 2)],)), (bytearray, (b"x",)),
        (collections.Counter, ("ab",)), (decimal.Decimal, ("1.5",)), (datetime.timedelta, (1,)),
        (fractions.Fraction, (1, 3)), (uuid.UUID, (None, None, None, None, 7)), (complex, (1, 2)))])
    case.each("uuid", [uuid.UUID(int=5), uuid.UUID("12345678123456781234567812345678")])
    case.each("fraction", [fractions.Fraction(1, 3), fractions.Fraction(-5)])


def of_modules(case):
    """Objects of C modules: locks, files, arrays, patterns, futures and tasks."""
    held, twice = threading.Lock(), threading.RLock()
    held.acquire()
    twice.acquire()
    twice.acquire()
    case.each("lock", [threading.Lock(), held, threading.RLock(), twice])
    modes = ["r", "w", "rb", "wb", "ab", "r+b", "w+b"]
    case.each("file", [open(os.devnull, mode) for mode in modes] + [sys.stdout, sys.stderr])
    raw, closed = (open(os.devnull, "rb", buffering=0) for _ in range(2))
    closed.close()
    case.add("file of a number", open(raw.fileno(), closefd=False))
    for file, text in ((raw, "fd=%d" % raw.fileno()), (closed, "closed")):
        case.add("raw file %s" % text, file, shown(file, text, *("%s=%r" % each for each in vars(file).items())))
    case.each("array", [array.array("i", [1, -2, 3]), array.array("d"), array.array("d", [1.5, float("nan")]),
                        array.array("u", "a'\xe9"), array.array("B", range(200)), array.array("L", [2 ** 63]),
                        type("Array", (array.array,), {})("h", [1])])
    case.each("pattern", [re.compile("a+"), re.compile("a'", re.I | re.M), re.compile(b"\0", re.S),
                          re.compile("a", re.A), re.compile("(" + "x" * 300 + ")")])
    match = re.match("a(b)", "abc")
    case.add("match", match, "<%s at %#x: string='abc', re=re.compile('a(b)'), pos=0, endpos=3>" % (
        ("_sre.SRE_Match" if sys.version_info < (3, 7) else "re.Match"), id(match)))
    loop = asyncio.new_event_loop()
    pending, done, failed = (loop.create_future() for _ in range(3))
    done.set_result([1])
    failed.set_exception(ValueError("x"))
    failed.exception()

    async def waits():
        await pending

    coroutine = waits()
    task = loop.create_task(coroutine)
    loop.call_soon(loop.stop)
    loop.run_forever()
    name = "name='%s', " % task.get_name() if hasattr(task, "get_name") else ""
    for future, text in ((pending, "pending"), (done, "finished, result=[1]"),
                         (failed, "finished, exception=%r" % failed.exception()),
                         (task, "pending, %scoro=%r, wait_for=<_asyncio.Future at %#x: pending>" % (
                             name, coroutine, id(pending)))):
        case.add("future %s" % text.split()[0], future, "<_asyncio.%s at %#x: %s>" % (
            type(future).__name__, id(future), text))
    case.add("frame that has returned", (lambda: sys._getframe())())
    kept.append(loop)


def paths(case):
    """Paths that nobody has asked for their text, and such that somebody has."""
    texts = ["", ".", "/", "//", "///", "a", "a/b", "/a//b/./c/", "//a/b", "it's", "../x", "./x", "/.", "a/.."]
    for text in texts:
        for type_ in (pathlib.PurePosixPath, pathlib.Path):
            value = type_(text)
            expected = repr(type_(text))
            case.add("%s %s" % (type_.__name__, text), value, expected)
            asked = type_(text)
            case.add("%s %s asked for" % (type_.__name__, text), asked)
    for parts in (("a", "b"), ("a", "/b"), ("/a", "b", "../c"), ("", "b"), ("a/", "", "c"), ("/", "x")):
        case.add("path of %s" % (parts,), pathlib.PurePosixPath(*parts), repr(pathlib.PurePosixPath(*parts)))
    case.add("path by operator", pathlib.Path("/a") / "b" / "c.txt", "PosixPath('/a/b/c.txt')")
    windows = pathlib.PureWindowsPath("c:\\a\\b")
    case.add("windows path asked for", windows)


def dates(case):
    """datetime's."""
    utc = datetime.timezone.utc
    delta = datetime.timedelta
    east = datetime.timezone(delta(hours=2))
    case.each("date", [datetime.date(1, 1, 1), datetime.date(2024, 2, 29), datetime.date.max])
    case.each("time", [datetime.time(), datetime.time(1, 2), datetime.time(1, 2, 3), datetime.time(1, 2, 3, 4),
                       datetime.time(1, 2, 0, 4), datetime.time(23, 59, tzinfo=utc), datetime.time(1, fold=1)])
    case.each("datetime", [
        datetime.datetime(2024, 1, 2), datetime.datetime(2024, 1, 2, 3, 4, 5, 6),
        datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=utc), datetime.datetime(2024, 1, 2, fold=1, tzinfo=east),
        datetime.datetime.max])
    case.each("timedelta", [delta(), delta(1), delta(seconds=1), delta(microseconds=1), delta(-1, 5, 3),
                            delta(weeks=5, hours=3), delta.max, delta.min])
    case.each("timezone", [utc, east, datetime.timezone(delta(hours=-5), "EST"), datetime.timezone(delta(0), "Zero")])

    class Day(datetime.date):
        pass

    case.add("derived date", Day(2020, 1, 2))
    try:
        import zoneinfo
        case.add("zoneinfo", zoneinfo.ZoneInfo("UTC"))
    except Exception:  # 3.8 and older have none, and this machine need not have the data.
        pass


def decimals(case):
    """Decimal, the one of C."""
    case.each("decimal", [decimal.Decimal(text) for text in (
        "0", "-0", "1", "-1.50", "1E+5", "1E-7", "0.000001", "0.0000001", "123456789012345678901234567890.5",
        "Infinity", "-Infinity", "NaN", "sNaN", "-NaN123", "1" + "0" * 60, "1e1000", "-1e-1000", "0E+3", "0E-10",
        "9" * 200, "10000000000000000000", "1.0000000000000000000")])


def classes_of_data(case):
    """dataclasses."""
    if dataclasses is None:
        return
    @dataclasses.dataclass
    class Item:
        name: str
        price: float = 1.5
        tags: list = dataclasses.field(default_factory=list)
        secret: str = dataclasses.field(default="s", repr=False)
        of_class: typing.ClassVar[int] = 5

        def method(self):
            """Not shown."""

    @dataclasses.dataclass(order=True)
    class Longer(Item):
        more: int = 7

    @dataclasses.dataclass(frozen=True)
    class Frozen:
        a: int
        b: tuple = ()

    class Sub(Item):
        pass

    @dataclasses.dataclass(repr=False)
    class NoRepr:
        a: int = 1

    @dataclasses.dataclass
    class OwnData:
        a: int = 1

        def __repr__(self):
            return "own"

    @dataclasses.dataclass
    class Node:
        next: object = None

    @dataclasses.dataclass
    class Late:
        a: int = dataclasses.field(init=False, default=3)
        b: int = dataclasses.field(init=False)

    case.each("dataclass", [Item("n"), Item("n", 2, [1]), Longer("n"), Frozen(1, (2,)), Sub("sub"),
                            dataclasses.make_dataclass("Made", ["x", "y"])(1, 2), Node(Node())])
    no, own, late = NoRepr(), OwnData(), Late()
    case.add("dataclass without repr", no, shown(no, "a=1"))
    case.add("dataclass with own repr", own, shown(own, "a=1"))
    case.add("dataclass not filled", late, shown(late))
    node = Node()
    node.next = node
    case.add("dataclass in itself", node)
    if sys.version_info >= (3, 10):
        @dataclasses.dataclass(slots=True)
        class Slotted:
            a: int
            b: str = "x"
        case.add("dataclass with slots", Slotted(1))


MAKERS = (numbers, texts, containers, cycles, instances, functions, exceptions, enums, tuples, library, of_modules,
          paths, dates, decimals, classes_of_data)


def cases():
    """All of them."""
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    case = Case()
    for make in MAKERS:
        make(case)
    return case.told


def main():
    """Tell, then wait for ever."""
    common.write(sys.argv[1], common.process([{"lwp": os.getpid()}], values=cases()))
    os.write(1, b"ready\n")
    common.hold()


if __name__ == "__main__":
    main()
