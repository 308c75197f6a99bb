"""The threads of a process, native and Python: which thread state is whose, and who has the GIL."""

from itertools import islice, takewhile
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

# How many runs of the loop are looked for on a C stack, from the innermost one.
MAX_RUNS = 3

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
    state is known to belong to no thread of the process. `lent_to` is the thread that runs the state of
    this one. A thread in several interpreters has a line for each, the innermost first.
    """

    def __init__(self, native: Optional[NativeThread], python: Optional[Python] = None,
                 state: Optional[ThreadState] = None, gil: Optional[Gil] = None,
                 ident: Optional[int] = None, orphan: bool = False,
                 lent_to: Optional[NativeThread] = None) -> None:
        self.native = native
        self.python = python
        self.state = state
        self.ident = ident
        self.orphan = orphan
        self.lent_to = lent_to
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
        place = _entry_address(self.python, self.state)
        return place is not None and _is_on_stack(self.native, place) is False


def list_threads(pythons: Sequence[Python], natives: Sequence[NativeThread]) -> List[Thread]:
    """Every thread of the process in the order of `natives`, then thread states without a thread."""
    gils = _Gils()
    entries = [(python, state) for python in pythons for state in python.thread_states()]
    owned, lent, unclear = _owners(entries, natives)
    found: List[Thread] = []
    claimed: Set[int] = set()
    for native, states in zip(natives, owned):
        claimed.update(state.address for _python, state in states)
        threads = [Thread(native, python, state, gils.of(python, state),
                          state.ident if native.ident is None else native.ident) for python, state in states]
        found.extend(_shown(threads) or [Thread(native, lent_to=lent.get(native.number))])
    all_known = all(native.ident is not None for native in natives)
    for python, state in entries:
        if state.address not in claimed:
            ident = None if state.address in unclear else state.ident
            found.append(Thread(None, python, state, gils.of(python, state), ident,
                                all_known and ident is not None))
    return found


def lost(threads: Sequence[Thread]) -> List[str]:
    """Sentences about threads that threading knows and no thread state was found of: lists that are damaged.

    A thread is known to threading for a shorter time than it has its thread state.
    """
    runtimes = {id(thread.python.runtime): thread.python.runtime for thread in threads if thread.python is not None}
    names: Dict[int, str] = {}
    for runtime in runtimes.values():
        try:
            for interpreter in runtime.interpreters():
                names.update(runtime.thread_names(interpreter))
        except READ_ERRORS:
            continue
    return [f"Thread {thread.native.number} is {names[thread.native.ident]!r} to threading, and its thread state was "
            "not found: the list of them is damaged." for thread in threads
            if thread.state is None and thread.native is not None and thread.native.ident in names]


def _owners(entries: Sequence[Entry], natives: Sequence[NativeThread]
            ) -> Tuple[List[List[Entry]], Dict[int, NativeThread], Set[int]]:
    """The thread states that each native thread runs, who runs that of another one, by that one's number, and the
    addresses of those whose thread is not known.

    The thread pointer is the ident, whatever PID namespace; only a target that does not give the
    register leaves the kernel's number.
    """
    idents = {native.ident: index for index, native in enumerate(natives) if native.ident is not None}
    native_ids = {native.lwp: index for index, native in enumerate(natives) if native.ident is None}
    owned: List[List[Entry]] = [[] for _ in natives]
    lent: Dict[int, NativeThread] = {}
    unclear: Set[int] = set()
    for python, state in entries:
        index = idents.get(state.ident, native_ids.get(state.native_id))
        # A thread state has the ident of the thread that made it, and another one may run it.
        running = _Running(python, state, index is not None)
        own = running.evidence(natives[index]) if index is not None else 0
        if own < running.most:
            found = [running.evidence(native) for native in natives]
            best = max(found, default=0)
            # Half of it or less is what earlier calls leave on a stack, and no reason to take another thread.
            tells = best > own and (index is None or 2 * best > running.most)
            if tells and found.count(best) == 1:
                runner = found.index(best)
                if index is not None:
                    lent[natives[index].number] = natives[runner]
                index = runner
            elif tells or index is not None and not own and state.interpreter.id:
                unclear.add(state.address)
                continue
        if index is not None:
            owned[index].append((python, state))
    return owned, lent, unclear


class _Running:
    """What tells which thread runs a thread state: where on a C stack its frames are evaluated.

    Since 3.12 they lead to that place. Before, a stack is taken for the one that holds the addresses of the most
    runs of the evaluation loop: that of one alone may be left there by an earlier call. These are looked for as well
    where `has_thread` is not true, for a live thread may have the stack of the one that the state was of.
    """

    def __init__(self, python: Python, state: ThreadState, has_thread: bool) -> None:
        frames = python.runtime.frames
        self._memory = python.runtime.memory
        self._place = _entry_address(python, state) if has_thread and frames.are_linked_to_stack else None
        runs = islice(frames.activations(state.address), MAX_RUNS if self._place is None else 1)
        self._heads = [run.frames[0].address for run in runs if run.frames]
        self.most = len(self._heads)

    def evidence(self, native: NativeThread) -> int:
        """How much tells for a thread, `most` at the most."""
        is_on_stack = _is_on_stack(native, self._place) if self._place is not None else None
        if is_on_stack is not None:
            return self.most if is_on_stack else 0
        held = (_place(native, head, self._memory) is not None for head in self._heads)
        return sum(1 for _ in takewhile(bool, held))


def _entry_address(python: Python, state: ThreadState) -> Optional[int]:
    try:
        return python.runtime.frames.entry_address(state.address, MAX_ENTRY_FRAMES)
    except READ_ERRORS:
        return None


def _is_on_stack(native: NativeThread, place: int) -> Optional[bool]:
    """Whether an address is on a thread's C stack, None where it is not known where that is."""
    bounds = _stack(native)
    return bounds[0] <= place < bounds[1] if bounds is not None else None


def _stack(native: NativeThread) -> Optional[Tuple[int, int]]:
    """Where a thread's C stack is, from its inner end; no more than is known of the outer one."""
    end = native.stack_pointer
    if end is None:
        return None
    # glibc and musl have what pthread_self() points to above the stack that they make, and the main thread's
    # stack lies elsewhere.
    return end, native.ident if native.ident is not None and native.ident > end else MAX_ADDRESS


def _place(native: NativeThread, frame: int, memory: Memory) -> Optional[int]:
    """Where a thread's C stack holds the address of a Python frame, as under the loop that evaluates it.

    0 where a register holds it, None where neither does, or the stack can't be read.
    """
    if frame in native.registers:
        return 0
    bounds = _stack(native)
    if bounds is None:
        return None
    wanted = frame.to_bytes(8, "little")
    address = bounds[0] & ~7
    end = min(bounds[1], address + MAX_STACK)
    # Mostly it is in the first few hundred bytes.
    size = PAGE
    while address < end:
        size = min(size, end - address)
        try:
            piece = memory.read(address, size)
        except Unreadable:
            # Perhaps the last piece of the stack.
            piece = _readable_pages(memory, address)
        at = piece.find(wanted)
        while at >= 0 and at % 8:
            at = piece.find(wanted, at + 1)
        if at >= 0:
            return address + at
        if len(piece) < size:
            break
        address += size
        size = min(2 * size, STACK_PIECE)
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
