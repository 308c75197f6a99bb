"""Locks that C code is part of, that a fork has left behind, that the interpreter's end waits for, that are damaged.

programs/inversion.py, forked.py, shutdown.py and damaged_locks.py.
"""

import contextlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from tests.support import compare, embedding, processes
from tests.support.stripped import Launch
from tests.support.subject import Subject

FUTEX = "202"  # x86-64
COMMANDS = ["py-locks -json", "py-threads -json", "py-locks", "py-threads", "py-locks -dot"]

# Every way to look at a process once: with each of the others test_locks.py looks at more locks than these.
pytestmark = pytest.mark.parametrize(
    "mode, where", [("symbols", "live"), ("hidden", "gcore"), ("stripped", "kernel core")], scope="session")


class Asked:
    """What gdb says of a subject, and what is true."""

    def __init__(self, subject: Subject, where: str) -> None:
        reason = processes.no_kernel_core() if where == "kernel core" else None
        if reason:
            pytest.skip(reason)
        run = subject.run(where, COMMANDS)
        for answer in run.answers:
            assert answer.stderr == "", "%s printed to stderr: %s" % (answer.command, answer.stderr)
        locks, threads, self.text, self.listing, self.graph = run.answers
        self.truth: Dict[str, Any] = subject.place(where).truth
        self.true = {thread["key"]: thread for thread in self.truth["threads"]}
        self.idents = {key: thread["ident"] for key, thread in self.true.items()}
        self.document: Dict[str, Any] = locks.document()
        by_lwp = compare.by_lwp(threads.document()["threads"])
        self.waits = {key: by_lwp[thread["lwp"]]["waiting_on"] for key, thread in self.true.items()}

    def locks_of(self, key: str) -> List[Dict[str, Any]]:
        """What py-locks says of what a thread waits for."""
        return [lock for lock in self.document["locks"]
                if self.idents[key] in [waiter["ident"] for waiter in lock["waiters"]]]

    def lines(self, lock: Dict[str, Any]) -> Dict[int, int]:
        """Where each waiter waits for it, by ident."""
        return {waiter["ident"]: waiter["line"] for waiter in lock["waiters"]}


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """inversion.c, compiled."""
    try:
        return embedding.build(tmp_path_factory.mktemp("inversion") / "inversion.so",
                               ["-shared", "-fPIC", "-lpthread"], "inversion.c")
    except embedding.CannotBuild as error:
        pytest.skip(str(error))


@pytest.fixture
def inversion(launch: Launch, mode: str, library: Path) -> Iterator[Subject]:
    """The program, hanging; a free-threaded interpreter has to be told to have a GIL."""
    if launch.root is not None:
        pytest.skip("the library is built for this system, not for %s" % launch.root)
    launch = launch._replace(variables={**launch.variables, "PYTHON_GIL": "1"})
    with contextlib.closing(Subject(launch, mode, "inversion.py", str(library))) as subject:
        program = subject.program()
        truth = program.truth

        def hangs() -> bool:
            calls = {thread["key"]: processes.system_call(program.pid, thread["lwp"])
                     for thread in truth["threads"]}
            return (all(call[0] == FUTEX for call in calls.values()) and calls["keeper"][1] == truth["mutex"]
                    and truth["semaphore"] not in (calls["owner"][1], calls["bystander"][1]))

        processes.wait_for(hangs, "the keeper at the mutex, the others waiting for the GIL")
        yield subject


def test_a_mutex_and_the_gil(inversion: Subject, where: str) -> None:
    """The mutex's owner is in the mutex, the GIL's in the interpreter: a ring of two, and who else wants the GIL."""
    asked = Asked(inversion, where)
    idents, true = asked.idents, asked.true
    [deadlock] = asked.document["deadlocks"]
    assert set(deadlock["threads"]) == {idents["keeper"], idents["owner"]}
    # The main thread waits for the workers' end, or already for the GIL.
    assert set(deadlock["behind"]) == {idents["bystander"], idents["main"]}
    [mutex], [gil] = asked.locks_of("keeper"), asked.locks_of("owner")
    assert (mutex["kind"], mutex["address"]) == ("mutex", asked.truth["mutex"])
    assert (mutex["holder"]["ident"], mutex["holder"]["evidence"]) == (idents["owner"], "owner-field")
    assert asked.lines(mutex) == {idents["keeper"]: true["keeper"]["line"]}
    assert (gil["kind"], gil["holder"]["ident"], gil["holder"]["evidence"]) == (
        "gil", idents["keeper"], "owner-field")
    lines = asked.lines(gil)
    lines.pop(idents["main"], None)
    assert lines == {idents[key]: true[key]["line"] for key in ("owner", "bystander")}
    waits = {key: asked.waits[key]["kind"] for key in ("keeper", "owner", "bystander")}
    assert waits == {"keeper": "mutex", "owner": "gil", "bystander": "gil"}
    text = asked.text.stdout
    assert text.startswith("Deadlock: 2 threads wait for each other.\n")
    for key, wait in (("keeper", "pthread mutex at %s" % asked.truth["mutex"]), ("owner", "the GIL")):
        section = text[text.index('"%s" waits for %s\n' % (key, wait)):].split("\n")
        assert "inversion.py:%d)" % true[key]["line"] in section[1]
    assert '"keeper"' in section[2]


def test_a_lock_of_a_thread_that_the_fork_left_behind(make_subject: Callable[..., Subject], where: str) -> None:
    """It is held, and nobody here holds it: no guess, no deadlock."""
    with contextlib.closing(make_subject("forked.py")) as subject:
        asked = Asked(subject, where)
    assert asked.document["deadlocks"] == [] and asked.document["possible_deadlocks"] == []
    [plain], [owned] = asked.locks_of("plain"), asked.locks_of("owned")
    assert plain["holder"] is None and plain["problem"] == "held, and no live thread's frame holds it"
    assert owned["holder"] is None and owned["owner_without_thread"] == asked.truth["holder"]
    for key, lock, kind in (("plain", plain, "lock"), ("owned", owned, "rlock")):
        assert (lock["kind"], lock["address"], lock["name"]) == (kind, asked.truth[key], "__main__." + key)
        assert asked.lines(lock) == {asked.idents[key]: asked.true[key]["line"]}
    assert "held, and no live thread's frame holds it" in asked.text.stdout
    assert "held by thread %#x, which is no thread of this process" % asked.truth["holder"] in asked.text.stdout


def test_the_interpreters_shutdown(make_subject: Callable[..., Subject], where: str) -> None:
    """It joins a thread, and says which."""
    with contextlib.closing(make_subject("shutdown.py")) as subject:
        asked = Asked(subject, where)
    [lock] = asked.document["locks"]
    assert (lock["kind"], lock["holder"]["ident"], lock["holder"]["evidence"]) == (
        "shutdown", asked.idents["worker"], "call")
    assert [waiter["ident"] for waiter in lock["waiters"]] == [asked.idents["main"]]
    assert "interpreter shutdown, which joins thread 'worker'" in asked.text.stdout.lower()
    wait = asked.waits["main"]
    assert wait["kind"] == "shutdown" and wait["owner"] == asked.idents["worker"]


def test_damaged_locks(make_subject: Callable[..., Subject], where: str) -> None:
    """What is whole is told, nothing is made of what is damaged, and no command fails."""
    with contextlib.closing(make_subject("damaged_locks.py")) as subject:
        asked = Asked(subject, where)
    truth, idents = asked.truth, asked.idents
    assert asked.document["deadlocks"] == [] and asked.document["possible_deadlocks"] == []
    [whole], [owned] = asked.locks_of("whole"), asked.locks_of("owned")
    assert (whole["address"], whole["holder"]["ident"], whole["holder"]["evidence"]) == (
        truth["whole"], idents["holder"], "with-block")
    assert whole["holder"]["taken"]["line"] == truth["takes"]
    assert asked.lines(whole) == {idents["whole"]: truth["waits"]}
    assert (owned["address"], owned["holder"], owned["owner_without_thread"]) == (
        truth["owned"], None, truth["stranger"])
    assert "held by thread %#x, which is no thread of this process" % truth["stranger"] in asked.text.stdout
    # The memory of a lock that is freed is no lock.
    assert asked.locks_of("freed") == [] and asked.waits["freed"]["kind"] == "native"
    for key in ("event", "future", "queue", "semaphore", "barrier"):
        assert asked.waits[key]["kind"] == key
        assert [lock["holder"] for lock in asked.locks_of(key)] == [None], key
    assert asked.waits["join"]["kind"] == "join"
