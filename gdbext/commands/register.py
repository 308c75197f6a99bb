"""The list of the commands."""

from .bt import Backtrace
from .frames import Down, Frame, Up
from .threads import Threads

COMMANDS = (Backtrace, Up, Down, Frame, Threads)


def register() -> None:
    """Add the commands to gdb, or put them in the place of those added before."""
    for command in COMMANDS:
        command()
