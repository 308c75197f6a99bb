"""What IDEs get: gdb's machine interface by pygdbmi, a client of it, and the Debug Adapter Protocol spoken by hand."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from tests.support import gdb, processes, stripped
from tests.support.interpreters import Interpreter

FIRST_WITH_MACHINE_COMMANDS = 12
FIRST_WITH_DAP = 14

# Machine command → the command whose document it has, and arguments for both.
COMMANDS = {"-py-bt": ("py-bt-plus", ["-full", "-limit", "2"]), "-py-threads": ("py-threads", []),
            "-py-exc": ("py-exc", ["-all"]), "-py-locks": ("py-locks", [])}


def skip_before(version: int, what: str) -> None:
    """Skip where the gdb is older."""
    if int(re.match(r"\d+", gdb.find().version)[0]) < version:
        pytest.skip("gdb %s has no %s" % (gdb.find().version, what))


@pytest.fixture(scope="module")
def program(one_interpreter: Interpreter) -> Iterator[processes.Program]:
    """One that hangs; what interpreter it has makes no difference here."""
    with processes.running_python(stripped.as_installed(one_interpreter), "hanging.py") as running:
        yield running


def as_results(value: Any) -> Any:
    """A JSON document by the rules that commands/machine.py gives."""
    if isinstance(value, dict):
        return {name: [{"name": variable, "value": text} for variable, text in each.items()] if name == "locals"
                else as_results(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [as_results(each) for each in value]
    return json.dumps(value) if isinstance(value, (bool, int, float)) else value


def without_clocks(text: str) -> str:
    """Seconds that are left differ between two looks."""
    return re.sub(r"[\d.]+( s left|(?<=seconds_left': ')[\d.]+)", "", text)


def test_machine_interface(program: processes.Program) -> None:
    """Each command has the fields of its JSON document, for the thread that --thread names; errors are records."""
    skip_before(FIRST_WITH_MACHINE_COMMANDS, "commands of the machine interface that Python defines")
    pytest.importorskip("pygdbmi")
    run = gdb.run(["thread 2"] + [" ".join([command, *arguments, "-json"]) for command, arguments in COMMANDS.values()],
                  pid=program.pid)
    wanted = dict(zip(COMMANDS, (answer.document() for answer in run.answers[1:])))
    records = results(["-target-attach %d" % program.pid,
                       *(" ".join([name, "--thread 2", *arguments])
                         for name, (_command, arguments) in COMMANDS.items()),
                       '-interpreter-exec console "py-locks"', "-py-bt -nonsense", "-py-exc nothing", "-target-detach"])
    attached, *found, console, wrong, nothing, detached = records
    for record in (attached, console, detached):
        assert record["message"] == "done"
    for (name, document), record in zip(wanted.items(), found):
        assert record["message"] == "done", (name, record)
        assert without_clocks(str(record["payload"])) == without_clocks(str(as_results(document)))
    for record in (wrong, nothing):
        assert record["message"] == "error" and record["payload"]["msg"].startswith("py-"), record


def results(lines: List[str]) -> List[Dict[str, Any]]:
    """The result record of each of some lines that gdb's machine interface is given."""
    from pygdbmi.gdbmiparser import parse_response

    ended = subprocess.run(
        [gdb.find().path, "-nx", "-q", "--interpreter=mi3", "-iex", "source %s" % gdb.INIT], check=True,
        input="".join(line + "\n" for line in [*lines, "-gdb-exit"]), capture_output=True, text=True,
        timeout=processes.TIMEOUT, env=gdb.environment("/nonexistent"))
    records = [parse_response(line) for line in ended.stdout.splitlines() if line.startswith("^")]
    assert len(records) == len(lines) + 1, ended.stdout
    return records[:-1]


class Adapter:
    """A client of `gdb -i=dap`: requests and events as the protocol frames them."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [gdb.find().path, "-nx", "-q", "-i=dap", "-iex", "source %s" % gdb.INIT], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=gdb.environment(str(folder)), cwd=folder)
        self._number = 0
        self.events: List[Dict[str, Any]] = []

    def send(self, command: str, **arguments: Any) -> int:
        """Send a request; gives its number."""
        self._number += 1
        body = json.dumps({"seq": self._number, "type": "request", "command": command, "arguments": arguments}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()
        return self._number

    def answer(self, number: int) -> Dict[str, Any]:
        """The response to a request; events before it are kept."""
        while True:
            message = self._receive()
            if message["type"] == "response" and message["request_seq"] == number:
                return message
            if message["type"] == "event":
                self.events.append(message)

    def ask(self, command: str, **arguments: Any) -> Dict[str, Any]:
        """A request and its response."""
        return self.answer(self.send(command, **arguments))

    def wait_for(self, event: str) -> None:
        """Read until there has been an event."""
        while not any(each["event"] == event for each in self.events):
            message = self._receive()
            if message["type"] == "event":
                self.events.append(message)

    def _receive(self) -> Dict[str, Any]:
        stream = self._process.stdout
        assert stream is not None
        header = stream.readline()
        assert header.startswith(b"Content-Length: "), header
        assert stream.readline() == b"\r\n"
        return json.loads(stream.read(int(header.split()[1])))

    def close(self) -> None:
        """End gdb, which lets the process go."""
        self._process.kill()
        self._process.communicate()


def test_debug_adapter(program: processes.Program, tmp_path: Path) -> None:
    """The commands can be typed into an IDE's debug console."""
    skip_before(FIRST_WITH_DAP, "Debug Adapter Protocol")
    adapter = Adapter(tmp_path)
    try:
        assert adapter.ask("initialize", clientID="test", adapterID="gdb")["success"]
        attached = adapter.send("attach", pid=program.pid)
        adapter.wait_for("initialized")
        adapter.ask("configurationDone")
        assert adapter.answer(attached)["success"]
        adapter.wait_for("stopped")
        locks = adapter.ask("evaluate", expression="py-locks", context="repl")
        assert locks["success"] and "Deadlock: 2 threads wait for each other." in locks["body"]["result"]
        document = adapter.ask("evaluate", expression="py-threads -json", context="repl")
        threads = json.loads(document["body"]["result"])["threads"]
        assert {each["ident"] for each in threads} == set(program.truth["idents"])
        wrong = adapter.ask("evaluate", expression="py-bt-plus -nonsense", context="repl")
        assert not wrong["success"] and "no option -nonsense" in json.dumps(wrong)
        adapter.ask("disconnect", terminateDebuggee=False)
    finally:
        adapter.close()
