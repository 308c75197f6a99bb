"""Attaching to a busy server, inspecting it and letting it go again and again, while clients ask it for answers."""

import contextlib
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence

from tests.support import every_command, gdb, processes
from tests.support.stripped import Launch

CLIENTS = 4
# Numbers that clients ask for; each takes the server up to a millisecond.
NUMBERS = 3000
# Lines of one round.
LINES = 6
# Every so many rounds gdb is killed.
KILLED = 5
# A killed gdb is given up to so many seconds to begin the lines, and is at most so far into them.
INTO = 0.4
BEGUN = "begun"


class Clients:
    """Threads that ask the server, each over a connection of its own, and check every answer."""

    def __init__(self, port: int) -> None:
        self.answered = 0
        self.failures: List[str] = []
        self.slowest = 0.0
        self._port = port
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on, args=(random.Random(index),))
                         for index in range(CLIENTS)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, answers: int) -> None:
        """Wait until so many were answered, or one wrongly. Raises TimeoutError."""
        processes.wait_for(lambda: self.answered > answers or self.failures, "answers")

    def _ask_on(self, dice: random.Random) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), processes.TIMEOUT) as connection, \
                    connection.makefile("r") as lines:
                while not self._is_over.is_set():
                    self._ask(connection, lines, dice.randrange(NUMBERS))
        except (OSError, ValueError) as error:
            self.failures.append(repr(error))

    def _ask(self, connection: socket.socket, lines: Iterator[str], number: int) -> None:
        began = time.monotonic()
        connection.sendall(b"%d\n" % number)
        answer = next(lines, "")
        with self._lock:
            self.answered += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
        if not answer.startswith("%d " % number ** 2):
            self.failures.append("asked for %d, answered %r" % (number, answer))


class Tally(NamedTuple):
    """What came of the rounds."""

    rounds: int
    killed: int
    lines: int
    answered: int
    slowest: float
    problems: List[str]

    def line(self) -> str:
        """In one line."""
        return ("%d rounds with %d commands, in %d of them gdb was killed; %d requests answered, the slowest in "
                "%.1f s; %d problems") % (self.rounds, self.lines, self.killed, self.answered, self.slowest,
                                            len(self.problems))


def run(launch: Launch, rounds: int, seed: str) -> Tally:
    """So many rounds on one server."""
    dice = random.Random(seed)
    problems: List[str] = []
    lines = killed = 0
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gdbext-rounds-")))
        program = stack.enter_context(processes.running_python(launch, "server.py"))
        clients = stack.enter_context(Clients(program.truth["port"]))
        all_lines = every_command.lines(program.truth, folder, every_command.CHANGES - {"-detach"})
        for index in range(rounds):
            enough = clients.answered + CLIENTS
            chosen = ["py-threads", *dice.sample(all_lines, LINES - 1)]
            if index % KILLED == KILLED - 1:
                killed += 1
                _killed(program.pid, chosen, dice.uniform(0, INTO))
            else:
                problems += _finished(program.pid, chosen)
            lines += len(chosen)
            where = "round %d, %s: " % (index, "; ".join(chosen))
            problems += [where + each for each in held(program.pid)]
            try:
                clients.wait_for(enough)
            except TimeoutError as error:
                problems.append(where + str(error))
            if clients.failures:
                problems += [where + each for each in clients.failures]
                break
    return Tally(rounds, killed, lines, clients.answered, clients.slowest, problems + clients.failures)


def _command(pid: int, lines: Sequence[str]) -> List[str]:
    """gdb, which says when it is attached; a command that fails does not end it."""
    return [gdb.find().path, "-nx", "-batch", *gdb.MODES["hidden"], "-iex", "set auto-load python-scripts off",
            "-iex", "source %s" % gdb.INIT, "-p", str(pid), "-ex", "echo %s\\n" % BEGUN,
            *(word for line in lines for word in ("-ex", line))]


def _finished(pid: int, lines: Sequence[str]) -> List[str]:
    """What went wrong in a round that comes to its end."""
    with tempfile.TemporaryDirectory(prefix="gdb-home-") as home:
        ended = subprocess.run(_command(pid, lines), stdin=subprocess.DEVNULL, capture_output=True, cwd=home,
                               timeout=processes.TIMEOUT, env=gdb.environment(home), check=False)
    text = (ended.stdout + ended.stderr).decode("utf-8", "replace")
    if ended.returncode < 0 or BEGUN not in text or "Python Exception" in text or "occurred in Python" in text:
        return ["gdb ended with %d after %s\n%s" % (ended.returncode, "; ".join(lines), text[-1000:])]
    return []


def _killed(pid: int, lines: Sequence[str], seconds: float) -> None:
    """A round in which gdb is killed, so many seconds after it has attached."""
    with tempfile.TemporaryDirectory(prefix="gdb-home-") as home:
        with subprocess.Popen(_command(pid, lines), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=home,
                              stderr=subprocess.DEVNULL, env=gdb.environment(home), bufsize=0) as running:
            while BEGUN.encode() not in running.stdout.readline():  # type: ignore[union-attr]
                if running.poll() is not None:
                    break
            try:
                running.wait(seconds)
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)


def held(pid: int) -> List[str]:
    """Which threads of a process are stopped or traced."""
    found = []
    for thread in processes.thread_ids(pid):
        status: Dict[str, str] = dict(
            line.split(":\t", 1) for line in Path("/proc/%d/task/%d/status" % (pid, thread)).read_text().splitlines())
        if status["State"][0] in "tT" or status["TracerPid"] != "0":
            found.append("thread %d: %s, traced by %s" % (thread, status["State"], status["TracerPid"]))
    return found
