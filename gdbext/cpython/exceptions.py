"""Exception objects and tracebacks, and which exceptions a thread handles and raises.

What sys.exc_info() gives lies in the thread state, one item for each running generator above it
(bpo-25612, 3.7; before, a generator's frame keeps its caller's). A handler within a handler saves
what was there before on its frame's evaluation stack, and puts it back at its end.
Facts: Include/cpython/pyerrors.h, Include/cpython/pystate.h, Python/errors.c, Python/traceback.c,
Objects/exceptions.c; for what handlers save Python/ceval.c (up to 3.10), Python/compile.c and
InternalDocs/exception_handling.md.
"""

from typing import TYPE_CHECKING, Iterator, List, NamedTuple, Optional, Set, Tuple

from .doubts import LINE, MAX_LINE
from .frames import STACK_REFERENCE_MASK, Frame
from .lines import NO_POSITIONS, Positions
from .memory import Damaged
from .objects import BASE_EXCEPTION_SUBCLASS, LIST_SUBCLASS, Type
from .reader import READ_ERRORS
from .variables import handlers_of

if TYPE_CHECKING:
    from .runtime import Runtime

# Entries in one traceback: as many frames as a thread can have (frames.MAX_FRAMES).
MAX_ENTRIES = 1_000_000
# Running generators on one thread, and frames that are searched for handlers: 20 times the default
# recursion limit.
MAX_ITEMS = 100_000
MAX_HANDLER_FRAMES = 20_000

# PyTryBlock.b_type of a handler that runs (EXCEPT_HANDLER, Include/frameobject.h), and CO_MAXBLOCKS.
_EXCEPT_HANDLER = 257
_MAX_BLOCKS = 20
_OWNED_BY_GENERATOR = 1


class Entry(NamedTuple):
    """One entry of a traceback: a frame, and where in it the exception passed.

    `frame.offset` is that place in bytes, which the frame may have left since. `line` is None where the
    instruction has none; `has_its_line` whether the traceback itself has the same. `problem` says why `frame` is None.
    """

    address: int
    frame: Optional[Frame]
    line: Optional[int]
    positions: Positions
    has_its_line: bool = True
    problem: Optional[str] = None

    @property
    def doubts(self) -> Tuple[str, ...]:
        """As a frame's."""
        found = self.frame.doubts if self.frame is not None else ()
        return found if self.has_its_line or LINE in found else (*found, LINE)


class Raising(NamedTuple):
    """An exception that is set and not yet caught.

    Up to 3.11 it need not be an instance yet: then `value` is what its type will be called with, 0 for
    nothing. `traceback` is what there is of it so far, 0 where no frame has been left.
    """

    type: int
    value: int
    traceback: int


class Handling(NamedTuple):
    """What a thread handles, innermost handler first, each exception once; `problem` says why there may be more."""

    exceptions: List[int]
    problem: Optional[str]


class Exceptions:
    """Reads exceptions. All methods raise Unreadable, Damaged or MissingField, unless they say else."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._objects = runtime.objects
        self._reader = reader = runtime.reader
        self._handlers = _StackedHandlers(runtime)
        if reader.has("PyFrameObject", "f_frame"):
            self._handlers = _TabledHandlers(runtime)
        # 3.11 (bpo-45711) keeps the value alone, of which the type and the traceback are parts.
        self._has_chain = reader.layout.find("_PyErr_StackItem") is not None

    def is_exception(self, address: int) -> bool:
        """Whether an instance of BaseException lies there; never raises READ_ERRORS."""
        try:
            return bool(address and self._objects.type_of(address).flags & BASE_EXCEPTION_SUBCLASS)
        except READ_ERRORS:
            return False

    def expect(self, address: int) -> Type:
        """The type of the exception at `address`. Raises Damaged where there is none."""
        return self._objects.expect(address, BASE_EXCEPTION_SUBCLASS, "exception")

    def field(self, address: int, name: str) -> int:
        """A field of PyBaseExceptionObject: args, context or cause; 0 for none."""
        return self._reader.pointer(address, "PyBaseExceptionObject", name)

    def traceback_of(self, address: int) -> int:
        """The address of an exception's traceback, 0 for none.

        Where it was set to None, that is there up to 3.11 (BaseException_set_tb).
        """
        traceback = self.field(address, "traceback")
        return 0 if traceback and self._is_none(traceback) else traceback

    def _is_none(self, address: int) -> bool:
        try:
            return self._objects.type_of(address).name == "NoneType"
        except READ_ERRORS:
            return False

    def suppresses_context(self, address: int) -> bool:
        """`__suppress_context__`, which `raise ... from` sets."""
        return bool(self._reader.integer(address, "PyBaseExceptionObject", "suppress_context"))

    @property
    def have_notes(self) -> bool:
        """Whether `__notes__` are printed, which add_note() makes (PEP 678, 3.11)."""
        return self._reader.has("PyBaseExceptionObject", "notes")

    def raising(self, thread_state: int) -> Optional[Raising]:
        """What PyErr_Occurred() would find, None where nothing is being raised."""
        reader = self._reader
        if reader.has("PyThreadState", "current_exception"):
            # 3.12 (gh-101578): an instance, always.
            value = reader.pointer(thread_state, "PyThreadState", "current_exception")
            if not value:
                return None
            return Raising(self.expect(value).address, value, self.traceback_of(value))
        type_ = reader.pointer(thread_state, "PyThreadState", "curexc_type")
        if not type_:
            return None
        return Raising(type_, reader.pointer(thread_state, "PyThreadState", "curexc_value"),
                       reader.pointer(thread_state, "PyThreadState", "curexc_traceback"))

    def handling(self, thread_state: int) -> Handling:
        """What the thread handles. Raises READ_ERRORS where not even the innermost can be read."""
        items = self._items(thread_state)
        problem = None
        found = [next(items, 0)]
        for index, frame in enumerate(self._runtime.frames.walk(thread_state)):
            if index >= MAX_HANDLER_FRAMES:
                break
            # Without its code nobody knows what its handlers are.
            problem = frame.problem or problem
            try:
                saved = self._handlers.saved(frame)
                if not self._handlers.is_generator(frame):
                    found += saved
                elif self._has_chain:
                    found += [*saved, next(items, 0)]
                else:
                    # What its outermost handler has saved was its caller's when that handler began, and may be no more.
                    found += [*saved[:-1], self._handlers.callers(frame)]
            except READ_ERRORS as error:
                # That frame's handlers are lost, and those further out are not.
                problem = str(error)
        try:
            for item in items:
                found.append(item)
        except READ_ERRORS as error:
            problem = str(error)
        exceptions = []
        for address in filter(None, dict.fromkeys(found)):
            try:
                type_ = self._objects.type_of(address)
                if type_.flags & BASE_EXCEPTION_SUBCLASS:
                    exceptions.append(address)
                elif type_.name != "NoneType":
                    problem = str(Damaged(address, f"{type_.name} and no exception"))
            except READ_ERRORS as error:
                problem = str(error)
        return Handling(exceptions, problem)

    def _items(self, thread_state: int) -> Iterator[int]:
        """The value of each item of the exc_info chain, that of the innermost generator first.

        Raises READ_ERRORS; the last one is the thread state's own (bpo-25612), else there are others.
        """
        reader = self._reader
        if not self._has_chain:
            yield reader.pointer(thread_state, "PyThreadState", "exc_value")
            return
        own = None
        if reader.has("PyThreadState", "exc_state"):
            own = thread_state + reader.layout["PyThreadState"].offset("exc_state")
        item = reader.pointer(thread_state, "PyThreadState", "exc_info")
        last = 0
        seen: Set[int] = set()
        while item and item not in seen and len(seen) < MAX_ITEMS:
            seen.add(item)
            yield reader.pointer(item, "_PyErr_StackItem", "exc_value")
            last, item = item, reader.pointer(item, "_PyErr_StackItem", "previous_item")
        if item or own is not None and last != own:
            raise Damaged(last or thread_state, "exc_info that does not lead to the thread's own")

    def traceback(self, address: int) -> Iterator[Entry]:
        """The entries of a traceback, outermost call first; never raises READ_ERRORS.

        An entry that can't be read is given with its problem, and so is what should follow one whose
        link can't.
        """
        seen: Set[int] = set()
        while address:
            if address in seen or len(seen) >= MAX_ENTRIES:
                yield _broken(address, str(Damaged(address, "traceback without an end")))
                return
            seen.add(address)
            try:
                self._objects.expect_exactly(address, "traceback")
                following = self._reader.pointer(address, "PyTracebackObject", "tb_next")
            except READ_ERRORS as error:
                yield _broken(address, str(error))
                return
            yield self._entry(address)
            address = following

    def _entry(self, address: int) -> Entry:
        reader = self._reader
        try:
            offset = reader.integer(address, "PyTracebackObject", "tb_lasti", signed=True)
            told = reader.integer(address, "PyTracebackObject", "tb_lineno", signed=True)
            frame = self._handlers.frame(reader.pointer(address, "PyTracebackObject", "tb_frame"), offset)
            assert frame.code is not None
            line = frame.code.line(offset)
            # Since 3.11 it is found out when it is asked for, and -1 until then.
            has_its_line = told in (line, -1)
            if 0 <= told <= MAX_LINE:
                line = told
            positions = frame.code.positions(offset) if offset >= 0 and self._handlers.has_columns else NO_POSITIONS
        except READ_ERRORS as error:
            return _broken(address, str(error))
        return Entry(address, frame, line if positions.line is None else positions.line, positions, has_its_line)


def _broken(address: int, problem: str) -> Entry:
    return Entry(address, None, None, NO_POSITIONS, problem=problem)


class _StackedHandlers:
    """3.6-3.10: blocks of the frame object say where on its stack handlers have saved what was before."""

    has_columns = False

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._objects = runtime.objects
        self._reader = runtime.reader

    def frame(self, frame_object: int, offset: int) -> Frame:
        """The frame of a frame object, at another place than it is now."""
        self._runtime.objects.expect_exactly(frame_object, "frame")
        code = self._reader.pointer(frame_object, "PyFrameObject", "f_code")
        return Frame(frame_object, self._runtime.codes.at(code), offset)

    def saved(self, frame: Frame) -> List[int]:
        """What the handlers that run in a frame have saved, innermost handler first."""
        reader = self._reader
        count = reader.integer(frame.address, "PyFrameObject", "f_iblock", signed=True)
        if not 0 <= count <= _MAX_BLOCKS:
            raise Damaged(frame.address, f"frame with {count} blocks")
        block = reader.layout["PyTryBlock"]
        first = frame.address + reader.layout["PyFrameObject"].offset("f_blockstack")
        stack = reader.pointer(frame.address, "PyFrameObject", "f_valuestack")
        found = []
        for address in range(first + (count - 1) * block.size, first - 1, -block.size):
            if reader.integer(address, "PyTryBlock", "b_type", signed=True) == _EXCEPT_HANDLER:
                # Traceback, value, type.
                level = reader.integer(address, "PyTryBlock", "b_level", signed=True)
                found.append(reader.memory.u64(stack + 8 * (level + 1)))
        return found

    def is_generator(self, frame: Frame) -> bool:
        """Whether a generator or coroutine runs in the frame."""
        return bool(self._reader.pointer(frame.address, "PyFrameObject", "f_gen"))

    def callers(self, frame: Frame) -> int:
        """What the one who has resumed a generator handles: 3.6, where the generator's frame keeps it."""
        return self._reader.pointer(frame.address, "PyFrameObject", "f_exc_value")


class _TabledHandlers(_StackedHandlers):
    """3.11 and later: the exception table says how much of the stack is what outer handlers have left there."""

    has_columns = True

    def frame(self, frame_object: int, offset: int) -> Frame:
        """The frame of a frame object, at another place than it is now."""
        self._runtime.objects.expect_exactly(frame_object, "frame")
        reader = self._reader
        address = reader.pointer(frame_object, "PyFrameObject", "f_frame")
        code = reader.pointer(address, "_PyInterpreterFrame", "f_executable", "f_code")
        if reader.has("_PyInterpreterFrame", "f_executable.bits"):
            code &= STACK_REFERENCE_MASK
        return Frame(address, self._runtime.codes.at(code), offset)

    def saved(self, frame: Frame) -> List[int]:
        """What the handlers that run in a frame have saved, innermost handler first.

        Exceptions lie on the stack for other reasons too: the variable that a comprehension hides (PEP 709, 3.12). And
        other objects lie there, as what `with` will call.
        """
        stack = self._runtime.variables.stack_slots(frame)
        found = []
        for depth in dict.fromkeys(handler.depth for handler in handlers_of(self._objects, frame)
                                   if handler.pushes_place and 0 < handler.depth <= len(stack)):
            # `except*`: the whole group, what its handlers have raised, and what is left of it.
            is_group = depth >= 3 and self._has(stack[depth - 2], LIST_SUBCLASS, False)
            saved = stack[depth - 3 if is_group else depth - 1]
            if self._has(saved, BASE_EXCEPTION_SUBCLASS, True):
                found.append(saved)
        return found

    def _has(self, address: int, flag: int, unreadable: bool) -> bool:
        """Whether an object's type has a flag; what is `unreadable` may have it or not."""
        try:
            return bool(self._objects.type_of(address).flags & flag)
        except READ_ERRORS:
            return unreadable

    def is_generator(self, frame: Frame) -> bool:
        """Whether a generator or coroutine runs in the frame."""
        return self._reader.integer(frame.address, "_PyInterpreterFrame", "owner") == _OWNED_BY_GENERATOR
