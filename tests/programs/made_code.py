# -*- coding: utf-8 -*-
"""Code of all origins, of which each thread runs one: compiled from text and trees, and made by hand of other code.
And exceptions of every class that there is.

    python made_code.py TRUTH.json
"""

import ast
import decimal  # noqa: F401
import json  # noqa: F401
import os
import socket  # noqa: F401
import struct  # noqa: F401
import sys
import threading
import types

import common
from common import arrivals, arrive, chain, hold

TEXT = "def placed():\n    arrive(key)\n    hold()\n\n\nplaced()\n"
# Two files whose names are nearly the same.
LIBRARY = os.path.dirname(os.__file__)
SIBLINGS = [os.path.join(LIBRARY, name) for name in ("abc.py", "ast.py")]


def placed():
    arrive(key)
    hold()


def nested():
    for each in [lambda: [placed() for _ in range(1)]]:
        each()


def raising():
    try:
        raise KeyError(1)
    except KeyError:
        arrive(key)
        hold()


def replaced(code, **fields):
    """code.replace(), which came with 3.8."""
    if hasattr(code, "replace"):
        return code.replace(**fields)
    names = ("argcount", "kwonlyargcount", "nlocals", "stacksize", "flags", "code", "consts", "names", "varnames",
             "filename", "name", "firstlineno", "lnotab", "freevars", "cellvars")
    return types.CodeType(*(fields.get("co_" + name, getattr(code, "co_" + name)) for name in names))


def renumbered(change):
    """The text's code with other lines, as templates and macros have them."""
    tree = ast.parse(TEXT)
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            change(node)
            if hasattr(node, "end_lineno"):
                node.end_lineno = node.lineno
                node.end_col_offset = node.col_offset
    return compile(tree, "<tree>", "exec")


def backwards(node):
    node.lineno = 100 - node.lineno


def far(node):
    node.lineno += 1000000


def small(node):
    node.lineno = 1


def jumping(node):
    node.lineno = 7 if isinstance(node, ast.FunctionDef) else node.lineno * 300


def traced(frame, event, argument):
    return traced


def with_trace(function):
    """Called while it is traced, as debuggers and measurers of coverage do."""
    def run():
        sys.settrace(traced)
        function()
    return run


def was_traced():
    """Whose frame was traced, and is no more."""
    sys.settrace(None)
    # Else Python itself tells the line that was traced last, up to 3.9.
    del sys._getframe().f_trace
    arrive(key)
    hold()


def tracing():
    """A trace function waits: its caller has not begun, or is at any instruction."""
    def at_line(frame, event, argument):
        if event == "line" and frame.f_code is placed.__code__:
            sys.settrace(None)
            arrive(key)
            hold()
        return at_line
    sys.settrace(at_line)
    placed()


lines = "co_linetable" if sys.version_info >= (3, 10) else "co_lnotab"
CODES = {
    "nested": nested.__code__,
    "raising": raising.__code__,
    "exec": compile(TEXT, "<string>", "exec"),
    "sibling": replaced(placed.__code__, co_filename=SIBLINGS[0]),
    "no file": replaced(placed.__code__, co_filename="/nowhere/made_up.py"),
    "another file": compile(TEXT, os.__file__, "exec"),
    "renamed": replaced(placed.__code__, co_name="plaxed"),
    "strange name": replaced(placed.__code__, co_name=u"<Ω \\ \x1b ' >"),
    "late": replaced(placed.__code__, co_firstlineno=3000000),
    "line 0": replaced(placed.__code__, co_firstlineno=0),
    "no lines": replaced(placed.__code__, **{lines: b""}),
    "more stack": replaced(placed.__code__, co_stacksize=77),
    "backwards": renumbered(backwards),
    "far": renumbered(far),
    "small": renumbered(small),
    "jumping": renumbered(jumping),
    "long": compile("\n" * 70000 + "if 1:\n    x = [1,\n  2]\n    arrive(key)\n    hold()", "x", "exec"),
    "was traced": was_traced.__code__,
    "tracing": tracing.__code__,
}
TRACED = {"traced": placed.__code__, "traced tree": renumbered(jumping), "was traced": was_traced.__code__}


def exceptions():
    """One of each class, with a traceback."""
    classes = [BaseException]
    for each in classes:
        classes += [found for found in type.__subclasses__(each) if found not in classes]
    kept = []
    for each in classes:
        try:
            # Groups have no fewer arguments, and classes like UnicodeError's need more for their text alone.
            raise each.__new__(each, "one", [ValueError("two")])
        except BaseException as error:
            kept.append(error)
    return kept


EXCEPTIONS = exceptions()


@common.or_die
def tell(path):
    """Wait for all, and write what the interpreter says of them."""
    common.settle(ALL)
    frames = sys._current_frames()
    threads = [{"key": key, "ident": arrival.ident, "lwp": arrival.native_id, "frames": chain(frames[arrival.ident])}
               for key, arrival in sorted(arrivals.items())]
    common.write(path, dict(common.process(threads), exceptions=[
        [each.__module__, each.__qualname__] for each in map(type, EXCEPTIONS)]))
    os.write(1, b"ready\n")


# A debug build that traces, which since 3.12 concerns all threads, allows no lines before the first one.
if hasattr(sys, "gettotalrefcount") and sys.version_info >= (3, 12):
    del CODES["backwards"]
ALL = sorted(CODES) + sorted("with trace: " + name for name in TRACED)


def main():
    """A thread for each."""
    for name, code in [*CODES.items(), *(("with trace: " + name, code) for name, code in TRACED.items())]:
        names = {"arrive": arrive, "hold": hold, "key": name, "__file__": os.path.abspath(__file__),
                 "__builtins__": __builtins__, "sys": sys}
        if name == "sibling":
            names["__file__"] = SIBLINGS[1]
        names.update(placed=types.FunctionType(placed.__code__, names))
        function = types.FunctionType(code, names)
        threading.Thread(target=with_trace(function) if name.startswith("with trace") else function).start()
    tell(sys.argv[1])
    hold()


if __name__ == "__main__":
    main()
