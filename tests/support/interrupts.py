"""Ctrl-C at random moments of every command, on a process in which most of them take long."""

import contextlib
import math
import os
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Callable, Collection, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from tests.support import every_command, processes, rounds, usage
from tests.support.prompt import Prompt
from tests.support.stripped import Launch

# How many objects, threads and nodes of a linked list the process has.
WHOLE = (3_000_000, 2000, 100_000)
SMALL = (10_000, 30, 2000)
# Seconds from Ctrl-C to the prompt, by the clock and on gdb's processor: others may have the machine.
PROMPT_AFTER = 1.0
# A command is not waited for longer than that many seconds, and not interrupted earlier than after so many. A moment
# is as likely in each tenfold between, so that long commands do not take all the time there is.
LONGEST = 20.0
SHORTEST = 0.003
# Seconds until the prompt is there for certain, interrupted or not.
PATIENCE = 60.0
_PROBLEM = re.compile("Python Exception|occurred in Python|internal-error")
# gdb itself was interrupted while it looked for a printer of a value, which it then prints. gdbext has no printers.
_OF_PRINTERS = re.compile(r"(?m)\^CPython Exception <class 'KeyboardInterrupt'>: .*\n(?P<value>.*)$")
# What is another with every run: how long it took.
_TIMES = re.compile(r"\d+\.\d+ s\b|(?<=paused\": )\d[\d.e-]*")
# Numbers above this tell that what was asked before is done.
_FIRST = 1000000
# Asked after each interrupt; it reads threads and frames anew.
NEXT = "py-bt-plus"
# Lines with this may let the process go.
DETACH = "-detach"


class Tally(NamedTuple):
    """What came of the interrupts."""

    commands: int
    interrupted: int
    finished: int
    compared: int
    slowest: Tuple[float, str]
    late: int
    problems: List[str]

    def line(self) -> str:
        """In one line."""
        return ("%d commands, interrupted %d times, %d times done before; %d answers compared afterwards; the prompt "
                "after %.2f s at the latest (%s), %d times later than %.0f s by the clock alone; %d problems" % (
                    self.commands, self.interrupted, self.finished, self.compared, *self.slowest, self.late,
                    PROMPT_AFTER, len(self.problems)))


class _Interrupts:
    """One gdb, in which commands are interrupted."""

    def __init__(self, prompt: Prompt, pid: int, folder: Path, dice: random.Random) -> None:
        self._prompt = prompt
        self._pid = pid
        self._folder = folder
        self._dice = dice
        self._number = 0
        self._answers: Dict[str, Optional[str]] = {}
        self._seconds: Dict[str, float] = {}
        self.interrupted = self.finished = self.compared = self.late = 0
        self.slowest = (0.0, "")
        self.problems: List[str] = []
        # So deep is the linked list.
        prompt.ask("set gdbext repr-depth unlimited")
        self._next = prompt.ask(NEXT)

    def command(self, lines: List[str], count: int) -> None:
        """Interrupt a command, typed in one of these ways each time."""
        for _ in range(count):
            line = self._dice.choice(lines)
            if line not in self._answers:
                self._measure(line)
            moment = math.exp(self._dice.uniform(math.log(SHORTEST), math.log(max(self._seconds[line], 2 * SHORTEST))))
            self._interrupt(line, moment)
        for line in lines:
            if self._answers.get(line) is not None:
                self._compare(line)

    def _type(self, line: str) -> None:
        # Some select another frame.
        self._prompt.ask("py-frame-plus 0")
        self._prompt.send(line)

    def _measure(self, line: str) -> None:
        began = time.monotonic()
        self._type(line)
        answer = self._prompt.answer_within(LONGEST)
        if answer is None:
            self._prompt.interrupt()
            self._prompt.answer()
        self._synchronize()
        self._seconds[line] = time.monotonic() - began
        self._answers[line] = answer if answer is None else _plain(answer)
        self._clean_up(line)

    def _synchronize(self) -> str:
        """A Ctrl-C that came when the command was done has a prompt of its own. Gives what was printed besides."""
        self._number += 1
        printed = ""
        # What is typed is echoed, and has not the number itself.
        self._prompt.send("output %d + %d" % (_FIRST, self._number))
        while str(_FIRST + self._number) not in printed:
            printed += self._prompt.answer()
        return printed

    def _clean_up(self, line: str) -> None:
        """No files, and attached."""
        for path in self._folder.iterdir():
            path.unlink()
        if DETACH in line:
            self._prompt.ask("detach")
            self.problems += ["%s: %s" % (line, each) for each in rounds.held(self._pid)]
            self._prompt.ask("attach %d" % self._pid)

    def _interrupt(self, line: str, moment: float) -> None:
        self._type(line)
        answer = self._prompt.answer_within(moment)
        where = "%s, after %.3f s: " % (line, moment)
        if answer is not None:
            self.finished += 1
        else:
            self.interrupted += 1
            ticks, began = self._prompt.ticks(), time.monotonic()
            self._prompt.interrupt()
            answer = self._prompt.answer_within(PATIENCE)
            if answer is None:
                raise TimeoutError(where + "no prompt after %d s" % PATIENCE)
            taken = time.monotonic() - began
            busy = (self._prompt.ticks() - ticks) / os.sysconf("SC_CLK_TCK")
            self.slowest = max(self.slowest, (taken, line))
            if busy > PROMPT_AFTER:
                self.problems.append(where + "prompt after %.2f s, of which gdb ran %.2f s" % (taken, busy))
            elif taken > PROMPT_AFTER:
                self.late += 1
            if "export" in line or "-file" in line:
                left = [path.name for path in self._folder.iterdir()
                        if not _is_whole(answer)]
                self.problems += [where + "left behind: %s\n%s" % (left, answer)] if left else []
        answer += self._synchronize()
        number = str(_FIRST + self._number)
        if _PROBLEM.search(without_printers(answer, (number, (self._answers[line] or "") + number))):
            self.problems.append(where + answer[-500:])
        self._clean_up(line)
        following = self._prompt.ask(NEXT)
        if following != self._next:
            self.problems.append("%s%s then prints\n%s" % (where, NEXT, following[:500]))
            self._next = following

    def _compare(self, line: str) -> None:
        self._type(line)
        answer = _plain(self._prompt.answer())
        self.compared += 1
        if answer != self._answers[line]:
            self.problems.append("%s: after interrupts it is\n%s\nand was\n%s" % (
                line, answer[:500], str(self._answers[line])[:500]))
        self._clean_up(line)


def without_printers(answer: str, values: Collection[str]) -> str:
    """An answer without gdb's own exception in its search for a printer, if gdb then printed the value whole."""
    found = _OF_PRINTERS.search(answer)
    return answer.replace(found[0], "", 1) if found and found["value"].strip() in values else answer


def _is_whole(answer: str) -> bool:
    """Whether what writes a file says that it has."""
    return " objects" in answer or '"objects"' in answer


def _plain(answer: str) -> str:
    """Without how far it was, and how long it took."""
    lines = answer.replace("\r\n", "\n").split("\n")
    return _TIMES.sub("", "\n".join(line.rpartition("\r")[2] for line in lines))


def _lines(program: processes.Program, folder: Path) -> Iterator[List[str]]:
    """The ways to type each command."""
    words = {**every_command.words(program.truth, folder), "NAME": "first", "TYPE": "Node", "A": "first"}
    commands, functions = every_command.usages()
    for each in commands.values():
        lines = [usage.typed(form, {**words, "FILE": str(folder / "file.jsonl")})
                 for form in every_command.few(each, every_command.CHANGES - {DETACH})]
        if lines:
            yield lines
    yield [every_command.call(each, words) for each in functions.values()]


def run(launch: Launch, sizes: Tuple[int, int, int], count: int, seed: str, only: Sequence[str] = (),
        tell: Callable[[str], None] = lambda line: None) -> Tally:
    """Interrupt each command so many times; with `only` those that begin so. `tell` hears of each when it is done."""
    with contextlib.ExitStack() as stack:
        home, folder = (Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gdbext-interrupts-")))
                        for _ in range(2))
        program = stack.enter_context(processes.running_python(launch, "large.py", *map(str, sizes)))
        prompt = Prompt(program.pid, home)
        stack.callback(prompt.close)
        of = _Interrupts(prompt, program.pid, folder, random.Random(seed))
        all_lines = [lines for lines in _lines(program, folder)
                     if not only or any(lines[0].startswith(each) for each in only)]
        for lines in all_lines:
            before, known = of.interrupted, len(of.problems)
            of.command(lines, count)
            tell("\n  ".join(["%s: interrupted %d times" % (lines[0], of.interrupted - before), *of.problems[known:]]))
        return Tally(len(all_lines), of.interrupted, of.finished, of.compared, of.slowest, of.late, of.problems)
