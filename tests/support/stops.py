"""Processes stopped at any instruction, in whatever they do, and asked by every command. See stops_commands.py."""

import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Dict, List, NamedTuple

from tests.support import every_command, gdb, processes
from tests.support.stripped import Launch

IN_GDB = Path(__file__).with_name("stops_commands.py")
# How many stops one gdb makes, lines at each, and seconds that one takes on a busy machine.
OF_ONE_GDB = 50
PER_STOP = 3
PATIENCE = 20


class Tally(NamedTuple):
    """What came of the stops."""

    stops: int
    came: Dict[str, int]
    problems: List[str]

    def line(self) -> str:
        """In one line."""
        return "%d stops: %s; %d problems" % (
            self.stops, ", ".join("%d %s" % (count, what) for what, count in sorted(self.came.items())),
            len(self.problems))


def run(launch: Launch, count: int, seed: str) -> Tally:
    """So many stops under an interpreter."""
    came: Counter = Counter()
    problems: List[str] = []
    made = 0
    with processes.running_python(launch, "restless.py") as program, \
            tempfile.TemporaryDirectory(prefix="gdbext-stops-") as folder:
        lines = [line for line in every_command.lines(program.truth, Path(folder)) if "export" not in line]
        while made < count:
            of_this = min(OF_ONE_GDB, count - made)
            told = _in_gdb({
                "pid": program.pid, "brief": [str(launch.path), str(processes.PROGRAMS / "restless.py"), "-", "brief"],
                "seed": "%s %d" % (seed, made), "count": of_this, "lines": lines, "per_stop": PER_STOP}, launch)
            made += of_this
            came.update(told["came"])
            problems += told["problems"]
        if program.errors():
            problems.append("the process said: %s" % program.errors())
    return Tally(sum(came[kind] for kind in ("long", "brief")), came, problems)


def _in_gdb(settings: Dict[str, object], launch: Launch) -> Dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="gdb-home-") as home:
        ended = subprocess.run(
            [gdb.find().path, "-nx", "-batch", *gdb.MODES["hidden"], "-iex", "set auto-load python-scripts off",
             "-iex", "source %s" % gdb.INIT, "-ex", "source %s" % IN_GDB],
            stdin=subprocess.DEVNULL, capture_output=True, cwd=home, check=False, timeout=OF_ONE_GDB * PATIENCE,
            env=gdb.environment(home, STOPS=json.dumps(settings), **dict(launch.variables or {})))
    documents = [line for line in ended.stdout.decode("utf-8", "replace").splitlines() if line.startswith('{"came"')]
    if not documents:
        return {"came": {}, "problems": ["gdb ended with %d\n%s" % (
            ended.returncode, ended.stderr.decode("utf-8", "replace")[-2000:])]}
    return json.loads(documents[0])
