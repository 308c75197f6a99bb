"""gdbext dump: everything about a process or a core, from a shell, and the process goes on."""

import argparse
import os
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, Iterator, List, NamedTuple, Optional, Tuple

from ..analysis import tracing
from ..analysis.statuses import NOT_OPENED
from ..elf import dynamic, pyelftools
from ..elf.core import Core, CoreError, Held, NotHeld
from . import Failed, host, init_file

OPTIONS = (("locals", "with the variables of each frame"),
           ("native", "with the frames of C functions between those of Python"),
           ("exc", "with the exceptions of all threads"),
           ("locks", "with the locks that threads wait for, and deadlocks"),
           ("all", "with all of these"),
           ("json", "one JSON document, on one line"))

# Beginnings of what systemd-coredump and others compress cores to, and what undoes it.
_COMPRESSED = {b"\x28\xb5\x2f\xfd": "zstd -d", b"\x04\x22\x4d\x18": "lz4 -d", b"\x1f\x8b": "gzip -d",
               b"\xfd7zXZ": "xz -d"}
_APPORT = b"ProblemType:"

# gdb's own complaint about each thread of a core of a newer processor than it knows. It has the registers that matter.
_NOISE = re.compile(r"warning: (?:Unexpected size of s|S)ection `\.reg-xstate/\d+' in core file")


class Opened(NamedTuple):
    """gdb's options that name what to look at, and lines to say about it."""

    arguments: List[str]
    notes: List[str]


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "dump", help="print threads and tracebacks of a process or a core",
        description="Attaches gdb to a process, or opens a core, prints, and lets go. "
        "The process stands still meanwhile.")
    parser.add_argument("what", metavar="PID|CORE", help="the number of a process, or the path of a core file")
    for name, text in OPTIONS:
        parser.add_argument("--" + name, action="store_true", help=text)
    parser.add_argument("--limit", type=_positive, metavar="N", help="the N most recent calls of each thread only")
    parser.add_argument("--sysroot", metavar="DIR", default="", help="the folder that has the files that a core is of")
    parser.add_argument("--executable", metavar="PATH",
                        help="the program that a core is of (default: found by the core)")
    parser.add_argument("--gdb", metavar="PATH", help="the gdb that is to be used (default: the one on PATH)")
    parser.set_defaults(run=run)


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError("has to be greater than 0")
    return number


def run(options: argparse.Namespace) -> int:
    """Have gdb print it; gives the exit status. Raises Failed."""
    gdb = host.find(options.gdb)
    is_core = not options.what.isdigit() or os.path.exists(options.what)
    opened = of_core(options) if is_core else of_process(int(options.what))
    mark = secrets.token_hex(16)
    wanted = {"limit": options.limit, **{name: getattr(options, name) for name, _text in OPTIONS}}
    # gdb itself has a pipe before it.
    has_colours = (sys.stdout.isatty() and not os.environ.get("NO_COLOR")
                   and os.environ.get("TERM", "dumb") != "dumb")
    colour = "on" if has_colours else "off"
    command = [gdb.path, *arguments(options.sysroot), "-iex", f"set gdbext colour {colour}", *opened.arguments,
               "-ex", f"python from gdbext.commands.dump import for_shell; for_shell({wanted!r}, {mark!r})"]
    for note in opened.notes:
        print(f"gdbext dump: {note}", file=sys.stderr)
    with tempfile.TemporaryFile("w+", errors="surrogateescape") as errors:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                              env=host.environment()) as process:
            answer = process.stdout
            assert answer is not None, "it was asked to be a pipe"
            try:
                for line in between(answer, mark.encode()):
                    sys.stdout.buffer.write(line)
                sys.stdout.flush()
            except (KeyboardInterrupt, BrokenPipeError):
                # gdb has got the same signal, or gets one when it writes; it has to let the process go first.
                answer.close()
                process.wait()
                raise
        errors.seek(0)
        return _ended(options.what, is_core, process.returncode, errors.read(), mark)


def arguments(sysroot: str) -> List[str]:
    """gdb's options: none of its symbols are needed, no script of the process's is run, and nothing fetched."""
    settings = ["auto-load off", "auto-solib-add off"] + [f"sysroot {sysroot}"] * bool(sysroot)
    return ["-nx", "-q", "-batch", "-readnever", *(word for setting in settings for word in ("-iex", "set " + setting)),
            "-iex", f"source {init_file()}"]


def of_process(pid: int) -> Opened:
    """A process of this machine. Raises Failed."""
    if not os.path.isdir(f"/proc/{pid}"):
        raise Failed(NOT_OPENED, f"there is no process {pid}")
    return Opened(["-p", str(pid)], [])


def of_core(options: argparse.Namespace) -> Opened:
    """A core, and the file of the program that it is of, if that is here and of the same build. Raises Failed."""
    path = Path(options.what)
    try:
        core = Core(path)
    except CoreError as error:
        raise Failed(NOT_OPENED, str(error), *_remedy(path)) from None
    with core:
        file, note = options.executable, None
        if file is None:
            file, note = _executable(core, options.sysroot)
        notes = [note] if note else []
        if core.missing:
            notes.insert(0, f"{path} was cut: {core.missing} bytes are missing at its end")
    if file is not None and not os.path.exists(file):
        raise Failed(NOT_OPENED, f"{file}: no such file")
    return Opened([*([file] if file else []), "-core", str(path)], notes)


def _remedy(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return
    if start.startswith(_APPORT):
        yield f"It is a report of apport: apport-unpack {path} FOLDER, and FOLDER/CoreDump is the core."
    for beginning, command in _COMPRESSED.items():
        if start.startswith(beginning):
            yield f"It is compressed: {command} < {path} > core"


def _executable(core: Core, sysroot: str) -> Tuple[Optional[str], Optional[str]]:
    """The file of the program, None where that is not here; and what there is to say of it."""
    program = core.program()
    if program is None:
        return None, None
    file = sysroot + program.path
    if not os.path.exists(file):
        return None, f"{program.path}, which the core is of, is not here; --sysroot or --executable names it"
    wanted = _build_id(core, program.start)
    try:
        pyelftools.provide()
    except pyelftools.Missing:
        return file, None
    from ..elf.image import Image, ImageError

    try:
        with Image(Path(file)) as image:
            found = image.build_id()
    except ImageError as error:
        return None, str(error)
    if wanted is not None and found != wanted:
        return None, f"{file} is not used: its build id is {found}, and the core is of {wanted}"
    return file, None


def _build_id(core: Core, base: int) -> Optional[str]:
    """That of the image at an address, None where the core does not hold it."""
    try:
        return dynamic.Image(Held(core), base).build_id()
    except (dynamic.NotAnImage, NotHeld):
        return None


def between(stream: IO[bytes], mark: bytes) -> Iterator[bytes]:
    """The lines of a stream between two that are the mark."""
    inside = False
    for line in stream:
        if line.rstrip(b"\n") == mark:
            inside = not inside
        elif inside:
            yield line


def _ended(what: str, is_core: bool, status: int, errors: str, mark: str) -> int:
    """The exit status; what gdb and gdbext said on standard error goes there. Raises Failed."""
    parts = errors.split(mark + "\n")
    ours = parts[1].splitlines() if len(parts) == 3 else []
    if status == NOT_OPENED or len(parts) != 3:
        said = [line for line in parts[0].splitlines() if line.strip()]
        reason = said[-1] if said else f"gdb ended with {status}"
        if is_core:
            raise Failed(NOT_OPENED, f"gdb can't open {what}: {reason}")
        raise Failed(NOT_OPENED, f"gdb can't attach to process {what}: {reason}", *tracing.in_the_way(int(what)))
    for line in filter(lambda line: not _NOISE.match(line), ours):
        print(f"gdbext dump: {line}", file=sys.stderr)
    return status
