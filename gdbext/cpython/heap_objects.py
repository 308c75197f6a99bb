"""Which blocks of the heap are objects, and of which type.

An object begins with its block, or after the collector's head, or after that and two words of a
managed dictionary and weak references; which of these is for its type to say. So the types are
found first: they are what the words say, at the place of an object's type, that prove to be types.
Facts: Include/object.h, Include/internal/pycore_object.h (_PyType_PreHeaderSize), Objects/typeobject.c.
"""

from bisect import bisect_right
from collections import Counter
from itertools import compress
from operator import itemgetter, not_
from typing import Any, Container, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .gc_lists import GcLists
from .heap import DEBUG_HEADER, Blocks, Run, Windows, is_debug_id
from .memory import Damaged, Region, Unreadable
from .objects import MANAGED_DICT, TYPE_SUBCLASS, UNICODE_SUBCLASS
from .reader import READ_ERRORS
from .runtime import Runtime

# Bits of tp_flags (Include/object.h). A weak reference list in the pre-header came with 3.12; what the
# bit was before, no release that gdbext reads used.
MANAGED_WEAKREF = 1 << 3
HEAP_TYPE = 1 << 9
READY = 1 << 12
# Part of Py_TPFLAGS_DEFAULT.
_HAVE_VERSION_TAG = 1 << 18
HAVE_GC = 1 << 14

# User space ends here on x86-64 and aarch64.
_ADDRESS_BYTES = 6
_HIGHEST_BYTE = _ADDRESS_BYTES - 1
MAX_ADDRESS = 1 << 8 * _ADDRESS_BYTES

# Metatypes of metatypes; type is its own.
MAX_METATYPES = 16
# What tp_basicsize and tp_itemsize may be, in bytes.
MAX_BASIC_SIZE = 1 << 20
# Of the name of a type, in bytes.
_MAX_NAME = 256
# Words that are no types are remembered up to this number.
MAX_REJECTED = 1 << 18
# So many references nobody has: 4 characters of text are more. Immortal objects (PEP 683, 3.12) have a
# negative count, seen as 32 bits.
_MAX_COUNT = 1 << 29
_IMMORTAL = 1 << 31
# _PyObject_IMMORTAL_REFCNT of 3.11's static objects, which counts go up and down from.
_STATIC_COUNT = 999_999_999
# Of a free-threaded build's shared count (_Py_REFSHARED_SHIFT in Include/refcount.h, 3.13's object.h): flags.
SHARED_SHIFT = 2
# Of free-threaded builds (Include/refcount.h): ob_ref_local of an immortal object, and _Py_REF_DEFERRED.
_IMMORTAL_LOCAL = (1 << 32) - 1
_DEFERRED = ((1 << 63) - 1) // 8
# Of a word: where one of these bytes is not 0 it is no reference count, for those of immortal objects have 32 bits, and
# flags above 48. What malloc() and mmap() return, but for the heap of an executable at a fixed address, has one there.
TELLING_BYTES = 4, 5
_IS_BYTE = [bytes(value == byte for value in range(256)) for byte in range(256)]
_IS_ZERO = _IS_BYTE[0]
_IS_NOT_ZERO = bytes(value != 0 for value in range(256))
# The lowest byte of an address that is a multiple of 8.
_IS_ALIGNED = bytes(value & 7 == 0 for value in range(256))
# Of the words at one place in many blocks those that are looked at to know which are frequent, and how many times
# one has to be among them.
_SAMPLE = 128
_FREQUENT = 3
# Nothing is mapped below (vm.mmap_min_addr).
_LOW_BYTES = 2
LOWEST_POINTER = 1 << 8 * _LOW_BYTES


class HeapType:
    """A type as the heap knows it; sizes in bytes.

    `head` is how far in front of an object its block begins, but for what the debug hooks put there;
    `tracks` says whether its instances have a collector's head, or are known to the collector without.
    """

    __slots__ = ("address", "flags", "basic_size", "item_size", "head", "least", "tracks")

    def __init__(self, address: int, flags: int, basic_size: int, item_size: int, head: int, least: int) -> None:
        self.address = address
        self.flags = flags
        self.basic_size = basic_size
        self.item_size = item_size
        self.head = head
        # What a block has to have at least.
        self.least = least
        self.tracks = bool(flags & HAVE_GC)


# Some blocks of a source: a list of their numbers, or in the form of the source's own; None for all.
Some = Any


class Split(NamedTuple):
    """Blocks by a word of theirs, other blocks, and words of those that may be types."""

    by_word: Dict[int, Some]
    others: Some
    unknown: Sequence[int]


class Source:
    """Blocks that objects are looked for in, as columns: what each of them has at the same place.

    Blocks are numbered from 0 on; `used` are those in use. There is a column for each of the first `width` words.
    """

    number: int
    width: int
    used: Some = None

    def column(self, at: int) -> List[int]:
        """The word that each block has at a place, which is in words from its beginning."""
        raise NotImplementedError

    def same(self, at: int) -> Optional[int]:
        """The word that all blocks have at a place, None where they differ."""
        return None

    def has_only(self, at: int, size: int, zero: bool, some: Some) -> bool:
        """Whether it is quickly seen that some blocks' words at a place have `size` bytes, and are `zero` or not 0."""
        return False

    def split(self, place: int, count_place: Optional[int], known: Mapping[int, HeapType], some: Some) -> Split:
        """Divide some blocks by the word at a place, as far as these are known.

        Left out may be those whose word at another place is a pointer for sure, and no reference count.
        """
        others: List[int] = []
        numbers = list(range(self.number)) if some is None else some
        by_word = _by_word(chosen(self.column(place), numbers), known, numbers, others)
        return Split(by_word, others, chosen(self.column(place), others))

    def addresses(self) -> List[int]:
        """Where each block begins."""
        raise NotImplementedError

    def none(self) -> Some:
        """No blocks at all."""
        return []

    def both(self, some: Some, numbers: List[int]) -> Some:
        """Some blocks, and those of these numbers."""
        return some + numbers

    def fitting(self, some: Some, size: int, resized: bool) -> Some:
        """Which of some blocks have that many bytes, for objects that may have been `resized` or not."""
        raise NotImplementedError


class RunSource(Source):
    """The blocks of a run. Some of them are bytes, or such a number: for each block 1 where it is meant, else 0.

    So bytes that all blocks have at one place are looked at and combined without a loop.
    """

    def __init__(self, run: Run, highest: bytes) -> None:
        """`highest` translates the highest byte of an address: 1 where types may be in such memory, else 0."""
        self.number = run.number
        self._run = run
        self.width = run.size // 8
        self._highest = highest
        self._data: Optional[bytes] = None
        self._columns: Dict[int, List[int]] = {}
        self._larger: Dict[Tuple[int, int, bool], int] = {}
        if run.free:
            used = bytearray(b"\1") * run.number
            for number in run.free:
                used[number] = 0
            self.used = bytes(used)

    def column(self, at: int) -> List[int]:
        found = self._columns.get(at)
        if found is None:
            found = self._columns[at] = self._run.words[at::self.width].tolist()
        return found

    def same(self, at: int) -> Optional[int]:
        words, step = self._run.words, self.width
        return words[at] if words[at:-step:step] == words[at + step::step] else None

    def none(self) -> Some:
        return bytes(self.number)

    def both(self, some: Some, numbers: List[int]) -> Some:
        found = bytearray(some)
        for number in numbers:
            found[number] = 1
        return bytes(found)

    def has_only(self, at: int, size: int, zero: bool, some: Some) -> bool:
        if isinstance(some, list):
            return False
        key = at, size, zero
        larger = self._larger.get(key)
        if larger is None:
            bits = 0
            for byte in range(size, 8):
                bits |= int.from_bytes(self._bytes(8 * at + byte), "little")
            larger = _all_of(self._to_bytes(bits).translate(_IS_NOT_ZERO))
            if not zero and 0 in self._bytes(8 * at):
                larger |= _all_of(*(self._bytes(8 * at + byte).translate(_IS_ZERO) for byte in range(size)))
            self._larger[key] = larger
        return not (larger if some is None else larger & _all_of(some))

    def _bytes(self, at: int) -> bytes:
        """The byte that each block has at a place."""
        if self._data is None:
            self._data = self._run.words.tobytes()
        return self._data[at::self._run.size]

    def _to_bytes(self, number: int) -> bytes:
        return number.to_bytes(self.number, "little")

    def split(self, place: int, count_place: Optional[int], known: Mapping[int, HeapType], some: Some) -> Split:
        # Those whose word can be the address of a type.
        flags = [b"\1" * self.number if some is None else some, self._bytes(8 * place).translate(_IS_ALIGNED),
                 self._bytes(8 * place + _HIGHEST_BYTE).translate(self._highest)]
        if count_place is not None:
            flags += [self._bytes(8 * count_place + byte).translate(_IS_ZERO) for byte in TELLING_BYTES]
        left = _all_of(*flags)
        others = self._to_bytes(_all_of(flags[0]) ^ left)
        by_word: Dict[int, Some] = {}
        # Types lie together: most of their addresses' bytes are the same.
        same: Dict[Tuple[int, int], int] = {}
        for word in self._frequent(place, known):
            found = left
            for byte, value in enumerate(word.to_bytes(8, "little")):
                if (byte, value) not in same:
                    same[byte, value] = _all_of(self._bytes(8 * place + byte).translate(_IS_BYTE[value]))
                found &= same[byte, value]
            by_word[word] = self._to_bytes(found)
            left ^= found
        if not left:
            return Split(by_word, others, [])
        unknown: List[int] = []
        numbers = list(compress(range(self.number), self._to_bytes(left)))
        by_word.update(_by_word(chosen(self.column(place), numbers), known, numbers, unknown))
        return Split(by_word, self.both(others, unknown), chosen(self.column(place), unknown))

    def _frequent(self, place: int, known: Mapping[int, HeapType]) -> List[int]:
        """The known words that many blocks have at a place."""
        # What was made in turn would be passed over with an even number.
        every = self.number // _SAMPLE | 1
        sample = Counter(self._run.words[place::self.width * every].tolist())
        return [word for word, count in sample.items() if count >= _FREQUENT and word in known]

    def addresses(self) -> List[int]:
        size = self._run.size
        return [address for first, number in self._run.parts
                for address in range(first, first + number * size, size)]

    def fitting(self, some: Some, size: int, resized: bool) -> Some:
        return some if size <= self._run.usable else []


class BlocksSource(Source):
    """Blocks of any size. What lies behind them may be asked for as well, and says nothing."""

    def __init__(self, blocks: Blocks, least: int = 0) -> None:
        """In blocks of less than `least` bytes there are no objects that have the size that they were made with."""
        self.number = len(blocks.starts)
        self.width = MAX_BASIC_SIZE // 8
        self._blocks = blocks
        self._least = least
        self._last = max(blocks.starts, default=0)
        self._columns: Dict[int, List[int]] = {}

    def column(self, at: int) -> List[int]:
        found = self._columns.get(at)
        if found is None:
            words, starts, last = self._blocks.words, self._blocks.starts, len(self._blocks.words) - 1
            if self._last + at <= last:
                found = chosen(words[at:], starts)  # type: ignore[arg-type]  # a memoryview is one
            else:
                found = [words[start + at if start + at < last else last] for start in starts]
            self._columns[at] = found
        return found

    def addresses(self) -> List[int]:
        base = self._blocks.address
        return [base + 8 * start for start in self._blocks.starts]

    def fitting(self, some: Some, size: int, resized: bool) -> Some:
        sizes = self._blocks.sizes
        size = size if resized else max(size, self._least)
        return [number for number in (range(self.number) if some is None else some) if sizes[number] >= size]


class Group:
    """Objects of one type, out of some blocks of one source.

    `at` is where an object begins in its block, in words.
    """

    __slots__ = ("type", "_source", "_at", "_some")

    def __init__(self, type_: HeapType, source: Source, at: int, some: Some) -> None:
        self.type = type_
        self._source = source
        self._at = at
        self._some = some

    def __len__(self) -> int:
        return self._source.number if self._some is None else _number_of(self._some)

    def has_column(self, offset: int) -> bool:
        """Whether the word at an offset in bytes is within the blocks."""
        return self._at + (offset >> 3) < self._source.width

    def column(self, offset: int) -> List[int]:
        """The words at an offset in bytes, a multiple of 8, from where each object begins."""
        return chosen(self._source.column(self._at + (offset >> 3)), self._some)

    def has_only(self, offset: int, size: int, zero: bool) -> bool:
        """Whether it is quickly seen that the words at an offset have `size` bytes, and are `zero` or not 0."""
        return self._source.has_only(self._at + (offset >> 3), size, zero, self._some)

    def total(self, offset: int) -> int:
        """The sum of the words at an offset."""
        return sum(self.column(offset))

    def largest(self, offset: int) -> int:
        """The largest of the words at an offset."""
        return max(self.column(offset))

    def addresses(self) -> List[int]:
        """Where the objects are."""
        shift = 8 * self._at
        return [address + shift for address in chosen(self._source.addresses(), self._some)]

    def keep(self, flags: Sequence[bool]) -> List[int]:
        """Leave in the group only those whose flag is set; the numbers of the others' blocks."""
        numbers = self.numbers()
        self._some = list(compress(numbers, flags))
        return list(compress(numbers, map(not_, flags)))

    def some(self, flags: Sequence[bool]) -> "Group":
        """Those whose flag is set."""
        found = type(self)(self.type, self._source, self._at, self._some)
        found.keep(flags)
        return found

    def numbers(self) -> Sequence[int]:
        """The numbers of the blocks."""
        return chosen(range(self._source.number), self._some)


class HeapObjects:
    """Recognizes the objects in blocks. Raises READ_ERRORS when it is made for what can't be read."""

    def __init__(self, runtime: Runtime, regions: Sequence[Region], metatype: int, small: Set[int], shift: int,
                 debug: bool, least: int = 0) -> None:
        """`regions`: the memory that types may be in, which is the writable one. `metatype`: the address of `type`.

        `small`: the pages, as addresses shifted by `shift`, whose blocks are too small for types.
        `debug`: blocks begin with a debug header. `least`: of blocks of any size those of objects that can't be
        resized have so many bytes.
        """
        layout = runtime.layout
        self._runtime = runtime
        self._reader = runtime.reader
        self._small, self._shift, self._least = small, shift, least
        self._starts = [region.start for region in regions]
        self._ends = [region.end for region in regions]
        highest = {byte & 0xFF for region in regions
                   for byte in range(region.start >> 8 * _HIGHEST_BYTE, (region.end - 1 >> 8 * _HIGHEST_BYTE) + 1)}
        self._highest = bytes(byte in highest for byte in range(256))
        self._free_threaded = layout.free_threaded
        head = layout["PyObject"]
        self.type_at = head.offset("ob_type")
        self._flags_at, self._basic_size_at, self._item_size_at = map(
            layout["PyTypeObject"].offset, ("tp_flags", "tp_basicsize", "tp_itemsize"))
        self.size_at = layout["PyVarObject"].offset("ob_size")
        # Of a free-threaded build two counts, the first of which is the upper half of a word.
        self._count_at = head.offset("ob_ref_local") & ~7 if layout.free_threaded else head.offset("ob_refcnt")
        self._shared_at = head.offset("ob_ref_shared") if layout.free_threaded else 0
        # 3.13 has one reference more to what has the bit _PyGC_BITS_DEFERRED, no constant.
        self._deferring = int(layout.free_threaded and not layout.has("PyObject", "ob_flags"))
        gc_head = 0 if layout.free_threaded else layout["PyGC_Head"].size
        self._gc_head = gc_head
        # 3.6 and 3.7.
        self._heads_unwritten = not layout.free_threaded and "gc.gc_refs" in layout["PyGC_Head"]
        self._lists = GcLists(runtime)
        self.pre_header = 16 if layout.find("PyDictValues") else 0
        # 3.12 has tp_watched, and the pre-header of types with a weak reference list only.
        self._pre_header_flags = MANAGED_DICT | (MANAGED_WEAKREF if layout.has("PyTypeObject", "tp_watched") else 0)
        # Immortal objects of 3.14 and later have flags in the upper 16 bits (gh-127271).
        self._not_flags = 0xFFFF if layout.has("PyObject", "ob_flags") else 0xFFFFFFFF
        self._immortal = layout.has("PyTypeObject", "tp_watched")
        first = DEBUG_HEADER if debug else 0
        offsets = sorted({first, first + gc_head, first + gc_head + self.pre_header})
        # For each place where an object may begin in a block: the types of which it would have to be.
        self._known: Dict[int, Dict[int, HeapType]] = {offset: {} for offset in offsets}
        self._first = first
        self._rejected: Set[int] = set()
        self.types: Dict[int, HeapType] = {}
        # `type`, and all types whose instances are types.
        self.metatype = metatype
        self.metatypes: Dict[int, HeapType] = {}

    def learn(self, word: int) -> Optional[HeapType]:
        """The type at an address, None where there is none."""
        found = self.types.get(word)
        if found is None and word not in self._rejected:
            if not word & 7 and word >> self._shift not in self._small and self._is_mapped(word):
                try:
                    found = self._read_type(word)
                except READ_ERRORS:
                    pass
            if found is None:
                if len(self._rejected) >= MAX_REJECTED:
                    self._rejected.clear()
                self._rejected.add(word)
            else:
                self.types[word] = found
                self._known[self._first + found.head][word] = found
                if found.flags & TYPE_SUBCLASS:
                    self.metatypes[word] = found
        return found

    def _is_mapped(self, address: int) -> bool:
        index = bisect_right(self._starts, address) - 1
        return index >= 0 and address < self._ends[index]

    def _read_type(self, address: int) -> Optional[HeapType]:
        u64 = self._runtime.memory.u64
        metatype = address
        for _ in range(MAX_METATYPES):
            above = u64(metatype + self.type_at)
            if above == self.metatype or above in self.metatypes:
                break
            # Most words are the addresses of objects, whose types are known to be no metatypes.
            if (above in self.types or above in self._rejected or above & 7 or above >> self._shift in self._small
                    or not self._is_mapped(above)):
                return None
            metatype = above
        else:
            return None
        if metatype != address and not u64(metatype + self._flags_at) & TYPE_SUBCLASS:
            return None
        flags, basic, item = (u64(address + at) for at in (self._flags_at, self._basic_size_at, self._item_size_at))
        if not flags & READY and not self._is_never_readied(address, flags):
            return None
        # A negative one is larger.
        if item > MAX_BASIC_SIZE or not self.type_at + 8 <= basic <= MAX_BASIC_SIZE:
            return None
        head = self._gc_head if flags & HAVE_GC else 0
        if self.pre_header and flags & self._pre_header_flags:
            head += self.pre_header
        if self._first + head not in self._known:
            return None
        # The characters of most str objects begin within what tp_basicsize is the size of.
        # Naive times and datetimes (Modules/_datetimemodule.c) leave out the last field, their time zone.
        least = self._runtime.layout["PyASCIIObject"].size if flags & UNICODE_SUBCLASS else basic - 8
        return HeapType(address, flags, basic, item, head, head + least)

    def _is_never_readied(self, address: int, flags: int) -> bool:
        """Whether this is a static type that its module never gives to PyType_Ready(), as functools does in 3.8."""
        if flags & HEAP_TYPE or not flags & _HAVE_VERSION_TAG:
            return False
        memory, reader = self._runtime.memory, self._reader
        name = memory.c_string(reader.pointer(address, "PyTypeObject", "tp_name"), _MAX_NAME)
        return name.replace(b".", b"").replace(b"_", b"").isalnum() and not (
            reader.pointer(address, "PyTypeObject", "tp_dict") or reader.pointer(address, "PyTypeObject", "tp_base"))

    def learn_from(self, blocks: Blocks) -> None:
        """Learn the types that are in blocks: these are large enough, and their own types are metatypes."""
        least = self._runtime.layout["PyHeapTypeObject"].size
        words = blocks.words
        for start, size in zip(blocks.starts, blocks.sizes):
            if size >= least:
                for offset in self._known:
                    # What pymalloc has passed on to malloc has a second debug header.
                    for at in (start + offset // 8, start + (offset + self._first) // 8):
                        if words[at + self.type_at // 8] in self.metatypes:
                            self.learn(blocks.address + 8 * at)

    def in_run(self, run: Run) -> Iterator[Group]:
        """The objects in blocks of one size, by type."""
        return self._in_source(RunSource(run, self._highest), run.head, run.size)

    def in_blocks(self, blocks: Blocks) -> Iterator[Group]:
        """The objects in blocks of any size, by type. Blocks of a page or less may have been given back."""
        if self._first:
            # What pymalloc passes on to malloc() has gone through the debug hooks of both.
            words, last = blocks.words, len(blocks.words) - 1
            twice = DEBUG_HEADER // 8
            blocks = blocks._replace(starts=[
                start + (twice if is_debug_id(words[min(start + twice + 1, last)]) else 0) for start in blocks.starts])
        return self._in_source(BlocksSource(blocks, self._least), blocks.head, MAX_BASIC_SIZE)

    def _in_source(self, source: Source, head: Optional[int], size: int) -> Iterator[Group]:
        """The objects in blocks of that many bytes, by type."""
        offsets = [offset for offset in (self._known if head is None else (self._first + head,))
                   if offset + self.type_at < size]
        left: List[Some] = []
        unknown: Set[int] = set()
        yield from self._groups(source, offsets, source.used, left, unknown)
        if left and self._learn_from(unknown):
            yield from self._groups(source, offsets, left[0], [], set())

    def _groups(self, source: Source, offsets: Sequence[int], some: Some, left: List[Some], unknown: Set[int]
                ) -> Iterator[Group]:
        """The objects in some blocks of types that are known, by type; blocks without one, if any, come into `left`.

        Of each block that object which is at the first of the offsets. What has no reference count there is a freed
        one that is kept for later; or something older, where only a tracked object's head is written.
        To `unknown` are added the words that would have to be types, so that the other blocks were objects.
        """
        for offset in offsets:
            known, place = self._known[offset], (offset + self.type_at) // 8
            others = source.none()
            word = source.same(place)
            if word is None:
                by_word, others, words = source.split(
                    place, None if self._free_threaded else (offset + self._count_at) // 8, known, some)
                unknown.update(words)
            elif word in known:
                by_word = {word: some}
            else:
                unknown.add(word)
                continue
            for word, of_word in by_word.items():
                kind = known[word]
                group = self._group(kind, source, offset // 8, source.fitting(
                    of_word, self._first + kind.least, bool(kind.item_size or kind.flags & UNICODE_SUBCLASS)))
                if len(group):
                    dead = self._sift(group)
                    if self._heads_unwritten:
                        others = source.both(others, dead)
                if len(group):
                    yield group
            some = others
            if not _number_of(some):
                return
        left.append(some)

    def _group(self, *arguments: Any) -> Group:
        return Group(*arguments)

    def _learn_from(self, words: Iterable[int]) -> bool:
        """Look for types among words; whether there were any that were not known."""
        before = len(self.types)
        # As learn() has it, but without a call for each word: most are the addresses of objects, in pools or of a type
        # that is known to be no metatype.
        small, shift, least, most = self._small, self._shift, self._starts[0], self._ends[-1]
        u64, type_at, types, metatypes, rejected = (
            self._runtime.memory.u64, self.type_at, self.types, self.metatypes, self._rejected)
        for word in words:
            if word >> shift in small or word & 7 or not least <= word < most or not self._is_mapped(word):
                continue
            try:
                above = u64(word + type_at)
            except Unreadable:
                continue
            if above in metatypes or above not in types and above not in rejected:
                self.learn(word)
        return len(self.types) > before

    def _sift(self, group: Group) -> List[int]:
        """Leave in a group what has a reference count; the numbers of the others' blocks.

        Freed objects have none, and arrays of pointers have a pointer there. Text may have what looks like one; then
        the collector's head before it has text as well, and not links to other objects, or none.
        """
        dead: List[int] = []
        tracks = group.type.tracks and self._gc_head and not self._heads_unwritten
        if tracks and not group.has_only(-self._gc_head, _ADDRESS_BYTES, True):
            links = group.column(-self._gc_head)
            if max(links) >= MAX_ADDRESS:
                dead = group.keep([link < MAX_ADDRESS for link in links])
                if not len(group):
                    return dead
        if not self._free_threaded and group.has_only(self._count_at, _LOW_BYTES, False):
            return dead
        counts = group.column(self._count_at)
        if not self._surely_alive(counts):
            if self._free_threaded:
                dead += group.keep(list(map(self._is_living, counts, group.column(self._shared_at))))
            else:
                odd = {count for count in counts if not 0 < count < LOWEST_POINTER}
                none = {count for count in odd if not self._is_count(count)}
                if none:
                    dead += group.keep([count not in none for count in counts])
                if group.type.tracks and len(odd) > len(none):
                    dead += self._without_links(group)
        return dead

    def _without_links(self, group: Group) -> List[int]:
        """Leave in a group what has few references, or is in one of the collector's lists, or not tracked at all.

        What has many is rare, and may be another structure in a block in which there was an object before.
        """
        flags = [True] * len(group)
        for place, address in self._with_many(group):
            try:
                flags[place] = self._lists.is_linked(address) is not False
            except READ_ERRORS:
                flags[place] = False
        return [] if all(flags) else group.keep(flags)

    def _with_many(self, group: Group) -> Iterable[Tuple[int, int]]:
        """The places in a group, and the addresses, of what has as many references as a pointer would say."""
        return [(place, address) for place, (address, count) in enumerate(zip(
            group.addresses(), group.column(self._count_at))) if count >= LOWEST_POINTER]

    def _surely_alive(self, counts: Sequence[int]) -> bool:
        """Whether words are counts beyond doubt: most pools hold nothing else, which is quickly seen."""
        if self._free_threaded:
            return min(counts) >= 1 << 32
        return min(counts) > 0 and max(counts) < LOWEST_POINTER

    @staticmethod
    def _is_living(local: int, shared: int) -> bool:
        """Whether one of the two counts of a free-threaded build is above 0: an object that is freed has none."""
        return bool(local >> 32) or 0 < shared >> SHARED_SHIFT < 1 << 61

    def _is_count(self, word: int) -> bool:
        """Whether a word can be a reference count, and not what an array of pointers has there."""
        count = word & 0xFFFFFFFF
        if not count or word >> 32 & self._not_flags:
            return False
        if count >= _MAX_COUNT:
            return self._immortal and count >= _IMMORTAL or abs(count - _STATIC_COUNT) < LOWEST_POINTER
        # An executable at a fixed address, and its heap, have pointers as low as counts can be.
        return count < LOWEST_POINTER or bool(count & 7) or not self._is_object(count)

    def count(self, address: int) -> Tuple[int, bool]:
        """The reference count of the object at an address, and whether that is an immortal's. Raises Unreadable."""
        reader = self._reader
        if self._free_threaded:
            local = reader.integer(address, "PyObject", "ob_ref_local")
            # It may be negative.
            shared = reader.integer(address, "PyObject", "ob_ref_shared", signed=True)
            word = self._runtime.memory.u64(address + self._count_at)
            return local + _shared_count(shared) - self._deferring * (word >> 30 & 1), local == _IMMORTAL_LOCAL
        count = self._runtime.memory.u64(address + self._count_at)
        if not self._immortal:
            return count, abs(count - _STATIC_COUNT) < LOWEST_POINTER
        return count & 0xFFFFFFFF, bool(count & _IMMORTAL)

    def counts(self, group: Group) -> List[int]:
        """The reference count of each of a group's objects, -1 for an immortal's."""
        if self._free_threaded:
            return [-1 if word >> 32 == _IMMORTAL_LOCAL else
                    (word >> 32) + _shared_count(shared - (shared >> 63 << 64)) - self._deferring * (word >> 30 & 1)
                    for word, shared in zip(group.column(self._count_at), group.column(self._shared_at))]
        column = group.column(self._count_at)
        if not self._immortal:
            return [-1 if abs(word - _STATIC_COUNT) < LOWEST_POINTER else word for word in column]
        return [-1 if word & _IMMORTAL else word & 0xFFFFFFFF for word in column]

    def was_object(self, words: memoryview, start: int, room: int) -> bool:
        """Whether a block of `room` words holds an object that is no longer one, kept to be used again.

        Of such a tuple, frame or method the references are still there.
        """
        for offset, known in self._known.items():
            at = (offset + self.type_at) // 8
            if at < room and start + at < len(words):
                kind = known.get(words[start + at])
                if kind is not None and kind.flags & HAVE_GC and not kind.flags & HEAP_TYPE:
                    return True
        return False

    def is_alive(self, address: int, windows: Windows) -> bool:
        """Whether what lies before the type of an object at an address is a reference count. Raises Unreadable."""
        count = windows.word(address + self._count_at)
        if self._free_threaded:
            return self._is_living(count, windows.word(address + self._shared_at))
        return self._is_count(count)

    def _is_object(self, address: int) -> bool:
        try:
            return self.learn(self._runtime.memory.u64(address + self.type_at)) is not None
        except READ_ERRORS:
            return False


def find_metatype(runtime: Runtime) -> int:
    """The address of `type`, by way of the type of sys.modules, a dict. Raises READ_ERRORS."""
    type_at = runtime.layout["PyObject"].offset("ob_type")
    for interpreter in runtime.interpreters():
        address = runtime.modules(interpreter)
        for _ in range(MAX_METATYPES):
            following = runtime.memory.u64(address + type_at)
            if following == address:
                return address
            address = following
    raise Damaged(0, "no type of types")


def _number_of(some: Some) -> int:
    """How many blocks some are, which are not all."""
    return some.count(1) if isinstance(some, bytes) else len(some)


def chosen(column: Sequence[int], some: Some) -> List[int]:
    """The items of a column that are of some blocks."""
    if some is None:
        return column  # type: ignore[return-value]
    if isinstance(some, bytes):
        return list(compress(column, some))
    return list(itemgetter(*some)(column)) if len(some) > 1 else [column[number] for number in some]


def _all_of(*flags: bytes) -> int:
    """1 in each byte in which all of these have 1, else 0."""
    found = int.from_bytes(flags[0], "little")
    for more in flags[1:]:
        found &= int.from_bytes(more, "little")
    return found


def _by_word(column: List[int], known: Container[int], numbers: Sequence[int], others: List[int]
             ) -> Dict[int, List[int]]:
    """For each known word of a column the numbers at which it is there; all other numbers are added to `others`.

    `numbers` are those of the column's words.
    """
    found: Dict[int, List[int]] = {}
    for number, word in zip(numbers, column):
        if word in known:
            found.setdefault(word, []).append(number)
        else:
            others.append(number)
    return found


def _shared_count(word: int) -> int:
    """The count that other threads than an object's owner have changed, from a signed word.

    The references to a function, type or module are counted later, in the stacks that hold them; so that it
    is not freed before that, its count is larger by a constant (3.14 and later, gh-117376).
    """
    count = word >> SHARED_SHIFT
    return count - _DEFERRED if count >= _DEFERRED >> 1 else count
