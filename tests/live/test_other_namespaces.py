"""A process in another root, as a container's: read from outside, with the files that are its own.

The container has the interpreter and the programs in places that this machine does not have, so nothing
that is right can come from files of this machine.
"""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple

import pytest

from tests.support import compare, containers, debuginfo, elf_files, gdb, processes
from tests.support.interpreters import Interpreter

COMMANDS = ["thread apply all -q py-bt-plus -json", "py-threads -json", "thread apply all -q py-bt-plus",
            "info threads"]

# A program that blocks in a line which says where it was read.
SHADOWED = """import os
def function():
    os.write(1, b"ready\\n"); os.read(0, 1)  # %s
function()
"""

# A function that says that it is ready and waits, at the same place of its library as another name was given to.
WAITING = """
#include <unistd.h>
int {name}(void) {{ char c; return write(1, "ready\\n", 6) + read(0, &c, 1); }}
"""
# What stays as it was, whatever is asked.
SETTINGS = ["show sysroot", "show solib-search-path", "show debug-file-directory", "info sharedlibrary"]

ways = pytest.mark.parametrize("how", ["pivot_root", "chroot"])


def _skip_without_containers(interpreter: Interpreter) -> None:
    """Skip the test, with the reason, where there can be none."""
    reason = containers.cannot()
    if reason:
        pytest.skip(reason)
    if interpreter.root is not None:
        pytest.skip("%s is in another root already" % interpreter.id)


@pytest.fixture(autouse=True)
def _needs_containers(interpreter: Interpreter) -> None:
    """Every test here needs them."""
    _skip_without_containers(interpreter)


class Answers(NamedTuple):
    """What is true, in this machine's numbers, and what gdbext says; `layout` is that with symbols."""

    truth: Dict[str, Any]
    tracebacks: List[Dict[str, Any]]
    threads: Dict[str, Any]
    text: str
    pid: int
    layout: Dict[str, Any]


@pytest.fixture(scope="module", params=["pivot_root", "chroot"])
def answers(interpreter: Interpreter, request: pytest.FixtureRequest) -> Answers:
    """truth.py in a container, asked from outside."""
    _skip_without_containers(interpreter)
    arguments = ["-u", str(containers.PROGRAMS / "truth.py"), "truth.json", "."]
    with containers.running(interpreter, request.param, arguments, {}) as container:
        inside = container.program.truth
        wanted = {thread["lwp"] for thread in inside["threads"]} | set(inside["native_threads"])
        processes.wait_for(lambda: set(container.lwps()) == wanted, "only the threads that the truth tells of")
        numbers = container.lwps()
        assert (inside["pid"] == 1) == (request.param == "pivot_root")
        run = gdb.run(COMMANDS, mode="hidden", pid=container.pid)
        files = ["-iex", "set sysroot /proc/%d/root" % container.pid, "/proc/%d/exe" % container.pid]
        own = {"GDBEXT_HIDE_TABLES": interpreter.table if debuginfo.has_dwarf(interpreter.image) else ""}
        symbols, = gdb.run(["py-threads -json"], pid=container.pid, before=files, variables=own).answers
    tracebacks, threads, text, native = run.answers
    truth = {**inside,
             "threads": [{**thread, "lwp": numbers[thread["lwp"]]} for thread in inside["threads"]],
             "native_threads": [numbers[lwp] for lwp in inside["native_threads"]]}
    for lwp in numbers.values():
        assert "LWP %d" % lwp in native.stdout
    return Answers(truth, tracebacks.documents(), threads.document(), text.stdout, container.pid,
                   symbols.document()["target"]["layout"])


def test_threads(answers: Answers) -> None:
    """Idents are the process's own, LWPs those of gdb."""
    compare.assert_threads(answers.truth, answers.threads)
    assert answers.threads["target"]["pid"] == answers.pid


def test_tracebacks(answers: Answers) -> None:
    compare.assert_tracebacks(answers.truth, answers.tracebacks, answers.threads)


def test_debug_information(answers: Answers, interpreter: Interpreter) -> None:
    """What gdb finds below the container's root is taken, which it has under another name."""
    if debuginfo.has_dwarf(interpreter.image):
        assert answers.layout["source"] == "dwarf"
    else:
        assert answers.layout["source"] != "dwarf"


def test_source_lines(answers: Answers) -> None:
    """Those of the file in the container: this machine has none at that path."""
    source = (processes.PROGRAMS / "truth.py").read_text(encoding="utf-8").splitlines()
    path = str(containers.PROGRAMS / "truth.py")
    assert not Path(path).exists()
    lines = answers.text.split("\n")
    seen = 0
    for line, following in zip(lines, lines[1:]):
        frame = compare.TEXT_FRAME.fullmatch(line)
        if frame and frame["file"] == path:
            assert following.strip() == source[int(frame["line"]) - 1].strip()
            seen += 1
    assert seen >= len(answers.truth["threads"])


@ways
def test_a_file_of_this_machine_is_not_taken_for_the_containers(
        interpreter: Interpreter, how: str, tmp_path: Path) -> None:
    """At the same path lies another file, to which the container's symbolic link leads from here only."""
    outside, inside, folder = tmp_path / "program.py", tmp_path / "inside.py", tmp_path / "folder"
    outside.write_text(SHADOWED % "outside")
    inside.write_text(SHADOWED % "inside")
    folder.mkdir()
    (folder / "link.py").symlink_to(outside)
    for path in (outside, folder / "link.py"):
        with containers.running(interpreter, how, ["-u", str(path)], {inside: outside}) as container:
            answer, = gdb.run(["py-bt-plus"], mode="hidden", pid=container.pid).answers
        assert 'File "%s", line 3, in function' % path in answer.stdout
        assert "# inside" in answer.stdout and "# outside" not in answer.stdout


@ways
def test_symbols_of_a_file_of_this_machine_are_not_taken_for_the_containers(
        interpreter: Interpreter, how: str, tmp_path: Path) -> None:
    """At the library's path lies another build of it here. gdb's settings stay what they were."""
    if elf_files.missing_tools():
        pytest.skip(elf_files.missing_tools())
    here, there = (elf_files.compile_to(tmp_path / name, "-shared", "-fPIC", source=WAITING.format(name=name))
                   for name in ("wrong", "right"))
    code = "import ctypes; ctypes.CDLL(%r).right()" % str(here)
    with containers.running(interpreter, how, ["-u", "-c", code], {there: here}) as container:
        run = gdb.run([*SETTINGS, "py-bt-plus -native -json", "py-threads", "py-symbols", "py-exc", *SETTINGS],
                      pid=container.pid)
    assert ([answer.stdout for answer in run.answers[:len(SETTINGS)]]
            == [answer.stdout for answer in run.answers[-len(SETTINGS):]])
    frames = run.answers[len(SETTINGS)].document()["frames"]
    functions = [frame["function"] for frame in frames
                 if frame["kind"] == "native" and frame["library"].endswith(str(here))]
    assert functions == ["right"], frames


def test_a_container_that_lost_the_file_has_no_line(interpreter: Interpreter, tmp_path: Path) -> None:
    """A file of this machine does not take its place."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for folder, name in ((outside, "outside"), (inside, "inside")):
        folder.mkdir()
        (folder / "program.py").write_text(SHADOWED % name)
    with containers.running(interpreter, "pivot_root", ["-u", str(outside / "program.py")],
                            {inside: outside}) as container:
        (inside / "program.py").unlink()
        answer, = gdb.run(["py-bt-plus"], mode="hidden", pid=container.pid).answers
    assert 'File "%s", line 3, in function' % (outside / "program.py") in answer.stdout
    assert "side\n" not in answer.stdout
