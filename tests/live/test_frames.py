"""The variables of frames, and names, equal what the interpreter says of them: py-bt-plus -full, py-print-plus.

programs/frames.py tells.
"""

import re
from typing import Any, Callable, Dict, List, NamedTuple

import pytest

from tests.support import compare, gdb, processes
from tests.support.subject import WAYS, Place, Subject

pytestmark = pytest.mark.parametrize("mode, where", WAYS, scope="session")

SETTINGS = ["set gdbext repr-%s unlimited" % name for name in ("length", "items", "depth")]
# What only the compiler has names for; a class body's f_locals has some of them in some versions.
COMPILERS = {"__class__", "__classdict__", "__conditional_annotations__"}
# What every class body has; f_locals lacks them while a comprehension in the body runs (PEP 667, 3.13).
SET_BY_CLASS = {"__module__", "__qualname__", "__firstlineno__"}
# The frames of the thread that asks for names, from the inside.
NAMES = ["inner", "run", "names"]
# What would have to be run, and so is refused.
REFUSED = [
    ("self.computed", "reading it would run code"), ("self.nothing", "__getattr__() may make one"),
    ("indexed[0]", "__getitem__() of its own"), ("self.unset_slot", "is not set"), ("listed[4]", "no item 4"),
    ("keyed['nope']", "no key 'nope'"), ("listed['x']", "no items with a key"), ("nope", "no 'nope' among"),
    ("listed[0:2]", "only names"), ("len(listed)", "only names"), ("listed +", "no Python expression"),
    ("0x10", "no Python object at 0x10"), ("$no_such_name", "is no register"),
    ("stable.nope", "no attribute 'nope' in this function"),
    ("point[2]", "no item 2"), ("keyed[listed]", "no such key"), ("number.x", "no attribute 'x'"),
]


class Answers(NamedTuple):
    """What gdb printed in one place, and what is true there."""

    place: Place
    full: List[Dict[str, Any]]
    text: str
    locals: List[Dict[str, Any]]
    asked: List[gdb.Answer]
    refused: List[gdb.Answer]
    lwps: Dict[int, int]


@pytest.fixture(scope="session")
def subject(make_subject: Callable[..., Subject]) -> Subject:
    """The program, for one interpreter and mode."""
    return make_subject("frames.py")


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
    """Run gdb."""
    truth = subject.place(where).truth
    select = ("python [thread.switch() for thread in gdb.selected_inferior().threads() "
              "if thread.ptid[1] == %d]" % truth["names"])
    asking = ["set $object = %d" % truth["object"],
              *("py-print-plus -json " + expression for expression, _scope, _value in truth["asked"])]
    refused = ["py-print-plus " + expression for expression, _reason in REFUSED]
    walking = [command for number in range(len(NAMES)) for command in (
        "py-frame-plus %d" % number, "py-locals-plus -json")]
    run = subject.run(where, SETTINGS + ["thread apply all -q py-bt-plus -full -json", "py-threads -json", select]
                      + asking + refused + ["py-bt-plus -full"] + walking)
    found = run.answers[len(SETTINGS):]
    full, threads, _select, *found = found
    asked, found = found[:len(asking)], found[len(asking):]
    refusals, found = found[:len(refused)], found[len(refused):]
    text, *found = found
    return Answers(subject.place(where), full.documents(), text.stdout, [each.document() for each in found[1::2]],
                   asked, refusals, {thread["number"]: thread["lwp"] for thread in threads.document()["threads"]})


def test_variables(answers: Answers) -> None:
    """Every name that f_locals has is there with its value, and no other one."""
    truth = compare.by_lwp(answers.place.truth["threads"])
    compared = 0
    for document in answers.full:
        thread = truth[answers.lwps[document["number"]]]
        if thread["frames"] is None:
            continue
        assert [frame["function"] for frame in document["frames"]] == [
            frame["function"] for frame in thread["frames"]], thread["key"]
        for got, frame in zip(document["frames"], thread["frames"]):
            assert_variables(got["locals"], frame, thread["key"])
            compared += len(frame["locals"])
    assert compared > 150


def assert_variables(got: Dict[str, str], frame: Dict[str, Any], key: str) -> None:
    """One frame."""
    expected = {name: value for name, value in frame["locals"].items() if name not in COMPILERS}
    more = set(got) - set(expected)
    if frame["kind"] == "namespace":
        # The body of a class sees the variables of the functions around it.
        more -= SET_BY_CLASS.union(frame["free"])
    assert set(expected) <= set(got) and not more, (key, frame["function"], sorted(got), sorted(expected))
    assert {name: got[name] for name in expected if expected[name] is not None} == {
        name: value for name, value in expected.items() if value is not None}, (key, frame["function"])


def test_arguments_come_first(answers: Answers) -> None:
    """In the order that the code has them, whether they are in cells or not."""
    truth = compare.by_lwp(answers.place.truth["threads"])
    seen = 0
    for document in answers.full:
        thread = truth[answers.lwps[document["number"]]]
        for got, frame in zip(document["frames"], thread["frames"] or ()):
            arguments = [name for name in frame["varnames"][:frame["argcount"]] if name in frame["locals"]]
            assert list(got["locals"])[:len(arguments)] == arguments
            seen += len(arguments)
    assert seen > 20


def test_text(answers: Answers) -> None:
    """The same as lines: each frame with its number, its variables further in."""
    document, = [each for each in answers.full if answers.lwps[each["number"]] == answers.place.truth["names"]]
    lines = answers.text.rstrip("\n").split("\n")
    assert compare.control_characters("\n".join(lines)) is None
    heads = [(index, line) for index, line in enumerate(lines) if re.match(r"  #\d+ File", line)]
    assert [line.split()[0] for _index, line in heads] == ["#%d" % number for number in range(len(document["frames"]))]
    ends = [index for index, _line in heads[1:]] + [len(lines)]
    for (index, line), end, frame in zip(heads, ends, document["frames"]):
        assert line.endswith('File "%s", line %d, in %s' % (frame["file"], frame["line"], frame["function"]))
        assert lines[index + 2:end] == ["        %s = %s" % each for each in frame["locals"].items()]


def test_locals_of_selected_frames(answers: Answers) -> None:
    """py-frame-plus selects the frame whose locals py-locals-plus then prints."""
    document, = [each for each in answers.full if answers.lwps[each["number"]] == answers.place.truth["names"]]
    assert [each["frame"]["function"] for each in answers.locals] == NAMES
    assert [each["frame"]["index"] for each in answers.locals] == list(range(len(NAMES)))
    assert [each["locals"] for each in answers.locals] == [
        frame["locals"] for frame in document["frames"][:len(NAMES)]]


def test_names(answers: Answers) -> None:
    """Names, attributes and items have the values that eval() finds."""
    assert len(answers.asked) > 50
    for answer, (expression, scope, value) in zip(answers.asked[1:], answers.place.truth["asked"]):
        assert answer.stderr == "", (expression, answer.stderr)
        found = answer.document()
        assert (found["expression"], found["scope"], found["value"]) == (expression, scope, value)
        assert found["frame"]["function"] == "inner"
        assert int(found["address"], 16) > 0


def test_what_would_have_to_be_run_is_refused(answers: Answers) -> None:
    """In one line that says why."""
    for answer, (expression, reason) in zip(answers.refused, REFUSED):
        assert answer.stdout == "", expression
        assert answer.stderr.startswith("py-print-plus: ") and answer.stderr.count("\n") == 1, expression
        assert reason in answer.stderr, (expression, answer.stderr)
