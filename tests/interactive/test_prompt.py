"""gdbext at a prompt, as a person uses it: TAB, help, pages, a pipe, Ctrl-C."""

import os
import re
from pathlib import Path
from typing import Iterator

import pytest

from tests.support import gdb as gdb_runner
from tests.support import processes, stripped
from tests.support.interpreters import Interpreter
from tests.support.prompt import PAGER, Prompt

# Deep enough that the JSON of its traceback takes gdb seconds.
DEPTH = 300_000


@pytest.fixture(scope="module")
def program(one_interpreter: Interpreter) -> Iterator[processes.Program]:
    """A process with one thread in a deep recursion."""
    with processes.running_python(stripped.as_installed(one_interpreter), "deep.py", str(DEPTH)) as running:
        yield running


@pytest.fixture
def prompt(program: processes.Program, gdb: gdb_runner.Gdb, tmp_path: Path) -> Iterator[Prompt]:
    """gdb attached to the process."""
    at = Prompt(program.pid, tmp_path)
    yield at
    at.close()


def test_ctrl_c_ends_a_command_and_the_next_one_works(prompt: Prompt) -> None:
    deep = next(line.split()[0] for line in prompt.ask("py-threads").splitlines() if "descend" in line)
    prompt.ask("thread %s" % deep)
    prompt.send("py-bt-plus -json")
    prompt.interrupt_inside_command()
    answer = prompt.answer()
    assert "Quit" in answer
    assert "frames" not in answer and "Error" not in answer
    again = prompt.ask("py-bt-plus -limit 2")
    assert again.count("in descend") == 2
    whole = prompt.ask("py-bt-plus")
    assert "[Previous line repeated %d more times]" % (DEPTH - 3) in whole


def test_tab_completes_commands_and_options(prompt: Prompt) -> None:
    prompt.type("py-bt-plus -li\t")
    prompt.expect("py-bt-plus -limit")
    prompt.send("1")
    assert prompt.answer().count("File ") == 1
    prompt.type("py-th\t")
    prompt.expect("py-threads")
    prompt.type("-j\t")
    prompt.expect("-json")
    prompt.send("")
    assert '"command": "py-threads"' in prompt.answer()


def test_help_says_what_how_and_gives_an_example(prompt: Prompt) -> None:
    for command in ("py-threads", "py-bt-plus"):
        text = prompt.ask("help %s" % command)
        assert "Usage: %s" % command in text and "Options:" in text and "Example:" in text
        assert command in prompt.ask("apropos -v %s" % command)


def test_a_pipe_gets_the_answer(prompt: Prompt) -> None:
    assert prompt.ask("pipe py-threads | grep -c descend").strip() == "1"


def test_leaving_the_pager_leaves_the_command(program: processes.Program, gdb: gdb_runner.Gdb,
                                              tmp_path: Path) -> None:
    narrow = Prompt(program.pid, tmp_path, columns=60)
    try:
        narrow.ask("set pagination on")
        narrow.ask("set height 5")
        narrow.send("thread apply all py-bt-plus")
        narrow.expect(PAGER)
        narrow.send("q")
        assert "Error" not in narrow.answer()
        narrow.ask("set height 0")
        assert "descend" in narrow.ask("py-threads")
        # A value ends where the terminal does, and is whole in a pipe.
        listed = "py-leaks instances -limit 5 function"
        rows = [line for line in narrow.ask(listed).splitlines() if line.startswith("0x")]
        cut = [row for row in rows if not row.endswith(">")]
        assert len(rows) == 5 and cut and all(len(row) <= 60 for row in rows), rows
        assert all(row.endswith("...") and 58 < len(row) for row in cut), rows
        assert narrow.ask("pipe %s | grep -c '0x[0-9a-f]*>$'" % listed).split()[-1] == "5"
    finally:
        narrow.close()


def test_the_process_is_left_running(program: processes.Program, gdb: gdb_runner.Gdb, tmp_path: Path) -> None:
    at = Prompt(program.pid, tmp_path)
    at.ask("py-threads")
    at.close()
    state = Path("/proc/%d/stat" % program.pid).read_text().rpartition(")")[2].split()[0]
    assert state == "S"
    os.kill(program.pid, 0)


def test_colours(one_interpreter: Interpreter, gdb: gdb_runner.Gdb, tmp_path: Path) -> None:
    """Parts are told apart on a terminal, and nowhere else."""
    with processes.running_python(stripped.as_installed(one_interpreter), "hanging.py") as program:
        answers = {}
        for name, variables in {"terminal": {"term": "xterm"}, "dumb": {"term": "dumb"},
                                "no": {"term": "xterm", "NO_COLOR": "1"}}.items():
            prompt = Prompt(program.pid, tmp_path, **variables)
            try:
                answers[name] = prompt.ask("py-bt-plus")
                if name == "terminal":
                    answers["all threads"] = prompt.ask("thread apply all -q py-bt-plus -limit 1")
                    answers["pipe"] = prompt.ask("pipe py-bt-plus | cat")
                    answers["json"] = prompt.ask("py-bt-plus -json")
                    answers["captured"] = prompt.ask("python print(gdb.execute('py-bt-plus', to_string=True))")
                    prompt.ask("set style function foreground magenta")
                    answers["of the user"] = prompt.ask("py-bt-plus")
                    prompt.ask("set gdbext colour off")
                    answers["off"] = prompt.ask("py-bt-plus")
                    prompt.ask("set style enabled off")
                    prompt.ask("set gdbext colour auto")
                    answers["no styles"] = prompt.ask("py-bt-plus")
                    prompt.ask("set gdbext colour on")
                    answers["on"] = prompt.ask("pipe py-bt-plus | cat")
            finally:
                prompt.close()
    # A pseudo terminal is told of bracketed paste.
    answers = {name: re.sub("\x1b\\[\\?2004[hl]\r?", "", text) for name, text in answers.items()}
    dressed = {"terminal", "all threads", "of the user", "on"}
    assert {name for name, text in answers.items() if "\x1b" in text} == dressed, answers
    # Newer gdbs spell out what a style leaves as it is, and have one for numbers of lines.
    style = "\x1b\\[%s(?:;[0-9;]*)?m%s\x1b\\[m"
    assert re.search('File "%s", line %s, in %s\n' % (
        style % ("32", ".*hanging.py"), style % ("[0-9]+", "[0-9]+"), style % ("33", "<module>")), answers["terminal"])
    assert re.search(style % ("35", "<module>"), answers["of the user"])
    for name in ("terminal", "of the user", "on"):
        assert re.sub("\x1b\\[[0-9;]*m", "", answers[name]) == answers["dumb"]
    for name in ("no", "pipe", "off", "no styles"):
        assert answers[name] == answers["dumb"]
