"""Native frames between Python frames, frames that are recovered, and Python frames in gdb's own backtraces.

programs/natives.py tells which C function is between which Python functions.
"""

import json
import os
import re
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import pytest

from tests.support import compare, damage, embedding, gdb, packages, processes
from tests.support.interpreters import Interpreter
from tests.support.stripped import Launch
from tests.support.subject import WAYS, Subject

everywhere = pytest.mark.parametrize(("mode", "where"), WAYS, scope="session")
hidden = pytest.mark.parametrize("mode", ["hidden"], scope="session")
# gdb unwinds by itself where it has read the files.
unwound_by_gdb = pytest.mark.parametrize("mode", ["stripped"], scope="session")

# Runs inside gdb. Of each thread: whether the frames that gdb finds are those of gdbext, how many of them
# are evaluation loops by their names, how many runs of the loop have Python frames, and whether the kernel tells
# the same pointers.
COMPARE = """python
import json
from gdbext.commands import model
for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
    thread.switch()
    current = model.current()
    stack = current.stack()
    ours = [native.pc for native in current._unwinder.selected().frames]
    told, = (native for native in current.natives() if native.number == thread.num)
    pointers = [int(gdb.parse_and_eval("(unsigned long)" + name)) for name in ("$sp", "$pc")]
    theirs, loops, frame = [], 0, gdb.newest_frame()
    while frame is not None:
        if frame.type() in (gdb.NORMAL_FRAME, gdb.SIGTRAMP_FRAME):
            theirs.append(frame.pc())
            loops += (frame.name() or "").partition(".")[0] == "_PyEval_EvalFrameDefault"
        frame = frame.older()
    runs = len({call.native.stack_pointer for call in stack.python if call.native is not None})
    print(json.dumps([thread.ptid[1], ours[:len(theirs)] == theirs, len(theirs), loops, runs,
                      [told.stack_pointer, told.program_counter] == pointers and told._told is not None]))
end"""


class Answers(NamedTuple):
    """What gdb printed in one place, and what is true there."""

    truth: Dict[str, Any]
    native: List[Dict[str, Any]]
    all: List[Dict[str, Any]]
    text: str
    threads: Dict[str, Any]


@pytest.fixture(scope="session")
def subject(make_subject: Callable[..., Subject], interpreter: Interpreter,
            tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The program, for one interpreter and mode; with the extension module where it can be built."""
    try:
        folder = embedding.build_calling_extension(tmp_path_factory.mktemp("nativeext"), interpreter)
    except embedding.CannotBuild as error:
        print("without the extension module: %s" % error)
        return make_subject("natives.py")
    return make_subject("natives.py", str(folder))


@pytest.fixture
def answers(subject: Subject, where: str) -> Answers:
    """One run of gdb for all tests."""
    reason = processes.no_kernel_core() if where == "kernel core" else None
    if reason:
        pytest.skip(reason)
    if where not in subject.answers:
        run = subject.run(where, ["thread apply all -q py-bt-plus -native -json",
                                  "thread apply all -q py-bt-plus -native -all -json",
                                  "thread apply all py-bt-plus -native", "py-threads -json"])
        for answer in run.answers:
            assert answer.stderr == "", "%s printed to stderr: %s" % (answer.command, answer.stderr)
        native, all_, text, threads = run.answers
        subject.answers[where] = Answers(subject.place(where).truth, native.documents(), all_.documents(),
                                         text.stdout, threads.document())
    return subject.answers[where]


def frames_by_key(answers: Answers, documents: List[Dict[str, Any]]) -> Dict[str, List[Dict[str, Any]]]:
    """The frames of each thread by the key that the program has for it."""
    frames = compare.frames_by_lwp(documents, answers.threads)
    return {thread["key"]: frames[thread["lwp"]] for thread in answers.truth["threads"]}


def without_native(documents: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The same with Python frames only."""
    return [{**document, "frames": [frame for frame in document["frames"] if frame["kind"] == "python"]}
            for document in documents]


def native_between(frames: List[Dict[str, Any]], inner: Optional[str], outer: str) -> List[Dict[str, Any]]:
    """The native frames right inside of the first call of a Python function, which has called another one."""
    found: List[Dict[str, Any]] = []
    last = None
    for frame in frames:
        if frame["kind"] == "native":
            found.append(frame)
        elif frame["function"] == outer:
            break
        else:
            last, found = frame["function"], []
    assert last == inner
    return found


@everywhere
def test_python_frames_are_all_there_and_in_their_places(answers: Answers) -> None:
    """Every Python frame as the program told, each in a run of the evaluation loop that is known."""
    for documents in (answers.native, answers.all):
        compare.assert_tracebacks(answers.truth, without_native(documents), answers.threads)
        for document in documents:
            assert document["notes"] == []
            for frame in document["frames"]:
                if frame["kind"] == "python":
                    assert frame["placed"] and frame["found_by"] == "thread-state"
                else:
                    # A run of the loop stands for its Python frames.
                    assert frame["function"] != "_PyEval_EvalFrameDefault"


@everywhere
def test_c_functions_are_between_the_right_python_functions(answers: Answers) -> None:
    """By how Python calls them, by their symbols, by their libraries."""
    for documents in (answers.native, answers.all):
        found = frames_by_key(answers, documents)
        seen = 0
        for thread in answers.truth["threads"]:
            for inner, what, name, outer in thread["between"]:
                native = native_between(found[thread["key"]], inner, outer)
                said = [os.path.basename(frame[what] or "") for frame in native]
                fits = {"callable": str.endswith, "function": str.__eq__, "library": str.startswith}[what]
                assert sum(fits(text, name) for text in said) >= 1, (thread["key"], what, name, native)
                seen += 1
        assert seen >= 18


@everywhere
def test_all_shows_the_frames_of_the_interpreter_and_else_they_are_folded(
        answers: Answers, interpreter: Interpreter) -> None:
    """Without -all, a frame of the interpreter's image is there only for what Python code has called."""
    image = interpreter.image.name
    for shown, whole in zip(answers.native, answers.all):
        own = [frame for frame in shown["frames"]
               if frame["kind"] == "native" and os.path.basename(frame["library"] or "") == image]
        assert all(frame["callable"] for frame in own)
        others = [frame for frame in whole["frames"] if frame not in shown["frames"]]
        assert len(whole["frames"]) > len(shown["frames"]) and others
        assert {os.path.basename(frame["library"]) for frame in others} == {image}
        rest = iter(whole["frames"])
        assert all(frame in rest for frame in shown["frames"])


@everywhere
def test_a_name_has_no_suffix_of_a_compiler(answers: Answers) -> None:
    """As .constprop.0 or .cold.3."""
    names = {frame["function"] for document in answers.all for frame in document["frames"]
             if frame["kind"] == "native"}
    assert not [name for name in names if name and re.search(r"\.(lto_priv|constprop|part|isra|cold)", name)]
    assert any(names)


@everywhere
def test_text(answers: Answers) -> None:
    """Native frames as gdb prints them, Python frames as ever, a recursion in whole."""
    sections = re.split(r"(?m)^Thread (?=\d+ \()", answers.text)[1:]
    assert len(sections) == len(answers.native)
    assert compare.control_characters(answers.text) is None
    line = re.compile(r"  (\S+ \(\)|0x[0-9a-f]{16} in \?\? \(\))( from (?P<library>\S+))?( \[(?P<callable>.+)\])?")
    for section, document in zip(sections, answers.native):
        lines = [text for text in section.split("\n")[1:] if text]
        assert lines[0] == "Traceback (most recent call first):"
        native = [found for found in map(line.fullmatch, lines) if found]
        frames = [frame for frame in document["frames"] if frame["kind"] == "native"]
        assert [(found["library"], found["callable"]) for found in native] == [
            (frame["library"], frame["callable"]) for frame in frames]


@unwound_by_gdb
def test_the_frames_are_those_that_gdb_finds(subject: Subject, tmp_path: Path) -> None:
    """gdb's unwinder and this one agree, and as many frames are the loop as Python's frames have runs."""
    script = tmp_path / "compare.gdb"
    script.write_text(COMPARE)
    answer, = subject.run("live", ["source %s" % script]).answers
    threads = [json.loads(line) for line in answer.stdout.splitlines()]
    assert {lwp for lwp, *_rest in threads} == {thread["lwp"] for thread in subject.place("live").truth["threads"]}
    for lwp, same, frames, loops, runs, pointers in threads:
        assert same and pointers and frames > 5, (lwp, frames)
        # A loop without a name, split off by the compiler, is not seen by its name.
        assert runs and loops in (0, runs), (lwp, loops, runs)


# Recovered frames.


DAMAGES = {"led nowhere": damage.led_nowhere, "erased": damage.erased, "exchanged": damage.exchanged}


@hidden
def test_frames_are_recovered_where_thread_states_are_damaged(
        subject: Subject, interpreter: Interpreter, tmp_path: Path) -> None:
    """From the registers, in copies of a core of which the thread states lead nowhere, or astray."""
    place = subject.place("gcore")
    assert place.core is not None
    heads_script = tmp_path / "heads.gdb"
    heads_script.write_text(damage.HEADS)
    asked = gdb.run(["source %s" % heads_script, "py-threads -json"], mode="hidden", core=place.core,
                    executable=place.executable)
    heads, threads = json.loads(asked.answers[0].stdout), asked.answers[1].document()
    copy = tmp_path / "core"
    for name, change in DAMAGES.items():
        damage.copy(place.core, copy, change(heads))
        run = gdb.run(["thread apply all -q py-bt-plus -json", "thread apply all -q py-bt-plus -native -json",
                       "thread apply all -q py-bt-plus"], mode="hidden", core=copy, executable=place.executable)
        plain, native, text = run.answers
        # A thread state that leads to the frames of another thread is taken for that thread's. What 3.11 has on the
        # C stack for it is what was exchanged: until the registers are asked, it tells for the wrong one.
        is_exchanged = name == "exchanged"
        is_seen = not is_exchanged or interpreter.minor != (3, 11)
        for answer in (plain, native) if is_seen else (native,):
            documents = without_native(answer.documents())
            compare.assert_tracebacks(place.truth, documents, threads)
            found_by = {frame["found_by"] for document in documents for frame in document["frames"]}
            assert is_exchanged == ("thread-state" in found_by), name
        if not is_exchanged:
            assert text.stdout.count("[recovered from ") >= len(place.truth["threads"])
        assert not is_seen or "No Python" not in text.stdout


@hidden
def test_the_frames_of_a_greenlet_that_has_switched_to_another_one(launch: Launch, interpreter: Interpreter) -> None:
    """Its frames are on the C stack still, and the registers lead to them."""
    try:
        folder = packages.wheel(interpreter, "greenlet")
    except packages.NotAvailable as error:
        pytest.skip(str(error))
    launch = launch._replace(variables={**launch.variables, "PYTHONPATH": str(folder)})
    with processes.running_python(launch, "greenlets.py") as program:
        processes.wait_until_told(program)
        run = gdb.run(["py-bt-plus -native -json", "py-bt-plus -json", "py-threads -json"], mode="hidden",
                      pid=program.pid)
        native, plain, threads = (answer.document() for answer in run.answers)
        [thread] = program.truth["threads"]
        known = thread["known"]
        compare.assert_tracebacks(program.truth, without_native([native]), threads)
        frames = [frame for frame in native["frames"] if frame["kind"] == "python"]
        assert {frame["found_by"] for frame in frames[:known]} == {"thread-state"}
        assert {frame["found_by"] for frame in frames[known:]} == {"register"}
        assert all(frame["placed"] for frame in frames) and native["notes"] == []
        assert [frame["address"] for frame in plain["frames"]] == [frame["address"] for frame in frames[:known]]
        # greenlet's own code is between the two, and sorted() where it was called.
        assert any("greenlet" in (frame["library"] or "")
                   for frame in native_between(native["frames"], "runs", "leave"))
        assert "sorted" in [frame["callable"] for frame in native_between(native["frames"], "<lambda>", "switches")]


@hidden
def test_registers_of_a_frame(subject: Subject) -> None:
    """One of the registers, or a slot, is the selected frame."""
    text, document = subject.run("live", ["py-frame-plus -registers", "py-frame-plus 0 -registers -json"]).answers
    told = document.document()
    here = [each for each in told["registers"] if each["is_frame"]]
    assert here and {each["value"] for each in here} == {told["frame"]["address"]}
    assert told["frame"]["function"] in here[0]["holds"]
    marked = [line for line in text.stdout.splitlines() if line.startswith("* ")]
    assert [line.split()[1] for line in marked] == [each["register"] for each in here]


# gdb's own backtraces.


MI = 'interpreter-exec mi "%s"'


@unwound_by_gdb
def test_the_frame_filter(subject: Subject) -> None:
    """Off at first; then bt has Python's functions in the place of the loop, also cut, in full and in MI."""
    commands = ["bt", "enable frame-filter global gdbext", "bt", "bt 3", "bt -3", "bt full 3", "bt -no-filters",
                MI % "-stack-list-frames", MI % "-enable-frame-filters", MI % "-stack-list-frames",
                MI % "-stack-list-frames 0 2", MI % "-stack-list-frames --no-frame-filters", "py-bt-plus -json",
                "thread apply all -q bt 1", "disable frame-filter global gdbext", "bt"]
    run = subject.run("live", commands)
    assert [answer.stderr for answer in run.answers] == [""] * len(commands)
    (before, _on, on, first, last, full, without, mi_before, _mi, mi, mi_first, mi_without, document, _all, _off,
     after) = [answer.stdout for answer in run.answers]
    frames = json.loads(document)["frames"]
    expected = [(frame["qualname"] or frame["function"], frame["file"], frame["line"]) for frame in frames]
    shown = re.findall(r"(?m)^(?:#\d+|   ) +(\S+) \(\) at (.+):(\d+)$", on)
    python = [(name, file, int(line)) for name, file, line in shown if file.endswith(".py")]
    assert python == expected
    assert before == without == after and ".py:" not in before
    assert first.splitlines()[:3] == on.splitlines()[:3]
    assert [line for line in last.splitlines() if line.startswith("#")] == [
        line for line in on.splitlines() if line.startswith("#")][-3:]
    assert full.startswith("#0")
    in_mi = re.findall(r'func="([^"]+)",file="([^"]+\.py)",line="(\d+)"', mi)
    assert [(name, file, int(line)) for name, file, line in in_mi] == expected
    assert mi_before == mi_without and mi_before.startswith("^done,stack=[frame={level=")
    assert mi_first.count("level=") >= 3


def test_the_frame_filter_without_python() -> None:
    """A program without Python, and no program at all: as if there were no filter."""
    with processes.running(["/bin/sh", "-c", "echo ready; read line"]) as program:
        run = gdb.run(["enable frame-filter global gdbext", "bt", "bt -no-filters", "kill", "bt"], pid=program.pid)
        # With any filter, gdb writes "at" before the library of a frame without a source file.
        with_filter, without = (answer.stdout.replace(" at /", " from /") for answer in run.answers[1:3])
        assert with_filter == without != ""
        assert "Traceback" not in run.answers[4].stderr
