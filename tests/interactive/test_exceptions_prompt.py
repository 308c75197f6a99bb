"""py-exc -find at a prompt: how far it is, and what Ctrl-C leaves of it."""

import re
from pathlib import Path

import pytest

from tests.interactive.test_prompt import Prompt
from tests.support import gdb as gdb_runner
from tests.support import processes, stripped
from tests.support.interpreters import Found

# Lists, as many as take gdb a second or more, and exceptions on either side of them.
LISTS = 1_500_000
ERRORS = 20
LAST = re.compile(r"(\w+) exceptions? with a traceback in the heap\.\n")


def test_progress_and_interrupt(found: Found, gdb: gdb_runner.Gdb, tmp_path: Path) -> None:
    """The line is gone at the end, and Ctrl-C gives what was found so far."""
    listing = [interpreter for interpreter in found.interpreters if not interpreter.free_threaded]
    if not listing:
        pytest.skip("no CPython that gdbext reads was found that keeps lists, in which exceptions have their order")
    newest = max(listing, key=lambda interpreter: interpreter.minor)
    with processes.running_python(stripped.as_installed(newest), "many_errors.py", str(LISTS), str(ERRORS)) as program:
        prompt = Prompt(program.pid, tmp_path)
        try:
            prompt.send("py-exc -find ValueError")
            prompt.expect("searching: ")
            prompt.interrupt()
            part = prompt.answer()
            assert "Error:" not in part.replace("ValueError:", "")
            assert "PARTIAL, interrupted: " in part
            count = int(LAST.findall(part)[-1])
            assert 0 < count < 2 * ERRORS
            assert part.count("\nValueError: ") == count
            whole = prompt.ask("py-exc -find ValueError")
            assert re.search(r"searching: .*\r +\r", whole)
            assert "PARTIAL" not in whole and whole.count("\nValueError: ") == 2 * ERRORS
            assert int(LAST.findall(whole)[-1]) == 2 * ERRORS
        finally:
            prompt.close()
