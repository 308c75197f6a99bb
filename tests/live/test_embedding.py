"""CPython wherever it lies: static, PIE, linked, loaded under any name, and twice in a process."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from tests.support import compare, debuginfo, embedding, gdb, processes, stripped
from tests.support.interpreters import Found, Interpreter
from tests.support.stripped import Launch

READ = "0"  # the system call of x86-64


def shared(interpreter: Interpreter) -> Path:
    """The interpreter's shared libpython; without one the test is skipped."""
    if interpreter.libpython is None:
        pytest.skip("%s has no shared libpython" % interpreter.id)
    return interpreter.libpython


@contextlib.contextmanager
def running(command: List[str], interpreter: Interpreter) -> Iterator[processes.Program]:
    """The program, when its main thread is blocked; it finds the interpreter's library of modules."""
    with processes.running(command, {"PYTHONHOME": str(interpreter.prefix)}) as program:
        processes.wait_for(lambda: processes.system_call(program.pid, program.pid)[0] == READ, "in read()")
        yield program


def assert_read(program: processes.Program, interpreter: Interpreter, mode: str = "hidden") -> Dict[str, Any]:
    """Its traceback and its version are right; gives the layout."""
    run = gdb.run(["py-bt-plus -json", "py-threads -json", "py-bt-plus"], mode=mode, pid=program.pid)
    traceback, threads, text = run.answers
    document = traceback.document()
    assert [(frame["file"], frame["line"], frame["function"])
            for frame in document["frames"]] == embedding.FRAMES
    assert document["target"]["python"] == interpreter.version
    thread, = threads.document()["threads"]
    assert thread["lwp"] == program.pid and thread["interpreter"] == 0
    assert compare.text_frames(text.stdout.split("\n")) == embedding.FRAMES
    return document["target"]["layout"]


@pytest.mark.parametrize("how", ["static", "static-pie", "linked"])
def test_linked(interpreter: Interpreter, how: str, tmp_path: Path) -> None:
    """In an executable that is not called python, or needed by it."""
    output = tmp_path / "прог (1)"
    try:
        if how == "linked":
            embedding.build_linked(output, interpreter)
        else:
            embedding.build_static(output, interpreter, pie=how == "static-pie")
    except embedding.CannotBuild as error:
        pytest.skip(str(error))
    with running([str(output), "run", "-", embedding.CODE], interpreter) as program:
        assert_read(program, interpreter)


def test_odd_names(interpreter: Interpreter, loader: Path, tmp_path: Path) -> None:
    """Loaded at run time; neither file is called python."""
    program_path, library = tmp_path / "a b", tmp_path / "движок.bin"
    shutil.copy(loader, program_path)
    stripped.strip(shared(interpreter), library)
    with running([str(program_path), "run", str(library), embedding.CODE], interpreter) as program:
        # Extension modules may need a libpython of their own; the odd one is what runs.
        assert library in program.mapped()
        assert_read(program, interpreter)


def test_beside_an_idle_one(interpreter: Interpreter, loader: Path, found: Found) -> None:
    """Another version's libpython is loaded, first and not initialized."""
    library = shared(interpreter)
    others = [other.libpython for other in found.interpreters
              if other.libpython and other.minor != interpreter.minor]
    if not others:
        pytest.skip("there is no shared libpython of another version")
    with running([str(loader), "run", str(library), embedding.CODE, str(others[-1])], interpreter) as program:
        assert {library, others[-1]} <= set(program.mapped())
        assert_read(program, interpreter)


@pytest.mark.parametrize("by", ["another release", "itself"])
def test_replaced_on_disk(interpreter: Interpreter, loader: Path, found: Found, by: str, tmp_path: Path) -> None:
    """An upgrade has put another file in the place of the one that runs: its debug information is not this one's."""
    library = tmp_path / "libpython.so"
    others = [other.libpython for other in found.interpreters if other.libpython and debuginfo.has_dwarf(
        other.libpython) and (other.minor != interpreter.minor) == (by == "another release")]
    if not others:
        pytest.skip("there is no shared libpython with debug information to put there")
    shutil.copy(shared(interpreter), library)
    with running([str(loader), "run", str(library), embedding.CODE], interpreter) as program:
        shutil.copy(others[-1], tmp_path / "new")
        os.replace(tmp_path / "new", library)
        layout = assert_read(program, interpreter, "symbols")
    assert layout["source"] == "table" or by == "itself"


def test_two_copies(interpreter: Interpreter, tmp_path: Path) -> None:
    """A running interpreter loads a second copy of its own libpython."""
    copy = tmp_path / "copy.so"
    stripped.strip(shared(interpreter), copy)
    code = "import ctypes; copy = ctypes.CDLL(%r)\n" % str(copy) + embedding.CODE
    with running([str(interpreter.path), "-c", code], interpreter) as program:
        assert {interpreter.libpython, copy} <= set(program.mapped())
        run = gdb.run(["py-bt-plus -json", "py-threads -json"], mode="hidden", pid=program.pid)
    traceback, threads = run.answers
    assert [(frame["file"], frame["line"] - 1, frame["function"])
            for frame in traceback.document()["frames"]] == embedding.FRAMES
    thread, = threads.document()["threads"]
    assert thread["name"] in ("MainThread", None) and thread["lwp"] == program.pid


def test_modules_with_dwarf(interpreter: Interpreter, stripped_folder: Path) -> None:
    """A stripped interpreter whose extension modules have DWARF: what they know of it is no contradiction."""
    launch = stripped.stripped(interpreter, stripped_folder)
    # Without PYTHONPATH the modules are those of the installation.
    variables = {name: value for name, value in launch.variables.items() if name != "PYTHONPATH"}
    mixed = Launch(launch.path, variables, launch.image)
    with processes.running_python(mixed, "truth.py", ".") as program:
        processes.wait_until_told(program)
        run = gdb.run(["py-threads -json", "thread apply all -q py-bt-plus -json"],
                      mode="stripped", pid=program.pid)
        truth = program.truth
    threads = run.answers[0].document()
    compare.assert_threads(truth, threads)
    compare.assert_tracebacks(truth, run.answers[1].documents(), threads)
