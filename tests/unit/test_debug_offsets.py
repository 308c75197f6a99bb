"""gdbext.layout.debug_offsets and cpython.corrections: tables of other builds of a minor, put right."""

import itertools
from typing import List, Tuple

import pytest

from gdbext.cpython import process
from gdbext.cpython.memory import Unreadable
from gdbext.layout import debug_offsets, table
from gdbext.layout.layout import Layout
from tests.unit.builder import TABLES
from tests.unit.made_process import COOKIE, Call, MadeProcess, stated_offsets
from tests.unit.made_process import debug_offsets as stated_bytes

NEW = {name: made for name, made in TABLES.items() if made.name.version >= (3, 13)}
SECTIONS = {
    "_PyRuntimeState": "runtime_state", "PyInterpreterState": "interpreter_state",
    "PyThreadState": "thread_state",
    "_PyInterpreterFrame": "interpreter_frame", "PyCodeObject": "code_object", "PyObject": "pyobject",
    "PyTypeObject": "type_object", "PyTupleObject": "tuple_object", "PyListObject": "list_object",
    "PyDictObject": "dict_object", "PyFloatObject": "float_object", "PyLongObject": "long_object",
    "PyBytesObject": "bytes_object", "PyASCIIObject": "unicode_object",
    "_PyErr_StackItem": "err_stackitem", "PyHeapTypeObject": "heap_type_object",
    "PySetObject": "set_object", "PyGenObject": "gen_object",
}
# What cpython/corrections.py looks after, from the process itself.
CORRECTED_LATER = {("PyInterpreterState", "gc.generations")}
CORRECTED_LATER_STRUCTS = {"lockobject", "PyBaseExceptionGroupObject"}
# One byte, which pydebug builds of 3.14 and later divide (pycore_interpframe_structs.h); nothing tells.
DIVIDED = ("visited", "lltrace")



def kind(name: str) -> Tuple[Tuple[int, int], bool]:
    """What a table has to share with the process that it is brought into line with."""
    return NEW[name].name.version, NEW[name].name.free_threaded


PAIRS = [pair for pair in itertools.permutations(NEW, 2) if kind(pair[0]) == kind(pair[1])]
# What is read on the way to a traceback and a list of threads: these may not be lost.
NEEDED = {
    "_PyRuntimeState": ("interpreters.head",),
    "PyInterpreterState": ("next", "id", "threads.head", "runtime", "imports.modules", "sysdict",
                           "ceval.gil"),
    "PyThreadState": ("prev", "next", "interp", "current_frame", "thread_id", "native_thread_id"),
    "_PyInterpreterFrame": ("previous", "f_executable", "instr_ptr", "owner", "localsplus"),
    "PyCodeObject": ("co_name", "co_qualname", "co_filename", "co_firstlineno", "co_linetable",
                     "co_code_adaptive", "_co_firsttraceable"),
    "PyTypeObject": ("tp_name", "tp_flags", "tp_basicsize", "tp_dictoffset"),
    "PyASCIIObject": ("length", "state", "state.kind", "state.compact", "state.ascii"),
    "PyDictObject": ("ma_keys", "ma_values"),
}
NEEDED_SINCE = {
    (3, 13): {"PyThreadState": ("_status.holds_gil",)},
    (3, 14): {"PyThreadState": ("holds_gil",), "_PyInterpreterFrame": ("f_executable.bits",)},
    (3, 15): {"PyThreadState": ("holds_gil",), "_PyInterpreterFrame": ("f_executable.bits",)},
}


def read(stated: table.Table, order: table.Table) -> debug_offsets.DebugOffsets:
    """The offsets that a process of one table states, read in the order of another."""
    raw = stated_bytes(stated)
    found = debug_offsets.read(lambda address, size: raw[:size], 0x1000, order)
    assert found is not None
    return found


def wrong(layout: Layout, right: table.Table, structs: List[str]) -> List[Tuple]:
    """What a layout says otherwise than the table that is right."""
    found = []
    for name in structs:
        struct, other = layout.find(name), right.struct(name)
        if struct is None:
            continue
        if other is None or struct.size != other.size:
            found.append((name, "size"))
        for path, field in struct.fields.items():
            if (name, path) not in CORRECTED_LATER and (other is None or other.fields.get(path) != field):
                found.append((name, path, field))
    return found


def test_the_numbers_are_read_by_name() -> None:
    for made in NEW.values():
        found = read(made, made)
        assert (found.hexversion, found.free_threaded) == (
            made.hexversion, made.name.free_threaded)
        assert {path: found.values[path] for path in stated_offsets(made)} == stated_offsets(made)


def test_without_a_cookie_there_are_none() -> None:
    made = NEW["3.13.5"]
    assert debug_offsets.read(lambda address, size: bytes(size), 0x1000, made) is None
    broken = COOKIE[:-1] + b"x" + stated_bytes(made)[8:]
    assert debug_offsets.read(lambda address, size: broken, 0x1000, made) is None


def test_a_table_without_the_structure_knows_of_none() -> None:
    def never(address: int, size: int) -> bytes:
        raise AssertionError("read")

    assert debug_offsets.read(never, 0x1000, TABLES["3.12.1"]) is None


def test_a_runtime_that_cannot_be_read_raises() -> None:
    def fails(address: int, size: int) -> bytes:
        raise Unreadable(address, size)

    with pytest.raises(Unreadable):
        debug_offsets.read(fails, 0x1000, NEW["3.13.5"])


@pytest.mark.parametrize("name", NEW)
def test_a_build_is_not_changed_by_its_own_offsets(name: str) -> None:
    made = NEW[name]
    layout = debug_offsets.layout(made, read(made, made))
    assert wrong(layout, made, list(made.structs)) == []
    for struct in made.structs:
        lost = [path for path in made.struct(struct).fields if path not in layout[struct]]
        assert {path.rpartition(".")[2] for path in lost} <= set(DIVIDED)
    assert (layout.source.kind, layout.source.table) == ("table+debug-offsets", name)


@pytest.mark.parametrize("name", NEW)
def test_the_next_micro_release_has_the_types_that_modules_are_compiled_with(name: str) -> None:
    """Offsets tell of two places in a type of 3.15, which lie too far apart for what is between them."""
    made = NEW[name]
    later = read(made, made)
    layout = debug_offsets.layout(made, later._replace(hexversion=later.hexversion + 0x100))
    for struct in ("PyHeapTypeObject", "PyTypeObject", "PyDictObject", "PyASCIIObject"):
        assert layout[struct].fields == made.struct(struct).fields


# Between 3.13.0d and 3.13.15 what lies before and behind a gap has moved alike, and what is within it
# has not.
@pytest.mark.parametrize("nearest, stated", PAIRS)
def test_no_field_is_kept_at_a_wrong_place(nearest: str, stated: str) -> None:
    layout = debug_offsets.layout(NEW[nearest], read(NEW[stated], NEW[nearest]))
    assert wrong(layout, NEW[stated], list(SECTIONS)) == []


@pytest.mark.parametrize("nearest, stated", PAIRS)
def test_what_a_traceback_needs_is_kept(nearest: str, stated: str) -> None:
    layout = debug_offsets.layout(NEW[nearest], read(NEW[stated], NEW[nearest]))
    since = NEEDED_SINCE[NEW[stated].name.version]
    for struct, always in NEEDED.items():
        for path in always + since.get(struct, ()):
            assert layout[struct].field(path) == NEW[stated].struct(struct).field(path), (struct, path)


@pytest.mark.parametrize("nearest, stated", PAIRS)
def test_no_structure_without_offsets_is_kept_wrong(nearest: str, stated: str) -> None:
    layout = debug_offsets.layout(NEW[nearest], read(NEW[stated], NEW[nearest]))
    others = [name for name in NEW[nearest].structs
              if name not in SECTIONS and name not in CORRECTED_LATER_STRUCTS and name != "_Py_DebugOffsets"]
    assert len(others) > 60
    assert wrong(layout, NEW[stated], others) == []


@pytest.mark.parametrize("shift", (8, -8, 24, 104))
def test_a_field_moves_with_its_neighbours_and_is_dropped_where_they_disagree(shift: int) -> None:
    made = NEW["3.13.5"]
    values = stated_offsets(made)
    struct = made.struct("PyInterpreterState")
    # As if something had been put in between ceval.gil and next, as 3.13.1 has done.
    for path in values:
        if path.startswith("interpreter_state.") and values[path] >= struct.offset("next"):
            values[path] += shift
    found = debug_offsets.corrected(
        struct, "interpreter_state", debug_offsets.DebugOffsets(made.hexversion, False, values))
    assert found.size == struct.size + shift
    assert found.offset("ceval.gil") == struct.offset("ceval.gil")
    for path in ("next", "id", "threads.head", "runtime", "gc", "gc.generation0", "sysdict",
                 "imports.modules", "_gil"):
        assert found.offset(path) == struct.offset(path) + shift
    between = [path for path, field in struct.fields.items()
               if struct.offset("ceval.gil") < field[0] < struct.offset("next")]
    assert between and not any(path in found for path in between)


def test_a_field_is_dropped_where_the_process_has_another() -> None:
    """3.15 has gil_requested between holds_gil and state, in the place of padding."""
    older, newer = NEW["3.14.8t"], NEW["3.15.0t"]
    found = debug_offsets.corrected(
        older.struct("PyThreadState"), "thread_state", read(newer, newer))
    true = newer.struct("PyThreadState")
    for path in ("holds_gil", "current_frame", "thread_id"):
        assert found.offset(path) == true.offset(path)
    assert "state" in older.struct("PyThreadState") and "state" not in found


# The whole way, with the table of the process's own release hidden.


@pytest.mark.parametrize("name", NEW)
def test_a_process_is_read_without_tables_of_its_release(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = started(name)
    release = name.rstrip("td")
    hidden = [release + flags for flags in ("", "d", "t", "td")]
    monkeypatch.setenv(table.HIDDEN_VARIABLE, ",".join(hidden))
    if not any(kind(other) == kind(name) for other in NEW if other not in hidden):
        with pytest.raises(process.NoPython, match="no layout passes"):
            made.open()
        return
    [python] = made.open()
    source = python.runtime.layout.source
    assert (python.version, python.exact) == (release, False)
    assert source.kind == "table+debug-offsets" and source.table not in hidden
    [state] = python.thread_states()
    assert [(frame.code.qualname, frame.line) for frame in python.runtime.frames.walk(state.address)] == [
        ("Class.function", 13)]
    assert python.runtime.gil(state.interpreter).holder == state.address
    assert python.runtime.thread_names(state.interpreter) == {state.ident: "worker"}


def started(name: str) -> MadeProcess:
    """A process with a thread, its name, locks, and a garbage collector."""
    made = MadeProcess(NEW[name])
    b = made.builder
    main = made.add_interpreter()
    made.take_gil(made.add_thread(main, [Call()], ident=77))
    made.name_threads(main, {77: "worker"})
    made.add_module(main, "_thread", {
        "LockType": b.type("_thread.lock", 0, b.layout["lockobject"].size),
        "RLock": b.type("_thread.RLock", 0, b.layout["rlockobject"].size)})
    group = b.layout["PyBaseExceptionGroupObject"].size
    made.add_module(main, "builtins", {"BaseExceptionGroup": b.type("BaseExceptionGroup", 0, group)})
    if b.layout.has("PyInterpreterState", "gc.generations"):
        b.set(main, "PyInterpreterState", "gc.generation0",
              main + b.layout["PyInterpreterState"].offset("gc.generations"))
    return made


def others_hidden(nearest: str) -> str:
    """What hides all tables with offsets but one."""
    return ",".join(name for name in NEW if name != nearest)


@pytest.mark.parametrize("nearest, stated", PAIRS)
def test_locks_and_generations_are_set_right_from_the_process(
        nearest: str, stated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = started(stated)
    monkeypatch.setenv(table.HIDDEN_VARIABLE, others_hidden(nearest))
    [python] = made.open()
    layout, right = python.runtime.layout, NEW[stated]
    assert layout["PyInterpreterState"].offset("gc.generations") == (
        right.struct("PyInterpreterState").offset("gc.generations"))
    for name in CORRECTED_LATER_STRUCTS:
        found, known = layout.find(name), right.struct(name)
        # Dropped, or that of this release.
        assert found is None or (found.size, found.fields) == (known.size, known.fields)


@pytest.mark.parametrize("nearest, stated", PAIRS)
def test_the_permanent_generation_is_never_at_a_wrong_place(
        nearest: str, stated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = started(stated)
    monkeypatch.setenv(table.HIDDEN_VARIABLE, others_hidden(nearest))
    [python] = made.open()
    found, right = python.runtime.layout["PyInterpreterState"], NEW[stated].struct("PyInterpreterState")
    for path in right.fields:
        if path.startswith("gc.permanent_generation") and path in found:
            assert found.field(path) == right.field(path)


@pytest.mark.parametrize("name", [name for name in TABLES if TABLES[name].name.version < (3, 13)])
def test_an_older_process_without_its_table_is_read_with_another_or_refused(
        name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = MadeProcess(TABLES[name])
    state = made.add_thread(made.add_interpreter())
    monkeypatch.setenv(table.HIDDEN_VARIABLE, name)
    try:
        [python] = made.open()
    except process.NoPython:
        assert not any(other.name.version == made.version and other.layout()["PyObject"].size
                       == made.builder.layout["PyObject"].size for text, other in TABLES.items()
                       if text != name)
        return
    assert not python.exact
    [frame] = python.runtime.frames.walk(state)
    assert (frame.code.name, frame.line) == ("function", 13)
