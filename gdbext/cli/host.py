"""The gdb that is to run gdbext: which one, and what its Python can do."""

import json
import os
import shutil
import subprocess
from typing import Dict, List, NamedTuple, Optional

from ..analysis import libpython
from ..analysis.statuses import NO_GDB
from . import Failed

OLDEST_PYTHON = (3, 9)
# A gdb that answers nothing within so many seconds will not.
TIMEOUT = 60

_QUESTION = ("python import json, sys; from importlib.util import find_spec; print(json.dumps([gdb.VERSION, "
             "sys.version_info[:3], find_spec('elftools') is not None]))")
# `gdb --help` names the init files that there are.
_USERS = "* user-specific init file:"


class Gdb(NamedTuple):
    """A gdb; `python` is the version of the Python within it, `has_elftools` whether that has pyelftools."""

    path: str
    version: str
    python: List[int]
    has_elftools: bool

    @property
    def major(self) -> int:
        """The first number of its version, 0 for one that has none."""
        first = self.version.partition(".")[0]
        return int(first) if first.isdigit() else 0


def environment() -> Dict[str, str]:
    """That of this process, without what keeps gdb's Python from starting or makes gdb fetch files."""
    return {name: value for name, value in os.environ.items()
            if name not in ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "DEBUGINFOD_URLS")}


def find(named: Optional[str] = None) -> Gdb:
    """The gdb of that name or path, else the one on PATH. Raises Failed, where it can't run gdbext."""
    path = shutil.which(named or "gdb")
    if path is None:
        raise Failed(NO_GDB, f"{named} is no program" if named else "there is no gdb on PATH",
                     "Install one (Debian: apt install gdb), or name one: --gdb PATH")
    answered = run([path, "-nx", "-batch", "-ex", _QUESTION])
    try:
        found = Gdb(path, *json.loads(answered.splitlines()[-1]))
    except (ValueError, IndexError, TypeError):
        raise Failed(NO_GDB, f"{path} runs no Python", "Install a gdb that is built with Python, "
                     "or name one: --gdb PATH") from None
    if tuple(found.python[:2]) < OLDEST_PYTHON:
        raise Failed(NO_GDB, "the Python of {} is {}.{}, and gdbext needs 3.9 or newer".format(path, *found.python[:2]),
                     "Install a newer gdb, or name one: --gdb PATH")
    return found


def run(command: List[str]) -> str:
    """What a command prints to standard output. Raises Failed, where it can't be run or does not end."""
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                               errors="surrogateescape", timeout=TIMEOUT, env=environment(), check=False)
    except OSError as error:
        raise Failed(NO_GDB, f"{command[0]} can't be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Failed(NO_GDB, f"{command[0]} does not answer") from None
    return ended.stdout


def users_init_file(gdb: Gdb) -> str:
    """The user's own init file: the one that this gdb says it reads, else the one that it would."""
    for line in run([gdb.path, "--help"]).splitlines():
        if line.strip().startswith(_USERS):
            return line.strip()[len(_USERS):].strip()
    return libpython.init_file(os.path.expanduser("~"), os.environ.get("XDG_CONFIG_HOME"), gdb.major)
