"""A process runs on unharmed after it was looked at: a few rounds of what scripts/promises does by the hundred."""


from tests.support import rounds, stripped
from tests.support.interpreters import Interpreter

ROUNDS = 5


def test_a_server_goes_on(one_interpreter: Interpreter) -> None:
    """Its clients get all answers, and no thread is left stopped, by a gdb that was killed either."""
    tally = rounds.run(stripped.as_installed(one_interpreter), ROUNDS, "1")
    print(tally.line())
    assert tally.problems == []
    assert tally.killed == 1 and tally.answered > ROUNDS * rounds.CLIENTS
