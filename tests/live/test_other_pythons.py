"""Processes that are not CPython, or not here: one line that says what it is, or which child runs it."""

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import Iterator, List, Sequence

import pytest

from tests.support import compare, gdb, packages, processes
from tests.support.interpreters import Found, Interpreter

COMMANDS = ["py-threads", "py-bt-plus", "py-threads -json", "py-bt-plus -json"]

# What a Python of any kind runs: it says so, and blocks.
CODE = "import os; os.write(1, b'ready\\n'); os.read(0, 1)"

# Runs a Python with some code and then ends; a shell with one command only would become that Python.
SCRIPT = '"$0" -c "$1"; exit 0'

# Yama's permission for gdb, which the child of a program that may be attached to does not inherit.
LET_ATTACH = "import ctypes; ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)\n"

JAVA = """
class Waits {
    public static void main(String[] arguments) throws Exception {
        System.out.println("ready");
        System.in.read();
    }
}
"""


def refusal(pid: int) -> str:
    """The one message that all commands give, without the command's name."""
    found = set()
    for command, stdout, stderr in gdb.run(COMMANDS, pid=pid, mode="hidden").answers:
        assert stdout == "", "%s printed %r" % (command, stdout)
        name, _, message = compare.one_line(stderr).partition(": ")
        assert name == command.split()[0]
        found.add(message)
    message, = found
    return message


def assert_named(message: str, name: str, image: str) -> None:
    """It says what it is, what gdbext reads, and which file tells."""
    assert re.fullmatch(r"this is %s, which gdbext does not read: it reads CPython 3\.6 to 3\.\d+, "
                        r"free-threaded 3\.13 to 3\.\d+ \(recognised by /\S*%s\)" % (name, image), message), message


def debian(*names: str) -> Path:
    """A folder with unpacked packages; the test is skipped where they can't be had."""
    try:
        return packages.debian(*names)
    except packages.NotAvailable as error:
        pytest.skip(str(error))


@contextlib.contextmanager
def pypy() -> Iterator[processes.Program]:
    """Debian's PyPy, at its place."""
    root = debian("pypy3", "pypy3-lib")
    variables = packages.library_path(root)
    try:
        packages.needs(root / "usr/bin/pypy3", variables)
    except packages.NotAvailable as error:
        pytest.skip(str(error))
    with processes.running([str(root / "usr/bin/pypy3"), "-c", CODE], variables) as program:
        yield program


def test_pypy() -> None:
    """PyPy, which has most of CPython's C API under other names."""
    with pypy() as program:
        assert_named(refusal(program.pid), r"PyPy \d+\.\d+\.\d+\S*", r"libpypy\S*\.so")


def test_pypy_core(tmp_path: Path) -> None:
    """The same from a core."""
    with pypy() as program:
        core = gdb.gcore(program.pid, tmp_path / "core")
        run = gdb.run(["py-threads"], core=core, executable=program.executable, mode="hidden")
        core.unlink()
    message = compare.one_line(run.answers[0].stderr).partition(": ")[2]
    assert_named(message, r"PyPy \d+\.\d+\.\d+\S*", r"libpypy\S*\.so")


def test_java(tmp_path: Path) -> None:
    """A Java virtual machine, which is what Jython is from outside."""
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("no java with a compiler here")
    source = tmp_path / "Waits.java"
    source.write_text(JAVA)
    with processes.running([java, "-Xshare:auto", "-Xmx64m", str(source)]) as program:
        message = refusal(program.pid)
    assert_named(message, r"a Java virtual machine \(Jython, if it runs Python\)", r"libjvm\.so")


def test_micropython() -> None:
    """Debian's MicroPython, which has no symbols to tell."""
    try:
        libraries = [name for name in packages.depends("micropython") if name.startswith("libmbed")]
        root = packages.debian("micropython", *libraries)
        executable, variables = root / "usr/bin/micropython", packages.library_path(root)
        packages.needs(executable, variables)
    except packages.NotAvailable as error:
        pytest.skip(str(error))
    code = "import sys; sys.stdout.write('ready\\n'); sys.stdin.read(1)"
    with processes.running([str(executable), "-c", code], variables) as program:
        assert_named(refusal(program.pid), "MicroPython", "micropython")


def test_old_cpython(found: Found) -> None:
    """CPython 2.7 and others before 3.6 have the variables of 3.6, and are named with their version."""
    old = [left.path for left in found.left_out if "older than 3.6" in left.reason]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    old += sorted(pyenv.glob("versions/2.*/bin/python2.?"))
    if not old:
        pytest.skip("no CPython before 3.6 here")
    with processes.running([str(old[-1].resolve()), "-c", CODE]) as program:
        message = refusal(program.pid)
    assert re.match(
        r"Python [23]\.\d+\.\d+\S* in /\S+: it is beyond the tables: gdbext reads CPython 3\.6 to 3\.\d+, "
        r"free-threaded 3\.13 to 3\.\d+, and no layout", message)


@pytest.fixture
def shell() -> str:
    """A shell, as the parent of a Python."""
    path = shutil.which("sh")
    assert path is not None
    return path


@contextlib.contextmanager
def parent(command: Sequence[str]) -> Iterator[processes.Program]:
    """A program whose descendants end when its standard input does."""
    with processes.running(command) as program:
        try:
            yield program
        finally:
            # The one that reads goes on to its end, and then those above it do.
            program.write(b"x")
            program.wait_until_gone()


def processes_below(pid: int) -> List[int]:
    """The descendants of a process, as the kernel tells."""
    found = []
    for task in processes.thread_ids(pid):
        for child in Path("/proc/%d/task/%d/children" % (pid, task)).read_text().split():
            found += [int(child), *processes_below(int(child))]
    return found


def test_child_of_a_shell(interpreter: Interpreter, shell: str) -> None:
    """The Python that a shell has started is named, with its version and file."""
    with parent([shell, "-c", SCRIPT, str(interpreter.path), LET_ATTACH + CODE]) as program:
        child, = processes_below(program.pid)
        message = refusal(program.pid)
    assert message.startswith("no CPython here: none of ")
    told = re.search(r"; child process (\d+) runs Python (\S+) in (/\S+)$", message)
    assert told, message
    assert (int(told[1]), told[3]) == (child, str(interpreter.image))
    assert told[2] == interpreter.version


def test_grandchild(found: Found, shell: str) -> None:
    """A shell within a shell: the nearer shell is not named, the Python below it is."""
    if not found.interpreters:
        pytest.skip("no CPython that gdbext reads was found")
    python = str(found.interpreters[-1].path)
    command = [shell, "-c", '"$0" -c "$1" "$2" "$3"; exit 0', shell, SCRIPT, python, LET_ATTACH + CODE]
    with parent(command) as program:
        between, nearest = processes_below(program.pid)
        message = refusal(program.pid)
    assert "child process %d runs Python" % nearest in message and str(between) not in message.split()


def test_children_without_python(shell: str) -> None:
    """A child that is no Python is not mentioned."""
    with parent([shell, "-c", "echo ready; head -c 1 >/dev/null; exit 0"]) as program:
        processes.wait_for(lambda: processes_below(program.pid), "a child")
        message = refusal(program.pid)
    assert message.startswith("no CPython here") and "child" not in message


def test_only_the_children_of_what_gdb_traces(found: Found, shell: str) -> None:
    """A pid that another debugger's stub tells may be anybody's on this machine: no child is named."""
    stub = shutil.which("gdbserver") or debian("gdbserver") / "usr/bin/gdbserver"
    if not found.interpreters:
        pytest.skip("no CPython that gdbext reads was found")
    with parent([shell, "-c", SCRIPT, str(found.interpreters[-1].path), LET_ATTACH + CODE]) as program:
        connect = "target remote | %s --once --attach - %d" % (stub, program.pid)
        run = gdb.run([connect, "py-threads", "detach"], mode="hidden")
    message = compare.one_line(run.answers[1].stderr)
    assert "no CPython here" in message and "child" not in message


def test_a_core_has_no_children(found: Found, shell: str, tmp_path: Path) -> None:
    """The pid of a core may be anybody's: nothing is said of children, though they live."""
    if not found.interpreters:
        pytest.skip("no CPython that gdbext reads was found")
    command = [shell, "-c", SCRIPT, str(found.interpreters[-1].path), LET_ATTACH + CODE]
    with parent(command) as program:
        core = gdb.gcore(program.pid, tmp_path / "core")
        run = gdb.run(["py-threads"], core=core, executable=program.executable, mode="hidden")
    message = compare.one_line(run.answers[0].stderr)
    assert "no CPython" in message and "child" not in message
