"""The locks that threads wait for: who holds each, how that is known, and who can never go on.

A holder is known by the lock's own word (an RLock, an import, a thread that is joined, a mutex of C code), or
inferred from a `with` statement whose body runs. A lock that was taken by a bare acquire() has left no trace.
"""

from typing import Dict, Hashable, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..cpython.frames import Frame
from ..cpython.locks import LOCK, PROCESS_LOCK, RLOCK
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Interpreter
from . import deadlocks
from .futures import Futures
from .holders import MAX_FRAMES, OWNER_FIELD, RUNS, WITH_BLOCK, Holder
from .threads import Thread
from .waits import Tools, Wait, Waits

# Kinds of waits that are for a thing that threads share; the others are for time, the kernel or a signal.
SHARED = frozenset((
    "lock", "rlock", "process lock", "import", "condition", "event", "semaphore", "barrier", "queue", "future",
    "join", "shutdown", "gil", "mutex"))

# Frames of one thread, and of all of them, that are searched for who refers to a lock.
MAX_CANDIDATE_FRAMES = 50
MAX_FRAMES_SEARCHED = 5_000
# Context managers within context managers.
MAX_MANAGERS = 10
# By the function that is a manager's __exit__, the attribute that has what it passes that on to.
_PASSED_ON = {
    "threading.Condition.__exit__": "_lock",
    "multiprocessing.synchronize.SemLock.__exit__": "_semlock",
    "multiprocessing.synchronize.Condition.__exit__": "_lock",
    "contextlib._GeneratorContextManager.__exit__": "gen",
}


class Waiter(NamedTuple):
    """A thread and what it waits for."""

    thread: Thread
    wait: Wait


class Candidate(NamedTuple):
    """A thread with a frame that refers to a lock, and as what."""

    thread: Thread
    frame: Frame
    name: str


class Waited(NamedTuple):
    """Something that threads wait for.

    Any one of `holders` can let a waiter go. `problem` says why there are none or too many, in words.
    `ident` is that of a holder which is no thread of the process.
    """

    kind: str
    address: Optional[int]
    waiters: List[Waiter]
    holders: List[Holder]
    problem: Optional[str]
    ident: Optional[int]
    candidates: List[Candidate]

    @property
    def detail(self) -> str:
        """What it is, as the first of its waiters has it."""
        return self.waiters[0].wait.detail


class Deadlock(NamedTuple):
    """Threads that wait for each other, in that order; each with what it waits for.

    `behind` are those that wait for them. `doubts` say why it may end, or may be none; there is no
    doubt about a deadlock without any.
    """

    waiters: List[Waiter]
    waited: List[Waited]
    behind: List[Thread]
    doubts: List[str]


class Report(NamedTuple):
    """All that is waited for, and the deadlocks: those beyond doubt, and those with a doubt.

    `waits` and `by_waiter` have what each thread waits for, by id().
    """

    waited: List[Waited]
    deadlocks: List[Deadlock]
    doubtful: List[Deadlock]
    waits: Dict[int, Wait]
    by_waiter: Dict[int, Waited]

    def waited_of(self, thread: Thread) -> Optional[Waited]:
        """What this thread waits for as all its waiters see it, None where it waits for no such thing."""
        return self.by_waiter.get(id(thread))

    def wait_of(self, thread: Thread) -> Optional[Wait]:
        """What this thread waits for, None where nothing is known of that."""
        return self.waits.get(id(thread))


class _Held(NamedTuple):
    """A `with` statement on a lock object; `releasing` are frames of its body that call a release()."""

    thread: Thread
    frame: Frame
    line: Optional[int]
    releasing: Tuple[Frame, ...]


def all_waits(threads: Sequence[Thread], waits: Waits) -> Dict[int, Wait]:
    """What each thread waits for, by id(). A thread in two interpreters waits in the inner one."""
    found = {}
    seen: Set[int] = set()
    for thread in threads:
        if thread.native is None or thread.native.number in seen:
            continue
        seen.add(thread.native.number)
        wait = waits.of(thread)
        if wait is not None:
            found[id(thread)] = wait
    return found


def report(threads: Sequence[Thread], waits: Waits) -> Report:
    """Everything that the threads wait for."""
    return _Analysis(threads, waits).report()


class _Analysis:
    def __init__(self, threads: Sequence[Thread], waits: Waits) -> None:
        self._threads = threads
        self._tools_of = waits.tools
        self._waits = all_waits(threads, waits)
        self._alive = [thread for thread in threads if thread.native is not None]
        self._by_ident: Dict[int, Thread] = {}
        self._by_lwp: Dict[int, Thread] = {}
        self._by_number: Dict[int, Thread] = {}
        for thread in self._alive:
            self._by_number.setdefault(thread.native.number, thread)
            if thread.ident is not None:
                self._by_ident.setdefault(thread.ident, thread)
            if thread.native.ident is not None:
                self._by_ident.setdefault(thread.native.ident, thread)
            # In a PID namespace the process knows other numbers than the debugger, and 3.11 tells them.
            told = thread.state.native_id if thread.state is not None else None
            self._by_lwp.setdefault(told or thread.native.lwp, thread)
        self._held: Optional[Dict[int, List[_Held]]] = None
        self._futures: Dict[int, Futures] = {}

    def report(self) -> Report:
        groups: Dict[Hashable, List[Waiter]] = {}
        for thread in self._threads:
            wait = self._waits.get(id(thread))
            if wait is not None and wait.kind in SHARED:
                groups.setdefault(_key(thread, wait), []).append(Waiter(thread, wait))
        waited = [self._read(waiters) for waiters in groups.values()]
        waited = self._with_candidates(waited)
        certain, doubtful = self._deadlocks(waited)
        waited.sort(key=lambda each: (each.kind == "gil", -len(each.waiters)))
        return Report(waited, certain, doubtful, self._waits,
                      {id(waiter.thread): each for each in waited for waiter in each.waiters})

    # Who holds what.

    def _read(self, waiters: List[Waiter]) -> Waited:
        try:
            return self._waited(waiters)
        except READ_ERRORS:
            wait = waiters[0].wait
            return Waited(wait.kind, _address(wait), waiters, [], "holder not known: it can't be read", None, [])

    def _waited(self, waiters: List[Waiter]) -> Waited:
        thread, wait = waiters[0]
        holders: List[Holder] = []
        problem = ident = None
        if wait.kind == "gil":
            holders = [Holder(each, OWNER_FIELD) for each in self._alive if each.holds_gil
                       and thread.waits_for is not None and each.state.address == thread.waits_for.holder]
            problem = None if holders else "being handed over"
        elif wait.kind == "mutex":
            holder = self._by_lwp.get(wait.lwp) if wait.lwp is not None else None
            holders = [Holder(holder, OWNER_FIELD)] if holder is not None else []
            problem = None if holders else f"held by LWP {wait.lwp}, which is no thread of this process"
        elif wait.kind in ("join", "shutdown", "import") and (wait.lock is None):
            holders, problem, ident = self._of_ident(wait.ident, RUNS if wait.kind != "import" else OWNER_FIELD)
        elif wait.kind == "semaphore":
            holders, problem = self._of_semaphore(thread, wait)
        elif wait.lock is not None and thread.python is not None:
            holders, problem, ident = self._of_lock(thread, wait, wait.lock)
        elif wait.kind == "future":
            holders, problem = self._of_future(thread, wait)
        return Waited(wait.kind, _address(wait), waiters, holders, problem, ident, [])

    def _of_ident(self, ident: Optional[int], evidence: str
                  ) -> Tuple[List[Holder], Optional[str], Optional[int]]:
        if ident is None:
            return [], "holder not known", None
        holder = self._by_ident.get(ident)
        if holder is None:
            return [], (f"held by thread {ident:#x}, which is no thread of this process: it has ended, or was left "
                        "behind by a fork"), ident
        return [Holder(holder, evidence)], None, None

    def _of_lock(self, thread: Thread, wait: Wait, lock: int
                 ) -> Tuple[List[Holder], Optional[str], Optional[int]]:
        tools = self._tools_of(thread.python)
        try:
            state = tools.runtime.locks.state(lock)
        except READ_ERRORS:
            return [], "holder not known: the lock can't be read", None
        if state.locked is False or state.woken:
            return [], "free: it has been let go, and a waiter is about to take it", None
        kind = tools.runtime.locks.kind(lock)
        withs = [held for held in self._with_blocks().get(lock, ()) if held.thread.native is not None]
        if kind == LOCK:
            return self._of_plain_lock(lock, withs)
        if kind in (RLOCK, PROCESS_LOCK) and state.owner is not None:
            holders, problem, ident = self._of_ident(state.owner, OWNER_FIELD)
            holders = [_placed(holder, withs) for holder in holders]
            if kind == PROCESS_LOCK and not tools.runtime.locks.shared_semaphore(lock).recursive:
                # Its thread is the last of this process to take it; nothing tells of those of others.
                holders = [holder if holder.frame is not None else holder._replace(
                    doubt="another process may have let it go since it was taken") for holder in holders]
            return holders, problem, ident
        if kind == PROCESS_LOCK:
            return [], "held by another process, or one that has ended: no thread of this one holds it", None
        return [], "holder not known", None

    def _of_plain_lock(self, lock: int, withs: List[_Held]) -> Tuple[List[Holder], Optional[str], Optional[int]]:
        threads = {id(held.thread) for held in withs}
        if len(threads) > 1:
            names = ", ".join(sorted(str(held.thread.native.number) for held in withs))
            return [], f"holder not known: threads {names} are all inside a with statement on it", None
        if not withs:
            return [], "held, and no live thread's frame holds it", None
        held = withs[-1]
        return [Holder(held.thread, WITH_BLOCK, held.frame, held.line, self._doubt(lock, held))], None, None

    def _doubt(self, lock: int, held: _Held) -> Optional[str]:
        """A `with` may let its lock go for a while: that is seen in code that refers to it and calls release()."""
        names = self._tools_of(held.thread.python).names
        if any(names.find(frame, {lock}) is not None for frame in held.releasing):
            return "the code inside its with statement may have called release()"
        return None

    def _of_semaphore(self, thread: Thread, wait: Wait) -> Tuple[List[Holder], Optional[str]]:
        """Whoever is inside a `with` of it; only a BoundedSemaphore says whether that is all of them."""
        if wait.subject is None or thread.python is None:
            return [], None
        withs = self._with_blocks().get(wait.subject, [])
        tools = self._tools_of(thread.python)
        library = tools.library
        shared = library.attribute(wait.subject, "_semlock")
        if shared is not None:
            # Of multiprocessing.
            value, bound, _recursive = tools.runtime.locks.shared_semaphore(shared)
        else:
            bound = library.number(library.attribute(wait.subject, "_initial_value"))
            value = library.number(library.attribute(wait.subject, "_value"))
        if bound is None or value != 0 or len(withs) != bound:
            inside = "1 thread is" if len(withs) == 1 else f"{len(withs)} threads are"
            return [], (f"{inside} inside a with statement on it" if withs else None)
        return [Holder(held.thread, WITH_BLOCK, held.frame, held.line, self._doubt(wait.subject, held))
                for held in withs], None

    def _with_blocks(self) -> Dict[int, List[_Held]]:
        """The `with` statements of all threads by their lock objects, innermost first."""
        if self._held is None:
            self._held = {}
            for thread in self._alive:
                if thread.state is not None and thread.python is not None:
                    for lock, held in self._withs_of(thread):
                        self._held.setdefault(lock, []).append(held)
        return self._held

    def _withs_of(self, thread: Thread) -> Iterator[Tuple[int, _Held]]:
        tools = self._tools_of(thread.python)
        interpreter = thread.state.interpreter
        given_up: Set[int] = set()
        releasing: Tuple[Frame, ...] = ()
        for frame, _count in zip(thread.frames(), range(MAX_FRAMES)):
            name = tools.library.name_of(interpreter, frame)
            if name in ("threading.Condition.wait", "multiprocessing.synchronize.Condition.wait"):
                # It has let the lock go, and takes it again before it returns.
                given_up.update(_locks_of(tools, interpreter, tools.library.local(frame, "self")))
            if name is None and tools.names.uses(frame, "release") and not tools.library.is_between(frame):
                releasing += (frame,)
            for block in reversed(tools.runtime.with_blocks.of(frame)):
                for lock in _locks_of(tools, interpreter, block.manager):
                    if lock not in given_up:
                        yield lock, _Held(thread, frame, block.line, releasing)

    def _of_future(self, thread: Thread, wait: Wait) -> Tuple[List[Holder], Optional[str]]:
        python = thread.python
        if wait.subject is None or python is None or wait.note not in ("running", "pending"):
            return [], None
        if id(python) not in self._futures:
            self._futures[id(python)] = Futures(
                self._tools_of(python), [each for each in self._alive if each.python is python], self._waits)
        return self._futures[id(python)].holders(thread.state.interpreter, wait.subject, wait.note)

    # Who else refers to it.

    def _with_candidates(self, waited: List[Waited]) -> List[Waited]:
        """Add the frames that refer to what nobody is known to hold."""
        wanted: Dict[int, int] = {}
        for index, each in enumerate(waited):
            if not each.holders and each.problem != "being handed over" and each.kind not in ("gil", "mutex", "join"):
                for address in (each.waiters[0].wait.subject, each.waiters[0].wait.lock):
                    if address is not None:
                        wanted.setdefault(address, index)
        if not wanted:
            return waited
        waiting = {id(waiter.thread): index for index, each in enumerate(waited) for waiter in each.waiters}
        found: Dict[int, List[Candidate]] = {}
        searched = 0
        for thread in self._alive:
            if thread.state is None or thread.python is None:
                continue
            tools = self._tools_of(thread.python)
            named: Set[int] = set()
            for frame, _count in zip(thread.frames(), range(MAX_CANDIDATE_FRAMES)):
                searched += 1
                if searched > MAX_FRAMES_SEARCHED:
                    break
                if tools.library.is_between(frame):
                    continue
                for address in tools.names.reachable(frame, wanted):
                    index = wanted[address]
                    if index in named or waiting.get(id(thread)) == index:
                        continue
                    named.add(index)
                    name = tools.names.find(frame, {address})
                    found.setdefault(index, []).append(
                        Candidate(thread, frame, tools.names.text(name) if name is not None else ""))
        return [each._replace(candidates=found.get(index, [])) for index, each in enumerate(waited)]

    # Deadlocks.

    def _deadlocks(self, waited: List[Waited]) -> Tuple[List[Deadlock], List[Deadlock]]:
        of_thread: Dict[int, Tuple[Waiter, Waited]] = {}
        for each in waited:
            for waiter in each.waiters:
                of_thread[waiter.thread.native.number] = (waiter, each)

        def graph(doubtful: bool) -> Dict[deadlocks.Node, Sequence[deadlocks.Node]]:
            return {
                number: [holder.thread.native.number for holder in each.holders]
                for number, (waiter, each) in of_thread.items()
                if not waiter.wait.woken and (doubtful or not _doubts(waiter, each))}

        certain = [self._described(found, of_thread) for found in deadlocks.find(graph(False))]
        # A thread whose wait is no longer in the graph counts as one that runs.
        known = {waiter.thread.native.number for each in certain for waiter in each.waiters}
        known.update(thread.native.number for each in certain for thread in each.behind)
        doubtful = [self._described(found, of_thread) for found in deadlocks.find(graph(True))
                    if not known.intersection(found.nodes)]
        return certain, doubtful

    def _described(self, found: deadlocks.Deadlock, of_thread: Dict[int, Tuple[Waiter, Waited]]) -> Deadlock:
        pairs = [of_thread[number] for number in found.nodes]
        doubts: Dict[str, None] = {}
        for waiter, each in pairs:
            doubts.update(dict.fromkeys(_doubts(waiter, each)))
        return Deadlock([waiter for waiter, _each in pairs], [each for _waiter, each in pairs],
                        [self._by_number[number] for number in found.behind], list(doubts))


def _doubts(waiter: Waiter, waited: Waited) -> List[str]:
    """Why a wait may end by itself, or may not be for whom it seems to be."""
    found = []
    thread = waiter.thread
    who = f"thread {thread.native.number}"
    if waiter.wait.timed:
        found.append(f"the wait of {who} has a timeout")
    elif waiter.wait.timed is None:
        found.append(f"whether the wait of {who} has a timeout is not known")
    found += [f"{holder.doubt} in thread {holder.thread.native.number}" for holder in waited.holders if holder.doubt]
    return found


def _key(thread: Thread, wait: Wait) -> Hashable:
    """What makes two waits the same."""
    if wait.kind in ("join", "shutdown"):
        return "thread", wait.ident if wait.ident is not None else id(thread)
    address = _address(wait)
    return wait.kind if address is None else "object", address if address is not None else id(thread)


def _address(wait: Wait) -> Optional[int]:
    if wait.lock is not None:
        return wait.lock
    return wait.subject if wait.subject is not None else wait.address


def _placed(holder: Holder, withs: Iterable[_Held]) -> Holder:
    """A holder with the outermost `with` in which it took the lock."""
    own = [held for held in withs if held.thread is holder.thread]
    return holder._replace(frame=own[-1].frame, line=own[-1].line) if own else holder


def _locks_of(tools: Tools, interpreter: Interpreter, manager: Optional[int]) -> List[int]:
    """The objects that a context manager stands for: itself, and those that it passes __exit__ on to.

    A Condition and a multiprocessing Lock have a lock, a generator has the `with` statements that it is in.
    """
    found: List[int] = []
    todo = [manager] if manager is not None else []
    library = tools.library
    for _ in range(MAX_MANAGERS):
        if not todo:
            break
        each = todo.pop()
        found.append(each)
        if tools.runtime.locks.kind(each) is not None:
            continue
        exit_ = library.method(interpreter, each, "__exit__")
        inner = library.attribute(each, _PASSED_ON.get(exit_ or "", ""))
        if exit_ != "contextlib._GeneratorContextManager.__exit__":
            todo += [inner] if inner is not None else []
            continue
        try:
            frame = tools.runtime.frames.of_generator(inner) if inner is not None else None
        except READ_ERRORS:
            frame = None
        todo += [block.manager for block in tools.runtime.with_blocks.of(frame)] if frame is not None else []
    return found
