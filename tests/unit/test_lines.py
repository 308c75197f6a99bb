"""gdbext.cpython.lines against CPython's own decoder, and on tables written by hand."""

import argparse
import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Callable, List, Optional, Set, Tuple

import pytest

from gdbext.cpython.lines import (
    line_in_linetable,
    line_in_lnotab,
    line_in_locations,
    lines_in_pairs,
    positions_in_locations,
)
from tests.support.interpreters import Interpreter

Decode = Callable[[bytes, int, int], Optional[int]]

DUMP = Path(__file__).with_name("dump_lines.py")

# Of longer code, about this many instructions are asked for, besides those where the line changes:
# a decoder begins at the table's start each time.
MANY = 30


def decoder_of(version: Tuple[int, ...]) -> Decode:
    """The encoding of each version."""
    if version >= (3, 11):
        return line_in_locations
    return line_in_linetable if version >= (3, 10) else line_in_lnotab


def asked(lines: List[int]) -> Set[int]:
    """The first and the last instruction of each line, and some between."""
    changes = {index for index in range(1, len(lines)) if lines[index] != lines[index - 1]}
    return (set(range(0, len(lines), len(lines) // MANY + 1)) | {len(lines) - 1}
            | set(sorted(changes | {index - 1 for index in changes})[:4 * MANY]))


def check(python: str, version: Tuple[int, ...]) -> None:
    """Hold the decoder against what an interpreter says of code that it has compiled."""
    made = subprocess.run([python, "-I", str(DUMP)], stdout=subprocess.PIPE, check=True, timeout=60)
    decode = decoder_of(version)
    answer = json.loads(made.stdout)
    assert len(answer) > 150
    for name, first_line, table, lines in answer:
        raw = bytes.fromhex(table)
        for index in asked(lines):
            expected = None if lines[index] == -1 else lines[index]
            assert decode(raw, first_line, 2 * index) == expected, (name, 2 * index)


def test_the_lines_that_an_interpreter_finds(interpreter: Interpreter) -> None:
    check(str(interpreter.path), interpreter.minor)


# Tables written by hand.

LNOTAB = bytes((0, 1, 6, 2, 10, 0xFE, 4, 127, 0, 127, 255, 0, 45, 0x80))


@pytest.mark.parametrize("offset, line", (
    (0, 11), (5, 11), (6, 13), (15, 13), (16, 11), (19, 11), (20, 265), (274, 265), (275, 265), (319, 265),
    (320, 137), (100000, 137)))
def test_lnotab(offset: int, line: int) -> None:
    assert line_in_lnotab(LNOTAB, 10, offset) == line


LINETABLE = bytes((4, 0, 2, 0x80, 6, 3, 0, 127, 0, 127, 2, 1, 254, 0xF0, 2, 0))


@pytest.mark.parametrize("offset, line", (
    (0, 10), (2, 10), (4, None), (6, 13), (10, 13), (12, 268), (14, 252), (266, 252), (268, 252),
    (270, None)))
def test_linetable(offset: int, line: Optional[int]) -> None:
    assert line_in_linetable(LINETABLE, 10, offset) == line


@pytest.mark.parametrize("table, decode, has_gaps", (
    (LNOTAB, line_in_lnotab, False), (LINETABLE, line_in_linetable, True), (b"", line_in_lnotab, False)))
def test_all_lines_of_a_table(table: bytes, decode: Decode, has_gaps: bool) -> None:
    """What the instructions have, and what is passed on the way to a line that is further than one entry leads."""
    lines = {decode(table, 10, offset) for offset in range(400)} - {None}
    assert lines <= lines_in_pairs(table, 10, has_gaps) <= lines | {10, 138, 140, 267}


LOCATIONS = bytes((
    0x80 | 0 << 3 | 1, 0x12,              # short form, the same line, 2 units
    0x80 | 10 << 3 | 0, 4, 9,             # the same line with columns, 1 unit
    0x80 | 11 << 3 | 0, 4, 9,             # one line further
    0x80 | 12 << 3 | 7, 4, 9,             # two lines further, 8 units
    0x80 | 15 << 3 | 2,                   # no line, 3 units
    0x80 | 14 << 3 | 0, 0x41, 0x05, 0, 1, 1,   # long form: 0x141 is -160
    0x80 | 13 << 3 | 0, 0x40, 0x40, 0x01,      # no columns: 4096 / 2 lines further
))


@pytest.mark.parametrize("unit, line", (
    (0, 100), (1, 100), (2, 100), (3, 101), (4, 103), (11, 103), (12, None), (14, None), (15, -57),
    (16, 1991),
    (17, None), (10000, None)))
def test_locations(unit: int, line: Optional[int]) -> None:
    assert line_in_locations(LOCATIONS, 100, 2 * unit) == line
    assert line_in_locations(LOCATIONS, 100, 2 * unit + 1) == line


@pytest.mark.parametrize("decode", (line_in_lnotab, line_in_linetable, line_in_locations))
@pytest.mark.parametrize("table", (b"", b"\0", b"\xff", b"\x80", b"\0" * 99, b"\xff" * 99, b"\xf8" * 9,
                                   b"\xe8\x7f\x7f",
                                   bytes(range(256))))
def test_no_table_makes_a_decoder_fail(decode: Decode, table: bytes) -> None:
    for offset in (0, 1, 2, 255, 1 << 31):
        assert isinstance(decode(table, 7, offset), (int, type(None)))


def test_an_empty_table() -> None:
    assert line_in_lnotab(b"", 7, 0) == 7
    assert line_in_linetable(b"", 7, 0) is None
    assert line_in_locations(b"", 7, 0) is None


@pytest.mark.parametrize("unit, expected", (
    (0, (100, 100, 1, 3)), (1, (100, 100, 1, 3)), (2, (100, 100, 4, 9)), (3, (101, 101, 4, 9)),
    (11, (103, 103, 4, 9)), (12, (None, None, None, None)), (15, (-57, -57, 0, 0)), (16, (1991, 1991, None, None)),
    (17, (None, None, None, None))))
def test_positions(unit: int, expected: Tuple[Optional[int], ...]) -> None:
    assert positions_in_locations(LOCATIONS, 100, 2 * unit) == expected


@pytest.mark.parametrize("table", (
    b"", b"\x80", b"\xff" * 99, b"\xf8" * 9, b"\xe8\x7f\x7f", b"\xd0", bytes(range(256))))
def test_no_table_makes_positions_fail(table: bytes) -> None:
    for offset in (0, 1, 2, 255, 1 << 31):
        assert len(positions_in_locations(table, 7, offset)) == 4


@pytest.mark.skipif(sys.version_info < (3, 11), reason="code objects tell their positions since 3.11")
def test_positions_are_those_that_python_tells() -> None:
    waiting = [compile(Path(argparse.__file__).read_text(encoding="utf-8"), "argparse", "exec")]
    count = 0
    while waiting:
        code = waiting.pop()
        waiting += [each for each in code.co_consts if isinstance(each, types.CodeType)]
        for unit, told in enumerate(code.co_positions()):
            assert positions_in_locations(code.co_linetable, code.co_firstlineno, 2 * unit) == told
            count += 1
    assert count > 10_000
