"""Names, texts, paths and exceptions made to harm a terminal, and of ten million characters: programs/hostile.py."""

import json
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest

from tests.support import every_command, gdb, processes, stripped
from tests.support.interpreters import Interpreter

# Of an answer. A text that is shown in full ends after a million characters, which JSON escapes.
MOST = 8 << 20
# What lines with one of these show, others show too.
SELECTING = {"-limit", "-sort", "-force"}
_HARMFUL = ("Cc", "Cf", "Cs", "Zl", "Zp")


def test_nothing_reaches_the_terminal(one_interpreter: Interpreter, tmp_path: Path) -> None:
    """Of every command: visible characters, lines and tabs alone; JSON is JSON, files are what they ought to be."""
    with processes.running_python(stripped.as_installed(one_interpreter), "hostile.py") as program:
        lines = every_command.lines(program.truth, tmp_path, every_command.CHANGES | SELECTING)
        lwp = program.truth["threads"][0]["lwp"]
        run = gdb.run(["python next(each for each in gdb.selected_inferior().threads() if each.ptid[1] == %d).switch()"
                       % lwp, *lines], mode="hidden", pid=program.pid)
    answers = {answer.command: answer for answer in run.answers}
    for line, answer in answers.items():
        text = answer.stdout + answer.stderr
        harmful = {character for character in text
                   if character not in "\n\t" and unicodedata.category(character) in _HARMFUL}
        assert not harmful, (line, harmful)
        assert len(text) < MOST and "occurred in Python" not in text, (line, len(text), text[-300:])
        if "-json" in line.split() and not answer.stderr:
            answer.document()
    # The thread's own function has the long name.
    assert "xxx... (10000043 characters) (" in answers["py-threads"].stdout
    assert r"\x1b]0;owned\x07\x1b[2J\n\r\t\x00\u202e\u2066" in answers["py-bt-plus"].stdout
    files = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if "export" in path.name
             and "pyheap" not in path.name}
    assert len(files) == 3
    for name, text in files.items():
        for document in [text] if "heapsnapshot" in name else text.splitlines():
            json.loads(document)
    if shutil.which("dot") is None:
        pytest.skip("no dot: the graph was not given to Graphviz")
    subprocess.run(["dot", "-Tsvg"], input=answers["py-locks -dot"].stdout, encoding="utf-8", check=True,
                   stdout=subprocess.DEVNULL)
