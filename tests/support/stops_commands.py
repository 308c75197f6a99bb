"""For gdb to source: stop processes at any instruction, run commands there, and tell what came of it.

Environment: STOPS, a JSON document with `pid` (of a process that goes on, programs/restless.py), `brief` (what starts
one that ends), `seed`, `count` of stops, `lines` and `per_stop` of them. Prints a JSON document.
"""

import contextlib
import json
import os
import random
import subprocess
import time
from collections import Counter

import gdb

# Seconds in which a brief process begins, works and ends.
BRIEF = 0.4
# Instructions that are gone on from where the process was stopped, one by one.
STEPS = (0, 0, 1, 3, 20, 100)
# The instruction of x86-64.
SYSCALL = b"\x0f\x05"


def attached(pid):
    """Whether gdb has attached to a process: it may be gone."""
    try:
        gdb.execute("attach %d" % pid, to_string=True)
    except gdb.error:
        return False
    return gdb.selected_thread() is not None


def stepped(dice):
    """Go on from where a thread is, instruction by instruction, while others stand; whether the process is still there.

    Not through a system call, which may wait for another thread.
    """
    dice.choice(sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)).switch()
    for _ in range(dice.choice(STEPS)):
        frame = gdb.newest_frame()
        if int(frame.read_register("orig_rax")) != -1 or gdb.selected_inferior().read_memory(
                frame.pc(), 2).tobytes() == SYSCALL:
            break
        gdb.execute("with scheduler-locking on -- stepi", to_string=True)
    return gdb.selected_thread() is not None


class Stops:
    """One gdb's stops."""

    def __init__(self, given):
        self._given = given
        self._dice = random.Random(given["seed"])
        self.came = Counter()
        self.problems = []

    def long(self):
        """The process that goes on."""
        time.sleep(self._dice.random() * 0.02)
        self._look(self._given["pid"], "long")

    def brief(self):
        """A process that begins and ends, or the child that it forks."""
        with subprocess.Popen(self._given["brief"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            time.sleep(self._dice.random() * BRIEF)
            children = []
            with contextlib.suppress(OSError), open("/proc/%d/task/%d/children" % (process.pid, process.pid)) as file:
                children = list(map(int, file.read().split()))
            self._look(self._dice.choice([process.pid, *children]), "brief")
            process.kill()

    def _look(self, pid, kind):
        if not attached(pid):
            self.came[kind + ", gone"] += 1
            return
        if stepped(self._dice):
            self.came[kind] += 1
            for line in self._dice.sample(self._given["lines"], self._given["per_stop"]):
                self._run(line, kind)
        with contextlib.suppress(gdb.error):
            gdb.execute("detach", to_string=True)

    def _run(self, line, kind):
        began = time.process_time()
        problem = None
        try:
            text = gdb.execute(line, to_string=True)
            self.came["answers"] += 1
            if "-json" in line.split():
                json.loads(text)
        except ValueError:
            problem = "no JSON: %r" % text[:300]
        except gdb.error as error:
            text = str(error)
            self.came["refusals"] += 1
            if "occurred in Python" in text or len(text.strip().split("\n")) != 1:
                problem = text
        if time.process_time() - began > 20:
            problem = "took %.1f s" % (time.process_time() - began)
        if problem is not None:
            with contextlib.suppress(gdb.error):
                problem += "\n" + gdb.execute("x/i $pc", to_string=True) + gdb.execute("bt 8", to_string=True)
            self.problems.append("%s: %s: %s" % (kind, line, problem))


def main():
    """All stops."""
    given = json.loads(os.environ["STOPS"])
    stops = Stops(given)
    for index in range(given["count"]):
        (stops.brief if index % 3 == 2 else stops.long)()
    print(json.dumps({"came": stops.came, "problems": stops.problems}))


main()
