"""The list of the commands."""

from .bt import Backtrace
from .threads import Threads

COMMANDS = (Backtrace, Threads)


def register() -> None:
    """Add the commands to gdb, or put them in the place of those added before."""
    for command in COMMANDS:
        command()
