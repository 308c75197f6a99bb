"""Programs that run Python in threads of their own making: PyGILState, interpreters with their own GIL,
two runtimes in one process. gdbext's answers against what the program tells of itself."""

import contextlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple

import pytest

from tests.support import compare, embedding, gdb, processes, stripped
from tests.support.interpreters import Found, Interpreter

QUESTIONS = ["py-threads -json", "thread apply all -q py-bt-plus -json",
             "py-threads", "thread apply all -q py-bt-plus"]

# Interpreters with a GIL of their own, PEP 684.
WITH_OWN_GIL = (3, 12)

NO_FRAMES = "no Python frames"

ways = pytest.mark.parametrize("how, where", [("linked", "live"), ("static", "live"), ("static", "gcore")])


class Answers(NamedTuple):
    """What the program and gdbext say."""

    truth: Dict[str, Any]
    threads: Dict[str, Any]
    tracebacks: List[Dict[str, Any]]
    text: str
    text_tracebacks: str

    def without(self, lwps: List[int]) -> "Answers":
        """The same, as if these threads were not there."""
        numbers = {thread["number"] for thread in self.threads["threads"] if thread["lwp"] in lwps}
        rest = [thread for thread in self.threads["threads"] if thread["lwp"] not in lwps]
        return self._replace(
            threads={**self.threads, "threads": rest},
            tracebacks=[each for each in self.tracebacks if each["number"] not in numbers])


def ask(program: processes.Program, where: str, folder: Path) -> Answers:
    """gdbext's answers about a program at its place, alive or from gcore's core."""
    if where == "live":
        run = gdb.run(QUESTIONS, mode="hidden", pid=program.pid)
    else:
        core = gdb.gcore(program.pid, folder / "core")
        run = gdb.run(QUESTIONS, mode="hidden", core=core, executable=program.executable)
        core.unlink()
    threads, tracebacks, text, text_tracebacks = run.answers
    return Answers(program.truth, threads.document(), tracebacks.documents(),
                   text.stdout, text_tracebacks.stdout)


@contextlib.contextmanager
def running(executable: Path, interpreter: Interpreter) -> Iterator[processes.Program]:
    """A program in C, with the modules of the interpreter and of the programs under test."""
    variables = {"PYTHONHOME": str(interpreter.prefix), "PYTHONPATH": str(processes.PROGRAMS)}
    with processes.running([str(executable), "truth.json"], variables) as program:
        yield program


def build(source: str, interpreter: Interpreter, how: str, output: Path) -> Path:
    """The program in C; the test is skipped where it can't be built, or has no GIL to tell of."""
    if interpreter.free_threaded:
        pytest.skip("%s has no GIL" % interpreter.id)
    try:
        if how == "linked":
            return embedding.build_linked(output, interpreter, source)
        return embedding.build_static(output, interpreter, True, source)
    except embedding.CannotBuild as error:
        pytest.skip(str(error))


@ways
def test_gilstate(interpreter: Interpreter, how: str, where: str, tmp_path: Path) -> None:
    """Threads made in C: with frames, with a state without frames, with neither, with the GIL only."""
    executable = build("gilstate.c", interpreter, how, tmp_path / "service")
    with running(executable, interpreter) as program:
        processes.wait_for(lambda: len(processes.thread_ids(program.pid)) == 10, "all threads")
        # The one that waits for the GIL came last.
        last = processes.thread_ids(program.pid)[-1]
        processes.wait_for(lambda: processes.system_call(program.pid, last)[0] == "202", "in futex()")
        answers = ask(program, where, tmp_path)
    truth = answers.truth
    without_frames, = truth["frameless"]
    of_gil = sorted({thread["lwp"] for thread in answers.threads["threads"]}
                    - {thread["lwp"] for thread in truth["threads"] + truth["frameless"]}
                    - set(truth["native_threads"]))
    rest = answers.without([without_frames["lwp"], *of_gil])
    compare.assert_threads(truth, rest.threads)
    compare.assert_tracebacks(truth, rest.tracebacks, rest.threads)
    got = compare.by_lwp(answers.threads["threads"])
    told = got[without_frames["lwp"]]
    assert (told["ident"], told["name"], told["gil"], told["state"], told["frame"], told["interpreter"]) == (
        without_frames["ident"], without_frames["name"], None, "waiting", None, 0)
    holder, waiter = (got[lwp] for lwp in of_gil)
    assert (holder["gil"], holder["name"], holder["frame"]) == ("holds", None, None)
    assert (waiter["gil"], waiter["name"], waiter["frame"]) == ("waits", None, None)
    assert waiter["waiting_on"]["owner"] == holder["ident"]
    assert sum(thread["gil"] is not None for thread in got.values()) == 2
    lines = {int(line.replace("*", " ").split()[1]): line for line in compare.thread_rows(answers.text)[1:]}
    for lwp in (without_frames["lwp"], *of_gil):
        assert NO_FRAMES in lines[lwp] and not compare.frames_by_lwp(answers.tracebacks, answers.threads)[lwp]
    for lwp in truth["native_threads"]:
        assert "not a Python thread" in lines[lwp]
    expected = [(frame["file"], frame["line"], frame["function"])
                for thread in sorted(truth["threads"], key=lambda thread: -thread["lwp"])
                for frame in thread["frames"]]
    assert compare.text_frames(answers.text_tracebacks.split("\n")) == expected


@ways
def test_own_gil(interpreter: Interpreter, how: str, where: str, tmp_path: Path) -> None:
    """Sub-interpreters made from C compute at the same time, each holding its own GIL."""
    if interpreter.minor < WITH_OWN_GIL:
        pytest.skip("%s has one GIL for all interpreters" % interpreter.id)
    executable = build("own_gil.c", interpreter, how, tmp_path / "service")
    with running(executable, interpreter) as program:
        for thread in program.truth["threads"]:
            if not thread["busy_lines"]:
                processes.wait_for(
                    lambda lwp=thread["lwp"]: processes.system_call(program.pid, lwp)[0] == "0", "in read()")
        answers = ask(program, where, tmp_path)
    truth = {**answers.truth, "native_threads": []}
    assert sorted(thread["interpreter"] for thread in truth["threads"]) == [0, 1, 2, 3]
    compare.assert_threads(truth, answers.threads)
    compare.assert_tracebacks(truth, answers.tracebacks, answers.threads)
    keys = {thread["lwp"]: thread["key"] for thread in truth["threads"]}
    assert {keys[thread["lwp"]]: thread["gil"] for thread in answers.threads["threads"]} == {
        "main": None, "waits-own": None, "busy-own": "holds", "busy-given": "holds"}
    for thread in truth["threads"]:
        line, = [line for line in answers.text.splitlines() if " %d " % thread["lwp"] in line]
        assert "[interpreter %d]" % thread["interpreter"] in line


def test_thread_states_that_other_threads_run(interpreter: Interpreter, tmp_path: Path) -> None:
    """A thread has the frames that are evaluated on its own C stack, whichever thread its state was made by."""
    how = "linked" if interpreter.libpython is not None else "static"
    with running(build("swapped.c", interpreter, how, tmp_path / "service"), interpreter) as program:
        processes.wait_for(lambda: processes.system_call(program.pid, program.pid)[0] == "34", "in pause()")
        answers = ask(program, "live", tmp_path)
    compare.assert_tracebacks(answers.truth, answers.tracebacks, answers.threads)
    frames = compare.frames_by_lwp(answers.tracebacks, answers.threads)
    lwps = {thread["key"]: thread["lwp"] for thread in answers.truth["threads"]}
    assert {key: {frame["found_by"] for frame in frames[lwp]} for key, lwp in lwps.items()} == {
        "adopted": {"thread-state"}, "swapped": {"thread-state"}, "borrower": {"thread-state"}, "lender": {"register"}}
    innermost: Dict[int, List[str]] = {}
    for thread in answers.threads["threads"]:
        innermost.setdefault(thread["lwp"], []).append(thread["frame"] and thread["frame"]["function"])
    assert innermost == {program.pid: [None], lwps["adopted"]: ["block"], lwps["swapped"]: ["block", "leave"],
                         lwps["borrower"]: ["block"], lwps["lender"]: [None]}
    numbers = {thread["lwp"]: thread["number"] for thread in answers.threads["threads"]}
    lender, = [line for line in compare.thread_rows(answers.text) if " %d " % lwps["lender"] in line]
    assert "thread state is used by thread %d" % numbers[lwps["borrower"]] in lender
    assert "not a Python thread" not in answers.text


@pytest.mark.parametrize("second", ["same", "other"])
def test_two_runtimes(interpreter: Interpreter, second: str, found: Found, tmp_path: Path) -> None:
    """A program starts another libpython in its own process: both are listed, and one thread is in both."""
    if second == "same":
        other = interpreter
    else:
        others = [each for each in found.interpreters if each.libpython and each.minor != interpreter.minor]
        if not others:
            pytest.skip("there is no shared libpython of another version")
        other = min(others, key=lambda each: abs(each.minor[1] - interpreter.minor[1]))
    if other.libpython is None:
        pytest.skip("%s has no shared libpython" % other.id)
    copy = tmp_path / "second.so"
    stripped.strip(other.libpython, copy)
    with processes.running_python(stripped.as_installed(interpreter), "two_runtimes.py",
                                  str(copy), str(other.prefix)) as program:
        assert copy in program.mapped()
        answers = ask(program, "live", tmp_path)
    truth = answers.truth
    assert {thread["runtime"] for thread in truth["threads"]} == {"first", "second"}

    def lines(thread: Dict[str, Any], frame: Dict[str, Any]) -> str:
        return "%s %s %s %s" % (runtime_of(thread), thread["ident"], thread["name"], compare.frame_line(frame))

    runtimes = answers.threads["target"]["runtimes"]
    names = ["second" if runtime["image"] == str(copy) else "first" for runtime in runtimes]
    assert sorted(names) == ["first", "second"]
    versions = {name: runtime["python"] for name, runtime in zip(names, runtimes)}
    assert versions == {"first": interpreter.version, "second": other.version}

    def runtime_of(thread: Dict[str, Any]) -> str:
        """"first" or "second": the truth has names, the answer indices."""
        return names[thread["runtime"]] if isinstance(thread["runtime"], int) else thread["runtime"]

    expected: Dict[int, List[str]] = {}
    frames: Dict[int, List[str]] = {}
    # The second runtime runs within the first one's calls.
    for thread in sorted(truth["threads"], key=lambda thread: thread["runtime"], reverse=True):
        expected.setdefault(thread["lwp"], []).append(lines(thread, thread["frames"][0]))
        frames.setdefault(thread["lwp"], []).extend(map(compare.frame_line, thread["frames"]))
    got: Dict[int, List[str]] = {}
    for thread in answers.threads["threads"]:
        got.setdefault(thread["lwp"], []).append(lines(thread, thread["frame"]))
    compare.assert_same(expected, got, "threads")
    tracebacks = compare.frames_by_lwp(answers.tracebacks, answers.threads)
    compare.assert_same(
        frames, {lwp: list(map(compare.frame_line, each)) for lwp, each in tracebacks.items()}, "tracebacks")
    assert len(answers.text.strip().split("\n")) >= 1 + len(truth["threads"])
    labels = {"first": "Python %s in %s" % (interpreter.version, interpreter.image.name),
              "second": "Python %s in second.so" % other.version}
    for thread in truth["threads"]:
        # In the list by its LWP and place, in the tracebacks by the heading over its first frame.
        frame, label = thread["frames"][0], labels[thread["runtime"]]
        place = "%s (%s:%d)" % (frame["function"], frame["file"], frame["line"])
        line, = [each for each in answers.text.splitlines()
                 if each.endswith(place) and " %d " % thread["lwp"] in each and label in each]
        assert "[interpreter 0 of %s]" % label in line
    headings = [line for line in answers.text_tracebacks.splitlines() if line.startswith("Traceback")]
    assert sorted(headings) == sorted("Traceback in interpreter 0 of %s (most recent call first):"
                                      % labels[thread["runtime"]] for thread in truth["threads"])
