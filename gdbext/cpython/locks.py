"""Lock objects: which one a thread stands at, whether it is held, and what it says of its owner.

Up to 3.12 every lock object points to a POSIX semaphore, and a thread that waits has that semaphore as its
futex. 3.13 brought the parking lot (gh-108724): a thread waits at a semaphore on its own stack, next to the
address of what it waits for, and objects became PyMutex, a byte, one type after the other.
Facts: Modules/_threadmodule.c, Modules/_queuemodule.c, Modules/_multiprocessing/semaphore.c,
Python/parking_lot.c (struct wait_entry), Python/lock.c, Python/thread_pthread.h; glibc, nptl/semaphoreP.h.
"""

from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

from .memory import PAGE, Damaged, Memory
from .objects import MAX_ITEMS, Objects
from .reader import READ_ERRORS, Reader

LOCK = "lock"
RLOCK = "rlock"
SIMPLE_QUEUE = "simplequeue"
PROCESS_LOCK = "process lock"

# Module and name of each type, and the structure of its instances.
_TYPES = {
    LOCK: ("_thread", "LockType", "lockobject"),
    RLOCK: ("_thread", "RLock", "rlockobject"),
    SIMPLE_QUEUE: ("_queue", "SimpleQueue", "simplequeueobject"),
    PROCESS_LOCK: ("_multiprocessing", "SemLock", "SemLockObject"),
}
# The fields that point to a semaphore, and those that are parked at, by structure.
_SEMAPHORES = {"lockobject": "lock_lock", "rlockobject": "rlock_lock", "simplequeueobject": "lock",
               "SemLockObject": "handle"}
_PARKED_AT = {"lockobject": "lock", "rlockobject": "lock.mutex", "simplequeueobject": "has_threads_waiting"}

# struct wait_entry: from its semaphore, which is the futex, back to the address that it is parked at, and on
# to the links of its queue and the flag that it has been taken out of there to be woken. A sem_t has 32 bytes.
_ENTRY_ADDRESS = -8
_ENTRY_NODE = 32
_ENTRY_IS_UNPARKING = 48

# PyMutex (Include/cpython/lock.h, formerly internal).
_MUTEX_LOCKED = 1

# SemLockObject.kind.
_RECURSIVE_MUTEX = 0


class Parked(NamedTuple):
    """A thread in the parking lot: at which address, and whether another one is already waking it."""

    address: int
    woken: bool


class LockState(NamedTuple):
    """What a lock object says of itself; None for what it does not say.

    `owner` is the ident of the thread that holds it, of those kinds that know, and `level` how many times it
    does. `woken` says that it has been released, and a thread that stands there has yet to notice.
    """

    locked: Optional[bool]
    owner: Optional[int] = None
    level: Optional[int] = None
    woken: bool = False


class SharedSemaphore(NamedTuple):
    """The semaphore of a multiprocessing object: what it counts now and at most; `recursive` of an RLock."""

    value: int
    limit: int
    recursive: bool


class _Semaphores:
    """A structure that points to a semaphore."""

    def __init__(self, reader: Reader, struct: str, path: str) -> None:
        self._memory = reader.memory
        self._at = reader.layout[struct].offset(path)

    def waits_at(self, word: int, lock: int) -> bool:
        """Whether a thread whose futex is `word` waits for this object."""
        return self._memory.u64(lock + self._at) == word

    def posted(self, lock: int) -> bool:
        """Whether the semaphore is free to be taken: the lower half of its word counts (sem_post)."""
        return self._memory.u32(self._memory.u64(lock + self._at)) > 0


class _Parking:
    """A structure with an address in it that threads are parked at."""

    def __init__(self, reader: Reader, struct: str, path: str) -> None:
        self._memory = reader.memory
        self.offset = reader.layout[struct].offset(path)

    def waits_at(self, word: int, lock: int) -> bool:
        """Whether a thread whose futex is `word` waits for this object."""
        found = parked(self._memory, word)
        return found is not None and found.address == lock + self.offset

    def posted(self, lock: int) -> bool:
        """A thread in the parking lot has a semaphore of its own."""
        return False


class Locks:
    """Reads lock objects. All methods raise Unreadable, Damaged or MissingField, unless they say else."""

    def __init__(self, objects: Objects, type_of: Callable[[str, str], Iterable[int]]) -> None:
        """`type_of` gives the type objects of this name in this module, one for each interpreter that has it."""
        self._objects = objects
        self._reader = reader = objects.reader
        self._memory = reader.memory
        self._type_of = type_of
        self._kinds: Optional[Dict[int, str]] = None
        self._places: Dict[str, Union[_Semaphores, _Parking]] = {}
        for kind, (_module, _name, struct) in _TYPES.items():
            if reader.has(struct, _SEMAPHORES[struct]):
                self._places[kind] = _Semaphores(reader, struct, _SEMAPHORES[struct])
            elif reader.has(struct, _PARKED_AT.get(struct, "")):
                self._places[kind] = _Parking(reader, struct, _PARKED_AT[struct])
        self._parks = reader.layout.find("ThreadHandle") is not None

    def kind(self, address: int) -> Optional[str]:
        """Which kind of lock the object at `address` is, None for anything else. Never raises READ_ERRORS."""
        if self._kinds is None:
            self._kinds = {type_: kind for kind, (module, name, _struct) in _TYPES.items() if kind in self._places
                           for type_ in self._type_of(module, name)}
        try:
            return self._kinds.get(self._reader.pointer(address, "PyObject", "ob_type"))
        except READ_ERRORS:
            return None

    def parked(self, word: int) -> Optional[Parked]:
        """What a thread with this futex is parked at, None where it is not in the parking lot."""
        return parked(self._memory, word) if self._parks else None

    def parked_object(self, address: int) -> Optional[int]:
        """The lock object that is parked at by this address, None where it is no lock object's."""
        for kind, place in self._places.items():
            if isinstance(place, _Parking) and self.kind(address - place.offset) == kind:
                return address - place.offset
        return None

    def waits_at(self, word: int, lock: int) -> bool:
        """Whether a thread whose futex is `word` waits for this object. Never raises READ_ERRORS."""
        kind = self.kind(lock)
        try:
            return kind is not None and self._places[kind].waits_at(word, lock)
        except READ_ERRORS:
            return False

    def among(self, word: int, candidates: Iterable[int]) -> Optional[int]:
        """The lock object among these words that a thread whose futex is `word` waits for."""
        seen = set()
        for candidate in candidates:
            if candidate & 7 or candidate in seen:
                continue
            seen.add(candidate)
            if self.waits_at(word, candidate):
                return candidate
        return None

    def state(self, lock: int) -> LockState:
        """Whether a lock is held, and by whom as far as it knows itself."""
        kind = self.kind(lock)
        reader = self._reader
        if kind == LOCK:
            woken = self._places[LOCK].posted(lock)
            if reader.has("lockobject", "locked"):
                locked = bool(reader.integer(lock, "lockobject", "locked"))
            else:
                locked = bool(reader.integer(lock, "lockobject", "lock") & _MUTEX_LOCKED)
            return LockState(locked, woken=woken)
        if kind == RLOCK:
            return self._recursive(lock)
        if kind == PROCESS_LOCK:
            return self._process_lock(lock)
        return LockState(None)

    def recursive_mutex(self, struct: str, path: str, address: int) -> LockState:
        """A _PyRecursiveMutex (3.13): held once at level 0."""
        reader = self._reader
        locked = bool(reader.integer(address, struct, path + ".mutex") & _MUTEX_LOCKED)
        owner = reader.integer(address, struct, path + ".thread")
        return LockState(locked, (owner or None) if locked else None,
                         reader.integer(address, struct, path + ".level") + 1 if locked else 0)

    def _recursive(self, lock: int) -> LockState:
        reader = self._reader
        if reader.has("rlockobject", "lock.mutex"):
            return self.recursive_mutex("rlockobject", "lock", lock)
        owner = reader.integer(lock, "rlockobject", "rlock_owner")
        count = reader.integer(lock, "rlockobject", "rlock_count")
        # Both are set by a thread that has taken the semaphore; the owner stays when it lets go.
        return LockState(count > 0, owner if count else None, count, self._places[RLOCK].posted(lock))

    def _process_lock(self, lock: int) -> LockState:
        """A lock that processes share: its value is in the semaphore, what this process has of it in the object."""
        reader = self._reader
        shared = self.shared_semaphore(lock)
        count = reader.integer(lock, "SemLockObject", "count", signed=True)
        owned = count > 0 and (shared.limit == 1 or shared.recursive)
        owner = reader.integer(lock, "SemLockObject", "last_tid") if owned else None
        return LockState(shared.value == 0, owner, count)

    def shared_semaphore(self, lock: int) -> SharedSemaphore:
        """The semaphore of a PROCESS_LOCK."""
        reader = self._reader
        return SharedSemaphore(
            self._memory.u32(reader.pointer(lock, "SemLockObject", "handle")),
            reader.integer(lock, "SemLockObject", "maxvalue", signed=True),
            reader.integer(lock, "SemLockObject", "kind") == _RECURSIVE_MUTEX)

    def simple_queue_items(self, queue: int) -> List[int]:
        """The objects in a SimpleQueue: the rest of a list, or since 3.13 a ring."""
        reader = self._reader
        if reader.has("simplequeueobject", "lst"):
            items = self._objects.list_items(reader.pointer(queue, "simplequeueobject", "lst"))
            return [item for item in items[reader.integer(queue, "simplequeueobject", "lst_pos"):] if item]
        count, room, start = (reader.integer(queue, "simplequeueobject", "buf." + name, signed=True)
                              for name in ("num_items", "items_cap", "get_idx"))
        if not 0 <= count <= room <= MAX_ITEMS or not 0 <= start <= room:
            raise Damaged(queue, f"queue of {count} items with room for {room}")
        items = self._objects.pointers(reader.pointer(queue, "simplequeueobject", "buf.items"), room)
        return [items[(start + index) % room] for index in range(count)]

    def deque_items(self, deque: int) -> List[int]:
        """The objects in a collections.deque: blocks of 64, filled from the middle (Modules/_collectionsmodule.c)."""
        reader = self._reader
        count = self._objects.size(deque)
        block = reader.pointer(deque, "dequeobject", "leftblock")
        index = reader.integer(deque, "dequeobject", "leftindex", signed=True)
        offset, size = reader.layout["block"].field("data")[:2]
        room = size // 8
        if not 0 <= count <= MAX_ITEMS or not 0 <= index <= room:
            raise Damaged(deque, f"deque of {count} items from {index}")
        found: List[int] = []
        while len(found) < count:
            found += self._objects.pointers(block + offset, room)[index:]
            block, index = reader.pointer(block, "block", "rightlink"), 0
        return found[:count]

    def words(self, start: int, size: int) -> List[int]:
        """The words of a piece of memory, as far as it can be read: it may reach beyond the end of a stack."""
        start &= ~7
        raw = b""
        while len(raw) < size:
            at = start + len(raw)
            try:
                raw += self._memory.read(at, min(size - len(raw), PAGE - at % PAGE))
            except READ_ERRORS:
                break
        return list(memoryview(raw).cast("Q"))


def parked(memory: Memory, word: int) -> Optional[Parked]:
    """What a thread whose futex is `word` is parked at; None where that is no struct wait_entry.

    The entry is in a ring of entries and of a bucket's root, until whoever wakes it takes it out.
    """
    try:
        address = memory.u64(word + _ENTRY_ADDRESS)
        woken = memory.integer(word + _ENTRY_IS_UNPARKING, 1)
        node = word + _ENTRY_NODE
        following, before = memory.u64(node), memory.u64(node + 8)
        if woken == 1:
            return Parked(address, True)
        if woken == 0 and memory.u64(following + 8) == node and memory.u64(before) == node:
            return Parked(address, memory.u32(word) > 0)
    except READ_ERRORS:
        pass
    return None


Handle = Tuple[int, int]


def thread_handle(reader: Reader, address: int) -> Optional[Handle]:
    """The (ThreadHandle, ident) whose end is waited for by parking at `address`. Raises READ_ERRORS.

    That is its event thread_is_exiting, 3.13 and later; then a call joins the native thread.
    """
    struct = reader.layout.find("ThreadHandle")
    if struct is None:
        return None
    handle = address - struct.offset("thread_is_exiting")
    if handle & 7:
        return None
    return handle, reader.integer(handle, "ThreadHandle", "ident")
