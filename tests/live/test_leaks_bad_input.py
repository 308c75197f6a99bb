"""py-leaks where the heap is being changed, is damaged, or is mostly addresses without memory."""

import resource
from typing import Iterator

import pytest

from tests.support import compare, gdb, processes, stripped
from tests.support.interpreters import Interpreter

# Stops at moments that nobody chose: within malloc, within the collector, within realloc.
STOPS = 6
# Seconds of the processor for all of them, of a heap of 2 MB in 100 GB of addresses. One takes 0.5.
SOON = 30


@pytest.fixture
def program(interpreter: Interpreter) -> Iterator[processes.Program]:
    """A program that never rests."""
    if interpreter.free_threaded:
        pytest.skip("a free-threaded build allocates with mimalloc only")
    with processes.running_python(stripped.as_installed(interpreter), "churning.py") as running:
        yield running


def processor_time() -> float:
    """Seconds that ended children have taken: the clock tells as much of whoever else is busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_heap_that_changes(program: processes.Program) -> None:
    """What stays is counted at every stop, and a stop costs no more than what was touched."""
    commands = ["py-leaks -json"]
    for _ in range(STOPS - 1):
        commands += ["detach", "attach %d" % program.pid, "py-leaks -json"]
    start = processor_time()
    answers = [answer for answer in gdb.run(commands, mode="hidden", pid=program.pid).answers
               if answer.command.startswith("py-")]
    assert processor_time() - start < SOON
    assert len(answers) == STOPS
    for answer in answers:
        assert answer.stderr == ""
        document = answer.document()
        rows = {row["type"]: row for row in document["types"]}
        assert rows["__main__.Stays"]["count"] == program.truth["staying"]
        assert 0 < document["bytes"] < 1 << 30 and document["partial"] is False


def test_pointers_to_nowhere(program: processes.Program) -> None:
    """A list whose items are gone costs that list; a type that is none, that object."""
    broken = program.truth["broken"]
    # Behind a PyVarObject's head, which is 16 bytes longer in debug builds of 3.6 and 3.7.
    commands = ["python gdb.selected_inferior().write_memory(%d + model.current().pythons[0].runtime.layout["
                "'PyListObject'].offset('ob_item'), bytes([16]) + bytes(7))" % broken]
    run = gdb.run(["python from gdbext.commands import model", *commands, "py-leaks -json",
                   "py-leaks show %#x" % broken, "py-leaks referrers -json %#x" % broken,
                   "py-leaks path -json %#x" % broken],
                  mode="hidden", pid=program.pid)
    _imported, _written, census, show, referrers, path = run.answers
    assert census.stderr == "" and census.document()["objects"] > 1000
    assert "Traceback" not in show.stderr and (show.stdout or compare.one_line(show.stderr))
    assert referrers.stderr == "" and referrers.document()["referrers"]
    assert path.stderr == "" and path.document()["paths"][0]["text"] == "module __main__.BROKEN[0]"
