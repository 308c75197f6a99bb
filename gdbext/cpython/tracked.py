"""Which objects the garbage collector tracks, in builds that keep lists of them and in those that keep none.

Facts: Include/internal/pycore_gc.h (_PyObject_GC_IS_TRACKED); Include/objimpl.h (3.6, 3.7).
"""

from typing import Iterator, List, Sequence

from .gc_lists import GcLists
from .heap_objects import Group
from .heap_walk import HeapWalk
from .memory import Region
from .runtime import Runtime

# In the byte of flags of a free-threaded build's objects: _PyGC_BITS_TRACKED, _PyGC_BITS_FROZEN.
TRACKED_BIT = 1
FROZEN_BIT = 8


class TrackedObjects:
    """All objects that the collector tracks, in all generations, and frozen ones (gc.freeze()).

    They come from the collector's lists, which is quicker than going through the heap. Free-threaded builds
    have no such lists: the pages of mimalloc are gone through, which are looked for in `regions`.
    """

    def __init__(self, runtime: Runtime, regions: Sequence[Region]) -> None:
        self._runtime = runtime
        self._regions = regions
        # Why objects may be missing from what addresses() gave: one sentence each.
        self.problems: List[str] = []

    def addresses(self) -> Iterator[int]:
        """Where they are. Raises READ_ERRORS at first."""
        if self._runtime.layout.free_threaded:
            walk, tracked = HeapWalk(self._runtime, self._regions), Tracked(self._runtime)
            for group in walk.groups():
                if group.type.tracks and tracked.keep(group):
                    yield from group.addresses()
            self.problems = walk.problems
            return
        lists = GcLists(self._runtime)
        yield from lists.objects()
        self.problems = lists.problems


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
