"""What one thread waits for: a lock or something made of locks, the GIL, a thread, a system call.

The futex that a thread waits at leads to the lock object; the functions of the standard library that it is in
lead from there to what the program waits for: an Event, a Queue, a Future.
"""

from itertools import islice
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..cpython.frames import Frame
from ..cpython.locks import LOCK, PROCESS_LOCK, RLOCK, SIMPLE_QUEUE, thread_handle
from ..cpython.process import Python
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Gil, Interpreter
from . import syscalls
from .library import OF_EVENT_LOOPS, WORK_ITEM, Call, Library
from .naming import Name, Names
from .syscalls import Surroundings
from .threads import WAITS, NativeThread, Thread, futex_word, waits_in_kernel

# A C function that waits for a lock object has its address in a register that the callee saves, or near the
# inner end of the stack: the frames in between are those of a few functions of the interpreter and the C library.
MAX_C_STACK = 4096
# Library functions between the one that waits and the program's own.
MAX_CALLS = 16
# Frames in which a name is looked for.
MAX_NAMING_FRAMES = 3

# pthread_mutex_t (glibc, sysdeps/nptl/bits/struct_mutex.h): the futex, the owner's thread id as the kernel has
# it, how many threads have it, and the kind of mutex, whose lowest bits are one of four.
_MUTEX_OWNER, _MUTEX_USERS, _MUTEX_KIND = 8, 12, 16
_MAX_MUTEX_KIND = 0x3FF
# The value at which a thread waits for a mutex: it is taken, and others wait (nptl/lowlevellock.c).
_CONTENDED = 2
_FUTEX_WAIT = 0


class Wait(NamedTuple):
    """What a thread waits for.

    `kind` is as in JSON, `what` in words, `name` as the program names it, `note` what state it is in. `address`
    is that of the object (of a lock, of the GIL, of a mutex), `lock` that of the lock object whose holder has to
    let go, `subject` the Python object that the program waits with. `ident` names the thread for whose end or
    whose import this waits, `lwp` the kernel's number of a mutex's owner. `timed` says that the wait ends by
    itself, `left` in how many seconds; None for what is not known. `woken`: it has what it waited for, and has
    yet to run. `at` is the innermost frame that is not the library's.
    """

    kind: str
    what: str
    name: Optional[str] = None
    note: Optional[str] = None
    address: Optional[int] = None
    lock: Optional[int] = None
    subject: Optional[int] = None
    ident: Optional[int] = None
    lwp: Optional[int] = None
    timed: Optional[bool] = False
    left: Optional[float] = None
    woken: bool = False
    at: Optional[Frame] = None

    @property
    def detail(self) -> str:
        """All of it in one line, without the timeout."""
        text = self.what
        if self.name is not None:
            text += " " + self.name if self.name else ""
        elif self.subject is not None and self.kind not in ("join", "shutdown"):
            text += f" at {self.subject:#x}"
        elif self.lock is not None and self.kind not in ("import", "join", "shutdown"):
            text += f" at {self.lock:#x}"
        return text + (f" ({self.note})" if self.note else "")


class _Nothing:
    """Surroundings of which nothing is known."""

    def descriptor(self, number: int) -> Optional[str]:
        return None

    def lock_holders(self, number: int) -> Optional[str]:
        return None

    def process(self, pid: int) -> Optional[str]:
        return None

    def now(self, clock: int) -> Optional[float]:
        return None


NOTHING = _Nothing()


class Tools:
    """What reads the objects of one Python: made once for each."""

    def __init__(self, python: Python) -> None:
        self.python = python
        self.runtime = python.runtime
        self.classes = self.runtime.values.classes
        self.library = Library(self.runtime, self.classes)
        self.names = Names(self.runtime, self.classes, self.library.module_of)
        self._threads: Dict[int, Dict[int, int]] = {}

    def calls(self, interpreter: Interpreter, frames: Sequence[Frame]) -> Tuple[List[Call], List[Frame]]:
        """The library's functions that the innermost frames are in, and the frames of their callers.

        A pool's worker that runs a work item is no caller: it does not wait for what the work waits for.
        """
        found: List[Call] = []
        for index, frame in enumerate(frames):
            name = self.library.name_of(interpreter, frame)
            if name == WORK_ITEM:
                return found, []
            if name is not None and name not in OF_EVENT_LOOPS:
                found.append(Call(name, frame))
            elif not self.library.is_between(frame):
                return found, list(frames[index:])
        return found, []

    def thread_of_lock(self, interpreter: Interpreter, lock: int) -> Optional[int]:
        """The ident of the thread that holds this lock until it ends, up to 3.12 (threading._tstate_lock)."""
        found = self._threads.get(interpreter.address)
        if found is None:
            found = self._threads[interpreter.address] = {}
            runtime = self.runtime
            try:
                namespace = runtime.module_dict(interpreter, "threading")
                active = runtime.dicts.get(namespace, "_active") if namespace else None
                for ident, thread in runtime.dicts.items(active) if active else ():
                    held = self.library.attribute(thread, "_tstate_lock")
                    number = self.library.number(ident)
                    if held is not None and number is not None:
                        found[held] = number
            except READ_ERRORS:
                pass
        return found.get(lock)


class Waits:
    """Finds out what threads wait for. Never raises READ_ERRORS."""

    def __init__(self, around: Surroundings = NOTHING) -> None:
        self._around = around
        self._tools: Dict[int, Tools] = {}

    def tools(self, python: Python) -> Tools:
        """What reads the objects of this Python."""
        found = self._tools.get(id(python.runtime))
        if found is None:
            found = self._tools[id(python.runtime)] = Tools(python)
        return found

    def of(self, thread: Thread) -> Optional[Wait]:
        """What a thread waits for, None where it waits for nothing or that is not known."""
        native = thread.native
        if native is None or not waits_in_kernel(native):
            return None
        gil = thread.waits_for
        if thread.gil == WAITS and gil is not None:
            return self._for_gil(thread, gil)
        word = futex_word(native)
        if thread.state is None or thread.python is None:
            return self._in_call(native, None)
        frames = [frame for frame, _count in zip(thread.frames(), range(MAX_CALLS + MAX_NAMING_FRAMES))]
        tools = self.tools(thread.python)
        calls, own = tools.calls(thread.state.interpreter, frames)
        at = own[0] if own else calls[-1].frame if calls else frames[0] if frames else None
        try:
            found = _OfLock(tools, thread, native, calls, own).wait(word) if word is not None else None
        except READ_ERRORS:
            found = None
        if found is None:
            return self._named_call(tools, calls, own, self._in_call(native, at))
        timed, left = syscalls.futex_timeout(
            native.syscall or "", native.arguments, thread.python.runtime.memory, self._around)
        return found._replace(timed=timed, left=left, at=at)

    def _for_gil(self, thread: Thread, gil: Gil) -> Wait:
        # Each wait of 5 ms is followed by another one, until it has the GIL (Python/ceval_gil.c, take_gil).
        return Wait("gil", "the GIL", address=gil.start, at=thread.frame)

    def _in_call(self, native: NativeThread, at: Optional[Frame]) -> Wait:
        """A wait that is no Python object's."""
        if native.syscall == "futex":
            return self._in_futex(native, at)
        found = syscalls.describe(native.syscall or "", native.arguments, native.memory, self._around)
        return Wait(found.kind, found.detail, timed=found.timed, left=found.left, at=at)

    def _named_call(self, tools: Tools, calls: List[Call], own: List[Frame], wait: Wait) -> Wait:
        """A system call that a function of multiprocessing or subprocess makes."""
        outer = next((call for call in reversed(calls) if call.name.startswith(("multiprocessing.", "subprocess."))),
                     None)
        if outer is None or wait.kind in ("mutex", "native"):
            return wait
        owner = tools.library.local(outer.frame, "self")
        name = _name(tools, own, owner)
        short = outer.name
        if owner is not None:
            short = f"{tools.names.type_name(owner)}.{outer.name.rpartition('.')[2]}"
        if wait.kind == "sleep" and outer.name.startswith("subprocess."):
            # With a timeout it asks again and again whether the child has ended (Popen._wait).
            pid = tools.library.number(tools.library.attribute(owner, "pid"))
            wait = wait._replace(kind="child", what=syscalls.child(pid, self._around), left=None)
        return wait._replace(what=f"{short}(){' of ' + name if name else ''}: {wait.what}", subject=owner, name="")

    def _in_futex(self, native: NativeThread, at: Optional[Frame]) -> Wait:
        """For a mutex of C code, whose owner it names, or for something else that is made of a futex."""
        word = native.arguments[0]
        if word is None:
            return Wait("native", "a futex", timed=None, at=at)
        timed, left = syscalls.futex_timeout(native.syscall or "", native.arguments, native.memory, self._around)
        owner = self._mutex_owner(native, word)
        if owner is not None:
            return Wait("mutex", f"pthread mutex at {word:#x}", address=word, lwp=owner, timed=timed, left=left, at=at)
        return Wait("native", f"futex at {word:#x}", note="a lock, condition or semaphore of C code",
                    address=word, timed=timed, left=left, at=at)

    def _mutex_owner(self, native: NativeThread, word: int) -> Optional[int]:
        """The kernel's number of the thread that owns the pthread_mutex_t whose futex this is."""
        arguments = native.arguments
        if native.syscall != "futex" or arguments[1] is None or arguments[1] & 0x7F != _FUTEX_WAIT:
            return None
        if arguments[2] is None or arguments[2] & 0xFFFFFFFF != _CONTENDED:
            return None
        try:
            memory = native.memory
            owner, users = memory.u32(word + _MUTEX_OWNER), memory.u32(word + _MUTEX_USERS)
            if memory.u32(word) and owner and users and memory.u32(word + _MUTEX_KIND) <= _MAX_MUTEX_KIND:
                return owner
        except READ_ERRORS:
            pass
        return None


class _OfLock:
    """What a thread waits for that waits at the futex of a lock object."""

    def __init__(self, tools: Tools, thread: Thread, native: NativeThread, calls: List[Call],
                 own: List[Frame]) -> None:
        self._tools = tools
        self._library = tools.library
        self._locks = tools.runtime.locks
        self._thread = thread
        self._native = native
        self._interpreter = thread.state.interpreter
        self._calls = calls
        self._own = own

    def wait(self, word: int) -> Optional[Wait]:
        """The wait, None where no lock object has this futex."""
        parked = self._locks.parked(word)
        found = self._parked(parked.address) if parked is not None else None
        if parked is not None and found is not None:
            return found._replace(woken=found.woken or parked.woken)
        # Not in the parking lot: what looked like it may have been any memory around a semaphore.
        lock = self._locks.among(word, self._candidates())
        return self._of_lock(lock) if lock is not None else None

    def _candidates(self) -> Iterator[int]:
        """Where the address of a lock object is, as long as a C function waits for it."""
        yield from self._native.registers
        start = self._native.stack_pointer
        if start is not None:
            yield from self._locks.words(start, MAX_C_STACK)

    def _parked(self, address: int) -> Optional[Wait]:
        lock = self._locks.parked_object(address)
        if lock is not None:
            return self._of_lock(lock)
        if self._called("threading.Thread.join") is not None or self._called("threading._shutdown") is not None:
            try:
                handle = thread_handle(self._tools.runtime.reader, address)
            except READ_ERRORS:
                handle = None
            if handle is not None:
                return self._join(handle[1], None)
        return self._of_import_lock(address)

    def _of_import_lock(self, address: int) -> Optional[Wait]:
        """The lock of all imports, which 3.12 and later have in the interpreter's state."""
        reader = self._tools.runtime.reader
        if not reader.has("PyInterpreterState", "imports.lock.mutex._bits"):
            return None
        interpreter = self._interpreter.address
        if address != interpreter + reader.layout["PyInterpreterState"].offset("imports.lock.mutex"):
            return None
        owner = reader.integer(interpreter, "PyInterpreterState", "imports.lock.thread")
        return Wait("import", "the lock of all imports", address=address, ident=owner or None)

    def _of_lock(self, lock: int) -> Wait:
        kind = self._locks.kind(lock)
        try:
            woken = self._is_free(lock)
        except READ_ERRORS:
            woken = False
        if kind == SIMPLE_QUEUE:
            return self._simple_queue(lock)
        if kind == PROCESS_LOCK:
            return self._process_lock(lock)._replace(woken=woken)
        return (self._of_condition(lock) or self._of_thread(lock) or self._of_import(lock)
                or self._plain(lock, kind or LOCK))._replace(woken=woken)

    def _is_free(self, lock: int) -> bool:
        state = self._locks.state(lock)
        return state.woken or state.locked is False

    def _plain(self, lock: int, kind: str) -> Wait:
        what = {LOCK: "Lock", RLOCK: "RLock"}[kind]
        call = self._called("threading.Condition.wait")
        if call is not None and call in self._calls[:2]:
            # Woken up, it wants the lock of the Condition back.
            condition = self._library.local(call.frame, "self")
            return Wait(kind, f"the {what} of Condition", self._name({condition}) or self._instance(condition),
                        "to return from its wait()", address=lock, lock=lock, subject=condition)
        return Wait(kind, what, self._name({lock}), address=lock, lock=lock)

    # What is made of locks.

    def _of_condition(self, lock: int) -> Optional[Wait]:
        """Condition.wait() makes a lock for each thread that waits, and notify() lets it go."""
        if not self._calls or self._calls[0].name != "threading.Condition.wait":
            return None
        frame = self._calls[0].frame
        if self._library.local(frame, "waiter") != lock:
            return None
        condition = self._library.local(frame, "self")
        makers = {
            "threading.Event.wait": self._event, "threading.Semaphore.acquire": self._semaphore,
            "threading.Barrier.wait": self._barrier, "threading.Thread.start": self._start,
            "queue.Queue.get": self._queue, "queue.Queue.put": self._queue, "queue.Queue.join": self._queue,
            "queue._PySimpleQueue.get": self._queue,
            "concurrent.futures._base.Future.result": self._future,
            "concurrent.futures._base.Future.exception": self._future,
            "concurrent.futures._base.wait": self._futures,
            "concurrent.futures._base.as_completed": self._futures,
            "concurrent.futures.thread._worker": self._idle_worker,
            "multiprocessing.queues.Queue._feed": self._feeder,
            "multiprocessing.pool.ApplyResult.get": self._pool_result,
            "multiprocessing.pool.IMapIterator.next": self._pool_result,
        }
        for call in reversed(self._calls):
            make = makers.get(call.name)
            if make is not None:
                return make(call, self._library.local(call.frame, "self"))
        return Wait("condition", "Condition", self._name({condition}), address=condition, subject=condition)

    def _event(self, call: Call, event: Optional[int]) -> Wait:
        return Wait("event", "Event", self._name({event}), address=event, subject=event)

    def _semaphore(self, call: Call, semaphore: Optional[int]) -> Wait:
        what = "Semaphore"
        note = None
        bound = self._library.number(self._library.attribute(semaphore, "_initial_value"))
        value = self._library.number(self._library.attribute(semaphore, "_value"))
        if bound is not None:
            what = "BoundedSemaphore"
            note = f"{value} of {bound} free" if value is not None else None
        elif value is not None:
            note = f"{value} free"
        return Wait("semaphore", what, self._name({semaphore}), note, address=semaphore, subject=semaphore)

    def _barrier(self, call: Call, barrier: Optional[int]) -> Wait:
        parties = self._library.number(self._library.attribute(barrier, "_parties"))
        count = self._library.number(self._library.attribute(barrier, "_count"))
        note = f"{count} of {parties} threads are there" if parties is not None and count is not None else None
        return Wait("barrier", "Barrier", self._name({barrier}), note, address=barrier, subject=barrier)

    def _start(self, call: Call, thread: Optional[int]) -> Wait:
        name = self._library.text(self._library.attribute(thread, "_name"))
        return Wait("event", f"the start of thread {name!r}" if name else "the start of a thread", "",
                    address=thread, subject=thread)

    def _queue(self, call: Call, queue: Optional[int]) -> Wait:
        verb = call.name.rpartition(".")[2]
        size = self._size(self._library.attribute(queue, "queue") or self._library.attribute(queue, "_queue"))
        limit = self._library.number(self._library.attribute(queue, "maxsize"))
        if verb == "join":
            left = self._library.number(self._library.attribute(queue, "unfinished_tasks"))
            note = f"{left} task{'s are' if left != 1 else ' is'} not done" if left is not None else None
        else:
            note = _queue_note(size, limit)
        return Wait("queue", f"Queue.{verb}() of", self._name({queue}) or self._instance(queue), note,
                    address=queue, subject=queue)

    def _size(self, container: Optional[int]) -> Optional[int]:
        """len() of a list or deque: both keep it in ob_size."""
        if container is None:
            return None
        try:
            size = self._tools.runtime.objects.size(container)
        except READ_ERRORS:
            return None
        return size if size >= 0 else None

    def _future(self, call: Call, future: Optional[int]) -> Wait:
        state = self._library.text(self._library.attribute(future, "_state"))
        return Wait("future", f"Future.{call.name.rpartition('.')[2]}() of",
                    self._name({future}) or self._instance(future),
                    state.lower() if state else None, address=future, subject=future)

    def _futures(self, call: Call, _none: Optional[int]) -> Wait:
        function = call.name.rpartition(".")[2]
        pending = self._size_of_set(self._library.local(
            call.frame, "not_done" if function == "wait" else "pending"))
        return Wait("future", f"concurrent.futures.{function}()", "", f"{pending} not done" if pending else None,
                    subject=self._library.local(call.frame, "waiter"))

    def _pool_result(self, call: Call, result: Optional[int]) -> Wait:
        """Of a multiprocessing.pool.Pool, or of a ThreadPool."""
        return Wait("future", f"multiprocessing.pool {'.'.join(call.name.split('.')[2:])}() of",
                    self._name({result}) or self._instance(result), address=result, subject=result)

    def _feeder(self, call: Call, _none: Optional[int]) -> Wait:
        return Wait("queue", "work: the idle feeder thread of a multiprocessing Queue", "",
                    subject=self._library.local(call.frame, "buffer"))

    def _size_of_set(self, address: Optional[int]) -> Optional[int]:
        try:
            return self._tools.runtime.reader.integer(address, "PySetObject", "used") if address else None
        except READ_ERRORS:
            return None

    def _idle_worker(self, call: Call, _none: Optional[int]) -> Wait:
        queue = self._library.local(call.frame, "work_queue")
        return Wait("queue", "work: an idle worker of a ThreadPoolExecutor", "", address=queue, subject=queue)

    def _simple_queue(self, queue: int) -> Wait:
        worker = self._called("concurrent.futures.thread._worker")
        if worker is not None:
            return self._idle_worker(worker, None)
        return Wait("queue", "SimpleQueue.get() of", self._name({queue}) or self._instance(queue), "empty",
                    address=queue, subject=queue)

    # What multiprocessing makes of its one kind of semaphore.

    def _process_lock(self, lock: int) -> Wait:
        """A lock of multiprocessing, or one within a Queue, Semaphore or Condition of it."""
        library = self._library
        call = self._calls[0] if self._calls else None
        if call is not None and call.name == "multiprocessing.synchronize.Condition.wait":
            condition = library.local(call.frame, "self")
            if self._semlock(condition, "_wait_semaphore") == lock:
                return self._of_process_condition(condition)
        if self._calls and self._calls[-1].name.startswith("multiprocessing.queues."):
            return self._of_process_queue(self._calls[-1], lock)
        shared = self._locks.shared_semaphore(lock)
        wrapper = self._wrapper(lock)
        class_ = self._process_class(wrapper) or ("RLock" if shared.recursive else "Lock" if shared.limit == 1
                                                  else "Semaphore")
        what = f"multiprocessing {class_}"
        name = self._name({lock if wrapper is None else wrapper})
        if class_ not in ("Semaphore", "BoundedSemaphore"):
            return Wait("process lock", what, name, address=lock, lock=lock, subject=wrapper)
        of = f" of {shared.limit}" if class_ == "BoundedSemaphore" else ""
        return Wait("semaphore", what, name, f"{shared.value}{of} free", address=lock, lock=lock, subject=wrapper)

    def _of_process_condition(self, condition: Optional[int]) -> Wait:
        """Whoever notifies lets it go, and so the semaphore that it waits at has no holder."""
        for call in reversed(self._calls):
            owner = self._library.local(call.frame, "self")
            if call.name == "multiprocessing.synchronize.Event.wait":
                return Wait("event", "multiprocessing Event", self._name({owner}), address=owner, subject=owner)
            if call.name == "threading.Barrier.wait":
                return Wait("barrier", "multiprocessing Barrier", self._name({owner}), address=owner, subject=owner)
            if call.name == "multiprocessing.queues.JoinableQueue.join":
                return self._process_queue(call, "tasks are not done")
        return Wait("condition", "multiprocessing Condition", self._name({condition}), address=condition,
                    subject=condition)

    def _of_process_queue(self, call: Call, lock: int) -> Wait:
        queue = self._library.local(call.frame, "self")
        if self._semlock(queue, "_sem") == lock:
            shared = self._locks.shared_semaphore(lock)
            return self._process_queue(call, _queue_note(shared.limit - shared.value, shared.limit))
        which = {self._semlock(queue, "_rlock"): "the lock of its readers",
                 self._semlock(queue, "_wlock"): "the lock of its writers"}
        return self._process_queue(call, which.get(lock))._replace(kind="process lock", address=lock, lock=lock)

    def _process_queue(self, call: Call, note: Optional[str]) -> Wait:
        queue = self._library.local(call.frame, "self")
        return Wait("queue", f"multiprocessing {call.name[len('multiprocessing.queues.'):]}() of",
                    self._name({queue}) or self._instance(queue), note, address=queue, subject=queue)

    def _semlock(self, owner: Optional[int], field: str) -> Optional[int]:
        """The lock object of a multiprocessing object that another one has in this attribute."""
        return self._library.attribute(self._library.attribute(owner, field), "_semlock")

    def _wrapper(self, lock: int) -> Optional[int]:
        """The multiprocessing object whose lock object this is: a frame runs its method, or has a name for it."""
        owners = [self._library.local(frame, "self") for frame in [call.frame for call in self._calls] + self._own[:1]]
        owners += [name.owner for name in (self._tools.names.find(frame, {lock})
                                           for frame in self._own[:MAX_NAMING_FRAMES]) if name is not None]
        return next((owner for owner in owners if owner is not None
                     and self._library.attribute(owner, "_semlock") == lock), None)

    def _process_class(self, wrapper: Optional[int]) -> Optional[str]:
        """Which class of multiprocessing.synchronize it is or is derived from, None where that is not known."""
        if wrapper is None:
            return None
        classes = self._tools.classes
        try:
            for base in classes.order(self._tools.runtime.objects.type_of(wrapper)):
                name = classes.name(base)
                if name.module == "multiprocessing.synchronize":
                    return name.qualname
        except READ_ERRORS:
            pass
        return None

    def _of_thread(self, lock: int) -> Optional[Wait]:
        """Up to 3.12 a thread holds a lock until it ends (Thread._tstate_lock)."""
        ident = self._tools.thread_of_lock(self._interpreter, lock)
        if ident is not None:
            return self._join(ident, lock)
        if self._called("threading.Thread._wait_for_tstate_lock") is not None:
            thread = self._library.local(self._calls[0].frame, "self")
            return self._join(self._library.number(self._library.attribute(thread, "_ident")), lock)
        return None

    def _join(self, ident: Optional[int], lock: Optional[int]) -> Wait:
        name = self._tools.runtime.thread_names(self._interpreter).get(ident) if ident is not None else None
        whom = f"thread {name!r}" if name is not None else f"thread {ident:#x}" if ident else "a thread"
        if self._called("threading._shutdown") is not None:
            return Wait("shutdown", "interpreter shutdown, which joins", whom, address=lock, ident=ident)
        return Wait("join", "the end of", whom, address=lock, ident=ident)

    def _of_import(self, lock: int) -> Optional[Wait]:
        call = self._called("_frozen_importlib._ModuleLock.acquire")
        if call is not None and self._calls[0] == call:
            module = self._library.local(call.frame, "self")
            name = self._library.text(self._library.attribute(module, "name"))
            owner = self._library.number(self._library.attribute(module, "owner"))
            return Wait("import", "the import of", repr(name) if name else "a module", address=module,
                        subject=module, ident=owner)
        if self._called("_frozen_importlib._get_module_lock") is not None:
            return Wait("import", "the lock of all imports", "", address=lock)
        return None

    def _called(self, name: str) -> Optional[Call]:
        return next((call for call in self._calls if call.name == name), None)

    def _name(self, wanted: Set[Optional[int]]) -> Optional[str]:
        return _name_any(self._tools, self._own, {address for address in wanted if address is not None})

    def _instance(self, address: Optional[int]) -> Optional[str]:
        return self._tools.names.instance(address) if address is not None else None


def _queue_note(size: Optional[int], limit: Optional[int]) -> Optional[str]:
    if size is None:
        return None
    items = f"{size} item{'' if size == 1 else 's'}"
    state = "empty" if not size else "full" if limit is not None and 0 < limit <= size else None
    bound = "limit not known" if limit is None else f"limit {limit}" if limit > 0 else "no limit"
    return f"{state + ': ' if state else ''}{items}, {bound}"


def _name(tools: Tools, frames: Sequence[Frame], address: Optional[int]) -> Optional[str]:
    return _name_any(tools, frames, {address}) if address is not None else None


def _name_any(tools: Tools, frames: Sequence[Frame], wanted: Set[int]) -> Optional[str]:
    """The name of one of these objects in the nearest frame of the program's that has one."""
    for frame in islice((each for each in frames if not tools.library.is_between(each)), MAX_NAMING_FRAMES):
        name: Optional[Name] = tools.names.find(frame, wanted)
        if name is not None:
            return tools.names.text(name)
    return None
