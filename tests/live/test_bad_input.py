"""Where there is nothing to read, or not all of it: one clear line, and what can be read is shown."""

import os
import re
import shutil
from pathlib import Path
from typing import Iterator, List

import pytest

from tests.support import compare, damage, gdb, processes, stripped
from tests.support.interpreters import Interpreter

COMMANDS = ["py-threads", "py-bt-plus", "py-threads -json", "py-bt-plus -json"]

NAMES = ["py-threads -json", "py-bt-plus -native", "py-symbols -all", "py-locks"]

# gdb itself prints the thread's heading on stdout, and after the error where the thread is on stderr.
APPLY = "thread apply all py-bt-plus"

# From this version on a core says by itself where the runtime is, and what it looks like.
WITHOUT_BINARIES = (3, 13)


def refusals(run: gdb.Run) -> List[str]:
    """The messages, one line from each command; a command that printed anything else fails."""
    found = []
    for command, stdout, stderr in run.answers:
        if command == APPLY:
            assert re.fullmatch(r"\nThread \d+ \(.*\):\n", stdout), stdout
            stderr = "".join(line for line in stderr.splitlines(True) if line.startswith("py-"))
        else:
            assert stdout == "", "%s printed %r" % (command, stdout)
        found.append(compare.one_line(stderr))
    return found


def test_no_process() -> None:
    """gdb alone."""
    assert refusals(gdb.run(COMMANDS)) == [
        "%s: no process and no core. Attach to a process (attach PID) or open a core (core-file FILE)."
        % command.split()[0] for command in COMMANDS]


def test_executable_only(interpreter: Interpreter) -> None:
    """An executable, not started."""
    for message in refusals(gdb.run(COMMANDS, executable=interpreter.path, mode="hidden")):
        assert ": no process and no core." in message


def test_exited(interpreter: Interpreter) -> None:
    """A process that has ended under gdb."""
    run = gdb.run(["run -c pass", *COMMANDS], executable=interpreter.path, mode="hidden",
                  before=["-iex", "set startup-with-shell off"])
    ran = run.answers.pop(0)
    assert "exited normally" in ran.stdout
    for message in refusals(run):
        assert ": no process and no core." in message


def test_not_python() -> None:
    """A process of another kind."""
    cat = shutil.which("cat")
    assert cat is not None
    program = processes.start([cat])
    try:
        program.write(b"ready\n")
        program.wait_until_ready()
        run = gdb.run([*COMMANDS, APPLY], pid=program.pid)
    finally:
        program.kill()
        shutil.rmtree(program.folder)
    for message in refusals(run):
        assert "no CPython here" in message


@pytest.mark.parametrize("mode", ["symbols", "hidden"])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_not_initialized(interpreter: Interpreter, loader: Path, phase: str, mode: str) -> None:
    """Before Py_Initialize, after Py_Finalize."""
    if interpreter.libpython is None:
        pytest.skip("%s has no shared libpython" % interpreter.id)
    command = [str(loader), phase, str(interpreter.libpython)]
    with processes.running(command, {"PYTHONHOME": str(interpreter.prefix)}) as program:
        run = gdb.run([*COMMANDS, APPLY], pid=program.pid, mode=mode)
    for message in refusals(run):
        assert "not initialized yet, or already finalized" in message
        assert str(interpreter.libpython) in message


def test_file_names_that_are_no_text(interpreter: Interpreter, tmp_path: Path) -> None:
    """A name is any bytes, and gdb prints them: of a mapped file, and of a core."""
    name = tmp_path / os.fsdecode(b"\xff\xe9")
    name.mkdir()
    with processes.running_python(stripped.as_installed(interpreter), "mapping.py", str(name)) as program:
        core = gdb.gcore(program.pid, name / "core")
        for run in (gdb.run(NAMES, pid=program.pid, mode="hidden"),
                    gdb.run(NAMES, core=core, executable=interpreter.path, mode="hidden")):
            for answer in run.answers:
                assert answer.stdout and answer.stderr == "", answer
            assert [thread["lwp"] for thread in run.answers[0].document()["threads"]] == [program.pid]


@pytest.fixture(scope="session")
def core(interpreter: Interpreter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """gcore's core of truth.py."""
    folder = tmp_path_factory.mktemp("core")
    with processes.running_python(stripped.as_installed(interpreter), "truth.py", ".") as program:
        path = gdb.gcore(program.pid, folder / "core")
    yield path
    shutil.rmtree(folder)


@pytest.mark.parametrize("eighths", [1, 2, 4, 6, 7])
def test_truncated_core(interpreter: Interpreter, core: Path, eighths: int, tmp_path: Path) -> None:
    """A disk was full: a part of the memory is missing, or more than that."""
    cut = tmp_path / "cut"
    size = core.stat().st_size * eighths // 8
    with open(core, "rb") as whole, open(cut, "wb") as part:
        while part.tell() < size:
            part.write(whole.read(min(1 << 20, size - part.tell())))
    run = gdb.run(["python print(len(gdb.selected_inferior().threads()))", *COMMANDS, APPLY], core=cut,
                  executable=interpreter.path, mode="hidden")
    cut.unlink()
    threads = int(run.answers.pop(0).stdout)
    for answer in run.answers:
        # What can be read is shown; else a line says why not.
        assert "Traceback (most recent call last)" not in answer.stdout + answer.stderr
        assert "Error occurred in Python" not in answer.stdout + answer.stderr
        if answer.stderr:
            line = compare.one_line(answer.stderr)
            # gdb fills in what the program's files have, which never ran.
            assert "no interpreter" not in line or "bytes are missing at its end" in line
        elif answer.command == "py-threads":
            assert "The core was cut: " in answer.stdout
        elif answer.command.endswith("-json"):
            answer.document()
        else:
            # Without threads there are none to apply anything to.
            assert answer.stdout.strip() or (answer.command == APPLY and not threads)


def test_thread_that_gdb_takes_for_one(one_interpreter: Interpreter, tmp_path: Path) -> None:
    """libthread_db tells of a thread of which the core has no registers, for its number in memory is damaged."""
    launch = stripped.as_installed(one_interpreter)
    with processes.running_python(launch, "hanging.py") as program:
        core = gdb.gcore(program.pid, tmp_path / "core")
        executable = program.executable
        last = gdb.run(["py-threads -json"], pid=program.pid).answers[0].document()["threads"][-1]
        # In glibc's struct pthread, to which the ident is the address.
        with open("/proc/%d/mem" % program.pid, "rb", 0) as memory:
            descriptor = os.pread(memory.fileno(), 1 << 11, last["ident"])
    place = descriptor.find(last["lwp"].to_bytes(4, "little"))
    damaged = damage.copy(core, tmp_path / "damaged", {last["ident"] + place: (1 << 28).to_bytes(4, "little")})
    commands = ["thread %d" % (last["number"] + 1), "py-bt-plus", "py-bt-plus -native", "py-frame-plus", "py-threads"]
    chosen, *answers = gdb.run(commands, core=damaged, executable=executable, mode="hidden").answers
    if "Unknown thread" in chosen.stderr:
        pytest.skip("this gdb asks no libthread_db of a core's threads")
    traceback, native, frame, threads = answers
    assert traceback.stdout == frame.stdout == "No Python in this thread.\n"
    assert native.stdout.startswith("No Python in this thread.\nThere may be more native frames: ")
    assert all(answer.stderr == "" for answer in answers), answers
    # Who has no registers is no thread of the process.
    rows = [line for line in threads.stdout.splitlines() if line[:4].strip().isdigit()]
    assert "*" not in threads.stdout and len(rows) == last["number"], threads


@pytest.mark.parametrize("writer", ["gcore", "kernel"])
def test_core_without_binaries(interpreter: Interpreter, writer: str, tmp_path: Path) -> None:
    """A core from another machine: no executable, no libpython, no modules. Read, or the files are named."""
    reason = processes.no_kernel_core() if writer == "kernel" else None
    if reason:
        pytest.skip(reason)
    launch = stripped.stripped(interpreter, tmp_path / "machine")
    with processes.running_python(launch, "truth.py", ".") as program:
        processes.wait_until_told(program)
        truth = program.truth
        path = gdb.gcore(program.pid, tmp_path / "gcore") if writer == "gcore" else program.die_with_core()
        shutil.rmtree(tmp_path / "machine")
        run = gdb.run(["thread apply all -q py-bt-plus -json", "py-threads -json"],
                      core=path, mode="stripped")
        path.unlink()
    tracebacks, threads = run.answers
    if threads.stderr and interpreter.minor < WITHOUT_BINARIES:
        for answer in run.answers:
            message = compare.one_line(answer.stderr)
            assert str(launch.image) in message and "put these files back" in message
    else:
        compare.assert_tracebacks(truth, tracebacks.documents(), threads.document())
        compare.assert_threads(truth, threads.document())
