"""The command `gdbext` of a shell: installs the gdb extension, checks it, and looks into a process or a core at once.

It runs under any Python from 3.9 on, in an environment that gdb's own Python need not know.
"""

import os
import sys
from typing import NoReturn, Optional, Sequence

from .. import __version__
from ..analysis.statuses import INTERRUPTED, NOBODY_READS, OK

STATUSES = """\
exit status:
  0  answered, or done
  1  part of the answer failed; doctor: something is not right
  2  the command line is wrong
  3  gdb could not attach to the process, or open the core
  4  no CPython there that gdbext reads
  5  no gdb that can run gdbext
  6  an init file could not be read or written"""


class Failed(Exception):
    """The command can't do what it was asked for: the message says why, `remedies` what helps, a line each."""

    def __init__(self, status: int, message: str, *remedies: str) -> None:
        super().__init__(message)
        self.status = status
        self.remedies = remedies


def main(arguments: Optional[Sequence[str]] = None) -> NoReturn:
    """Run the command; ends the process with one of the statuses above."""
    import argparse

    from . import doctor, dump, install

    parser = argparse.ArgumentParser(
        prog="gdbext", description="Look into Python programs that hang, leak or have crashed, through gdb.",
        epilog=STATUSES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"gdbext {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (dump, install, doctor):
        module.add(commands)
    path = commands.add_parser("path", help="print the path of init.py, which gdb is to source")
    path.set_defaults(run=lambda options: print(init_file()))
    options = parser.parse_args(arguments)
    try:
        status = options.run(options)
        sys.stdout.flush()
    except Failed as failed:
        print(f"gdbext {options.command}: {failed}", *(f"  {line}" for line in failed.remedies), sep="\n",
              file=sys.stderr)
        status = failed.status
    except (BrokenPipeError, KeyboardInterrupt) as end:
        # Nobody reads on, as behind `| head`, or will not; what is left to be written goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = INTERRUPTED if isinstance(end, KeyboardInterrupt) else NOBODY_READS
    sys.exit(status or OK)


def init_file() -> str:
    """The path of what gdb has to source."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "init.py")
