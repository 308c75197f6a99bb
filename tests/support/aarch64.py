"""An aarch64 CPython on a machine of another kind: Debian's, under QEMU's user mode, with its gdb stub.

Everything comes from Debian's packages and is unpacked into a cache; nothing is installed.
"""

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, List, NamedTuple, Sequence

from tests.support import gdb, packages, processes
from tests.support.packages import NotAvailable

# Seconds for all of the root's packages, 20 MB.
TIMEOUT = 600
# Whether a gdb was built with this architecture too.
KNOWS = "python print('aarch64' in gdb.execute('complete set architecture aarch64', to_string=True))"
# Of a listening socket in /proc/net/unix (include/uapi/linux/net.h).
SO_ACCEPTCON = 0x10000


class Emulated(NamedTuple):
    """What there is: a gdb that knows aarch64, QEMU, a root folder and the interpreter in it."""

    gdb: Path
    qemu: Path
    root: Path
    python: Path


def find() -> Emulated:
    """All that is needed. Raises NotAvailable with the reason."""
    if platform.machine() != "x86_64":
        raise NotAvailable("QEMU's system calls are read as those of x86-64; this is %s" % platform.machine())
    debugger = _gdb()
    qemu = packages.debian("qemu-user-static") / "usr/bin/qemu-aarch64-static"
    root = packages.cached(packages.cache() / "debian" / "arm64-python3", _unpack_python)
    pythons = sorted(path for path in root.glob("usr/bin/python3.*") if path.suffix[1:].isdigit())
    if not pythons or not qemu.exists():
        raise NotAvailable("Debian's packages hold no python3 for arm64, or no qemu-aarch64-static")
    if list(root.glob("lib/aarch64-linux-gnu/libc-2.*.so")):  # the name that libc.so.6 is a link to, before 2.34
        raise NotAvailable("Debian's glibc for arm64 is older than 2.34: nothing tells the size of its struct pthread")
    return Emulated(debugger, qemu, root, pythons[-1])


def _gdb() -> Path:
    """The gdb under test where it knows aarch64, else Debian's gdb-multiarch."""
    try:
        own = Path(gdb.find().path)
    except gdb.NoGdb as error:
        raise NotAvailable(str(error)) from error
    if _run([str(own), "-nx", "-batch", "-ex", KNOWS], "gdb").strip() == "True":
        return own
    multiarch = packages.debian("gdb-multiarch") / "usr/bin/gdb-multiarch"
    packages.needs(multiarch, {})
    return multiarch


def _run(command: Sequence[str], what: str) -> str:
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAvailable("%s: %s" % (what, error)) from error
    if ended.returncode != 0:
        lines = [line for line in ended.stderr.splitlines() if line.startswith("E:")] or ["failed"]
        raise NotAvailable("%s: %s" % (what, lines[-1]))
    return ended.stdout


def _unpack_python(folder: Path) -> None:
    """Fill a folder with Debian's python3 for arm64 and all that it depends on, from the mirror used here."""
    told = _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(ORIGIN)",
                 "Created-By: Packages", "Component: main"], "apt's sources")
    sources = {" ".join(words[:2]) for words in map(str.split, told.splitlines()) if words[2:] == ["Debian"]}
    if not sources:
        raise NotAvailable("apt's configuration here names no mirror of Debian")
    with tempfile.TemporaryDirectory(prefix="gdbext-apt-") as name:
        apt = Path(name)
        for each in ("state/lists/partial", "cache/archives/partial"):
            (apt / each).mkdir(parents=True)
        (apt / "status").touch()
        (apt / "sources.list").write_text("".join("deb [arch=arm64] %s main\n" % each for each in sources))
        (apt / "apt.conf").write_text("".join('%s "%s";\n' % setting for setting in (
            ("APT::Architecture", "arm64"), ("APT::Architectures", "arm64"), ("APT::Sandbox::User", "root"),
            ("APT::Install-Recommends", "false"), ("Dir::State", apt / "state"),
            ("Dir::State::status", apt / "status"), ("Dir::Cache", apt / "cache"),
            ("Dir::Etc::sourcelist", apt / "sources.list"), ("Dir::Etc::sourceparts", "-"),
            ("Acquire::Languages", "none"), ("Debug::NoLocking", "true"))))
        configured = ["env", "APT_CONFIG=%s" % (apt / "apt.conf"), "apt-get", "-q", "--yes"]
        _run([*configured, "update"], "Debian's list of packages for arm64")
        _run([*configured, "install", "--download-only", "python3"], "Debian's python3 for arm64")
        for file in sorted((apt / "cache/archives").glob("*.deb")):
            _run(["dpkg", "-x", str(file), str(folder)], "unpacking %s" % file.name)
    # Since trixie base-files brings it, which nothing here depends on.
    if not (folder / "lib").exists():
        (folder / "lib").symlink_to("usr/lib")


class Session:
    """A program under QEMU whose stub a gdb is connected to, and which runs until `interrupt`."""

    def __init__(self, program: processes.Program, debugger: "subprocess.Popen[bytes]") -> None:
        self.program = program
        self._debugger = debugger

    def interrupt(self, count: int) -> List[gdb.Answer]:
        """Stop the program by a signal to its main thread; the answers to gdb's `count` commands."""
        os.kill(self.program.pid, signal.SIGUSR1)
        output, errors = self._debugger.communicate(timeout=processes.TIMEOUT)
        pieces = [stream.decode("utf-8", "surrogateescape").split(gdb.MARK) for stream in (output, errors)]
        assert len(pieces[0]) == len(pieces[1]) == count + 2, "gdb did not come to the end: %s" % (pieces,)
        return [gdb.Answer("", *each) for each in zip(pieces[0][1:-1], pieces[1][1:-1])]


@contextlib.contextmanager
def session(emulated: Emulated, script: str, commands: Sequence[str], folder: Path) -> Iterator[Session]:
    """One of the programs, running; the gdb commands are for when it will have stopped."""
    place = folder / "stub"
    program = processes.start([
        str(emulated.qemu), "-L", str(emulated.root), "-g", str(place),
        str(emulated.python), "-u", str(processes.PROGRAMS / script), "truth.json"])
    debugger = None
    try:
        processes.wait_for(lambda: _listens(place), "QEMU listening for gdb")
        mark = ("python for stream in (gdb.STDOUT, gdb.STDERR): "
                "gdb.write(%r, stream); gdb.flush(stream)" % gdb.MARK)
        arguments = [
            str(emulated.gdb), "-nx", "-batch", *gdb.MODES["hidden"],
            "-iex", "set sysroot %s" % emulated.root, "-iex", "source %s" % gdb.INIT, str(emulated.python),
            "-ex", "target remote %s" % place, "-ex", "continue", "-ex", mark]
        for command in commands:
            arguments += ["-ex", command, "-ex", mark]
        debugger = subprocess.Popen(
            [*arguments, "-ex", "kill"], cwd=folder, env=gdb.environment(str(folder)),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        program.wait_until_ready(debugger)
        yield Session(program, debugger)
    finally:
        if debugger is not None:
            debugger.kill()
            debugger.communicate()
        program.kill()
        shutil.rmtree(program.folder)


def _listens(place: Path) -> bool:
    """Whether somebody accepts connections at a Unix socket."""
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[-1] == str(place) and int(fields[3], 16) & SO_ACCEPTCON:
            return True
    return False
