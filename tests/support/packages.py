"""Programs of others for tests: Debian's and PyPI's packages, unpacked into a cache outside the repository.

Nothing is installed on the system. What is complete has a stamp and is used again; what is not, for the
network failed or a run was broken off, is made anew by the next run.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from tests.support.interpreters import Interpreter

# Seconds for one download or build. On a slow line the rest comes with the next run.
TIMEOUT = 240
STAMP = ".complete"


class NotAvailable(Exception):
    """A package can't be had here; the message says why."""


# Why something could not be made, so that it is tried once a session.
_failures: Dict[Path, NotAvailable] = {}


def cache() -> Path:
    """The folder for what tests have downloaded and built."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gdbext" / "tests"


def cached(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills, unless an earlier run has done so. Raises NotAvailable."""
    if folder in _failures:
        raise _failures[folder]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(folder.name + ".lock")):
        if not (folder / STAMP).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                make(folder)
            except NotAvailable as error:
                _failures[folder] = error
                raise
            (folder / STAMP).touch()
    return folder


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], what: str, variables: Optional[Mapping[str, str]] = None,
         folder: Optional[Path] = None) -> str:
    """What a command prints. Raises NotAvailable with the last thing that it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        ended = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
            env={**environment, "LC_ALL": "C.UTF-8", **(variables or {})}, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAvailable("%s: %s" % (what, error)) from error
    if ended.returncode != 0:
        said = [line for line in ended.stderr.splitlines() if line.strip()]
        said = said or ["exit code %d" % ended.returncode]
        errors = [line for line in said if line.startswith(("E:", "ERROR"))]
        raise NotAvailable("%s: %s" % (what, (errors or said)[-1]))
    return ended.stdout


# --- Debian ----------------------------------------------------------------------------------

def debian(*packages: str) -> Path:
    """A folder with Debian packages unpacked into it, not with what they depend on. Raises NotAvailable."""
    for tool in ("apt-get", "apt-cache", "dpkg"):
        if shutil.which(tool) is None:
            raise NotAvailable("no %s here, so no Debian package %s" % (tool, packages[0]))
    versions = [_debian_version(package) for package in packages]
    key = hashlib.sha256(" ".join(versions).encode()).hexdigest()[:12]

    def make(folder: Path) -> None:
        for package in packages:
            _run(["apt-get", "-q", "download", package], "the Debian package %s" % package, folder=folder)
        for file in sorted(folder.glob("*.deb")):
            _run(["dpkg", "-x", str(file), str(folder)], "unpacking %s" % file.name)
            file.unlink()

    return cached(cache() / "debian" / ("%s-%s" % (packages[0], key)), make)


@functools.lru_cache(maxsize=None)
def _debian_version(package: str) -> str:
    told = _run(["apt-cache", "show", "--no-all-versions", package], "Debian's package %s" % package)
    found = re.search(r"(?m)^Version: (.*)$", told)
    if found is None:
        raise NotAvailable("apt knows no package %s" % package)
    return "%s=%s" % (package, found[1])


def depends(package: str) -> List[str]:
    """The packages that one depends on. Raises NotAvailable."""
    if shutil.which("apt-cache") is None:
        raise NotAvailable("no apt-cache here, so no Debian package %s" % package)
    told = _run(["apt-cache", "depends", "--important", package], "Debian's package %s" % package)
    return re.findall(r"(?m)^  Depends: (\S+)$", told)


def library_path(root: Path) -> Dict[str, str]:
    """The variable with which a program from an unpacked package finds libraries that came with it."""
    folders = sorted({str(path.parent) for path in root.glob("**/*.so*")
                      if path.parent.name.endswith("linux-gnu")})
    return {"LD_LIBRARY_PATH": os.pathsep.join(folders)}


def needs(file: Path, variables: Mapping[str, str]) -> None:
    """Raises NotAvailable where a library that an executable needs is not there."""
    told = _run(["ldd", str(file)], "ldd %s" % file.name, variables)
    missing = re.findall(r"(?m)^\s*(\S+) => not found", told)
    if missing:
        raise NotAvailable("%s needs %s" % (file.name, ", ".join(missing)))


# --- PyPI ------------------------------------------------------------------------------------

def venv(interpreter: Interpreter, *requirements: str) -> Path:
    """The Python of a virtual environment with packages from PyPI in it. Raises NotAvailable."""
    key = re.sub(r"[^\w.]+", "-", "-".join(requirements))

    def make(folder: Path) -> None:
        _run([str(interpreter.path), "-m", "venv", str(folder)],
             "a virtual environment of %s" % interpreter.id)
        _run([str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q",
              "--timeout", "15", "--retries", "1", *requirements], "pip install %s" % " ".join(requirements))

    place = hashlib.sha256(str(interpreter.path).encode()).hexdigest()[:8]
    folder = cached(cache() / "venv" / ("%s-%s-%s" % (interpreter.id, key, place)), make)
    return folder / "bin" / "python"


def wheel(interpreter: Interpreter, requirement: str) -> Path:
    """A folder with a package of PyPI for an interpreter, without what it depends on. Raises NotAvailable.

    Quicker than an environment; the pip is that of the tests. Debug builds load the wheels of release
    builds since 3.8 (bpo-36721), the first in which both have one ABI.
    """
    if interpreter.debug and interpreter.minor < (3, 8):
        raise NotAvailable("PyPI has no wheels for debug builds before 3.8")
    return wheel_for(interpreter.minor, "t" if interpreter.free_threaded else "m" if interpreter.minor < (3, 8) else "",
                     requirement)


def wheel_for(version: Tuple[int, int], flags: str, requirement: str) -> Path:
    """The same for a release, and the letters behind it in the name of its ABI. Raises NotAvailable."""
    major, minor = version
    abi = "cp%d%d%s" % (major, minor, flags)
    platforms = ["--platform=manylinux%s_x86_64" % each for each in ("1", "2010", "2014", "_2_24", "_2_28", "_2_34")]

    def make(folder: Path) -> None:
        _run([sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps",
              "--timeout", "15", "--retries", "1", "--only-binary=:all:", "--implementation=cp", "--abi=%s" % abi,
              "--python-version=%d.%d" % (major, minor), *platforms, "--target", str(folder), requirement],
             "pip install %s for %s" % (requirement, abi))

    return cached(cache() / "wheel" / ("%s-%s" % (requirement, abi)), make)


def frozen(python: Path, script: Path, modules: Sequence[Path], kind: str) -> Path:
    """The executable that PyInstaller makes of a script: `kind` is onedir or onefile. Raises NotAvailable."""
    sources: List[Path] = [script, *modules]
    version = _run([str(python), "-m", "PyInstaller", "--version"], "PyInstaller").strip()
    key = hashlib.sha256(b"\0".join([version.encode(), str(python.resolve()).encode(), str(python).encode(),
                                     *(path.read_bytes() for path in sources)])).hexdigest()[:12]

    def make(folder: Path) -> None:
        _run([str(python), "-m", "PyInstaller", "--%s" % kind, "--log-level", "ERROR", "--noconfirm",
              "--distpath", str(folder / "dist"), "--workpath", str(folder / "work"),
              "--specpath", str(folder), "--paths", str(script.parent), str(script)],
             "PyInstaller --%s" % kind, {"PYINSTALLER_CONFIG_DIR": str(folder / "config")}, folder)
        shutil.rmtree(folder / "work")

    folder = cached(cache() / "frozen" / ("%s-%s-%s" % (script.stem, kind, key)), make)
    executable = folder / "dist" / script.stem
    return executable / script.stem if kind == "onedir" else executable
