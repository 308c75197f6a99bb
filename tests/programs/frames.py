# -*- coding: utf-8 -*-
"""Frames of every kind, and what the interpreter says of their variables.

    python frames.py TRUTH.json

Runs on CPython 3.6 to 3.15. A thread tells the variables of its frames, by f_locals, and then blocks
in the same frame. Values whose repr() tells no address are told by it, all others as None.
"""

import asyncio
import collections
import os
import sys
import threading

import common
from common import arrive, hold

places = []  # (key, function)
told = {}  # key -> frames
asked = []  # [expression, scope, repr()]

PLAIN = (int, float, complex, str, bytes, bool, type(None))


def stable(value):
    """repr() where it tells no address."""
    if type(value) in PLAIN:
        return repr(value)
    if type(value) in (list, tuple):
        return repr(value) if all(stable(item) is not None for item in value) else None
    if type(value) is dict:
        return repr(value) if all(stable(item) is not None for item in [*value, *value.values()]) else None
    return None


def variables(frame):
    """A frame as f_locals has it; of a module's what it has besides the globals."""
    code = frame.f_code
    names = dict(frame.f_locals)
    if frame.f_locals is not frame.f_globals and not code.co_flags & 1:
        kind = "namespace"
    elif code.co_flags & 1:
        kind = "function"
    else:
        kind = "module"
    if code.co_name == "<module>":
        names = {name: value for name, value in names.items() if frame.f_globals.get(name, names) is not value}
    return {"function": code.co_name, "kind": kind, "free": list(code.co_freevars), "argcount": code.co_argcount,
            "varnames": list(code.co_varnames),
            "locals": {name: stable(value) for name, value in names.items() if type(name) is str}}


def tell(key):
    """Told by the frame that is about to block."""
    frame = sys._getframe(1)
    frames = []
    while frame is not None:
        frames.append(variables(frame))
        frame = frame.f_back
    told[key] = frames
    arrive(key)
    return True


def place(function):
    """Have the function run in a thread of its own."""
    places.append((function.__name__, function))
    return function


# --- functions -------------------------------------------------------------------------------


@place
def unbound_and_deleted():
    bound = "b"
    deleted = 2
    del deleted
    if not bound:
        never = 3
    deleted_again = [1]
    del deleted_again
    try:
        raise ValueError
    except ValueError as gone:
        kept = 1.5
    tell("unbound_and_deleted")
    hold()
    late = never, gone, kept
    return late


@place
def arguments():
    def all_kinds(first, second=2, *rest, third, fourth="δ", **more):
        local = (first, rest)
        rest += (local,)
        tell("arguments")
        hold()

    all_kinds("α", *range(2, 6), third=b"\0\xff", a=1, b=None)


@place
def cells():
    outer_cell = [1, 2]
    shared_argument = "unused"

    def middle(argument_in_cell, plain, *rest_in_cell, keyword_in_cell=None, **more_in_cell):
        own_cell = {"a": 1}
        deleted_cell = 1
        unset_cell = None
        del unset_cell

        def inner():
            free = outer_cell, argument_in_cell
            use = rest_in_cell, keyword_in_cell, more_in_cell, own_cell
            nonlocal deleted_cell
            del deleted_cell
            tell("cells")
            hold()
            return free, use, deleted_cell, unset_cell

        inner()

    middle("argument", shared_argument, 7, 8, keyword_in_cell="kw", x=2)


@place
def snapshot_of_locals():
    value = 1
    before = len(locals())
    value = 2
    new = "new"
    tell("snapshot_of_locals")
    hold()
    return value, before, new


@place
def with_and_try():
    lock = threading.Lock()
    with lock as entered, open(os.devnull) as file:
        try:
            for index, item in enumerate([5, 6, 7]):
                if item == 6:
                    with threading.RLock():
                        tell("with_and_try")
                        hold()
        finally:
            after = index
            del entered, file, after


@place
def in_finally():
    for number in (1, 2):
        try:
            raise KeyError(number)
        except KeyError as error:
            args = error.args
            try:
                pass
            finally:
                tell("in_finally")
                hold()
    return args


@place
def recursion(depth=5):
    name = "level %d" % depth
    if depth:
        return recursion(depth - 1)
    tell("recursion")
    hold()
    return name


@place
def lambdas():
    ten = 10
    (lambda x, *, y=3: (lambda z: tell("lambdas") and hold() and (x, y, z, ten))(x + 1))(1)


# --- generators and coroutines ---------------------------------------------------------------


@place
def generators():
    def numbers(count):
        for number in range(count):
            received = yield number
            got = received

    def delegating(start):
        cell = start
        first = yield from numbers(2)
        tell_now = lambda: cell
        tell("generators")
        hold()
        yield first, tell_now

    suspended = numbers(3)
    next(suspended)
    for outer in delegating("x"):
        last = outer
    return last


@place
def coroutines():
    async def innermost(deep):
        here = deep * 2
        tell("coroutines")
        hold()
        return here

    async def items(n):
        for i in range(n):
            yield i

    async def outermost():
        collected = []
        async for item in items(3):
            collected.append(item)
        value = await innermost(21)
        return value

    loop = asyncio.new_event_loop()
    loop.run_until_complete(outermost())


# --- comprehensions, classes, modules --------------------------------------------------------


@place
def comprehensions():
    word = "outer"
    factor = 3
    kept = [(word, factor) for word in ("in", "ner") if tell("comprehensions") and hold()]
    return kept


@place
def comprehension_with_cell():
    x = "before"
    functions = [(lambda: x) for x in range(3) if x < 2 or tell("comprehension_with_cell") and hold()]
    return x, functions


@place
def comprehension_inner_cell():
    functions = [(lambda: [y, z]) for y in (1, 2)
                 for z in {"k": 1} if y == 1 or tell("comprehension_inner_cell") and hold()]
    return functions


@place
def nested_comprehensions():
    rows = {row: {column for column in range(2) if row == 0 or tell("nested_comprehensions") and hold()}
            for row in range(2)}
    return rows


@place
def generator_expression():
    base = 7
    return sum(base * n for n in (1, 2, 3) if n < 3 or tell("generator_expression") and hold())


@place
def class_body():
    enclosing = "e"
    shadowed = "outer"

    class Body(dict):
        attribute = 1
        shadowed = "inner"
        copied = enclosing
        deleted = 2
        del deleted

        def method(self):
            return __class__, enclosing

        tell("class_body")
        hold()

    return Body, shadowed


@place
def comprehension_in_class():
    class Body:
        index = "class's"
        listed = [index for index in range(2) if index < 1 or tell("comprehension_in_class") and hold()]

    return Body


@place
def nested_classes():
    def make(value):
        class Outer:
            x = value

            class Inner(list):
                y = [value]
                tell("nested_classes")
                hold()
        return Outer
    make("v")


@place
def executed():
    namespace = {"tell": tell, "hold": hold, "given": 5}
    exec("number = given + 1\nfor key in 'ab':\n    pass\ntell('executed')\nhold()\n", namespace)


@place
def executed_in_two_namespaces():
    exec("number = given + 1\ndef f(): pass\ntell('executed_in_two_namespaces')\nhold()\n",
         {"tell": tell, "hold": hold, "given": 5}, {"existing": [1]})


@place
def executed_in_a_mapping():
    names = collections.OrderedDict(existing="e")
    exec("number = 6\ntell('executed_in_a_mapping')\nhold()\n", {"tell": tell, "hold": hold}, names)


@place
def comprehension_in_module():
    exec("k = 'kept'\nl = [k for k in (1, 2) if k < 2 or tell('comprehension_in_module') and hold()]\n",
         {"tell": tell, "hold": hold})


# --- syntax that older versions lack ----------------------------------------------------------

NEW_SYNTAX = [
    ((3, 8), """
def positional_only(a, b=2, /, c=3, *, d):
    if (n := a + 1) > 0:
        tell("positional_only")
        hold()
def start_positional_only():
    positional_only(1, d=4)
"""),
    ((3, 10), """
def matching(subject=("go", {"x": 1, "y": 2})):
    match subject:
        case [verb, {"x": x, **rest}]:
            tell("matching")
            hold()
"""),
    ((3, 11), """
def exception_groups():
    try:
        raise ExceptionGroup("g", [ValueError(1)])
    except* ValueError as group:
        inner = 3
        del group
        tell("exception_groups")
        hold()
"""),
    ((3, 12), """
def type_parameters():
    def generic[T, *Ts](x: T) -> T:
        y = "y"
        class Box[U]:
            z = x
            tell("type_parameters")
            hold()
        return T, Ts, y
    generic(5)
"""),
]


# --- names -----------------------------------------------------------------------------------

Point = collections.namedtuple("Point", "x y")
shade = "global"


class Base:
    """What a class keeps its attributes in."""

    __slots__ = ("slot", "unset_slot", "__dict__")
    kind = "base"
    table = {"t": (1, 2)}

    @property
    def computed(self):
        raise AssertionError("this must not run")

    @staticmethod
    def static():
        pass

    def __getattr__(self, name):
        raise AssertionError("this must not run")


class Derived(Base):
    kind = "derived"
    __hidden = "of the class"

    def __init__(self):
        self.slot = "in a slot"
        self.own = [10, [20, {"deep": -1}]]
        self.__private = "mangled"
        self.computed_too = 1

    def run(self, key):
        shade = "local"
        where = 1

        def inner(number):
            data = self.own
            ask()
            tell("names")
            hold()
            return data, shade, key, where

        return inner(4)


class Indexed(list):
    """Has items that only its own code knows."""

    def __getitem__(self, index):
        raise AssertionError("this must not run")


listed = [0, 1, 2, -3.5]
keyed = {"s": 1, b"s": 2, 3: "int", 4.5: "float", None: "none", (1, ("a", b"b")): "tuple", True: "bool",
         -7: "negative", "ключ": "unicode", 2 ** 70: "large"}
ordered = collections.OrderedDict([("first", 1), ("second", 2)])
counted = collections.Counter("aab")
defaulted = collections.defaultdict(list, a=[1])
queued = collections.deque(range(200), maxlen=300)
queued.popleft()
queued.append("last")
point = Point(1.5, "y")
indexed = Indexed([1])
failure = OSError(2, "no such", "/file")
failure.extra = "e"
failure.__cause__ = ValueError("cause")

EXPRESSIONS = [
    ("number", "local"), ("shade", "enclosing"), ("key", "enclosing"), ("data[1][1]['deep']", "local"),
    ("listed", "global"), ("listed[0]", "global"), ("listed[-1]", "global"),
    ("listed[where]", "global"),
    ("self.slot", "enclosing"), ("self.own[1][0]", "enclosing"), ("self.kind", "enclosing"),
    ("self.table['t'][1]", "enclosing"), ("self.__class__.__name__", "enclosing"),
    ("keyed['s']", "global"), ("keyed[b's']", "global"), ("keyed[3]", "global"), ("keyed[4.5]", "global"),
    ("keyed[None]", "global"), ("keyed[(1, ('a', b'b'))]", "global"), ("keyed[1]", "global"),
    ("keyed[1.0]", "global"), ("keyed[True]", "global"), ("keyed[-7]", "global"), ("keyed['ключ']", "global"),
    ("keyed[1180591620717411303424]", "global"), ("keyed[3.0]", "global"), ("keyed[key]", "global"),
    ("ordered['second']", "global"), ("counted['a']", "global"), ("defaulted['a'][0]", "global"),
    ("queued[0]", "global"), ("queued[100]", "global"), ("queued[-1]", "global"), ("point.x", "global"),
    ("point[1]", "global"), ("failure.errno", "global"), ("failure.args", "global"),
    ("failure.filename", "global"), ("failure.extra", "global"), ("failure.__cause__.args[0]", "global"),
    ("Derived.kind", "global"), ("Base.table['t']", "global"), ("Derived.__name__", "global"),
    ("Point._fields", "global"), ("common.DEADLINE", "global"), ("os.sep", "global"),
    ("os.path.sep", "global"), ("stable.__name__", "global"), ("tell.__code__.co_name", "global"),
    ("__name__", "global"), ("len.__self__.__name__", "builtin"),
]
# What Python itself spells otherwise: what is asked, and what it is.
PRIVATE = [("self.__private", "self._Derived__private", "enclosing"),
           ("self.__hidden", "self._Derived__hidden", "enclosing"),
           ("Derived.__hidden", "Derived._Derived__hidden", "global")]


def ask():
    """The values of expressions in the frame that calls."""
    frame = sys._getframe(1)
    for expression, scope in EXPRESSIONS:
        asked.append([expression, scope, repr(eval(expression, frame.f_globals, dict(frame.f_locals)))])
    asked.append([hex(id(listed)) + "[-1]", "object", repr(listed[-1])])
    asked.append(["%d" % id(failure), "object", repr(failure)])
    # The test makes this convenience variable.
    asked.append(["$object.table['t']", "object", repr(Base.table["t"])])
    for expression, spelled, scope in PRIVATE:
        asked.append([expression, scope, repr(eval(spelled, frame.f_globals, dict(frame.f_locals)))])


@place
def names():
    Derived().run("s")


def main():
    """Start everything, tell, and wait for ever."""
    path = sys.argv[1]
    for version, source in NEW_SYNTAX:
        if sys.version_info >= version:
            namespace = {"tell": tell, "hold": hold}
            exec(compile(source, "new_syntax.py", "exec"), namespace)
            name = source.split("def ")[-1].partition("(")[0] if "def start_" in source else (
                source.split("def ")[1].partition("(")[0])
            places.append((name.replace("start_", ""), namespace[name]))
    threading.stack_size(1 << 20)
    for key, function in places:
        threading.Thread(target=common.or_die(function), name=key).start()
    common.settle([key for key, _function in places])
    arrive("main")
    threads = [{"key": key, "lwp": common.arrivals[key].native_id, "frames": told[key]}
               for key, _function in places]
    threads.append({"key": "main", "lwp": common.arrivals["main"].native_id, "frames": None})
    common.write(path, common.process(threads, asked=asked, object=id(Derived), names=common.arrivals["names"].native_id))
    os.write(1, b"ready\n")
    os.read(0, 1)


if __name__ == "__main__":
    main()
