"""The CPython interpreters that are on this machine, and which of them the tests use.

Nothing here knows pytest.
"""

import functools
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

# The oldest and newest minor version that gdbext reads.
SUPPORTED = ((3, 6), (3, 15))
# Free-threaded builds have other structures throughout.
FREE_THREADED_SUPPORTED = False

# Overrides the search: paths of interpreters, separated as in PATH.
PYTHONS_VARIABLE = "GDBEXT_PYTHONS"
# What must be there; see `missing`.
REQUIRE_VARIABLE = "GDBEXT_REQUIRE"

EXECUTABLE_NAME = re.compile(r"python3\.\d+[dt]*\Z")
ASKING_TIMEOUT = 30  # seconds; a cold disk takes a few

# What an interpreter says of itself. Runs on 3.6 and newer, and on PyPy.
QUESTION = r"""
import json, platform, re, sys, sysconfig
with open("/proc/self/maps") as maps:
    found = re.search(r"(?m)(/.*/libpython3[^/\n]*)$", maps.read())
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": sys.version.split()[0],
    "version_info": sys.version_info[:3],
    "prefix": sys.base_prefix,
    "debug": hasattr(sys, "gettotalrefcount"),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "libpython": found and found.group(1),
    "include": sysconfig.get_paths()["include"],
    "dynload": sysconfig.get_config_var("DESTSHARED"),
}))
"""


class NotUsable(Exception):
    """A file that looks like an interpreter and can't serve as one; the message says why."""


@dataclass(frozen=True)
class Interpreter:
    """One CPython."""

    path: Path  # its executable, symbolic links resolved
    version: str  # as sys.version begins: "3.13.0rc1+"
    version_info: Tuple[int, int, int]
    prefix: Path
    debug: bool
    free_threaded: bool
    libpython: Optional[Path]  # None: the executable holds the interpreter itself
    dynload: Optional[Path]  # where its extension modules lie
    vendor: str  # "debian" for the system's own; "" for others

    @property
    def id(self) -> str:
        """A name for people and for test ids: "3.11.7", "3.13.0t", "3.11.2-debian"."""
        build = ("t" if self.free_threaded else "") + ("d" if self.debug else "")
        return self.version + build + ("-" + self.vendor if self.vendor else "")

    @property
    def minor(self) -> Tuple[int, int]:
        """(3, 11)"""
        return self.version_info[:2]

    @property
    def image(self) -> Path:
        """The file that holds the interpreter's code and runtime."""
        return self.libpython or self.path

    def unsupported(self) -> Optional[str]:
        """Why gdbext can't read it yet; None where it can."""
        first, last = SUPPORTED
        if not first <= self.minor <= last:
            return "gdbext reads 3.%d to 3.%d" % (first[1], last[1])
        if self.free_threaded and not FREE_THREADED_SUPPORTED:
            return "gdbext does not read free-threaded builds yet"
        return None


class Left(NamedTuple):
    """A candidate that is not used."""

    path: Path
    reason: str


class Found(NamedTuple):
    """The outcome of a search."""

    interpreters: Tuple[Interpreter, ...]
    left_out: Tuple[Left, ...]


def ask(path: Path) -> Interpreter:
    """Run an executable and have it describe itself.

    Raises NotUsable where it is no CPython 3.6 or newer, or does not run.
    """
    path = path.resolve()
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"\x7fELF":
                raise NotUsable("not an ELF executable (a shim or a script)")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        answer = subprocess.run(
            [str(path), "-I", "-c", QUESTION], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=ASKING_TIMEOUT, env=environment, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotUsable("does not run: %s" % error) from error
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or ["no message"]
        raise NotUsable("exits with %d: %s" % (answer.returncode, lines[-1]))
    told = json.loads(answer.stdout)
    if told["implementation"] != "CPython":
        raise NotUsable("is %s, not CPython" % told["implementation"])
    if tuple(told["version_info"]) < (3, 6):
        raise NotUsable("is Python %s, older than 3.6" % told["version"])
    return Interpreter(
        path=path,
        version=told["version"],
        version_info=tuple(told["version_info"]),
        prefix=Path(told["prefix"]),
        debug=told["debug"],
        free_threaded=told["free_threaded"],
        libpython=Path(told["libpython"]).resolve() if told["libpython"] else None,
        dynload=Path(told["dynload"]) if told["dynload"] else None,
        vendor=system_name() if path.parent == Path("/usr/bin") else "",
    )


@functools.lru_cache(maxsize=None)
def system_name() -> str:
    """The distribution's short name: "debian"; "system" where it has none."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return "system"
    found = re.search(r'(?m)^ID="?([^"\n]+)', text)
    return found.group(1) if found else "system"


def candidates() -> List[Path]:
    """Files that may be interpreters: pyenv's, the system's, those in /opt, those on PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = sorted((pyenv / "versions").glob("*/bin"), key=_by_number)
    folders += [Path("/usr/bin"), Path("/usr/local/bin")]
    folders += sorted(Path("/opt").glob("*/bin")) + sorted(Path("/opt").glob("*/*/bin"))
    folders += [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    paths = []
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue  # PATH names folders that don't exist, or that one may not read
        paths += [folder / name for name in names if EXECUTABLE_NAME.match(name)]
    return paths


def _by_number(path: Path) -> Sequence:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))]


def find(named: Iterable[str] = ()) -> Found:
    """Every usable interpreter once, and why others are left out.

    `named` (else the environment's GDBEXT_PYTHONS) replaces the search. Raises NotUsable
    where one that was named can't be used: who names one wants it tested.
    """
    named = list(named) or [path for path in os.environ.get(PYTHONS_VARIABLE, "").split(os.pathsep) if path]
    interpreters, left_out, seen = [], [], set()
    for path in [Path(name) for name in named] or candidates():
        try:
            status = path.stat()  # several names may lead to one file, by symbolic or hard links
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            interpreter = ask(path)
            reason = interpreter.unsupported()
            if reason:
                raise NotUsable("is Python %s: %s" % (interpreter.id, reason))
        except (OSError, NotUsable) as error:
            if named:
                raise NotUsable("%s: %s" % (path, error)) from error
            left_out.append(Left(path, str(error)))
        else:
            interpreters.append(interpreter)
    return Found(tuple(interpreters), tuple(left_out))


def missing(required: str, interpreters: Sequence[Interpreter]) -> List[str]:
    """Which of the required interpreters are not there.

    `required` is a comma-separated list. An item is a version or the beginning of one
    ("3.11", "3.11.7"), an id ("3.11.2-debian"), or a path ("/usr/bin/python3.11").
    """
    def satisfies(interpreter: Interpreter, item: str) -> bool:
        if os.sep in item:
            return interpreter.path == Path(item).resolve()
        return item == interpreter.id or (interpreter.version + ".").startswith(item + ".")

    items = [item.strip() for item in required.split(",") if item.strip()]
    return [item for item in items if not any(satisfies(each, item) for each in interpreters)]
