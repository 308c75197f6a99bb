"""Processes stopped at any instruction: a few of the stops that scripts/promises makes by the thousand."""

import pytest

from tests.support import stops, stripped
from tests.support.interpreters import Found

STOPS = 9


def test_every_command_answers_or_says_why_not(found: Found) -> None:
    """In allocations, calls, threads and processes that begin and end."""
    if not found.interpreters:
        pytest.skip("no CPython that gdbext reads was found")
    tally = stops.run(stripped.as_installed(found.interpreters[-1]), STOPS, "1")
    print(tally.line())
    assert tally.problems == []
    assert tally.came["long"] == STOPS - STOPS // 3 and tally.came["answers"] > tally.came.get("refusals", 0)
