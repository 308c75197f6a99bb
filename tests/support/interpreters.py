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

# Overrides the search: paths of interpreters, separated as in PATH.
PYTHONS_VARIABLE = "GDBEXT_PYTHONS"
# What must be there; see `missing`.
REQUIRE_VARIABLE = "GDBEXT_REQUIRE"
# The interpreters are below this folder, which is their root: see `enter`.
ROOT_VARIABLE = "GDBEXT_ROOT"

EXECUTABLE_NAME = re.compile(r"python3\.\d+[dt]*\Z")
ASKING_TIMEOUT = 30  # seconds; a cold disk takes a few

# $1: the root; $2 and so on: folders that are at the same place in it; after "--": what to run there,
# in the current folder if that is there too. One exec after the other: what it runs has the process id
# that the caller knows. The mounts are in a namespace of their own, which ends with its last process.
ENTER = r"""
set -eu
root=$1; shift
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
    shift
done
shift
test -d "$root$PWD" || cd /
exec chroot "$root" env --chdir="$PWD" "$@"
"""

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
    root: Optional[Path] = None  # the folder that it has for its root; all paths are as it sees them

    @property
    def id(self) -> str:
        """A name for people and for test ids: "3.11.7", "3.13.0t", "3.11.2-debian"."""
        names = [self.vendor] if self.vendor else []
        names += ["in", self.root.name] if self.root else []
        return "-".join([self.table, *names])

    @property
    def table(self) -> str:
        """The name of the layout table of exactly this release and kind of build: "3.13.0t", "3.11.2d"."""
        return self.version + ("t" if self.free_threaded else "") + ("d" if self.debug else "")

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
        return None


class Left(NamedTuple):
    """A candidate that is not used."""

    path: Path
    reason: str


class Found(NamedTuple):
    """The outcome of a search."""

    interpreters: Tuple[Interpreter, ...]
    left_out: Tuple[Left, ...]


def enter(root: Path, *folders: Path) -> List[str]:
    """The beginning of a command that runs in another root and mount namespace, with /proc there.

    The folders are there too, in their own place. The process keeps the id of the command. Needs
    root's rights.
    """
    return ["unshare", "--mount", "sh", "-c", ENTER, "enter", str(root), *map(str, folders), "--"]


def ask(path: Path, root: Optional[Path] = None) -> Interpreter:
    """Run an executable and have it describe itself.

    With a root the path is below that, and the executable is run in it. Raises NotUsable where it
    is no CPython 3.6 or newer, or does not run.
    """
    path = path.resolve()
    command = [str(path)]
    if root is not None:
        root = root.resolve()
        path = Path("/") / path.relative_to(root)
        command = [*enter(root), str(path)]
    try:
        with open("%s%s" % (root or "", path), "rb") as file:
            if file.read(4) != b"\x7fELF":
                raise NotUsable("not an ELF executable (a shim or a script)")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        answer = subprocess.run(
            [*command, "-I", "-c", QUESTION], stdin=subprocess.DEVNULL, capture_output=True, text=True,
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
        vendor=system_name(root or Path("/")) if path.parent == Path("/usr/bin") else "",
        root=root,
    )


@functools.lru_cache(maxsize=None)
def system_name(root: Path) -> str:
    """The distribution's short name: "debian"; "system" where it has none."""
    try:
        text = (root / "etc/os-release").read_text()
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
    return candidates_in(folders)


def candidates_in(folders: Iterable[Path]) -> List[Path]:
    """Files in the folders that may be interpreters, by their names."""
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

    `named` (else the environment's GDBEXT_PYTHONS) replaces the search; GDBEXT_ROOT says that these
    have another root, below which they are. Raises NotUsable where one that was named can't be used:
    who names one wants it tested.
    """
    named = list(named) or [path for path in os.environ.get(PYTHONS_VARIABLE, "").split(os.pathsep) if path]
    root = Path(os.environ[ROOT_VARIABLE]) if os.environ.get(ROOT_VARIABLE) else None
    return choose([Path(name) for name in named] or candidates(), bool(named), root)


def choose(paths: Iterable[Path], named: bool, root: Optional[Path] = None) -> Found:
    """Those of the files that can be used, once each; if they were named, the others raise NotUsable."""
    interpreters, left_out, seen = [], [], set()
    for path in paths:
        try:
            status = path.stat()  # several names may lead to one file, by symbolic or hard links
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            interpreter = ask(path, root)
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


def satisfies(interpreter: Interpreter, item: str) -> bool:
    """Whether an interpreter is what an item of a requirement means; see `missing`."""
    if os.sep in item:
        return interpreter.path == Path(item).resolve()
    return item == interpreter.id or (interpreter.version + ".").startswith(item + ".")


def missing(required: str, interpreters: Sequence[Interpreter]) -> List[str]:
    """Which of the required interpreters are not there.

    `required` is a comma-separated list. An item is a version or the beginning of one
    ("3.11", "3.11.7"), an id ("3.11.2-debian"), or a path ("/usr/bin/python3.11").
    """
    items = [item.strip() for item in required.split(",") if item.strip()]
    return [item for item in items if not any(satisfies(each, item) for each in interpreters)]
