"""gdbext.analysis.sources: where source files are looked for, and how they are decoded."""

import errno
import os
import tokenize
import zipfile
from pathlib import Path

import pytest

from gdbext.analysis.sources import Places, Sources


def test_lines_are_those_of_python(tmp_path: Path) -> None:
    """By byte order mark and coding cookie; a form feed ends no line, a carriage return does."""
    for raw, lines in (
            (b"a = 1\n\tb\n", ["a = 1", "\tb"]),
            ("é\n".encode(), ["é"]),
            (b"\xef\xbb\xbfx\n\n", ["x", ""]),
            (b"# -*- coding: latin-1 -*-\n\xe9", ["# -*- coding: latin-1 -*-", "é"]),
            (b"one\x0c\x0b\x1c\r\ntwo\rthree", ["one\x0c\x0b\x1c", "two", "three"]),
            (b"", [])):
        path = tmp_path / "source.py"
        path.write_bytes(raw)
        found = Sources(Places()).source(str(path))
        assert (found.path, found.lines, found.problem) == (str(path), lines, None)


def test_a_line_without_its_indentation(tmp_path: Path) -> None:
    path = tmp_path / "source.py"
    path.write_text("if x:\n    y = 1  \n\n")
    sources = Sources(Places())
    assert [sources.line(str(path), number) for number in (-1, 0, 1, 2, 3, 4)] == [
        None, None, "if x:", "y = 1", None, None]


@pytest.mark.parametrize("raw, reason", [
    (b"\xff\xfe", "can't be decoded"), (b"# coding: no-such-codec\n", "can't be decoded"),
    (b"# coding: ascii\n\xe9\n", "can't be decoded")])
def test_what_cannot_be_decoded(tmp_path: Path, raw: bytes, reason: str) -> None:
    path = tmp_path / "source.py"
    path.write_bytes(raw)
    found = Sources(Places()).source(str(path))
    assert found.lines == [] and reason in (found.problem or "") and str(path) in found.problem


def test_what_is_no_file(tmp_path: Path) -> None:
    """A FIFO would block, a directory is none."""
    os.mkfifo(tmp_path / "fifo.py")
    for path in (tmp_path / "fifo.py", tmp_path, tmp_path / "missing.py"):
        assert "is not here" in (Sources(Places()).source(str(path)).problem or "")
    for path in ("<string>", "<stdin>", "<frozen importlib._bootstrap>"):
        assert "is no file" in (Sources(Places()).source(path).problem or "")
    for path in ("", "a\0b", "/a\0b", "x" * 5000, "/" + "x" * 5000, "\udc80"):
        found = Sources(Places()).source(path)
        assert found.lines == [] and found.problem


def test_a_source_in_an_archive(tmp_path: Path) -> None:
    """As of a zipapp: what stands before the archive does not matter; coding cookies do not count."""
    path = tmp_path / "app.pyz"
    path.write_bytes(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("pkg/mod.py", "# coding: latin-1\né = 1\r\n\x0cx\n".encode())
        archive.writestr("pkg/bad.py", b"\xff")
    sources = Sources(Places())
    assert sources.source(f"{path}/pkg/mod.py") == (f"{path}/pkg/mod.py", ["# coding: latin-1", "é = 1", "", "x"], None)
    assert "can't be decoded" in (sources.source(f"{path}/pkg/bad.py").problem or "")
    # Where it is named as the process names it, which is elsewhere.
    moved = Sources(Places(directories=[str(tmp_path)]))
    assert moved.line("/srv/app.pyz/pkg/mod.py", 2) == "é = 1"
    (tmp_path / "text").write_text("no archive")
    broken = bytearray(path.read_bytes())
    broken[len(broken) // 3:len(broken) // 2] = b"\xff" * (len(broken) // 2 - len(broken) // 3)
    (tmp_path / "broken.pyz").write_bytes(broken)
    for missing in (f"{path}/pkg/none.py", f"{path}/pkg", f"{tmp_path}/text/a.py", f"{tmp_path}/text/a/b.py",
                    f"{tmp_path}/broken.pyz/pkg/mod.py"):
        assert "is not here" in (Sources(Places()).source(missing).problem or ""), missing


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the tests may run as root, who may read everything, the refusal is made."""
    path = tmp_path / "source.py"
    path.write_text("x\n")

    def refuse(name: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    monkeypatch.setattr(tokenize, "open", refuse)
    assert "can't be read: Permission denied" in (Sources(Places()).source(str(path)).problem or "")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files that say where they are."""
    for name in ("sysroot/app/pkg/m.py", "moved/pkg/m.py", "named/pkg/m.py", "process/root/app/pkg/m.py",
                 "process/cwd/m.py", "named/m.py", "other/m.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def where(tree: Path, path: str, places: Places) -> str:
    """Which of the files is found."""
    return "".join(Sources(places).source(path).lines)


def test_the_order_of_places(tree: Path) -> None:
    rules = [("/ap", str(tree / "other")), ("/app", str(tree / "moved")), ("/app", str(tree / "other"))]
    process = str(tree / "process")
    every = Places(rules, str(tree / "sysroot"), [str(tree / "named")], process)
    assert where(tree, "/app/pkg/m.py", every) == "moved/pkg/m.py"
    assert where(tree, "/app/pkg/m.py", every._replace(rules=())) == "sysroot/app/pkg/m.py"
    assert where(tree, "/app/pkg/m.py", Places((), None, every.directories, process)) == "process/root/app/pkg/m.py"
    # The longest part of the path that a named directory has.
    assert where(tree, "/app/pkg/m.py", Places((), None, every.directories)) == "named/pkg/m.py"
    assert where(tree, "/else/m.py", Places((), None, every.directories)) == "named/m.py"
    assert where(tree, "m.py", Places((), None, (), process)) == "process/cwd/m.py"
    assert where(tree, "pkg/m.py", Places((), None, every.directories)) == "named/pkg/m.py"


def test_a_path_in_a_container_is_not_taken_for_one_here(tree: Path) -> None:
    """What another root has at the same path is another file."""
    here = str(tree / "other" / "m.py")
    assert where(tree, here, Places()) == "other/m.py"
    assert where(tree, here, Places(process=str(tree / "process"))) == ""
    # Where that root may not be looked into, the path is all there is.
    assert where(tree, here, Places(process=str(tree / "nobody"))) == "other/m.py"


def test_a_file_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "source.py"
    path.write_text("x\n")
    sources = Sources(Places())
    first = sources.source(str(path))
    path.unlink()
    assert sources.source(str(path)) is first
