"""Locks that C code is part of, and that a fork has left behind: programs/inversion.py, programs/forked.py."""

import os
import signal
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from tests.support import compare, embedding, gdb, processes
from tests.support.stripped import Launch

FUTEX = "202"  # x86-64
COMMANDS = ["py-locks -json", "py-locks", "py-threads -json"]

pytestmark = pytest.mark.parametrize("mode", ["symbols", "hidden"], scope="session")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """inversion.c, compiled."""
    try:
        return embedding.build(tmp_path_factory.mktemp("inversion") / "inversion.so",
                               ["-shared", "-fPIC", "-lpthread"], "inversion.c")
    except embedding.CannotBuild as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def inversion(launch: Launch, library: Path) -> Iterator[processes.Program]:
    """The program, hanging; a free-threaded interpreter has to be told to have a GIL."""
    if launch.root is not None:
        pytest.skip("the library is built for this system, not for %s" % launch.root)
    launch = launch._replace(variables={**launch.variables, "PYTHON_GIL": "1"})
    with processes.running_python(launch, "inversion.py", str(library)) as program:
        for thread in program.truth["threads"]:
            processes.wait_for(
                lambda lwp=thread["lwp"]: processes.system_call(program.pid, lwp)[0] == FUTEX,
                "%s in a futex" % thread["key"])
        yield program


def asked(mode: str, **target: Any) -> List[gdb.Answer]:
    """gdb's answers."""
    run = gdb.run(COMMANDS, mode=mode, **target)
    for answer in run.answers:
        assert answer.stderr == "", answer.stderr
    return run.answers


@pytest.mark.parametrize("where", ["live", "gcore"])
def test_a_mutex_and_the_gil(inversion: processes.Program, mode: str, where: str, tmp_path: Path) -> None:
    """The mutex's owner is in the mutex, the GIL's in the interpreter: a ring of two, and who else wants the GIL."""
    if where == "live":
        document, text, threads = asked(mode, pid=inversion.pid)
    else:
        core = gdb.gcore(inversion.pid, tmp_path / "core")
        document, text, threads = asked(mode, core=core, executable=inversion.executable)
        core.unlink()
    truth = {thread["key"]: thread for thread in inversion.truth["threads"]}
    idents = {key: thread["ident"] for key, thread in truth.items()}
    [deadlock] = document.document()["deadlocks"]
    assert set(deadlock["threads"]) == {idents["keeper"], idents["owner"]}
    # The main thread waits for the workers' end, or already for the GIL.
    assert set(deadlock["behind"]) == {idents["bystander"], idents["main"]}
    locks = {lock["kind"]: lock for lock in document.document()["locks"] if lock["kind"] in ("mutex", "gil")}
    assert locks["mutex"]["address"] == inversion.truth["mutex"]
    assert locks["mutex"]["holder"]["ident"] == idents["owner"]
    assert [waiter["ident"] for waiter in locks["mutex"]["waiters"]] == [idents["keeper"]]
    assert locks["gil"]["holder"]["ident"] == idents["keeper"]
    waiters = {waiter["ident"] for waiter in locks["gil"]["waiters"]}
    assert {idents["owner"], idents["bystander"]} <= waiters
    waits = {lwp: thread["waiting_on"]["kind"]
             for lwp, thread in compare.by_lwp(threads.document()["threads"]).items()}
    assert waits[truth["keeper"]["lwp"]] == "mutex" and waits[truth["owner"]["lwp"]] == "gil"
    assert "pthread mutex at %s" % inversion.truth["mutex"] in text.stdout
    assert text.stdout.startswith("Deadlock: 2 threads wait for each other.\n")


@pytest.fixture(scope="module")
def forked(launch: Launch) -> Iterator[processes.Program]:
    """The program; its child hangs."""
    with processes.running_python(launch, "forked.py") as program:
        try:
            processes.wait_for(lambda: len(processes.thread_ids(program.truth["pid"])) == 2,
                               "only the threads that the truth tells of")
            yield program
        finally:
            os.kill(program.truth["pid"], signal.SIGKILL)


def test_a_lock_of_a_thread_that_the_fork_left_behind(forked: processes.Program, mode: str) -> None:
    """It is held, and nobody here holds it: no guess, no deadlock."""
    document, text, _threads = asked(mode, pid=forked.truth["pid"])
    truth: Dict[str, Any] = forked.truth
    found = document.document()
    assert found["deadlocks"] == [] and found["possible_deadlocks"] == []
    locks = {lock["address"]: lock for lock in found["locks"]}
    plain, owned = locks[truth["plain"]], locks[truth["owned"]]
    assert plain["holder"] is None and plain["problem"] == "held, and no live thread's frame holds it"
    assert owned["holder"] is None and owned["owner_without_thread"] == truth["holder"]
    idents = {thread["key"]: thread["ident"] for thread in truth["threads"]}
    assert [[waiter["ident"] for waiter in lock["waiters"]] for lock in (plain, owned)] == [
        [idents["plain"]], [idents["owned"]]]
    assert "held, and no live thread's frame holds it" in text.stdout


def test_the_interpreters_shutdown(launch: Launch, mode: str) -> None:
    """It joins a thread, and says which."""
    with processes.running_python(launch, "shutdown.py") as program:
        document, text, threads = asked(mode, pid=program.pid)
    truth = {thread["key"]: thread for thread in program.truth["threads"]}
    [lock] = document.document()["locks"]
    assert (lock["kind"], lock["holder"]["ident"], lock["holder"]["evidence"]) == (
        "shutdown", truth["worker"]["ident"], "call")
    assert [waiter["ident"] for waiter in lock["waiters"]] == [truth["main"]["ident"]]
    assert "interpreter shutdown, which joins thread 'worker'" in text.stdout.lower()
    waiting_on = compare.by_lwp(threads.document()["threads"])[truth["main"]["lwp"]]["waiting_on"]
    assert waiting_on["kind"] == "shutdown" and waiting_on["owner"] == truth["worker"]["ident"]
