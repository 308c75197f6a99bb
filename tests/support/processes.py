"""Programs under test: started, waited for until they are at their places, and always ended."""

import contextlib
import ctypes
import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from tests.support.interpreters import enter
from tests.support.stripped import Launch

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"

# Seconds after which what tests wait for is taken to hang. What comes takes 3 on a machine with nothing else to
# do, emulated 10, and any number of times that on a busy one; what fails ends, and that is told at once.
TIMEOUT = 600
# Between two looks at /proc.
LOOK_AGAIN = 0.002

PR_SET_PTRACER = 0x59616D61
PR_SET_PTRACER_ANY = -1

CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


class ProgramFailed(Exception):
    """A program under test did not come to its place; holds what it printed."""


def no_kernel_core() -> Optional[str]:
    """Why the kernel writes no core file that a test can find; None where it does."""
    pattern = CORE_PATTERN.read_text().strip()
    if pattern.startswith("|"):
        return "core_pattern pipes cores to a program: %s" % pattern
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard != resource.RLIM_INFINITY:
        return "the hard limit of core files is %d bytes" % hard
    return None


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Poll until the condition gives something true, and give that. Raises TimeoutError."""
    end = time.monotonic() + TIMEOUT
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError("after %d s still not: %s" % (TIMEOUT, what))
        time.sleep(LOOK_AGAIN)


def system_call(pid: int, tid: int) -> List[str]:
    """The number and arguments of the system call a thread is blocked in; ["running"] if in none."""
    return Path("/proc/%d/task/%d/syscall" % (pid, tid)).read_text().split()


def thread_ids(pid: int) -> List[int]:
    """The ids of a process's threads."""
    return sorted(int(name) for name in os.listdir("/proc/%d/task" % pid))


def wait_until_still(pid: int) -> None:
    """Wait until no thread of a process runs: each is blocked, and has not run since the look before."""
    def switches() -> Optional[Dict[int, str]]:
        found = {}
        for tid in thread_ids(pid):
            if system_call(pid, tid) == ["running"]:
                return None
            found[tid] = Path("/proc/%d/task/%d/schedstat" % (pid, tid)).read_text()
        return found

    before: List[Optional[Dict[int, str]]] = [None]

    def still() -> bool:
        # A thread that waits for the GIL wakes up every 5 ms.
        time.sleep(10 * LOOK_AGAIN)
        last, before[0] = before[0], switches()
        return last is not None and last == before[0]

    wait_for(still, "blocked in all its threads")


class Program:
    """A running program under test.

    `truth` is what it wrote of itself, None for a program that writes nothing.
    """

    def __init__(self, process: subprocess.Popen, folder: Path):
        self.folder = folder
        self.truth: Any = None
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def executable(self) -> Path:
        """What it runs, as the kernel says."""
        return Path(os.readlink("/proc/%d/exe" % self.pid))

    def mapped(self) -> List[Path]:
        """The files it has mapped."""
        maps = Path("/proc/%d/maps" % self.pid).read_text(errors="surrogateescape")
        return [Path(path) for path in dict.fromkeys(re.findall(r"(?m)(/.*)$", maps))]

    def wait_until_ready(self, needed: Optional["subprocess.Popen[bytes]"] = None) -> None:
        """Wait for the line "ready"; take the truth if it wrote one. Raises ProgramFailed.

        `needed`: another process; when that has ended, the program won't get ready.
        """
        stdout = self._process.stdout
        assert stdout is not None
        ended = os.pidfd_open(needed.pid) if needed is not None else None
        try:
            readable, _, _ = select.select([stdout, *([] if ended is None else [ended])], [], [], TIMEOUT)
        finally:
            if ended is not None:
                os.close(ended)
        if ended in readable:
            raise ProgramFailed("what it needs has ended\n%s" % self.errors())
        if not readable:
            raise ProgramFailed("not ready after %d s\n%s" % (TIMEOUT, self.errors()))
        line = os.read(stdout.fileno(), 100)
        if line != b"ready\n":
            raise ProgramFailed("said %r instead of ready\n%s" % (line, self.errors()))
        path = self.folder / "truth.json"
        if path.exists():
            self.truth = json.loads(path.read_text())

    def wait_until_said(self, words: Sequence[bytes]) -> None:
        """Read lines of its output up to one of these. Raises ProgramFailed."""
        stdout = self._process.stdout
        assert stdout is not None
        line = b""
        while line not in words:
            readable, _, _ = select.select([stdout], [], [], TIMEOUT)
            byte = os.read(stdout.fileno(), 1) if readable else b""
            if not byte:
                raise ProgramFailed("did not say %s\n%s" % (b" or ".join(words).decode(), self.errors()))
            line = b"" if byte == b"\n" else line + byte
            if line in words:
                os.read(stdout.fileno(), 1)

    def errors(self) -> str:
        """What it has written to stderr."""
        return (self.folder / "stderr").read_text(errors="replace")

    def write(self, data: bytes) -> None:
        """Write to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def die_with_core(self, cause: Optional[Callable[[], None]] = None) -> Path:
        """Abort it, or have it die of what `cause` does, and give the core that the kernel wrote.

        Needs `no_kernel_core()` to be None.
        """
        before = set(self._cores())
        if cause is None:
            self._process.send_signal(signal.SIGABRT)
        else:
            cause()
        self._process.wait(TIMEOUT)
        new = sorted(set(self._cores()) - before)
        if not new:
            raise AssertionError("the kernel wrote no core for pid %d" % self.pid)
        return new[0]

    def _cores(self) -> Iterator[Path]:
        # %p, %e and so on may stand for anything; a relative pattern is in the process's directory;
        # core_uses_pid appends ".PID".
        pattern = re.sub(r"%(.)", lambda found: "%" if found[1] == "%" else "*",
                         CORE_PATTERN.read_text().strip() or "core")
        path = self.folder / pattern
        yield from path.parent.glob(path.name)
        yield from path.parent.glob("%s.%d" % (path.name, self.pid))

    def wait_until_gone(self) -> None:
        """Wait for a process that ends by itself."""
        self._process.wait(TIMEOUT)

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(TIMEOUT)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def _in_the_child() -> None:
    """Between fork and exec."""
    resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1:] * 2)
    # Yama allows only ancestors to attach; gdb is a sibling.
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
    os.nice(10)  # busy threads must not keep gdb waiting


def start(arguments: Sequence[str], variables: Optional[Mapping[str, str]] = None) -> Program:
    """Start a program in a folder of its own. Whoever starts it must `kill` it and `forget` it."""
    folder = Path(tempfile.mkdtemp(prefix="gdbext-program-"))
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("PYTHON", "LD_"))}
    # Python 3.6 takes the C locale's encoding for file names.
    # One malloc arena: gcore writes out every arena's whole reserve, 64 MB a thread.
    environment.update({"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "MALLOC_ARENA_MAX": "1",
                        **(variables or {})})
    with open(folder / "stderr", "wb") as stderr:
        process = subprocess.Popen(
            arguments, cwd=folder, env=environment, preexec_fn=_in_the_child,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
    return Program(process, folder)


@contextlib.contextmanager
def running(arguments: Sequence[str], variables: Optional[Mapping[str, str]] = None) -> Iterator[Program]:
    """A program that has said it is ready; it and its folder are gone afterwards."""
    program = start(arguments, variables)
    try:
        program.wait_until_ready()
        yield program
    finally:
        program.kill()
        shutil.rmtree(program.folder)


@contextlib.contextmanager
def running_python(launch: Launch, script: str, *arguments: str) -> Iterator[Program]:
    """One of the programs, under an interpreter. Its arguments: TRUTH.json, and those given."""
    command = [str(launch.path), "-u", str(PROGRAMS / script), "truth.json", *arguments]
    image = launch.image
    if launch.root is not None:
        command = [*enter(launch.root, PROGRAMS, Path(tempfile.gettempdir())), *command]
        image = launch.root / image.relative_to("/")
    with running(command, launch.variables) as program:
        assert image in program.mapped(), "%s does not run from %s" % (script, image)
        yield program


def state_of(pid: int) -> str:
    """The letter of a process's state, as proc(5) has them."""
    return Path("/proc/%d/stat" % pid).read_text(errors="replace").rpartition(")")[2].split()[0]


def wait_until_told(program: Program) -> None:
    """Wait until the thread that wrote the truth is gone, so that the process has the threads it told of."""
    threads = {thread["lwp"] for thread in program.truth["threads"]}
    threads.update(program.truth.get("native_threads", ()))
    wait_for(lambda: thread_ids(program.truth["pid"]) == sorted(threads), "only the threads that the truth tells of")
