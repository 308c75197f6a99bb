"""Texts in the files that py-leaks export writes."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, List, Optional

import pytest

from gdbext.analysis.export import ExportThread, LocalFrame
from gdbext.render import heap_files
from tests.support.heap_files import read_pyheap


@pytest.mark.parametrize("text, most, expected", [
    ("abc", 3, b"abc"), ("abcd", 3, b"abc"), ("a\u20ac", 3, b"a"), ("a\u20ac", 4, b"a\xe2\x82\xac"),
    ("\ud800", 9, b"\\ud800")])
def test_utf8_of_a_length(text: str, most: int, expected: bytes) -> None:
    """Cut off between characters; what UTF-8 has no bytes for is escaped."""
    assert heap_files._encoded(text, most) == expected


def test_strings(tmp_path: Path) -> None:
    """Each is written once while it is remembered, numbered in the order of the file."""
    strings = heap_files._Strings(str(tmp_path))
    texts = ["a", "", "a", '"\n', "\ud800", ""]
    numbers = [strings.number(text) for text in texts]
    file = io.BytesIO()
    strings.copy_to(file)
    strings.close()
    table = json.loads(b"[" + file.getvalue() + b"]")
    assert [table[number] for number in numbers] == texts and numbers == [0, 1, 0, 2, 3, 1]


def test_lines_that_are_none(tmp_path: Path) -> None:
    """A damaged table of lines has negative ones, and such as no file has."""
    lines: List[Optional[int]] = [7, None, -1, 1 << 32]
    frames = [LocalFrame("/f.py", line, "f", {}) for line in lines]
    graph: Any = type("Graph", (list,), {"type_list": []})()
    export: Any = SimpleNamespace(graph=graph, type_names=[],
                                  containers=lambda: dict.fromkeys(("dict", "list", "set", "tuple"), 1),
                                  threads=lambda: [ExportThread("main", True, False, frames)])
    path = tmp_path / "heap.pyheap"
    with path.open("wb") as file:
        heap_files.write_pyheap(export, file, str(tmp_path), {}, lambda progress: None)
    [thread] = read_pyheap(path).threads
    assert [line for _file, line, _function, _locals in thread[-1]] == [7, 0, 0, 0]
