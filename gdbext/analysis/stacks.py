"""The stack of a thread: Python frames in their place among the native ones, and frames that are recovered.

A run of the evaluation loop is one native frame and has a segment of Python frames, one or several. Which
run has which segment is told by addresses: the loop has a structure of its own on the C stack since 3.11,
and the frame it is at in a register or a stack slot. So what is wrong with one piece costs no other.
"""

from bisect import bisect_right
from itertools import islice
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Set, Tuple, Union

from ..cpython.evaluation import LOOP, callables, loop_ranges
from ..cpython.frames import Activation, Frame
from ..cpython.memory import Unreadable
from ..cpython.process import Python
from .threads import Thread

# Where a frame was found.
THREAD_STATE = "thread-state"
REGISTER = "register"
STACK = "stack"

# How much of the native frame of an evaluation loop is searched for a Python frame, bytes. Debug builds
# have the largest ones, of 1 to 2 KB.
MAX_LOOP_FRAME = 16 * 1024




class NativeFrame(Protocol):
    """A frame of native code: target.frames.NativeFrame."""

    pc: int
    place: int
    stack_pointer: int
    end: Optional[int]

    @property
    def name(self) -> Optional[str]:
        """The function, None where no symbol tells."""

    @property
    def library(self) -> Optional[str]:
        """The path of what its code belongs to, None where that is no file."""

    @property
    def function(self) -> Optional[Tuple[int, int]]:
        """Where its function begins and ends, None where that is not known."""

    @property
    def registers(self) -> Mapping[str, int]:
        """The callee-saved registers, as they are in this frame."""


class PythonCall(NamedTuple):
    """A Python frame in a stack.

    `thread` has the thread state whose frame it is, None for one that was recovered. `found_by` is
    THREAD_STATE, REGISTER or STACK. `native` is the frame of the evaluation loop that runs it, None where
    its place among the native frames is not known.
    """

    frame: Frame
    python: Python
    thread: Optional[Thread]
    found_by: str
    native: Optional[NativeFrame]


class NativeCall(NamedTuple):
    """A native frame in a stack.

    `callable` is the name that Python code has for the function where it has called it, such as
    "time.sleep". `internal` says that it is one of the interpreter between those.
    """

    frame: NativeFrame
    callable: Optional[str]
    internal: bool


Call = Union[PythonCall, NativeCall]


class Stack(NamedTuple):
    """All calls of a thread, innermost first, and what a reader has to know of it, one sentence each."""

    calls: List[Call]
    notes: List[str]

    @property
    def python(self) -> List[PythonCall]:
        """The Python ones."""
        return [call for call in self.calls if isinstance(call, PythonCall)]

    @property
    def has_recovered(self) -> bool:
        """Whether there are Python frames that no thread state leads to."""
        return any(call.found_by != THREAD_STATE for call in self.python)

    def without_internal(self) -> "Stack":
        """Without the native frames of the interpreter itself."""
        return self._replace(calls=[call for call in self.calls
                                    if isinstance(call, PythonCall) or not call.internal])

    def limited(self, count: Optional[int]) -> "Stack":
        """What there is up to the Python frame of that number."""
        if count is None:
            return self
        found: List[Call] = []
        for call in self.calls:
            found.append(call)
            count -= isinstance(call, PythonCall)
            if not count:
                break
        return self._replace(calls=found)


class _Segment:
    """The Python frames of one run of the evaluation loop; `native` is the index of its frame once it is known."""

    def __init__(self, activation: Activation, python: Python, thread: Optional[Thread], found_by: str) -> None:
        self.frames = activation.frames
        self.place = activation.place
        self.is_linked = activation.is_linked
        self.python = python
        self.thread = thread
        self.found_by = found_by
        self.native: Optional[int] = None


_Chain = List[_Segment]


class Loops:
    """The evaluation loops of a process, by where their code is."""

    def __init__(self, pythons: Sequence[Python]) -> None:
        self._ranges = [(start, end, python) for python in pythons
                        for start, end in loop_ranges(python.runtime.candidate.image)]
        known = {id(python.runtime) for _start, _end, python in self._ranges}
        # Their code is found by name where the tables of functions can't be read.
        self._named = {python.path: python for python in pythons if id(python.runtime) not in known}
        self.paths = frozenset(python.path for python in pythons)

    def python(self, native: NativeFrame) -> Optional[Python]:
        """Whose evaluation loop a native frame is, None for other code."""
        for start, end, python in self._ranges:
            if start <= native.place < end:
                return python
        if self._named and native.library in self._named and native.name == LOOP:
            return self._named[native.library]
        return None


def is_doubtful(walked: Sequence[Tuple[Thread, Sequence[Frame]]]) -> bool:
    """Whether thread states don't tell all of a thread's Python frames, so that its registers have to be asked.

    That is so without a state, without frames, where one can't be read, and where they are another thread's.
    """
    return not walked or any(not frames or any(frame.problem is not None for frame in frames)
                             or thread.is_elsewhere for thread, frames in walked)


def merge(threads: Sequence[Thread], natives: Sequence[NativeFrame], loops: Loops,
          problem: Optional[str] = None) -> Stack:
    """The stack of one thread, which has these thread states, the inner one first, and these native frames.

    `problem` says why there may be more native frames.
    """
    return _Merger(threads, natives, loops, problem).stack()


class _Merger:
    def __init__(self, threads: Sequence[Thread], natives: Sequence[NativeFrame], loops: Loops,
                 problem: Optional[str]) -> None:
        self._natives = natives
        self._notes = [f"There may be more native frames: {problem}."] if problem else []
        self._library = loops.paths
        self._runs: Dict[int, Python] = {}
        for index, native in enumerate(natives):
            python = loops.python(native)
            if python is not None:
                self._runs[index] = python
        self._pointers = [native.stack_pointer for native in natives]
        self._placed: Dict[int, _Segment] = {}
        # By the address of each frame.
        self._segments: Dict[int, _Segment] = {}
        self._chains: List[_Chain] = []
        for thread in threads:
            if thread.python is not None and thread.state is not None:
                self._add(thread.python.runtime.frames.activations(thread.state.address),
                          thread.python, thread, THREAD_STATE)

    def _add(self, activations: Iterator[Activation], python: Python, thread: Optional[Thread],
             found_by: str) -> _Chain:
        """A chain of segments, as far as it leads over frames that are not known yet."""
        chain: _Chain = []
        for activation in activations:
            # What can't be read is no frame: the address may be that of anything.
            addresses = [frame.address for frame in activation.frames if frame.problem is None]
            if not self._segments.keys().isdisjoint(addresses):
                break
            segment = _Segment(activation, python, thread, found_by)
            chain.append(segment)
            self._segments.update((address, segment) for address in addresses)
        self._chains.append(chain)
        return chain

    def stack(self) -> Stack:
        """The answer. Each step places what the ones before it have left; the surer ones come first."""
        self._place_by_addresses(True)
        # Placing may show another run to be there.
        for index in sorted(self._runs):
            self._place_by_register(index)
        for index in sorted(self._runs):
            self._recover(index, REGISTER)
        self._place_by_addresses(False)
        for chain in self._chains:
            self._place_by_order(chain)
        for index in sorted(self._runs):
            self._recover(index, STACK)
        self._drop_what_is_not_here()
        return Stack(list(self._calls()), self._notes)

    # Placing.

    def _place(self, segment: _Segment, index: int) -> None:
        segment.native = index
        self._placed[index] = segment

    def _place_by_addresses(self, linked: bool) -> None:
        for chain in self._chains:
            for segment in chain:
                if segment.is_linked is linked:
                    self._place_by_address(segment)

    def _place_by_address(self, segment: _Segment) -> None:
        """By the structure of the run on the C stack, within its native frame."""
        if segment.place is None or segment.native is not None:
            return
        index = bisect_right(self._pointers, segment.place) - 1
        if index < 0 or index in self._placed:
            return
        native = self._natives[index]
        if native.end is None:
            # The last frame that could be unwound: what is further out may be another one's.
            fits = index in self._runs
        else:
            # Compilers split off parts of the loop that no table tells to be its.
            fits = segment.place < native.end and (index in self._runs or native.library == segment.python.path)
        if fits:
            self._runs.setdefault(index, segment.python)
            self._place(segment, index)

    def _place_by_register(self, index: int) -> bool:
        """By the frame that the loop is at, in a register that the functions it calls give back."""
        if index in self._placed:
            return True
        values = self._natives[index].registers.values()
        waiting = [(value, self._segments[value]) for value in values if self._is_waiting(value)]
        for value, segment in waiting:
            if segment.frames[0].address == value:
                self._place(segment, index)
                return True
        if waiting:
            self._place(waiting[0][1], index)
        return bool(waiting)

    def _is_waiting(self, value: int) -> bool:
        segment = self._segments.get(value)
        return segment is not None and segment.native is None

    def _place_part(self, index: int) -> bool:
        """By the same, where the frame is in a segment that is placed: then that is two runs' segment.

        greenlet takes the marks between segments away while it keeps a C stack elsewhere.
        """
        for value in self._natives[index].registers.values():
            segment = self._segments.get(value)
            if segment is None or segment.native is None:
                continue
            outer = max(segment.native, index)
            at = self._position(segment, outer)
            if at:
                rest = _Segment(Activation(segment.frames[at:], segment.place), segment.python, segment.thread,
                                segment.found_by)
                segment.frames = segment.frames[:at]
                self._segments.update((frame.address, rest) for frame in rest.frames)
                chain = next(chain for chain in self._chains if segment in chain)
                chain.insert(chain.index(segment) + 1, rest)
                self._place(segment, min(segment.native, index))
                self._place(rest, outer)
                return True
        return False

    def _position(self, segment: _Segment, index: int) -> int:
        """How many of a segment's frames are further in than the one that a run is at; 0 where it is at none."""
        values = set(self._natives[index].registers.values())
        # The end of a frame's evaluation stack, in another register, is where the frame of its callee begins.
        return max((number for number, frame in enumerate(segment.frames) if frame.address in values), default=0)

    def _place_by_order(self, chain: _Chain) -> None:
        """What lies between two known places, where there are as many segments as runs; and what slots hold."""
        waiting: List[_Segment] = []
        begin = -1
        for segment in chain:
            if segment.native is not None:
                self._place_between(waiting, begin, segment.native)
                waiting, begin = [], segment.native
            elif any(frame.problem is None for frame in segment.frames):
                waiting.append(segment)
        self._place_between(waiting, begin, len(self._natives))

    def _place_between(self, waiting: List[_Segment], begin: int, end: int) -> None:
        if not waiting:
            return
        python = waiting[0].python
        free = [index for index, owner in self._runs.items()
                if begin < index < end and index not in self._placed and owner is python]
        free.sort()
        if len(free) != len(waiting):
            for index in free:
                found = {id(self._segments[value]): self._segments[value] for value in self._slots(index)
                         if self._is_waiting(value)}
                if len(found) == 1:
                    self._place(next(iter(found.values())), index)
            free = [index for index in free if index not in self._placed]
            waiting = [segment for segment in waiting if segment.native is None]
        if len(free) == len(waiting):
            for segment, index in zip(waiting, free):
                self._place(segment, index)

    def _slots(self, index: int) -> List[int]:
        """The words of the native frame of a run, the innermost ones first."""
        native = self._natives[index]
        if native.end is None:
            return []
        size = min(native.end - native.stack_pointer, MAX_LOOP_FRAME) & ~7
        try:
            raw = self._runs[index].runtime.memory.read(native.stack_pointer, size)
        except Unreadable:
            return []
        return list(memoryview(raw).cast("Q"))

    # Recovering.

    def _recover(self, index: int, source: str) -> None:
        """A chain of frames that no thread state leads to, from the run that is at its head."""
        if self._place_by_register(index) or self._place_part(index):
            return
        python = self._runs[index]
        values = self._natives[index].registers.values() if source == REGISTER else self._slots(index)
        heads = [value for value in dict.fromkeys(values)
                 if value not in self._segments and self._is_head(value, index)]
        if heads:
            head = _outermost(heads, python)
            chain = self._add(python.runtime.frames.activations_from(head), python, None, source)
            if chain:
                self._place(chain[0], index)
            for segment in chain[1:]:
                self._place_by_address(segment)
            if source == STACK:
                self._place_by_order(chain)

    def _is_head(self, value: int, index: int) -> bool:
        """Whether a number is the address of the frame that a run of the loop is at."""
        frames = self._runs[index].runtime.frames
        if not frames.is_frame(value):
            return False
        first = next(frames.activations_from(value), None)
        if first is None or any(frame.problem is not None for frame in first.frames):
            return False
        native = self._natives[index]
        return first.place is None or (
            native.stack_pointer <= first.place and (native.end is None or first.place < native.end))

    def _drop_what_is_not_here(self) -> None:
        """Frames of a thread state that leads elsewhere, where every run of the loop has others instead."""
        if len(self._placed) < len(self._runs):
            return
        for chain in self._chains:
            thread = chain[0].thread if chain else None
            if thread is None or thread.state is None or any(segment.native is not None for segment in chain):
                continue
            if self._runs and any(segment.frames for segment in chain):
                problems = [frame.problem for segment in chain for frame in segment.frames if frame.problem]
                reason = problems[0] if problems else "its frames are not on this thread's stack"
                self._notes.append(f"The thread state at {thread.state.address:#x} can't be used: {reason}.")
                for segment in chain:
                    segment.frames = []

    # The result.

    def _calls(self) -> Iterator[Call]:
        begin = 0
        positions = {id(segment): (chain, number) for chain in self._chains for number, segment in enumerate(chain)}
        shown: Set[int] = set()
        innermost = min(self._placed, default=0)

        def waiting(chain: _Chain, end: int) -> Iterator[PythonCall]:
            for segment in chain[:end]:
                if segment.native is None and id(segment) not in shown:
                    shown.add(id(segment))
                    yield from self._python_calls(segment)

        for index in range(len(self._natives)):
            if index not in self._runs:
                continue
            segment = self._placed.get(index)
            yield from self._native_calls(begin, index, segment)
            begin = index + 1
            if segment is not None:
                yield from waiting(*positions[id(segment)])
                yield from self._python_calls(segment)
            elif index < innermost:
                # The loop is being entered or left: it has no frame yet, or no longer.
                yield NativeCall(self._natives[index], None, True)
            else:
                yield NativeCall(self._natives[index], None, False)
        if begin == 0:
            # No run was found: the native frames, then what thread states tell.
            yield from self._native_calls(0, len(self._natives), None)
        for chain in self._chains:
            yield from waiting(chain, len(chain))
        if begin:
            yield from self._native_calls(begin, len(self._natives), None)

    def _python_calls(self, segment: _Segment) -> Iterator[PythonCall]:
        native = self._natives[segment.native] if segment.native is not None else None
        for frame in segment.frames:
            yield PythonCall(frame, segment.python, segment.thread, segment.found_by, native)

    def _native_calls(self, begin: int, end: int, caller: Optional[_Segment]) -> Iterator[NativeCall]:
        """The native frames of a piece, which the innermost frame of a segment has called."""
        natives = self._natives[begin:end]
        names: Dict[int, str] = {}
        if natives and caller is not None and caller.frames:
            names = callables(caller.python.runtime, caller.frames[0])
        for native in natives:
            name = None
            if names:
                function = native.function
                name = names.get(function[0]) if function is not None else None
            yield NativeCall(native, name, name is None and native.library in self._library)


def _outermost(heads: Sequence[int], python: Python) -> int:
    """Of several frames the one that the others lead to: they are what it called before, or lends its thread state to.

    Where its evaluation stack ends, which a register holds, the next frame begins.
    """
    for head in heads:
        if all(other == head or head in _leads_to(other, python) for other in heads):
            return head
    return heads[0]


def _leads_to(frame: int, python: Python) -> Set[int]:
    """The frames of its run, and the one that this was entered from."""
    runs = list(islice(python.runtime.frames.activations_from(frame), 2))
    return {each.address for run in runs[:1] for each in run.frames} | {
        run.frames[0].address for run in runs[1:] if run.frames}
