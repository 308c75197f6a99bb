"""Thousands of threads, each of which waits for the next one: programs/long_chain.py."""

import re

from tests.support import compare, gdb, processes, stripped
from tests.support.interpreters import Interpreter

LENGTH = 2000
LIMIT = 3


def test_a_chain_of_thousands(one_interpreter: Interpreter) -> None:
    """Who waits for whom all along the chain, no ring, and one group; with one interpreter, for time's sake."""
    launch = stripped.as_installed(one_interpreter)
    with processes.running_python(launch, "long_chain.py", str(LENGTH)) as program:
        run = gdb.run(["py-locks -json", "py-threads -group", "py-threads -json", f"py-locks -limit {LIMIT}",
                       f"py-threads -limit {LIMIT}", f"py-threads -json -limit {LIMIT}"],
                      mode="hidden", pid=program.pid, before=["-iex", "set auto-solib-add off"])
        truth = program.truth
    locks, groups, threads, first_locks, first_threads, first = run.answers
    for answer in run.answers:
        assert answer.stderr == "", answer.stderr
    document = locks.document()
    assert document["deadlocks"] == [] and document["possible_deadlocks"] == []
    idents = {thread["key"]: thread["ident"] for thread in truth["threads"]}
    expected = {truth["locks"][number + 1]: (idents[number], idents.get(number + 1, truth["main"]))
                for number in range(LENGTH)}
    assert {lock["address"]: (lock["waiters"][0]["ident"], lock["holder"]["ident"])
            for lock in document["locks"]} == expected
    assert len(compare.by_lwp(threads.document()["threads"])) == LENGTH + 1
    assert re.match(r"%d threads: " % LENGTH, groups.stdout)
    assert len(groups.stdout.splitlines()) < 20
    # A limit, and what it has left out.
    waited = re.findall(r"(?m)^  Lock .*$", first_locks.stdout)
    assert len(waited) == LIMIT
    assert f"{LENGTH - LIMIT:,} more locks and other things that threads wait for: " in first_locks.stdout
    assert len(compare.thread_rows(first_threads.stdout)) == 1 + LIMIT
    assert first_threads.stdout.splitlines()[-1] == f"{LENGTH + 1 - LIMIT:,} more threads: -limit left them out."
    assert first.document()["threads"] == threads.document()["threads"][:LIMIT]
    assert first.document()["notes"] == [first_threads.stdout.splitlines()[-1]]
