"""gdbext.cpython.locks: which lock a futex belongs to, and what lock objects say, in every layout."""

from typing import Dict, Iterator, List, Optional

import pytest

from gdbext.cpython.locks import (
    LOCK,
    PROCESS_LOCK,
    RLOCK,
    SIMPLE_QUEUE,
    Locks,
    LockState,
    Parked,
    parked,
    thread_handle,
)
from gdbext.cpython.memory import Damaged, Unreadable
from gdbext.cpython.objects import Objects
from gdbext.cpython.reader import Reader
from tests.unit.builder import IDS, TABLES, Builder

STRUCTS = {LOCK: "lockobject", RLOCK: "rlockobject", SIMPLE_QUEUE: "simplequeueobject",
           PROCESS_LOCK: "SemLockObject"}
NAMES = {("_thread", "LockType"): LOCK, ("_thread", "RLock"): RLOCK, ("_queue", "SimpleQueue"): SIMPLE_QUEUE,
         ("_multiprocessing", "SemLock"): PROCESS_LOCK}


class Made:
    """Lock objects of one layout, and threads that wait for them."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.reader = Reader(builder.memory, builder.layout)
        self.types = {kind: builder.type(kind) for kind in STRUCTS}
        self.locks = Locks(Objects(self.reader), self._type_of)

    def _type_of(self, module: str, name: str) -> Iterator[int]:
        yield self.types[NAMES[module, name]]

    def uses_semaphore(self, kind: str) -> bool:
        """Whether objects of this kind point to a semaphore."""
        path = {LOCK: "lock_lock", RLOCK: "rlock_lock", SIMPLE_QUEUE: "lock", PROCESS_LOCK: "handle"}[kind]
        return self.builder.layout.has(STRUCTS[kind], path)

    def object(self, kind: str, semaphore_value: int = 0) -> int:
        """An object of this kind, with a semaphore where it has one."""
        address = self.builder.object(self.types[kind], STRUCTS[kind])
        if self.uses_semaphore(kind):
            path = {LOCK: "lock_lock", RLOCK: "rlock_lock", SIMPLE_QUEUE: "lock", PROCESS_LOCK: "handle"}[kind]
            self.builder.set(address, STRUCTS[kind], path, self.semaphore(semaphore_value))
        return address

    def semaphore(self, value: int = 0) -> int:
        """A sem_t; the upper half of its word counts those that wait."""
        return self.builder.words([value | 3 << 32, 0, 0, 0])

    def entry(self, address: int, woken: bool = False, value: int = 0) -> int:
        """The futex of a thread that is parked at an address: a struct wait_entry in a ring with a bucket's root."""
        b = self.builder
        entry = b.words([0, address, value, 0, 0, 0, 0, 0, int(woken)])
        root = b.words([entry + 48, entry + 48])
        b.write(entry + 48, root.to_bytes(8, "little") + root.to_bytes(8, "little"))
        return entry + 16

    def word(self, kind: str, lock: int) -> int:
        """The futex of a thread that waits for this object."""
        if self.uses_semaphore(kind):
            path = {LOCK: "lock_lock", RLOCK: "rlock_lock", SIMPLE_QUEUE: "lock", PROCESS_LOCK: "handle"}[kind]
            return self.reader.pointer(lock, STRUCTS[kind], path)
        path = {LOCK: "lock", RLOCK: "lock.mutex", SIMPLE_QUEUE: "has_threads_waiting"}[kind]
        return self.entry(lock + self.builder.layout[STRUCTS[kind]].offset(path))

    def found(self, word: int, candidates: List[int]) -> Optional[int]:
        """The lock object of a futex, as a thread's registers or the parking lot tell."""
        at = self.locks.parked(word)
        lock = self.locks.parked_object(at.address) if at is not None else None
        return lock if lock is not None else self.locks.among(word, candidates)


@pytest.fixture(params=IDS)
def made(request: pytest.FixtureRequest) -> Made:
    """Locks of each table."""
    return Made(Builder(TABLES[request.param]))


def kinds(made: Made) -> List[str]:
    """The kinds that this version has."""
    return [kind for kind, struct in STRUCTS.items() if made.builder.layout.find(struct) is not None]


def test_the_lock_of_a_futex(made: Made) -> None:
    for kind in kinds(made):
        lock, other = made.object(kind), made.object(kind)
        word = made.word(kind, lock)
        assert made.locks.kind(lock) == kind
        assert made.locks.waits_at(word, lock) and not made.locks.waits_at(word, other)
        # Registers and stack words hold anything besides.
        assert made.found(word, [0, 1, (1 << 64) - 8, word, other, lock + 4, lock]) == lock
        if made.uses_semaphore(kind):
            assert made.found(word, [other]) is None


def test_a_lock_that_is_being_freed_is_none(made: Made) -> None:
    """Its memory is another object's, the allocator's, or nobody's."""
    for kind in kinds(made):
        lock = made.object(kind)
        word = made.word(kind, lock)
        type_at = lock + made.builder.layout["PyObject"].offset("ob_type")
        for garbage in (0, 0xDDDD_DDDD_DDDD_DDDD, made.builder.type("int")):
            made.builder.u64(type_at, garbage)
            assert made.locks.kind(lock) is None
            assert not made.locks.waits_at(word, lock)
            assert made.found(word, [lock]) is None
            assert made.locks.state(lock) == LockState(None)
        made.builder.memory.make_unreadable(lock, 8)
        assert made.found(word, [lock]) is None


def test_the_state_of_a_lock(made: Made) -> None:
    b = made.builder
    lock = made.object(LOCK)
    path = "locked" if b.layout.has("lockobject", "locked") else "lock"
    for value, locked in ((0, False), (1, True)) + (((3, True), (2, False)) if path == "lock" else ()):
        b.set(lock, "lockobject", path, value)
        assert made.locks.state(lock) == LockState(locked)
    if made.uses_semaphore(LOCK):
        # Somebody has let it go, and will say so in the object, or a waiter has yet to take it.
        free = made.object(LOCK, semaphore_value=1)
        b.set(free, "lockobject", "locked", 1)
        assert made.locks.state(free) == LockState(True, woken=True)
    b.memory.make_unreadable(lock + b.layout["lockobject"].offset(path), 1)
    with pytest.raises(Unreadable):
        made.locks.state(lock)


def test_the_state_of_an_rlock(made: Made) -> None:
    b = made.builder
    lock = made.object(RLOCK)
    if b.layout.has("rlockobject", "lock.mutex"):
        fields: Dict[str, str] = {"owner": "lock.thread", "level": "lock.level"}
        for bits, owner, level, expected in ((0, 0, 0, LockState(False, None, 0)), (1, 77, 0, LockState(True, 77, 1)),
                                             (3, 77, 4, LockState(True, 77, 5)), (1, 0, 0, LockState(True, None, 1))):
            b.set(lock, "rlockobject", "lock.mutex", bits)
            b.set(lock, "rlockobject", fields["owner"], owner)
            b.set(lock, "rlockobject", fields["level"], level)
            assert made.locks.state(lock) == expected
        return
    for owner, count, expected in ((0, 0, LockState(False, None, 0)), (77, 3, LockState(True, 77, 3)),
                                   # The owner stays when it lets go.
                                   (77, 0, LockState(False, None, 0))):
        b.set(lock, "rlockobject", "rlock_owner", owner)
        b.set(lock, "rlockobject", "rlock_count", count)
        assert made.locks.state(lock) == expected


def test_the_state_of_a_lock_that_processes_share(made: Made) -> None:
    b = made.builder
    for value, count, most, kind, expected in (
            (0, 1, 1, 1, LockState(True, 77, 1)), (0, 0, 1, 1, LockState(True, None, 0)),
            (1, 0, 1, 1, LockState(False, None, 0)), (0, 2, 1, 0, LockState(True, 77, 2)),
            # Of a semaphore, who took one last is no owner.
            (0, 2, 5, 1, LockState(True, None, 2))):
        lock = made.object(PROCESS_LOCK, semaphore_value=value)
        for path, number in (("last_tid", 77), ("count", count), ("maxvalue", most), ("kind", kind)):
            b.set(lock, "SemLockObject", path, number)
        assert made.locks.state(lock) == expected


def test_the_parking_lot() -> None:
    made = Made(Builder(TABLES["3.14.8"]))
    memory = made.builder.memory
    word = made.entry(0x1234)
    assert parked(memory, word) == Parked(0x1234, False)
    assert parked(memory, made.entry(0x1234, value=1)) == Parked(0x1234, True)
    assert parked(memory, made.entry(0x1234, woken=True)) == Parked(0x1234, True)
    # Any other semaphore: what lies around it is in no ring.
    assert parked(memory, made.builder.words([0, 0x1234, 0, 0, 0, 0, 0x40, 0x50, 0]) + 16) is None
    assert parked(memory, made.builder.words([0, 0x1234, 0, 0, 0, 0, word, word, 0]) + 16) is None
    assert parked(memory, 0x10) is None
    assert Made(Builder(TABLES["3.11.7"])).locks.parked(word) is None


def test_the_end_of_a_thread() -> None:
    for name in IDS:
        made = Made(Builder(TABLES[name]))
        b = made.builder
        if b.layout.find("ThreadHandle") is None:
            assert thread_handle(made.reader, 0x1000) is None
            continue
        handle = b.struct("ThreadHandle", ident=0x7F00)
        at = b.layout["ThreadHandle"].offset("thread_is_exiting")
        assert thread_handle(made.reader, handle + at) == (handle, 0x7F00)
        assert thread_handle(made.reader, handle + at + 1) is None


def test_the_items_of_a_simple_queue(made: Made) -> None:
    b = made.builder
    if b.layout.find("simplequeueobject") is None:
        return
    queue = made.object(SIMPLE_QUEUE)
    if b.layout.has("simplequeueobject", "lst"):
        # What has been taken out is null until the list is cut.
        b.set(queue, "simplequeueobject", "lst", b.list([0, 0, 11, 12]))
        b.set(queue, "simplequeueobject", "lst_pos", 2)
        assert made.locks.simple_queue_items(queue) == [11, 12]
        return
    ring = b.words([13, 0, 0, 11, 12])
    for path, value in (("items", ring), ("items_cap", 5), ("get_idx", 3), ("num_items", 3)):
        b.set(queue, "simplequeueobject", "buf." + path, value)
    assert made.locks.simple_queue_items(queue) == [11, 12, 13]
    b.set(queue, "simplequeueobject", "buf.num_items", 6)
    with pytest.raises(Damaged):
        made.locks.simple_queue_items(queue)


def test_the_items_of_a_deque(made: Made) -> None:
    b = made.builder
    offset, size = b.layout["block"].field("data")[:2]
    room = size // 8
    blocks = [b.struct("block", rightlink=0) for _ in range(3)]
    items = list(range(1000, 1000 + room + 10))
    places = [(block, index) for block in blocks for index in range(room)][room - 3:]
    for item, (block, index) in zip(items, places):
        b.u64(block + offset + 8 * index, item)
    for block, following in zip(blocks, blocks[1:]):
        b.set(block, "block", "rightlink", following)
    deque = b.object(b.type("collections.deque"), "dequeobject")
    b.set(deque, "PyVarObject", "ob_size", len(items))
    b.set(deque, "dequeobject", "leftblock", blocks[0])
    b.set(deque, "dequeobject", "leftindex", room - 3)
    assert made.locks.deque_items(deque) == items
    # A block that is missing: an error, and no loop.
    b.set(blocks[1], "block", "rightlink", blocks[0])
    b.set(deque, "PyVarObject", "ob_size", -1)
    with pytest.raises(Damaged):
        made.locks.deque_items(deque)


def test_the_end_of_a_stack(made: Made) -> None:
    """A program with few variables and arguments has little above the frames of its main thread."""
    b = made.builder
    start = b.words([7] * 1536)
    end = (start | 4095) + 1
    b.memory.make_unreadable(end, 4096)
    assert made.locks.words(start + 3, 4096) == [7] * ((end - start) // 8)
    assert made.locks.words(end, 4096) == []
