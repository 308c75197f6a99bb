"""gdbext.analysis.stacks: Python frames in their place among native ones that the test makes, of every version."""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import pytest

from gdbext.analysis import stacks
from gdbext.analysis.registers import registers as registers_of
from gdbext.analysis.stacks import REGISTER, STACK, THREAD_STATE, Loops, NativeCall, PythonCall, merge
from gdbext.analysis.threads import Thread
from gdbext.cpython.evaluation import MIN_WHOLE_LOOP, loop_ranges
from gdbext.cpython.memory import Unreadable
from gdbext.render import traceback
from tests.unit.builder import IDS, TABLES
from tests.unit.made_process import FakeImage, MadeProcess, Place

LOOP = (0x40_0000, 0x42_0000)
# Of a C function in the interpreter's image, and of one in a library.
INTERNAL, FOREIGN = 0x50_0000, 0x7F00_0000_0000
STACK_TOP = 0x7FFD_0000_0000
# Of every native frame, and where in a run's the shim or the structure of the run is.
FRAME_SIZE, PLACE = 0x100, 0x40


class Native(NamedTuple):
    """A native frame as an unwinder would give it."""

    pc: int
    stack_pointer: int
    end: Optional[int]
    registers: Dict[str, int]
    library: Optional[str]
    name: Optional[str] = None

    @property
    def place(self) -> int:
        """Within the calling instruction."""
        return self.pc - 1

    @property
    def function(self) -> Optional[Tuple[int, int]]:
        """None: no function has a name in these tests."""
        return None


class Made:
    """A process with one thread, and its native stack: runs of the loop, and C functions around them."""

    def __init__(self, table: str, segments: Sequence[Sequence[str]]) -> None:
        """`segments` are the Python functions of each run, the innermost first. Up to 3.10 a run has one."""
        self.process = process = MadeProcess(TABLES[table])
        main = process.add_interpreter()
        if process.version < (3, 11):
            segments = [[name] for segment in segments for name in segment]
        self.segments = segments
        self.state = process.add_thread(main, ())
        self.frames: List[List[int]] = []
        b = process.builder
        count = 2 * len(segments) + 1
        raw = process.memory.map(STACK_TOP, bytearray(FRAME_SIZE * (count + 1)))
        self.stack = raw
        back = 0
        for index in reversed(range(len(segments))):
            shim_at = STACK_TOP + FRAME_SIZE * (2 * index + 1) + PLACE
            if process.version >= (3, 12):
                back = self._shim(shim_at, back)
            addresses = []
            for name in reversed(segments[index]):
                code = b.code(name, "/f.py", 1, b.lines((8, 0), (8, 3)), first_traceable=1)
                back = b.frame(code, 10, back)
                if process.version < (3, 11):
                    path, value = ("f_state", 0) if process.version >= (3, 10) else ("f_executing", 1)
                    b.set(back, "PyFrameObject", path, value)
                else:
                    b.write(code + b.layout["PyVarObject"].offset("ob_size"), (32).to_bytes(8, "little"))
                    b.set(back, "_PyInterpreterFrame", "f_globals", b.dict([]))
                    b.set(back, "_PyInterpreterFrame", "frame_obj", 0)
                    if process.version < (3, 12):
                        b.set(back, "_PyInterpreterFrame", "is_entry", name == segments[index][-1])
                addresses.append(back)
            self.frames.insert(0, addresses[::-1])
        self.head = back
        process.set_frames(self.state, back)
        [self.python] = process.open()
        self.python.runtime.candidate.image.functions = [LOOP]
        self.python.runtime.candidate.image.symbols["_PyEval_EvalFrameDefault"] = Place(LOOP[0], 16)

    def _shim(self, address: int, back: int) -> int:
        """A shim in the native frame of its run."""
        b = self.process.builder
        made = b.shim(back)
        size = b.layout["_PyInterpreterFrame"].size
        offset = address - STACK_TOP
        self.stack[offset:offset + size] = self.process.memory.read(made, size)
        return address

    def threads(self) -> List[Thread]:
        """The thread with its state."""
        [state] = self.python.thread_states()
        return [Thread(None, self.python, state)]

    def natives(self, with_registers: bool = True) -> List[Native]:
        """A C function inside of each run, then the run, and main() at the end."""
        found = []
        for index, frames in enumerate(self.frames):
            pc = FOREIGN if index == 0 else INTERNAL
            library = "/lib/libc.so" if index == 0 else self.process.path
            found.append(self.native(len(found), pc + 9, {}, library))
            held = {"rbx": 5, "r12": frames[0]} if with_registers else {"rbx": 5}
            found.append(self.native(len(found), LOOP[0] + 0x100, held, self.process.path))
        found.append(self.native(len(found), INTERNAL + 99, {}, self.process.path, last=True))
        return found

    @staticmethod
    def native(index: int, pc: int, registers: Dict[str, int], library: str, last: bool = False) -> Native:
        """A native frame at its place on the stack."""
        at = STACK_TOP + FRAME_SIZE * index
        return Native(pc, at, None if last else at + FRAME_SIZE, registers, library)

    def put(self, run: int, offset: int, value: int) -> None:
        """Write into the native frame of a run."""
        at = FRAME_SIZE * (2 * run + 1) + offset
        self.stack[at:at + 8] = value.to_bytes(8, "little")
        self.process.memory.clear()

    def merged(self, natives: Optional[List[Native]] = None, problem: Optional[str] = None) -> stacks.Stack:
        """The answer."""
        self.process.memory.clear()
        return merge(self.threads(), self.natives() if natives is None else natives, Loops([self.python]), problem)


def shown(stack: stacks.Stack) -> List[str]:
    """Each call: the function, or what kind of native code."""
    return [call.frame.code.name if isinstance(call, PythonCall) else "internal" if call.internal else
            call.frame.library or "?" for call in stack.calls]


SEGMENTS = [["key"], ["sorts", "called", "main"], ["<module>"]]


@pytest.fixture(params=IDS)
def made(request: pytest.FixtureRequest) -> Made:
    """A process of each table."""
    return Made(request.param, SEGMENTS)


def expected(made: Made) -> List[str]:
    """The calls in their places."""
    found: List[str] = []
    for index, segment in enumerate(made.segments):
        found += ["internal" if index else "/lib/libc.so", *segment]
    return found + ["internal"]


def names(made: Made) -> List[str]:
    """All Python functions, innermost first."""
    return [name for segment in made.segments for name in segment]


def test_python_frames_are_in_the_place_of_their_run(made: Made) -> None:
    for with_registers in (True, False):
        stack = made.merged(made.natives(with_registers))
        assert shown(stack) == expected(made) and stack.notes == []
        assert {call.found_by for call in stack.python} == {THREAD_STATE}
        runs = [call.native.stack_pointer for call in stack.python]
        assert sorted(set(runs)) == [STACK_TOP + FRAME_SIZE * (2 * index + 1) for index in range(len(made.segments))]
        assert runs == sorted(runs)


def test_without_the_interpreters_own_frames(made: Made) -> None:
    assert shown(made.merged().without_internal()) == ["/lib/libc.so", *names(made)]


def test_a_limit_counts_python_frames(made: Made) -> None:
    stack = made.merged()
    assert shown(stack.limited(1)) == expected(made)[:2]
    assert [call.frame.code.name for call in stack.limited(3).python] == names(made)[:3]
    assert stack.limited(None) is stack and shown(stack.limited(99)) == shown(stack)


def test_no_native_frames_cost_no_python_frame(made: Made) -> None:
    stack = made.merged([], "registers can't be read")
    assert shown(stack) == names(made)
    assert all(call.native is None for call in stack.python)
    assert stack.notes == ["There may be more native frames: registers can't be read."]


def test_a_stack_that_is_cut_costs_no_python_frame(made: Made) -> None:
    # What is outside of the innermost run is not known.
    stack = made.merged(made.natives()[:2], "cut")
    assert shown(stack) == ["/lib/libc.so", *names(made)]
    inner = len(made.segments[0])
    assert all(call.native is not None for call in stack.python[:inner])
    assert all(call.native is None for call in stack.python[inner:])
    lines = list(traceback.merged_text(made.threads(), stack, True, lambda path, line: None))
    assert sum("[place among the native frames not known]" in line for line in lines) == len(names(made)) - inner


def test_the_last_frame_of_a_stack_that_is_cut_is_no_run_for_what_lies_further_out(made: Made) -> None:
    # The end of a C function's frame is not known, so that the shims of all runs are at or beyond it.
    natives = made.natives()[:1]
    natives[0] = natives[0]._replace(end=None, library=made.process.path)
    stack = made.merged(natives, "cut")
    assert shown(stack) == ["internal", *names(made)]
    assert all(call.native is None for call in stack.python)
    natives = made.natives(False)[:2]
    natives[1] = natives[1]._replace(end=None)
    if made.process.version >= (3, 12):
        inner = len(made.segments[0])
        placed = [call.native is not None for call in made.merged(natives, "cut").python]
        assert placed == [number < inner for number in range(len(placed))]


def test_a_run_that_is_not_seen_costs_no_other_its_place(made: Made) -> None:
    # The middle one, in a part of the loop that no table tells to be its.
    natives = made.natives()
    natives[3] = natives[3]._replace(pc=INTERNAL + 0x77)
    stack = made.merged(natives)
    assert [call.frame.code.name for call in stack.python] == names(made)
    placed = [call.frame.code.name for call in stack.python if call.native is not None]
    if made.process.version >= (3, 12):
        # Its shim is in that frame.
        assert placed == names(made)
    else:
        missing = made.segments[1]
        assert placed == [name for name in names(made) if name not in missing]
    assert shown(stack)[0] == "/lib/libc.so" and shown(stack)[-1] == "internal"


@pytest.mark.parametrize("damage", (0, 0x5A5A_5A5A_5A50))
def test_registers_give_what_the_thread_state_does_not(made: Made, damage: int) -> None:
    made.process.set_frames(made.state, damage)
    stack = made.merged()
    assert shown(stack) == expected(made)
    assert {call.found_by for call in stack.python} == {REGISTER}
    assert all(call.thread is None and call.native is not None for call in stack.python)
    assert stack.has_recovered
    text = list(traceback.merged_text(made.threads(), stack, False, lambda path, line: None))
    assert sum(line.endswith(" [recovered from registers]") for line in text) == len(names(made))
    if damage:
        [note] = stack.notes
        assert note.startswith(f"The thread state at {made.state:#x} can't be used: ") and text[-1] == note


@pytest.mark.parametrize("table", [name for name in IDS if TABLES[name].name.version >= (3, 12)])
def test_a_run_that_is_not_seen_is_found_while_others_are_recovered(table: str) -> None:
    made = Made(table, SEGMENTS)
    made.process.set_frames(made.state, 0)
    natives = made.natives()
    natives[3] = natives[3]._replace(pc=INTERNAL + 0x77, registers={})
    stack = made.merged(natives)
    assert shown(stack) == expected(made)
    assert all(call.native is not None and call.found_by == REGISTER for call in stack.python)


def test_stack_slots_give_it_where_no_register_does(made: Made) -> None:
    made.process.set_frames(made.state, 0)
    for run, frames in enumerate(made.frames):
        made.put(run, 0x28, frames[0])
        # What is no frame, and a frame that is not this run's.
        made.put(run, 0x18, made.state)
    stack = made.merged(made.natives(False))
    assert shown(stack) == expected(made)
    # Once the innermost is found, the rest is linked to it.
    assert {call.found_by for call in stack.python} == {STACK}


def test_what_is_no_frame_is_taken_for_none(made: Made) -> None:
    made.process.set_frames(made.state, 0)
    natives = [native._replace(registers={"rbx": made.state, "rbp": made.frames[0][0] + 4, "r12": 0x1000})
               for native in made.natives(False)]
    stack = made.merged(natives)
    assert stack.python == [] and not stack.has_recovered
    # The runs are seen all the same.
    assert sum(isinstance(call, NativeCall) and not call.internal for call in stack.calls) == 1 + len(made.segments)


def test_frames_that_another_stack_has_are_no_answer(made: Made) -> None:
    # The thread state leads to the frames of another thread, whose native frames these are not.
    b = made.process.builder
    code = b.code("stranger", "/s.py", 1, b.lines((8, 0), (8, 3)), first_traceable=1)
    made.process.set_frames(made.state, b.frame(code, 10, 0))
    stack = made.merged()
    assert shown(stack) == expected(made)
    assert {call.found_by for call in stack.python} == {REGISTER}
    assert "its frames are not on this thread's stack" in stack.notes[0]


def test_a_chain_that_ends_too_early_goes_on_from_registers(made: Made) -> None:
    # A greenlet's: its outermost frame has no caller.
    outermost = made.frames[0][-1]
    b = made.process.builder
    version = made.process.version
    if version >= (3, 12):
        shim = made.process.memory.u64(outermost + b.layout["_PyInterpreterFrame"].offset("previous"))
        offset = shim - STACK_TOP + b.layout["_PyInterpreterFrame"].offset("previous")
        made.stack[offset:offset + 8] = bytes(8)
    elif version >= (3, 11):
        b.set(outermost, "_PyInterpreterFrame", "previous", 0)
    else:
        b.set(outermost, "PyFrameObject", "f_back", 0)
    stack = made.merged()
    assert shown(stack) == expected(made)
    found_by = [call.found_by for call in stack.python]
    inner = len(made.segments[0])
    assert found_by == [THREAD_STATE] * inner + [REGISTER] * (len(found_by) - inner)


@pytest.mark.parametrize("table", [name for name in IDS if TABLES[name].name.version >= (3, 12)])
def test_segments_without_the_mark_between_them_are_told_apart_by_registers(table: str) -> None:
    # As greenlet leaves them: Python frames linked past the shim.
    made = Made(table, SEGMENTS)
    b = made.process.builder
    b.set(made.frames[0][-1], "_PyInterpreterFrame", "previous", made.frames[1][0])
    natives = made.natives()
    for run, native in enumerate(natives):
        if native.registers.get("r12") == made.frames[1][0]:
            # Where its evaluation stack ends, a frame that it has called begins.
            natives[run] = native._replace(registers={"rbp": made.frames[0][0], **native.registers})
    for found in (made.merged(), made.merged(natives)):
        assert shown(found) == expected(made)
        assert all(call.native is not None for call in found.python)


def test_whether_thread_states_tell_all(made: Made) -> None:
    thread, = made.threads()
    frames = list(thread.frames())
    assert not stacks.is_doubtful([(thread, frames)])
    assert stacks.is_doubtful([]) and stacks.is_doubtful([(thread, [])])
    broken = frames[0]._replace(code=None, problem="why")
    assert stacks.is_doubtful([(thread, [*frames, broken])])


def test_the_registers_of_a_run(made: Made) -> None:
    made.put(0, 0x28, made.frames[0][0])
    call = made.merged().python[0]
    found = registers_of(call)
    assert [(each.name, each.value, each.is_frame) for each in found if each.is_frame] == [
        ("r12", made.frames[0][0], True), ("sp+0x28", made.frames[0][0], True)]
    assert found[0] == ("rbx", 5, None, False)
    assert "the frame of " in found[1].holds and found[1].holds.endswith("key")
    assert registers_of(call._replace(native=None)) == []
    text = list(traceback.registers_text(call, found))
    assert [line.split()[1] for line in text if line.startswith("* ")] == ["r12", "sp+0x28"]


# Where the loop is.


def test_a_loop_that_the_compiler_has_split() -> None:
    image = FakeImage("/python", {"_PyEval_EvalFrameDefault": Place(0x1000, 300)})
    whole = (0x1000, 0x1000 + MIN_WHOLE_LOOP)
    image.functions = [whole, (0x90000, 0x90000 + 4 * MIN_WHOLE_LOOP)]
    assert loop_ranges(image) == [whole]
    image.functions[0] = (0x1000, 0x1200)
    assert loop_ranges(image) == image.functions
    # Nothing there is large enough to be a loop.
    image.functions[1] = (0x90000, 0x90000 + MIN_WHOLE_LOOP - 1)
    assert loop_ranges(image) == image.functions[:1]


def test_a_loop_that_no_table_tells_is_known_by_its_name() -> None:
    made = Made("3.9.18", SEGMENTS)
    image = made.python.runtime.candidate.image
    image.functions = []
    assert loop_ranges(image) == []
    natives = [native._replace(name="_PyEval_EvalFrameDefault") if native.registers else native
               for native in made.natives()]
    assert shown(made.merged(natives)) == expected(made)
    image.readable = False
    with pytest.raises(Unreadable):
        image.symbol("x")
    assert loop_ranges(image) == []
