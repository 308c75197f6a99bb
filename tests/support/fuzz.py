"""Running gdb over damaged cores, case after case, and counting what came of it. See fuzz_commands.py."""

import json
import os
import resource
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

from tests.support import gdb, processes, stripped
from tests.support.claims import JUDGES
from tests.support.interpreters import Interpreter

IN_GDB = Path(__file__).with_name("fuzz_commands.py")
# Bytes of addresses that gdb may have, so that the machine goes on.
MAX_ADDRESSES = 4 << 30
# What came of a core that gdb does not survive without gdbext either.
_ALONE = "gdb itself died of the core"
# A finding is shown with so many cases.
MOST_CASES = 8


def fast_folder() -> str:
    """Where cores are written again and again: memory, if that can hold files here."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()


class Subject(NamedTuple):
    """The core that is damaged, and the addresses of some objects in it."""

    interpreter: Interpreter
    folder: Path
    core: Path
    objects: List[int]


def subject(interpreter: Interpreter, folder: Path) -> Subject:
    """small.py's core; one that is in the folder from before is taken."""
    core, told = folder / ("core-%s" % interpreter.id), folder / ("told-%s.json" % interpreter.id)
    if not told.exists():
        with processes.running_python(stripped.as_installed(interpreter), "small.py") as program:
            gdb.gcore(program.pid, core)
            told.write_text(json.dumps(program.truth))
    return Subject(interpreter, folder, core, json.loads(told.read_text())["objects"])


class Tally:
    """What came of runs of commands."""

    def __init__(self) -> None:
        self.came: Counter = Counter()
        self.judged: Counter = Counter()
        self.judged_wrong: Counter = Counter()
        self.failures: Dict[str, List[str]] = {}
        self.wrong: Dict[str, List[str]] = {}
        self.slowest = (0.0, "")
        self.largest = (0, "")

    def count(self, run: Dict[str, Any], interpreter: str) -> None:
        """One run of a command."""
        if run.get("came") == _ALONE:
            self.came[_ALONE] += 1
            return
        if "came" not in run:
            run = {**run, "came": "took gdb down", "problems": ["gdb crashed, or hung"], "wrong": [], "seconds": 0,
                   "memory": 0}
        if run["line"] == "core-file" and not run["problems"]:
            return
        where = "%s case %d thread %d: %s" % (interpreter, run["case"], run["thread"], run["line"])
        self.came[run["came"]] += 1
        self.slowest = max(self.slowest, (run["seconds"], where))
        self.largest = max(self.largest, (run["memory"], where))
        for problem in run["problems"]:
            lines = problem.strip().split("\n")
            # Of tracebacks the place in the code; of others the sort.
            kind = " ".join(map(str.strip, lines[-3:])) if len(lines) > 3 else problem.partition(":")[0]
            self.failures.setdefault(kind, []).append("%s\n    %s\n    %s" % (where, run["damage"], problem))
        if run["line"] in JUDGES and run["came"] == "answered":
            self.judged[run["line"]] += 1
            self.judged_wrong[run["line"]] += bool(run["wrong"])
        for wrong in run["wrong"]:
            self.wrong.setdefault(wrong.partition(" is ")[0], []).append(
                "%s\n    %s\n    %s" % (where, run["damage"], wrong))

    @property
    def runs(self) -> int:
        """How many commands were run."""
        return sum(self.came.values())

    def add(self, other: "Tally") -> None:
        """Count another one's runs too."""
        for mine, others in ((self.came, other.came), (self.judged, other.judged),
                             (self.judged_wrong, other.judged_wrong)):
            mine.update(others)
        for found, more in ((self.failures, other.failures), (self.wrong, other.wrong)):
            for kind, places in more.items():
                found.setdefault(kind, []).extend(places)
        self.slowest = max(self.slowest, other.slowest)
        self.largest = max(self.largest, other.largest)

    def line(self) -> str:
        """In one line."""
        judged = ", ".join("%d of %d answers of %s wrong without a mark" % (
            self.judged_wrong[line], self.judged[line], line.split()[0]) for line in JUDGES if self.judged[line])
        return "%d runs: %s; %d failures; slowest %.1f s, largest %d MB; %s" % (
            self.runs, ", ".join("%d %s" % (count, what) for what, count in sorted(self.came.items())),
            sum(map(len, self.failures.values())), self.slowest[0], self.largest[0] >> 20, judged)

    def report(self) -> Iterator[str]:
        """All that was found, each kind with a few cases."""
        for title, found in (("FAILURE", self.failures), ("WRONG", self.wrong)):
            for kind, places in sorted(found.items(), key=lambda each: -len(each[1])):
                yield "%s, %d times: %s" % (title, len(places), kind)
                # The same line is run several times in a case.
                yield from ("  " + place for place in list(dict.fromkeys(places))[:MOST_CASES])
        yield "slowest: %s" % self.slowest[1]
        yield "largest: %s" % self.largest[1]
        yield self.line()


def run(target: Subject, seed: str, first: int, last: int, per_case: int, only: Sequence[str] = ()) -> Tally:
    """Cases `first` up to `last`, in as many gdbs as it takes: one that is gone costs its case."""
    name = "%s-%s-%d" % (target.interpreter.id, seed, first)
    work, log = target.folder / ("damaged-%s" % name), target.folder / ("log-%s.jsonl" % name)
    shutil.copyfile(target.core, work)
    log.unlink(missing_ok=True)
    try:
        while first < last:
            settings = {"work": str(work), "interpreter": target.interpreter.id, "seed": seed, "first": first,
                        "last": last, "per_case": per_case, "objects": target.objects, "folder": str(work) + "-files",
                        "log": str(log), "only": only, "addresses": MAX_ADDRESSES}
            _in_gdb(target, settings)
            ended = log.stat().st_size and log.read_bytes().endswith(b"\n")
            cases = [each["case"] for each in runs_of(log)]
            if cases and ended and cases[-1] == last - 1:
                break
            if not cases or cases[-1] < first:
                raise RuntimeError("gdb did not come to the first case: %s" % (
                    log.with_suffix(".stderr").read_text(errors="replace")[-2000:]))
            if not ended:
                # What gdb does as well without gdbext is no failure of it.
                alone = list(runs_of(log))[-1]["line"] == "core-file" and _dies_alone(target, work)
                with open(log, "ab") as file:
                    file.write(b', "came": "%s"}\n' % _ALONE.encode() if alone else b"}\n")
            first = cases[-1] + 1
            shutil.copyfile(target.core, work)
    finally:
        work.unlink()
        shutil.rmtree(str(work) + "-files", ignore_errors=True)
    tally = Tally()
    for each in runs_of(log):
        tally.count(each, target.interpreter.id)
    return tally


def _in_gdb(target: Subject, settings: Dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory(prefix="gdb-home-") as home, \
            open(Path(settings["log"]).with_suffix(".stderr"), "ab") as stderr:
        subprocess.run(
            [gdb.find().path, "-nx", "-batch", *gdb.MODES["hidden"], "-iex", "set auto-load python-scripts off",
             "-iex", "source %s" % gdb.INIT, str(target.interpreter.path), "-ex", "source %s" % IN_GDB],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, cwd=home,
            env=gdb.environment(home, FUZZ=json.dumps(settings), PYTHONHASHSEED="0"), check=False)


def _dies_alone(target: Subject, core: Path) -> bool:
    """Whether gdb without gdbext, and with no more memory than that one had, does not survive opening a core."""
    ended = subprocess.run(
        [gdb.find().path, "-nx", "-batch", *gdb.MODES["hidden"], str(target.interpreter.path),
         "-ex", "core-file %s" % core],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESSES, MAX_ADDRESSES)))
    return ended.returncode < 0


def runs_of(log: Path) -> Iterator[Dict[str, Any]]:
    """The runs in a log; of the last one perhaps the first part only."""
    if log.exists():
        with open(log, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line if line.rstrip("\n").endswith("}") else line + "}")
