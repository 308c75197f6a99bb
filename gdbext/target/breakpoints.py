"""Breakpoints."""

import gdb

from . import console
from .stop import NoInferior


class CannotStop(Exception):
    """There is no process that could stop at a breakpoint; the message says why."""


def at(address: int, condition: str) -> None:
    """Set a breakpoint at an instruction that stops where a condition of gdb's is true.

    gdb prints which number it has. Raises CannotStop for a core, NoInferior.
    """
    inferior = gdb.selected_inferior()
    if not inferior.pid:
        raise NoInferior()
    connection = getattr(inferior, "connection", None)
    target = connection.type if connection is not None else console.output("info target")
    if target == "core" or "core dump file" in target:
        raise CannotStop("a core does not run")
    gdb.Breakpoint(f"*{address:#x}").condition = condition
