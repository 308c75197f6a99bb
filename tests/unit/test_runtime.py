"""Whole made-up processes: the runtime, its interpreters and threads, names, the GIL, the gate."""

import pytest

from gdbext.cpython import find, gate, process
from gdbext.cpython.memory import Damaged, Unreadable
from gdbext.cpython.process import Python
from gdbext.cpython.reader import READ_ERRORS
from gdbext.cpython.runtime import Runtime
from gdbext.layout import table as tables
from tests.unit.builder import IDS, TABLES
from tests.unit.made_process import APART, IDENT, NATIVE_ID, Call, FakeImage, MadeProcess, started

each_table = pytest.mark.parametrize("table", TABLES.values(), ids=IDS)
each_fill = pytest.mark.parametrize("fill", (0, 1, 0xA5))


def open_one(made: MadeProcess) -> Python:
    """The only Python of a made-up process."""
    [python] = made.open()
    return python


def calls_of(python: Python, state: int) -> list:
    """(function, file, line) of each frame, a problem for one that can't be read."""
    return [(frame.code.name, frame.code.filename, frame.line) if frame.code else frame.problem
            for frame in python.runtime.frames.walk(state)]


@each_table
@each_fill
def test_a_process_is_read_with_its_own_table(table: tables.Table, fill: int) -> None:
    made = started(table, fill)
    python = open_one(made)
    assert python.version == table.name.text.rstrip("td")
    assert python.identity == gate.Identity(table.hexversion, table.name.debug, table.name.free_threaded)
    [state] = python.thread_states()
    assert (state.address, state.ident) == (made.states[made.interpreters[0]][0], IDENT)
    assert state.native_id == (NATIVE_ID if table.name.version >= (3, 11) else None)
    assert calls_of(python, state.address) == [("inner", "/made/up.py", 13), ("outer", "/made/main.py", 3)]
    assert python.problems() == []


@each_table
def test_an_exact_table_is_used_and_said_to_be_exact(table: tables.Table) -> None:
    python = open_one(started(table))
    source = python.runtime.layout.source
    assert (source.kind, source.table, python.exact) == ("table", table.name.text, True)


@each_table
def test_a_table_of_another_micro_release_is_never_exact(table: tables.Table) -> None:
    # The last micro release there can be; its process looks like that of the table.
    made = MadeProcess(table, hexversion=table.hexversion & ~0xFF00 | 99 << 8)
    main = made.add_interpreter()
    made.add_thread(main)
    python = open_one(made)
    assert not python.exact
    assert python.version == "{}.{}.99".format(*table.name.version)
    assert calls_of(python, made.states[main][0]) == [("function", "/made/up.py", 13)]


@pytest.mark.parametrize("fill", (0, 1))
@each_table
def test_the_gate_refuses_every_other_minor(table: tables.Table, fill: int) -> None:
    made = started(table, fill)
    [candidate] = find.search([made.image()], made.memory).candidates
    for other in TABLES.values():
        if other.name.version == table.name.version:
            continue
        with pytest.raises((gate.WrongLayout, gate.NotInitialized) + READ_ERRORS):
            found = gate.check(Runtime(candidate, made.memory, other.layout()), other.name.version)
            pytest.fail(f"{other.name.text} passes as {found}")


@each_table
def test_what_no_table_reads_is_refused_with_the_versions_that_are_known(
        table: tables.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    made = started(table)
    names = tables.names()
    hidden = [name.text for name in names if name.version == table.name.version]
    monkeypatch.setenv(tables.HIDDEN_VARIABLE, ",".join(hidden))
    with pytest.raises(process.NoPython) as error:
        made.open()
    assert made.path in str(error.value)
    minor = table.name.version[1]
    read = {6: "3.7 to 3.15", 7: "3.6, 3.8 to 3.15", 13: "3.6 to 3.12, 3.14 to 3.15", 14: "3.6 to 3.13, 3.15",
            15: "3.6 to 3.14"}.get(minor, f"3.6 to 3.{minor - 1}, 3.{minor + 1} to 3.15")
    free_threaded = {13: "free-threaded 3.14 to 3.15", 14: "free-threaded 3.13, free-threaded 3.15",
                     15: "free-threaded 3.13 to 3.14"}.get(minor, "free-threaded 3.13 to 3.15")
    assert f": gdbext reads CPython {read}, {free_threaded}, and no layout passes" in str(error.value)
    if table.name.version >= (3, 11):
        assert f"Python {table.name.text.rstrip('td')} in" in str(error.value)
        assert "it is beyond the tables" in str(error.value)


# Interpreters and thread states.


@each_table
def test_sub_interpreters_and_their_threads(table: tables.Table) -> None:
    made = MadeProcess(table)
    main = made.add_interpreter()
    second = made.add_interpreter()
    third = made.add_interpreter()
    states = [made.add_thread(main, (Call("a"),)), made.add_thread(main, (Call("b"),)),
              made.add_thread(second, (Call("c"),)), made.add_thread(third, ())]
    python = open_one(made)
    assert [(each.address, each.id) for each in python.runtime.interpreters()] == [
        (third, 2), (second, 1), (main, 0)]
    assert [(state.address, state.interpreter.id) for state in python.thread_states()] == [
        (states[3], 2), (states[2], 1), (states[1], 0), (states[0], 0)]
    assert calls_of(python, states[2]) == [("c", "/made/up.py", 13)]
    assert calls_of(python, states[3]) == []


@each_table
def test_a_loop_of_thread_states_ends_and_is_told(table: tables.Table) -> None:
    made = started(table)
    main = made.interpreters[0]
    first = made.states[main][0]
    second = made.add_thread(main)
    python = open_one(made)
    made.builder.set(first, "PyThreadState", "next", second)
    [interpreter] = python.runtime.interpreters()
    states, problem, are_linked = python.runtime.thread_states(interpreter)
    assert [state.address for state in states] == [second, first]
    assert "without an end" in problem
    assert python.problems() == [problem]


@each_table
def test_a_thread_state_that_is_left_out_is_told(table: tables.Table) -> None:
    made = started(table)
    main = made.interpreters[0]
    first = made.states[main][0]
    made.add_thread(main)
    third = made.add_thread(main)
    python = open_one(made)
    made.builder.set(third, "PyThreadState", "next", first)
    [interpreter] = python.runtime.interpreters()
    states, problem, are_linked = python.runtime.thread_states(interpreter)
    assert [state.address for state in states] == [third, first]
    assert "not linked both ways" in problem and not are_linked
    assert python.problems() == [problem]


@each_table
def test_the_main_interpreter_is_0(table: tables.Table) -> None:
    made = started(table)
    if table.name.version >= (3, 7):
        made.builder.set(made.interpreters[0], "PyInterpreterState", "id", 4)
    assert [each.id for each in open_one(made).runtime.interpreters()] == [0]


@each_table
def test_a_loop_of_interpreters_is_damage(table: tables.Table) -> None:
    made = started(table)
    python = open_one(made)
    main = made.interpreters[0]
    made.builder.set(main, "PyInterpreterState", "next", main)
    with pytest.raises(Damaged, match="without an end"):
        python.runtime.interpreters()
    assert python.thread_states() == []
    assert "without an end" in python.problems()[0]
    with pytest.raises(process.NoPython, match="without an end"):
        made.open()


@each_table
def test_a_thread_state_that_cannot_be_read_leaves_those_before_it(table: tables.Table) -> None:
    made = started(table)
    main = made.interpreters[0]
    newest = made.add_thread(main)
    python = open_one(made)
    made.builder.set(newest, "PyThreadState", "next", 0x1000)
    assert [state.address for state in python.thread_states()] == [newest]
    assert len(python.problems()) == 1 and "cannot read" in python.problems()[0]
    # Such a process is opened, too.
    assert [state.address for state in open_one(made).thread_states()] == [newest]


@each_table
def test_a_thread_state_of_another_interpreter_ends_the_list(table: tables.Table) -> None:
    made = started(table)
    main, other = made.interpreters[0], made.add_interpreter()
    stray = made.add_thread(other)
    made.builder.set(made.states[main][0], "PyThreadState", "next", stray)
    python = open_one(made)
    main_states = [state.address for state in python.thread_states() if state.interpreter.id == 0]
    assert main_states == made.states[main]
    assert any("another interpreter" in problem for problem in python.problems())


# What the gate looks at.


def gate_says(made: MadeProcess) -> str:
    """The refusal of a process that its own table does not read."""
    with pytest.raises(process.NoPython) as error:
        made.open()
    return str(error.value)


def gate_says_of_another_micro(made: MadeProcess, reason: str) -> bool:
    """Whether that is the reason; with 3.7 and 3.8 other tables come first, and only some are named."""
    said = gate_says(made)
    return "no layout passes its checks" in said and (reason in said or made.version in ((3, 7), (3, 8)))


def of_another_micro(table: tables.Table, grown: int = 8) -> MadeProcess:
    """A process of a release that this table is near to, but not made for: its runtime is larger by so many bytes."""
    made = MadeProcess(table, hexversion=table.hexversion & ~0xFFFF | 99 << 8 | 0xF0)
    runtime = made.symbols.get("_PyRuntime")
    if runtime is not None:
        made.symbols["_PyRuntime"] = runtime._replace(size=runtime.size + grown)
    return made


@each_table
def test_the_gate_wants_thread_states_linked_both_ways(table: tables.Table) -> None:
    for made in (of_another_micro(table), MadeProcess(table)):
        main = made.add_interpreter()
        made.add_thread(main)
        made.add_thread(main)
        made.builder.set(made.states[main][0], "PyThreadState", "prev", 0)
        if made.hexversion != table.hexversion:
            assert gate_says_of_another_micro(made, "not linked both ways")
        else:
            # Its own table is right whatever became of the process.
            assert len(open_one(made).thread_states()) == 2


@pytest.mark.parametrize("table", [table for table in TABLES.values() if table.runtime_size is not None],
                         ids=lambda table: table.name.text)
def test_a_runtime_of_the_same_size_needs_no_threads(table: tables.Table) -> None:
    made = of_another_micro(table, grown=0)
    state = made.add_thread(made.add_interpreter())
    made.set_frames(state, made.builder.frame(made.builder.none(), 10))
    python = open_one(made)
    assert len(python.thread_states()) == 1 and not python.exact


@each_table
def test_the_gate_wants_sys_modules_to_be_the_interpreters(table: tables.Table) -> None:
    made = MadeProcess(table)
    made.add_interpreter({"modules": made.builder.namespace({})})
    assert "sys.modules" in gate_says(made)


@each_table
def test_the_gate_wants_the_minor_release_that_sys_tells(table: tables.Table) -> None:
    made = MadeProcess(table)
    made.add_interpreter({"hexversion": made.builder.int(0x030500F0)})
    assert "this is Python 3.5" in gate_says(made)


@each_table
def test_the_gate_wants_a_hexversion(table: tables.Table) -> None:
    made = MadeProcess(table)
    main = made.add_interpreter()
    made.builder.set(main, "PyInterpreterState", "sysdict",
                     made.builder.namespace({"path": made.builder.none()}))
    assert "hexversion" in gate_says(made)
    # Python itself refuses to print so many digits.
    for number in (0, 1 << 32, 10 ** 5000):
        made.builder.set(main, "PyInterpreterState", "sysdict",
                         made.builder.namespace({"hexversion": made.builder.int(number)}))
        assert "hexversion is no version" in gate_says(made)


@pytest.mark.parametrize("table", [table for table in TABLES.values() if table.name.version >= (3, 9)],
                         ids=lambda table: table.name.text)
def test_the_gate_wants_interpreters_of_this_runtime(table: tables.Table) -> None:
    made = started(table)
    made.builder.set(made.interpreters[0], "PyInterpreterState", "runtime", made.runtime + 8)
    assert "another runtime" in gate_says(made)


@each_table
def test_the_gate_wants_frames_that_can_be_read(table: tables.Table) -> None:
    made = of_another_micro(table)
    main = made.add_interpreter()
    state = made.add_thread(main)
    made.set_frames(state, made.builder.frame(made.builder.none(), 10))
    assert gate_says_of_another_micro(made, "no frame can be read")
    damaged = MadeProcess(table)
    state = damaged.add_thread(damaged.add_interpreter())
    damaged.set_frames(state, damaged.builder.frame(damaged.builder.none(), 10))
    assert len(open_one(damaged).thread_states()) == 1
    # One that can suffices.
    made.add_thread(main)
    made.set_frames(made.add_thread(main), made.builder.frame(made.builder.none(), 10))
    assert len(open_one(made).thread_states()) == 3


def test_the_gate_wants_most_threads_frames_of_another_minors_table() -> None:
    made = MadeProcess(TABLES["3.15.0"], hexversion=0x031000F0)
    main = made.add_interpreter()
    for _ in range(2):
        made.set_frames(made.add_thread(main), made.builder.frame(made.builder.none(), 10))
    assert "no frame can be read: " in gate_says(made)
    made.add_thread(main)
    assert "no frame can be read of 2 of 3 threads" in gate_says(made)
    made.add_thread(main)
    assert len(open_one(made).thread_states()) == 4


# Not initialized, none, two.


@each_table
def test_a_runtime_without_interpreters_is_not_initialized(table: tables.Table) -> None:
    with pytest.raises(process.NoPython, match="not initialized yet, or already finalized") as error:
        MadeProcess(table).open()
    assert "/made/up/python0" in str(error.value)


@each_table
def test_an_interpreter_that_has_no_sys_yet_is_not_initialized(table: tables.Table) -> None:
    made = MadeProcess(table)
    made.builder.set(made.add_interpreter(), "PyInterpreterState", "sysdict", 0)
    with pytest.raises(process.NoPython, match="not initialized yet"):
        made.open()


def test_a_process_without_python_is_told_how_many_images_it_has() -> None:
    made = MadeProcess(TABLES["3.11.7"])
    images = [FakeImage("/made/up/cat"), FakeImage("/made/up/libc.so")]
    with pytest.raises(process.NoPython, match="none of 2 mapped images"):
        process.open_all(images, made.memory, lambda image: None)


@pytest.mark.parametrize("machine, exact", ((62, True), (183, False)), ids=("x86_64", "aarch64"))
def test_a_table_is_exact_for_its_own_machine_only(machine: int, exact: bool) -> None:
    made = started(TABLES["3.8.18"])
    image = made.image()
    image.machine = machine
    [python] = process.open_all([image], made.memory, lambda image: None)
    assert python.exact is exact


def test_a_core_without_its_files_names_those_that_look_like_python_first() -> None:
    made = MadeProcess(TABLES["3.11.7"])
    images = [FakeImage(f"/made/up/{name}", readable=False)
              for name in ("service", "_a.cpython-311-x86_64-linux-gnu.so", "b.so", "libpython3.11.so.1.0")]
    with pytest.raises(process.NoPython) as error:
        process.open_all(images, made.memory, lambda image: None)
    message = str(error.value)
    assert message.index("libpython3.11.so.1.0") < message.index("service") < message.index("_a.cpython")
    assert "1 more" in message and "\n" not in message


@pytest.mark.parametrize("table", [table for table in TABLES.values() if table.name.version >= (3, 13)],
                         ids=lambda table: table.name.text)
def test_a_core_without_its_files_is_found_by_the_cookie(table: tables.Table) -> None:
    made = started(table)
    start = made.runtime - 0x40
    image = FakeImage(made.path, writable=[(1 << 40, 64), (start, 0x1000)], readable=False)
    [python] = process.open_all([image], made.memory, lambda image: None)
    assert len(python.thread_states()) == 1 and python.version == table.name.text.rstrip("td")


@each_table
def test_of_two_copies_the_one_that_was_initialized_is_read(table: tables.Table) -> None:
    made = started(table)
    dead = MadeProcess(table, memory=made.memory, number=1)
    for images in ([made.image(), dead.image()], [dead.image(), made.image()]):
        [python] = process.open_all(images, made.memory, lambda image: None)
        assert python.runtime.candidate.image.path == made.path


def test_two_live_copies_of_different_releases_are_both_read() -> None:
    one = started(TABLES["3.8.18"])
    other = MadeProcess(TABLES["3.12.1"], memory=one.memory, number=1)
    other.add_thread(other.add_interpreter())
    pythons = process.open_all([one.image(), other.image()], one.memory, lambda image: None)
    assert [python.version for python in pythons] == ["3.8.18", "3.12.1"]
    assert pythons[1].thread_states()[0].address - pythons[0].thread_states()[0].address > APART // 2


# Names of threads.


@each_table
def test_threads_are_called_as_threading_calls_them(table: tables.Table) -> None:
    made = started(table)
    main = made.interpreters[0]
    names = {IDENT: "MainThread", IDENT + 0x1000: "Поток-1", IDENT + 0x2000: "スレッド",
             IDENT + 0x3000: "\U0001f40d"}
    made.name_threads(main, names)
    python = open_one(made)
    assert python.runtime.thread_names(python.runtime.interpreters()[-1]) == names


@each_table
def test_without_threading_no_thread_has_a_name(table: tables.Table) -> None:
    python = open_one(started(table))
    assert python.runtime.thread_names(python.runtime.interpreters()[-1]) == {}


@each_table
def test_one_bad_thread_object_costs_one_name(table: tables.Table) -> None:
    made = started(table)
    b, main = made.builder, made.interpreters[0]
    entries = [
        (b.int(1), b.instance("Thread", {"_name": b.text("first")})),
        (b.int(2), 0x1000),
        (b.none(), b.instance("Thread", {"_name": b.text("first")})),
        (b.int(3), b.instance("Other", {"_name": b.int(5)})),
        (b.int(4), b.none()),
        (b.int(5), b.instance("Thread", {"_name": b.text("first")})),
    ]
    made.add_module(main, "threading", {"_active": b.dict(entries)})
    python = open_one(made)
    assert python.runtime.thread_names(python.runtime.interpreters()[-1]) == {1: "first", 5: "first"}


@each_table
@pytest.mark.parametrize("active", (0x1000, None))
def test_a_damaged_threading_costs_the_names_only(table: tables.Table, active: int) -> None:
    made = started(table)
    made.add_module(made.interpreters[0], "threading", {"_active": active or made.builder.none()})
    python = open_one(made)
    assert python.runtime.thread_names(python.runtime.interpreters()[-1]) == {}
    assert len(python.thread_states()) == 1


@each_table
def test_each_interpreter_has_names_of_its_own(table: tables.Table) -> None:
    made = started(table)
    second = made.add_interpreter()
    made.name_threads(made.interpreters[0], {IDENT: "outer"})
    made.name_threads(second, {IDENT: "inner"})
    runtime = open_one(made).runtime
    names = [runtime.thread_names(each) for each in runtime.interpreters()]
    assert names == [{IDENT: "inner"}, {IDENT: "outer"}]


# The GIL. In a free-threaded build it is enabled where nothing else is said.


def started_with_gil(table: tables.Table) -> MadeProcess:
    """A process with one thread that holds the GIL, of a free-threaded build too."""
    made = started(table)
    made.enable_gil()
    made.take_gil(made.states[made.interpreters[0]][0])
    return made


FREE_THREADED = [table for table in TABLES.values() if table.name.free_threaded]


@each_table
def test_who_holds_the_gil(table: tables.Table) -> None:
    made = started_with_gil(table)
    main = made.interpreters[0]
    waiter = made.add_thread(main)
    made.take_gil(made.states[main][0])
    runtime = open_one(made).runtime
    [interpreter] = runtime.interpreters()
    gil = runtime.gil(interpreter)
    assert gil.holder == made.states[main][0]
    assert gil.start <= made.gils[main] < gil.end
    made.take_gil(waiter)
    assert runtime.gil(interpreter).holder == waiter


@each_table
def test_nobody_holds_a_gil_that_is_not_taken(table: tables.Table) -> None:
    made = started_with_gil(table)
    main = made.interpreters[0]
    # last_holder stays when the GIL is released.
    made.set_gil(made.gils[main], 0, made.states[main][0])
    runtime = open_one(made).runtime
    assert runtime.gil(runtime.interpreters()[0]).holder is None


@pytest.mark.parametrize("table", [table for table in TABLES.values() if table.name.version >= (3, 12)],
                         ids=lambda table: table.name.text)
def test_the_gil_is_taken_a_moment_before_its_holder_is_set(table: tables.Table) -> None:
    made = started_with_gil(table)
    main = made.interpreters[0]
    runtime = open_one(made).runtime
    assert runtime.gil(runtime.interpreters()[0]).holder == made.states[main][0]
    made.builder.set(made.states[main][0], "PyThreadState", made.holds_path, 0)
    assert runtime.gil(runtime.interpreters()[0]).holder is None


@pytest.mark.parametrize("table", [table for table in TABLES.values()
                                   if (3, 7) <= table.name.version < (3, 12)],
                         ids=lambda table: table.name.text)
def test_before_the_first_thread_there_is_no_gil_and_one_thread_runs(table: tables.Table) -> None:
    made = started(table)
    state = made.states[made.interpreters[0]][0]
    made.set_gil(made.gil_at, -1, 0)
    made.builder.set(made.runtime, "_PyRuntimeState", "gilstate.tstate_current", state)
    runtime = open_one(made).runtime
    assert runtime.gil(runtime.interpreters()[0]).holder == state


@pytest.mark.parametrize("table", [table for table in TABLES.values() if table.name.version >= (3, 12)],
                         ids=lambda table: table.name.text)
def test_each_interpreter_may_have_a_gil_of_its_own(table: tables.Table) -> None:
    made = started_with_gil(table)
    second = made.add_interpreter()
    inner = made.add_thread(second)
    made.take_gil(inner)
    runtime = open_one(made).runtime
    found = [runtime.gil(each) for each in runtime.interpreters()]
    assert [gil.holder for gil in found] == [inner, made.states[made.interpreters[0]][0]]
    assert [gil.start for gil in found] == [made.gils[second], made.gils[made.interpreters[0]]]
    made.builder.set(second, "PyInterpreterState", "ceval.gil", 0)
    interpreter = runtime.interpreters()[0]
    assert runtime.gil(interpreter) is None
    # Without a GIL, but in a build that has them, there is nothing to be attached to.
    [state] = runtime.thread_states(interpreter).states
    assert runtime.attachment(state) == ("attached" if table.name.free_threaded else None)


@each_table
def test_a_gil_that_cannot_be_read_raises(table: tables.Table) -> None:
    made = started(table)
    runtime = open_one(made).runtime
    [interpreter] = runtime.interpreters()
    size = made.builder.layout["_gil_runtime_state"].size if made.version >= (3, 7) else 8
    at = made.gils[made.interpreters[0]] if made.version >= (3, 7) else made.data + 8
    made.memory.make_unreadable(at, size)
    with pytest.raises(Unreadable):
        runtime.gil(interpreter)


# Without a GIL.


@pytest.mark.parametrize("table", FREE_THREADED, ids=lambda table: table.name.text)
def test_a_gil_that_is_off_is_none_and_thread_states_are_attached_or_not(table: tables.Table) -> None:
    made = started(table)
    main = made.interpreters[0]
    made.add_thread(main)
    # What is left in its words from when it was on tells nothing.
    made.set_gil(made.gils[main], 1, made.states[main][0])
    python = open_one(made)
    newer, older = python.thread_states()
    assert python.runtime.gil(older.interpreter) is None
    assert [python.runtime.attachment(state) for state in (older, newer)] == ["attached", "detached"]
    # Several may be at once.
    made.attach(newer.address)
    assert [python.runtime.attachment(state) for state in (older, newer)] == ["attached", "attached"]


@pytest.mark.parametrize("value, name", ((0, "detached"), (1, "attached"), (2, "suspended"),
                                         (3, "shutting down"), (4, None), (0x7FFFFFFF, None)))
@pytest.mark.parametrize("table", FREE_THREADED, ids=lambda table: table.name.text)
def test_attachments(table: tables.Table, value: int, name: str) -> None:
    made = started(table)
    python = open_one(made)
    [state] = python.thread_states()
    made.attach(state.address, value)
    assert python.runtime.attachment(state) == name


@each_table
def test_where_there_is_a_gil_there_is_no_attachment(table: tables.Table) -> None:
    made = started_with_gil(table)
    python = open_one(made)
    [state] = python.thread_states()
    assert python.runtime.gil(state.interpreter) is not None
    assert python.runtime.attachment(state) is None


@pytest.mark.parametrize("field", ("state", "enabled"))
@pytest.mark.parametrize("table", FREE_THREADED, ids=lambda table: table.name.text)
def test_an_attachment_that_cannot_be_read_raises(table: tables.Table, field: str) -> None:
    made = started(table)
    python = open_one(made)
    [state] = python.thread_states()
    struct, at = ("PyThreadState", state.address) if field == "state" else (
        "_gil_runtime_state", made.gils[made.interpreters[0]])
    offset, size = made.builder.layout[struct].field(field)
    made.memory.make_unreadable(at + offset, size)
    with pytest.raises(Unreadable):
        python.runtime.attachment(state)
