"""The memory that CPython's allocators manage, as blocks: pymalloc's pools, and glibc's malloc beneath them.

Nothing here knows objects. Whoever walks gets runs of blocks of one size, or single blocks of any
size, with the words that they hold.
Facts: Objects/obmalloc.c, Include/internal/pycore_obmalloc.h; glibc's malloc/malloc.c and malloc/arena.c.
"""

import struct
from bisect import bisect_left
from collections import deque
from itertools import chain, islice
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypeVar,
)

from .memory import PAGE, Memory, Ranges, Region, Unreadable

_Each = TypeVar("_Each")

# Bytes read at one time.
PIECE = 1 << 20

# Of blocks of one size up to so many bytes are looked through at one time.
JOINED = 1 << 18

# pymalloc. POOL_OVERHEAD is the size of a pool's header, rounded up to ALIGNMENT.
POOL_SIZES = (1 << 12, 1 << 14)
POOL_HEADER = 48
# How many blocks are in use, the first free one, arenaindex, szidx, nextoffset, maxnextoffset.
_POOL_HEAD = struct.Struct("<I4xQ16xIIII")
# ALIGNMENT by the size of pools: 8 up to 3.6 and in early 3.7, 16 since.
_ALIGNMENTS = {POOL_SIZES[0]: (8, 16), POOL_SIZES[1]: (16,)}
_LEAST_ALIGNMENT = 8
SMALL_REQUEST = 512
# The largest arena: an index that pools further apart than that share belongs to none of them.
MAX_ARENA = 1 << 20

# Headers of pools that are read at one time.
_HEADS = 1 << 8
# Of pools, that are remembered.
_MAX_SHAPES = 1 << 12

# glibc's malloc, on 64-bit machines.
_CHUNK_ALIGNMENT = 16
_MIN_CHUNK = 32
_IN_USE_BEFORE, _IS_MMAPPED, _FOREIGN_ARENA = 1, 2, 4
_CHUNK_FLAGS = 7
# Of a chunk, in front of what malloc() returned.
CHUNK_HEADER = 16
# HEAP_MAX_SIZE: the heaps of all arenas but the first begin at multiples of it.
_HEAP_ALIGNMENT = 64 << 20
# The first chunk of such a heap comes after its heap_info, and in the first one after the malloc_state.
_MAX_HEAP_HEADER = 1 << 12
# So many chunks in a row, or all of them, prove that it is a heap. By chance even two are unlikely.
_PROOF = 64
# Bytes of chunks that are kept to be looked through again.
_MOST_KEPT = 8 << 20

# The debug hooks (PYTHONMALLOC=debug) put a size and an id in front of a block, the id a letter and seven
# of these (FORBIDDENBYTE; 0xFB up to 3.7).
DEBUG_HEADER = 16
_DEBUG_IDS = (0xFDFDFDFDFDFDFD, 0xFBFBFBFBFBFBFB)


class Run(NamedTuple):
    """Blocks of one size side by side: `number` of them, `size` bytes from one to the next.

    `parts` are the (address, number) of blocks that do lie side by side; `words` is what is in all of them,
    `free` has the numbers of those that are not in use, and `usable` is how many bytes of a block are for
    whoever asked for it. `head`: how far into a block an object begins, None where that depends on its type.
    """

    parts: Sequence[Tuple[int, int]]
    size: int
    number: int
    words: memoryview
    free: Sequence[int]
    usable: int
    head: Optional[int] = None


class Blocks(NamedTuple):
    """Blocks of any size in `words`, the first of which is at `address`: where each begins, in words.

    `head` as in a run.
    """

    address: int
    words: memoryview
    starts: List[int]
    sizes: List[int]
    head: Optional[int] = None


class _Joined:
    """A buffer for blocks of one size, of many runs."""

    def __init__(self, size: int, run: Run) -> None:
        self._data = memoryview(bytearray(size))
        self._run = run
        self._filled = self._number = 0
        self._parts: List[Tuple[int, int]] = []
        self._free: List[int] = []

    def takes(self, run: Run) -> bool:
        """Take a run, if there is room for it."""
        end = self._filled + run.words.nbytes
        if end > len(self._data):
            return False
        self._data[self._filled:end] = run.words.cast("B")
        self._filled = end
        self._parts += run.parts
        self._free += [self._number + each for each in run.free]
        self._number += run.number
        return True

    def given(self) -> Run:
        """All that it has, which is in the buffer until the next run is taken."""
        found = self._run._replace(parts=self._parts, number=self._number, free=self._free,
                                   words=self._data[:self._filled].cast("Q"))
        self._filled = self._number = 0
        self._parts, self._free = [], []
        return found


def joined(runs: Iterable[Run], size: int = JOINED) -> Iterator[Run]:
    """The same blocks in fewer runs of up to `size` bytes: there is little to do for each block, and much for each run.

    Each of the runs that this is given, and each that it gives, is there until the next one.
    """
    waiting: Dict[Tuple[int, int, Optional[int]], _Joined] = {}
    for run in runs:
        if run.words.nbytes > size:
            yield run
            continue
        key = run.size, run.usable, run.head
        if key not in waiting:
            waiting[key] = _Joined(size, run)
        if not waiting[key].takes(run):
            yield waiting[key].given()
            waiting[key].takes(run)
    for each in waiting.values():
        yield each.given()


class Pool(NamedTuple):
    """The header of a pool in use; sizes and offsets in bytes.

    `used` of its blocks are in use; `free` is the address of the first that is not, 0 where there is none.
    """

    address: int
    pool_size: int
    block: int
    used: int
    next_offset: int
    arena: int
    free: int


class Pools:
    """The pools of pymalloc, of all interpreters.

    A pool proves itself: its class of sizes, its next offset and its last one agree. What does not, is no pool;
    `damaged` counts those that lie among the pools of an arena nevertheless, or whose list of free blocks leads astray.
    """

    def __init__(self, memory: Memory, large: bool = True) -> None:
        """`large` as in Memory.gathered()."""
        self._memory = memory
        self._large = large
        self.found: List[Pool] = []
        self._addresses: List[int] = []
        self.damaged = self._overwritten = 0
        # The addresses of pools in use, shifted.
        self.pages: Set[int] = set()
        self.shift = POOL_SIZES[0].bit_length() - 1

    def search(self, regions: Sequence[Region]) -> Iterator[int]:
        """Find the pools in regions of memory; yields the bytes that were looked through, now and then.

        Only what may be their headers is read: reading takes time.
        """
        everything = [piece for region in regions if not region.file for piece in pieces(region)]
        chosen: List[Pool] = []
        # A release has pools of one size only. Where one of the larger could begin, one in four of the smaller does.
        for step in reversed(POOL_SIZES):
            found: Dict[int, List[Pool]] = {size: [] for size in POOL_SIZES}
            for pools, done in self._at_each(step, everything):
                for pool in pools:
                    found[pool.pool_size].append(pool)
                yield done if step == POOL_SIZES[-1] else 0
            chosen = max(found.values(), key=len)
            if chosen is found[step]:
                break
        if chosen:
            self.shift = chosen[0].pool_size.bit_length() - 1
            self.found = chosen
            self._addresses = [pool.address for pool in self.found]
            self._overwritten = self._without_header()
            self.pages = {pool.address >> self.shift for pool in self.found}

    def _at_each(self, step: int, everything: Iterable[Tuple[int, int]]) -> Iterator[Tuple[List[Pool], int]]:
        """The pools that begin at multiples of `step` bytes in pieces of memory, and how many bytes those were in."""
        places = (range(start + -start % step, start + size, step) for start, size in everything)
        for addresses, data in read_together(
                self._memory, batches(chain.from_iterable(places), _HEADS), _head_of, _HEADS * POOL_HEADER,
                self._large):
            yield [] if data is None else list(_pools_in(addresses, data)), len(addresses) * step

    def _without_header(self) -> int:
        """How many pages of arenas look like no pool, though they say that blocks of them are in use.

        Only between two pools: where an arena begins and ends is not known.
        """
        count = 0
        size = 1 << self.shift
        for pool, following in zip(self.found, self.found[1:]):
            if size < following.address - pool.address < MAX_ARENA and pool.arena == following.arena:
                for address in range(pool.address + size, following.address, size):
                    try:
                        count += self._memory.u32(address) != 0
                    except Unreadable:
                        count += 1
        return count

    def holds(self, address: int) -> bool:
        """Whether an address is within a pool in use."""
        return address >> self.shift in self.pages

    def others(self, region: Region) -> Iterator[Tuple[int, int]]:
        """The (address, size) of pieces of what is there of a region and in no pool, whole pages."""
        size = 1 << self.shift
        index = bisect_left(self._addresses, region.start)
        for first, last in region.parts:
            at = -(-first // PAGE) * PAGE
            while index < len(self._addresses) and self._addresses[index] < last:
                pool = self._addresses[index]
                index += 1
                if pool > at:
                    yield from _pieces(at, pool)
                at = max(at, pool + size)
            yield from _pieces(at, last)

    def runs(self, size: int = 0, most: Optional[int] = None) -> Iterator[Run]:
        """The blocks of all pools, free ones told: pools with blocks of one size together, up to `size` bytes of them.

        Without a size each pool by itself; with `most` only so many pools. What is in a run is there until the next.
        """
        self.damaged = self._overwritten
        by_block: Dict[int, List[Pool]] = {}
        for pool in self.found[:most]:
            by_block.setdefault(pool.block, []).append(pool)
        number = (size >> self.shift) or 1
        at_once = max(number, PIECE >> self.shift)
        chunks = [chunk for pools in by_block.values() for chunk in batches(pools, at_once)]
        most_bytes = max(map(len, chunks), default=0) << self.shift
        for together, data in read_together(self._memory, chunks, _blocks_of, most_bytes, self._large):
            if data is None:
                self.damaged += 1
            else:
                yield from self._runs_in(together, data, number)

    def _runs_in(self, pools: Sequence[Pool], data: memoryview, number: int) -> Iterator[Run]:
        """The blocks of pools, which `data` has, in runs of up to `number` pools."""
        words, block = data.cast("Q"), pools[0].block
        parts: List[Tuple[int, int]] = []
        free: List[int] = []
        begin = end = count = 0
        for pool in pools:
            start, size = _blocks_of(pool)
            before, end = end, end + size // 8
            numbers = _free_in(pool, words[before:end], size // block)
            if numbers is None:
                self.damaged += 1
            else:
                parts.append((start, size // block))
                free += [count + each for each in numbers]
                count += size // block
            if parts and (numbers is None or len(parts) == number):
                yield Run(parts, block, count, words[begin:before if numbers is None else end], free, block)
                parts, free, count = [], [], 0
            if not parts:
                begin = end
        if parts:
            yield Run(parts, block, count, words[begin:end], free, block)


def _blocks_of(pool: Pool) -> Tuple[int, int]:
    """The (address, size) of what a pool has given out of its blocks since it was made."""
    return pool.address + POOL_HEADER, pool.next_offset - POOL_HEADER


class _Shapes(Dict[Tuple[int, int, int], Optional[Tuple[int, int, int]]]):
    """What a pool's class of sizes, next offset and last offset tell: its size, a block's, and how many there are.

    None where the three disagree. Nearly all pools are of a few shapes.
    """

    def __missing__(self, key: Tuple[int, int, int]) -> Optional[Tuple[int, int, int]]:
        if len(self) >= _MAX_SHAPES:
            self.clear()
        found = self[key] = self._find(*key)
        return found

    @staticmethod
    def _find(index: int, following: int, last: int) -> Optional[Tuple[int, int, int]]:
        for alignment in (8, 16):
            block = (index + 1) * alignment
            size = last + block
            if (alignment in _ALIGNMENTS.get(size, ()) and block <= SMALL_REQUEST
                    and POOL_HEADER + block <= following <= size and not (following - POOL_HEADER) % block):
                return size, block, (following - POOL_HEADER) // block
        return None


_shapes = _Shapes()


def _head_of(address: int) -> Tuple[int, int]:
    """The (address, size) of the header of a pool."""
    return address, POOL_HEADER


def _pools_in(addresses: Sequence[int], data: memoryview) -> Iterator[Pool]:
    """The pools whose headers are at addresses; `data` has what is there."""
    for address, (count, free, arena, index, following, last) in zip(addresses, _POOL_HEAD.iter_unpack(data)):
        # Most pages fail here already.
        if not 0 < count <= 1 << 10 or index >= SMALL_REQUEST // _LEAST_ALIGNMENT:
            continue
        shape = _shapes[index, following, last]
        if shape is not None and count <= shape[2] and not address % shape[0]:
            yield Pool(address, shape[0], shape[1], count, following, arena, free)


def _free_in(pool: Pool, words: memoryview, count: int) -> Optional[List[int]]:
    """The numbers of the free ones of a pool's blocks, None where their list leads out of the pool or never ends."""
    found: List[int] = []
    address = pool.free
    while address:
        offset = address - pool.address - POOL_HEADER
        number = offset // pool.block
        if offset < 0 or number >= count or offset % pool.block or len(found) > count:
            return None
        found.append(number)
        address = words[offset // 8]
    return found


class Heap(NamedTuple):
    """A stretch of chunks of glibc's malloc, one after the other from `start` up to `end`, the top chunk last."""

    start: int
    end: int


class Malloc:
    """The chunks that glibc's malloc has given out, in all of its arenas and in mappings of their own.

    `complete` says whether the first arena's heap was found, which every process has that uses it.
    `broken` counts the heaps in which the chain of chunks broke off: malloc was at work. `walked` has the
    (start, end) of what blocks() has gone through.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.heaps: List[Heap] = []
        self.mapped: List[Heap] = []
        self.broken = 0
        self.walked: List[Tuple[int, int]] = []
        self._seen: List[Tuple[int, int]] = []
        # Of a heap of up to _MOST_KEPT bytes.
        self._kept: Optional[List[Blocks]] = None

    @property
    def complete(self) -> bool:
        """Whether all of it can be walked."""
        return bool(self.heaps) and not self.broken

    def search(self, regions: Sequence[Region], pools: Pools) -> None:
        """Find the heaps in regions of memory."""
        for region in _joined(regions):
            heaps = [heap for heap in map(self._arena_heap, multiples(region, _HEAP_ALIGNMENT)) if heap]
            self.heaps += heaps
            if heaps and heaps[0].start - region.start < _MAX_HEAP_HEADER:
                continue
            main = None if pools.holds(region.start) else self._main_heap(region)
            if main is not None:
                self.heaps.append(main)
                continue
            done = region.start
            for address, size in self._seen:
                if done <= address <= region.end - size:
                    done = address + size
                    self.mapped.append(Heap(address, done))

    def _word(self, address: int) -> int:
        try:
            return self._memory.u64(address)
        except Unreadable:
            return 0

    def _main_heap(self, region: Region) -> Optional[Heap]:
        """The heap that grows by brk(): from the beginning of a region to its end."""
        return self._heap_from(region.start, region.end, _FOREIGN_ARENA)

    def _arena_heap(self, address: int) -> Optional[Heap]:
        """The heap of another arena at an address, whose heap_info names the arena and the heap's size."""
        arena, _previous, size, _writable = (self._word(address + at) for at in (0, 8, 16, 24))
        if not arena or arena % 8 or not PAGE <= size <= _HEAP_ALIGNMENT or size % PAGE:
            return None
        for at in range(32, _MAX_HEAP_HEADER, _CHUNK_ALIGNMENT):
            if self._word(address + at + 8) & _CHUNK_FLAGS == _FOREIGN_ARENA | _IN_USE_BEFORE:
                heap = self._heap_from(address + at, address + size, 0)
                if heap is not None:
                    return heap
        return None

    def _heap_from(self, start: int, end: int, forbidden: int) -> Optional[Heap]:
        """A heap, where enough chunks follow each other."""
        at = start
        for count in range(_PROOF):
            word = self._word(at + 8)
            size = word & ~_CHUNK_FLAGS
            if (word & (_IS_MMAPPED | forbidden) or size < _MIN_CHUNK or size % _CHUNK_ALIGNMENT
                    or size > end - at or not count and not word & _IN_USE_BEFORE):
                return None
            at += size
            if at == end:
                break
        return Heap(start, end)

    def look(self, address: int, words: memoryview) -> None:
        """Note what looks like a chunk with a mapping of its own at the pages of a piece of memory in no pool."""
        step = PAGE // 8
        # The kernel joins such mappings to others, so that they may begin at any page.
        for page, (before, word) in enumerate(zip(words[0::step].tolist(), words[1::step].tolist())):
            if word & _CHUNK_FLAGS == _IS_MMAPPED and not before and word >= PAGE - CHUNK_HEADER:
                # Since glibc 2.42 the size leaves out what a next chunk's header would take.
                size = word & ~_CHUNK_FLAGS
                for length in (size, size + CHUNK_HEADER):
                    if not length % PAGE:
                        self._seen.append((address + page * PAGE, length))

    def blocks(self) -> Iterator[Blocks]:
        """The blocks in use, a piece at a time."""
        if self._kept is not None:
            yield from self._kept
            return
        kept, size = [], 0
        for blocks in self._walk():
            size += blocks.words.nbytes
            if size <= _MOST_KEPT:
                kept.append(blocks)
            yield blocks
        if size <= _MOST_KEPT:
            self._kept = kept

    def _walk(self) -> Iterator[Blocks]:
        self.walked, self.broken = [], 0
        for heap in self.mapped:
            try:
                words = memoryview(self._memory.read(heap.start, PAGE)).cast("Q")
            except Unreadable:
                continue
            self.walked.append(heap)
            yield Blocks(heap.start, words, [CHUNK_HEADER // 8], [heap.end - heap.start - CHUNK_HEADER])
        for heap in self.heaps:
            self.walked.append((heap.start, heap.start))
            yield from self._blocks_of(heap)

    def _blocks_of(self, heap: Heap) -> Iterator[Blocks]:
        at = heap.start
        while at < heap.end:
            size = min(PIECE, heap.end - at)
            try:
                words = memoryview(self._memory.read(at, size)).cast("Q")
            except Unreadable:
                self.broken += 1
                return
            starts, sizes, used, intact = _chunks_in(words, heap.end - at)
            if size < used < heap.end - at and not self._word(at + used + 8) & _IN_USE_BEFORE:
                # One chunk, longer than a piece. The top chunk may reach beyond it too.
                starts = []
            if starts:
                yield Blocks(at, words, starts, sizes)
            if not intact:
                self.broken += 1
                return
            at += used
            self.walked[-1] = heap.start, at


def _chunks_in(words: memoryview, left: int) -> Tuple[List[int], List[int], int, bool]:
    """The chunks in use of a piece of a heap of which `left` bytes are left.

    Where what they hold begins, in words, and its size in bytes; how many bytes of the piece are done;
    and False where a chunk is none. Whether a chunk is in use is told by the one after it.
    """
    starts: List[int] = []
    sizes: List[int] = []
    limit, end = len(words), left // 8
    at = 0
    word = words[1] if limit > 1 else 0
    while True:
        size = word >> 4 << 1  # in words, without the flags
        following = at + size
        if size < 4 or word & 10 or following > end:
            return starts, sizes, 8 * at, False
        if following == end:
            # The top chunk, of which nothing is in use.
            return starts, sizes, 8 * following, True
        if following + 1 >= limit:
            if not at:
                # A chunk longer than a piece.
                starts.append(2)
                sizes.append(8 * size - 8)
                return starts, sizes, 8 * following, True
            return starts, sizes, 8 * at, True
        word = words[following + 1]
        if word & 1:
            starts.append(at + 2)
            sizes.append(8 * size - 8)
        at = following


def _joined(regions: Sequence[Region]) -> List[Region]:
    """Regions of no file, those that touch each other as one."""
    found: List[Region] = []
    for region in sorted(regions):
        if region.file:
            continue
        if found and found[-1].end == region.start:
            found[-1] = Region(found[-1].start, region.end, False, [*found[-1].parts, *region.parts])
        else:
            found.append(region)
    return found


def batches(of: Iterable[_Each], size: int) -> Iterator[List[_Each]]:
    """The same in lists of `size`, the last one of what is left."""
    left = iter(of)
    return iter(lambda: list(islice(left, size)), [])


def read_together(memory: Memory, chunks: Iterable[List[_Each]], place: Callable[[_Each], Tuple[int, int]], most: int,
                  large: bool) -> Iterator[Tuple[List[_Each], Optional[memoryview]]]:
    """Chunks of what lies at places, each an (address, size), and what is there, in their order: up to `most` bytes.

    `large` as in Memory.gathered(). What can't be read so is tried by itself, and is alone with None where that fails.
    """
    asked: Deque[List[_Each]] = deque()

    def requests() -> Iterator[Ranges]:
        for chunk in chunks:
            asked.append(chunk)
            yield list(map(place, chunk))

    for ranges, data in memory.gathered(requests(), most, large):
        chunk = asked.popleft()
        if data is not None:
            yield chunk, data
            continue
        for one, (address, size) in zip(chunk, ranges):
            data = memoryview(bytearray(size))
            try:
                memory.gather([(address, size)], data)
            except Unreadable:
                data = None
            yield [one], data


def pieces(region: Region) -> Iterator[Tuple[int, int]]:
    """The (address, size) of pieces of whole pages of what is there of a region."""
    for first, last in region.parts:
        yield from _pieces(-(-first // PAGE) * PAGE, last)


def _pieces(first: int, last: int) -> Iterator[Tuple[int, int]]:
    for start in range(first, last, PIECE):
        size = min(PIECE, last - start) // PAGE * PAGE
        if size:
            yield start, size


def multiples(region: Region, of: int) -> range:
    """The addresses in a region that are multiples of a number."""
    return range(-(-region.start // of) * of, region.end, of)


def is_debug_id(word: int) -> bool:
    """Whether the second word of a block is what the debug hooks put there."""
    return word >> 8 in _DEBUG_IDS


# Windows that are known not to be whole: what is no address but looks like one leads to many.
MAX_BROKEN = 1 << 18


def make_room(kept: Dict[int, Any], most: int) -> None:
    """Forget the older half of what is kept, where that is as much as may be."""
    if len(kept) >= most:
        for old in list(islice(kept, most // 2)):
            del kept[old]


class Windows:
    """Words of memory anywhere, read 16 KB at a time: quick where what is asked for lies close together."""

    # Of an address within a window.
    BITS = 14

    def __init__(self, memory: Memory, most: int = 1 << 11) -> None:
        """`most` windows are kept at one time: 32 MB by default."""
        self._memory = memory
        self._most = most
        self.kept: Dict[int, memoryview] = {}
        # The numbers of those that can't be read whole: to try takes longer than all else.
        self._broken: Set[int] = set()

    def word(self, address: int) -> int:
        """The word at a multiple of 8. Raises Unreadable."""
        number = address >> self.BITS
        window = self.kept.get(number)
        if window is None:
            window = self.window(number)
            if window is None:
                return self._memory.u64(address)
        return window[(address & (1 << self.BITS) - 1) >> 3]

    def window(self, number: int) -> Optional[memoryview]:
        """All words of the window of that number, None where not all can be read: a region begins or ends there."""
        found = self.kept.get(number)
        if found is None and number not in self._broken:
            make_room(self.kept, self._most)
            try:
                found = memoryview(self._memory.fetch(number << self.BITS, 1 << self.BITS)).cast("Q")
            except Unreadable:
                if len(self._broken) >= MAX_BROKEN:
                    self._broken.clear()
                self._broken.add(number)
                return None
            self.kept[number] = found
        return found

    def unpack(self, address: int, what: struct.Struct) -> Tuple[int, ...]:
        """The integers of a structure at an address. Raises Unreadable."""
        start = address & (1 << self.BITS) - 1
        window = self.kept.get(address >> self.BITS)
        if window is None:
            self.word(address & ~7)
            window = self.kept.get(address >> self.BITS)
        if window is None or start + what.size > 1 << self.BITS:
            return what.unpack(self._memory.read(address, what.size))
        return what.unpack_from(window, start)

    def words(self, address: int, count: int) -> List[int]:
        """`count` words from a multiple of 8 on. Raises Unreadable."""
        start = (address & (1 << self.BITS) - 1) >> 3
        if start + count <= 1 << self.BITS - 3:
            window = self.kept.get(address >> self.BITS)
            if window is None and count:
                self.word(address)
                window = self.kept.get(address >> self.BITS)
            if window is not None:
                return window[start:start + count].tolist()
        return memoryview(self._memory.read(address, 8 * count)).cast("Q").tolist()
