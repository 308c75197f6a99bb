"""Finding gdb, and running commands in it against a process or a core."""

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from tests.support.processes import TIMEOUT

REPOSITORY = Path(__file__).resolve().parents[2]
INIT = REPOSITORY / "gdbext" / "init.py"

# Names the gdb to use instead of the one on PATH.
GDB_VARIABLE = "GDB"
# Ends what one command has printed. Nothing that gdbext prints may hold it: it is a control character.
MARK = "\x1e"

# gdb's own complaint about the register notes of this kernel's cores, once a thread: it does not know
# the size of the processor's extended state. Under `thread apply` it goes to stdout.
GDB_WARNING = re.compile(
    r"(?m)(?:^|(?<=%s))\n?warning: "
    r"(?:Unexpected size of section|Section) `\.reg-xstate/\d+' in core file(?: too small)?\.\n" % MARK)

# How much gdb is allowed to know of the interpreter.
MODES: Dict[str, Sequence[str]] = {
    # Whatever debug information there is.
    "symbols": (),
    # None: neither DWARF in the files themselves, nor separate debug files.
    "hidden": ("-readnever", "-iex", "set debug-file-directory /nonexistent"),
    # The files have none, and separate debug files are not found.
    "stripped": ("-iex", "set debug-file-directory /nonexistent"),
}


class NoGdb(Exception):
    """There is no gdb that can run the tests; the message says why and what to do."""


class Gdb(NamedTuple):
    """A gdb with Python."""

    path: str
    version: str
    python: str


class Answer(NamedTuple):
    """What one command printed."""

    command: str
    stdout: str
    stderr: str

    def documents(self) -> List[Dict[str, Any]]:
        """The JSON documents; there is one on each line and nothing else, or this is an AssertionError."""
        documents = []
        for line in self.stdout.splitlines():
            try:
                documents.append(json.loads(line))
            except ValueError:
                raise AssertionError(
                    "%s printed a line that is no JSON: %r\nstderr: %s" % (self.command, line, self.stderr)
                ) from None
        return documents

    def document(self) -> Dict[str, Any]:
        """The only JSON document."""
        documents = self.documents()
        assert len(documents) == 1, "%s printed %d documents\nstderr: %s" % (
            self.command, len(documents), self.stderr)
        return documents[0]


class Run(NamedTuple):
    """One run of gdb. Of stdout and stderr, `preamble` is what came before the first command."""

    answers: List[Answer]
    preamble: Answer
    exit_code: int


@functools.lru_cache(maxsize=None)
def find() -> Gdb:
    """The gdb to use. Raises NoGdb."""
    named = os.environ.get(GDB_VARIABLE)
    path = shutil.which(named or "gdb")
    if path is None:
        raise NoGdb("no gdb: %s" % ("GDB names %s" % named if named else "install one, or name one in GDB"))
    question = "python import platform; print(gdb.VERSION, platform.python_version())"
    with tempfile.TemporaryDirectory() as home:
        answer = subprocess.run(
            [path, "-nx", "-batch", "-ex", question], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=TIMEOUT, env=environment(home), check=False)
    words = answer.stdout.split()
    if answer.returncode != 0 or len(words) != 2:
        raise NoGdb("%s has no Python: install a gdb that has, or name one in GDB" % path)
    return Gdb(path, words[0], words[1])


def environment(home: str, **more: str) -> Dict[str, str]:
    """The environment for gdb: nothing in it that changes its Python, its settings or its language."""
    ours = {name: value for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "GDBEXT", "DEBUGINFOD", "XDG_"))}
    return {**ours, "HOME": home, "LC_ALL": "C.UTF-8", "PYTHONPYCACHEPREFIX": bytecode(), **more}


@functools.lru_cache(maxsize=None)
def bytecode() -> str:
    """Where gdb's Python keeps what it has compiled: not beside the sources, and gone with this process.

    To compile gdbext takes longer than most that a test asks of it.
    """
    folder = tempfile.mkdtemp(prefix="gdbext-bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def run(
        commands: Sequence[str], *,
        mode: str = "symbols",
        pid: Optional[int] = None,
        core: Optional[Path] = None,
        executable: Optional[Path] = None,
        load: bool = True,
        before: Sequence[str] = (),
        variables: Optional[Dict[str, str]] = None,
        folder: Optional[Path] = None) -> Run:
    """Run gdb on a process or a core; give what each command printed.

    `load`: source gdbext's init.py first. `before`: gdb's options, placed before all others.
    `variables`: more environment variables for gdb. `folder`: where it is started.
    """
    # -batch takes no terminal questions, confirmations or pages. -nh and -nx: no init files.
    arguments = [find().path, "-nx", "-batch", *MODES[mode], *before]
    if load:
        arguments += ["-iex", "source %s" % INIT]
    if executable is not None:
        arguments.append(str(executable))
    if pid is not None:
        arguments += ["-p", str(pid)]
    if core is not None:
        arguments += ["-core", str(core)]
    mark = "python for stream in (gdb.STDOUT, gdb.STDERR): gdb.write(%r, stream); gdb.flush(stream)" % MARK
    arguments += ["-ex", mark]
    for command in commands:
        arguments += ["-ex", command, "-ex", mark]
    with tempfile.TemporaryDirectory(prefix="gdb-home-") as home:
        ended = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, cwd=folder or home,
            env=environment(home, **(variables or {})), check=False)
    stdout, stderr = (GDB_WARNING.sub("", stream.decode("utf-8", "surrogateescape")).split(MARK)
                      for stream in (ended.stdout, ended.stderr))
    assert len(stdout) == len(stderr) == len(commands) + 2, (
        "gdb did not come to the end\ncommand: %s\nstdout: %s\nstderr: %s" % (arguments, stdout, stderr))
    answers = [Answer(*each) for each in zip(commands, stdout[1:], stderr[1:])]
    return Run(answers, Answer("", stdout[0], stderr[0]), ended.returncode)


def gcore(pid: int, path: Path) -> Path:
    """Have gdb write a core of a process. Costs as many bytes as the process has written memory."""
    answer, = run(["gcore %s" % path], mode="hidden", pid=pid, load=False).answers
    if not path.exists():
        raise AssertionError("gdb wrote no core\n%s%s" % (answer.stdout, answer.stderr))
    return path
