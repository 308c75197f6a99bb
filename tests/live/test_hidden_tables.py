"""A release that no table was made for: read by the nearest table of its minor version, or refused.

Hidden tables do not exist for gdbext (GDBEXT_HIDE_TABLES), and neither do symbols here.
"""

from typing import Callable, List

import pytest

from tests.support import compare, debuginfo, gdb, processes, stripped
from tests.support.interpreters import Interpreter

COMMANDS = ["thread apply all -q py-bt-plus -json", "py-threads -json"]


@pytest.fixture(scope="module")
def ask(interpreter: Interpreter) -> Callable[[List[str]], None]:
    """Asks about one running program with tables hidden; the answer is right or a refusal, never wrong.

    Gives the layout that was used; None for a refusal.
    """
    with processes.running_python(stripped.as_installed(interpreter), "truth.py", ".") as program:
        processes.wait_until_told(program)

        def ask(hidden: List[str]) -> object:
            run = gdb.run(COMMANDS, mode="hidden", pid=program.pid,
                          variables={"GDBEXT_HIDE_TABLES": ",".join(hidden)})
            tracebacks, threads = run.answers
            if threads.stderr:
                for answer in run.answers:
                    assert answer.stdout == "", answer
                    message = compare.one_line(answer.stderr)
                    # It says which Python was seen, and what can be read.
                    assert interpreter.version in message or "%d.%d" % interpreter.minor in message
                return None
            compare.assert_threads(program.truth, threads.document())
            compare.assert_tracebacks(program.truth, tracebacks.documents(), threads.document())
            target = threads.document()["target"]
            assert target["python"] == interpreter.version
            return target["layout"]

        yield ask


def of_minor(interpreter: Interpreter) -> List[str]:
    """The tables of the interpreter's minor version."""
    return sorted(name for name in debuginfo.tables()
                  if tuple(map(int, name.split(".")[:2])) == interpreter.minor)


def test_exact_table_hidden(interpreter: Interpreter, ask: Callable[[List[str]], object]) -> None:
    """Another release's table of the same kind of build reads it; a debug build's alone may not."""
    own = interpreter.table
    others = [name for name in of_minor(interpreter)
              if name != own and name.lstrip("0123456789.") == own.lstrip("0123456789.")]
    layout = ask([own])
    if others:
        assert layout is not None, "refused, though there are tables of %s" % ", ".join(others)
    if layout is not None:
        assert layout["exact"] is False
        assert layout["table"] in of_minor(interpreter) and layout["table"] != own


def test_each_other_table(interpreter: Interpreter, ask: Callable[[List[str]], object]) -> None:
    """With any one table of the minor version left: right, or refused."""
    own = interpreter.table
    names = [name for name in of_minor(interpreter) if name != own]
    if not names:
        pytest.skip("there is one table only of %d.%d" % interpreter.minor)
    for kept in names:
        layout = ask([name for name in of_minor(interpreter) if name != kept])
        if layout is not None:
            assert layout["table"] == kept and layout["exact"] is False


def test_all_of_the_minor_hidden(interpreter: Interpreter, ask: Callable[[List[str]], object]) -> None:
    """No other minor version's table is taken for it."""
    layout = ask(of_minor(interpreter))
    if layout is not None:
        assert layout["source"] == "table+debug-offsets" and layout["table"] is None
