"""What threads wait for, who has it and since where, equals what the program wrote down: programs/locks.py."""

import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import pytest

from tests.support import compare, graphviz, processes
from tests.support.subject import WAYS, Place, Subject

pytestmark = pytest.mark.parametrize("mode, where", WAYS, scope="session")

COMMANDS = ["py-threads -json", "py-locks -json", "py-locks", "py-threads", "py-threads -group", "py-locks -dot"]


class Answers(NamedTuple):
    """What gdb printed in one place, and what is true there."""

    place: Place
    threads: Dict[int, Dict[str, Any]]
    locks: Dict[str, Any]
    texts: List[str]

    @property
    def truth(self) -> Dict[str, Dict[str, Any]]:
        """The true threads by key."""
        return {thread["key"]: thread for thread in self.place.truth["threads"]}

    def wait(self, key: str) -> Dict[str, Any]:
        """What py-threads says that this thread waits for."""
        return self.threads[self.truth[key]["lwp"]]["waiting_on"]

    def lock(self, key: str) -> Optional[Dict[str, Any]]:
        """What py-locks says of that."""
        ident = self.truth[key]["ident"]
        found = [lock for lock in self.locks["locks"] if ident in [each["ident"] for each in lock["waiters"]]]
        assert len(found) <= 1, "%s waits for %d things" % (key, len(found))
        return found[0] if found else None


@pytest.fixture(scope="session")
def subject(make_subject: Callable[..., Subject]) -> Subject:
    """The program, for one interpreter and mode."""
    return make_subject("locks.py")


@pytest.fixture
def answers(subject: Subject, where: str) -> Answers:
    """One run of gdb for all tests."""
    reason = processes.no_kernel_core() if where == "kernel core" else None
    if reason:
        pytest.skip(reason)
    if where not in subject.answers:
        run = subject.run(where, COMMANDS)
        for answer in run.answers:
            assert answer.stderr == "", "%s printed to stderr: %s" % (answer.command, answer.stderr)
        threads, locks, *texts = run.answers
        subject.answers[where] = Answers(
            subject.place(where), compare.by_lwp(threads.document()["threads"]), locks.document(),
            [answer.stdout for answer in texts])
    return subject.answers[where]


def test_waits(answers: Answers) -> None:
    """Kind, address, holder, timeout and name of what each thread waits for."""
    live = answers.place.pid is not None
    expected, got = {}, {}
    for key, thread in answers.truth.items():
        true, wait = thread["wait"], answers.wait(key)
        assert wait is not None, "%s waits for nothing?" % key
        found: Dict[str, Any] = {name: wait[name] for name in ("kind", "owner", "address")}
        want = {"kind": true["kind"], "owner": true["holder"] or true.get("ended"), "address": true["address"]}
        if true["address"] is None:
            found["address"] = None
        if true["name"] is not None:
            found["name"], want["name"] = wait["name"], true["name"]
        if true.get("note") is not None:
            found["note"], want["note"] = true["note"] in wait["detail"] or wait["detail"], True
        if true["kind"] != "sleep":
            found["timeout"], want["timeout"] = wait["timeout"], true.get("timeout", False)
        if true.get("what") is not None:
            found["what"], want["what"] = wait["detail"][:len(true["what"])], true["what"]
        if true.get("descriptor") is not None:
            found["descriptor"] = re.search(r"\bfd (\d+)", wait["detail"])[1]
            want["descriptor"] = str(true["descriptor"])
        if true.get("text") is not None and live:
            found["text"], want["text"] = true["text"] in wait["detail"], True
        expected[key], got[key] = ["%s: %s" % item for item in want.items()], ["%s: %s" % (
            name, found[name]) for name in want]
    compare.assert_same(expected, got, "waits")


def test_holders(answers: Answers) -> None:
    """Who holds each lock, how that is known, where it was taken, and where it is waited for."""
    expected, got = {}, {}
    for key, thread in answers.truth.items():
        true, lock = thread["wait"], answers.lock(key)
        if true["kind"] in ("io", "sleep", "child", "native"):
            assert lock is None
            continue
        assert lock is not None, key
        waiter = next(each for each in lock["waiters"] if each["ident"] == thread["ident"])
        holder = lock["holder"]
        expected[key] = ["%s %s" % (true["holder"], true["evidence"]), str(true["taken"]), str(true["at"])]
        got[key] = ["%s %s" % (holder and holder["ident"], holder and holder["evidence"]),
                    str(holder and holder["taken"] and holder["taken"]["line"] if true["taken"] else None),
                    str(waiter["line"] if true["at"] else None)]
        if true["any_of"]:
            assert sorted(each["ident"] for each in lock["holders"]) == sorted(true["any_of"])
        if true.get("problem"):
            assert lock["problem"] == true["problem"]
        if true.get("ended"):
            assert lock["owner_without_thread"] == true.get("ended")
            assert "no thread of this process" in lock["problem"]
        if true["candidates"]:
            assert sorted(each["ident"] for each in lock["candidates"]) == sorted(true["candidates"]), key
    compare.assert_same(expected, got, "holders")


def test_deadlocks(answers: Answers) -> None:
    """Each one that there is, none that there isn't; what a timeout will end is not certain."""
    for name, true in (("deadlocks", "deadlocks"), ("possible_deadlocks", "possible")):
        found = [frozenset(each["threads"]) for each in answers.locks[name]]
        assert set(found) == {frozenset(each) for each in answers.place.truth[true]}
        assert len(found) == len(set(found))
    # Along a ring: each waits for what the next one has.
    threads = {thread["ident"]: thread for thread in answers.place.truth["threads"]}
    for each in answers.locks["deadlocks"]:
        following = each["threads"][1:] + each["threads"][:1]
        for ident, other, address in zip(each["threads"], following, each["locks"]):
            true = threads[ident]["wait"]
            assert other in ([true["holder"]] if true["holder"] else true["any_of"])
            if true["address"] is not None:
                assert address == true["address"]


def test_sleep(answers: Answers) -> None:
    """How long a sleep still takes: the kernel keeps what is left of a relative one, a deadline needs a clock."""
    wait = answers.wait("call/sleep")
    assert wait["timeout"] is True
    left = wait["seconds_left"]
    if answers.place.pid is not None:
        assert 0.9 * answers.truth["call/sleep"]["wait"]["seconds"] < left
    assert left is None or left <= answers.truth["call/sleep"]["wait"]["seconds"]


def test_text(answers: Answers, mode: str) -> None:
    """The deadlocks come first, with the lines; nothing that a terminal acts upon."""
    locks, threads, groups, graph = answers.texts
    for text in answers.texts:
        assert compare.control_characters(text) is None
    truth = answers.place.truth
    assert locks.startswith("Deadlock: ")
    assert len(re.findall(r"(?m)^Deadlock: ", locks)) == len(truth["deadlocks"])
    assert len(re.findall(r"(?m)^Possible deadlock: ", locks)) == len(truth["possible"])
    before, _heading, after = locks.partition("What else threads wait for:")
    names = {thread["lwp"]: thread["name"] for thread in answers.threads.values()}
    for key in ("two/ship", "two/receive"):
        thread = answers.truth[key]
        true = thread["wait"]
        section = before[before.index('"%s" waits for' % names[thread["lwp"]]):]
        assert true["name"] in section.split("\n")[0]
        assert "locks.py:%d" % true["at"] in section.split("\n")[1]
        assert "locks.py:%d" % true["taken"] in section.split("\n")[2] and "[inferred" in section.split("\n")[2]
    assert "held, and no live thread's frame holds it" in after
    assert len(re.findall(r'(?m)^    to be computed by thread \d+ "loop/.*", which runs its event loop', locks)) == 4
    assert len(compare.thread_rows(threads)) == 1 + len(answers.threads)
    assert sum(int(count) for count in re.findall(r"(?m)^(\d+) threads?: ", groups)) == len(answers.threads)
    assert graph.startswith("digraph waits {\n") and graph.rstrip().endswith("}")
    # It is drawn once; the same lines of the same report everywhere else.
    if answers.place.pid is not None and mode == "symbols" and graphviz.path() is not None:
        check_drawing(answers, graphviz.draw([graph]))


def check_drawing(answers: Answers, drawing: graphviz.Drawing) -> None:
    """What Graphviz makes of it: an edge for each wait and each holder, and the deadlocks red."""
    numbers = {thread["ident"]: "thread %d " % thread["number"] for thread in answers.threads.values()}
    names = {label.partition('"')[0]: name for name, (label, _colour) in drawing.nodes.items()}
    expected = []
    for lock in answers.locks["locks"]:
        waiters, holders = ([names[numbers[each["ident"]]] for each in lock[which]] for which in ("waiters", "holders"))
        [name] = {end for begin, end, _colour in drawing.edges if begin in waiters}
        assert drawing.nodes[name][0] == lock["detail"]
        expected += [(waiter, name) for waiter in waiters] + [(name, holder) for holder in holders]
    assert sorted((begin, end) for begin, end, _colour in drawing.edges) == sorted(expected)
    caught = {names[numbers[ident]] for each in answers.locks["deadlocks"] for ident in each["threads"]}
    assert {name for name, (label, colour) in drawing.nodes.items()
            if colour == "red" and label.startswith("thread ")} == caught
