"""Processes stopped at any instruction: a few of the stops that scripts/promises makes by the thousand."""


from tests.support import stops, stripped
from tests.support.interpreters import Interpreter

STOPS = 9


def test_every_command_answers_or_says_why_not(one_interpreter: Interpreter) -> None:
    """In allocations, calls, threads and processes that begin and end."""
    tally = stops.run(stripped.as_installed(one_interpreter), STOPS, "1")
    print(tally.line())
    assert tally.problems == []
    assert tally.came["long"] == STOPS - STOPS // 3 and tally.came["answers"] > tally.came.get("refusals", 0)
