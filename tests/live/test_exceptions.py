"""py-exc prints what the program's own traceback module prints: programs/exceptions.py tells that of itself."""

import re
import unicodedata
from typing import Any, Callable, Dict, List

import pytest

from tests.support import compare, processes
from tests.support.subject import WAYS, Subject

pytestmark = pytest.mark.parametrize("mode, where", WAYS, scope="session")

# What the process prints as an address and we print as one.
ADDRESS = re.compile(r"0x[0-9a-f]+")
# The least number of shapes that is worth the name of a comparison.
SHAPES = 80

MADE_BY_CODE = " [its args: its own __str__ was not run]"
PARTLY = " [not all of this is what str() gives: its args' own code was not run]"
# Where an exception's own __str__ was not run, nor the __repr__ of its args.
BOTH = " [its args: its own __str__ was not run, nor their __repr__]"


@pytest.fixture(scope="session")
def subject(make_subject: Callable[..., Subject]) -> Subject:
    """The program, for one interpreter and mode."""
    return make_subject("exceptions.py")


@pytest.fixture
def answers(subject: Subject, where: str) -> Dict[str, Any]:
    """One run of gdb for all tests."""
    reason = processes.no_kernel_core() if where == "kernel core" else None
    if reason:
        pytest.skip(reason)
    if where not in subject.answers:
        subject.answers[where] = ask(subject, where)
    return subject.answers[where]


GROUPS = ("exceptions", "made_by_code", "partly_by_code", "noted_by_code")


def ask(subject: Subject, where: str) -> Dict[str, Any]:
    """Every exception by its address, then those of the threads."""
    truth = subject.place(where).truth
    told = {(group, name): each for group in GROUPS for name, each in truth[group].items()}
    commands = ["py-exc %#x" % each["address"] for each in told.values()]
    json_of_partly = "py-exc -json %#x" % truth["partly_by_code"]["argument"]["address"]
    variables = "py-exc -locals -json %#x" % truth["exceptions"]["with_variables"]["address"]
    run = subject.run(where, [*commands, "py-exc -all -json", "py-exc -all", "py-threads -json", variables,
                              json_of_partly, "py-exc -find -json", "py-exc -find -json OSError"])
    *single, document, text, threads, variables, partly, heap, os_errors = run.answers
    for answer in run.answers[:-2]:
        assert answer.stderr == "", "%s printed to stderr: %s" % (answer.command, answer.stderr)
    return {"truth": truth, "texts": {key: answer.stdout for key, answer in zip(told, single)},
            "partly": partly.document()["exception"], "document": document.document(), "text": text.stdout,
            "threads": threads.document(), "variables": variables.document(), "heap": heap, "os_errors": os_errors}


def comparable(text: str) -> List[str]:
    """The lines of a text without addresses; characters that a terminal acts upon are escaped in ours.

    What ours says of suggestions that it can't know (from 3.14 on) stands on a line of its own behind it.
    """
    text = re.sub(r"(?m)^Python may .*\n\Z", "", text)
    shown = "".join(
        character if character in "\n\t" or unicodedata.category(character)[0] != "C" else
        character.encode("unicode_escape").decode("ascii") for character in text)
    return ADDRESS.sub("0x...", shown).split("\n")


def test_text(answers: Dict[str, Any]) -> None:
    """Every shape is printed as its own Python prints it, character for character."""
    truth = answers["truth"]["exceptions"]
    assert len(truth) >= SHAPES
    compare.assert_same(
        {name: comparable(each["text"]) for name, each in truth.items()},
        {name: comparable(answers["texts"]["exceptions", name]) for name in truth}, "exceptions")


def test_text_made_by_code(answers: Dict[str, Any]) -> None:
    """An exception whose own __str__ is Python code is described by its args, which is said."""
    for name, each in answers["truth"]["made_by_code"].items():
        lines = answers["texts"]["made_by_code", name].rstrip("\n").split("\n")
        assert lines[:-1] == each["text"].rstrip("\n").split("\n")[:-1]
        assert lines[-1] == "%s: %s%s" % (each["type"], each["args"], MADE_BY_CODE)


def test_text_partly_made_by_code(answers: Dict[str, Any]) -> None:
    """What would be made by the code of an argument stands for itself otherwise, which is said."""
    for name, each in answers["truth"]["partly_by_code"].items():
        *before, last = answers["texts"]["partly_by_code", name].rstrip("\n").split("\n")
        *truth, told = each["text"].rstrip("\n").split("\n")
        assert before == truth and "made by code" in told
        mark = BOTH if name == "own_str" else PARTLY
        told = each["args"] if name == "own_str" else told.partition(": ")[2]
        expected = "%s: %s" % (each["type"], told.replace("made by code", "<__main__.Shy at 0x...>"))
        assert ADDRESS.sub("0x...", last) == expected + mark, name
    assert answers["partly"]["exact"] is False


def test_notes_made_by_code(answers: Dict[str, Any]) -> None:
    """Notes that code would have to tell are left out, which is said."""
    for name, each in answers["truth"]["noted_by_code"].items():
        lines = answers["texts"]["noted_by_code", name].rstrip("\n").split("\n")
        told = each["text"].rstrip("\n").split("\n")
        assert told[-1] == "made by code" and lines[:-1] == told[:-1], name
        assert lines[-1].startswith("Python may print notes here, but "), name


def test_handled(answers: Dict[str, Any]) -> None:
    """Each thread handles what it says it does, innermost first; nobody raises anything."""
    lwps = {thread["number"]: thread["lwp"] for thread in answers["threads"]["threads"]}
    got = {lwps[thread["number"]]: thread for thread in answers["document"]["threads"]}
    keys = {thread["lwp"]: thread["key"] for thread in answers["truth"]["threads"]}
    compare.assert_same(
        {thread["key"]: ["%s %#x" % (each["type"], each["address"]) for each in thread["handling"]]
         for thread in answers["truth"]["threads"]},
        {keys[lwp]: ["%s %s" % (each["type"], each["address"]) for each in thread["handling"]]
         for lwp, thread in got.items()}, "handlers")
    assert [thread["raising"] for thread in got.values()] == [None] * len(got)
    assert [thread["problem"] for thread in got.values()] == [None] * len(got)
    names = {keys[lwp]: thread["name"] for lwp, thread in got.items()}
    assert names.pop("main") == "MainThread" and all(key == name for key, name in names.items())


def test_handled_text(answers: Dict[str, Any], where: str) -> None:
    """The text has each of them once in full, or says that it is part of what is above."""
    text = answers["text"]
    if where == "kernel core":
        # This is how the test has it die.
        ended, text = text.split("\n\n", 1)
        assert re.fullmatch(r"Fatal signal SIGABRT \(Aborted\), sent by process \d+, in thread 1 .*\..*", ended, re.S)
    *sections, last = re.split(r"(?m)\n*^(?=Thread \d+ \(LWP)|\n\n(?=\d+ other threads)", text)
    found = {int(section.split("LWP ")[1].split(")")[0]): section + "\n" for section in sections if section}
    handling = [thread for thread in answers["truth"]["threads"] if thread["handling"]]
    assert {thread["lwp"] for thread in handling} == set(found)
    for thread in handling:
        shown = found[thread["lwp"]]
        for each in thread["handling"]:
            place = "Being handled (%#x):" % each["address"]
            assert place + "\n" + each["text"] in shown or re.search(
                re.escape(place) + " .*, which is shown above\n", shown), thread["key"]
    assert last == "4 other threads of Python neither raise nor handle an exception.\n"


def test_locals(answers: Dict[str, Any]) -> None:
    """The variables of frames that have ended, as the exception has left them."""
    entries = answers["variables"]["exception"]["traceback"]
    got = [{name: value for name, value in entry["locals"].items() if not value.startswith("<function ")}
           for entry in entries[1:]]
    assert got == answers["truth"]["variables"]
    assert [entry["function"] for entry in entries[1:]] == ["with_variables", "inner"]


def test_find(answers: Dict[str, Any]) -> None:
    """Every exception of the heap that has a traceback, those of running frames first."""
    for told in ("heap", "os_errors"):
        assert answers[told].stderr == ""
        document = answers[told].document()
        found = document["found"]
        compare.assert_same(
            {told: sorted("%#x" % address for address in answers["truth"][told])},
            {told: sorted(each["address"] for each in found)}, "exceptions of the heap")
        assert (document["more"], document["problems"], document["partial"]) == (0, [], False)
        running = [each["thread"] is not None for each in found]
        assert running == sorted(running, reverse=True) and running[0] and not running[-1]
