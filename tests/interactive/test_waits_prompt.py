"""py-locks and py-threads at a prompt with thousands of threads: help, TAB, Ctrl-C, a narrow terminal, a pipe."""

import re
import time
from pathlib import Path
from typing import Iterator

import pytest

from tests.interactive.test_prompt import Prompt
from tests.support import gdb as gdb_runner
from tests.support import processes, stripped
from tests.support.interpreters import Interpreter

# As many as take gdb a second or more.
LENGTH = 2000
# From Ctrl-C to the prompt, seconds.
MOST_SECONDS = 1.0
NARROW = 60


@pytest.fixture
def prompt(one_interpreter: Interpreter, gdb: gdb_runner.Gdb, tmp_path: Path) -> Iterator[Prompt]:
    """gdb attached to a chain of threads that wait for each other's locks; with one interpreter, for time's sake."""
    with processes.running_python(stripped.as_installed(one_interpreter), "long_chain.py",
                                  str(LENGTH)) as program:
        at = Prompt(program.pid, tmp_path, columns=NARROW)
        yield at
        at.close()


def test_thousands_of_threads(prompt: Prompt) -> None:
    prompt.send("py-locks")
    prompt.interrupt_inside_command()
    begin = time.monotonic()
    answer = prompt.answer()
    assert time.monotonic() - begin < MOST_SECONDS
    assert "Quit" in answer and "wanted by" not in answer and "Error" not in answer

    # All of it is there the next time.
    for command, options in (("py-locks", ("dot", "limit", "json")), ("py-threads", ("group", "limit", "json"))):
        text = prompt.ask("help %s" % command)
        assert "Usage: %s [-" % command in text and "Example:\n  %s\n" % command in text
        for option in options:
            assert re.search(r"(?m)^  -%s .*\w" % option, text)
            prompt.type("%s -%s\t" % (command, option[:1]))
            prompt.expect("-%s" % option)
            prompt.send("" if option != "limit" else "1")
            assert "Error" not in prompt.answer()

    assert prompt.ask("pipe py-locks | grep -c 'wanted by'").strip() == str(LENGTH)
    assert prompt.ask("pipe py-threads | grep -c 'waits for Lock following'").strip() == str(LENGTH)
    # Frames have lines of their own where there is no room beside the rest.
    assert re.search(r'(?m)^   2 .*"?link \d+.*$\n +link \(.*long_chain.py:\d+\)\n +waits for Lock following, '
                     r'held by thread \d+ "(?:MainThread|link \d+)" \[inferred\]$', prompt.ask("py-threads -limit 2"))
