"""All objects on the heap of a process, whichever allocator they came from.

pymalloc's pools, mimalloc's pages and malloc's chunks are gone through from one end to the other, which is
quick and finds what no list has. Where memory is not malloc's as glibc has it, or is being changed at this
very moment, the collector's lists tell of the objects that it tracks.
"""

from bisect import bisect_right
from itertools import chain, islice
from types import ModuleType
from typing import Callable, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set

from . import heap_arrays
from .gc_lists import GcLists
from .heap import DEBUG_HEADER, JOINED, SMALL_REQUEST, Blocks, Malloc, Pools, batches, is_debug_id, joined
from .heap_objects import BlocksSource, Group, HeapObjects, HeapType, find_metatype
from .memory import PAGE, Region, Unreadable
from .mimalloc import Mimalloc
from .reader import READ_ERRORS
from .referents import Referents
from .runtime import Runtime

# Pools whose blocks tell whether the debug hooks are in use; objects that tell whether all allocators are known.
_SAMPLE = 32
# Bytes of memory from which on it pays to load numpy, which takes 0.1 s, and to have threads read ahead.
LARGE = 48 << 20
# As heap.JOINED: numpy has more to do for each run, and less for each block.
JOINED_FOR_NUMPY = 1 << 21
# Objects of the collector's lists that are handed out at one time.
_BATCH = 4096


class Progress(NamedTuple):
    """How far a walk has come: objects found, bytes of memory gone through."""

    objects: int
    bytes: int


# Called now and then in long work.
Report = Callable[[Progress], None]


class HeapWalk:
    """The objects of one runtime in the inferior's writable memory.

    After groups() has ended, `pools`, `mimalloc` and `malloc` say what was found, `listed` whether the collector's
    lists had to be walked, and `problems` what may be missing, a sentence each.
    """

    def __init__(self, runtime: Runtime, regions: Sequence[Region], report: Report = lambda progress: None) -> None:
        self._runtime = runtime
        self._regions = sorted(regions)
        self.report = report
        self._progress = Progress(0, 0)
        self._large = LARGE <= sum(
            end - start for region in self._regions if not region.file for start, end in region.parts)
        self.pools = Pools(runtime.memory, self._large)
        self.mimalloc = Mimalloc(runtime.memory, runtime.layout.free_threaded, self._large)
        self.malloc = Malloc(runtime.memory)
        self.debug_hooks = False
        self.listed = False
        self.problems: List[str] = []
        self._prepared = False
        self._joined = JOINED
        self.objects: HeapObjects

    def prepare(self) -> HeapObjects:
        """Find the allocators' memory and the types, before any object. Raises READ_ERRORS."""
        if self._prepared:
            return self.objects
        self.mimalloc.search(self._regions, self._runtime.layout["PyHeapTypeObject"].size)
        if self.mimalloc.found:
            # Then it has all objects, and pymalloc is not in use.
            small, shift = self.mimalloc.small, self.mimalloc.shift
        else:
            for size in self.pools.search(self._regions):
                self._step(0, size)
            small, shift = self.pools.pages, self.pools.shift
        metatype = find_metatype(self._runtime)
        types = self._look_elsewhere(metatype.to_bytes(8, "little"))
        if not self.mimalloc.found:
            self.malloc.search(self._regions, self.pools)
        self.debug_hooks = self._has_debug_hooks()
        least = SMALL_REQUEST + 1 if self._has_pools() else 0
        np = self._numpy()
        if np is None:
            self.objects = HeapObjects(self._runtime, self._regions, metatype, small, shift, self.debug_hooks, least)
        else:
            self.objects = heap_arrays.ArrayObjects(
                self._runtime, self._regions, metatype, small, shift, self.debug_hooks, least)
            self.objects.use(np)
            self._joined = JOINED_FOR_NUMPY
        self._learn_types(types)
        self._prepared = True
        return self.objects

    def _numpy(self) -> Optional[ModuleType]:
        """numpy, where it is there and makes the walk quicker."""
        return heap_arrays.numpy() if self._large or heap_arrays.is_loaded() else None

    def groups(self) -> Iterator[Group]:
        """Every object once, those that lie together and are of one type at a time. Raises READ_ERRORS at first."""
        objects = self.prepare()
        self.listed, self.problems = False, []
        for blocks in chain(self.mimalloc.large(), self.malloc.blocks()):
            yield from self._counted(objects.in_blocks(blocks), 0)
        if not self._all_in_blocks():
            yield from self._from_lists()
        for run in chain(joined(self.mimalloc.runs(), self._joined), self.pools.runs(self._joined)):
            # Pools have been gone through before, when they were looked for.
            yield from self._counted(objects.in_run(run), run.words.nbytes if self.mimalloc.found else 0)
        if self.pools.damaged:
            self.problems.append(f"{self.pools.damaged} pools of pymalloc can't be read: they are damaged, "
                                 "or were being changed when the process stopped.")
        if self.mimalloc.damaged:
            self.problems.append(f"{self.mimalloc.damaged} pages or segments of mimalloc can't be read: they are "
                                 "damaged, or were being changed when the process stopped.")

    @property
    def blocks(self) -> int:
        """How many blocks are in use of pymalloc and mimalloc, as sys.getallocatedblocks() counts them."""
        return self.mimalloc.blocks + sum(pool.used for pool in self.pools.found)

    def _counted(self, groups: Iterator[Group], size: int) -> Iterator[Group]:
        """The same groups; what was found is reported after the last one, and how many bytes it was found in."""
        found = 0
        for group in groups:
            found += len(group)
            yield group
        self._step(found, size)

    def _step(self, objects: int, size: int) -> None:
        done = self._progress
        self._progress = Progress(done.objects + objects, done.bytes + size)
        self.report(self._progress)

    def _look_elsewhere(self, metatype: bytes) -> List[int]:
        """Go through what is no pool and no page of mimalloc: there malloc's mappings show, and the types.

        The addresses of words that are the address of `type`.
        """
        found = []
        # What comes behind these bytes is in every pointer: to search for that too takes five times as long.
        telling = metatype[:4]
        for region in self._regions:
            for start, size in self.pools.others(region):
                if self.mimalloc.reserves(region, start):
                    continue
                try:
                    data = self._runtime.memory.read(start, size)
                except Unreadable:
                    continue
                if not region.file and not self.mimalloc.found:
                    self.malloc.look(start, memoryview(data).cast("Q"))
                at = data.find(telling)
                while at >= 0:
                    if not at & 7 and data[at:at + 8] == metatype:
                        found.append(start + at)
                    at = data.find(telling, at + 1)
        return found

    def _learn_types(self, places: List[int]) -> None:
        """Find the types, static ones and those on the heap, none of which is small enough for a pool.

        A word that is not known to be a type could else be passed over for a later one. `places` are where the
        address of `type` was seen.
        """
        objects = self.objects
        for place in places:
            objects.learn(place - objects.type_at)
        known = -1
        while known < len(objects.metatypes):
            # Of a metatype that is found last there may be types before it.
            known = len(objects.metatypes)
            for blocks in self._large_blocks():
                objects.learn_from(blocks)

    def _large_blocks(self) -> Iterator[Blocks]:
        """The blocks that types may be in."""
        yield from self.malloc.blocks()
        for run in self.mimalloc.runs(self._runtime.layout["PyHeapTypeObject"].size):
            step, free = run.size // 8, set(run.free)
            starts = [number * step for number in range(run.number) if number not in free]
            yield Blocks(run.parts[0][0], run.words, starts, [run.usable] * len(starts))

    def _has_pools(self) -> bool:
        """Whether pymalloc has the objects. Then of those that are small enough for it only what was once larger lies
        elsewhere in malloc's memory (Objects/obmalloc.c, _PyObject_Realloc), where other structures look like objects.
        """
        if not self.pools.found:
            return False
        try:
            return any(map(self.pools.holds, islice(GcLists(self._runtime).objects(), _SAMPLE)))
        except READ_ERRORS:
            return False

    def _has_debug_hooks(self) -> bool:
        """Whether blocks begin as the debug hooks (PYTHONMALLOC=debug) make them."""
        words: List[int] = []
        runs = chain(self.mimalloc.runs(), self.pools.runs(most=_SAMPLE))
        for run in islice((run for run in runs if run.size > DEBUG_HEADER), _SAMPLE):
            free = set(run.free)
            column = run.words[1::run.size // 8].tolist()
            words += [word for number, word in enumerate(column) if number not in free]
        if not words:
            for blocks in islice(self.malloc.blocks(), 1):
                words += [blocks.words[start + 1] for start in blocks.starts if start + 1 < len(blocks.words)]
        return sum(map(is_debug_id, words)) * 2 > len(words)

    def _all_in_blocks(self) -> bool:
        """Whether the first objects that the collector tracks lie where blocks were gone through.

        Else another allocator is in use: mimalloc, or one that was put in malloc's place.
        """
        if self._runtime.layout.free_threaded:
            return True
        if not self.malloc.complete and not self.mimalloc.found:
            return False
        covered = self._covers()
        try:
            return all(map(covered, islice(GcLists(self._runtime).objects(), _SAMPLE)))
        except READ_ERRORS:
            return True

    def _covers(self) -> Callable[[int], bool]:
        """Tells addresses within pools, and within what was gone through of malloc's memory."""
        walked = sorted(self.malloc.walked)
        starts = [start for start, _end in walked]

        def covers(address: int) -> bool:
            if self.pools.holds(address) or self.mimalloc.holds(address):
                return True
            index = bisect_right(starts, address) - 1
            return index >= 0 and address < walked[index][1]
        return covers

    def _from_lists(self) -> Iterator[Group]:
        """The tracked objects that lie where no block was gone through, and what they lead to there."""
        self.listed = True
        lists = GcLists(self._runtime)
        covered = self._covers()
        own_data = self._runtime.candidate.image.writable()
        referents = Referents(self._runtime, self.objects)
        seen: Set[int] = set()
        waiting: List[int] = []

        def add(addresses: Iterable[int]) -> None:
            for address in addresses:
                if (address not in seen and not covered(address)
                        and not any(start <= address < start + size for start, size in own_data)):
                    seen.add(address)
                    waiting.append(address)

        try:
            for batch in batches(lists.objects(), _BATCH):
                add(batch)
                # What is covered is counted, but leads to what is not.
                for address in batch:
                    if covered(address):
                        add(self._referents_of(referents, address))
                found = 0
                while waiting:
                    address = waiting.pop()
                    group = self._single(address)
                    if group is not None:
                        found += 1
                        yield group
                        add(self._referents_of(referents, address))
                self._step(found, 0)
        except READ_ERRORS as error:
            self.problems.append(f"The collector's lists can't be read: {error}.")
        self.problems += [f"Objects may be missing: {problem}." for problem in lists.problems]

    @staticmethod
    def _referents_of(referents: Referents, address: int) -> List[int]:
        try:
            return referents.of(address)
        except READ_ERRORS:
            return []

    def _single(self, address: int) -> Optional[Group]:
        """An object wherever it is, None where there is none."""
        try:
            type_ = self.objects.learn(self._runtime.memory.u64(address + self.objects.type_at))
            if type_ is None:
                return None
            return group_of(self._runtime, type_, address)
        except READ_ERRORS:
            return None


def group_of(runtime: Runtime, type_: HeapType, address: int) -> Group:
    """A single object of a type, and what is behind it, a page at the most. Raises Unreadable."""
    start = address - type_.head
    try:
        data = runtime.memory.read(start, PAGE)
    except Unreadable:
        data = runtime.memory.read(start, PAGE - start % PAGE)
    blocks = Blocks(start, memoryview(data).cast("Q"), [0], [len(data)])
    return Group(type_, BlocksSource(blocks), type_.head // 8, None)
