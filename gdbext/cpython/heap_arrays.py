"""The objects in blocks of one size, found with numpy where the Python that runs this has it.

The same objects as heap_objects.py finds, which says why they are some, several times as quickly.
"""

import os
import signal
import sys
from types import ModuleType
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from .heap import Run
from .heap_objects import (
    LOWEST_POINTER,
    MAX_ADDRESS,
    SHARED_SHIFT,
    TELLING_BYTES,
    Group,
    HeapObjects,
    HeapType,
    RunSource,
    Some,
    Split,
)
from .memory import PAGE, PAGE_BITS, Memory, Unreadable

# Bits of the number that a type's address is looked up with.
_HASH_BITS = 16
# An odd number without a pattern: 2 to the power of 64, divided by the golden ratio (Knuth, 6.4).
_HASH_FACTOR = 0x9E3779B97F4A7C15

_THREADS_OF_OPENBLAS = "OPENBLAS_NUM_THREADS"

_found: List[Optional[ModuleType]] = []


def numpy() -> Optional[ModuleType]:
    """numpy, None where it is not there or does not load."""
    if not _found:
        # What it brings may start threads, which must not take gdb's signals. OpenBLAS, which is not needed, would
        # start one for each processor, and each is busy for a while.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        of_user = os.environ.get(_THREADS_OF_OPENBLAS)
        os.environ[_THREADS_OF_OPENBLAS] = "1"
        try:
            import numpy as module
            _found.append(module)
        except Exception:
            # It may have been made for another Python, or lack a library.
            _found.append(None)
        finally:
            if of_user is None:
                del os.environ[_THREADS_OF_OPENBLAS]
            else:
                os.environ[_THREADS_OF_OPENBLAS] = of_user
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return _found[0]


def is_loaded() -> bool:
    """Whether numpy() takes no time: numpy was loaded before, by whomever."""
    return bool(_found) or "numpy" in sys.modules


def distinct(numbers: Any) -> List[int]:
    """Each of the numbers in an array once. To sort them takes less than to look them up."""
    numbers.sort()
    return numbers[:1].tolist() + numbers[1:][numbers[1:] != numbers[:-1]].tolist()


class _Index:
    """Known types, to be looked up by many addresses at one time."""

    def __init__(self, np: Any, known: Mapping[int, HeapType]) -> None:
        self._np = np
        self.words = np.array([0, *known], dtype=np.uint64)
        slots = self._slots(self.words)
        self._table = np.zeros(1 << _HASH_BITS, dtype=np.uint16 if len(self.words) < 1 << 16 else np.uint32)
        # Of those that share a slot the last one has it.
        self._table[slots] = np.arange(len(self.words))
        self._table[slots[0]] = 0
        self._others = np.flatnonzero(self._table[slots] != np.arange(len(self.words))).tolist()

    def _slots(self, words: Any) -> Any:
        return words * self._np.uint64(_HASH_FACTOR) >> self._np.uint64(64 - _HASH_BITS)

    def of(self, words: Any) -> Any:
        """For each word the number that it has in `words`, 0 where it is none."""
        found = self._table[self._slots(words)]
        found[self.words[found] != words] = 0
        for number in self._others:
            found[words == self.words[number]] = number
        return found


class ArraySource(RunSource):
    """The blocks of a run, as RunSource has them; some of them are an array of their numbers."""

    def __init__(self, np: Any, run: Run, indexes: Dict[int, Tuple[int, _Index]]) -> None:
        """`indexes` keeps what types are looked up with, by the id of the dict that has them."""
        self.np = np
        self.number = run.number
        self._run = run
        self.width = run.size // 8
        self._words = np.frombuffer(run.words, dtype=np.uint64)
        # Two bytes each.
        self._pairs = np.frombuffer(run.words, dtype=np.uint16)
        self._indexes = indexes
        self.used = None
        if run.free:
            used = np.ones(run.number, dtype=bool)
            used[run.free] = False
            self.used = np.flatnonzero(used)

    def array(self, at: int, numbers: Optional[Any] = None) -> Any:
        """The word that each block, or each of these, has at a place."""
        column = self._words[at::self.width]
        return column if numbers is None else column[numbers]

    def column(self, at: int) -> List[int]:
        return self.array(at).tolist()

    def none(self) -> Some:
        return self.np.zeros(0, dtype=self.np.intp)

    def both(self, some: Some, numbers: Any) -> Some:
        return self.np.concatenate([some, numbers])

    def has_only(self, at: int, size: int, zero: bool, some: Some) -> bool:
        return False

    def same(self, at: int) -> Optional[int]:
        column = self.array(at)
        return int(column[0]) if column[0] == column[-1] and (column == column[0]).all() else None

    def addresses(self) -> List[int]:
        return self.places().tolist()

    def places(self) -> Any:
        """Where each block begins."""
        np, size = self.np, self._run.size
        return np.concatenate([np.arange(first, first + number * size, size, dtype=np.uint64)
                               for first, number in self._run.parts])

    def split(self, place: int, count_place: Optional[int], known: Mapping[int, HeapType], some: Some) -> Split:
        np, numbers = self.np, some
        others = numbers[:0] if numbers is not None else np.zeros(0, dtype=np.intp)
        if count_place is not None:
            flags = self._pairs[(8 * count_place + TELLING_BYTES[0]) // 2::self._run.size // 2] == 0
            if numbers is not None:
                flags = flags[numbers]
            if not flags.all():
                others, numbers = (np.flatnonzero(~flags), np.flatnonzero(flags)) if numbers is None else (
                    numbers[~flags], numbers[flags])
        words = self.array(place, numbers)
        if numbers is None:
            numbers = np.arange(self.number)
        by_word: Dict[int, Some] = {}
        rest = np.ones(len(words), dtype=bool)
        for word in self._frequent(place, known):
            found = words == np.uint64(word)
            by_word[word] = numbers[found]
            rest &= ~found
        words, numbers = words[rest], numbers[rest]
        if not len(words):
            return Split(by_word, others, [])
        kinds = self._index(known).of(words)
        unknown = kinds == 0
        if unknown.any():
            others = np.concatenate([others, numbers[unknown]])
            candidates = words[unknown]
            candidates = distinct(candidates[(candidates & np.uint64(7) == 0) & (candidates >= LOWEST_POINTER)])
        else:
            candidates = []
        # Small integers are sorted by their digits, which takes less than to look for each kind.
        order = np.argsort(kinds, kind="stable")
        ends = np.cumsum(np.bincount(kinds)).tolist()
        numbers = numbers[order]
        by_word.update((int(word), numbers[start:end]) for word, start, end in zip(
            self._index(known).words[1:len(ends)].tolist(), ends, ends[1:]) if start < end)
        return Split(by_word, others, candidates)

    def _index(self, known: Mapping[int, HeapType]) -> _Index:
        found = self._indexes.get(id(known))
        if found is None or found[0] != len(known):
            found = self._indexes[id(known)] = len(known), _Index(self.np, known)
        return found[1]


def words_at(np: Any, memory: Memory, addresses: Any, count: int) -> Tuple[Any, Any]:
    """`count` words at each address, a row each, and which of them could be read all at once."""
    found = np.zeros((len(addresses), count), dtype=np.uint64)
    there = np.zeros(len(addresses), dtype=bool)
    order = np.argsort(addresses)
    addresses = addresses[order]
    pages = addresses >> np.uint64(PAGE_BITS)
    is_new = np.concatenate([[True], pages[1:] != pages[:-1]])
    pages = pages[is_new]
    # Pages side by side are read together.
    breaks = np.flatnonzero(pages[1:] - pages[:-1] != 1) + 1
    firsts, sizes = pages[np.concatenate([[0], breaks])], np.diff(np.concatenate([[0], breaks, [len(pages)]]))
    room = memoryview(bytearray(len(pages) << PAGE_BITS))
    try:
        memory.gather([(first << PAGE_BITS, size << PAGE_BITS) for first, size in zip(firsts.tolist(), sizes.tolist())],
                      room)
    except Unreadable:
        return found, there
    at = (addresses & np.uint64(PAGE - 1)) >> np.uint64(3)
    within = (addresses & np.uint64(7) == 0) & (at <= (PAGE >> 3) - count)
    at = at[within].astype(np.intp) + (np.cumsum(is_new)[within] - 1 << PAGE_BITS - 3)
    found[order[within]] = np.frombuffer(room, dtype=np.uint64)[at[:, None] + np.arange(count)]
    there[order[within]] = True
    return found, there


class ArrayGroup(Group):
    """Objects of one type, out of an ArraySource."""

    __slots__ = ()
    _source: ArraySource

    @property
    def np(self) -> Any:
        """numpy."""
        return self._source.np

    def array(self, offset: int) -> Any:
        """The words at an offset in bytes, a multiple of 8, from where each object begins."""
        return self._source.array(self._at + (offset >> 3), self._some)

    def column(self, offset: int) -> List[int]:
        return self.array(offset).tolist()

    def total(self, offset: int) -> int:
        return int(self.array(offset).sum())

    def largest(self, offset: int) -> int:
        return int(self.array(offset).max())

    def places(self) -> Any:
        """Where the objects are."""
        places = self._source.places()
        return (places if self._some is None else places[self._some]) + self._source.np.uint64(8 * self._at)

    def addresses(self) -> List[int]:
        return self.places().tolist()

    def keep(self, flags: Sequence[bool]) -> Any:
        np = self._source.np
        kept = np.asarray(flags, dtype=bool)
        numbers: Any = np.arange(self._source.number) if self._some is None else self._some
        self._some = numbers[kept]
        return numbers[~kept]

    def numbers(self) -> Sequence[int]:
        numbers: Any = self._some
        return range(self._source.number) if numbers is None else numbers.tolist()


class ArrayObjects(HeapObjects):
    """Recognizes the objects in blocks of one size with numpy."""

    np: Any

    def use(self, np: Any) -> None:
        """Say what numpy is."""
        self.np = np
        self._indexes: Dict[int, Tuple[int, _Index]] = {}

    def in_run(self, run: Run) -> Iterator[Group]:
        return self._in_source(ArraySource(self.np, run, self._indexes), run.head, run.size)

    def _group(self, *arguments: Any) -> Group:
        return (ArrayGroup if isinstance(arguments[1], ArraySource) else Group)(*arguments)

    def _sift(self, group: Group) -> Any:
        if not isinstance(group, ArrayGroup):
            return super()._sift(group)
        np = self.np
        dead = np.zeros(0, dtype=np.intp)
        if group.type.tracks and self._gc_head and not self._heads_unwritten:
            links = group.array(-self._gc_head)
            if links.max() >= MAX_ADDRESS:
                dead = group.keep(links < MAX_ADDRESS)
                if not len(group):
                    return dead
        counts = group.array(self._count_at)
        if self._free_threaded:
            if counts.min() < 1 << 32:
                shared = group.array(self._shared_at) >> np.uint64(SHARED_SHIFT)
                living = (counts >> np.uint64(32) != 0) | (shared > 0) & (shared < 1 << 61)
                dead = np.concatenate([dead, group.keep(living)])
        elif counts.min() == 0 or counts.max() >= LOWEST_POINTER:
            odd = distinct(counts[(counts == 0) | (counts >= LOWEST_POINTER)])
            none = [count for count in odd if not self._is_count(count)]
            if none:
                dead = np.concatenate([dead, group.keep(~np.isin(counts, np.array(none, dtype=np.uint64)))])
            if group.type.tracks and len(odd) > len(none):
                dead = np.concatenate([dead, np.asarray(self._without_links(group), dtype=np.intp)])
        return dead

    def _with_many(self, group: Group) -> Iterable[Tuple[int, int]]:
        if not isinstance(group, ArrayGroup):
            return super()._with_many(group)
        places = self.np.flatnonzero(group.array(self._count_at) >= LOWEST_POINTER)
        return zip(places.tolist(), group.places()[places].tolist())
