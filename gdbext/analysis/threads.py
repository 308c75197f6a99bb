"""The threads of a process, native and Python: which thread state is whose, and who has the GIL."""

from typing import Dict, Iterator, List, NamedTuple, Optional, Protocol, Sequence, Tuple

from ..cpython.frames import Frame
from ..cpython.process import Python
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Gil, ThreadState

HOLDS = "holds"
WAITS = "waits"


class NativeThread(Protocol):
    """A thread as the debugger sees it: target.threads.NativeThread."""

    number: int
    lwp: int
    ident: Optional[int]
    syscall: Optional[str]
    argument: Optional[int]


class Thread(NamedTuple):
    """One line of the list of threads.

    `native` is None for a thread state that belongs to no thread of the process, `state` and `python`
    for a thread that Python has never seen. A thread in several interpreters has a line for each,
    the innermost first. `gil` is HOLDS, WAITS or None, of the interpreter's own GIL; `waits_for` is
    that GIL where it waits.
    """

    native: Optional[NativeThread]
    python: Optional[Python] = None
    state: Optional[ThreadState] = None
    name: Optional[str] = None
    gil: Optional[str] = None
    waits_for: Optional[Gil] = None
    frame: Optional[Frame] = None

    @property
    def ident(self) -> Optional[int]:
        """threading.get_ident() of the thread, None for one that Python has never seen."""
        return self.state.ident if self.state else None

    @property
    def activity(self) -> str:
        """ "running", "waiting" (in a system call), or "native" where there is no Python. """
        if self.state is None:
            return "native"
        return "waiting" if self.native is not None and self.native.syscall is not None else "running"

    def frames(self) -> Iterator[Frame]:
        """The Python frames of this thread state, innermost first."""
        if self.python is not None and self.state is not None:
            return self.python.runtime.frames.walk(self.state.address)
        return iter(())


def list_threads(pythons: Sequence[Python], natives: Sequence[NativeThread]) -> List[Thread]:
    """Every thread of the process in the order of `natives`, then thread states without a thread."""
    gils = _Gils()
    left: List[Tuple[Python, ThreadState]] = [
        (python, state) for python in pythons for state in python.thread_states()]
    found: List[Thread] = []
    by_ident: Dict[int, List[Tuple[Python, ThreadState]]] = {}
    by_native_id: Dict[int, List[Tuple[Python, ThreadState]]] = {}
    for entry in left:
        by_ident.setdefault(entry[1].ident, []).append(entry)
        if entry[1].native_id:
            by_native_id.setdefault(entry[1].native_id, []).append(entry)
    claimed = set()
    for native in natives:
        # The thread pointer is the ident, whatever PID namespace; only a target that does not give
        # the register leaves the kernel's number.
        states = by_ident.get(native.ident, []) if native.ident is not None else by_native_id.get(native.lwp, [])
        claimed.update(state.address for _python, state in states)
        threads = [_thread(native, python, state, gils) for python, state in states]
        found.extend(_shown(threads) or [Thread(native)])
    found.extend(_thread(None, python, state, gils) for python, state in left if state.address not in claimed)
    return found


def _thread(native: Optional[NativeThread], python: Python, state: ThreadState, gils: "_Gils") -> Thread:
    gil = gils.of(python, state)
    role = waits_for = None
    if gil is not None:
        if gil.holder == state.address:
            role = HOLDS
        elif native is not None and _waits_in(native, gil):
            role, waits_for = WAITS, gil
    return Thread(
        native, python, state, python.runtime.thread_names(state.interpreter).get(state.ident), role, waits_for,
        next(python.runtime.frames.walk(state.address), None))


def _waits_in(native: NativeThread, gil: Gil) -> bool:
    return (native.syscall in ("futex", "restart_syscall") and native.argument is not None
            and gil.start <= native.argument < gil.end)


def _shown(threads: List[Thread]) -> List[Thread]:
    """Of the thread states of one thread those with frames, the innermost first; else one of them.

    A state without frames waits in an interpreter that this thread has created or left.
    """
    busy = [thread for thread in threads if thread.frame is not None]
    if not busy:
        return sorted(threads, key=lambda thread: thread.state.interpreter.id)[:1]
    return sorted(busy, key=_depth)


def _depth(thread: Thread) -> Tuple[int, bool, int]:
    """Sorts the inner thread state before the outer one: the C stack grows downwards.

    Up to 3.10 no address tells; there the holder of the GIL is the inner one, and a sub-interpreter
    is within the interpreter that was there before it.
    """
    try:
        entry = thread.python.runtime.frames.entry_address(thread.state.address)
    except READ_ERRORS:
        entry = None
    return entry or 0, thread.gil != HOLDS, -thread.state.interpreter.id


class _Gils:
    """The GIL of each interpreter, read once."""

    def __init__(self) -> None:
        self._found: Dict[int, Optional[Gil]] = {}

    def of(self, python: Python, state: ThreadState) -> Optional[Gil]:
        address = state.interpreter.address
        if address not in self._found:
            try:
                self._found[address] = python.runtime.gil(state.interpreter)
            except READ_ERRORS:
                self._found[address] = None
        return self._found[address]
