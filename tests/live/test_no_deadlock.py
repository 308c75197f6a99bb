"""Never a false deadlock: a busy program is stopped at random moments, and nothing is reported.

GDBEXT_STOPS says how often, for a longer run than that of every day.
"""

import contextlib
import json
import os
from typing import Iterator

import pytest

from tests.support import gdb, processes
from tests.support.stripped import Launch

STOPS = int(os.environ.get("GDBEXT_STOPS", "12"))
# What one gdb does well within its time.
STOPS_OF_ONE_GDB = 20
SCRIPT = gdb.REPOSITORY / "tests" / "support" / "many_stops.py"

# An assertion of debug builds of 3.13, which a program with many waits that time out may meet, with no gdb near.
OWN_ASSERTION = "_PyMutex_LockTimed: Assertion"

pytestmark = pytest.mark.parametrize("mode", ["hidden"], scope="session")


@pytest.fixture
def program(launch: Launch) -> Iterator[processes.Program]:
    """The busy program."""
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(processes.running_python(launch, "busy_locks.py"))
        except processes.ProgramFailed as error:
            skip_after_own_assertion(str(error))
            raise
        yield running


def skip_after_own_assertion(errors: str) -> None:
    """Without the program there is nothing to look at."""
    if OWN_ASSERTION in errors:
        pytest.skip("the interpreter ended by an assertion of its own: %s" % errors)


def test_a_busy_program_has_no_deadlock(program: processes.Program, mode: str) -> None:
    """None for certain at any stop; and in all of them together, locks that are waited for and held."""
    seen = {"locks": 0, "holders": 0, "waiters": 0, "stops": 0, "possible": 0}
    seed = 0
    while seen["stops"] < STOPS:
        count = min(STOPS - seen["stops"], STOPS_OF_ONE_GDB)
        seed += 1
        run = gdb.run(["source %s" % SCRIPT], mode=mode, before=["-iex", "set auto-solib-add off"],
                      variables={"STOPS_PID": str(program.pid), "STOPS_COUNT": str(count),
                                 "STOPS_SEED": str(seed)})
        answer, = run.answers
        documents = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
        skip_after_own_assertion(program.errors())
        assert len(documents) == count, answer.stderr
        for document in documents:
            assert document["deadlocks"] == [], json.dumps(document, indent=1)
            seen["possible"] += len(document["possible_deadlocks"])
            seen["locks"] += len(document["locks"])
            seen["holders"] += sum(lock["holder"] is not None for lock in document["locks"])
            seen["waiters"] += sum(len(lock["waiters"]) for lock in document["locks"])
        seen["stops"] += count
    assert program.errors() == ""
    print(seen)
    assert seen["waiters"] > 5 * STOPS and seen["holders"] > STOPS // 2
