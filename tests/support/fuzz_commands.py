"""For gdb to source: run the commands on a core that is damaged anew each time, and write down what came of it.

Environment: FUZZ, a JSON document with `work` (a core that is damaged and mended in turn), `interpreter` and `seed`
(they say what is damaged), `first` and `last` case, `per_case`, `objects` (addresses), `folder` (for what commands
write), `log`, `only` (the beginnings of lines to run), and `addresses` (bytes of them that gdb may have).

The log has a line of JSON for each run of a command, written in two parts: before it, and after it. A command that
takes too long is ended with the whole gdb, and has the second part missing.
"""

import faulthandler
import json
import os
import random
import re
import resource
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import gdb

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gdbext.commands import command, register
from gdbext.cpython.memory import Memory
from tests.support import every_command, usage
from tests.support.claims import JUDGES, OF_THREAD
from tests.support.damage_at_random import DamagedCore, damage

# Seconds by the clock until gdb is ended: another process may have the processor.
HANGS = 120
# Seconds of the processor in which every command has to be done on so small a process.
SLOW = 10
# Bytes that gdb may have in memory at the most.
MAX_RESIDENT = 1 << 30

# Reads longer than this are of whole arenas: no structure.
_MAX_STRUCTURE = 4096
_WARNING = re.compile(r"(?m)^warning: .*\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")



def lines_of(words: Dict[str, str]) -> Dict[str, List[str]]:
    """All lines that the usage of each command and function allows, by its name."""
    found = {each.NAME: [usage.typed(form, words) for form in usage.forms(getattr(each, "USAGE", each.NAME))]
             for each in register.COMMANDS}
    found.update({each.NAME: [every_command.call(each.USAGE, words)] for each in register.FUNCTIONS})
    return found


class Fuzz:
    """One gdb's share of the cases."""

    def __init__(self, settings: Dict[str, Any]) -> None:
        self._settings = settings
        self._log = open(settings["log"], "a", encoding="utf-8")
        self._crash_log = open(settings["log"] + ".hangs", "a", encoding="utf-8")
        self._core = DamagedCore(Path(settings["work"]))
        self._read: Optional[Set[int]] = None
        self._tracebacks: List[str] = []
        # What a line reads, and in which thread: None in any.
        self._words: List[Tuple[List[int], Optional[int]]] = []
        self._truth: Dict[Tuple[str, Optional[int]], Dict[str, Any]] = {}
        self._threads: List[int] = []
        self._addresses = list(settings["objects"])
        os.makedirs(settings["folder"], exist_ok=True)

    def _load(self) -> None:
        # Not to_string=True: what gdb says of damaged names need not be text.
        gdb.execute("core-file")
        gdb.execute("core-file %s" % self._settings["work"])

    def _typed(self, dice: random.Random) -> Dict[str, str]:
        folder = self._settings["folder"]
        address = dice.choice(self._addresses) + dice.choice((0, 0, 0, 0, 8, -16))
        return {
            "N": dice.choice(("1", "2", "5", "1000")), "START": "1", "END": "9999", "ADDRESS": hex(address),
            "TYPE": dice.choice(("dict", "str", "KeyError", "Account", "builtins.tuple", "none")),
            "A": "one", "B": "two",
            "NAME": dice.choice(("one", "two", "account", "local", "account.history[0]['text']", "depth",
                                 "sys.modules")),
            "OTHERWISE": "7", "FUNCTION": dice.choice(("read", "pthread_cond_wait", "none")), "PATH": folder,
            "FILE": os.path.join(folder, dice.choice(("a", "b.jsonl", "c.pyheap", "d.heapsnapshot"))),
            "$REGISTER": dice.choice(("$rdi", "$rbx", "$r12", "$rsp")), "MODULE": "builtins",
        }

    def prepare(self) -> None:
        """What is true of the core, and what each command reads of it."""
        self._load()
        self._threads = [thread.num for thread in gdb.selected_inferior().threads()]
        last = self._threads[-1]
        asked = [(line, None) for line in JUDGES if line != OF_THREAD] + [
            (OF_THREAD, number) for number in self._threads]
        for line, number in asked:
            read, text = self._reads(line, number or last)
            self._truth[line, number] = json.loads(_WARNING.sub("", text))
            if self._is_wanted(line):
                self._words.append((read, number))
        for lines in self._lines(random.Random(0)):
            read, _text = self._reads(lines[-1], last)
            if read:
                self._words.append((read, None))

    def _lines(self, dice: random.Random) -> List[List[str]]:
        """The lines of each command, with words that may stand in them."""
        found = ([line for line in lines if self._is_wanted(line)]
                 for lines in lines_of(self._typed(dice)).values())
        return [lines for lines in found if lines]

    def _is_wanted(self, line: str) -> bool:
        only = self._settings.get("only")
        # CPython's libpython.py is not ours, and would stay loaded.
        return "-load-libpython" not in line and (not only or line.startswith(tuple(only)))

    def _reads(self, line: str, thread: int) -> Tuple[List[int], str]:
        """The words that a line reads, so that what one reads is damaged as often as what another does; its answer."""
        read, u64, u32 = Memory.read, Memory.u64, Memory.u32
        found: Set[Tuple[int, int]] = set()

        def traced_read(memory: Memory, address: int, size: int) -> bytes:
            if size <= _MAX_STRUCTURE:
                found.add((address, size))
            return read(memory, address, size)

        def traced_u64(memory: Memory, address: int) -> int:
            found.add((address, 8))
            return u64(memory, address)

        def traced_u32(memory: Memory, address: int) -> int:
            found.add((address, 4))
            return u32(memory, address)

        self._load()
        gdb.execute("thread %d" % thread, to_string=True)
        Memory.read, Memory.u64, Memory.u32 = traced_read, traced_u64, traced_u32  # type: ignore[method-assign]
        try:
            text = gdb.execute(line, to_string=True)
        except gdb.error:
            text = ""
        finally:
            Memory.read, Memory.u64, Memory.u32 = read, u64, u32  # type: ignore[method-assign]
        words = {word for address, size in found for word in range(address & -8, address + size, 8)}
        return self._core.held(words), text

    def watch(self) -> None:
        """Note every Python exception that leaves a command."""
        for kind in (command.Command, command.Function):
            self._watch(kind)

    def _watch(self, kind: Any) -> None:
        invoke = kind.invoke

        def watched(*arguments: Any) -> Any:
            try:
                return invoke(*arguments)
            except gdb.GdbError:
                raise
            except BaseException:
                self._tracebacks.append(traceback.format_exc())
                raise
        kind.invoke = watched

    def case(self, number: int) -> None:
        """Damage the core, run some commands, mend it."""
        dice = random.Random("%(seed)s %(interpreter)s " % self._settings + str(number))
        words, thread = dice.choice(self._words)
        changes = damage(self._core, dice, words)
        what = " ".join(map(str, changes))
        thread = thread or dice.choice(self._threads)
        try:
            loaded = self._run(number, what, "core-file", thread)
            if loaded is not None:
                return
            lines = self._lines(dice)
            others = [dice.choice(dice.choice(lines)) for _ in range(self._settings["per_case"])]
            for line in [*filter(self._is_wanted, JUDGES), *others]:
                self._run(number, what, line, thread)
        finally:
            self._core.mend()
            gdb.execute("delete", to_string=True)
            shutil.rmtree(self._settings["folder"])
            os.makedirs(self._settings["folder"])

    def _run(self, number: int, what: str, line: str, thread: int) -> Optional[str]:
        """Run one line; gives its error."""
        self._tracebacks.clear()
        self._log.write(json.dumps({"case": number, "line": line, "thread": thread, "damage": what})[:-1])
        self._log.flush()
        faulthandler.dump_traceback_later(HANGS, exit=True, file=self._crash_log)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        began = time.process_time()
        text, error = "", None
        try:
            if line == "core-file":
                self._load()
                gdb.execute("thread %d" % thread, to_string=True)
            else:
                # What goes to gdb's standard error is in it too.
                text = _WARNING.sub("", gdb.execute(line, to_string=True))
        except (gdb.error, KeyboardInterrupt) as raised:
            error = str(raised) or type(raised).__name__
        taken = time.process_time() - began
        faulthandler.cancel_dump_traceback_later()
        problems, wrong = list(self._problems(line, text, error, taken)), []
        if not problems and error is None and line in JUDGES:
            truth = self._truth[line, thread if line == OF_THREAD else None]
            wrong = list(JUDGES[line](truth, json.loads(text)))
        kind = "refused" if error is not None else "answered"
        self._log.write(", " + json.dumps({"came": kind, "seconds": round(taken, 3), "memory": _resident(),
                                           "problems": problems, "wrong": wrong, "error": error})[1:] + "\n")
        self._log.flush()
        return error

    def _problems(self, line: str, text: str, error: Optional[str], taken: float) -> Iterator[str]:
        if line == "core-file":
            return
        yield from ("traceback: " + each for each in self._tracebacks)
        if error is not None and len(error.strip().split("\n")) != 1 and not self._tracebacks:
            yield "error of several lines: %s" % error
        if taken > SLOW:
            yield "slow: %.1f s" % taken
        if _resident() > MAX_RESIDENT:
            yield "memory: %d MB" % (_resident() >> 20)
        found = _CONTROL.search(text + (error or ""))
        if found:
            yield "control character %r" % found[0]
        if error is None and "-json" in line.split():
            try:
                documents = [json.loads(each) for each in text.splitlines()]
                if len(documents) != 1:
                    yield "%d documents" % len(documents)
            except ValueError:
                yield "not JSON: %r" % text[:300]


def _resident() -> int:
    """The most bytes in memory since they were last counted."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:"))


def main() -> None:
    """All cases."""
    settings = json.loads(os.environ["FUZZ"])
    resource.setrlimit(resource.RLIMIT_AS, (settings["addresses"],) * 2)
    fuzz = Fuzz(settings)
    fuzz.prepare()
    fuzz.watch()
    for number in range(settings["first"], settings["last"]):
        fuzz.case(number)


main()
