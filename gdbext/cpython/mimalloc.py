"""The memory that mimalloc manages in CPython: all of a free-threaded build's objects, elsewhere PYTHONMALLOC=mimalloc.

Segments of 32 MB begin at multiples of that, with a header that has an entry for each slice of 64 KB. One or
more slices are a page, whose blocks are of one size. The segments of all threads are found, and of those that
have ended (abandoned segments), since none of them is looked for in a list.
Facts: Include/internal/mimalloc/mimalloc/types.h, Objects/mimalloc/segment.c, Objects/mimalloc/page.c (mimalloc
2.1.2, the same in CPython 3.13 to 3.15), Python/gc_free_threading.c, Python/pystate.c (_PyThreadState_InitMimalloc).
"""

import struct
from bisect import bisect_right
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from .heap import PIECE, Blocks, Run, multiples, read_together
from .memory import PAGE, Memory, Region, Unreadable

SEGMENT = 32 << 20
SLICE = 1 << 16
# mi_option_arena_reserve: so much is mapped at once for segments, most of it never touched.
ARENA = 1 << 30
# Of the header of a segment, mi_segment_t: up to its slices, and of these at most that many.
_HEADER = struct.Struct("<32xQ168xQQQQI4xQ8x")
MAX_SLICES = SEGMENT // SLICE
# mi_page_t and mi_slice_t up to what differs by build.
_PAGE = struct.Struct("<IIBxHHBxQIIQ")
# Its size: that of builds with a GIL, and of free-threaded ones; MI_SECURE, as debug builds have it, adds two
# keys that links between free blocks are encoded with.
_SIZES = {False: (80, 96), True: (96, 112)}
_KEYS = _PAGE.size
_KEYS_SIZE = 16
# The two low bits of xthread_free are flags.
_LINK = ~3
_TAG_BIT, _TAG = 3, 0xF
# MI_PADDING, behind each block of a build with keys.
_PADDING = 8
# MI_HUGE_BLOCK_SIZE: such blocks are as large as their page.
_HUGE = 2 << 30
_WORD = (1 << 64) - 1

# The heaps of a thread of a free-threaded build (Include/internal/pycore_mimalloc.h): which one a page is of
# says what is in its blocks. The third kind has the pre-header of a managed dictionary and weak references.
_MEMORY = 0
# How far into a block an object begins.
_HEADS = {1: 0, 2: 0, 3: 16}


class MiPage(NamedTuple):
    """A page with blocks in use: `count` blocks from `address` on, `block` bytes from one to the next.

    `free` has the first block of each of its lists of free ones; `keys` decode their links.
    `entry` is where its segment's header tells of it. `tag` numbers the kind of heap, None where there is but one.
    Of the blocks `used` are in use.
    """

    address: int
    block: int
    usable: int
    count: int  # type: ignore[assignment]  # a tuple's method
    used: int
    tag: Optional[int]
    free: Tuple[int, ...]
    keys: Optional[Tuple[int, int]]
    entry: int


class Mimalloc:
    """The pages of mimalloc.

    A segment proves itself: its sizes and its own address in its cookie agree with those of the others, and its
    slices lead from one to the next up to its end. `damaged` counts the pages whose free blocks' list leads
    astray, or which can't be read, and the segments whose slices do not add up.
    """

    def __init__(self, memory: Memory, free_threaded: bool, large: bool = True) -> None:
        """`large` as in Memory.gathered()."""
        self._memory = memory
        self._large = large
        self._free_threaded = free_threaded
        self.found: List[MiPage] = []
        self.damaged = 0
        self._faults = 0
        self._segments: List[int] = []
        # The numbers of the slices that are a page in use, and of these the ones whose blocks are small.
        self._slices: Set[int] = set()
        self.small: Set[int] = set()
        self.shift = SLICE.bit_length() - 1

    def search(self, regions: Sequence[Region], large: int) -> None:
        """Find the pages in regions of memory. In those of `small` no block has `large` bytes or more."""
        segments: Dict[int, List[Tuple[int, Tuple[int, ...]]]] = {}
        for region in regions:
            for address in multiples(region, SEGMENT) if not region.file else ():
                header = self._header(address)
                if header is not None:
                    # _mi_ptr_cookie(): the same for all, but for the address.
                    segments.setdefault(header[2] ^ address, []).append((address, header))
        # One cookie, or one for each copy of mimalloc: those of other libraries have pages of another shape.
        for of_one in segments.values():
            intact, faults, pages = max((self._all_pages(of_one, keyed) for keyed in (False, True)),
                                        key=lambda found: (found[0], len(found[2])))
            if intact:
                self._faults += faults
                self._segments += [address for address, _header in of_one]
                self._add(pages, large)
        self.found.sort()
        self._segments.sort()

    def _all_pages(self, segments: List[Tuple[int, Tuple[int, ...]]], keyed: bool) -> Tuple[int, int, List[MiPage]]:
        """(how many of the segments are whole, how many faults there are, the pages)."""
        found: List[MiPage] = []
        results = [self._pages(address, header, keyed, found) for address, header in segments]
        return sum(whole for whole, _faults in results), sum(faults for _whole, faults in results), found

    def _header(self, address: int) -> Optional[Tuple[int, ...]]:
        """(size, used, cookie, slices, slices of the header, kind, entries) of a segment, None where there is none."""
        try:
            header = _HEADER.unpack(self._memory.read(address, _HEADER.size))
        except Unreadable:
            return None
        size, used, cookie, slices, info, kind, entries = header
        if (size != slices * SLICE or not 0 < info < slices or not cookie or kind > 1
                or entries != min(slices, MAX_SLICES) or kind == 0 and size != SEGMENT or used > entries):
            return None
        return header

    def _pages(self, address: int, header: Tuple[int, ...], keyed: bool, found: List[MiPage]) -> Tuple[bool, int]:
        """Add the pages in use of a segment.

        Whether its slices follow each other up to the end, and how many of them can't be what they ought to be.
        """
        _size, _used, _cookie, slices, info, _kind, entries = header
        size = _SIZES[self._free_threaded][keyed]
        try:
            data = self._memory.read(address + _HEADER.size, size * entries)
        except Unreadable:
            return False, 1
        number = faults = 0
        while number < entries:
            place = size * number
            count, offset, flags, capacity, reserved, _flags, free, used, block, local = _PAGE.unpack_from(data, place)
            if not count or offset or count > slices - number or not number and count != info:
                return False, faults + 1
            if number and block and used:
                length = count * SLICE
                if block >= _HUGE:
                    block = length
                # _mi_segment_page_start_from_slice()
                start = 3 * block if block <= 64 else block if block <= 512 else 0
                if block % 8 or not 0 < capacity <= reserved or start + capacity * block > length:
                    faults += 1
                    number += count
                    continue
                keys = struct.unpack_from("<QQ", data, place + _KEYS) if keyed else None
                foreign, = struct.unpack_from("<Q", data, place + _KEYS + (_KEYS_SIZE if keyed else 0))
                found.append(MiPage(
                    address + number * SLICE + start, block, block - (_PADDING if keyed else 0), capacity, used,
                    flags >> _TAG_BIT & _TAG if self._free_threaded else None, (free, local, foreign & _LINK), keys,
                    address + _HEADER.size + place))
            number += count
        return True, faults

    def _add(self, pages: List[MiPage], large: int) -> None:
        self.found += pages
        for page in pages:
            first, last = page.address >> self.shift, page.address + page.block * page.count - 1 >> self.shift
            self._slices.update(range(first, last + 1))
            if page.usable < large:
                self.small.update(range(first, last + 1))

    def holds(self, address: int) -> bool:
        """Whether an address is within a page in use."""
        return address >> self.shift in self._slices

    def reserves(self, region: Region, address: int) -> bool:
        """Whether an address in a region is of an arena: there is nothing but segments in it, and room for such.

        Who reads memory that was never touched has the kernel map it, as gcore does, so that it seems to be used.
        """
        index = bisect_right(self._segments, address) - 1
        return index >= 0 and region.start <= self._segments[index] and address - self._segments[index] < ARENA

    @property
    def blocks(self) -> int:
        """How many blocks are in use, but for those that another thread has freed, and not yet given back."""
        return sum(page.used for page in self.found)

    def runs(self, least: int = 0, everything: bool = False) -> Iterator[Run]:
        """The blocks of each page that objects may be in, or with `everything` of all pages, but for large ones.

        With `least` of those pages only whose blocks have room for so many bytes.
        """
        self.damaged = self._faults
        pages = [page for page in (self.found if everything else self._with_objects())
                 if least <= page.usable and page.block * page.count <= PIECE]
        for together, data in read_together(self._memory, _chunks(pages), _blocks_of, PIECE, self._large):
            if data is None:
                self.damaged += 1
                continue
            end = 0
            for page in together:
                start, end = end, end + page.block * page.count
                words = data[start:end].cast("Q")
                free = self._free_in(page, words)
                if free is None:
                    self.damaged += 1
                else:
                    yield Run([(page.address, page.count)], page.block, page.count, words, free, page.usable,
                              _head(page))

    def large(self, everything: bool = False) -> Iterator[Blocks]:
        """The blocks that have a page each, and of each of them what an object's structure may take."""
        for page in self.found if everything else self._with_objects():
            if page.block * page.count > PIECE:
                try:
                    words = memoryview(self._memory.read(page.address, PAGE)).cast("Q")
                except Unreadable:
                    continue
                if page.address not in page.free:
                    yield Blocks(page.address, words, [0], [page.usable], _head(page))

    def _with_objects(self) -> Iterator[MiPage]:
        return (page for page in self.found if page.tag != _MEMORY)

    @staticmethod
    def _free_in(page: MiPage, words: memoryview) -> Optional[List[int]]:
        """The numbers of the free blocks, None where a list leads out of the page or never ends."""
        found: List[int] = []
        for address in page.free:
            while address:
                number, within = divmod(address - page.address, page.block)
                if within or not 0 <= number < page.count or len(found) >= page.count:
                    return None
                found.append(number)
                word = words[number * page.block // 8]
                address = word if page.keys is None else _decoded(word, page.keys, page.entry)
        return found


def _blocks_of(page: MiPage) -> Tuple[int, int]:
    """The (address, size) of a page's blocks."""
    return page.address, page.block * page.count


def _chunks(pages: Iterable[MiPage]) -> Iterator[List[MiPage]]:
    """Pages whose blocks are up to PIECE bytes together."""
    chunk: List[MiPage] = []
    room = PIECE
    for page in pages:
        size = page.block * page.count
        if size > room:
            yield chunk
            chunk, room = [], PIECE
        chunk.append(page)
        room -= size
    if chunk:
        yield chunk


def _head(page: MiPage) -> Optional[int]:
    return _HEADS.get(page.tag) if page.tag is not None else None


def _decoded(word: int, keys: Tuple[int, int], null: int) -> int:
    """A link between free blocks in clear: mi_ptr_decode()."""
    first, second = keys
    word = word - first & _WORD
    shift = first % 64
    word = (word >> shift | word << 64 - shift & _WORD) ^ second
    return 0 if word == null else word
