"""scripts/bench_heap with programs in pyheap's place: only a whole dump has a figure, and none is left running."""

import shlex
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any, Dict

import pytest

from tests.support import processes

ROOT = Path(__file__).resolve().parents[2]
loader = SourceFileLoader("bench_heap", str(ROOT / "scripts" / "bench_heap"))
spec = spec_from_loader("bench_heap", loader)
assert spec is not None
bench_heap = module_from_spec(spec)
loader.exec_module(bench_heap)

# As pyheap's gdb: it lets the process go on, and dumps once that has read a question.
DUMPS = """
import sys, time
def read():
    with open("/proc/%s/io" % sys.argv[1]) as file:
        return file.readline()
before = read()
print("Continuing.", flush=True)
while read() == before:
    time.sleep(0.01)
with open(sys.argv[2], "wb") as file:
    file.write(b"heap" + (123000321).to_bytes(8, "big"))
"""
# Dies as one of them whose gdb was ended.
EMPTY = 'import sys; print("Continuing."); open(sys.argv[2], "w"); print("Heap file saved")'
# Never ends, and has started something that does not either, and says where that is.
HANGS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
with open(%r, "w") as file:
    file.write(str(child.pid))
print("Continuing.", flush=True)
time.sleep(1000)
"""


def measured(program: str) -> Dict[str, Any]:
    """What is said of a program in pyheap's place."""
    command = "%s -c %s PID FILE" % (shlex.quote(sys.executable), shlex.quote(program))
    found: Dict[str, Any] = bench_heap.pyheap(command, Path(sys.executable), 100)
    return found


def test_waits_for_a_call() -> None:
    assert 0 < measured(DUMPS)["seconds"] < 60


@pytest.mark.parametrize("program, said", [
    (EMPTY, "Heap file saved"), ("import sys; sys.exit('no such process')", "no such process"), ("", "nothing")])
def test_no_whole_file(program: str, said: str) -> None:
    assert measured(program) == {"problem": "no file: " + said}


def test_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a program that does not end, nor what that has started, goes on."""
    monkeypatch.setattr(bench_heap, "PYHEAP_TIMEOUT", 0.1)
    # Where this runs in the background, SIGINT is ignored.
    monkeypatch.setattr(bench_heap, "END_TIMEOUT", 1)
    started = tmp_path / "started"
    assert measured(HANGS % str(started)) == {"problem": "no end within 0 s"}
    try:
        # Who adopts it may wait for it later.
        assert processes.state_of(int(started.read_text())) == "Z"
    except FileNotFoundError:
        pass
