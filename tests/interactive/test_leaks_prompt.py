"""py-leaks at a prompt: how far it is, Ctrl-C, and nothing of that where nobody looks."""

import os
import re
from pathlib import Path
from typing import Iterator

import pytest

from tests.live.test_leaks_numpy import numpy_folder
from tests.support import gdb as gdb_runner
from tests.support import processes, stripped
from tests.support.interpreters import Interpreter
from tests.support.interrupts import PROMPT_AFTER
from tests.support.prompt import Prompt

# As many as take gdb half a second or more.
TUPLES = 3_000_000
PROGRESS = re.compile(r"counting: ([\d,]+) objects, ([\d,]+) MB, \d+ s")


@pytest.fixture(scope="module")
def program(one_interpreter: Interpreter) -> Iterator[processes.Program]:
    """A process with many objects."""
    if one_interpreter.free_threaded:
        pytest.skip("a free-threaded build allocates with mimalloc only")
    with processes.running_python(stripped.as_installed(one_interpreter), "many.py", str(TUPLES)) as running:
        yield running


@pytest.fixture
def prompt(program: processes.Program, gdb: gdb_runner.Gdb, tmp_path: Path) -> Iterator[Prompt]:
    """gdb attached to the process."""
    at = Prompt(program.pid, tmp_path)
    at.show_progress_soon()
    yield at
    at.close()


def count_of(answer: str) -> int:
    """How many objects the last lines tell."""
    return int(re.findall(r"([\d,]+) objects, [\d,]+ bytes", answer)[-1].replace(",", ""))


def no_reader_is_left(prompt: Prompt) -> bool:
    """Whether the thread that reads memory ahead ends with the command."""
    return prompt.ask("python import threading; print([thread.join(60) or thread.is_alive() for thread in "
                      "threading.enumerate() if thread.name.startswith('gdbext')])") in ("[]\n", "[False]\n")


def test_progress_and_interrupt(prompt: Prompt, program: processes.Program) -> None:
    """The line moves on, is gone at the end, and Ctrl-C gives what was counted so far."""
    answer = prompt.ask("py-leaks -limit 3")
    shown = [int(number.replace(",", "")) for number, _size in PROGRESS.findall(answer)]
    assert shown and shown == sorted(shown)
    # The line is blanked out before the answer comes.
    assert re.search(r"\r +\r *Count", answer)
    whole = count_of(answer)
    assert whole > 2 * TUPLES
    prompt.send("py-leaks -limit 3")
    prompt.expect("counting: ")
    prompt.interrupt()
    part = prompt.rest()
    assert "PARTIAL, interrupted:" in part and "Error" not in part
    assert 0 <= count_of(part) < whole
    assert no_reader_is_left(prompt)
    assert "PARTIAL" not in prompt.ask("py-leaks -limit 3")


def test_interrupts_with_numpy(prompt: Prompt, program: processes.Program) -> None:
    """The prompt is back within a second, with what was found so far; the next answer is whole."""
    prompt.ask("python import sys; sys.path.append(%r)" % str(numpy_folder()))
    last = program.truth["last"]
    for command, shown in (("py-leaks -limit 3", "counting: "), ("py-leaks path %#x" % last, "searching: "),
                           ("py-leaks referrers %#x" % last, "searching: ")):
        prompt.send(command)
        prompt.expect(shown)
        prompt.interrupt()
        ticks = prompt.ticks()
        part = prompt.rest()
        assert (prompt.ticks() - ticks) / os.sysconf("SC_CLK_TCK") < PROMPT_AFTER
        assert "PARTIAL" in part and "Error" not in part, part
    assert no_reader_is_left(prompt)
    assert prompt.ask("python from gdbext.cpython import heap_arrays; print(heap_arrays.numpy().__name__)") == "numpy\n"
    assert "module __main__.kept[%d][1]" % (TUPLES - 1) in prompt.ask("py-leaks path %#x" % last)


def test_no_progress_in_a_pipe(program: processes.Program) -> None:
    """Standard output and error have the answer alone."""
    answer, = gdb_runner.run(["py-leaks -limit 3"], mode="hidden", pid=program.pid).answers
    assert answer.stderr == "" and "\r" not in answer.stdout and "counting" not in answer.stdout
