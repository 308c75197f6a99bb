"""A program under test in each of the ways that gdb can look at it: alive, gcore's core, the kernel's."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from tests.support import gdb, processes
from tests.support.stripped import Launch

WHERE = ("live", "gcore", "kernel core")
# Every mode of gdb and every place, without their whole product: what is read of a core is the same in all modes,
# which test_truth.py shows.
WAYS = (("symbols", "live"), ("hidden", "live"), ("hidden", "gcore"), ("stripped", "kernel core"))


class Place(NamedTuple):
    """What gdb is given: a pid or a core, and what is true there."""

    truth: Dict[str, Any]
    pid: Optional[int]
    core: Optional[Path]
    executable: Path


class Subject:
    """One of the programs under one interpreter, for gdb in one mode.

    The process is started when it is needed, and again after it has died for its core.
    `answers` is for what tests have learned of it, by where they looked, so that they share it.
    """

    def __init__(self, launch: Launch, mode: str, script: str, *arguments: str):
        self._launch = launch
        self._mode = mode
        self.answers: Dict[str, Any] = {}
        self._command = (script, *arguments)
        self._stack = contextlib.ExitStack()
        self._program: Optional[processes.Program] = None
        self._places: Dict[str, Place] = {}

    def program(self) -> processes.Program:
        """The live process; its threads are at their places."""
        if self._program is None:
            program = self._stack.enter_context(processes.running_python(self._launch, *self._command))
            processes.wait_until_told(program)
            self._program = program
        return self._program

    def place(self, where: str) -> Place:
        """What to give gdb."""
        if where not in self._places:
            program = self.program()
            executable = program.executable
            # What the truth tells of may be a child.
            told: int = program.truth["pid"]
            pid, core = None, None
            if where == "live":
                pid = told
            elif where == "gcore":
                core = gdb.gcore(told, program.folder / "gcore")
            else:
                core = program.die_with_core(lambda: os.kill(told, signal.SIGABRT))
                self._program = None
                self._places.pop("live", None)
            self._places[where] = Place(program.truth, pid, core, executable)
        return self._places[where]

    def run(self, where: str, commands: List[str]) -> gdb.Run:
        """gdb's answers."""
        place = self.place(where)
        return gdb.run(commands, mode=self._mode, pid=place.pid, core=place.core,
                       executable=place.executable if place.core else None)

    def close(self) -> None:
        """End the processes, remove the cores."""
        self._stack.close()
