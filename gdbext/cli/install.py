"""gdbext install: one marked block in the init file that gdb reads."""

import argparse
import os
import re
from typing import Any, Optional

from ..analysis.statuses import NOT_WRITTEN
from ..analysis.whole_files import whole
from . import Failed, host, init_file

_BEGIN = "# >>> gdbext, written by `gdbext install` >>>"
_END = "# <<< gdbext <<<"
_BLOCK = re.compile(rf"(?ms)^{re.escape(_BEGIN)}\n.*?^{re.escape(_END)}(?:\n|\Z)")
_SOURCE = re.compile(r"(?m)^[ \t]*source[ \t]+(.*?gdbext/init\.py)[ \t]*$")
# Where the file as it was before the last change is kept.
BACKUP = ".before-gdbext"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "install", help="have gdb load gdbext whenever it starts",
        description="Writes one marked block with one `source` line into the init file that gdb reads. "
        f"The file as it was is kept beside it, with {BACKUP} behind its name.")
    parser.add_argument("--gdb", metavar="PATH", help="the gdb that is meant (default: the one on PATH)")
    parser.add_argument("--print", action="store_true", help="say what would be written, and where; write nothing")
    parser.add_argument("--uninstall", action="store_true", help="take the block out again")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the block, or take it out. Raises Failed."""
    gdb = host.find(options.gdb)
    path = host.users_init_file(gdb)
    old = read(path)
    new = without_block(old) if options.uninstall else with_block(old, init_file())
    if options.print:
        print(path, *(["(nothing to do)"] if new == old else (new or "").splitlines() if options.uninstall
                      else block(init_file()).splitlines()), sep="\n")
    elif new == old:
        there = sourced(old)
        print(f"{path}: nothing to do: " + (f"it has gdb load {there}" if there and not options.uninstall
                                           else "it has no block of gdbext"))
    else:
        write(path, old, new)
        print(f"{path}: " + ("gdbext is not loaded any more" if options.uninstall
                             else f"gdb {gdb.version} will load {init_file()}"))


def block(init: str) -> str:
    """What is written. Raises Failed for a path that no line of an init file can name."""
    if re.search(r"[\n\r]|^\s|\s$", init):
        raise Failed(NOT_WRITTEN, f"gdb can't be told to load {init!r}", "Move it to a folder with a plainer name.")
    return f"{_BEGIN}\nsource {init}\n{_END}\n"


def with_block(text: Optional[str], init: str) -> str:
    """The init file's text with the block, in the place of an older one; unchanged where it loads `init` anyhow."""
    text = text or ""
    if _BLOCK.search(text):
        return _BLOCK.sub(lambda _: block(init), text, count=1)
    there = sourced(text)
    if there is not None and is_same(there, init):
        return text
    return text + ("\n" if text and not text.endswith("\n") else "") + block(init)


def without_block(text: Optional[str]) -> Optional[str]:
    """The init file's text without the block."""
    return _BLOCK.sub("", text) if text is not None else None


def sourced(text: Optional[str]) -> Optional[str]:
    """The init.py of gdbext that an init file's text has gdb load, None for none."""
    found = _SOURCE.search(text or "")
    return found.group(1) if found else None


def is_same(there: str, init: str) -> bool:
    """Whether a path, as an init file names it, is that of an init.py."""
    return os.path.realpath(os.path.expanduser(there)) == os.path.realpath(init)


def read(path: str) -> Optional[str]:
    """An init file's text, whatever its encoding; None where there is no such file. Raises Failed."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failed(NOT_WRITTEN, f"{path}: {error.strerror}") from None


def write(path: str, old: Optional[str], new: Optional[str]) -> None:
    """Put a text into the place of another, of which a copy stays. Raises Failed.

    The file is made beside its place, so that no half of it is ever there; one that would be empty is removed.
    A link, as programs that manage such files make them, stays one.
    """
    place = os.path.realpath(path)
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if old is not None:
            _put(place + BACKUP, old, like=place)
        if new or os.path.islink(path):
            _put(place, new or "", like=place)
        else:
            os.remove(path)
    except OSError as error:
        raise Failed(NOT_WRITTEN, f"{error.filename or place}: {error.strerror}") from None


def _put(path: str, text: str, like: str) -> None:
    mode = os.stat(like).st_mode & 0o7777 if os.path.exists(like) else 0o600
    with whole(path, force=True, mode=mode) as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.flush()
        os.fsync(file.fileno())
