"""Frames, locals, names and source at a prompt, as a person asks for them."""

import time
from pathlib import Path
from typing import Iterator

import pytest

from tests.support import gdb as gdb_runner
from tests.support import processes, stripped
from tests.support.interpreters import Interpreter
from tests.support.prompt import PAGER, Prompt

# From Ctrl-C to the prompt, seconds. Most of the time it takes less than 0.05.
MOST_SECONDS = 1.0
NARROW = 60
BELL = "\x07"


@pytest.fixture(scope="module")
def program(one_interpreter: Interpreter) -> Iterator[processes.Program]:
    """The process: what is looked at here is the prompt."""
    with processes.running_python(stripped.as_installed(one_interpreter), "prompt.py") as running:
        yield running


@pytest.fixture
def prompt(program: processes.Program, gdb: gdb_runner.Gdb, tmp_path: Path) -> Iterator[Prompt]:
    """gdb attached to the process."""
    at = Prompt(program.pid, tmp_path)
    yield at
    at.close()


def test_a_walk_through_frames(prompt: Prompt) -> None:
    assert prompt.ask("py-frame-plus").startswith("#0 File") and "in run" in prompt.ask("py-frame-plus")
    assert "in main" in prompt.ask("py-up-plus")
    assert prompt.ask("py-locals-plus").startswith("count = 3\nservice = <")
    assert prompt.ask("py-print-plus count") == "local 'count' = 3\n"
    assert prompt.ask("py-list-plus").split("\n")[5:] == [
        '>26      service.run("long " * 40)', " 27", " 28", " 29  main()", ""]
    # The names of libpython.py's commands are enough where it is not loaded.
    assert "in <module>" in prompt.ask("py-up")
    assert prompt.ask("py-up") == "py-up-plus: no older Python frame: #2 is the outermost one\n"
    assert "in run" in prompt.ask("py-down 2")
    assert "no newer Python frame" in prompt.ask("py-down")
    assert prompt.ask("py-print self.queue[0]['key']") == "local \"self.queue[0]['key']\" = 'value'\n"
    # RET does the last command again, as with gdb's own.
    assert "in main" in prompt.ask("py-up")
    assert "in <module>" in prompt.ask("")


def test_tab_completes_names_and_attributes(prompt: Prompt) -> None:
    prompt.type("py-print-plus arg\t")
    prompt.expect("argument")
    prompt.send("")
    assert prompt.answer().startswith("local 'argument' = 'long long")
    prompt.type("py-print-plus self.qu\t")
    prompt.expect(BELL)
    prompt.type("e\t")
    prompt.expect("eue")
    prompt.send("")
    assert prompt.answer() == "local 'self.queue' = [{'key': 'value'}]\n"
    prompt.type("py-print-plus large[self.quo\t")
    prompt.expect("quota")
    prompt.send("]")
    assert prompt.answer() == "local 'large[self.quota ]' = 7\n"
    prompt.type("py-print-plus os.path.supports_unicode_f\t")
    prompt.expect("filenames")
    prompt.send("")
    assert "= False" in prompt.answer()
    prompt.type("py-bt-plus -fu\t")
    prompt.expect("-full")
    prompt.send("")
    assert "        self = <" in prompt.answer()


def test_ctrl_c_while_ten_million_items_are_read_and_printed(prompt: Prompt) -> None:
    for name in ("length", "items", "depth"):
        prompt.ask("set gdbext repr-%s unlimited" % name)
    prompt.send("py-print-plus large")
    prompt.interrupt_inside_command()
    start = time.monotonic()
    assert "Quit" in prompt.answer()
    assert time.monotonic() - start < MOST_SECONDS
    # Enough that most of it is yet to be printed once its beginning is there.
    prompt.ask("set gdbext repr-items 500000")
    prompt.send("py-print-plus large")
    prompt.expect("local 'large' = [7, 7,")
    start = time.monotonic()
    prompt.interrupt()
    rest = prompt.answer()
    assert time.monotonic() - start < MOST_SECONDS
    assert "more]" not in rest
    prompt.ask("set gdbext repr-items 3")
    assert prompt.ask("py-print-plus large") == "local 'large' = [7, 7, 7, ... 9999997 more]\n"


def test_a_pipe_gets_the_variables(prompt: Prompt) -> None:
    assert prompt.ask("pipe py-bt-plus -full | grep -c '^        argument = '").strip() == "1"
    assert prompt.ask("pipe py-locals-plus | wc -l").strip() == "3"


def test_a_narrow_terminal(program: processes.Program, gdb: gdb_runner.Gdb, tmp_path: Path) -> None:
    """Values are not cut to its width, and its pager may be left."""
    narrow = Prompt(program.pid, tmp_path, columns=NARROW)
    try:
        text = narrow.ask("py-bt-plus -full")
        assert "        argument = '%s'\n" % ("long " * 40) in text
        # Help is made for it.
        for command in ("py-up-plus", "py-down-plus", "py-locals-plus", "py-list-plus"):
            assert "Usage: %s" % command in narrow.ask("help %s" % command)
        narrow.ask("set pagination on")
        narrow.ask("set height 4")
        narrow.send("py-bt-plus -full")
        narrow.expect(PAGER)
        narrow.send("q")
        assert "Error" not in narrow.answer()
        narrow.ask("set height 0")
        assert "in run" in narrow.ask("py-frame-plus")
    finally:
        narrow.close()
