"""Run by each interpreter, 3.6 and newer: prints code objects with the line that it gives each instruction.

One JSON list: [name, first line, table in hexadecimal, [line or -1 for each two bytes of code]].
PyCode_Addr2Line() is the interpreter's own decoder in every version.
"""

import argparse
import ctypes
import json
import sys
import types

# Functions whose line tables are out of the ordinary.
SOURCE = '''
def plain(a):
    b = a
    return b

def call_over_lines(f):
    return f(
        1,
        f(2,
          3),
        f(

            4),
    ) + f(5)

def loops(n):
    for i in range(n):
        if i:
            continue
        while i < n:
            i += 1
            if i == 5: break
        else:
            n -= 1
    return [x
            for x in range(n)
            if x] + list(y
                         for y in range(n)), {z: z for z in range(n)}, lambda: (
                             n)

def guarded(f):
    try:
        f()
    except (ValueError,
            TypeError) as error:
        return error
    except OSError:
        raise
    else:
        f(1)
    finally:
        f(2)
        with f(3) as g, \\
                f(4) as h:
            return g, h

def generator(n):
    """Documented.

    On more lines."""
    for i in range(n):
        got = yield i
        if got: return (yield
                        from generator(i))

async def coroutine(f):
    async with f() as g:
        async for h in g:
            await h(
                1)
    return [i async for i in g]

@staticmethod
@plain(lambda function:
       function)
def decorated(a=1,
              b=[2,
                 3]) -> int: return a

class Class(object):
    attribute = 1

    def method(self):
        super().method(); return (
            self.attribute

            .real
        )

def branches(a):
    assert a, (
        "no")
    return (1 if a else
            2) or (
        3 and 4)
'''
MATCH = '''
def matched(value):
    match value:
        case {"a": 1,
              **rest}:
            return rest
        case [_, *others] if (
                others):
            return others
        case _:
            pass
'''


def sources():
    """(name, source) of what is compiled."""
    yield "source", SOURCE
    if sys.version_info >= (3, 10):
        yield "match", MATCH
    for gap in (1, 2, 20, 100, 126, 127, 128, 129, 200, 254, 255, 256, 257, 383, 1000, 70000):
        blank = "\n" * gap
        yield "gap %d" % gap, "def f(a):\n    a()\n" + blank + "    a()\n" + blank + "    return a\n"
        # The line goes back: the arguments come after the name that is called at the end.
        yield "back %d" % gap, (
            "def f(a):\n    a(" + blank + "1, a(2),\n" + blank + "b=3).c(" + blank + "4)\n    return a\n")
    for count in (10, 62, 63, 64, 126, 127, 128, 129, 200, 300, 700):
        # Many instructions on one line, then on lines far away.
        yield "wide %d" % count, "def f(a):\n    b = [" + "a, " * count + "]\n    return b\n"
        yield "wide gap %d" % count, ("def f(a):\n    b = [" + "a, " * count + "]\n" + "\n" * 300
                                      + "    c = [" + "a, " * count + "]\n    return b\n")
    with open(argparse.__file__) as file:
        yield "argparse", file.read()


def codes(code):
    """A code object and those within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            for inner in codes(constant):
                yield inner


def main():
    """Print the answer."""
    line_of = ctypes.pythonapi.PyCode_Addr2Line
    line_of.argtypes = [ctypes.py_object, ctypes.c_int]
    line_of.restype = ctypes.c_int
    answer = []
    for name, source in sources():
        for code in codes(compile(source, name, "exec", dont_inherit=True)):
            table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
            answer.append([
                "%s %s" % (name, code.co_name), code.co_firstlineno, "".join("%02x" % byte for byte in table),
                [line_of(code, offset) for offset in range(0, len(code.co_code), 2)]])
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
