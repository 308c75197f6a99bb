"""gdbext.analysis.threads: which native thread has which thread state, and who holds and awaits the GIL."""

from typing import Collection, Dict, List, NamedTuple, Optional, Sequence, Tuple

import pytest

from gdbext.analysis.threads import HOLDS, MAX_STACK, STACK_PIECE, WAITS, Thread, list_threads, lost
from gdbext.cpython.memory import PAGE
from gdbext.cpython.process import Python
from tests.unit.builder import IDS, TABLES, FakeMemory
from tests.unit.made_process import IDENT, NATIVE_ID, SUSPENDED, Call, MadeProcess, started


class Native(NamedTuple):
    """A thread as a debugger would give it."""

    number: int
    lwp: int
    ident: Optional[int]
    syscall: Optional[str] = ""
    arguments: Sequence[Optional[int]] = ()
    program_counter: Optional[int] = None
    stack_pointer: Optional[int] = None
    registers: Collection[int] = ()
    memory: FakeMemory = FakeMemory()
    library: Optional[str] = None


@pytest.fixture(params=IDS)
def made(request: pytest.FixtureRequest) -> MadeProcess:
    """A process of each table with one thread."""
    return started(TABLES[request.param])


def summary(threads: List[Thread]) -> list:
    """(number, function, GIL) of each line; the number is None without a native thread."""
    return [(thread.native.number if thread.native else None,
             thread.frame.code.name if thread.frame and thread.frame.code else None, thread.gil)
             for thread in threads]


def holds(made: MadeProcess) -> Optional[str]:
    """What is said of the thread that runs: free-threaded builds have no GIL."""
    return HOLDS if made.has_gil else None


def attachments(made: MadeProcess, *expected: Optional[str]) -> list:
    """What is said of threads where there is no GIL; nothing is where there is one."""
    return [None if made.has_gil else each for each in expected]


def test_threads_are_matched_by_their_thread_pointer(made: MadeProcess) -> None:
    main = made.interpreters[0]
    made.add_thread(main, [Call("second")])
    made.add_thread(main, [Call("third")])
    made.name_threads(main, {IDENT: "MainThread", IDENT + 0x2000: "Worker"})
    natives = [Native(1, 50, IDENT), Native(2, 51, 0x1234), Native(3, 52, IDENT + 0x2000),
               Native(4, 53, IDENT + 0x1000)]
    threads = list_threads(made.open(), natives)
    assert summary(threads) == [(1, "inner", holds(made)), (2, None, None), (3, "third", None),
                                (4, "second", None)]
    assert [thread.attachment for thread in threads] == attachments(
        made, "attached", None, "detached", "detached")
    assert [thread.name for thread in threads] == ["MainThread", None, "Worker", None]
    assert [thread.ident for thread in threads] == [IDENT, None, IDENT + 0x2000, IDENT + 0x1000]
    assert [thread.activity for thread in threads] == ["running", "native", "running", "running"]
    assert [frame.code.name for frame in threads[0].frames()] == ["inner", "outer"]
    assert list(threads[1].frames()) == []


def test_a_thread_that_only_threading_knows_is_lost(made: MadeProcess) -> None:
    made.name_threads(made.interpreters[0], {IDENT: "MainThread", 0x1234: "Worker"})
    natives = [Native(1, 50, IDENT), Native(2, 51, 0x1234), Native(3, 52, 0x5678)]
    [sentence] = lost(list_threads(made.open(), natives))
    assert sentence.startswith("Thread 2 is 'Worker' to threading")
    assert lost(list_threads(made.open(), [natives[0], natives[2]])) == []


def test_a_thread_state_without_a_thread_comes_last(made: MadeProcess) -> None:
    made.add_thread(made.interpreters[0], [Call("gone")], ident=0x99)
    threads = list_threads(made.open(), [Native(1, 50, IDENT)])
    assert summary(threads) == [(1, "inner", holds(made)), (None, "gone", None)]
    assert [thread.attachment for thread in threads] == attachments(made, "attached", "detached")
    assert threads[1].ident == 0x99 and threads[1].activity is None


def test_a_state_may_be_that_of_a_thread_whose_ident_is_not_known(made: MadeProcess) -> None:
    made.add_thread(made.interpreters[0], [Call("gone")], ident=0x99)
    threads = list_threads(made.open(), [Native(1, 50, IDENT)])
    assert [thread.orphan for thread in threads] == [False, True]
    threads = list_threads(made.open(), [Native(1, 50, IDENT), Native(2, 51, None)])
    assert [thread.orphan for thread in threads] == [False, False, False]


def test_without_a_thread_pointer_the_kernels_number_tells(made: MadeProcess) -> None:
    threads = list_threads(made.open(), [Native(1, NATIVE_ID, None), Native(2, NATIVE_ID + 5, None)])
    if made.version >= (3, 11):
        assert summary(threads) == [(1, "inner", holds(made)), (2, None, None)]
    else:
        assert summary(threads) == [(1, None, None), (2, None, None), (None, "inner", HOLDS)]


def test_a_kernels_number_is_not_believed_against_the_thread_pointer(made: MadeProcess) -> None:
    # In a PID namespace the process knows other numbers than the debugger.
    threads = list_threads(made.open(), [Native(1, 1, IDENT), Native(2, NATIVE_ID, 0x1234)])
    assert summary(threads) == [(1, "inner", holds(made)), (2, None, None)]


def test_a_process_with_no_python_has_native_threads_only() -> None:
    assert summary(list_threads([], [Native(1, 50, IDENT)])) == [(1, None, None)]


# The GIL.


# FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME
WAIT_BITSET = 9 | 128 | 256


@pytest.mark.parametrize("syscall, offset, waits", (
    ("futex", 0, True), ("restart_syscall", 0, True), ("futex", 100, True), ("futex", -2000, False),
    ("futex", 4000, False), ("poll", 0, False), ("", 0, False), (None, 0, False)))
def test_a_thread_in_a_futex_of_the_gil_waits_for_it(
        made: MadeProcess, syscall: Optional[str], offset: int, waits: bool) -> None:
    main = made.interpreters[0]
    made.add_thread(main, [Call("waiter")])
    made.enable_gil()
    made.take_gil(made.states[main][0])
    natives = [Native(1, 50, IDENT), Native(2, 51, IDENT + 0x1000, syscall,
                                             (made.gils[main] + offset, WAIT_BITSET) if syscall else ())]
    threads = list_threads(made.open(), natives)
    assert summary(threads) == [(1, "inner", HOLDS), (2, "waiter", WAITS if waits else None)]
    assert threads[1].activity == (
        None if syscall is None else "waiting" if syscall else "running")
    assert [thread.attachment for thread in threads] == [None, None]
    if waits:
        assert threads[1].waits_for.holder == made.states[main][0]
    else:
        assert threads[1].waits_for is None


def test_a_thread_in_a_futex_of_which_the_word_is_not_known(made: MadeProcess) -> None:
    made.add_thread(made.interpreters[0], [Call("waiter")])
    threads = list_threads(made.open(), [Native(2, 51, IDENT + 0x1000, "futex", (None, WAIT_BITSET))])
    assert threads[0].gil is None and threads[0].activity == "waiting"


@pytest.mark.parametrize("command, activity", (
    (0, "waiting"), (128, "waiting"), (6, "waiting"), (WAIT_BITSET, "waiting"), (1, "running"), (129, "running"),
    (10 | 128, "running"), (5, "running"), (None, None)))
def test_a_thread_that_wakes_others_does_not_wait(
        made: MadeProcess, command: Optional[int], activity: Optional[str]) -> None:
    """The second argument of futex(2) says which it does."""
    main = made.interpreters[0]
    made.add_thread(main, [Call("waker")])
    made.enable_gil()
    made.take_gil(made.states[main][0])
    natives = [Native(2, 51, IDENT + 0x1000, "futex", (made.gils[main], command))]
    [waker, _other] = list_threads(made.open(), natives)
    assert waker.activity == activity
    assert waker.gil == (WAITS if activity == "waiting" else None)


def test_a_gil_that_cannot_be_read_leaves_the_threads(made: MadeProcess) -> None:
    made.enable_gil()
    pythons = made.open()
    if made.version < (3, 7):
        made.memory.make_unreadable(made.data + 8, 8)
    else:
        locked = made.builder.layout["_gil_runtime_state"].offset("locked")
        made.memory.make_unreadable(made.gils[made.interpreters[0]] + locked, 4)
    assert summary(list_threads(pythons, [Native(1, 50, IDENT)])) == [(1, "inner", None)]


# Without a GIL.


@pytest.fixture(params=[name for name in IDS if TABLES[name].name.free_threaded])
def free_threaded(request: pytest.FixtureRequest) -> MadeProcess:
    """A process of each free-threaded table, with one thread that is attached."""
    return started(TABLES[request.param])


def test_nobody_holds_or_awaits_a_gil_that_is_off(free_threaded: MadeProcess) -> None:
    made = free_threaded
    main = made.interpreters[0]
    made.add_thread(main, [Call("second")])
    natives = [Native(1, 50, IDENT), Native(2, 51, IDENT + 0x1000, "futex", (made.gils[main], WAIT_BITSET))]
    made.attach(made.states[main][1], SUSPENDED)
    threads = list_threads(made.open(), natives)
    assert [(thread.gil, thread.waits_for, thread.attachment) for thread in threads] == [
        (None, None, "attached"), (None, None, "suspended")]
    assert [thread.activity for thread in threads] == ["running", "waiting"]


def test_an_attachment_that_cannot_be_read_is_not_known(free_threaded: MadeProcess) -> None:
    made = free_threaded
    threads = list_threads(made.open(), [Native(1, 50, IDENT)])
    offset, size = made.builder.layout["PyThreadState"].field("state")
    made.memory.make_unreadable(made.states[made.interpreters[0]][0] + offset, size)
    assert [thread.attachment for thread in threads] == [None]
    made.memory.holes.clear()
    made.memory.clear()
    assert [thread.attachment for thread in threads] == ["attached"]


# Sub-interpreters.


STACK = 0x7FFE_0000_0000


def head(made: MadeProcess, state: int) -> int:
    """The address of a thread state's innermost frame."""
    [python] = made.open()
    return next(python.runtime.frames.walk(state)).address


def stack(made: MadeProcess, words: Dict[int, int], size: int = 3 * STACK_PIECE) -> int:
    """A C stack with words at places, counted in bytes from its inner end."""
    data = made.memory.map(STACK, bytearray(size))
    for place, word in words.items():
        data[place:place + 8] = word.to_bytes(8, "little")
    return STACK


def in_two(made: MadeProcess, inner_first: bool) -> Tuple[List[Python], Native]:
    """One thread with frames in the main interpreter and in a second one, of which one calls the other.

    In 3.11 addresses on the C stack tell which is the inner one; before, where that stack holds the
    frames; since then, the shims.
    """
    b = made.builder
    main = made.interpreters[0]
    second = made.add_interpreter()
    state = made.add_thread(second, [Call("sub")], ident=IDENT)
    states = [made.states[main][0], state]
    if not inner_first:
        states.reverse()
    outer, inner = states
    if (3, 11) <= made.version < (3, 12):
        # What is made first lies lower, and so is the inner one on a stack that grows downwards.
        places = [b.layout["PyThreadState"].offset("cframe") + each for each in (inner, outer)]
        heads = [made.memory.u64(made.memory.u64(at)
                                 + b.layout["_PyCFrame"].offset("current_frame")) for at in places]
        for at, current in zip(places, heads):
            b.u64(at, b.struct("_PyCFrame", current_frame=current))
    elif made.version >= (3, 12):
        for each, name in ((inner, "sub" if inner == state else "inner"),
                           (outer, "sub" if outer == state else "inner")):
            made.set_frames(each, made.frames([Call(name)]))
    pythons = made.open()
    if made.version < (3, 12):
        top = stack(made, {STACK_PIECE + 64: head(made, inner), 2 * STACK_PIECE: head(made, outer)})
    else:
        top = min(pythons[0].runtime.frames.entry_address(each) for each in states)
    return pythons, Native(1, 50, IDENT, stack_pointer=top)


def test_a_thread_in_two_interpreters_has_a_line_for_each_the_inner_first(made: MadeProcess) -> None:
    pythons, native = in_two(made, True)
    threads = list_threads(pythons, [native])
    assert [(number, name) for number, name, _gil in summary(threads)] == [(1, "sub"), (1, "inner")]
    assert [thread.state.interpreter.id for thread in threads] == [1, 0]


def test_an_outer_sub_interpreter(made: MadeProcess) -> None:
    pythons, native = in_two(made, False)
    assert [name for _number, name, _gil in summary(list_threads(pythons, [native]))] == ["inner", "sub"]


def test_frames_on_another_c_stack_are_elsewhere(made: MadeProcess) -> None:
    """Below the thread's own, above it, and above all that belongs to it; not known where nothing tells."""
    thread, = list_threads(made.open(), [Native(1, 50, IDENT)])
    place = thread.python.runtime.frames.entry_address(thread.state.address)
    assert (place is None) == (made.version < (3, 11))

    def is_elsewhere(stack_pointer: Optional[int], ident: Optional[int]) -> bool:
        thread.native = Native(1, 50, ident, stack_pointer=stack_pointer)
        return thread.is_elsewhere

    if place is None:
        assert not is_elsewhere(STACK, IDENT)
        return
    # On its own stack, whether that has the thread's descriptor above it, or it is elsewhere, or not known.
    for ident in (place + 8, place - 0x4000, None):
        assert not is_elsewhere(place - 0x1000, ident)
        assert is_elsewhere(place + 8, ident)
        assert not is_elsewhere(None, ident)
    assert is_elsewhere(place - 0x1000, place - 0x800)
    thread.state = thread.state._replace(address=0x1000)
    assert not is_elsewhere(place + 8, None)


def runner(number: int, made: MadeProcess, state: int) -> Native:
    """A thread on whose C stack a thread state's innermost frame is evaluated, and nothing else is."""
    if made.version < (3, 12):
        top = stack(made, {4096: head(made, state)})
        return Native(number, 50 + number, top + 8192, stack_pointer=top)
    [python] = made.open()
    place = python.runtime.frames.entry_address(state)
    return Native(number, 50 + number, place + 64, stack_pointer=place - 64)


def test_a_state_belongs_to_the_thread_that_has_its_frame(made: MadeProcess) -> None:
    """In a register or on the stack, whatever ident the state kept of the thread that made it."""
    second = made.add_interpreter()
    state = made.add_thread(second, [Call("sub")], ident=IDENT)
    by_stack = runner(2, made, state)
    made.name_threads(second, {IDENT: "maker", 0x99: "runner", by_stack.ident: "runner"})
    for native in (Native(2, 51, 0x99, registers=(1, head(made, state))), by_stack):
        threads = list_threads(made.open(), [Native(1, 50, IDENT), native])
        assert [(number, name) for number, name, _gil in summary(threads)] == [(1, "inner"), (2, "sub")]
        assert (threads[1].ident, threads[1].name) == (native.ident, "runner")


def test_a_state_of_the_main_interpreter_that_another_thread_runs(made: MadeProcess) -> None:
    """Also where its maker has no other frames, or has ended."""
    main = made.interpreters[0]
    made.set_frames(made.states[main][0], 0)
    state = made.add_thread(main, [Call("adopted")], ident=IDENT)
    ended = made.add_thread(main, [Call("left")], ident=0x77)
    natives = [Native(1, 50, IDENT), runner(2, made, state), Native(3, 53, 0x98, registers=[head(made, ended)])]
    assert [(number, name) for number, name, _gil in summary(list_threads(made.open(), natives))] == [
        (1, None), (2, "adopted"), (3, "left")]


@pytest.mark.parametrize("table", [name for name in IDS if TABLES[name].name.version >= (3, 12)])
def test_what_a_dead_thread_has_left_is_not_that_of_the_one_that_has_its_stack(table: str) -> None:
    made = started(TABLES[table])
    state = made.add_thread(made.interpreters[0], [Call("left")], ident=0x77)
    threads = list_threads(made.open(), [Native(1, 50, IDENT), runner(2, made, state)])
    assert [(number, name) for number, name, _gil in summary(threads)] == [(1, "inner"), (2, None), (None, "left")]
    assert threads[2].orphan


def test_a_stack_ends_where_the_descriptor_of_its_thread_begins(made: MadeProcess) -> None:
    """What lies behind it is not the thread's."""
    main = made.interpreters[0]
    made.set_frames(made.states[main][0], 0)
    state = made.add_thread(main, [Call("maker's")], ident=IDENT)
    top = stack(made, {4096: head(made, state)}, 3 * PAGE)
    natives = [Native(1, 50, IDENT, stack_pointer=None), Native(2, 51, top + 4096, stack_pointer=top)]
    assert [name for _number, name, _gil in summary(list_threads(made.open(), natives))] == ["maker's", None]


@pytest.mark.parametrize("place", (4097, MAX_STACK + 8))
def test_without_evidence_it_is_not_known_whose_a_state_is(made: MadeProcess, place: int) -> None:
    state = made.add_thread(made.add_interpreter(), [Call("sub")], ident=IDENT)
    top = stack(made, {place: head(made, state)}, MAX_STACK + PAGE)
    threads = list_threads(made.open(), [Native(1, 50, IDENT, stack_pointer=top), Native(2, 51, 0x99)])
    assert [(number, name) for number, name, _gil in summary(threads)] == [
        (1, "inner"), (2, None), (None, "sub")]
    assert (threads[2].ident, threads[2].name) == (None, None)


def test_evidence_on_two_threads_is_none(made: MadeProcess) -> None:
    frame = head(made, made.add_thread(made.add_interpreter(), [Call("sub")], ident=IDENT))
    natives = [Native(1, 50, IDENT)] + [Native(2, 51, ident, registers=[frame]) for ident in (0x98, 0x99)]
    assert summary(list_threads(made.open(), natives))[-1][:2] == (None, "sub")


@pytest.mark.parametrize("table", [name for name in IDS if TABLES[name].name.version < (3, 12)])
def test_the_last_pages_of_a_stack_are_searched(table: str) -> None:
    made = started(TABLES[table])
    state = made.add_thread(made.add_interpreter(), [Call("sub")], ident=IDENT)
    top = stack(made, {PAGE + 16: head(made, state)}, 2 * PAGE)
    threads = list_threads(made.open(), [Native(1, 50, IDENT), Native(2, 51, 0x99, stack_pointer=top)])
    assert [(number, name) for number, name, _gil in summary(threads)] == [(1, "inner"), (2, "sub")]


def test_a_frame_that_an_earlier_call_has_left_is_less_than_several(made: MadeProcess) -> None:
    """Up to 3.10 a frame object is used again: the stacks of all that have made the call have its address."""
    main = made.interpreters[0]
    if made.version >= (3, 11):
        return
    made.set_frames(made.states[main][0], 0)
    state = made.add_thread(main, [Call("again"), Call("own")], ident=IDENT)
    [python] = made.open()
    inner, outer = [frame.address for frame in python.runtime.frames.walk(state)]
    natives = [Native(1, 50, IDENT, registers=[inner]), Native(2, 51, 0x98, registers=[inner]),
               Native(3, 52, 0x99, registers=[inner, outer])]
    assert [(number, name) for number, name, _gil in summary(list_threads(made.open(), natives))] == [
        (1, None), (2, None), (3, "again")]
    # Its own stack is damaged: one old address on another one's does not make it that one's.
    natives = [Native(1, 50, IDENT, registers=[]), Native(2, 51, 0x98, registers=[inner])]
    assert [(number, name) for number, name, _gil in summary(list_threads(made.open(), natives))] == [
        (1, "again"), (2, None)]


def test_an_interpreter_that_the_thread_has_left_is_not_shown(made: MadeProcess) -> None:
    made.add_thread(made.add_interpreter(), [], ident=IDENT)
    threads = list_threads(made.open(), [Native(1, 50, IDENT)])
    assert [(number, name) for number, name, _gil in summary(threads)] == [(1, "inner")]


def test_a_thread_without_frames_anywhere_has_one_line(made: MadeProcess) -> None:
    made.set_frames(made.states[made.interpreters[0]][0], 0)
    made.add_thread(made.add_interpreter(), [], ident=IDENT)
    threads = list_threads(made.open(), [Native(1, 50, IDENT)])
    assert [(thread.native.number, thread.frame, thread.state.interpreter.id)
            for thread in threads] == [(1, None, 0)]


def test_threads_of_two_pythons() -> None:
    one = started(TABLES["3.8.18"])
    other = MadeProcess(TABLES["3.13.5"], memory=one.memory, number=1)
    other.add_thread(other.add_interpreter(), [Call("elsewhere")], ident=0x77)
    natives = [Native(1, 50, IDENT), Native(2, 51, 0x77)]
    threads = list_threads(one.open() + other.open(), natives)
    assert [(number, name) for number, name, _gil in summary(threads)] == [(1, "inner"), (2, "elsewhere")]
    assert [thread.python.version for thread in threads] == ["3.8.18", "3.13.5"]
