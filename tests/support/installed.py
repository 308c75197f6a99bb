"""The command `gdbext` as pip installs it, into an environment whose Python is not gdb's where there is another."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import List, Sequence

from tests.support import gdb, packages
from tests.support.interpreters import Interpreter

OLDEST_PYTHON = (3, 9)


def once(interpreters: Sequence[Interpreter], folder: Path) -> List[str]:
    """The same as install(), which the first of several processes does for all. Raises packages.NotAvailable."""
    folder.mkdir(exist_ok=True)
    command = folder / "environment" / "bin" / "gdbext"
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return [str(command)] if command.exists() else install(interpreters, folder)


def install(interpreters: Sequence[Interpreter], folder: Path) -> List[str]:
    """The command in a new environment below a folder. Raises packages.NotAvailable."""
    fitting = [each for each in interpreters if each.minor >= OLDEST_PYTHON and each.root is None
               and subprocess.run([str(each.path), "-c", "import ensurepip, venv"], capture_output=True,
                                  check=False).returncode == 0]
    if not fitting:
        raise packages.NotAvailable("there is no Python 3.9 or newer with its venv module to make an environment of")
    own = ".".join(gdb.find().python.split(".")[:2])
    interpreter = min(fitting, key=lambda each: (".".join(map(str, each.minor)) == own, each.version_info))
    source = copy(folder / "source")
    environment = folder / "environment"
    try:
        pip = [str(environment / "bin" / "pip"), "-q", "--disable-pip-version-check"]
        for command in ([str(interpreter.path), "-m", "venv", str(environment)], [*pip, "install", str(source)]):
            ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=packages.TIMEOUT)
            if ended.returncode != 0:
                said = ended.stderr.strip().splitlines() or ["no message"]
                raise packages.NotAvailable("%s failed: %s" % (" ".join(command[:3]), said[-1]))
    finally:
        # It must not be the repository's files that are run.
        shutil.rmtree(source)
    return [str(environment / "bin" / "gdbext")]


def copy(folder: Path) -> Path:
    """A copy of the repository's files, without what tools have made beside them."""
    ignored = shutil.ignore_patterns("__pycache__", ".git", ".venv", "*.egg-info", ".*_cache", "build")
    return Path(shutil.copytree(gdb.REPOSITORY, folder, ignore=ignored))


def path() -> str:
    """PATH with the gdb under test first."""
    return "%s:%s" % (os.path.dirname(gdb.find().path), os.environ["PATH"])
