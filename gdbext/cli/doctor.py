"""gdbext doctor: whether gdb loads gdbext, and what would keep it from seeing a process."""

import argparse
from typing import Any, Iterator, Tuple

from ..analysis import advice, tracing
from ..analysis.statuses import OK, PARTIAL
from . import host, init_file, install

# What `help py-threads` has in it where gdbext is loaded.
_LOADED = "py-threads"

_PROVIDED = "provided"
_PROVIDE = f"python from gdbext.elf import pyelftools; pyelftools.provide(); print({_PROVIDED!r})"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("doctor", help="say whether all is in place, and what to do where it is not",
                                 description="Looks at gdb, its Python, the init file, and what may be traced here.")
    parser.add_argument("--gdb", metavar="PATH", help="the gdb that is meant (default: the one on PATH)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a line for each thing that matters; PARTIAL where one of them is not right. Raises Failed."""
    found = list(_look(host.find(options.gdb)))
    for good, line in found:
        print(f"{'ok ' if good else 'no '} {line}")
    return OK if all(good for good, _line in found) else PARTIAL


def _look(gdb: host.Gdb) -> Iterator[Tuple[bool, str]]:
    yield True, f"gdb {gdb.version} at {gdb.path}, its Python {'.'.join(map(str, gdb.python))}"
    shown = host.run([gdb.path, "-nx", "-batch", "-ex", f"source {init_file()}", "-ex", "gdbext version",
                      "-ex", _PROVIDE]).splitlines()
    if not shown:
        yield False, f"gdbext does not load. See: {gdb.path} -nx -batch -ex 'source {init_file()}'"
        return
    yield True, f"gdbext at {init_file()}"
    yield _is_sourced(gdb)
    if shown[-1] == _PROVIDED:
        yield True, "pyelftools: " + ("in gdb's Python" if gdb.has_elftools else "beside gdbext")
    else:
        yield False, ("pyelftools: none for gdb's Python, and py-symbols looks into no file without it. Install it "
                      "for that Python, as Debian's python3-pyelftools is, or beside gdbext")
    forbidden = tracing.in_the_way()
    if forbidden == [advice.OTHER_USER, *forbidden[1:]]:
        yield True, "ptrace: this user's own processes can be attached to; others by root"
    else:
        yield not forbidden, "ptrace: " + (" ".join(forbidden) or "every process can be attached to")


def _is_sourced(gdb: host.Gdb) -> Tuple[bool, str]:
    """Whether gdb loads one by itself, as it starts for this user."""
    path = host.users_init_file(gdb)
    there = install.sourced(install.read(path))
    if _LOADED not in host.run([gdb.path, "-batch", "-ex", f"help {_LOADED}"]):
        return False, f"gdb does not load it when it starts ({path}). To have it so: gdbext install"
    if there is not None and not install.is_same(there, init_file()):
        return False, f"gdb loads another copy when it starts: {there}, by {path}. To change that: gdbext install"
    return True, f"gdb loads it when it starts, by {path if there else 'an init file of the system'}"
