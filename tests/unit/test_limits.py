"""Loops over the inferior's data have limits with names: what leads from one structure to the next may lead nowhere."""

import ast
import re
from pathlib import Path
from typing import Iterator, Set, Tuple

import pytest

from tests.unit.test_import_rules import PACKAGE, sources

# What reads the inferior, by the name of the method.
READS = {"pointer", "integer", "read", "u64", "u32", "word", "c_string", "fetch", "previous", "older"}
LIMIT = re.compile(r"_?MAX_[A-Z_]+")
READERS = ("cpython", "analysis", "layout", "elf", "target")


def loops(path: Path) -> Iterator[ast.While]:
    """Each `while` that reads the inferior, and does not count up to an end that its test has."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.While) and READS & set(called(node)) and not counts_up(node.test):
            yield node


def called(loop: ast.AST) -> Iterator[str]:
    """The names of the methods that are called."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


def counts_up(test: ast.expr) -> bool:
    """Whether this is `a < b`: what is read is no more than was asked for."""
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Lt)


def limits(loop: ast.While) -> Set[str]:
    """The limits that it names."""
    names = (node.id for node in ast.walk(loop) if isinstance(node, ast.Name))
    return {name for name in names if LIMIT.fullmatch(name)}


def modules() -> Iterator[Tuple[str, Path]]:
    """What reads the inferior."""
    return ((name, path) for name, path in sources().items() if path.relative_to(PACKAGE).parts[0] in READERS)


def test_what_follows_pointers_names_its_limit() -> None:
    found = [("%s, line %d" % (name, loop.lineno), limits(loop)) for name, path in modules() for loop in loops(path)]
    assert len(found) > 5
    assert [where for where, named in found if not named] == []


@pytest.mark.parametrize("loop, is_found", [
    ("while node:\n    node = reader.pointer(node, 'a', 'b')", True),
    ("while True:\n    node = memory.u64(node)", True),
    ("while at < end:\n    at += len(memory.read(at, 8))", False),
    ("while waiting:\n    waiting.pop()", False)])
def test_which_loops_are_looked_at(loop: str, is_found: bool, tmp_path: Path) -> None:
    path = tmp_path / "made.py"
    path.write_text(loop, encoding="utf-8")
    assert [limits(each) for each in loops(path)] == [set()] * is_found


def test_nothing_asks_gdb_for_an_objfile_by_name() -> None:
    """gdb 13's lookup_objfile() throws a C++ exception through Python at Ctrl-C: see target/types.py."""
    assert [name for name, path in modules() if "lookup_objfile" in called(ast.parse(path.read_text("utf-8")))] == []
