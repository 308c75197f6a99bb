"""py-catch stops where an exception of the type is raised, and nowhere else: programs/raises.py tells where."""

from pathlib import Path
from typing import List

import pytest

from tests.support import compare, gdb, processes, stripped
from tests.support.interpreters import Interpreter

# What is typed, and how the type calls itself.
CAUGHT = {"LookupError": "LookupError", "IOError": "OSError", "__main__.Holder.Mine": "__main__.Holder.Mine"}


@pytest.mark.parametrize("mode", ["hidden", "symbols"])
def test_catch(interpreter: Interpreter, mode: str) -> None:
    """Each stop is at the right exception, which py-exc and $_pyexc() tell; `delete` removes the breakpoints."""
    with processes.running_python(stripped.as_installed(interpreter), "raises.py") as program:
        stops = [tuple(stop) for stop in program.truth["stops"]]
        set_up = ["py-catch %s" % name for name in CAUGHT] + ["info breakpoints"]
        each = ["continue", "py-exc -json", "py-exc", "output $_pyexc()",
                'output $_streq($_pyexc(), "KeyError")']
        run = gdb.run(set_up + each * len(stops) + ["delete", "info breakpoints"], mode=mode, pid=program.pid)
    breakpoints = run.answers[len(set_up) - 1].stdout
    for name in CAUGHT.values():
        assert '$_pyraised("%s")' % name in breakpoints
    found = []
    for number in range(len(stops)):
        start = len(set_up) + number * len(each)
        stopped, document, text, name, same = run.answers[start:start + len(each)]
        # With symbols gdb may name what is inlined at the function's beginning.
        assert "Breakpoint" in stopped.stdout
        thread, = document.document()["threads"]
        assert thread["name"] == ("worker" if number == len(stops) - 1 else "MainThread")
        raising = thread["raising"]
        assert raising["traceback"] == []
        assert "Being raised" in text.stdout
        function = text.stdout.split(":\n")[0].rpartition(" in ")[2]
        found.append((raising["type"], function))
        # Types of __main__ are named without it, as in a traceback.
        assert name.stdout == '"%s"' % raising["type"]
        assert same.stdout == ("1" if raising["type"] == "KeyError" else "0")
    assert found == stops
    assert run.answers[-1].stdout.startswith("No breakpoints")


def refused(command: str, run: gdb.Run) -> str:
    """The one line that a command prints where it can't do what it is asked."""
    answer, = [answer for answer in run.answers if answer.command == command]
    assert answer.stdout == ""
    return compare.one_line(answer.stderr)


def test_nothing_to_stop(interpreter: Interpreter, tmp_path: Path) -> None:
    """A core does not run; without Python, or without a process, functions have an answer all the same."""
    commands: List[str] = ["py-catch ValueError", "py-catch not-a-name", "py-catch", "output $_pyexc()",
                           'output $_pyraised("ValueError")']
    with processes.running_python(stripped.as_installed(interpreter), "raises.py") as program:
        core = gdb.gcore(program.pid, tmp_path / "core")
        run = gdb.run(commands, mode="hidden", core=core, executable=program.executable)
    core.unlink()
    assert "a core does not run" in refused("py-catch ValueError", run)
    assert "is no name of a type" in refused("py-catch not-a-name", run)
    assert "an argument is missing" in refused("py-catch", run)
    assert [answer.stdout for answer in run.answers[-2:]] == ['""', "0"]
    run = gdb.run(commands)
    assert "no process and no core" in refused("py-catch ValueError", run)
    assert [answer.stdout for answer in run.answers[-2:]] == ['""', "0"]
