"""Thousands of threads, each of which waits for the next one: programs/long_chain.py."""

import re
import time

import pytest

from tests.support import compare, gdb, processes, stripped
from tests.support.interpreters import Found

LENGTH = 2000
# gdb itself takes some of it, to attach to that many threads. Measured: 5 on a busy machine.
MOST_SECONDS = 40


def test_a_chain_of_thousands(found: Found) -> None:
    """Who waits for whom all along the chain, no ring, and one group; with one interpreter, for time's sake."""
    if not found.interpreters:
        pytest.skip("no CPython that gdbext reads was found")
    launch = stripped.as_installed(found.interpreters[-1])
    with processes.running_python(launch, "long_chain.py", str(LENGTH)) as program:
        begin = time.monotonic()
        run = gdb.run(["py-locks -json", "py-threads -group", "py-threads -json"], mode="hidden", pid=program.pid,
                      before=["-iex", "set auto-solib-add off"])
        assert time.monotonic() - begin < MOST_SECONDS
        truth = program.truth
    locks, groups, threads = run.answers
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
