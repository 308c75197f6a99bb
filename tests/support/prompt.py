"""gdb with gdbext at a prompt: a pseudo terminal on which a test types."""

import signal
from pathlib import Path
from typing import Optional

import pexpect

from tests.support import gdb as gdb_runner
from tests.support import processes

PROMPT = "(gdb) "
# The end of the pager's question. What is typed before all of it is there is lost.
PAGER = "without paging--"
# How much processor time of gdb, in clock ticks, shows that the command is well on its way: 0.2 s.
TICKS_INTO_COMMAND = 20


def _at_a_terminal() -> None:
    """Ctrl-C is there for gdb, also where a shell runs the tests in the background, and has them ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Prompt:
    """gdb with gdbext on a pseudo terminal, attached to a process."""

    def __init__(self, pid: int, home: Path, columns: int = 200, term: str = "dumb", **variables: str) -> None:
        self._gdb = pexpect.spawn(
            gdb_runner.find().path,
            ["-nx", "-q", "-readnever", "-iex", "set auto-load python-scripts off",
             "-iex", "source %s" % gdb_runner.INIT, "-p", str(pid)],
            env=gdb_runner.environment(str(home), TERM=term, **variables), cwd=str(home),
            encoding="utf-8", timeout=processes.TIMEOUT, dimensions=(24, columns), preexec_fn=_at_a_terminal)
        self._gdb.delaybeforesend = None
        # Attaching may fill pages.
        while self._gdb.expect_exact([PROMPT, PAGER]):
            self._gdb.sendline("c")
        self.ask("set pagination off")

    def ask(self, command: str) -> str:
        """What a command prints."""
        self.send(command)
        return self.answer()

    def send(self, command: str) -> None:
        """Type a line, and do not wait."""
        self._gdb.sendline(command)

    def type(self, keys: str) -> None:
        """Press keys, without RET."""
        self._gdb.send(keys)

    def answer(self) -> str:
        """What is printed until the prompt comes back."""
        answer = self.answer_within(processes.TIMEOUT)
        assert answer is not None, "no prompt\n%s" % self._gdb.before
        return answer

    def answer_within(self, seconds: float) -> Optional[str]:
        """What is printed until the prompt comes back, None where it does not come in time."""
        if self._gdb.expect_exact([PROMPT, pexpect.TIMEOUT], timeout=seconds):
            return None
        # The first line is the echo of what was typed.
        return self._gdb.before.replace("\r\n", "\n").partition("\n")[2]

    def show_progress_soon(self) -> None:
        """Have the line with the progress there before the work is done, however quick that is."""
        self.ask("python from gdbext.commands import progress; progress.PATIENCE = progress.INTERVAL = 0.02")

    def rest(self) -> str:
        """What is printed behind a text that was waited for, until the prompt comes back."""
        self._gdb.expect_exact(PROMPT)
        return self._gdb.before.replace("\r\n", "\n")

    def expect(self, text: str) -> None:
        """Wait until this text is shown."""
        self._gdb.expect_exact(text)

    def interrupt_inside_command(self) -> None:
        """Ctrl-C, once gdb has been busy with the command for a while."""
        start = self.ticks()
        processes.wait_for(lambda: self.ticks() - start > TICKS_INTO_COMMAND, "gdb at work")
        self.interrupt()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._gdb.sendintr()

    def ticks(self) -> int:
        """How much processor time gdb has used, in clock ticks."""
        fields = Path("/proc/%d/stat" % self._gdb.pid).read_text().rpartition(")")[2].split()
        return int(fields[11])

    def close(self) -> None:
        """Detach and leave."""
        self._gdb.sendline("detach")
        self._gdb.sendline("quit")
        try:
            self._gdb.expect(pexpect.EOF)
        finally:
            self._gdb.close(force=True)
