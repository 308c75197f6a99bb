"""Ctrl-C at a random moment of every command: a little of what scripts/promises does fifty times for each."""


from tests.support import interrupts, stripped
from tests.support.interpreters import Interpreter


def test_every_command_is_interrupted(one_interpreter: Interpreter) -> None:
    """The prompt is back at once, the next command works, and the command itself answers as before."""
    tally = interrupts.run(stripped.as_installed(one_interpreter), interrupts.SMALL, 1, "1")
    print(tally.line())
    assert tally.problems == []
    assert tally.commands > 20 and tally.interrupted > 5 and tally.compared > 20
