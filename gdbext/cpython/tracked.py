"""Which objects the garbage collector tracks, in builds that keep lists of them and in those that keep none.

Facts: Include/internal/pycore_gc.h (_PyObject_GC_IS_TRACKED); Include/objimpl.h (3.6, 3.7).
"""

from typing import Callable, Iterator, List, Sequence, Set

from .gc_lists import GcLists
from .heap_objects import Group
from .heap_walk import HeapWalk, Progress, Report
from .memory import Region
from .reader import READ_ERRORS
from .runtime import Runtime

# In the byte of flags of a free-threaded build's objects: _PyGC_BITS_TRACKED, _PyGC_BITS_FROZEN.
TRACKED_BIT = 1
FROZEN_BIT = 8

# Objects of the collector's lists between two reports of progress.
_STEP = 8192


class TrackedObjects:
    """The objects that the collector tracks, in all generations, and frozen ones (gc.freeze()).

    They come from the collector's lists, which tell new from old. Free-threaded builds have no such lists; those of
    others may break off, or a collection that runs has taken objects out of them. Then the heap is gone through,
    which is in `regions`.
    """

    def __init__(self, runtime: Runtime, regions: Sequence[Region], report: Report = lambda progress: None) -> None:
        self._runtime = runtime
        self._regions = regions
        self._report = report
        self._done = 0
        # Why objects may be missing from what there was: one sentence each.
        self.problems: List[str] = []

    def of_types(self, is_wanted: Callable[[int], bool]) -> Iterator[Iterator[int]]:
        """The addresses of the objects of those types that `is_wanted` tells by their addresses, each object once.

        List by list, that of the youngest generation first and in each the oldest object; at last those that are in
        none, in no order. Raises READ_ERRORS.
        """
        listed: Set[int] = set()
        if not self._runtime.layout.free_threaded:
            lists = GcLists(self._runtime)
            for head in lists.heads():
                yield self._of_list(lists, head, is_wanted, listed)
            if not self.problems and not lists.is_collecting():
                return
        yield self._of_heap(is_wanted, listed)

    def _of_list(self, lists: GcLists, head: int, is_wanted: Callable[[int], bool], listed: Set[int]) -> Iterator[int]:
        u64, type_at = self._runtime.memory.u64, self._runtime.layout["PyObject"].offset("ob_type")
        try:
            for address in lists.members(head):
                self._done += 1
                if not self._done % _STEP:
                    self._report(Progress(self._done, 0))
                if is_wanted(u64(address + type_at)):
                    listed.add(address)
                    yield address
        except READ_ERRORS as error:
            self.problems.append(f"Objects may be missing: {error}.")

    def _of_heap(self, is_wanted: Callable[[int], bool], listed: Set[int]) -> Iterator[int]:
        walk, tracked = HeapWalk(self._runtime, self._regions, self._report), Tracked(self._runtime)
        for group in walk.groups():
            if group.type.tracks and is_wanted(group.type.address) and tracked.keep(group):
                yield from (address for address in group.addresses() if address not in listed)
        self.problems += walk.problems


class Tracked:
    """Tells which objects of a group the collector tracks, by their heads."""

    # _PyGC_REFS_UNTRACKED, in 3.6 and 3.7 shifted past a flag.
    _UNTRACKED = -2
    _REFS_SHIFT = 1

    def __init__(self, runtime: Runtime) -> None:
        layout = runtime.layout
        self._bit = 0
        self._refs = False
        if layout.free_threaded:
            at = layout["PyObject"].offset("ob_gc_bits")
            self._at, self._bit = at & ~7, TRACKED_BIT << 8 * (at & 7)
            return
        head = layout["PyGC_Head"]
        self._refs = "gc.gc_refs" in head
        self._at = head.offset("gc.gc_refs", "_gc_next") - head.size

    def keep(self, group: Group) -> bool:
        """Leave in a group only those that are tracked; whether there are any."""
        group.keep(self.of(group))
        return len(group) > 0

    def of(self, group: Group) -> List[bool]:
        """Whether each of a group is tracked."""
        column = group.column(self._at)
        if self._bit:
            return [bool(word & self._bit) for word in column]
        if self._refs:
            untracked = self._UNTRACKED & (1 << 64 - self._REFS_SHIFT) - 1
            return [word >> self._REFS_SHIFT != untracked for word in column]
        return [bool(word) for word in column]
