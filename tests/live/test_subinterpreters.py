"""Sub-interpreters are told apart, each with its own threads' names: programs/subinterpreters.py."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest

from tests.support import compare, processes
from tests.support.interpreters import Interpreter
from tests.support.subject import Subject

pytestmark = [
    pytest.mark.parametrize("mode", ["symbols", "hidden"], scope="session"),
    pytest.mark.parametrize("where", ["live", "kernel core"]),
]

# Interpreters have ids from this version on.
WITH_IDS = (3, 7)


@pytest.fixture(scope="session")
def subject(make_subject: Callable[..., Subject]) -> Subject:
    """The program, for one interpreter and mode."""
    return make_subject("subinterpreters.py")


@pytest.fixture
def answers(subject: Subject, where: str) -> Tuple[Dict[str, Any], Dict[str, Any], List[Dict[str, Any]], str]:
    """The truth, py-threads' answer, the tracebacks, py-threads' text."""
    reason = processes.no_kernel_core() if where == "kernel core" else None
    if reason:
        pytest.skip(reason)
    if where not in subject.answers:
        run = subject.run(where, ["py-threads -json", "thread apply all -q py-bt-plus -json", "py-threads"])
        threads, tracebacks, text = run.answers
        subject.answers[where] = (
            subject.place(where).truth, threads.document(), tracebacks.documents(), text.stdout)
    return subject.answers[where]


def test_threads(answers: Any, interpreter: Interpreter) -> None:
    """A thread has an entry for each interpreter that it runs in, with what it does there."""
    truth, document, _, _ = answers
    expected = {(thread["lwp"], thread["interpreter"]): thread for thread in truth["threads"]}
    got = {(thread["lwp"], thread["interpreter"]): thread for thread in document["threads"]}
    assert len(got) == len(document["threads"])
    if interpreter.minor < WITH_IDS:
        # Nothing in the process numbers them: only that they differ is true.
        others = {number for _, number in got} - {0}
        assert len(others) == 1
        expected = {(lwp, min(others) if number is None else number): thread
                    for (lwp, number), thread in expected.items()}
    compare.assert_same(
        {key: ["ident %s" % thread["ident"], "name %s" % thread["name"],
               compare.frame_line(thread["frames"][0])] for key, thread in expected.items()},
        {key: ["ident %s" % thread["ident"], "name %s" % thread["name"],
               compare.frame_line(thread["frame"])] for key, thread in got.items()}, "threads")


def test_tracebacks(answers: Any) -> None:
    """A thread's frames in the sub-interpreter come first, then those that called into it."""
    truth, document, tracebacks, _ = answers
    lwps = {thread["number"]: thread["lwp"] for thread in document["threads"]}
    expected: Dict[int, List[str]] = {}
    # None: 3.6, which has no ids; not the main interpreter, whose frames are outside.
    inside_first = sorted(truth["threads"], key=lambda thread: thread["interpreter"] == 0)
    for thread in inside_first:
        expected.setdefault(thread["lwp"], []).extend(map(compare.frame_line, thread["frames"]))
    got = {lwps[traceback["number"]]: list(map(compare.frame_line, traceback["frames"]))
           for traceback in tracebacks}
    compare.assert_same(expected, got, "tracebacks")


def test_text(answers: Any) -> None:
    """The table has a line for each thread in each interpreter."""
    truth, _, _, text = answers
    assert len(compare.thread_rows(text)) == 1 + len(truth["threads"])
    for thread in truth["threads"]:
        frame = thread["frames"][0]
        place = "%s (%s:%d)" % (frame["function"], frame["file"], frame["line"])
        matching = [line for line in text.split("\n") if place in line and thread["name"] in line]
        assert matching, "no line for %s" % thread["key"]


def test_the_numbers_of_frames_select_them(subject: Subject, where: str, answers: Any) -> None:
    """Through all interpreters that a thread is in."""
    truth = answers[0]["threads"]
    script = Path(compare.__file__).with_name("numbers_of_frames.py")
    answer, = subject.run(where, ["source %s" % script]).answers
    assert answer.stderr == ""
    asked = [json.loads(line) for line in answer.stdout.splitlines()]
    assert sum(len(numbers) for numbers, _shown, _selected in asked) >= 2 * sum(len(each["frames"]) for each in truth)
    for numbers, shown, selected in asked:
        assert numbers == list(range(len(numbers))) and selected == shown
