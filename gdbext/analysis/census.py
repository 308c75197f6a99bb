"""What is on the heap: how many objects of each type there are, and how many bytes they take."""

from typing import Dict, List, NamedTuple, Sequence

from ..cpython.heap_objects import HeapType
from ..cpython.heap_walk import HeapWalk, Report
from ..cpython.memory import Region
from ..cpython.runtime import Runtime
from ..cpython.sizes import Sizes
from ..cpython.tracked import Tracked
from ..cpython.type_names import TypeNames

# Types whose names a note spells out.
MAX_NAMED = 3


class Row(NamedTuple):
    """One type: how many objects, and their bytes as sys.getsizeof() counts them."""

    type: str
    count: int  # type: ignore[assignment]  # a tuple's method
    bytes: int


class Census(NamedTuple):
    """All types. `how` says how they were counted; `notes` what the reader has to know, a sentence each.

    `blocks` is how many blocks of pymalloc are in use, as in sys.getallocatedblocks(). `partial` is
    set where the count was interrupted.
    """

    rows: List[Row]
    how: str
    notes: List[str]
    blocks: int
    partial: bool

    @property
    def objects(self) -> int:
        """How many in all."""
        return sum(row.count for row in self.rows)

    @property
    def bytes(self) -> int:
        """How many bytes in all."""
        return sum(row.bytes for row in self.rows)


def take(runtime: Runtime, regions: Sequence[Region], report: Report = lambda progress: None,
         tracked_only: bool = False) -> Census:
    """Count the objects of a runtime. Raises READ_ERRORS where the heap can't be found.

    `tracked_only` counts what the collector tracks: what gc.get_objects() lists, and gc.freeze() hid from it.

    A KeyboardInterrupt ends it early, with what was counted so far.
    """
    walk = HeapWalk(runtime, regions, report)
    sizes = Sizes(runtime)
    tracked = Tracked(runtime)
    counts: Dict[HeapType, List[int]] = {}
    partial = False
    try:
        for group in walk.groups():
            found = counts.get(group.type)
            if found is None:
                found = counts[group.type] = [0, 0]
            if tracked_only:
                if not group.type.tracks or not tracked.keep(group):
                    continue
            found[0] += len(group)
            found[1] += sizes.total(group)
    except KeyboardInterrupt:
        partial = True
    names = TypeNames(runtime)
    rows: Dict[str, List[int]] = {}
    for type_, numbers in counts.items():
        if numbers[0]:
            row = rows.setdefault(names.of(type_.address), [0, 0])
            row[0] += numbers[0]
            row[1] += numbers[1]
    notes = list(walk.problems)
    inexact = sorted({names.of(type_.address) for type_ in counts if not sizes.is_exact(type_)})
    if inexact:
        more = f" and {len(inexact) - MAX_NAMED} more" if len(inexact) > MAX_NAMED else ""
        notes.append(f"Of {', '.join(inexact[:MAX_NAMED])}{more} only the structure itself is counted: "
                     "what else their __sizeof__ counts is not known.")
    return Census([Row(name, *numbers) for name, numbers in rows.items()], _how(walk), notes, walk.blocks, partial)


def _how(walk: HeapWalk) -> str:
    """By which ways the objects were found."""
    ways = []
    if walk.pools.found:
        ways.append(f"{len(walk.pools.found)} pools of pymalloc")
    if walk.mimalloc.found:
        ways.append(f"{len(walk.mimalloc.found)} pages of mimalloc")
    if walk.malloc.heaps:
        ways.append("the chunks of malloc")
    if walk.listed:
        ways.append("the lists of the collector")
    hooks = " (with debug hooks)" if walk.debug_hooks else ""
    return " and ".join([", ".join(ways[:-1]), ways[-1]] if len(ways) > 1 else ways) + hooks
