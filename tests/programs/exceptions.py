# -*- coding: utf-8 -*-
"""A process that holds exceptions of every shape, and tells how its own Python prints each of them.

    python exceptions.py TRUTH.json

Then its threads stay in handlers of exceptions, one within the other, until the process dies.
"""

import asyncio
import gc
import os
import queue
import sys
import threading
import traceback

import common
from common import arrive, hold

shapes = {}


def shape(function):
    """What raises an exception of one shape; it is called by its name."""
    shapes[function.__name__] = function
    return function


class Plain(Exception):
    """A class of ours."""


class Several(Plain, KeyError):
    """Inherits the __str__ of KeyError."""


class Own(Exception):
    """Its __str__ is Python code."""

    def __str__(self):
        return "made by code: %s" % (self.args,)


class Failing(Exception):
    """Its __str__ fails."""

    def __str__(self):
        raise RuntimeError("no text")


class Outer:
    """Holds a class whose qualified name is longer."""

    class Inner(ValueError):
        """Outer.Inner"""


class Text(str):
    """A subclass of str."""


class Shy:
    """Its __repr__ is Python code, and so is its __str__."""

    def __repr__(self):
        return "made by code"


class Titled(list):
    """A list with an attribute, which its repr() does not show."""


class Pair:
    """What has attributes."""

    def __init__(self):
        self.first = {"key": None}


@shape
def no_arguments():
    raise ValueError


@shape
def one_text():
    raise ValueError("a message")


@shape
def empty_text():
    raise ValueError("")


@shape
def two_arguments():
    raise ValueError("a message", 2, None, [1.5, b"x"], {"k": (1,)})


@shape
def not_a_text():
    raise RuntimeError(["a list", {"of": 3}])


@shape
def numbers():
    raise ValueError(-123456789012345678901234567890)


@shape
def none_argument():
    raise ValueError(None)


@shape
def text_of_a_subclass():
    raise ValueError(Text("derived"))


@shape
def type_argument():
    raise TypeError(int)


@shape
def nested_exception_argument():
    raise RuntimeError(KeyError("inner"))


@shape
def plain_object_argument():
    raise ValueError(Pair())


@shape
def objects_in_arguments():
    titled = Titled([1, 2])
    titled.title = "x"
    error = Plain(titled)
    error.attribute = 3
    raise ValueError(1, [Pair(), titled], {"k": error})


@shape
def several_lines():
    raise ValueError("first\nsecond\n  third\n")


@shape
def characters():
    raise ValueError("äöü 中文 😀 \u00e9")


@shape
def long_text():
    raise ValueError("x" * 5000)


@shape
def own_class():
    raise Plain("of __main__")


@shape
def inner_class():
    raise Outer.Inner("qualified")


@shape
def class_of_a_module():
    raise queue.Empty("of a module")


@shape
def key_error():
    {}["a\nkey"]


@shape
def key_error_of_two():
    raise KeyError("a", "b")


@shape
def key_error_without():
    raise KeyError


@shape
def inherited_str():
    raise Several("quoted")


@shape
def index_error():
    [][3]


@shape
def zero_division():
    return 1 + (2 / (3 - 3)) + 4


@shape
def type_error():
    return 1 + "a"


@shape
def bad_call():
    len(1,
        2)


@shape
def file_not_found():
    open("/nonexistent/fïle")


@shape
def os_error_of_two_files():
    os.rename("/nonexistent/a", "/nonexistent/b")


@shape
def os_error_without_file():
    raise OSError(11, "not now")


@shape
def os_error_of_one():
    raise OSError("only a text")


@shape
def os_error_of_bytes():
    raise OSError(2, "of bytes", b"/a\xff")


@shape
def os_error_with_odd_fields():
    error = OSError(2, "x")
    error.errno = None
    error.filename = "later"
    raise error


@shape
def connection_reset():
    raise ConnectionResetError(104, "Connection reset by peer")


@shape
def encode_one():
    "aä".encode("ascii")


@shape
def encode_several():
    "a\u4e2d\u6587".encode("latin-1")


@shape
def encode_astral():
    "\U0001F600".encode("latin-1")


@shape
def decode_one():
    b"ab\xff".decode("utf-8")


@shape
def decode_several():
    b"\xe4\xb8".decode("utf-8")


@shape
def translate():
    raise UnicodeTranslateError("a\u1234b", 1, 2, "no such thing")


@shape
def import_error():
    import nosuchmodule_of_gdbext  # noqa: F401


@shape
def import_name_error():
    from os import nothing_of_that_name_at_all_in_there  # noqa: F401


@shape
def import_error_by_hand():
    raise ImportError("by hand", name="a", path="b")


@shape
def stop_iteration():
    next(iter(()))


@shape
def stop_iteration_with_value():
    raise StopIteration({"value": 1})


@shape
def system_exit():
    sys.exit(3)


@shape
def keyboard_interrupt():
    raise KeyboardInterrupt


@shape
def generator_exit():
    raise GeneratorExit("leaving")


@shape
def attribute_error():
    Pair().first.zzzzzzzzzzzzzzzzz


@shape
def name_error():
    return qqqqqqqqqqqqqqqqqqqqqqqqqq  # noqa: F821


@shape
def unbound_local():
    print(later)  # noqa: F821
    later = 1


@shape
def assertion():
    assert 1 == 2, ("a tuple", 3)


@shape
def assertion_without():
    assert not "nothing"


@shape
def cause():
    try:
        one_text()
    except ValueError as error:
        raise KeyError("follows") from error


@shape
def context():
    try:
        one_text()
    except ValueError:
        {}["during"]


@shape
def suppressed():
    try:
        one_text()
    except ValueError:
        raise Plain("alone") from None


@shape
def long_chain():
    error = None
    for number in range(12):
        try:
            try:
                if error is not None:
                    raise error
                raise ValueError(number)
            except Exception as caught:
                if number % 3 == 0:
                    raise Plain(number) from caught
                raise Plain(number)
        except Plain as caught:
            error = caught
    raise error


@shape
def cause_and_context():
    try:
        one_text()
    except ValueError:
        try:
            file_not_found()
        except OSError as error:
            raise Plain("of both") from error


@shape
def cause_without_traceback():
    raise Plain("outer") from ValueError("never raised")


@shape
def cycle_of_causes():
    first, second = Plain("first"), Plain("second")
    first.__cause__ = second
    second.__cause__ = first
    raise first


@shape
def cycle_of_contexts():
    first, second, third = Plain("first"), Plain("second"), Plain("third")
    first.__context__ = second
    second.__cause__ = third
    second.__context__ = first
    third.__context__ = second
    raise first


@shape
def own_cause():
    error = Plain("its own")
    error.__cause__ = error
    raise error


@shape
def diamond():
    bottom = ValueError("bottom")
    left, right, top = Plain("left"), Plain("right"), Plain("top")
    left.__context__ = bottom
    right.__cause__ = bottom
    top.__cause__ = left
    left.__cause__ = right
    top.__context__ = right
    raise top


@shape
def raised_in_vain():
    raise ValueError("its traceback is taken away")


@shape
def raised_again():
    try:
        one_text()
    except ValueError as error:
        error.args = ("changed", 1)
        raise error


@shape
def with_other_traceback():
    try:
        one_text()
    except ValueError as error:
        raise Plain("borrowed").with_traceback(error.__traceback__)


class WithoutModule(Exception):
    """Of no module that has a name."""


@shape
def without_module():
    WithoutModule.__module__ = None
    try:
        traceback.format_exception_only(WithoutModule, WithoutModule())
    except TypeError:
        # Older ones can't print what has none.
        WithoutModule.__module__ = "__main__"
    raise WithoutModule("from nowhere")


def recurse(depth):
    """Calls itself."""
    if depth:
        return recurse(depth - 1)
    raise Plain("at the bottom")


@shape
def recursion():
    recurse(50)


@shape
def three_repeats():
    recurse(2)


@shape
def four_repeats():
    recurse(4)


@shape
def recursion_error():
    def forever(number):
        return forever(number + 1)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        forever(0)
    finally:
        sys.setrecursionlimit(limit)


@shape
def mutual_recursion():
    def even(number):
        return odd(number - 1)

    def odd(number):
        return even(number - 1) if number > 1 else 1 / 0
    even(21)


@shape
def syntax_error():
    compile("x = (1,\ny = 2\n", "/nonexistent/module.py", "exec")


@shape
def syntax_error_indented():
    compile("if 1:\n    foo bar\n", "<made up>", "exec")


@shape
def syntax_error_with_tabs():
    compile("if 1:\n\tfoo = = bar\n", "<made up>", "exec")


@shape
def indentation_error():
    compile("if 1:\nx\n", "<made up>", "exec")


@shape
def unterminated():
    compile("x = 'abc\n", "<made up>", "exec")


@shape
def syntax_error_of_wide_characters():
    compile("中文 = 'é' é é\n", "<made up>", "exec")


@shape
def syntax_error_by_hand():
    raise SyntaxError("by hand", ("file.py", 3, 5, "   text here\n"))


@shape
def syntax_error_without_place():
    raise SyntaxError("no place at all")


@shape
def syntax_error_of_a_file():
    error = SyntaxError("in a file")
    error.filename = "file.py"
    raise error


@shape
def generator_chain():
    def inner():
        yield 1
        raise Plain("in a generator")

    def outer():
        yield from inner()
    list(outer())


@shape
def in_a_comprehension():
    return [1 / (each - 3) for each in range(5)]


@shape
def of_a_class_body():
    class Broken:
        value = 1
        other = value / 0
    return Broken


@shape
def through_exec():
    exec("def made_up():\n    raise ValueError('no source')\nmade_up()\n", {})


@shape
def over_several_lines():
    return int(
        "not",
        # A comment between.
        base=(
            3 +
            4
        ),
    )


@shape
def operators_over_lines():
    values = {"a": 1}
    return (values["a"] +
            values["a"] * 2
            + values[
                "b"
            ])


@shape
def wide_characters_in_source():
    名前 = {"中文": 0}
    return "中文中文", 1 / 名前["中文"], "é"


@shape
def subscripts():
    values = [[1, 2], [3]]
    return values[0][1] + values[1][ 2 ] + 5


@shape
def parenthesized_operator():
    a, b = 1, "x"
    return (a) + (b)  # a comment


@shape
def power():
    a, b = 0, -1
    return 5 * a ** b // 3


@shape
def call_in_a_call():
    return str(int("a") + 1)


@shape
def statement_of_one_line(): raise Plain("on one line")


@shape
def with_statement():
    class Manager:
        """Leaves nothing alone."""

        def __enter__(self):
            return self

        def __exit__(self, *details):
            raise Plain("while leaving")
    with Manager():
        one_text()


@shape
def lambda_call():
    (lambda value: value.nothing_like_that_here_zzz)(3)


@shape
def half_made():
    error = ValueError.__new__(ValueError, "given to new")
    raise error


class Reader:
    """Has attributes that are nearly those that are asked for."""

    kind = "of the class"

    def __init__(self):
        self.contents = 1
        self._hidden = 2

    def read_line(self):
        return contents  # noqa: F821

    def wrong_case(self):
        return self.Contents

    def private(self):
        return self.hidden


@shape
def near_attribute():
    Reader().content


@shape
def near_method():
    Reader().readline


@shape
def near_class_attribute():
    Reader.kindd


@shape
def near_private():
    Reader().private()


@shape
def private_of_another():
    Reader().hidden


@shape
def wrong_case():
    Reader().wrong_case()


@shape
def attribute_of_self():
    Reader().read_line()


@shape
def near_module_attribute():
    os.pathh


@shape
def near_list_method():
    [].appendd


@shape
def near_text_method():
    "".startwith


@shape
def near_local():
    value_of_this = 1
    return value_off_this, value_of_this  # noqa: F821


@shape
def near_global():
    return shapees  # noqa: F821


@shape
def near_builtin():
    return pritn("x")  # noqa: F821


@shape
def module_not_imported():
    return itertools  # noqa: F821


@shape
def near_import():
    from os import pathh  # noqa: F401


@shape
def nothing_near():
    from os.path import zzzzzzzzzz  # noqa: F401


@shape
def with_variables():
    """Locals, cells, free variables, and what is not bound."""
    number, text, items = 1, "é\n", [1.5, None, {"k": b"v"}]
    in_a_cell = (number, text)

    def inner(argument, *more, named=3):
        several = [in_a_cell, argument, more, named]
        if several:
            raise Plain(named)
        unbound = 1
        return unbound

    inner("a", 2, 3, named=[items])


def coded():
    """Exceptions whose text is made by code: name -> exception, each raised."""
    return raised({"own_str": Own("a", 1), "own_str_of_none": Own(), "failing_str": Failing("x")})


def partly_coded():
    """Those of whose text a part is made by code, "made by code" each time."""
    return raised({
        "argument": ValueError(Shy()),
        "one_of_two": ValueError(1, Shy()),
        "in_containers": ValueError([{"k": (Shy(),)}]),
        "key": KeyError(Shy()),
        "strerror": OSError(2, Shy(), "file"),
        "in_an_exception": RuntimeError(ValueError(Shy())),
        "syntax": SyntaxError(Shy(), ("file.py", 3, 5, "text here")),
        "own_str": Own(Shy()),
    })


def raised(errors):
    """The same exceptions with a traceback."""
    for error in errors.values():
        try:
            raise error
        except Exception:
            pass
    return errors


def collect():
    """Every shape, raised and caught."""
    found = {}
    for name, function in shapes.items():
        try:
            function()
        except BaseException as error:
            found[name] = error
    found["traceback_set_to_none"] = found.pop("raised_in_vain").with_traceback(None)
    return found


def printed(error):
    """As this Python prints it. Notes that are no sequence are a line without an end."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return text if text.endswith("\n") else text + "\n"


def tell_of(error):
    """An exception's truth."""
    return {"address": id(error), "text": printed(error), "type": type(error).__qualname__,
            "module": type(error).__module__, "args": repr(error.args)}


def variables(error):
    """The variables of each frame of a traceback, repr() of their values; functions are left out."""
    found = []
    entry = error.__traceback__
    while entry is not None:
        found.append({name: repr(value) for name, value in entry.tb_frame.f_locals.items() if not callable(value)})
        entry = entry.tb_next
    return found


def in_heap(kind):
    """The addresses of exceptions that have a traceback."""
    return [id(each) for each in gc.get_objects() if isinstance(each, kind) and each.__traceback__ is not None]


handled = {}  # key -> truth of the exceptions that the thread handles, innermost first


def at_place(key, *errors):
    """Tell what this thread handles, then wait for ever."""
    handled[key] = [tell_of(error) for error in errors]
    arrive(key)
    hold()


def handler_in_a_handler(key):
    try:
        raise ValueError("outermost")
    except ValueError as first:
        try:
            raise KeyError("middle")
        except KeyError as second:
            try:
                deeper(key, first, second)
            finally:
                print("never")


def deeper(key, first, second):
    try:
        os.stat("/nonexistent/deeper")
    except OSError as third:
        for each in [1, 2]:
            with open(os.devnull):
                at_place(key, third, second, first)


def finally_block(key):
    try:
        try:
            raise ValueError("on its way")
        finally:
            at_place(key, sys.exc_info()[1])
    except ValueError:
        pass


def left_handler(key):
    """A handler that has been left leaves nothing behind."""
    try:
        raise ValueError("gone")
    except ValueError:
        pass
    at_place(key)


def in_a_generator(key):
    def generate(outer):
        try:
            raise KeyError("of the generator")
        except KeyError as inner:
            yield 1
            at_place(key, inner, outer)

    try:
        raise ValueError("of the caller")
    except ValueError as outer:
        generator = generate(outer)
        next(generator)
        next(generator)


def beside_a_generator(key):
    """A generator that waits in its handler has nothing to do with who left it there."""
    def generate():
        try:
            raise KeyError("of the generator")
        except KeyError:
            yield 1

    generator = generate()
    next(generator)
    try:
        raise ValueError("of the caller")
    except ValueError as error:
        at_place(key, error)
    return generator


def in_a_generator_that_handles_first(key):
    """The generator's handler began before its caller's."""
    def generate():
        try:
            raise KeyError("of the generator")
        except KeyError as inner:
            outer = yield 1
            at_place(key, inner, outer)

    generator = generate()
    next(generator)
    try:
        raise ValueError("of the caller")
    except ValueError as outer:
        generator.send(outer)


def in_a_comprehension_that_hides(key):
    """A comprehension puts the variable aside that it hides (PEP 709, 3.12)."""
    each = ValueError("a variable")
    try:
        raise KeyError("handled")
    except KeyError as error:
        return [at_place(key, error) for each in [each]]


def in_an_expression_of_exceptions(key):
    """Exceptions that are values of an expression are not handled."""
    for each in [ValueError("of a loop")]:
        print(ValueError("an argument"), [KeyError("an item"), at_place(key)], each)


def in_a_coroutine(key):
    async def inner(outer):
        try:
            raise OSError(5, "in the coroutine")
        except OSError as error:
            at_place(key, error, outer)

    async def outer():
        try:
            raise RuntimeError("awaits")
        except RuntimeError as error:
            await inner(error)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(outer())


def handles_again(key):
    """The same exception in two handlers is one."""
    try:
        raise ValueError("the same")
    except ValueError as error:
        try:
            raise
        except ValueError:
            at_place(key, error)


def idle(key):
    at_place(key)


PLACES = (handler_in_a_handler, finally_block, left_handler, in_a_generator, beside_a_generator,
          in_a_generator_that_handles_first, in_a_comprehension_that_hides, in_an_expression_of_exceptions,
          in_a_coroutine, handles_again, idle)


def main():
    kept = collect()
    if sys.version_info >= (3, 11):
        import exceptions_of_3_11
        kept.update(exceptions_of_3_11.collect())
        places = PLACES + exceptions_of_3_11.PLACES
        noted = raised(exceptions_of_3_11.noted_by_code())
    else:
        places = PLACES
        noted = {}
    made_by_code = coded()
    partly = partly_coded()
    truth = {name: tell_of(error) for name, error in kept.items()}
    codes, parts, notes = ({name: tell_of(error) for name, error in errors.items()}
                           for errors in (made_by_code, partly, noted))
    for function in places:
        key = function.__name__
        threading.Thread(target=common.or_die(function), args=(key,), name=key, daemon=True).start()
    common.settle([function.__name__ for function in places])
    threads = [{"key": key, "lwp": common.arrivals[key].native_id, "ident": common.arrivals[key].ident,
                "handling": handled[key]} for key in handled]
    threads.append({"key": "main", "lwp": os.getpid(), "ident": threading.get_ident(), "handling": []})
    common.write(sys.argv[1], common.process(
        threads, exceptions=truth, made_by_code=codes, partly_by_code=parts, noted_by_code=notes, native_threads=[],
        variables=variables(kept["with_variables"])[1:],
        heap=in_heap(BaseException), os_errors=in_heap(OSError)))
    os.write(1, b"ready\n")
    hold()


if __name__ == "__main__":
    main()
