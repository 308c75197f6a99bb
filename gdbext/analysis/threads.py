"""The threads of a process, native and Python: which thread state is whose, and who has the GIL."""

from typing import Collection, Dict, Iterator, List, Optional, Protocol, Sequence, Set, Tuple

from ..cpython.frames import Frame
from ..cpython.memory import PAGE, Memory, Unreadable
from ..cpython.process import Python
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Gil, ThreadState

HOLDS = "holds"
WAITS = "waits"

# How much of a C stack is searched, from its inner end, and how much at a time: bytes. The evaluation
# loop that runs the innermost Python frame is among the inner ones.
MAX_STACK = 1 << 20
STACK_PIECE = 1 << 16
MAX_ADDRESS = 1 << 64

# How many frames one run of the evaluation loop may have for its place to be looked for; sys.getrecursionlimit()
# is 1000.
MAX_ENTRY_FRAMES = 1000

# States of a thread.
RUNNING = "running"
WAITING = "waiting"
NATIVE = "native"

# The commands of futex(2) that wait, of which the lowest bits of its second argument are one
# (include/uapi/linux/futex.h): WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2.
_FUTEX_WAITS = frozenset((0, 6, 9, 11, 13))
_FUTEX_COMMAND = 0x7F
# What takes the place of a call with a timeout after an earlier stop.
_RESTART = "restart_syscall"
# Calls that pass through the kernel and wait there for nobody.
_PASSING = frozenset(("sched_yield", "tgkill"))


class NativeThread(Protocol):
    """A thread as the debugger sees it: target.threads.NativeThread."""

    number: int
    lwp: int
    ident: Optional[int]

    @property
    def memory(self) -> Memory:
        """The memory that it runs in."""

    @property
    def syscall(self) -> Optional[str]:
        """The name of the system call that it is in, "" outside of one, None where that is not known."""

    @property
    def arguments(self) -> Sequence[Optional[int]]:
        """That call's arguments."""

    @property
    def program_counter(self) -> Optional[int]:
        """The address of its next instruction, None where that can't be read."""

    @property
    def library(self) -> Optional[str]:
        """The path of the image whose code it runs, None where that is not known."""

    @property
    def stack_pointer(self) -> Optional[int]:
        """Where its C stack ends, None where that can't be read."""

    @property
    def registers(self) -> Collection[int]:
        """The values of its general registers, as far as they can be read."""


Entry = Tuple[Python, ThreadState]


def waits_in_kernel(native: NativeThread) -> Optional[bool]:
    """Whether a thread is in a system call that may wait, None where that is not known.

    A futex call may be one that wakes others: that is no wait.
    """
    name = native.syscall
    if name == "futex":
        command = native.arguments[1]
        return None if command is None else command & _FUTEX_COMMAND in _FUTEX_WAITS
    return None if name is None else name != "" and name not in _PASSING


def futex_word(native: Optional[NativeThread]) -> Optional[int]:
    """The address of the futex that a thread waits at, None where it waits at none or that is not known."""
    if native is None or not (native.syscall == _RESTART or native.syscall == "futex" and waits_in_kernel(native)):
        return None
    return native.arguments[0]


class Thread:
    """One line of the list of threads; what it costs to know is found out when it is asked for.

    `native` is None for a thread state that belongs to no thread of the process, `state` and `python`
    for a thread that Python has never seen. `ident` is threading.get_ident() of the thread, None where
    there is none or where it is not known which thread the state belongs to. `orphan` says that the
    state is known to belong to no thread of the process. A thread in several interpreters has a line
    for each, the innermost first.
    """

    def __init__(self, native: Optional[NativeThread], python: Optional[Python] = None,
                 state: Optional[ThreadState] = None, gil: Optional[Gil] = None,
                 ident: Optional[int] = None, orphan: bool = False) -> None:
        self.native = native
        self.python = python
        self.state = state
        self.ident = ident
        self.orphan = orphan
        self._gil = gil

    @property
    def name(self) -> Optional[str]:
        """What threading calls it, None where threading does not know it or was never imported."""
        if self.python is None or self.state is None or self.ident is None:
            return None
        return self.python.runtime.thread_names(self.state.interpreter).get(self.ident)

    @property
    def holds_gil(self) -> bool:
        """Whether it has the GIL of its interpreter."""
        return self._gil is not None and self.state is not None and self._gil.holder == self.state.address

    @property
    def waits_for(self) -> Optional[Gil]:
        """The GIL that it waits for: its futex is within that GIL."""
        gil = self._gil
        if gil is None or self.holds_gil:
            return None
        word = futex_word(self.native)
        return gil if word is not None and gil.start <= word < gil.end else None

    @property
    def gil(self) -> Optional[str]:
        """HOLDS, WAITS, or None."""
        return HOLDS if self.holds_gil else WAITS if self.waits_for else None

    @property
    def attachment(self) -> Optional[str]:
        """Runtime.attachment() of the thread state, None where there is none or it can't be read."""
        if self.python is None or self.state is None or self._gil is not None:
            return None
        try:
            return self.python.runtime.attachment(self.state)
        except READ_ERRORS:
            return None

    @property
    def activity(self) -> Optional[str]:
        """RUNNING, WAITING (in a system call that waits), NATIVE where there is no Python; None where not known."""
        if self.state is None:
            return NATIVE
        if self.native is None:
            return None
        waits = waits_in_kernel(self.native)
        return None if waits is None else WAITING if waits else RUNNING

    @property
    def frame(self) -> Optional[Frame]:
        """The innermost Python frame, None where there is none."""
        return next(self.frames(), None)

    def frames(self) -> Iterator[Frame]:
        """The Python frames of this thread state, innermost first."""
        if self.python is not None and self.state is not None:
            return self.python.runtime.frames.walk(self.state.address)
        return iter(())

    @property
    def is_elsewhere(self) -> bool:
        """Whether the thread state leads to frames whose evaluation loop is on another thread's C stack.

        A damaged one may, and they look as good as its own. Not known, and False, up to 3.10, which has
        nothing of the loop's on the C stack that frames lead to, and in a deep recursion.
        """
        if self.native is None or self.python is None or self.state is None:
            return False
        try:
            place = self.python.runtime.frames.entry_address(self.state.address, MAX_ENTRY_FRAMES)
        except READ_ERRORS:
            return False
        end = self.native.stack_pointer if place is not None else None
        if place is None or end is None:
            return False
        # glibc and musl have what pthread_self() points to above the stack that they make, and the main thread's
        # stack lies elsewhere.
        ident = self.native.ident
        top = ident if ident is not None and ident > end else MAX_ADDRESS
        return not end <= place < top


def list_threads(pythons: Sequence[Python], natives: Sequence[NativeThread]) -> List[Thread]:
    """Every thread of the process in the order of `natives`, then thread states without a thread."""
    gils = _Gils()
    entries = [(python, state) for python in pythons for state in python.thread_states()]
    owned, unclear = _owners(entries, natives)
    found: List[Thread] = []
    claimed: Set[int] = set()
    for native, states in zip(natives, owned):
        claimed.update(state.address for _python, state in states)
        threads = [Thread(native, python, state, gils.of(python, state),
                          state.ident if native.ident is None else native.ident) for python, state in states]
        found.extend(_shown(threads) or [Thread(native)])
    all_known = all(native.ident is not None for native in natives)
    for python, state in entries:
        if state.address not in claimed:
            ident = None if state.address in unclear else state.ident
            found.append(Thread(None, python, state, gils.of(python, state), ident,
                                all_known and ident is not None))
    return found


def _owners(entries: Sequence[Entry], natives: Sequence[NativeThread]) -> Tuple[List[List[Entry]], Set[int]]:
    """The thread states of each native thread, and the addresses of those whose thread is not known.

    The thread pointer is the ident, whatever PID namespace; only a target that does not give the
    register leaves the kernel's number.
    """
    by_ident: Dict[int, List[Entry]] = {}
    by_native_id: Dict[Optional[int], List[Entry]] = {}
    for entry in entries:
        by_ident.setdefault(entry[1].ident, []).append(entry)
        by_native_id.setdefault(entry[1].native_id, []).append(entry)
    owned = [list(by_ident.get(native.ident, ()) if native.ident is not None else by_native_id.get(native.lwp, ()))
             for native in natives]
    unclear: Set[int] = set()
    for index, states in enumerate(owned):
        busy = [(entry, frame) for entry, frame in zip(states, map(_innermost, states)) if frame is not None]
        for entry, frame in busy:
            python, state = entry
            if len(busy) == 1 and not state.interpreter.id:
                continue
            # Up to 3.12 a thread state has the ident of the thread that made it; another may run it.
            memory = python.runtime.memory
            on = [each for each in range(len(natives)) if _place(natives[each], frame.address, memory) is not None]
            if index in on or not on and not state.interpreter.id:
                continue
            states.remove(entry)
            if len(on) == 1:
                owned[on[0]].append(entry)
            else:
                unclear.add(state.address)
    return owned, unclear


def _innermost(entry: Entry) -> Optional[Frame]:
    python, state = entry
    return next(python.runtime.frames.walk(state.address), None)


def _place(native: NativeThread, frame: int, memory: Memory) -> Optional[int]:
    """Where a thread's C stack holds the address of a Python frame, as under the loop that evaluates it.

    0 where a register holds it, None where neither does, or the stack can't be read.
    """
    if frame in native.registers:
        return 0
    start = native.stack_pointer
    if start is None:
        return None
    wanted = frame.to_bytes(8, "little")
    for address in range(start & ~7, start + MAX_STACK, STACK_PIECE):
        try:
            piece = memory.read(address, STACK_PIECE)
        except Unreadable:
            # Perhaps the last piece of the stack.
            piece = _readable_pages(memory, address)
        at = piece.find(wanted)
        while at >= 0 and at % 8:
            at = piece.find(wanted, at + 1)
        if at >= 0:
            return address + at
        if len(piece) < STACK_PIECE:
            break
    return None


def _readable_pages(memory: Memory, address: int) -> bytes:
    found = b""
    try:
        while len(found) < STACK_PIECE:
            size = PAGE - (address + len(found)) % PAGE
            found += memory.read(address + len(found), size)
    except Unreadable:
        pass
    return found


def _shown(threads: List[Thread]) -> List[Thread]:
    """Of the thread states of one thread those with frames, the innermost first; else one of them.

    A state without frames waits in an interpreter that this thread has created or left.
    """
    busy = [thread for thread in threads if thread.frame is not None]
    if not busy:
        return sorted(threads, key=lambda thread: thread.state.interpreter.id)[:1]
    return sorted(busy, key=_depth) if len(busy) > 1 else busy


def _depth(thread: Thread) -> Tuple[int, bool, int]:
    """Sorts the inner thread state before the outer one: the C stack grows downwards.

    Where no address tells, the holder of the GIL is the inner one, and a sub-interpreter is within the
    interpreter that was there before it.
    """
    runtime = thread.python.runtime
    try:
        place = runtime.frames.entry_address(thread.state.address)
    except READ_ERRORS:
        place = None
    if place is None:
        place = _place(thread.native, thread.frame.address, runtime.memory)
    return (MAX_ADDRESS if place is None else place, not thread.holds_gil, -thread.state.interpreter.id)


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
