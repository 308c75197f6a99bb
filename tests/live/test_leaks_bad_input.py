"""py-leaks where the heap is being changed, is damaged, or is mostly addresses without memory."""

import resource
from pathlib import Path
from typing import Iterator

import pytest

from tests.support import compare, damage, gdb, processes, stripped
from tests.support.interpreters import Interpreter

# Stops at moments that nobody chose.
STOPS = 4
# Stops where the heap is being changed: within malloc, and between the reallocation of a list's items and the
# list's being told. mimalloc has no names to stop at.
WITHIN = [["tbreak malloc", "continue", "stepi 25"], ["tbreak realloc", "continue", "finish"]]
# Seconds of the processor for all of them, of a heap of 2 MB in 100 GB of addresses. One takes 0.5.
SOON = 30
# The offset of PyTypeObject.tp_base (Include/cpython/object.h), bytes.
TP_BASE = 256


@pytest.fixture
def program(interpreter: Interpreter) -> Iterator[processes.Program]:
    """A program that never rests."""
    with processes.running_python(stripped.as_installed(interpreter), "churning.py") as running:
        yield running


def processor_time() -> float:
    """Seconds that ended children have taken: the clock tells as much of whoever else is busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def assert_counted(answer: gdb.Answer, program: processes.Program) -> None:
    """What stays is in a census, and no nonsense."""
    assert answer.stderr == ""
    document = answer.document()
    rows = {row["type"]: row for row in document["types"]}
    assert rows["__main__.Stays"]["count"] == program.truth["staying"]
    assert 0 < document["bytes"] < 1 << 30 and document["partial"] is False


def test_heap_that_changes(program: processes.Program, interpreter: Interpreter) -> None:
    """What stays is counted at every stop, and a stop costs no more than what was touched.

    A process that was let go runs on; what was copied stays, whatever becomes of the process.
    """
    commands = []
    changing = [] if interpreter.free_threaded else WITHIN
    for within in changing:
        commands += [*within, "py-leaks -json"]
    for _ in range(STOPS):
        commands += ["detach", "attach %d" % program.pid, "py-leaks -json"]
    tracer = "python print(open('/proc/%d/status').read().split('TracerPid:')[1].split()[0])" % program.pid
    commands += ["py-leaks -detach -json", tracer, "py-leaks -tracked -json -detach", "py-leaks biggest -json -limit 2",
                 "shell kill -KILL %d" % program.pid, "py-leaks -json"]
    start = processor_time()
    answers = [answer for answer in gdb.run(commands, mode="hidden", pid=program.pid).answers
               if answer.command.startswith("py")]
    assert processor_time() - start < SOON
    *stopped, let_go, traced, refused, biggest, again = answers
    assert len(stopped) == STOPS + len(changing)
    for answer in [*stopped, let_go, again]:
        assert_counted(answer, program)
    assert [answer.document()["paused"] for answer in stopped] == [None] * len(stopped)
    assert 0 < let_go.document()["paused"] < SOON
    assert traced.stdout == "0\n"
    assert "live process" in compare.one_line(refused.stderr)
    assert len(biggest.document()["objects"]) == 2
    assert again.document() == {**let_go.document(), "paused": None}


@pytest.mark.parametrize("instead", ["lambda: None", "lambda: lambda *arguments: -1"], ids=["missing", "forbidden"])
def test_without_reading_many_places_at_once(one_interpreter: Interpreter, instead: str) -> None:
    """Where process_vm_readv(2) is not there or not allowed, the answers are the same."""
    asked = ["py-leaks -json", "py-leaks retained -json -limit 5"]
    with processes.running_python(stripped.as_installed(one_interpreter), "heap.py") as program:
        answers = gdb.run([*asked, "python from gdbext.target import files; files._process_vm_readv = %s" % instead,
                           *asked], mode="hidden", pid=program.pid).answers
    assert "".join(answer.stderr for answer in answers) == ""
    assert [answer.document() for answer in answers[:2]] == [answer.document() for answer in answers[3:]]
    assert answers[0].document()["objects"] > 10_000


def test_within_a_collection(interpreter: Interpreter) -> None:
    """What the collector has set aside is counted as well."""
    with processes.running_python(stripped.as_installed(interpreter), "collecting.py") as program:
        run = gdb.run(["py-leaks -json", "py-leaks -tracked -json", "py-exc -find -json KeyError"], mode="hidden",
                      pid=program.pid)
        *answers, errors = run.answers
        # 3.6 does not tell that it collects.
        expected = ["%#x" % program.truth["error"]] if interpreter.minor > (3, 6) else []
        assert [each["address"] for each in errors.document()["found"]] == expected
        for answer in answers:
            assert answer.stderr == ""
            rows = {row["type"]: row["count"] for row in answer.document()["types"]}
            assert rows["__main__.Cycle"] == program.truth["cycles"]
            assert rows["__main__.Waiting"] == program.truth["waiting"]


CORRUPT = """python
from gdbext.commands import model
from gdbext.cpython.heap_walk import HeapWalk
current = model.current()
walk = HeapWalk(current.pythons[0].runtime, current.memory.writable())
walk.prepare()
if walk.pools.found:
    # The offset of the next block that was never used, in some pools that have others on both sides.
    size = 1 << walk.pools.shift
    around = zip(walk.pools.found, walk.pools.found[1:], walk.pools.found[2:])
    places = [pool.address + 40 for before, pool, after in around
              if before.arena == pool.arena == after.arena and after.address - before.address == 2 * size][::20]
else:
    # The size of blocks.
    places = [max(page for page in walk.mimalloc.found if page.address <= BROKEN).entry + 28]
for place in places:
    gdb.selected_inferior().write_memory(place, bytes([7]) * 4)
end"""


def test_damaged_allocator(program: processes.Program, tmp_path: Path) -> None:
    """A header that is overwritten costs its blocks, and is told of."""
    script = tmp_path / "corrupt.gdb"
    script.write_text(CORRUPT.replace("BROKEN", str(program.truth["broken"])))
    before, _written, after = gdb.run(
        ["py-leaks -json", "source %s" % script, "py-leaks -json"], mode="hidden", pid=program.pid).answers
    assert after.stderr == ""
    was, now = before.document(), after.document()
    assert not any("damaged" in note for note in was["notes"])
    assert any("damaged" in note for note in now["notes"])
    assert was["objects"] * 0.8 < now["objects"] < was["objects"]


# The items of a list are where nothing is, and the first link of a cache comes after itself.
NOWHERE = """python
from gdbext.commands import model
runtime = model.current().pythons[0].runtime
gdb.selected_inferior().write_memory(BROKEN + runtime.layout["PyListObject"].offset("ob_item"), bytes([16]) + bytes(7))
following = runtime.layout["PyObject"].size + 8
link = runtime.memory.u64(CACHED + following)
gdb.selected_inferior().write_memory(link + following, link.to_bytes(8, "little"))
end"""


def test_pointers_to_nowhere(program: processes.Program, tmp_path: Path) -> None:
    """A list whose items are gone costs that list, a cache without an end that cache."""
    broken, cached = program.truth["broken"], program.truth["cached"]
    script = tmp_path / "nowhere.gdb"
    script.write_text(NOWHERE.replace("BROKEN", str(broken)).replace("CACHED", str(cached)))
    run = gdb.run(["source %s" % script, "py-leaks -json", "py-leaks show %#x" % broken, "py-leaks show %#x" % cached,
                   "py-leaks referrers -json %#x" % broken, "py-leaks path -json %#x" % broken],
                  mode="hidden", pid=program.pid)
    _written, census, *shown, referrers, path = run.answers
    assert census.stderr == "" and census.document()["objects"] > 1000
    for show in shown:
        assert "Traceback" not in show.stderr and (show.stdout or compare.one_line(show.stderr))
    assert referrers.stderr == "" and referrers.document()["referrers"]
    assert path.stderr == "" and path.document()["paths"][0]["text"] == "module __main__.BROKEN[0]"


RING = """python
from gdbext.commands import model
head = model.current().pythons[0].runtime.layout["PyGC_Head"]
at = BROKEN - head.size
place = at + head.offset("_gc_next", "gc.gc_next")
gdb.selected_inferior().write_memory(place, at.to_bytes(8, "little"))
end"""


def test_list_of_the_collector_without_an_end(program: processes.Program, interpreter: Interpreter, tmp_path: Path
                                              ) -> None:
    """An object that comes after itself: what follows it is looked for on the heap, and that is told."""
    if interpreter.free_threaded:
        pytest.skip("free-threaded builds keep no lists")
    broken = program.truth["broken"]
    script = tmp_path / "ring.gdb"
    script.write_text(RING.replace("BROKEN", str(broken)))
    asked = ["py-leaks -tracked -json", "source %s" % script, "py-leaks -tracked -json", "py-leaks garbage -json",
             "py-leaks show -json %#x" % broken, "py-leaks path -json %#x" % broken]
    before, _written, *answers = gdb.run(asked, mode="hidden", pid=program.pid).answers
    assert "".join(answer.stderr for answer in answers) == ""
    tracked, garbage, show, path = (answer.document() for answer in answers)
    assert tracked == before.document()
    assert garbage["tracked"] == tracked["objects"] and "Objects may be missing" in garbage["notes"][0]
    assert show["type"] == "builtins.list" and show["tracked"] is True
    assert path["paths"][0]["text"] == "module __main__.BROKEN[0]"


def test_an_object_that_is_being_freed(one_interpreter: Interpreter, tmp_path: Path) -> None:
    """One without a reference, which is about to leave the collector's list, is neither an object nor garbage."""
    if one_interpreter.free_threaded or one_interpreter.debug:
        pytest.skip("where ob_refcnt lies is known here of a release build with the GIL")
    with processes.running_python(stripped.as_installed(one_interpreter), "small.py") as program:
        core, executable = gdb.gcore(program.pid, tmp_path / "core"), program.executable
    asked = ["py-leaks instances -json -limit 1 Account", "py-leaks -tracked -json", "py-leaks garbage -json"]
    instances, *before = (
        each.document() for each in gdb.run(asked, core=core, executable=executable, mode="hidden").answers)
    freed = int(instances["objects"][0]["address"], 16)
    damaged = damage.copy(core, tmp_path / "damaged", {freed: bytes(8)})
    answers = gdb.run(asked[1:], core=damaged, executable=executable, mode="hidden").answers
    assert "".join(answer.stderr for answer in answers) == ""
    for (tracked, garbage), number in ((before, 0), ([answer.document() for answer in answers], 1)):
        assert garbage["tracked"] == tracked["objects"] == before[0]["objects"] - number
    assert garbage["cycles"] == before[1]["cycles"] and garbage["hanging"] == before[1]["hanging"]


def test_a_type_without_a_base(one_interpreter: Interpreter, tmp_path: Path) -> None:
    """A metaclass whose tp_base was overwritten with 0: its instances are looked through, and that is no error."""
    if one_interpreter.free_threaded or one_interpreter.debug:
        pytest.skip("where tp_base lies is known here of a release build with the GIL")
    with processes.running_python(stripped.as_installed(one_interpreter), "small.py") as program:
        core, executable = gdb.gcore(program.pid, tmp_path / "core"), program.executable
        listed = gdb.run(["py-leaks instances -json -limit 5000 type"], pid=program.pid, mode="hidden").answers[0]
    metaclass, = [int(each["address"], 16) for each in listed.document()["objects"] if "'abc.ABCMeta'" in each["repr"]]
    damaged = damage.copy(core, tmp_path / "damaged", {metaclass + TP_BASE: bytes(8)})
    commands = ["py-leaks retained -json", "py-leaks counts -json"]
    retained, counts = gdb.run(commands, core=damaged, executable=executable, mode="hidden").answers
    assert retained.stderr == counts.stderr == ""
    assert retained.document()["objects"] and counts.document()["counted"]
