"""gdbext.cpython.frames and code: code objects, and chains of frames of every version."""

from typing import List, Optional

import pytest

from gdbext.cpython import frames as frames_module
from gdbext.cpython.code import Codes
from gdbext.cpython.frames import Frame, Frames
from gdbext.cpython.memory import PAGE, Damaged, Unreadable
from gdbext.cpython.objects import Objects
from gdbext.cpython.reader import Reader
from tests.unit.builder import IDS, TABLES, Text
from tests.unit.made_process import SUSPENDED, Call, MadeProcess

FROM_3_11 = [name for name in IDS if TABLES[name].name.version >= (3, 11)]
FROM_3_12 = [name for name in IDS if TABLES[name].name.version >= (3, 12)]
FROM_3_14 = [name for name in IDS if TABLES[name].name.version >= (3, 14)]
WITH_COPIES = [name for name in FROM_3_14 if TABLES[name].name.free_threaded]

CALLS = [Call("innermost", "/a.py", 100, 4), Call("middle", "<string>", 1, 0),
         Call("<module>", "/m/__main__.py", 7, 20)]
NAMES = ["innermost", "middle", "<module>"]


@pytest.fixture(params=IDS)
def made(request: pytest.FixtureRequest) -> MadeProcess:
    """A process of each table with one interpreter."""
    return process_of(request.param)


def process_of(table: str) -> MadeProcess:
    """A process with one interpreter."""
    process = MadeProcess(TABLES[table])
    process.add_interpreter()
    return process


def codes_of(made: MadeProcess) -> Codes:
    """Reads the process's code objects."""
    return Codes(Objects(Reader(made.memory, made.builder.layout)))


def frames_of(made: MadeProcess) -> Frames:
    """Walks the process's frames."""
    return Frames(Reader(made.memory, made.builder.layout), codes_of(made))


def walk(made: MadeProcess, state: int) -> List[Frame]:
    """The frames of a thread state."""
    return list(frames_of(made).walk(state))


def names(frames: List[Frame]) -> list:
    """The function of each frame, None for one that could not be read."""
    return [frame.code.name if frame.code else None for frame in frames]


def thread(made: MadeProcess, calls: List[Call]) -> int:
    """A thread state in these calls."""
    return made.add_thread(made.interpreters[0], calls)


# Code objects.


def test_a_code_object(made: MadeProcess) -> None:
    b = made.builder
    address = b.code("имя", "/папка/\U0001f40d.py", 12, b.lines((4, 0), (6, 5), (2, -3)), "Класс.имя", 1)
    code = codes_of(made).at(address)
    assert (code.address, code.name, code.first_line) == (address, "имя", 12)
    assert code.filename == "/папка/\U0001f40d.py"
    assert code.qualname == ("Класс.имя" if made.version >= (3, 11) else None)
    assert [code.line(offset) for offset in (-1, 0, 2, 4, 8, 10)] == [12, 12, 12, 17, 17, 14]
    # Of a frame that has not begun, whatever its version makes of it.
    assert code.line(-2) == 12
    # Asked again, it says the same.
    assert [code.line(offset) for offset in (4, 0)] == [17, 12]


def test_a_code_object_is_read_once(made: MadeProcess) -> None:
    b = made.builder
    codes = codes_of(made)
    address = b.code("f", "/f.py", 1, b.lines((4, 0)))
    assert codes.at(address) is codes.at(address)


def test_what_is_no_code_object(made: MadeProcess) -> None:
    b = made.builder
    for stray in (b.none(), b.text("code"), b.type("code")):
        with pytest.raises(Damaged, match="instead of code"):
            codes_of(made).at(stray)
    for pointer in (0, 0x1000):
        with pytest.raises(Unreadable):
            codes_of(made).at(pointer)


@pytest.mark.parametrize("field", ("co_name", "co_filename"))
def test_a_code_object_with_a_damaged_name(made: MadeProcess, field: str) -> None:
    b = made.builder
    for pointer, error in ((0x1000, Unreadable), (b.none(), Damaged),
                           (b.text(Text("\U0001f40d")) + 8, (Unreadable, Damaged))):
        address = b.code("f", "/f.py", 1, b.lines((4, 0)))
        b.set(address, "PyCodeObject", field, pointer)
        with pytest.raises(error):
            codes_of(made).at(address)


def test_a_damaged_line_table_costs_the_code_object(made: MadeProcess) -> None:
    b = made.builder
    address = b.code("f", "/f.py", 1, b"")
    b.set_first(address, "PyCodeObject", b.none(), "co_linetable", "co_lnotab")
    with pytest.raises(Damaged, match="instead of bytes"):
        codes_of(made).at(address)


# Chains of frames.


def test_a_chain_of_frames(made: MadeProcess) -> None:
    frames = walk(made, thread(made, CALLS))
    assert [(frame.code.name, frame.code.filename, frame.line, frame.offset, frame.problem)
            for frame in frames] == [
        ("innermost", "/a.py", 104, 10, None), ("middle", "<string>", 1, 10, None),
        ("<module>", "/m/__main__.py", 27, 10, None)]
    assert len({frame.address for frame in frames}) == 3


def test_a_thread_without_frames(made: MadeProcess) -> None:
    assert walk(made, thread(made, [])) == []


def test_a_thread_that_has_never_run(made: MadeProcess) -> None:
    state = thread(made, [])
    if made.version < (3, 11) or made.version >= (3, 13):
        made.set_frames(state, 0)
    else:
        made.builder.set(state, "PyThreadState", "cframe", 0)
    assert walk(made, state) == []


def test_nine_hundred_frames(made: MadeProcess) -> None:
    b = made.builder
    code = b.code("recurse", "/r.py", 1, b.lines((8, 0), (8, 1)), first_traceable=0)
    head = 0
    for _ in range(900):
        head = b.frame(code, 8, head)
    state = thread(made, [])
    made.set_frames(state, head)
    frames = walk(made, state)
    assert len(frames) == 900 and {frame.line for frame in frames} == {2}


def test_the_instruction_of_a_frame(made: MadeProcess) -> None:
    b = made.builder
    code = b.code("f", "/f.py", 50, b.lines((2, 0), (4, 1), (8, 2), (2, -3)))
    state = thread(made, [])
    for offset, line in ((0, 50), (2, 51), (4, 51), (6, 53), (12, 53), (14, 50)):
        made.set_frames(state, b.frame(code, offset))
        [frame] = walk(made, state)
        assert (frame.offset, frame.line) == (offset, line)


def test_a_frame_that_has_not_begun(made: MadeProcess) -> None:
    # f_lasti -1 up to 3.10; 3.11 and 3.12 point to before the first instruction, as a generator's frame does.
    b = made.builder
    code = b.code("f", "/f.py", 50, b.lines((2, 3), (4, 1)))
    state = thread(made, [])
    made.set_frames(state, b.frame(code, -1 if made.version < (3, 11) else -2, owner=1))
    [frame] = walk(made, state)
    assert (frame.code.name, frame.line) == ("f", 50)


@pytest.mark.parametrize("table", FROM_3_11)
def test_a_frame_that_is_not_complete_is_left_out(table: str) -> None:
    made = process_of(table)
    b = made.builder
    # Two instructions that make cells come before RESUME.
    code = b.code("new", "/n.py", 1, b.lines((8, 0), (8, 1)), first_traceable=2)
    state = thread(made, [])
    old = made.frames(CALLS)
    for offset, shown in ((-2, False), (0, False), (2, False), (4, True), (8, True)):
        made.set_frames(state, b.frame(code, offset, old))
        assert names(walk(made, state)) == (["new"] if shown else []) + NAMES
    # Code that would not begin within itself is damaged, and its frames are not left out without a word.
    longer = b.code("longer", "/n.py", 1, b.lines((8, 0), (8, 1)), first_traceable=4096)
    made.set_frames(state, b.frame(longer, 8, old))
    assert "begins at 4096" in (walk(made, state)[0].problem or "")
    # What lies before its code is no place of it.
    made.set_frames(state, b.frame(code, -4096, old))
    assert names(walk(made, state)) == ["new"] + NAMES
    # That of a generator always is complete.
    made.set_frames(state, b.frame(code, -2, old, owner=1))
    assert names(walk(made, state)) == ["new"] + NAMES
    # As is one that a frame object owns, once it has begun.
    made.set_frames(state, b.frame(code, 6, old, owner=2))
    assert names(walk(made, state)) == ["new"] + NAMES


@pytest.mark.parametrize("table", FROM_3_12)
def test_shims_between_entries_of_the_evaluation_loop(table: str) -> None:
    made = process_of(table)
    state = thread(made, [])
    # Called from C: two entries, the inner one just begun, with nothing but its shim.
    inner = made.frames(CALLS[:1], made.frames(CALLS[1:]))
    made.set_frames(state, inner)
    assert names(walk(made, state)) == NAMES
    made.set_frames(state, made.builder.shim(inner))
    assert names(walk(made, state)) == NAMES


def test_activations_of_the_evaluation_loop(made: MadeProcess) -> None:
    """C has called two functions, and then one that is not complete yet, or nothing but its shim is there."""
    b = made.builder
    state = thread(made, [])
    codes = [b.code(name, "/f.py", 1, b.lines((8, 0), (8, 1)), first_traceable=1) for name in "abcd"]
    shim = made.version >= (3, 12)
    outer = b.frame(codes[1], 8, b.frame(codes[0], 8, b.shim(0) if shim else 0, entry=True))
    inner = b.frame(codes[3], 8, b.frame(codes[2], 8, b.shim(outer) if shim else outer, entry=True))
    own = made.version < (3, 11)
    made.set_frames(state, inner)
    assert by_activation(made, state) == (["d", "c", "b", "a"] if own else ["dc", "ba"])
    if own:
        return
    new = b.shim(inner) if shim else b.frame(codes[0], -2, inner, entry=True)
    made.set_frames(state, new)
    assert by_activation(made, state) == ["", "dc", "ba"]


def by_activation(made: MadeProcess, state: int) -> List[str]:
    """The functions that each run of the evaluation loop is in; without that of the base frame of 3.15."""
    found = ["".join(names(activation.frames)) for activation in frames_of(made).activations(state)]
    return found[:-1] if made.version >= (3, 12) and not found[-1] else found


@pytest.mark.parametrize("table", FROM_3_14)
def test_shims_that_the_c_stack_owns(table: str) -> None:
    # FRAME_OWNED_BY_CSTACK became 4 where FRAME_OWNED_BY_INTERPRETER came in as 3.
    made = process_of(table)
    b = made.builder
    state = thread(made, [])
    outer = b.shim(made.frames(CALLS[1:]), 4)
    made.set_frames(state, made.frames(CALLS[:1], outer))
    assert names(walk(made, state)) == NAMES
    made.set_frames(state, outer)
    assert names(walk(made, state)) == NAMES[1:]
    assert frames_of(made).entry_address(state) == outer
    inner = b.shim(made.frames(CALLS), 4)
    made.set_frames(state, inner)
    assert names(walk(made, state)) == NAMES
    assert frames_of(made).entry_address(state) == inner


@pytest.mark.parametrize("table", [name for name in IDS if TABLES[name].name.version >= (3, 15)])
def test_a_base_frame_alone_is_no_frame(table: str) -> None:
    made = process_of(table)
    state = thread(made, [])
    reader = Reader(made.memory, made.builder.layout)
    assert (reader.pointer(state, "PyThreadState", "current_frame")
            == reader.pointer(state, "PyThreadState", "base_frame") != 0)
    assert walk(made, state) == []


# References with tags, 3.14 and later.


@pytest.mark.parametrize("tag", range(8))
@pytest.mark.parametrize("table", FROM_3_14)
def test_the_tags_of_a_reference_to_code_are_not_part_of_it(table: str, tag: int) -> None:
    made = process_of(table)
    b = made.builder
    # Of an object's address only the lowest three bits are always 0.
    made_at = b.code("f", "/f.py", 1, b.lines((8, 0), (8, 1)))
    size = b.layout["PyCodeObject"].size
    code = b.write(b.allocate(size + 8) + 8, made.memory.read(made_at, size))
    assert code % 16 == 8
    state = thread(made, [])
    made.set_frames(state, b.frame(code, 8, b.shim(0), tag=tag))
    [frame] = walk(made, state)
    assert (frame.code.address, frame.code.name, frame.offset, frame.line) == (code, "f", 8, 2)


@pytest.mark.parametrize("table", [name for name in FROM_3_11 if name not in FROM_3_14])
def test_before_there_were_tags_an_odd_pointer_is_damage(table: str) -> None:
    made = process_of(table)
    b = made.builder
    state = thread(made, [])
    made.set_frames(state, b.frame(b.code("f", "/f.py", 1, b.lines((8, 0))) + 1, 2))
    [frame] = walk(made, state)
    assert frame.code is None and frame.problem


@pytest.mark.parametrize("table", FROM_3_14)
def test_a_null_reference_is_no_code(table: str) -> None:
    made = process_of(table)
    state = thread(made, [])
    made.set_frames(state, made.builder.frame(0, 8, made.frames(CALLS)))
    frames = walk(made, state)
    assert names(frames) == [None] + NAMES and "cannot read" in frames[0].problem


# Copies of the instructions, one a thread.


@pytest.mark.parametrize("table", WITH_COPIES)
def test_the_instruction_in_a_threads_copy(table: str) -> None:
    made = process_of(table)
    b = made.builder
    code = b.code("f", "/f.py", 50, b.lines((2, 0), (4, 1), (8, 2), (2, -3)))
    # Copies may lie on either side of the code object.
    copies = [b.allocate(64), code - 0x10000, 0x7E00_0000_0000, code + 0x7FFF_0000]
    b.set_copies(code, copies)
    state = thread(made, [])
    for offset, line in ((0, 50), (2, 51), (6, 53), (12, 53), (14, 50)):
        made.set_frames(state, b.frame(code, offset))
        [frame] = walk(made, state)
        assert (frame.offset, frame.line, frame.problem) == (offset, line, None)
        for index, start in enumerate(copies, 1):
            made.set_frames(state, b.frame(code, offset, copy=index, start=start))
            [frame] = walk(made, state)
            assert (frame.offset, frame.line, frame.problem) == (offset, line, None)


@pytest.mark.parametrize("table", WITH_COPIES)
def test_a_frame_in_a_copy_that_is_not_complete_is_left_out(table: str) -> None:
    made = process_of(table)
    b = made.builder
    code = b.code("new", "/n.py", 1, b.lines((8, 0), (8, 1)), first_traceable=2)
    start = b.allocate(64)
    b.set_copies(code, [start])
    state = thread(made, [])
    for offset, shown in ((-2, False), (2, False), (4, True), (8, True)):
        made.set_frames(state, b.frame(code, offset, made.frames(CALLS), copy=1, start=start))
        assert names(walk(made, state)) == (["new"] if shown else []) + NAMES


@pytest.mark.parametrize("table", WITH_COPIES)
def test_code_without_copies(table: str) -> None:
    made = process_of(table)
    b = made.builder
    code = b.code("f", "/f.py", 1, b.lines((8, 0), (8, 1)))
    b.set(code, "PyCodeObject", "co_tlbc", 0)
    state = thread(made, [])
    for index in (0, 1):
        made.set_frames(state, b.frame(code, 8, copy=index))
        [frame] = walk(made, state)
        assert (frame.offset, frame.line) == (8, 2)


@pytest.mark.parametrize("index", (2, 3, 1 << 30, -1, -(1 << 31)))
@pytest.mark.parametrize("table", WITH_COPIES)
def test_a_copy_that_is_not_there_costs_the_frame(table: str, index: int) -> None:
    made = process_of(table)
    b = made.builder
    code = b.code("f", "/f.py", 1, b.lines((8, 0), (8, 1)))
    start = b.allocate(64)
    b.set_copies(code, [start])
    state = thread(made, [])
    bad = b.frame(code, 8, made.frames(CALLS[1:]), copy=index, start=start)
    made.set_frames(state, made.frames(CALLS[:1], bad))
    frames = walk(made, state)
    assert names(frames) == ["innermost", None, "middle", "<module>"]
    assert frames[1].address == bad and f"copy {index}" in frames[1].problem


@pytest.mark.parametrize("table", WITH_COPIES)
def test_copies_that_cannot_be_read_cost_the_frame(table: str) -> None:
    made = process_of(table)
    b = made.builder
    code = b.code("f", "/f.py", 1, b.lines((8, 0), (8, 1)))
    b.set(code, "PyCodeObject", "co_tlbc", 0x1000)
    state = thread(made, [])
    made.set_frames(state, b.frame(code, 8, made.frames(CALLS), copy=1))
    frames = walk(made, state)
    assert names(frames) == [None] + NAMES and "cannot read" in frames[0].problem


# Damage.


def test_a_loop_of_frames_ends(made: MadeProcess) -> None:
    b = made.builder
    code = b.code("f", "/f.py", 1, b.lines((8, 0), (8, 1)))
    outer = b.frame(code, 8)
    inner = b.frame(code, 8, outer)
    if made.version < (3, 11):
        b.set(outer, "PyFrameObject", "f_back", inner)
    else:
        b.set(outer, "_PyInterpreterFrame", "previous", inner)
    state = thread(made, [])
    made.set_frames(state, inner)
    frames = walk(made, state)
    assert names(frames) == ["f", "f", None]
    assert "without an end" in frames[2].problem and frames[2].line is None


def test_more_frames_than_any_program_has(made: MadeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_module, "MAX_FRAMES", 2)
    frames = walk(made, thread(made, CALLS))
    assert len(frames) <= 3 and frames[-1].code is None and "without an end" in frames[-1].problem


def test_a_frame_whose_code_is_damaged_is_marked_and_the_rest_stays(made: MadeProcess) -> None:
    b = made.builder
    state = thread(made, [])
    outer = made.frames(CALLS[1:])
    for stray in (0x1000, b.none(), 0):
        bad = b.frame(stray, 10, outer)
        made.set_frames(state, made.frames(CALLS[:1], bad))
        frames = walk(made, state)
        assert names(frames) == ["innermost", None, "middle", "<module>"]
        assert frames[1].address == bad and frames[1].problem and frames[1].line is None


def test_a_link_that_cannot_be_read_is_marked(made: MadeProcess) -> None:
    state = thread(made, [])
    made.set_frames(state, made.frames(CALLS[:2], 0x1000))
    frames = walk(made, state)
    assert names(frames) == ["innermost", "middle", None]
    assert frames[-1].address == 0x1000 and "cannot read" in frames[-1].problem


def test_a_head_that_cannot_be_read_is_marked(made: MadeProcess) -> None:
    frames = walk(made, 0x1000)
    assert names(frames) == [None] and "cannot read" in frames[0].problem


def test_a_frame_in_an_unreadable_page_ends_the_chain(made: MadeProcess) -> None:
    b = made.builder
    state = thread(made, [])
    code = b.code("f", "/f.py", 1, b.lines((8, 0)))
    b.frame(code, 2)
    # Only the outer frame lies in the page that is going to be lost.
    b.allocate(2 * PAGE)
    outer = b.frame(code, 2, b.frame(code, 2))
    b.allocate(2 * PAGE)
    made.set_frames(state, b.frame(code, 2, outer))
    assert names(walk(made, state)) == ["f", "f", "f"]
    made.memory.make_unreadable(outer, PAGE)
    frames = walk(made, state)
    assert names(frames) == ["f", None]
    assert "cannot read" in frames[1].problem


@pytest.mark.parametrize("table", FROM_3_11)
def test_a_frame_that_is_left_out_is_told(table: str) -> None:
    made = process_of(table)
    b = made.builder
    code = b.code("f", "/f.py", 1, b.lines((8, 0)))
    b.set_variables(code, [("a", "local"), ("b", "local")], stack_size=3)
    size = b.layout["_PyInterpreterFrame"].offset("localsplus") + 8 * 5
    outer = b.frame(code, 2)
    middle = b.frame(code, 2, outer)
    inner = b.frame(code, 2, middle)
    b.push(middle, outer, size)
    b.push(inner, middle, size)
    state = thread(made, [])
    made.set_frames(state, inner)
    assert names(walk(made, state)) == ["f", "f", "f"]
    b.set(inner, "_PyInterpreterFrame", "previous", outer)
    made.memory.clear()
    frames = walk(made, state)
    assert names(frames) == ["f", None, "f"] and "another caller" in frames[1].problem
    # What a generator runs lies elsewhere.
    b.set(inner, "_PyInterpreterFrame", "owner", 1)
    made.memory.clear()
    assert names(walk(made, state)) == ["f", "f"]


@pytest.mark.parametrize("table", FROM_3_11)
def test_a_frame_that_the_thread_state_leaves_out_is_told(table: str) -> None:
    """The data stack goes further than the innermost frame; not while the thread may be pushing one just now."""
    made = process_of(table)
    b = made.builder
    code = b.code("f", "/f.py", 1, b.lines((8, 0)), first_traceable=1)
    size = b.layout["_PyInterpreterFrame"].offset("localsplus")
    outer = b.frame(code, 4, room=100)
    inner = outer + size
    b.write(inner, made.memory.read(b.frame(code, 4, outer), size))
    state = thread(made, [])
    frames = frames_of(made)

    def told(head: int, top: int, may_run: bool = False) -> List[List[Optional[str]]]:
        made.set_frames(state, head)
        for field, value in (("chunk", outer - 24), ("top", top), ("limit", outer + 1000)):
            b.set(state, "PyThreadState", "datastack_" + field, value)
        made.memory.clear()
        frames.may_run = lambda thread_state: may_run
        return [names(list(frames.walk(state))),
                [name for each in frames.activations(state) for name in names(each.frames)]]

    assert told(inner, inner + size) == [["f", "f"]] * 2
    assert told(outer, inner + size) == [[None, "f"]] * 2
    assert told(outer, inner + size, may_run=True) == told(outer, inner) == [["f"]] * 2
    # In 3.11 one that has not begun may be being pushed.
    new = [["f"]] * 2 if made.version < (3, 12) else [[None, "f"]] * 2
    assert told(outer, inner + 8) == new
    at = b.instructions(code)
    b.set_first(inner, "_PyInterpreterFrame", at - 2, "instr_ptr", "prev_instr")
    assert told(outer, inner + size) == new
    b.set_first(inner, "_PyInterpreterFrame", at + 4, "instr_ptr", "prev_instr")
    b.set(inner, "_PyInterpreterFrame", "previous", b.frame(code, 4))
    assert told(outer, inner + size) == new


def test_who_may_run_python(made: MadeProcess) -> None:
    """Who holds the GIL, or is attached in a build without one."""
    main = made.add_interpreter()
    states = [made.add_thread(main, CALLS), made.add_thread(main, CALLS)]
    runtime = made.open()[0].runtime
    for running in states:
        made.take_gil(running)
        made.memory.clear()
        assert [runtime._may_run(each) for each in states] == [each == running for each in states]
    if made.builder.free_threaded:
        made.attach(states[0], SUSPENDED)
        made.memory.clear()
        assert runtime._may_run(states[0])


# Where on the C stack a thread state has entered the evaluation loop.


def test_the_entry_of_the_evaluation_loop(made: MadeProcess) -> None:
    state = thread(made, CALLS)
    entry = frames_of(made).entry_address(state)
    reader = Reader(made.memory, made.builder.layout)
    if made.version < (3, 11):
        assert entry is None
    elif made.version < (3, 12):
        assert entry == reader.pointer(state, "PyThreadState", "cframe")
    else:
        if made.version < (3, 13):
            address = reader.pointer(reader.pointer(state, "PyThreadState", "cframe"), "_PyCFrame", "current_frame")
        else:
            address = reader.pointer(state, "PyThreadState", "current_frame")
        while reader.integer(address, "_PyInterpreterFrame", "owner") != 3:
            address = reader.pointer(address, "_PyInterpreterFrame", "previous")
        assert entry == address


@pytest.mark.parametrize("table", [name for name in IDS if TABLES[name].name.version >= (3, 12)])
def test_frames_that_lead_to_no_entry(table: str) -> None:
    made = process_of(table)
    b = made.builder
    state = thread(made, [])
    made.set_frames(state, 0)
    assert frames_of(made).entry_address(state) is None
    code = b.code("f", "/f.py", 1, b.lines((8, 0)))
    made.set_frames(state, b.frame(code, 2, 0x1000))
    with pytest.raises(Unreadable):
        frames_of(made).entry_address(state)
