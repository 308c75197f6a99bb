"""Crashes: py-exc names the signal, the library, the GIL and the Python line, in the kernel's core and before."""

from pathlib import Path
from typing import Any, Dict, NamedTuple

import pytest

from tests.support import compare, embedding, gdb, processes, stripped
from tests.support.interpreters import Interpreter
from tests.support.processes import PROGRAMS
from tests.support.stripped import Launch

SOURCE = PROGRAMS / "crashes.py"


class Crash(NamedTuple):
    """What is true of one way to crash.

    `function` is the innermost one in Python, and the line that calls into C holds `line`. `extension` is the
    beginning of the module's file name, `gil` whether the thread has the GIL.
    """

    signal: str
    function: str
    line: str
    extension: str
    gil: bool = True


WAYS: Dict[str, Crash] = {
    # The standard library's own function in Python calls the one in C.
    "null_pointer": Crash("SIGSEGV", "string_at", "_string_at(", "_ctypes"),
    "abort_in_finalizer": Crash("SIGABRT", "__del__", "os.abort()", ""),
    "fatal_error": Crash("SIGABRT", "fatal_error", "report(b", "_ctypes"),
    "assertion": Crash("SIGABRT", "assertion", "fail_assertion()", "crashing"),
    "while_raising": Crash("SIGSEGV", "while_raising", "fault_while_raising()", "crashing"),
    "without_gil": Crash("SIGSEGV", "without_gil", "fault_without_gil()", "crashing", gil=False),
    "stack_overflow": Crash("SIGSEGV", "stack_overflow", "overflow()", "crashing"),
}
HANDLED = {"while_raising": ["KeyError"]}


@pytest.fixture(scope="session")
def extension(interpreter: Interpreter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the extension module."""
    try:
        return embedding.build_extension(tmp_path_factory.mktemp("extension"), interpreter, "crashing")
    except embedding.CannotBuild as error:
        pytest.skip(str(error))


def as_built(interpreter: Interpreter, launch: Launch) -> Launch:
    """A module that does not say that it needs no GIL would bring it to a free-threaded build; others refuse this."""
    if not interpreter.free_threaded:
        return launch
    return launch._replace(variables={**launch.variables, "PYTHON_GIL": "0"})


@pytest.mark.parametrize("way", list(WAYS))
def test_crash(interpreter: Interpreter, extension: Path, way: str, stripped_folder: Path) -> None:
    """What has crashed, in JSON and in words."""
    reason = processes.no_kernel_core()
    if reason:
        pytest.skip(reason)
    launch = as_built(interpreter, stripped.stripped(interpreter, stripped_folder))
    with processes.running_python(launch, "crashes.py", way, str(extension)) as program:
        executable = program.executable
        core = program.die_with_core(lambda: program.write(b"\n"))
        run = gdb.run(["py-exc -json", "py-exc", "py-exc -all -json"], mode="stripped", core=core,
                      executable=executable)
    document, text, everywhere = run.answers[0].document(), run.answers[1].stdout, run.answers[2].document()
    assert [answer.stderr for answer in run.answers] == [""] * 3
    expected = WAYS[way]
    check_signal(document["signal"], expected, interpreter)
    assert everywhere["signal"] == document["signal"]
    thread, = document["threads"]
    assert thread["name"] == "MainThread" and thread["number"] == document["signal"]["thread"]
    assert [each["type"] for each in thread["handling"]] == HANDLED.get(way, [])
    if way == "while_raising":
        assert (thread["raising"]["type"], thread["raising"]["message"]) == ("ValueError", "about to fault")
    else:
        assert thread["raising"] is None
    others = [each for each in everywhere["threads"] if each["number"] != thread["number"]]
    assert [(each["name"], each["handling"], each["raising"]) for each in others] == [("bystander", [], None)]
    check_text(text, document["signal"], expected, interpreter)


def test_at_the_signal(interpreter: Interpreter, extension: Path, tmp_path: Path) -> None:
    """A process that gdb has stopped at its fatal signal, and gdb's core of that; from another thread as well."""
    expected = WAYS["while_raising"]
    core = tmp_path / "core"
    asked = ["py-exc -json", "py-exc", "thread 2", "py-exc -json", "py-exc -all", "py-exc", "output $_thread"]
    launch = as_built(interpreter, stripped.as_installed(interpreter))
    with processes.running_python(launch, "crashes.py", expected.function, str(extension)) as program:
        executable = program.executable
        live = gdb.run(["shell echo >/proc/%d/fd/0" % program.pid, "continue", "gcore %s" % core, *asked],
                       mode="hidden", pid=program.pid)
    later = gdb.run(asked, mode="hidden", core=core, executable=executable)
    core.unlink()
    for answers in (live.answers[-len(asked):], later.answers):
        document, text, _selected, elsewhere, everywhere, other, still = answers
        signal = document.document()["signal"]
        check_signal(signal, expected, interpreter)
        check_text(text.stdout, signal, expected, interpreter)
        thread, = document.document()["threads"]
        assert thread["raising"]["type"] == "ValueError"
        assert [each["type"] for each in thread["handling"]] == ["KeyError"]
        # Of the thread that is selected now: its exceptions, and nobody else's.
        assert elsewhere.document()["signal"] == signal
        assert [each["name"] for each in elsewhere.document()["threads"]] == ["bystander"]
        first, *more = text.stdout.split("\n")[:3]
        assert everywhere.stdout.split("\n")[:3] == [first.replace(" (this one)", ""), *more]
        assert other.stdout == "%s\n\nThis thread neither raises nor handles an exception.\n" % (
            first.replace(" (this one)", ""))
        assert still.stdout == "2"


def check_signal(signal: Dict[str, Any], expected: Crash, interpreter: Interpreter) -> None:
    """The JSON of the signal."""
    assert signal["name"] == expected.signal
    assert signal["sender"] is None
    frame = signal["frame"]
    assert frame["function"] == expected.function
    if expected.function == "assertion":
        # glibc's; other C libraries don't tell.
        assert "fail_assertion" in signal["reason"] and "`self == ignored' failed" in signal["reason"]
    else:
        assert signal["reason"] is None
    assert signal["stack_overflow"] is (expected.function == "stack_overflow")
    lines = Path(frame["file"]).read_text(encoding="utf-8").splitlines()
    assert expected.line in lines[frame["line"] - 1]
    assert Path(signal["extension"] or "").name.startswith(expected.extension)
    assert bool(signal["extension"]) == bool(expected.extension)
    if expected.function in ("while_raising", "without_gil"):
        assert (signal["library"], int(signal["address"], 16)) == (signal["extension"], 0)
    if expected.signal == "SIGABRT":
        assert Path(signal["library"]).name.startswith("libc")
    if interpreter.free_threaded:
        assert signal["attachment"] == ("attached" if expected.gil else "detached")
    else:
        assert signal["gil"] == ("holds" if expected.gil else None)


def check_text(text: str, signal: Dict[str, Any], expected: Crash, interpreter: Interpreter) -> None:
    """The words for it."""
    lines = text.split("\n")
    if expected.function == "stack_overflow":
        assert lines.pop(1) == "Its stack is used up: the address is at the end of that."
    if expected.function == "assertion":
        assert lines.pop(1) == "The C library aborted: %s" % signal["reason"]
    first, second, third = lines[:3]
    assert first.startswith("Fatal signal %s (" % expected.signal)
    assert ', in thread %d "MainThread" (this one), ' % signal["thread"] in first
    if not interpreter.free_threaded:
        assert first.endswith("which held the GIL." if expected.gil else "which did not hold the GIL.")
    if signal["library"]:
        assert second.startswith("The fault is in ") and signal["library"] in second
    assert (signal["extension"] or "no extension module") in second
    frame = signal["frame"]
    assert third == 'Python called it at File "%s", line %d, in %s.' % (
        frame["file"], frame["line"], frame["function"])
    assert compare.control_characters(text) is None
