"""The answers equal what the interpreter says of itself: every thread, every frame, everywhere.

programs/truth.py tells; each interpreter is looked at with symbols, with symbols hidden, and as a
stripped copy, each of them alive, in gcore's core and in the kernel's.
"""

import os
import re
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple

import pytest

from tests.support import compare, debuginfo, gdb, processes
from tests.support.interpreters import Interpreter
from tests.support.subject import WHERE, Place, Subject

pytestmark = [
    pytest.mark.parametrize("mode", list(gdb.MODES), scope="session"),
    pytest.mark.parametrize("where", WHERE),
]

COMMANDS = ["thread apply all -q py-bt-plus -json", "py-threads -json", "thread apply all py-bt-plus",
            "py-threads", "thread apply all -q py-bt-plus -limit 3 -json",
            "thread apply all -q py-bt-plus -native -json"]


class Answers(NamedTuple):
    """What gdb printed in one place, and what is true there."""

    place: Place
    tracebacks: List[Dict[str, Any]]
    threads: Dict[str, Any]
    tracebacks_text: str
    threads_text: str
    limited: List[Dict[str, Any]]
    native: List[Dict[str, Any]]

    @property
    def truth(self) -> Dict[int, Dict[str, Any]]:
        """The true threads of Python by LWP."""
        return compare.by_lwp(self.place.truth["threads"])

    @property
    def lwps(self) -> Dict[int, int]:
        """gdb's thread number → LWP."""
        return {thread["number"]: thread["lwp"] for thread in self.threads["threads"]}


@pytest.fixture(scope="session")
def subject(make_subject: Callable[..., Subject]) -> Subject:
    """The program, for one interpreter and mode."""
    return make_subject("truth.py", ".")


@pytest.fixture
def answers(subject: Subject, where: str) -> Answers:
    """One run of gdb for all tests."""
    reason = processes.no_kernel_core() if where == "kernel core" else None
    if reason:
        pytest.skip(reason)
    if where not in subject.answers:
        subject.answers[where] = ask(subject, where)
    return subject.answers[where]


def ask(subject: Subject, where: str) -> Answers:
    """Run gdb; there is nothing on stderr."""
    run = subject.run(where, COMMANDS)
    for answer in run.answers:
        assert answer.stderr == "", "%s printed to stderr: %s" % (answer.command, answer.stderr)
    assert run.exit_code == 0
    tracebacks, threads, tracebacks_text, threads_text, limited, native = run.answers
    return Answers(subject.place(where), tracebacks.documents(), threads.document(),
                   tracebacks_text.stdout, threads_text.stdout, limited.documents(), native.documents())


def test_tracebacks(answers: Answers) -> None:
    """Function, qualified name, file and line of every frame of every thread."""
    compare.assert_tracebacks(answers.place.truth, answers.tracebacks, answers.threads)
    for frame in (frame for document in answers.tracebacks for frame in document["frames"]):
        assert frame["kind"] == "python" and frame["found_by"] == "thread-state"
        assert int(frame["address"], 16) > 0


def test_native(answers: Answers) -> None:
    """With native frames there are the same Python frames, each run of the evaluation loop has its own."""
    python = [{**document, "frames": [frame for frame in document["frames"] if frame["kind"] == "python"]}
              for document in answers.native]
    compare.assert_tracebacks(answers.place.truth, python, answers.threads)
    for document in answers.native:
        assert document["notes"] == [] and document["frames"]
        for frame in document["frames"]:
            if frame["kind"] == "python":
                assert frame["placed"] and frame["found_by"] == "thread-state"
            else:
                # That is a run without Python frames.
                assert frame["function"] != "_PyEval_EvalFrameDefault"


def test_limit(answers: Answers) -> None:
    """-limit keeps the innermost frames."""
    busy = [lwp for lwp, thread in answers.truth.items() if thread["busy_lines"]]
    whole = {document["number"]: document["frames"] for document in answers.tracebacks}
    assert len(answers.limited) == len(whole)
    for document in answers.limited:
        if answers.lwps[document["number"]] not in busy or answers.place.core:
            assert document["frames"] == whole[document["number"]][:3]


def test_threads(answers: Answers) -> None:
    """Names, idents, states and innermost frames; threads that Python never saw are native."""
    assert len(answers.lwps) == len(answers.threads["threads"]), "a thread number is given twice"
    compare.assert_threads(answers.place.truth, answers.threads)


def test_gil(answers: Answers) -> None:
    """At most one thread holds the GIL, and only busy ones hold it or wait for it."""
    busy = {lwp for lwp, thread in answers.truth.items() if thread["busy_lines"]}
    got = compare.by_lwp(answers.threads["threads"])
    roles = {lwp: thread["gil"] for lwp, thread in got.items() if thread["gil"] is not None}
    assert set(roles) <= busy
    assert set(roles.values()) <= {"holds", "waits"}
    assert list(roles.values()).count("holds") <= 1
    for lwp, thread in got.items():
        if lwp in roles and roles[lwp] == "waits":
            assert thread["waiting_on"]["kind"] == "gil"
        else:
            # A busy thread may be met in a lock of the C library's own.
            assert lwp not in busy or thread["waiting_on"] is None or thread["waiting_on"]["kind"] in (
                "native", "mutex")


def test_attachment(answers: Answers, interpreter: Interpreter) -> None:
    """Without a GIL: what runs Python or C code of its own is attached, what waits in a system call is not."""
    got = compare.by_lwp(answers.threads["threads"])
    attached = {thread["key"]: got[lwp]["attachment"] for lwp, thread in answers.truth.items()}
    if not interpreter.free_threaded:
        assert set(attached.values()) == {None}
        return
    busy = {thread["key"] for thread in answers.truth.values() if thread["busy_lines"]}
    assert {attached.pop(key) for key in busy - {"busy-c-without-gil"}} == {"attached"}
    attached.pop("busy-c-without-gil")
    assert set(attached.values()) == {"detached"} and len(attached) > 20


def test_target(answers: Answers, subject: Subject, interpreter: Interpreter, mode: str) -> None:
    """Every document says what was looked at, and where the layout came from."""
    symbols = mode == "symbols" and debuginfo.has_dwarf(interpreter.image)
    for document in [answers.threads, *answers.tracebacks, *answers.limited]:
        target = dict(document["target"])
        layout = target.pop("layout")
        runtime, = target.pop("runtimes")
        assert runtime == {
            "python": target["python"], "image": runtime["image"], "layout": layout,
            "free_threaded": interpreter.free_threaded, "debug_build": interpreter.debug}
        assert os.path.basename(runtime["image"]) == interpreter.image.name
        assert target == {
            "pid": answers.place.pid,
            "core": str(answers.place.core) if answers.place.core else None,
            "python": answers.place.truth["python"],
            "free_threaded": interpreter.free_threaded,
            "debug_build": interpreter.debug,
        }
        # A table made from this very file is preferred: it is quicker than gdb with the same information.
        if symbols and not debuginfo.is_made_from(interpreter):
            assert layout == {"source": "dwarf", "table": None, "exact": True}
        elif debuginfo.has_table(interpreter):
            assert layout == {"source": "table", "table": interpreter.table, "exact": True}
        else:
            # Which table is nearest is for test_hidden_tables.py and the unit tests to say.
            assert layout["exact"] is False
            assert layout["table"].startswith("%d.%d." % interpreter.minor)


def test_tracebacks_text(answers: Answers) -> None:
    """The text has the same frames, one line for a native thread, and nothing a terminal acts upon."""
    sections = re.split(r"(?m)^Thread (?=\d+ \()", answers.tracebacks_text)[1:]
    got = {}
    for section in sections:
        # The heading is gdb's, with the kernel's name of the thread, which is Python's since 3.14.
        heading, *lines = section.rstrip("\n").split("\n")
        assert compare.control_characters("\n".join(lines)) is None
        got[answers.lwps[int(heading.split()[0])]] = lines
    assert set(got) == set(answers.lwps.values())
    for lwp, lines in got.items():
        if lwp in answers.truth:
            thread = answers.truth[lwp]
            frames = compare.text_frames(lines)
            if thread["busy_lines"]:
                assert frames[0][1] in thread["busy_lines"]
                frames[0] = (frames[0][0], thread["frames"][0]["line"], frames[0][2])
            plain = [frame for frame in frames if is_plain(frame[0]) and is_plain(frame[2])]
            assert plain == [
                (frame["file"], frame["line"], frame["function"]) for frame in thread["frames"]
                if is_plain(frame["file"]) and is_plain(frame["function"])], thread["key"]
            assert len(frames) == len(thread["frames"]), thread["key"]
            # A recursion is folded.
            assert len(lines) < 100, thread["key"]
        else:
            assert len(lines) == 1, "a thread without Python: %s" % lines


def is_plain(text: str) -> bool:
    """Whether text is printed as it is: no escapes (which have a backslash), no cuts."""
    return text.isprintable() and "\\" not in text and 0 < len(text) < 1000


def test_source_lines_text(answers: Answers) -> None:
    """Where the source file is at hand, its line follows."""
    path = Path(processes.PROGRAMS / "truth.py")
    source = path.read_text(encoding="utf-8").splitlines()
    lines = answers.tracebacks_text.split("\n")
    seen = 0
    for line, following in zip(lines, lines[1:]):
        frame = compare.TEXT_FRAME.fullmatch(line)
        if frame and frame["file"] == str(path):
            assert following.strip() == source[int(frame["line"]) - 1].strip()
            seen += 1
    assert seen >= len(answers.truth)  # nearly every thread has several


def test_threads_text(answers: Answers) -> None:
    """One line a thread, with its name and place; the selected one is marked. What it waits for is below."""
    assert compare.control_characters(answers.threads_text) is None
    heading, *lines = compare.thread_rows(answers.threads_text)
    assert heading.split()[:2] == ["Id", "LWP"]
    assert len(lines) == len(answers.lwps)
    assert sum(line.startswith("*") for line in lines) == 1
    rows = {int(line.lstrip("* ").split()[1]): line for line in lines}
    for lwp, thread in answers.truth.items():
        frame = thread["frames"][0]
        if thread["name"] and is_plain(thread["name"]):
            assert thread["name"] in rows[lwp]
        if is_plain(frame["function"]) and not thread["busy_lines"]:
            assert rows[lwp].endswith("%s (%s:%d)" % (frame["function"], frame["file"], frame["line"]))
