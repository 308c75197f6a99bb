"""The list of the commands."""

from ..target import filter as frame_filter
from . import backtrace, command, settings
from .bt import Backtrace
from .catch import Catch, PyExc, Raised
from .dump import Dump
from .exc import Exc
from .frames import Down, Frame, Up
from .functions import PyFile, PyFunction, PyLine, PyValue
from .gdbext import Gdbext, Version
from .leaks import Leaks
from .leaks_counts import LeaksCounts
from .leaks_garbage import LeaksGarbage
from .leaks_graph import LeaksExport, LeaksRetained
from .leaks_objects import LeaksBiggest, LeaksInstances, LeaksShow
from .leaks_references import LeaksPath, LeaksReferrers
from .leaks_snapshots import LeaksDiff, LeaksSnapshot
from .list import List
from .locals import Locals
from .locks import Locks
from .print import Print
from .symbols import Symbols
from .threads import Threads

# A prefix before its own.
COMMANDS = (Gdbext, Version, Dump, Backtrace, Exc, Catch, Up, Down, Frame, Locals, List, Print, Threads, Locks, Leaks,
            LeaksSnapshot, LeaksDiff, LeaksInstances, LeaksBiggest, LeaksShow, LeaksReferrers, LeaksPath,
            LeaksGarbage, LeaksCounts, LeaksRetained, LeaksExport, Symbols)
FUNCTIONS = (PyValue, PyFile, PyLine, PyFunction, PyExc, Raised)

# What gdb's machine interface has them as, for IDEs.
MACHINE_COMMANDS = {"py-bt": Backtrace, "py-threads": Threads, "py-exc": Exc, "py-locks": Locks}


def register() -> None:
    """Add the commands, functions and settings to gdb, or put them in the place of those added before."""
    for each in COMMANDS:
        each()
    for name, each in MACHINE_COMMANDS.items():
        command.add_machine_command(name, each.NAME)
    for function in FUNCTIONS:
        function()
    frame_filter.register(backtrace.runs)
    settings.register()
