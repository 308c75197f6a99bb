"""Where the addresses of given objects occur in memory, whatever that memory is of: C structures, stacks, objects.

This finds the references that no type tells of. It also finds what only looks like one; left out is
what is known to be stale: free blocks, pools that are not in use, stacks beyond their stack pointer,
the part of a thread's frames that no call has.
"""

from array import array
from bisect import bisect_right
from itertools import chain
from typing import Collection, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from .heap import CHUNK_HEADER, PIECE, Blocks, Run
from .heap_objects import Group, HeapType
from .heap_walk import HeapWalk, Progress, Report
from .memory import Memory, Region, Unreadable
from .mimalloc import SEGMENT
from .reader import READ_ERRORS
from .runtime import Runtime

# Words that are looked through at one time for the place of what a larger piece is known to have.
_STRETCH = 1 << 10
# Below the stack pointer, in bytes, a function that calls no other may use (System V ABI, the red zone).
RED_ZONE = 128
# The references of frames of 3.14 and later have tags in these bits.
_TAGS = 7
# An arena is 256 KB (up to 3.9) or 1 MB.
_ARENA_SIZES = (1 << 18, 1 << 20)
_LAST_WITH_SMALL_ARENAS = 1 << 12


class Occurrence(NamedTuple):
    """A word at `address` that is the address of `target`.

    `holder` is the live object in whose block it lies, and `type` that one's type; 0 and None for all other memory.
    """

    address: int
    target: int
    holder: int
    type: Optional[HeapType]


class Occurrences:
    """Searches the writable memory of a runtime's process. `walk` has gone through its heap once."""

    def __init__(self, runtime: Runtime, walk: HeapWalk, regions: Sequence[Region], stack_pointers: Collection[int],
                 listed: Sequence[Tuple[int, HeapType]] = (), report: Report = lambda progress: None) -> None:
        """`listed` are the objects that lie where the walk knows no blocks."""
        self._runtime = runtime
        self._memory: Memory = runtime.memory
        self._walk = walk
        self._regions = sorted(regions)
        self._stack_pointers = sorted(stack_pointers)
        listed = sorted(listed, key=lambda each: each[0])
        self._listed = array("Q", [address for address, _type in listed])
        self._listed_types = [type_ for _address, type_ in listed]
        self._report = report
        self._bytes = 0
        self._tagged = runtime.layout.has("_PyInterpreterFrame", "f_executable.bits")

    def of(self, targets: Set[int]) -> Iterator[Occurrence]:
        """All occurrences of the targets, in no order. Raises READ_ERRORS."""
        yield from self._in_runs(targets)
        for heap in self._walk.malloc.mapped:
            for at, target in self._in_range(heap.start + CHUNK_HEADER, heap.end, targets):
                yield self._listed_at(at, target)
        for blocks in chain(self._walk.mimalloc.large(everything=True), self._walk.malloc.blocks()):
            yield from self._in_blocks(blocks, targets)
        for start, end in self._elsewhere():
            for at, target in self._in_range(start, end, targets):
                yield self._listed_at(at, target)

    def _step(self, size: int) -> None:
        self._bytes += size
        self._report(Progress(0, self._bytes))

    def _in_runs(self, targets: Set[int]) -> Iterator[Occurrence]:
        for run in chain(self._walk.mimalloc.runs(everything=True), self._walk.pools.runs()):
            found = targets.intersection(run.words.tolist())
            if found:
                yield from self._in_run(run, found)
            self._step(run.words.nbytes)

    def _has_objects(self, blocks: "Run | Blocks") -> bool:
        """Whether objects may be in blocks: pages of a free-threaded build in which there are none say so."""
        return not self._runtime.layout.free_threaded or blocks.head is not None

    def _in_run(self, run: Run, targets: Set[int]) -> Iterator[Occurrence]:
        objects = self._walk.objects
        step, free = run.size // 8, set(run.free)
        held = _by_number(objects.in_run(run)) if self._has_objects(run) else {}
        (address, _number), = run.parts
        for index, word in enumerate(run.words.tolist()):
            if word not in targets:
                continue
            number = index // step
            if number in free:
                continue
            if number in held:
                yield Occurrence(address + 8 * index, word, *held[number])
            elif not objects.was_object(run.words, number * step, step):
                yield Occurrence(address + 8 * index, word, 0, None)

    def _in_blocks(self, blocks: Blocks, targets: Set[int]) -> Iterator[Occurrence]:
        """Those in blocks of any size that are in use."""
        objects, words = self._walk.objects, blocks.words
        if blocks.starts and blocks.sizes[0] > 8 * len(words):
            # Of a block longer than a piece the words are only the beginning.
            held = _by_number(objects.in_blocks(blocks)) if self._has_objects(blocks) else {}
            start = blocks.address + 8 * blocks.starts[0]
            for at, target in self._in_range(start, start + blocks.sizes[0], targets):
                yield Occurrence(at, target, *held.get(0, (0, None)))
            return
        places = _places(words, targets)
        if not places:
            return
        held = _by_number(objects.in_blocks(blocks)) if self._has_objects(blocks) else {}
        for place, word in places:
            number = bisect_right(blocks.starts, place) - 1
            if number < 0 or place >= blocks.starts[number] + blocks.sizes[number] // 8:
                continue
            if number in held:
                yield Occurrence(blocks.address + 8 * place, word, *held[number])
            elif not objects.was_object(words, blocks.starts[number], blocks.sizes[number] // 8):
                yield Occurrence(blocks.address + 8 * place, word, 0, None)

    def _in_range(self, start: int, end: int, targets: Set[int]) -> Iterator[Tuple[int, int]]:
        """(address, target) in memory that is no block's. What can't be read is passed over."""
        start += -start % 8
        for at in range(start, end - 7, PIECE):
            size = min(PIECE, end - at) // 8 * 8
            try:
                words = memoryview(self._memory.read(at, size)).cast("Q")
            except Unreadable:
                continue
            self._step(size)
            for place, word in _places(words, targets, self._tagged):
                yield at + 8 * place, word

    def _listed_at(self, address: int, target: int) -> Occurrence:
        """Where no blocks are known: within one of the listed objects, or not."""
        index = bisect_right(self._listed, address) - 1
        if index >= 0:
            type_ = self._listed_types[index]
            holder = self._listed[index]
            if address < holder + extent(self._memory, self._walk.objects.size_at, holder, type_):
                return Occurrence(address, target, holder, type_)
        return Occurrence(address, target, 0, None)

    def _elsewhere(self) -> Iterator[Tuple[int, int]]:
        """What there is of memory besides blocks and what is known to be stale, as (start, end)."""
        left_out = sorted([*self._of_arenas(), *self._of_segments(), *self._walk.malloc.walked, *self._beyond_frames()])
        starts = [start for start, _end in left_out]
        for region in self._regions:
            from_ = self._stack_in(region)
            for start, end in region.parts:
                start = max(start, from_)
                index = max(bisect_right(starts, start) - 1, 0)
                while start < end:
                    while index < len(left_out) and left_out[index][1] <= start:
                        index += 1
                    if index == len(left_out) or left_out[index][0] >= end:
                        yield start, end
                        break
                    if left_out[index][0] > start:
                        yield start, left_out[index][0]
                    start = left_out[index][1]

    def _stack_in(self, region: Region) -> int:
        """Where the used part of a region begins: at a stack pointer, if one is in it."""
        index = bisect_right(self._stack_pointers, region.start)
        if index < len(self._stack_pointers) and self._stack_pointers[index] < region.end:
            return max(region.start, self._stack_pointers[index] - RED_ZONE)
        return region.start

    def _of_arenas(self) -> Iterator[Tuple[int, int]]:
        """What surely belongs to pymalloc's arenas: pools in use, and what lies between two of one arena."""
        pools = self._walk.pools
        first: Dict[int, Tuple[int, int]] = {}
        size = 1 << pools.shift
        largest = _ARENA_SIZES[size > _LAST_WITH_SMALL_ARENAS]
        for pool in pools.found:
            start, end = first.get(pool.arena, (pool.address, pool.address))
            if pool.address + size - start > largest:
                yield start, end
                start = pool.address
            first[pool.arena] = start, pool.address + size
        yield from first.values()

    def _of_segments(self) -> Iterator[Tuple[int, int]]:
        """Segments of mimalloc; one with a larger block is larger."""
        segments: Dict[int, int] = {}
        for page in self._walk.mimalloc.found:
            start = page.address // SEGMENT * SEGMENT
            segments[start] = max(segments.get(start, start + SEGMENT), page.address + page.block * page.count)
        yield from segments.items()

    def _beyond_frames(self) -> Iterator[Tuple[int, int]]:
        """The part of each thread's stack of frames that no call uses (3.11 and later)."""
        runtime = self._runtime
        if not runtime.layout.has("PyThreadState", "datastack_top"):
            return
        for interpreter in runtime.interpreters():
            for state in runtime.thread_states(interpreter).states:
                try:
                    top, limit = (runtime.reader.pointer(state.address, "PyThreadState", name)
                                  for name in ("datastack_top", "datastack_limit"))
                except READ_ERRORS:
                    continue
                if top < limit:
                    yield top, limit


def extent(memory: Memory, size_at: int, address: int, type_: HeapType) -> int:
    """How many bytes the structure of an object takes, from its address on; 0 where that can't be read."""
    size = type_.basic_size
    if type_.item_size:
        try:
            number = memory.integer(address + size_at, 8, signed=True)
        except Unreadable:
            return 0
        size += abs(number) * type_.item_size
    return size


def _by_number(groups: Iterable[Group]) -> Dict[int, Tuple[int, HeapType]]:
    """The address and the type of the object in each block."""
    return {number: (address, group.type) for group in groups
            for number, address in zip(group.numbers(), group.addresses())}


def _places(words: memoryview, targets: Set[int], tagged: bool = False) -> List[Tuple[int, int]]:
    """(index, word) of the targets among words."""
    numbers = words.tolist()
    if tagged:
        numbers = [number & ~_TAGS for number in numbers]
    found = targets.intersection(numbers)
    places: List[Tuple[int, int]] = []
    if found:
        for start in range(0, len(numbers), _STRETCH):
            stretch = numbers[start:start + _STRETCH]
            if not found.isdisjoint(stretch):
                places += [(start + index, number) for index, number in enumerate(stretch) if number in found]
    return places
