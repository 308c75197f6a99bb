"""A process runs on unharmed after it was looked at: a few rounds of what scripts/promises does by the hundred."""

import pytest

from tests.support import rounds, stripped
from tests.support.interpreters import Found

ROUNDS = 5


def test_a_server_goes_on(found: Found) -> None:
    """Its clients get all answers, and no thread is left stopped, by a gdb that was killed either."""
    if not found.interpreters:
        pytest.skip("no CPython that gdbext reads was found")
    tally = rounds.run(stripped.as_installed(found.interpreters[-1]), ROUNDS, "1")
    print(tally.line())
    assert tally.problems == []
    assert tally.killed == 1 and tally.answered > ROUNDS * rounds.CLIENTS
