"""py-leaks: what is on the heap, and where it went. Its subcommands each ask one question more."""

from typing import TYPE_CHECKING, Any, Dict, Tuple

from ..cpython.limits import Limits
from .command import DATA, JSON, Command, Option, refuse, write

if TYPE_CHECKING:
    from ..cpython.runtime import Runtime
    from .model import Model

LIMIT = Option("limit", "Print the first N only. Default: 20.", "N")
DEFAULT_LIMIT = 20
# Of a value in a list of many.
ONE_LINE = Limits(50, 4, 2, 80)
SORTS = ("bytes", "count", "type")


class Leaks(Command):
    """The census, and the prefix of the others."""

    NAME = "py-leaks"
    CLASS = DATA
    SUMMARY = "Count the objects on the heap by type, and their bytes."
    USAGE = "py-leaks [-limit N] [-sort count|bytes|type] [-tracked] [-detach] [-json]"
    OPTIONS: Tuple[Option, ...] = (
        LIMIT,
        Option("sort", "What to sort by: bytes (default) and count, biggest first, or type.", "KEY", choices=SORTS),
        Option("tracked", "Count what the collector tracks only, as gc.get_objects() does, frozen objects too."),
        Option("detach", "Copy the memory and let the process go on, then count. The other py-leaks commands "
                         "look at the copy too."),
        JSON,
    )
    EXAMPLE = "py-leaks -sort count -limit 5"
    PREFIX = True

    def run(self, options: Dict[str, Any]) -> None:
        """Count; Ctrl-C ends it early with what was counted so far."""
        from ..analysis import census
        from ..render import leaks
        from . import model
        from .progress import ProgressLine

        current = model.heap()
        paused = _let_go(self, current) if options["detach"] else None
        with ProgressLine("counting") as progress:
            found = census.take(runtime_of(current), current.memory.writable(), progress, options["tracked"])
            seconds = progress.seconds
        rows = leaks.ordered(found.rows, options["sort"] or SORTS[0])
        if options["json"]:
            write([leaks.census_document(current.target(), found, rows[:options["limit"]], paused)])
        else:
            notes = [*found.notes, *current.notes()]
            write(list(leaks.census_text(found, rows, options["limit"] or DEFAULT_LIMIT, seconds, paused, notes)))


def _let_go(command: Command, current: "Model") -> float:
    """Copy the memory and detach; for how many seconds the process stood still for that."""
    import time

    from ..target.copied import NoRoom
    from ..target.memory import NotLive

    start = time.monotonic()
    try:
        current.let_go()
    except NotLive:
        refuse(f"{command.NAME}: -detach is for a live process of this machine: "
               f"{current.label()} is none that gdb holds")
    except (NoRoom, OSError) as error:
        refuse(f"{command.NAME}: {error}")
    return time.monotonic() - start


def runtime_of(current: "Model") -> "Runtime":
    """The runtime whose heap is looked at: the first of the process."""
    return current.pythons[0].runtime


def address_of(command: Command, text: str) -> int:
    """An address as typed: a number in any of Python's ways. Raises gdb.GdbError."""
    try:
        address = int(text, 0)
    except ValueError:
        address = 0
    if not 0 < address < 1 << 64:
        refuse(f"{command.NAME}: {text!r} is no address: give a number such as 0x7f0123456780")
    return address
