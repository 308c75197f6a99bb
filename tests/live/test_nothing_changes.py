"""Every command that is registered leaves the process and gdb as they were."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Dict, Sequence

import pytest

from tests.support import every_command, gdb, processes, stripped
from tests.support.interpreters import Found

IN_GDB = Path(__file__).resolve().parents[1] / "support" / "unchanged.py"

# Of ptrace(2): what reads. All else writes, or lets the process run.
READS = {"PTRACE_PEEKTEXT", "PTRACE_PEEKDATA", "PTRACE_PEEKUSER", "PTRACE_GETREGS", "PTRACE_GETFPREGS",
         "PTRACE_GETFPXREGS", "PTRACE_GETREGSET", "PTRACE_GETSIGINFO", "PTRACE_GETSIGMASK", "PTRACE_GETEVENTMSG",
         "PTRACE_ARCH_PRCTL", "PTRACE_GET_THREAD_AREA"}
# Selecting a frame is what these are for.
SELECTS = ("py-up-plus", "py-down-plus", "py-frame-plus")
_OPTION = re.compile(r"(?<![\w-])-[a-z][\w-]*")
_REQUEST = re.compile(r"ptrace\((\w+)")
_SIGNALS = re.compile(r"kill\((\d+)")
_WRITES = re.compile(r"process_vm_writev\(|write\w*\(\d+</proc/\d+/(task/\d+/)?mem>")


def look(found: Found, which: int, folder: Path, lines: Sequence[str] = ()) -> Dict[str, Any]:
    """What lines change of a process, all commands' unless others are given.

    With `asked`, what strace saw of gdb: with one interpreter only, for strace takes as long as all else.
    """
    if not found.interpreters:
        pytest.skip("no CPython that gdbext reads was found")
    interpreter = found.interpreters[which]
    trace = folder / "trace"
    strace = shutil.which("strace")
    with processes.running_python(stripped.as_installed(interpreter), "small.py") as program:
        # A second interpreter is not asked all of it as JSON too, which takes the same reading.
        lines = lines or [line for line in every_command.lines(program.truth, folder) if which or "-json" not in line]
        deep = next(thread["lwp"] for thread in program.truth["threads"] if thread["key"] == "deep")
        given = {"pid": program.pid, "lwp": deep, "lines": lines, "trace": str(trace) if strace and not which else None}
        threads = processes.thread_ids(program.pid)
        # The scheduler's own figures are part of what is compared: nothing else may look at the process meanwhile.
        answer, gone = gdb.run(["source %s" % IN_GDB, "detach"], mode="hidden", pid=program.pid,
                               variables={"UNCHANGED": json.dumps(given)}).answers
        processes.wait_for(lambda: processes.state_of(program.pid) == "S", "the process sleeping as before")
    assert answer.stderr == "" and gone.stderr == "", answer.stderr
    asked = trace.read_text(errors="replace").splitlines() if given["trace"] else None
    return {**json.loads(answer.stdout.splitlines()[-1]), "lines": lines, "asked": asked, "pids": threads}


def assert_has_all_options(lines: Sequence[str], which: int) -> None:
    """Each command is there as it is, and with each option."""
    for name, usage in every_command.usages()[0].items():
        typed = {word for line in lines if line.startswith(name) for word in line.split()}
        options = set(_OPTION.findall(usage)) - every_command.CHANGES - (set() if which else {"-json"})
        assert options <= typed and ({name} <= every_command.CHANGES or set(name.split()) <= typed), name


@pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
def test_nothing_changes(found: Found, which: int, tmp_path: Path) -> None:
    """Memory, registers, signals, descriptors, how often threads have run; settings, breakpoints; and by strace."""
    told = look(found, which, tmp_path)
    assert told["looked_at"]["memory"] > 20 and told["looked_at"]["pages"] > 500
    assert told["looked_at"]["registers"] > 300
    assert_has_all_options(told["lines"], which)
    assert len(told["errors"]) < len(told["lines"]) / 8, told["errors"]
    wrong = {line: names for line, names in told["differences"].items()
             if names and (names != ["selection"] or not line.startswith(SELECTS))}
    assert wrong == {}
    if which:
        return
    if told["asked"] is None:
        pytest.skip("no strace: what gdb asks the kernel for was not looked at")
    requests = {request[1] for request in map(_REQUEST.search, told["asked"]) if request}
    assert requests and requests <= READS, requests - READS
    assert [line for line in told["asked"] if _WRITES.search(line)] == []
    assert {int(signal[1]) for signal in map(_SIGNALS.search, told["asked"]) if signal}.isdisjoint(told["pids"])


def test_changes_are_seen(found: Found, tmp_path: Path) -> None:
    """By what the test above looks with."""
    lines = ["set var *(long *) ($sp - 256) = 0x5afe5afe", "print ((int (*)(int)) close)(0)", "thread 1",
             "set var $r15 = 5", "set width 77"]
    told = look(found, 0, tmp_path, lines)
    differences = {line: set(names) for line, names in told["differences"].items()}
    assert differences[lines[0]] == {"memory"}
    assert {"memory", "threads"} <= differences[lines[1]]
    assert differences[lines[2]] == {"selection"}
    assert differences["all lines"] == {"descriptors", "registers", "settings"}
    if told["asked"] is None:
        pytest.skip("no strace: what gdb asks the kernel for was not looked at")
    requests = {request[1] for request in map(_REQUEST.search, told["asked"]) if request}
    assert {"PTRACE_CONT", "PTRACE_SETREGS"} <= requests
    assert any(_WRITES.search(line) for line in told["asked"])
