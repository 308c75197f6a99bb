"""The chain of Python frames of a thread state, innermost first.

Up to 3.10 every call has a frame object. Since 3.11 (bpo-44590) a call has an
_PyInterpreterFrame on the thread's data stack, and since 3.12 a shim frame on the C stack
marks each entry into the evaluation loop.
Facts: Include/internal/pycore_frame.h, Python/ceval.c, Objects/frameobject.c.
"""

from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

from .code import Code, Codes
from .memory import Damaged
from .objects import DICT_SUBCLASS
from .reader import READ_ERRORS, Reader

# sys.setrecursionlimit() allows more; a real program that deep has lost already.
MAX_FRAMES = 1_000_000

_OWNED_BY_THREAD, _OWNED_BY_GENERATOR = 0, 1
# FRAME_OWNED_BY_CSTACK; 3.14 has FRAME_OWNED_BY_INTERPRETER as 3 and moved CSTACK to 4.
_FIRST_SHIM_OWNER = 3
# _PyStackChunk (Include/cpython/pystate.h): previous, size in bytes, how many words are used, then these, of which the
# first chunk leaves one out (Python/pystate.c, push_chunk). It has 16 KB or that doubled, 3.15 has more.
_CHUNK_SIZE, _CHUNK_TOP, _CHUNK_DATA = 8, 16, 24
_MIN_CHUNK = 1 << 14
# 3.14 (gh-117139): the lowest bits of a stack reference are tags.
STACK_REFERENCE_MASK = ~7


class Frame(NamedTuple):
    """One Python frame. `address` is that of the frame object or of the _PyInterpreterFrame.

    `offset` is the place of the last instruction, in bytes from the start of the code.
    `problem` says why `code` is None; there may be no more frames after such a one.
    """

    address: int
    code: Optional[Code]
    offset: int
    problem: Optional[str] = None

    @property
    def line(self) -> Optional[int]:
        """The line that the frame is at, None where it is not known or the instruction has none."""
        return self.code.line(self.offset) if self.code else None

    @property
    def doubts(self) -> Tuple[str, ...]:
        """What of "function", "qualname", "file" and "line" is not certain, for memory is damaged."""
        return self.code.judge(self) if self.code else ()


class Activation(NamedTuple):
    """What one run of the evaluation loop has: its Python frames, innermost first, perhaps none as yet.

    `place` is an address within the native frame of that run, None where the version has no such place.
    `is_linked` says that it is that of a link between the frames themselves, and not the thread state's word.
    """

    frames: List[Frame]
    place: Optional[int]
    is_linked: bool = True


class _FrameObjects:
    """3.6-3.10: frame objects."""

    def __init__(self, reader: Reader, codes: Codes) -> None:
        self._reader = reader
        self._codes = codes
        # Whether it is being executed: 1, and since 3.10 (bpo-42990) FRAME_EXECUTING of an enumeration.
        self._executing = ("f_state", 0) if reader.has("PyFrameObject", "f_state") else ("f_executing", 1)
        # 3.10 counts f_lasti in instructions of two bytes (bpo-27129), and has f_stackdepth (bpo-42990).
        self._unit = 2 if reader.has("PyFrameObject", "f_stackdepth") else 1

    def head(self, thread_state: int) -> int:
        return self._reader.pointer(thread_state, "PyThreadState", "frame")

    def previous(self, frame: int) -> int:
        return self._reader.pointer(frame, "PyFrameObject", "f_back")

    def ends_activation(self, frame: int) -> bool:
        """Whether what is outside of the frame is run by another activation of the evaluation loop."""
        return True

    are_linked_to_stack = False

    def is_on_data_stack(self, frame: int) -> bool:
        return False

    def follows(self, frame: int, caller: Frame) -> bool:
        return True

    def pushed_onto(self, thread_state: int, frame: int) -> int:
        return 0

    def entry_address(self, thread_state: int, most: int) -> Optional[int]:
        return None

    def places(self, thread_state: int) -> Iterator[Tuple[int, int]]:
        return iter(())

    def place(self, frame: int) -> Optional[int]:
        return None

    def check(self, frame: int) -> None:
        self._codes.objects.expect_exactly(frame, "frame")
        field, value = self._executing
        if self._reader.integer(frame, "PyFrameObject", field) != value:
            raise Damaged(frame, "frame that is not executed")
        back = self.previous(frame)
        if back:
            self._codes.objects.expect_exactly(back, "frame")

    def read(self, frame: int) -> Optional[Frame]:
        code = self._codes.at(self._reader.pointer(frame, "PyFrameObject", "f_code"))
        offset = self._reader.integer(frame, "PyFrameObject", "f_lasti", signed=True) * self._unit
        return Frame(frame, code, offset)

    def of_generator(self, generator: int) -> Optional[Frame]:
        frame = self._reader.pointer(generator, "PyGenObject", "gi_frame")
        return self.read(frame) if frame else None

    def of_object(self, frame_object: int) -> Optional[Frame]:
        return self.read(frame_object)


class _InterpreterFrames:
    """3.11 and later: _PyInterpreterFrame."""

    def __init__(self, reader: Reader, codes: Codes) -> None:
        self._reader = reader
        self._codes = codes
        self._mask = STACK_REFERENCE_MASK if reader.has("_PyInterpreterFrame", "f_executable.bits") else ~0
        self._marks_entries = reader.has("_PyInterpreterFrame", "is_entry")
        # Where a _PyCodeArray has its copies; None in a build without them.
        self._copies = (reader.layout["_PyCodeArray"].offset("entries")
                        if reader.has("_PyInterpreterFrame", "tlbc_index") else None)
        self.are_linked_to_stack = not self._marks_entries
        self._sizes: Dict[int, int] = {}

    def head(self, thread_state: int) -> int:
        reader = self._reader
        if reader.has("PyThreadState", "current_frame"):
            return reader.pointer(thread_state, "PyThreadState", "current_frame")
        # 3.11 and 3.12 keep it in a structure on the C stack.
        c_frame = reader.pointer(thread_state, "PyThreadState", "cframe")
        return reader.pointer(c_frame, "_PyCFrame", "current_frame") if c_frame else 0

    def previous(self, frame: int) -> int:
        return self._reader.pointer(frame, "_PyInterpreterFrame", "previous")

    def ends_activation(self, frame: int) -> bool:
        """As of _FrameObjects. 3.11 marks the outermost frame, a shim stands outside of it since (gh-96421)."""
        if self._marks_entries:
            return bool(self._reader.integer(frame, "_PyInterpreterFrame", "is_entry"))
        return self._owner(frame) >= _FIRST_SHIM_OWNER

    def _owner(self, frame: int) -> int:
        return self._reader.integer(frame, "_PyInterpreterFrame", "owner")

    def _start(self, frame: int, code: Code) -> int:
        """Where the instructions lie that the frame runs.

        In a free-threaded build of 3.14 or later a thread may have a copy of its own (gh-115999,
        co_tlbc); copy 0 is the code object's.
        """
        reader = self._reader
        if self._copies is None:
            return code.start
        index = reader.integer(frame, "_PyInterpreterFrame", "tlbc_index", signed=True)
        copies = reader.pointer(code.address, "PyCodeObject", "co_tlbc")
        if not index or not copies:
            return code.start
        if not 0 < index < reader.pointer(copies, "_PyCodeArray", "size"):
            raise Damaged(frame, f"frame with copy {index} of its code")
        return reader.memory.u64(copies + self._copies + 8 * index)

    def entry_address(self, thread_state: int, most: int) -> Optional[int]:
        if self._marks_entries:
            return self._reader.pointer(thread_state, "PyThreadState", "cframe")
        address = self.head(thread_state)
        for _ in range(most):
            if not address or self._owner(address) >= _FIRST_SHIM_OWNER:
                return address or None
            address = self.previous(address)
        return None

    def places(self, thread_state: int) -> Iterator[Tuple[int, int]]:
        """3.11 has a structure of each run on the C stack: its address and its innermost frame, the inner one first."""
        reader = self._reader
        if not self._marks_entries:
            return
        address = reader.pointer(thread_state, "PyThreadState", "cframe")
        for _ in range(MAX_FRAMES):
            if not address:
                break
            yield address, reader.pointer(address, "_PyCFrame", "current_frame")
            address = reader.pointer(address, "_PyCFrame", "previous")

    def place(self, frame: int) -> Optional[int]:
        """An address within the native frame of the activation that ends with this frame."""
        return None if self._marks_entries else frame

    def is_on_data_stack(self, frame: int) -> bool:
        """Whether a frame is on the thread's data stack: not that of a generator, and no shim."""
        return self._owner(frame) == _OWNED_BY_THREAD

    def follows(self, frame: int, caller: Frame) -> bool:
        """Whether one frame of the data stack was pushed onto another one: nothing lies between them."""
        memory = self._reader.memory
        if caller.code is None:
            return True
        end = caller.address + self._sizes.get(caller.code.address, 0)
        if end == caller.address:
            self._sizes[caller.code.address] = self._size(caller.code)
            end += self._sizes[caller.code.address]
        if frame == end:
            return True
        for chunk in (frame - _CHUNK_DATA, frame - _CHUNK_DATA - 8):
            size, before = memory.u64(chunk + _CHUNK_SIZE), memory.u64(chunk)
            if size >= _MIN_CHUNK and not size & (size - 1):
                # The first chunk of a greenlet has none before it.
                return not before or end == before + _CHUNK_DATA + 8 * memory.u64(before + _CHUNK_TOP)
        return False

    def pushed_onto(self, thread_state: int, frame: int) -> int:
        """The address of what was pushed onto a frame of a thread that runs no Python now, 0 for nothing.

        In 3.11 only of what is a frame that has begun: a collection may run while one is pushed.
        """
        reader = self._reader
        if not self.is_on_data_stack(frame):
            return 0
        below = self.read(frame)
        if below is None or below.code is None:
            return 0
        at = frame + self._size(below.code)
        chunk, top, limit = (reader.pointer(thread_state, "PyThreadState", "datastack_" + each)
                             for each in ("chunk", "top", "limit"))
        # Else what lies above it is in another chunk, or there is nothing.
        if not chunk < frame < at < top <= limit:
            return 0
        if not self._marks_entries:
            # Nothing is collected while a frame is pushed (gh-97922), so that others could run meanwhile.
            return at
        if not self.is_on_data_stack(at):
            return 0
        above = self.read(at)
        if above is None or above.code is None or at + self._size(above.code) > top:
            return 0
        return at if self.previous(at) == frame else 0

    def _size(self, code: Code) -> int:
        """Bytes of a frame: its structure, its variables and its evaluation stack."""
        reader = self._reader
        slots = sum(reader.integer(code.address, "PyCodeObject", field, signed=True)
                    for field in ("co_nlocalsplus", "co_stacksize"))
        return reader.layout["_PyInterpreterFrame"].offset("localsplus") + 8 * slots

    def check(self, frame: int) -> None:
        reader, objects = self._reader, self._codes.objects
        if self._owner(frame) >= _FIRST_SHIM_OWNER:
            raise Damaged(frame, "no frame of Python code")
        code = self._codes.at(
            reader.pointer(frame, "_PyInterpreterFrame", "f_executable", "f_code") & self._mask)
        at = reader.pointer(frame, "_PyInterpreterFrame", "instr_ptr", "prev_instr")
        if not -2 <= at - self._start(frame, code) < 2 * objects.size(code.address):
            raise Damaged(frame, "instruction outside of the code")
        objects.expect(reader.pointer(frame, "_PyInterpreterFrame", "f_globals"), DICT_SUBCLASS, "dict")
        frame_object = reader.pointer(frame, "_PyInterpreterFrame", "frame_obj")
        if frame_object and reader.pointer(frame_object, "PyFrameObject", "f_frame") != frame:
            raise Damaged(frame, "frame of another frame object")
        back = self.previous(frame)
        if back:
            self._owner(back)

    def read(self, frame: int) -> Optional[Frame]:
        """The frame, None for one that Python itself does not show: a shim, or one not yet complete."""
        owner = self._owner(frame)
        if owner >= _FIRST_SHIM_OWNER:
            return None
        reader = self._reader
        code = self._codes.at(
            reader.pointer(frame, "_PyInterpreterFrame", "f_executable", "f_code") & self._mask)
        # 3.11 and 3.12 point to the instruction before the next, 3.13 to the current one: the same place.
        at = reader.pointer(frame, "_PyInterpreterFrame", "instr_ptr", "prev_instr")
        offset = at - self._start(frame, code)
        # One that is not yet complete is at its start; what lies before that is no place of it.
        if owner != _OWNED_BY_GENERATOR and -2 <= offset < 2 * code.first_traceable:
            return None
        return Frame(frame, code, offset)

    def of_generator(self, generator: int) -> Optional[Frame]:
        frame = generator + self._reader.layout["PyGenObject"].offset("gi_iframe")
        # An ended one has given its code back (Python/frame.c, _PyFrame_ClearExceptCode).
        if not self._reader.pointer(frame, "_PyInterpreterFrame", "f_executable", "f_code") & self._mask:
            return None
        return self.read(frame)

    def of_object(self, frame_object: int) -> Optional[Frame]:
        return self.read(self._reader.pointer(frame_object, "PyFrameObject", "f_frame"))


class Frames:
    """Walks the frames of a thread state."""

    def __init__(self, reader: Reader, codes: Codes) -> None:
        self._shape: Union[_FrameObjects, _InterpreterFrames]
        if reader.layout.find("_PyInterpreterFrame"):
            self._shape = _InterpreterFrames(reader, codes)
        else:
            self._shape = _FrameObjects(reader, codes)
        # Whether the thread of a thread state may be running Python now, and be about to have another innermost frame.
        self.may_run: Callable[[int], bool] = lambda thread_state: True

    @property
    def are_linked_to_stack(self) -> bool:
        """Whether the frames themselves lead to entry_address(), which else is what the thread state says."""
        return self._shape.are_linked_to_stack

    def walk(self, thread_state: int) -> Iterator[Frame]:
        """The frames of a thread state, innermost first; never raises READ_ERRORS.

        A frame that can't be read is given with its problem; the walk goes on where its link is good.
        """
        try:
            head = self._shape.head(thread_state)
        except READ_ERRORS as error:
            yield Frame(thread_state, None, 0, str(error))
            return
        yield from self._left_out(thread_state, head)
        for _address, frame in self._links(head):
            if frame is not None:
                yield frame

    def _left_out(self, thread_state: int, head: int) -> List[Frame]:
        """A frame that lies on the innermost one, to which nothing leads."""
        try:
            pushed = self._shape.pushed_onto(thread_state, head) if head else 0
        except READ_ERRORS:
            return []
        if not pushed or self.may_run(thread_state):
            return []
        return [Frame(pushed, None, 0, str(Damaged(pushed, "frame that the thread state leaves out")))]

    def activations(self, thread_state: int) -> Iterator[Activation]:
        """The frames of a thread state by runs of the evaluation loop, innermost first; as walk() has them."""
        try:
            head = self._shape.head(thread_state)
        except READ_ERRORS as error:
            yield Activation([Frame(thread_state, None, 0, str(error))], None)
            return
        places = self._shape.places(thread_state)
        left_out = self._left_out(thread_state, head)
        for activation in self.activations_from(head):
            try:
                place, current = next(places, (None, 0))
            except READ_ERRORS:
                place = None
            if place is not None and any(frame.address == current for frame in activation.frames[:1]):
                activation = activation._replace(place=place, is_linked=False)
            yield activation._replace(frames=left_out + activation.frames)
            left_out = []

    def activations_from(self, frame: int) -> Iterator[Activation]:
        """The same from a frame outwards, whichever thread it belongs to."""
        found: List[Frame] = []
        for address, each in self._links(frame):
            if each is not None:
                found.append(each)
            try:
                ends = self._shape.ends_activation(address)
            except READ_ERRORS:
                continue
            if ends:
                yield Activation(found, self._shape.place(address))
                found = []
        if found:
            yield Activation(found, None)

    def of_generator(self, generator: int) -> Optional[Frame]:
        """The frame of a generator or coroutine, None for one that has ended. Raises READ_ERRORS."""
        return self._shape.of_generator(generator)

    def of_object(self, frame_object: int) -> Optional[Frame]:
        """The frame of a frame object, None where Python itself does not show it. Raises READ_ERRORS."""
        return self._shape.of_object(frame_object)

    def is_frame(self, address: int) -> bool:
        """Whether there is a frame at an address that may be any number, by its type, its code and its link."""
        if address % 8:
            return False
        try:
            self._shape.check(address)
            self._shape.read(address)
        except READ_ERRORS:
            return False
        return True

    def _links(self, address: int) -> Iterator[Tuple[int, Optional[Frame]]]:
        """Frames by their addresses, and the hidden ones between them as None."""
        seen: Set[int] = set()
        # The innermost frame of the data stack whose caller has not come yet.
        pushed = 0
        while address:
            if address in seen or len(seen) >= MAX_FRAMES:
                yield address, Frame(address, None, 0, str(Damaged(address, "frames without an end")))
                return
            seen.add(address)
            try:
                frame = self._shape.read(address)
            except READ_ERRORS as error:
                frame = Frame(address, None, 0, str(error))
            try:
                if self._shape.is_on_data_stack(address):
                    if pushed and frame is not None and not self._shape.follows(pushed, frame):
                        yield pushed, Frame(pushed, None, 0, str(Damaged(pushed, "frame of another caller")))
                    pushed = address if frame is None or frame.code is not None else 0
            except READ_ERRORS:
                pushed = 0
            yield address, frame
            try:
                address = self._shape.previous(address)
            except READ_ERRORS as error:
                if frame is None or frame.problem is None:
                    yield address, Frame(address, None, 0, str(error))
                return

    def entry_address(self, thread_state: int, most: int = MAX_FRAMES) -> Optional[int]:
        """A place on the C stack that belongs to the innermost entry into the evaluation loop.

        Tells which of several thread states of one thread is the inner one, the stack growing
        downwards. None up to 3.10, which has no such place, and where more than `most` frames lie
        within it. Raises READ_ERRORS.
        """
        return self._shape.entry_address(thread_state, most)
