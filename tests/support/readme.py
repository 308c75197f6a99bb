"""The literal blocks of README.rst: what each of them is, and what its commands really print.

A comment before a block says what it is:

    .. session: PROGRAM on PYTHON[, core|names|greenlet]
        Commands at gdb's prompt, on a program of tests/programs/readme, or one that is named from the repository's
        root, that runs on an interpreter (as GDBEXT_REQUIRE names one, or "any": the newest), without debug
        information. `core`: on the core of its crash; `names`: gdb reads what the files have for the dynamic linker.
    .. session: continue
        The next commands in the same gdb.
    .. session: later
        Those in another gdb, after the program was told to go on, by a line to its standard input.
    .. shell: [PROGRAM on PYTHON[, core]]
        Commands of a shell in an empty folder, PID and CORE being that program's, and URL the repository.
    .. json: [PROGRAM on PYTHON: ]COMMAND: KEY...
        A part of the document that a command prints, in the session above or on another program: where the keys
        lead to.
    .. text: WHY
        Neither.

Blocks that are about the same program on the same interpreter, with the same flags, share a process and a gdb, wherever
they stand.

A line of output that is "..." stands for any number of lines.
"""

import contextlib
import difflib
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from tests.support import gdb, installed, packages, processes
from tests.support.interpreters import Interpreter, satisfies

README = gdb.REPOSITORY / "README.rst"
PROGRAMS = processes.PROGRAMS / "readme"
PROMPTS = {"session": "(gdb) ", "shell": "$ "}
KINDS = (*PROMPTS, "json", "text")
ANYTHING = "..."
# Where gdb finds the scripts of programs, libpython.py among them.
AUTO_LOAD = "/usr/share/gdb/auto-load"
# What a program says when it is where the README has it.
AT_ITS_PLACE = (b"ready", b"stalled")

_DIRECTIVE = re.compile(r"\.\. (%s):(?: (.*))?" % "|".join(KINDS))

_JSON = re.compile(r"(?:(\S+ on [^:]*): )?(.*?): *(.*)")


class NotHere(Exception):
    """What a block was made with is not on this machine; the message says what."""


class Wrong(Exception):
    """The README is not written as it has to be; the message says where."""


@dataclass
class Block:
    """A literal block: its lines from `first` (counted from 0), each with `indent` spaces more than shown here."""

    kind: str
    about: str
    first: int
    indent: int
    lines: List[str]

    def typed(self) -> List[Tuple[str, List[str]]]:
        """Each command, and the lines that it prints."""
        prompt = PROMPTS[self.kind]
        found: List[Tuple[str, List[str]]] = []
        for line in self.lines:
            if line.startswith(prompt):
                found.append((line[len(prompt):], []))
            elif not found:
                raise Wrong("line %d: a block begins with a prompt, %r" % (self.first + 1, prompt))
            else:
                found[-1][1].append(line)
        return found


@dataclass
class Step:
    """Blocks that are run in one gdb or one shell; with `later` after the program was told to go on."""

    blocks: List[Block]
    later: bool = False

    @property
    def is_shell(self) -> bool:
        """Whether it is a shell's."""
        return self.blocks[0].kind == "shell"


@dataclass
class Scene:
    """A program, and the blocks that are about one process of it."""

    program: Optional[str]
    python: str
    flags: Sequence[str]
    steps: List[Step] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For a test's id: what it is about, and its first line in the README."""
        return "%s-%d" % (os.path.basename(self.program or "shell"), self.steps[0].blocks[0].first + 1)


def blocks(text: str) -> List[Block]:
    """The literal blocks of a text, in order. Raises Wrong where one has no directive."""
    lines = text.split("\n")
    found: List[Block] = []
    directive: Optional[Tuple[str, str]] = None
    number = 0
    while number < len(lines):
        line = lines[number]
        matched = _DIRECTIVE.fullmatch(line.strip())
        number += 1
        if matched:
            directive = (matched[1], (matched[2] or "").strip())
        elif line.endswith("::") and not line.lstrip().startswith(".. "):
            outer = len(line) - len(line.lstrip())
            while not lines[number].strip():
                number += 1
            first, indent = number, len(lines[number]) - len(lines[number].lstrip())
            while number < len(lines) and (not lines[number].strip() or lines[number].startswith(" " * (outer + 1))):
                number += 1
            content = [each[indent:] for each in lines[first:number]]
            while not content[-1].strip():
                content.pop()
            if directive is None:
                raise Wrong("line %d: say in a comment before it what this block is: see tests/support/readme.py"
                            % (first + 1))
            found.append(Block(*directive, first, indent, content))
            directive = None
    return found


def scenes(text: str) -> List[Scene]:
    """What is to be run. Raises Wrong."""
    found: Dict[Tuple[Optional[str], str, Tuple[str, ...]], Scene] = {}
    scene: Optional[Scene] = None
    step: Optional[Step] = None
    for block in blocks(text):
        if block.kind == "text":
            continue
        about = block.about
        if block.kind == "json":
            program, line, keys = _JSON.fullmatch(about).groups()  # type: ignore[union-attr]
            about, block.about = program or "continue", "%s: %s" % (line, keys)
        if about in ("continue", "later"):
            if scene is None or step is None:
                raise Wrong("line %d: no session before this block" % (block.first + 1))
        else:
            what, *flags = about.split(", ")
            program, _, python = what.partition(" on ")
            key = program or None, python or "any", tuple(flags)
            scene = found.setdefault(key, Scene(*key))
            step = next((each for each in scene.steps if each.is_shell == (block.kind == "shell")), None)
        if step is None or about == "later":
            step = Step([], about == "later")
            scene.steps.append(step)
        step.blocks.append(block)
    return list(found.values())


# --- running ------------------------------------------------------------------------------------------

class Printed(NamedTuple):
    """What a command of a block printed, as the README shows it, and what the README has.

    `typed` is the command with this process's addresses in the place of those of the README's.
    """

    block: Block
    command: str
    wanted: List[str]
    got: List[str]
    typed: str


def interpreter_for(wanted: str, interpreters: Sequence[Interpreter]) -> Interpreter:
    """The one that a block was made with. Raises NotHere."""
    here = [each for each in interpreters if each.root is None]
    fitting = [each for each in here if satisfies(each, wanted)] if wanted != "any" else here
    if not fitting:
        raise NotHere("made with CPython %s, which is not here" % wanted)
    return max(fitting, key=lambda each: each.version_info)


def play(scene: Scene, interpreters: Sequence[Interpreter], command: Callable[[], List[str]]) -> Iterator[Printed]:
    """Run a scene; `command` gives the installed gdbext. Raises NotHere, Wrong."""
    interpreter = interpreter_for(scene.python, interpreters)
    reason = processes.no_kernel_core() if "core" in scene.flags else None
    if reason:
        raise NotHere(reason)
    if "names" in scene.flags and Path("%s%s-gdb.py" % (AUTO_LOAD, interpreter.path)).exists():
        raise NotHere("made without the debug package of CPython %s, which is installed here" % interpreter.id)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gdbext-readme-")))
        process = _Process(stack, scene, interpreter) if scene.program else None
        names = _names(interpreter, folder)
        for step in scene.steps:
            if step.later and process is not None:
                process.go_on()
            run = _in_shell if step.is_shell else _in_gdb
            yield from run(step.blocks, process, scene, folder, names, command)


class _Process:
    """A program of the README that has come to its place, or its core."""

    def __init__(self, stack: contextlib.ExitStack, scene: Scene, interpreter: Interpreter) -> None:
        assert scene.program is not None
        path = gdb.REPOSITORY / scene.program if "/" in scene.program else PROGRAMS / scene.program
        if not path.exists():
            raise Wrong("there is no %s" % path)
        variables = {"PYTHONHASHSEED": "0"}
        if "greenlet" in scene.flags:
            try:
                variables["PYTHONPATH"] = str(packages.wheel(interpreter, "greenlet"))
            except packages.NotAvailable as error:
                raise NotHere(str(error)) from None
        # What it has in memory must not depend on who runs the test.
        self._program = processes.start(["env", "-i", *("%s=%s" % each for each in variables.items()),
                                         str(interpreter.path), str(path)])
        stack.callback(shutil.rmtree, self._program.folder)
        stack.callback(self._program.kill)
        self._wait()
        self.pid: Optional[int] = self._program.pid
        self.core: Optional[Path] = None
        self.executable: Optional[Path] = None
        if "core" in scene.flags:
            self.executable = self._program.executable
            self.core = self._program.die_with_core(lambda: self._program.write(b"\n"))
            self.pid = None

    def go_on(self) -> None:
        """Tell it to, and wait until it is at its next place."""
        self._program.write(b"\n")
        self._wait()

    def _wait(self) -> None:
        self._program.wait_until_said(AT_ITS_PLACE)
        processes.wait_until_still(self._program.pid)


def _names(interpreter: Interpreter, folder: Path) -> List[Tuple[str, str]]:
    """Paths of this machine, and what the README has in their place."""
    return [(str(PROGRAMS), "/srv/app"), (str(gdb.REPOSITORY), "/srv/gdbext"), (str(packages.cache()), "/srv/packages"),
            (str(interpreter.prefix), "/usr"), (str(folder), "/srv/app")]


def _shown(text: str, names: Sequence[Tuple[str, str]]) -> List[str]:
    for path, name in names:
        text = text.replace(path, name)
    return [line.rstrip() for line in text.rstrip("\n").split("\n")] if text.strip() else []


def _in_gdb(group: List[Block], process: Optional[_Process], scene: Scene, folder: Path,
            names: Sequence[Tuple[str, str]], _command: Callable[[], List[str]]) -> List[Printed]:
    if process is None:
        raise Wrong("line %d: a session needs a program" % (group[0].first + 1))
    wanted: List[Tuple[Block, str, List[str]]] = []
    for block in group:
        if block.kind == "json":
            line, _, keys = block.about.partition(": ")
            wanted.append((block, line, keys.split()))
        else:
            wanted += [(block, line, output) for line, output in block.typed()]
    lines = [line for _block, line, _output in wanted]
    # What is typed may have an address that was printed before: it has to be seen first which one that is here.
    for number, (_block, line, _output) in enumerate(wanted):
        if _ADDRESS.search(line):
            before = _run(lines[:number], process, scene, folder)
            here: Dict[str, str] = {}
            for (_before, _line, output), answer in zip(wanted, before):
                found = [_ADDRESS.findall("\n".join(each)) for each in (output, _shown(answer.stdout, names))]
                here.update(zip(*found))
            for address in _ADDRESS.findall(line):
                lines[number] = lines[number].replace(address, here.get(address, address))
    return [_part(block, typed, output, answer, names) if block.kind == "json" else
            Printed(block, line, output, _shown(answer.stdout + answer.stderr, names), typed)
            for (block, line, output), typed, answer in zip(wanted, lines, _run(lines, process, scene, folder))]


def _run(lines: List[str], process: "_Process", scene: Scene, folder: Path) -> List[gdb.Answer]:
    # A program that runs on waits for a line, and takes it then.
    before = ["shell echo > /proc/%d/fd/0" % process.pid] if "continue" in lines and process.pid is not None else []
    return gdb.run(before + lines, mode="stripped" if "names" in scene.flags else "hidden", pid=process.pid,
                   core=process.core, executable=process.executable, folder=folder).answers[len(before):]


def _part(block: Block, line: str, keys: List[str], answer: gdb.Answer, names: Sequence[Tuple[str, str]]) -> Printed:
    """What the block shows of a document, and the same part of the real one, both with a member on each line."""
    part: Any = answer.document()
    for key in keys:
        part = part[int(key) if isinstance(part, list) else key]
    wanted = json.loads("\n".join(block.lines))
    return Printed(block, line, json.dumps(wanted, indent=1).split("\n"), _shown(json.dumps(part, indent=1), names),
                   line)


# What of a shell's commands is in the environment in which gdbext is installed.
_NEEDS_INSTALLED = re.compile(r"(?:^|[;|&] *)(?:gdbext|pip) ")


def _in_shell(group: List[Block], process: Optional[_Process], _scene: Scene, folder: Path,
              names: Sequence[Tuple[str, str]], command: Callable[[], List[str]]) -> Iterator[Printed]:
    typed = [(block, line, output) for block in group for line, output in block.typed()]
    meant = {"PID": str(process.pid) if process and process.pid else None,
             "CORE": str(process.core) if process and process.core else None,
             "URL": _repository(folder) if any("URL" in line for _block, line, _output in typed) else None}
    script = []
    for block, line, _output in typed:
        # The names stand for what is there.
        for name in set(re.findall(r"\b(?:%s)\b" % "|".join(meant), line)):
            if meant[name] is None:
                raise Wrong("line %d: there is no %s" % (block.first + 1, name))
            line = re.sub(r"\b%s\b" % name, str(meant[name]), line)
        script += ["{ %s ; } 2>&1" % line, "printf '%s%%d%s' $?" % (gdb.MARK, gdb.MARK)]
    place = folder / "shell"
    for each in (place, folder / "home"):
        each.mkdir()
    folders = [os.path.dirname(gdb.find().path), os.environ["PATH"]]
    names = [*names, (str(meant["URL"]), "URL"), (str(meant["CORE"]), "CORE"), (str(place), "/srv/shell"),
             (str(folder / "home"), "~")]
    if any(_NEEDS_INSTALLED.search(line) for _block, line, _output in typed):
        bin_ = os.path.dirname(command()[0])
        if any(re.search(r"\bpip ", line) for _block, line, _output in typed):
            # Other tests run what is installed in that environment.
            subprocess.run([os.path.join(bin_, "python"), "-m", "venv", str(folder / "venv")], check=True,
                           capture_output=True, timeout=packages.TIMEOUT)
            bin_ = str(folder / "venv" / "bin")
        folders.insert(0, bin_)
        names.append((os.path.dirname(bin_), "/srv/venv"))
    environment = gdb.environment(str(folder / "home"), TERM="dumb", PATH=os.pathsep.join(folders))
    ended = subprocess.run(["bash", "-c", "\n".join(script)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           cwd=place, env=environment, timeout=packages.TIMEOUT, check=False)
    parts = ended.stdout.split(gdb.MARK)
    for (block, line, wanted), text, status in zip(typed, parts[::2], parts[1::2]):
        got = _shown(text, sorted(names, key=lambda each: -len(each[0])))
        yield Printed(block, line, wanted, got if status == "0" else [*got, "(ended with status %s)" % status], line)


def _repository(folder: Path) -> str:
    """A repository that can be cloned, of the files as they are now."""
    place = installed.copy(folder / "repository")
    for arguments in (["init", "-q"], ["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"]):
        try:
            subprocess.run(["git", *arguments], cwd=place, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotHere("no repository can be made here: %s" % error) from None
    return str(place)


# --- comparing ----------------------------------------------------------------------------------------

_ADDRESS = re.compile(r"0x0*([1-9a-f][0-9a-f]{4,})")
# What differs from run to run and from machine to machine: numbers of processes and what is beside an address in a
# list of threads, large numbers, times; how far columns are apart.
_VARIES = [(re.compile(r"\b(LWP|[Pp]rocess|pid|PID)( of| )? *\d+"), r"\1 #"),
           (re.compile(r"(?<=\s)\d+(?= +0x)"), "#"),
           (re.compile(r'("(?:ident|pid|lwp|owner)": )\d+'), r"\1#"),
           (re.compile(r"\b\d+(?:\.\d+)?(?= (?:s|ms)\b)"), "#"),
           # Build ids, whole and cut: each of a distribution's updates has its own.
           (re.compile(r"\b(?:[0-9a-f]{40}|(?=[a-f]*\d)[0-9a-f]{12})\b"), "<build id>"),
           (re.compile(r"[-+]?\d+(?:,\d{3})+|[-+]?\d{4,}"), "#"),
           # What is installed here.
           (re.compile(r"\bgdb \d+\.\d+\b(?: at \S+, its Python [\d.]+)?"), "gdb #"),
           (re.compile(r"(?<=/srv/venv/lib/python3\.)\d+"), "#"),
           # A function of glibc that is chosen for the processor, where its symbols are on this machine.
           (re.compile(r", in __\w+\(\)(?=, called)"), ""),
           # What a search of all memory comes upon.
           (re.compile(r"\bOf \d+ objects"), "Of # objects"),
           (re.compile(r"(?<=\S) +"), " ")]


def normalised(lines: Sequence[str]) -> List[str]:
    """What has to be the same in every run: an address is told by when it came up first."""
    seen: Dict[str, int] = {}
    text = "\n".join(lines)
    is_cut = ANYTHING in (line.strip() for line in lines)
    text = _ADDRESS.sub(lambda found: "0x#" if is_cut else "0x<%d>" % seen.setdefault(found[1], len(seen)), text)
    for pattern, replacement in _VARIES:
        text = pattern.sub(replacement, text)
    return [re.sub(r"^ +(?=[-+#\d*])", "", line).rstrip() for line in text.split("\n")]


def differences(printed: Printed) -> List[str]:
    """Lines that say how the README differs from what was printed; none where it doesn't."""
    wanted, got = normalised(printed.wanted), normalised(printed.got)
    if ANYTHING in wanted:
        got = normalised([*printed.got, ANYTHING])[:-1]
        pattern = "\n".join(re.escape(line) for line in wanted)
        if re.fullmatch(pattern.replace(r"\.\.\.", r"(?:.*)"), "\n".join(got), re.DOTALL):
            return []
    if wanted == got:
        return []
    where = "README.rst, line %d, %s" % (printed.block.first + 1, printed.command)
    return list(difflib.unified_diff(wanted, got, where, "as printed now", lineterm=""))


def written_anew(text: str, outputs: Sequence[Sequence[Printed]]) -> str:
    """The README's text with what commands print now, for scenes in which that differs.

    What has "..." or is JSON stays.
    """
    lines = text.split("\n")
    by_block: Dict[int, List[Printed]] = {}
    for scene in outputs:
        if any(differences(each) for each in scene if each.block.kind != "json" and ANYTHING not in each.wanted):
            for printed in scene:
                by_block.setdefault(printed.block.first, []).append(printed)
    for first, group in sorted(by_block.items(), reverse=True):
        block = group[0].block
        if block.kind == "json":
            continue
        content = []
        for printed in group:
            is_kept = ANYTHING in printed.wanted
            content += [PROMPTS[block.kind] + (printed.command if is_kept else printed.typed),
                        *(printed.wanted if is_kept else printed.got)]
        lines[first:first + len(block.lines)] = [(" " * block.indent + line).rstrip() for line in content]
    return "\n".join(lines)
