"""Shapes of exceptions that 3.11 brought: groups and notes, for exceptions.py."""

import __main__

shapes = {}


def shape(function):
    """What raises an exception of one shape; it is called by its name."""
    shapes[function.__name__] = function
    return function


def raised(error):
    """The exception with a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


@shape
def note():
    error = ValueError("with notes")
    error.add_note("one note")
    error.add_note("another\nof two lines")
    raise error


@shape
def odd_notes():
    error = ValueError("with odd notes")
    error.__notes__ = ["a text", 3, None]
    raise error


@shape
def notes_of_a_tuple():
    error = KeyError("with a tuple")
    error.__notes__ = ("a", "b")
    raise error


class Noted(Exception):
    """Its notes are the class's."""

    __notes__ = ["of the class", "of all"]


class WithSlot(Exception):
    """Its notes have a slot."""

    __slots__ = ("__notes__",)


class Longer(list):
    """A list."""


class Property(Exception):
    """Its notes are made by code."""

    @property
    def __notes__(self):
        return ["made by code"]


class Asked(Exception):
    """Asks code for what it has not."""

    def __getattr__(self, name):
        return ["made by code"]


class AskedForAll(Exception):
    """Asks code for everything."""

    def __getattribute__(self, name):
        return ["made by code"] if name == "__notes__" else super().__getattribute__(name)


class Walked(list):
    """A list that is gone through by code."""

    def __iter__(self):
        yield "made by code"


def noted_by_code():
    """Exceptions whose notes are made by code, "made by code" each time."""
    found = {"property": Property("p"), "getattr": Asked("a"), "getattribute": AskedForAll("b"),
             "walked": ValueError("w")}
    found["walked"].__notes__ = Walked(["not shown"])
    return found


@shape
def notes_of_the_class():
    raise Noted("whole")


@shape
def own_notes_before_those_of_the_class():
    error = Noted("whole")
    error.__notes__ = Longer(["its own"])
    raise error


@shape
def notes_in_a_slot():
    error = WithSlot("slot")
    error.__notes__ = ["in the slot"]
    raise error


@shape
def empty_slot():
    raise WithSlot("slot")


@shape
def a_text_as_notes():
    error = ValueError("x")
    error.__notes__ = "ab"
    raise error


@shape
def bytes_as_notes():
    error = ValueError("x")
    error.__notes__ = b"ab"
    raise error


@shape
def no_sequence_as_notes():
    error = ValueError("x")
    error.__notes__ = {"a": 1}
    raise error


@shape
def no_notes():
    error = ValueError("x")
    error.__notes__ = None
    raise error


@shape
def group():
    raise ExceptionGroup("a group", [ValueError(1), raised(KeyError("two"))])


@shape
def group_of_one():
    raise BaseExceptionGroup("one", [SystemExit(1)])


@shape
def groups_in_groups():
    inner = raised(ExceptionGroup("inner", [raised(TypeError("deep")), OSError(2, "x", "file")]))
    error = ExceptionGroup("outer", [inner, ValueError("beside"), ExceptionGroup("empty-ish", [IndexError()])])
    error.add_note("a note on a group\nwith a second line")
    raise error


@shape
def group_without_traceback():
    raise ValueError("of a group") from ExceptionGroup("never raised", [ValueError(1)])


@shape
def group_with_chains():
    first = raised(ValueError("cause in a group"))
    try:
        raise KeyError("member") from first
    except KeyError as error:
        member = error
    try:
        raise ExceptionGroup("chained", [member, member])
    except ExceptionGroup as error:
        raise TypeError("of the group") from error


@shape
def wide_group():
    raise ExceptionGroup("wide", [ValueError(number) for number in range(20)])


@shape
def group_of_sixteen():
    raise ExceptionGroup("sixteen", [ValueError(number) for number in range(16)])


@shape
def deep_group():
    error = ValueError("at the bottom")
    for number in range(15):
        error = ExceptionGroup("level %d" % number, [error])
    raise error


@shape
def group_message_of_lines():
    raise ExceptionGroup("first\nsecond", [ValueError("one\ntwo")])


@shape
def of_except_star():
    try:
        raise ExceptionGroup("split", [ValueError(1), KeyError(2), OSError(3)])
    except* ValueError as matched:
        raise TypeError("during") from matched
    except* KeyError:
        raise


@shape
def recursion_of_one_line():
    def forever(n): return forever(n - 1) if n else 1 / n
    forever(9)


def in_except_star(key):
    whole = ExceptionGroup("split", [ValueError(1), KeyError(2)])
    try:
        raise whole
    except* ValueError as matched:
        __main__.at_place(key, matched, whole)


PLACES = (in_except_star,)


def collect():
    """Every shape, raised and caught."""
    found = {}
    for name, function in shapes.items():
        try:
            function()
        except BaseException as error:
            found[name] = error
    return found
