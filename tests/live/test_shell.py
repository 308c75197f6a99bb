"""The command `gdbext` of a shell, as pip installs it: into an environment whose Python is not gdb's."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

import pytest

from gdbext.analysis.statuses import NO_GDB, NO_PYTHON, NOT_OPENED, NOT_WRITTEN, OK, PARTIAL, USAGE
from tests.support import containers, gdb, processes, stripped
from tests.support import installed as installing
from tests.support.interpreters import Found, Interpreter

COMMANDS = ("dump", "install", "doctor", "path")


class Shell(NamedTuple):
    """A command of an environment, and the home folder of who runs it."""

    command: List[str]
    home: Path

    def run(self, *arguments: str, variables: Optional[Dict[str, str]] = None) -> "subprocess.CompletedProcess[str]":
        """Run `gdbext ARGUMENTS`."""
        return subprocess.run(
            [*self.command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=self.home,
            timeout=processes.TIMEOUT, check=False,
            env=gdb.environment(str(self.home), PATH=installing.path(), **(variables or {})))


@pytest.fixture
def shell(installed: List[str], tmp_path: Path) -> Shell:
    """That command, for a user who has nothing yet."""
    return Shell(installed, tmp_path)


def gdb_of_user(home: Path, *commands: str) -> "subprocess.CompletedProcess[str]":
    """gdb as it starts for this user, with the user's init files."""
    more = [word for command in commands for word in ("-ex", command)]
    return subprocess.run([gdb.find().path, "-batch", *more], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=processes.TIMEOUT, env=gdb.environment(str(home)), cwd=home, check=False)


def test_install(shell: Shell) -> None:
    """From nothing to commands in every gdb, and back; each step says what it does."""
    before = shell.run("doctor")
    assert before.returncode == PARTIAL and "no  gdb does not load it when it starts" in before.stdout
    init = shell.run("path").stdout.strip()
    assert init.startswith(os.path.realpath(os.path.dirname(os.path.dirname(shell.command[0]))))
    assert os.path.exists(init)
    printed = shell.run("install", "--print")
    assert printed.returncode == OK and "source %s" % init in printed.stdout.splitlines()
    assert os.listdir(shell.home) == []
    done = shell.run("install")
    assert (done.returncode, done.stderr) == (OK, ""), done
    file = shell.home / ".gdbinit"
    text = file.read_text()
    assert text.count("source %s\n" % init) == 1 and str(file) in done.stdout
    # pyelftools lies beside it; nothing else of the environment is on the way of gdb's Python.
    shown = gdb_of_user(shell.home, "help py-threads", "py-symbols -imports open", "python import sys; print(sys.path)",
                        "python from gdbext.elf import pyelftools; pyelftools.provide(); print('provided')")
    assert "Usage: py-threads" in shown.stdout and shown.stdout.endswith("provided\n"), shown
    assert os.path.dirname(os.path.dirname(init)) not in shown.stdout.splitlines()[-2]
    assert "py-symbols: no process and no core." in shown.stderr
    again = shell.run("install")
    assert again.returncode == OK and "nothing to do" in again.stdout and file.read_text() == text
    after = shell.run("doctor")
    assert "ok  gdb loads it when it starts, by %s" % file in after.stdout
    assert "ok  pyelftools: " in after.stdout and gdb.find().version in after.stdout
    gone = shell.run("install", "--uninstall")
    assert gone.returncode == OK and not file.exists()
    assert "Undefined command" in gdb_of_user(shell.home, "help py-threads").stderr


def test_init_file_that_gdb_reads(shell: Shell) -> None:
    """Of two init files the one that this gdb reads; what it holds stays."""
    newer = shell.home / ".config" / "gdb" / "gdbinit"
    newer.parent.mkdir(parents=True)
    for file in (newer, shell.home / ".gdbinit"):
        file.write_text("set $mine = 42\n")
    assert shell.run("install").returncode == OK
    shown = gdb_of_user(shell.home, "help py-threads", "print $mine")
    assert "Usage: py-threads" in shown.stdout and "$1 = 42" in shown.stdout
    with_block = [file for file in (newer, shell.home / ".gdbinit") if "gdbext" in file.read_text()]
    assert len(with_block) == 1
    assert with_block[0].with_name(with_block[0].name + ".before-gdbext").read_text() == "set $mine = 42\n"
    assert shell.run("install", "--uninstall").returncode == OK
    assert with_block[0].read_text() == "set $mine = 42\n"


def test_install_refused(shell: Shell) -> None:
    """No gdb, a gdb without Python, an init file that is none: one line each, nothing written."""
    stub = shell.home / "gdb"
    stub.write_text("#!/bin/sh\necho 'Python scripting is not supported in this copy of GDB.' >&2\n")
    stub.chmod(0o755)
    for arguments, status in ((["install", "--gdb", "/nonexistent"], NO_GDB), (["install", "--gdb", str(stub)], NO_GDB),
                              (["doctor", "--gdb", str(stub)], NO_GDB), (["install", "--nonsense"], USAGE)):
        ended = shell.run(*arguments)
        assert ended.returncode == status and ended.stdout == "", ended
    (shell.home / ".gdbinit").mkdir()
    ended = shell.run("install")
    assert ended.returncode == NOT_WRITTEN and ended.stderr.endswith(".gdbinit: Is a directory\n")


def test_distribution_and_system(shell: Shell, tmp_path: Path) -> None:
    """Links to init.py: below auto-load's folder it is loaded with the interpreter, in gdbinit.d by its suffix."""
    init = shell.run("path").stdout.strip()
    # A copy, for beside the original may lie a script of its own.
    program = Path(shutil.copy(os.path.realpath(sys.executable), tmp_path / "python")).resolve()
    link = Path("%s%s-gdb.py" % (tmp_path / "auto-load", program))
    link.parent.mkdir(parents=True)
    link.symlink_to(init)
    run = gdb.run(["help py-threads"], load=False, executable=program,
                  before=["-iex", "set auto-load scripts-directory %s" % (tmp_path / "auto-load"),
                          "-iex", "add-auto-load-safe-path %s" % tmp_path])
    assert "Usage: py-threads" in run.answers[0].stdout
    (tmp_path / "gdbext.py").symlink_to(init)
    run = gdb.run(["source %s" % (tmp_path / "gdbext.py"), "help py-threads"], load=False)
    assert "Usage: py-threads" in run.answers[1].stdout


def status(pid: int, name: str) -> str:
    """A line of /proc/PID/status."""
    found = re.search(r"(?m)^%s:\s*(.*)$" % name, Path("/proc/%d/status" % pid).read_text())
    assert found is not None
    return found.group(1)


def assert_runs_on(pid: int) -> None:
    """Nobody traces the process, and it is not stopped."""
    assert status(pid, "TracerPid") == "0" and not status(pid, "State").startswith(("T", "t"))


def hanging(interpreter: Interpreter) -> "processes.contextlib.AbstractContextManager[processes.Program]":
    """Two threads in a deadlock, and a third behind them."""
    return processes.running_python(stripped.as_installed(interpreter), "hanging.py")


def test_dump(shell: Shell, interpreter: Interpreter, tmp_path: Path) -> None:
    """A process and its core, in text and JSON: what the commands say, and the process goes on."""
    with hanging(interpreter) as program:
        plain = shell.run("dump", str(program.pid))
        everything = shell.run("dump", str(program.pid), "--all")
        document = shell.run("dump", str(program.pid), "--all", "--json", "--limit", "2")
        core = gdb.gcore(program.pid, tmp_path / "core")
        assert_runs_on(program.pid)
        of_core = shell.run("dump", str(core), "--locks", "--exc")
        os.truncate(core, core.stat().st_size * 9 // 10)
        of_cut = shell.run("dump", str(core))
        truth = program.truth
    for ended in (plain, everything, document, of_core):
        assert (ended.returncode, ended.stderr) == (OK, ""), ended
    assert "was cut: " in of_cut.stderr.splitlines()[0] and of_cut.returncode in (OK, NOT_OPENED, NO_PYTHON), of_cut
    assert plain.stdout.startswith("Process %d: CPython " % program.pid)
    assert "Deadlock" not in plain.stdout and "Tracebacks" in plain.stdout
    for text in (everything.stdout, of_core.stdout):
        assert "Deadlock: 2 threads wait for each other." in text
        assert "KeyError: 'the reason'" in text
    assert "    wanted = 'by the other one'" in everything.stdout
    for name in truth["waiting"]:
        assert plain.stdout.count(", in %s\n" % name) == 1, plain.stdout
    answer = json.loads(document.stdout)
    assert answer["command"] == "gdbext dump" and answer["target"]["pid"] == program.pid and answer["problems"] == []
    assert {each["ident"] for each in answer["py-threads"]["threads"]} == set(truth["idents"])
    assert len(answer["py-locks"]["deadlocks"]) == 1
    assert len(answer["py-bt-plus"]) == len(truth["idents"])
    kinds = [[frame["kind"] for frame in each["frames"]] for each in answer["py-bt-plus"]]
    assert all(each.count("python") == 2 for each in kinds if "python" in each)
    assert any("native" in each for each in kinds)
    assert any(each["handling"] for each in answer["py-exc"]["threads"])


def test_dump_refused(shell: Shell, tmp_path: Path) -> None:
    """Each kind of failure has a status of its own, and one line with the reason."""
    (tmp_path / "text").write_text("no core")
    (tmp_path / "core.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            cases = {"999999999": NOT_OPENED, str(tmp_path / "text"): NOT_OPENED, str(tmp_path / "gone"): NOT_OPENED,
                     str(tmp_path / "core.zst"): NOT_OPENED, str(process.pid): NO_PYTHON}
            for what, status in cases.items():
                ended = shell.run("dump", what)
                first = ended.stderr.splitlines()[0]
                assert (ended.returncode, ended.stdout) == (status, ""), ended
                assert first.startswith("gdbext dump: ") and "Traceback" not in ended.stderr
                assert ("zstd -d" in ended.stderr) == what.endswith(".zst")
        finally:
            process.kill()
    for arguments, status in (([str(os.getpid()), "--gdb", "/nonexistent"], NO_GDB), ([], USAGE),
                              (["1", "--limit", "0"], USAGE)):
        assert shell.run("dump", *arguments).returncode == status


# A gdb that notes how it is started, and in which one command has been replaced.
_BROKEN_GDB = """#!/bin/sh
printf '%s\\n' "$@" > "$0.arguments"
exec {gdb} -x "$0.py" "$@"
"""
_BROKEN_COMMAND = """
import gdb

class Broken(gdb.Command):
    def invoke(self, *_):
        raise gdb.GdbError("py-exc: broken by a test")

Broken("py-exc", gdb.COMMAND_STACK)
"""


def test_dump_in_part(shell: Shell, found: Found) -> None:
    """Where one of the answers fails, the others are there, and the status says so; gdb reads no symbols for it."""
    broken = shell.home / "broken-gdb"
    broken.write_text(_BROKEN_GDB.format(gdb=gdb.find().path))
    broken.chmod(0o755)
    (shell.home / "broken-gdb.py").write_text(_BROKEN_COMMAND)
    with hanging(found.interpreters[0]) as program:
        text, document = (shell.run("dump", str(program.pid), "--all", "--gdb", str(broken), *more)
                          for more in ([], ["--json"]))
        assert_runs_on(program.pid)
        truth = program.truth
    assert (text.returncode, text.stderr) == (PARTIAL, "gdbext dump: py-exc: broken by a test\n")
    assert "Deadlock: 2 threads wait for each other." in text.stdout
    for name in truth["waiting"]:
        assert ", in %s\n" % name in text.stdout
    assert (document.returncode, document.stderr) == (PARTIAL, "")
    answer = json.loads(document.stdout)
    assert answer["problems"] == ["py-exc: broken by a test"] and answer["py-exc"] is None
    assert {each["ident"] for each in answer["py-threads"]["threads"]} == set(truth["idents"])
    arguments = (shell.home / "broken-gdb.arguments").read_text().splitlines()
    assert {"-nx", "-batch", "-readnever", "set auto-solib-add off", "set auto-load off"} < set(arguments)


def test_dump_of_container(shell: Shell, found: Found) -> None:
    """A container's process, in the container by the number that it has there, and from the host by the host's."""
    reason = containers.cannot()
    if reason:
        pytest.skip(reason)
    here = [each for each in found.interpreters if each.root is None]
    if not here:
        pytest.skip("every CPython is in another root already")
    arguments = ["-u", str(containers.PROGRAMS / "hanging.py"), "truth.json"]
    with containers.running(here[-1], "pivot_root", arguments, {}) as container:
        truth = container.program.truth
        inside = Shell(["nsenter", "--target", str(container.pid), "--mount", "--pid", *shell.command], shell.home)
        answers = {container.pid: shell.run("dump", str(container.pid), "--all", "--json"),
                   1: inside.run("dump", "1", "--all", "--json")}
        nobody = inside.run("dump", str(container.pid))
        assert_runs_on(container.pid)
    for pid, ended in answers.items():
        assert ended.returncode == OK, ended
        answer = json.loads(ended.stdout)
        assert answer["target"]["pid"] == pid and answer["problems"] == []
        assert {each["ident"] for each in answer["py-threads"]["threads"]} == set(truth["idents"])
        assert len(answer["py-locks"]["deadlocks"]) == 1
    assert nobody.returncode == NOT_OPENED and "there is no process" in nobody.stderr


def test_dump_of_traced(shell: Shell, found: Found) -> None:
    """A process that another debugger has can't be attached to, and gdb's reason is told."""
    with hanging(found.interpreters[0]) as program:
        with subprocess.Popen([gdb.find().path, "-nx", "-q", "-p", str(program.pid)], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
            try:
                processes.wait_for(lambda: status(program.pid, "TracerPid") != "0", "traced")
                ended = shell.run("dump", str(program.pid))
            finally:
                other.communicate(b"detach\nquit\n")
    assert ended.returncode == NOT_OPENED and ended.stdout == ""
    assert "can't attach to process %d" % program.pid in ended.stderr.splitlines()[0]


def test_dump_interrupted(shell: Shell, found: Found) -> None:
    """Ctrl-C, which reaches gdb too, and a reader that goes away: the process is let go."""
    with hanging(found.interpreters[0]) as program:
        for number in (signal.SIGINT, None):
            with subprocess.Popen([*shell.command, "dump", str(program.pid), "--all"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                                  env=gdb.environment(str(shell.home), PATH=installing.path())) as dump:
                assert dump.stdout is not None and dump.stdout.readline().startswith(b"Process ")
                if number is not None:
                    os.killpg(dump.pid, number)
                dump.stdout.close()
                dump.wait(processes.TIMEOUT)
            assert_runs_on(program.pid)
            assert dump.returncode in (OK, 130, 141)
