"""The threads of a process, native and Python: which thread state is whose, and who has the GIL."""

from typing import Dict, Iterator, List, NamedTuple, Optional, Protocol, Sequence, Tuple

from ..cpython.frames import Frame
from ..cpython.process import Python
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Gil, ThreadState

HOLDS = "holds"
WAITS = "waits"

# A thread that waits for a lock; the second takes the place of the first after an earlier stop.
_FUTEX_CALLS = ("futex", "restart_syscall")


class NativeThread(Protocol):
    """A thread as the debugger sees it: target.threads.NativeThread."""

    number: int
    lwp: int
    ident: Optional[int]

    @property
    def syscall(self) -> Optional[str]:
        """The name of the system call that it is in, None outside of one."""

    @property
    def argument(self) -> Optional[int]:
        """That call's first argument."""


class Thread:
    """One line of the list of threads; what it costs to know is found out when it is asked for.

    `native` is None for a thread state that belongs to no thread of the process, `state` and `python`
    for a thread that Python has never seen. A thread in several interpreters has a line for each,
    the innermost first.
    """

    def __init__(self, native: Optional[NativeThread], python: Optional[Python] = None,
                 state: Optional[ThreadState] = None, gil: Optional[Gil] = None) -> None:
        self.native = native
        self.python = python
        self.state = state
        self._gil = gil

    @property
    def ident(self) -> Optional[int]:
        """threading.get_ident() of the thread, None for one that Python has never seen."""
        return self.state.ident if self.state else None

    @property
    def name(self) -> Optional[str]:
        """What threading calls it, None where threading does not know it or was never imported."""
        if self.python is None or self.state is None:
            return None
        return self.python.runtime.thread_names(self.state.interpreter).get(self.state.ident)

    @property
    def holds_gil(self) -> bool:
        """Whether it has the GIL of its interpreter."""
        return self._gil is not None and self.state is not None and self._gil.holder == self.state.address

    @property
    def waits_for(self) -> Optional[Gil]:
        """The GIL that it waits for: its futex is within that GIL."""
        native, gil = self.native, self._gil
        if (native is None or gil is None or self.holds_gil or native.syscall not in _FUTEX_CALLS
                or native.argument is None or not gil.start <= native.argument < gil.end):
            return None
        return gil

    @property
    def gil(self) -> Optional[str]:
        """HOLDS, WAITS, or None."""
        return HOLDS if self.holds_gil else WAITS if self.waits_for else None

    @property
    def activity(self) -> str:
        """ "running", "waiting" (in a system call), or "native" where there is no Python. """
        if self.state is None:
            return "native"
        return "waiting" if self.native is not None and self.native.syscall is not None else "running"

    @property
    def frame(self) -> Optional[Frame]:
        """The innermost Python frame, None where there is none."""
        return next(self.frames(), None)

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
        threads = [Thread(native, python, state, gils.of(python, state)) for python, state in states]
        found.extend(_shown(threads) or [Thread(native)])
    found.extend(Thread(None, python, state, gils.of(python, state)) for python, state in left if state.address not in claimed)
    return found


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
    return entry or 0, not thread.holds_gil, -thread.state.interpreter.id


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
