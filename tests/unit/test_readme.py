"""README.rst as text: docutils renders it without a warning, and what is compared with it can differ."""

import io

import pytest

from tests.support import readme

TEXT = readme.README.read_text(encoding="utf-8")


def test_renders() -> None:
    core = pytest.importorskip("docutils.core")
    said = io.StringIO()
    core.publish_doctree(TEXT, settings_overrides={"warning_stream": said, "report_level": 2, "halt_level": 5})
    assert said.getvalue() == ""


def test_every_block_is_declared() -> None:
    """Each literal block says what it is, and each program of the README is in it."""
    named = {scene.program for scene in readme.scenes(TEXT) if scene.program}
    assert {path.name for path in readme.PROGRAMS.glob("*.py")} <= named
    with pytest.raises(readme.Wrong, match="line 3: say in a comment"):
        readme.blocks("A block::\n\n    text\n")


def printed(wanted: str, got: str) -> readme.Printed:
    """As a block has it, and as it was printed."""
    block, = readme.blocks(".. session: x.py on any\n\nA block::\n\n    (gdb) it\n")
    return readme.Printed(block, "it", wanted.split("\n"), got.split("\n"), "it")


@pytest.mark.parametrize("wanted, got", [
    ("<A at 0x7f92a96c1cd0>, 0x7f92a96c1cd0", "<A at 0x7f0000000010>, 0x7f0000000010"),
    ("Thread 2 (LWP 3599)", "Thread 2 (LWP 17)"), ("  +4,500  +276,890  str", "+5,500    +276,891  str"),
    ("sleeps, 3599.2 s left", "sleeps, 12 s left"), ("first\n...\nlast", "first\n0x7f92a96c1cd0\nnext\nlast")])
def test_same(wanted: str, got: str) -> None:
    assert readme.differences(printed(wanted, got)) == []


@pytest.mark.parametrize("wanted, got", [
    ("<A at 0x7f92a96c1cd0>, 0x7f92a96c1cd0", "<A at 0x7f0000000010>, 0x7f0000000020"), ("line 12", "line 13"),
    ("held by thread 3", "held by thread 2"), ("at address 0x0", "at address 0x8"), ("first\n...\nlast", "first\nnext"),
    ("  indented", "indented"), ("500  app.Request", "501  app.Request"), ("one", "one\ntwo")])
def test_different(wanted: str, got: str) -> None:
    assert readme.differences(printed(wanted, got)) != []


def test_written_anew() -> None:
    """What is printed now takes the place of what was, and all else stays."""
    text = "Text\n\n.. session: x.py on any\n\nA block::\n\n    (gdb) one\n    old\n    (gdb) two\n    kept\n\nText\n"
    first, = readme.blocks(text)
    outputs = [readme.Printed(first, "one", ["old"], ["new", "", "newer"], "one"),
               readme.Printed(first, "two", ["kept"], ["kept"], "two")]
    assert readme.written_anew(text, [outputs[1:]]) == text
    assert readme.written_anew(text, [outputs]) == text.replace("    old\n", "    new\n\n    newer\n")

