"""The marks below source lines against the traceback module of the Python that runs the tests."""

import argparse
import random
import sys
import tempfile
import traceback
import types
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import pytest

from gdbext.cpython.code import LOCATIONS, Code
from gdbext.cpython.exceptions import Entry
from gdbext.cpython.frames import Frame
from gdbext.cpython.lines import Positions
from gdbext.render import exceptions as render

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="there are marks since 3.11")

# Source whose instructions lie in every way that there is.
SOURCE = '''
def plain(a, b):
    return a + b
def parts(a, b):
    x = (a) +  (b) ; y = a  [ b ] + 1
    return a . b ( x ) [ 1 ] ( y , * a )
def lines(a, b):
    x = (a +
         b  # comment )
         * a
        )
    y = a(
        1,

        b[
            2
        ],
        3,
        4,
        5,
    )(6)
    return a(x, y) \\
        + b
def wide(a, b):
    中 = a["文字"] + b("é", "中文") ; 字 = 中 @ a
    return "中", a[中], b ** 字, -a, not b, a and b
def operators(a, b):
    return a**b, a//b, a<<b, a>=b, a@b, (a)-(b), ((a))/((b)), a if b else a|b, a[b:a], a[(b)], {a:b}[a]
async def waits(a, b):
    async with a as c, b as d:
        async for e in c(d):
            yield await e[c] + d
    assert a, b [ 1 ]
    del a . b, a [b]
    a[b] += a ( b )
    print(f"{a + b} {a[b]}") ; return
class Body(object, metaclass = type):
    x = [1, 2] [ 0 ] + [y for y in (1, 2) if y [0]] [1]
'''


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and all within it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from codes(each)


def entry_of(code: types.CodeType, positions: Tuple) -> Entry:
    """What a traceback's entry would be read as."""
    made = Code(0, code.co_name, code.co_qualname, code.co_filename, code.co_firstlineno, 0, 0,
                code.co_linetable, LOCATIONS)
    return Entry(0, Frame(0, made, 0), positions[0], Positions(*positions))


def theirs(code: types.CodeType, positions: Tuple) -> List[str]:
    """The lines that traceback makes of it."""
    line, end_line, column, end_column = positions
    summary = traceback.FrameSummary(code.co_filename, line, code.co_name, end_lineno=end_line, colno=column,
                                     end_colno=end_column)
    return traceback.StackSummary.from_list([summary]).format_frame_summary(summary).rstrip("\n").split("\n")[1:]


def ours(entry: Entry, sources: Dict[str, List[str]]) -> List[str]:
    """The lines that we make of it."""
    def source(path: str, number: int) -> str:
        lines = sources[path]
        return lines[number - 1] + "\n" if 0 < number <= len(lines) else ""

    marks = render.style(sys.hexversion).marks
    return ("\n".join("    " + line for line in marks(entry, source))).rstrip("\n").split("\n")


@pytest.mark.parametrize("module", (None, argparse, random, tempfile))
def test_every_instruction(module: types.ModuleType, tmp_path: Path) -> None:
    """As if each of them had failed."""
    path = tmp_path / "source.py"
    path.write_text(SOURCE, encoding="utf-8")
    path = Path(module.__file__) if module else path
    text = path.read_text(encoding="utf-8")
    sources = {str(path): text.split("\n")}
    seen = set()
    for code in codes(compile(text, str(path), "exec")):
        for positions in code.co_positions():
            if positions[0] and positions not in seen:
                seen.add(positions)
                assert ours(entry_of(code, positions), sources) == theirs(code, positions), positions
    assert len(seen) > 150
