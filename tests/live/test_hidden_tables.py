"""A release that no table was made for: read by the nearest table of its minor version, or refused.

Hidden tables do not exist for gdbext (GDBEXT_HIDE_TABLES), and neither do symbols here.
"""

from typing import Callable, List, Tuple

import pytest

from tests.support import compare, debuginfo, gdb, processes, stripped
from tests.support.interpreters import Interpreter

COMMANDS = ["thread apply all -q py-bt-plus -json", "py-threads -json", "py-threads"]


@pytest.fixture(scope="module")
def ask(interpreter: Interpreter) -> Callable[[List[str]], None]:
    """Asks about one running program with tables hidden; the answer is right or a refusal, never wrong.

    Gives the layout that was used; None for a refusal. With `beyond` either says that it is beyond the tables.
    """
    with processes.running_python(stripped.as_installed(interpreter), "truth.py", ".") as program:
        processes.wait_until_told(program)

        def ask(hidden: List[str], beyond: bool = False, mode: str = "hidden") -> object:
            run = gdb.run(COMMANDS, mode=mode, pid=program.pid,
                          variables={"GDBEXT_HIDE_TABLES": ",".join(hidden)})
            tracebacks, threads, text = run.answers
            if threads.stderr:
                for answer in run.answers:
                    assert answer.stdout == "", answer
                    message = compare.one_line(answer.stderr)
                    # It says which Python was seen, and what can be read.
                    assert interpreter.version in message or "%d.%d" % interpreter.minor in message
                    assert "no layout passes its checks" in message
                    assert not beyond or "beyond the tables" in message, message
                return None
            assert not beyond or "beyond gdbext's tables" in text.stdout.splitlines()[-1]
            compare.assert_threads(program.truth, threads.document())
            compare.assert_tracebacks(program.truth, tracebacks.documents(), threads.document())
            target = threads.document()["target"]
            assert target["python"] == interpreter.version
            return target["layout"]

        yield ask


def of_minor(*minors: Tuple[int, int]) -> List[str]:
    """The tables of these minor versions."""
    return sorted(name for name in debuginfo.tables() if tuple(map(int, name.split(".")[:2])) in minors)


def is_free_threaded(name: str) -> bool:
    """Whether a table is of a build without the GIL."""
    return "t" in name.lstrip("0123456789.")


def test_debug_information(interpreter: Interpreter, ask: Callable[..., object]) -> None:
    """Without a table made from the same file, gdb is asked."""
    if interpreter.root is not None or not debuginfo.has_dwarf(interpreter.image):
        pytest.skip("%s has no debug information here" % interpreter.id)
    assert ask(of_minor(interpreter.minor), mode="symbols") == {"source": "dwarf", "table": None, "exact": True}


def test_exact_table_hidden(interpreter: Interpreter, ask: Callable[..., object]) -> None:
    """Another release's table of the same kind of build reads it; a debug build's alone may not."""
    own = interpreter.table
    others = [name for name in of_minor(interpreter.minor)
              if name != own and name.lstrip("0123456789.") == own.lstrip("0123456789.")]
    layout = ask([own])
    if others:
        assert layout is not None, "refused, though there are tables of %s" % ", ".join(others)
    if layout is not None:
        assert layout["exact"] is False
        assert layout["table"] in of_minor(interpreter.minor) and layout["table"] != own


def test_each_other_table(interpreter: Interpreter, ask: Callable[..., object]) -> None:
    """With any one table of the minor version left: right, or refused."""
    own = interpreter.table
    names = [name for name in of_minor(interpreter.minor) if name != own]
    if not names:
        pytest.skip("there is one table only of %d.%d" % interpreter.minor)
    for kept in names:
        layout = ask([name for name in of_minor(interpreter.minor) if name != kept])
        if layout is not None:
            # Of the other kind, with the GIL or without it, that one is no table for it; another minor's may be.
            same_kind = is_free_threaded(kept) == interpreter.free_threaded
            assert layout["table"] == kept if same_kind else layout["table"] not in names
            assert layout["exact"] is False


@pytest.mark.parametrize("minors", [(), ((3, 13), (3, 14))], ids=["", "3.13 and 3.14"])
def test_all_of_the_minor_hidden(
        interpreter: Interpreter, minors: List[Tuple[int, int]], ask: Callable[..., object]) -> None:
    """Nobody's table: another minor's, with the process's own offsets, is right, or it is refused."""
    layout = ask(of_minor(*minors, interpreter.minor), beyond=True)
    if layout is not None:
        assert layout["source"] == "table+debug-offsets" and layout["exact"] is False
        assert layout["table"] not in of_minor(*minors, interpreter.minor)


def test_all_of_the_kind_hidden(interpreter: Interpreter, ask: Callable[..., object]) -> None:
    """With the GIL or without it: tables of the other kind are not for it, those of other minors may be."""
    hidden = [name for name in of_minor(interpreter.minor) if is_free_threaded(name) == interpreter.free_threaded]
    if hidden == of_minor(interpreter.minor):
        pytest.skip("there are no tables of 3.%d of the other kind" % interpreter.minor[1])
    layout = ask(hidden, beyond=True)
    if layout is not None:
        assert is_free_threaded(layout["table"]) == interpreter.free_threaded
