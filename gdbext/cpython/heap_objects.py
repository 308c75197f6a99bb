"""Which blocks of the heap are objects, and of which type.

An object begins with its block, or after the collector's head, or after that and two words of a
managed dictionary and weak references; which of these is for its type to say. So the types are
found first: they are what the words say, at the place of an object's type, that prove to be types.
Facts: Include/object.h, Include/internal/pycore_object.h (_PyType_PreHeaderSize), Objects/typeobject.c.
"""

from collections import defaultdict
from operator import itemgetter
from typing import Callable, DefaultDict, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from .heap import DEBUG_HEADER, Blocks, Run, Windows, is_debug_id
from .memory import Damaged
from .objects import MANAGED_DICT, TYPE_SUBCLASS, UNICODE_SUBCLASS
from .reader import READ_ERRORS
from .runtime import Runtime

# Bits of tp_flags (Include/object.h). A weak reference list in the pre-header came with 3.12; what the
# bit was before, no release that gdbext reads used.
MANAGED_WEAKREF = 1 << 3
HEAP_TYPE = 1 << 9
READY = 1 << 12
HAVE_GC = 1 << 14

# Metatypes of metatypes; type is its own.
MAX_METATYPES = 16
# What tp_basicsize and tp_itemsize may be, in bytes.
MAX_BASIC_SIZE = 1 << 20
# Words that are no types are remembered up to this number.
MAX_REJECTED = 1 << 18
# User space ends here on x86-64 and aarch64.
_MAX_ADDRESS = 1 << 48
_MIN_ADDRESS = 1 << 12
# So many references nobody has: 4 characters of text are more. Immortal objects (PEP 683, 3.12) have a
# negative count, seen as 32 bits.
_MAX_COUNT = 1 << 29
_IMMORTAL = 1 << 31
# _PyObject_IMMORTAL_REFCNT of 3.11's static objects, which counts go up and down from.
_STATIC_COUNT = 999_999_999
# Of a free-threaded build's shared count (_Py_REF_SHARED_SHIFT in Include/refcount.h, 3.13's object.h): flags.
_SHARED_SHIFT = 2
# Nothing is mapped below (vm.mmap_min_addr).
_LOWEST_POINTER = 1 << 16


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


class Group:
    """Objects of one type in one piece of memory: `places` says where each begins in `words`, in words."""

    __slots__ = ("type", "address", "words", "places")

    def __init__(self, type_: HeapType, address: int, words: memoryview, places: Sequence[int]) -> None:
        self.type = type_
        self.address = address
        self.words = words
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def column(self, offset: int) -> List[int]:
        """The words at an offset in bytes, a multiple of 8, from where each object begins."""
        words, at, places = self.words, offset >> 3, self.places
        if isinstance(places, range):
            return words[places.start + at:places.stop + at:places.step].tolist()
        if len(places) == 1:
            return [words[places[0] + at]]
        if at:
            places = [place + at for place in places]
        return list(itemgetter(*places)(words))

    def addresses(self) -> Sequence[int]:
        """Where the objects are."""
        base, places = self.address, self.places
        if isinstance(places, range):
            return range(base + 8 * places.start, base + 8 * places.stop, 8 * places.step)
        return [base + 8 * place for place in places]


class HeapObjects:
    """Recognizes the objects in blocks. Raises READ_ERRORS when it is made for what can't be read."""

    def __init__(self, runtime: Runtime, small: Set[int], shift: int, debug: bool) -> None:
        """`small`: the pages, as addresses shifted by `shift`, whose blocks are too small for types.

        `debug`: blocks begin with a debug header.
        """
        layout = runtime.layout
        self._runtime = runtime
        self._reader = runtime.reader
        self._small, self._shift = small, shift
        self._free_threaded = layout.free_threaded
        head = layout["PyObject"]
        self.type_at = head.offset("ob_type")
        # Of a free-threaded build two counts, the first of which is the upper half of a word.
        self._count_at = head.offset("ob_ref_local") & ~7 if layout.free_threaded else head.offset("ob_refcnt")
        self._shared_at = head.offset("ob_ref_shared") if layout.free_threaded else 0
        gc_head = 0 if layout.free_threaded else layout["PyGC_Head"].size
        self._gc_head = gc_head
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
        self.metatype = self._find_metatype()
        self.metatypes: Dict[int, HeapType] = {}

    def _find_metatype(self) -> int:
        """The address of `type`, by way of the type of sys.modules, a dict."""
        memory = self._runtime.memory
        for interpreter in self._runtime.interpreters():
            address = self._runtime.modules(interpreter)
            for _ in range(MAX_METATYPES):
                following = memory.u64(address + self.type_at)
                if following == address:
                    return address
                address = following
        raise Damaged(0, "no type of types")

    def learn(self, word: int) -> Optional[HeapType]:
        """The type at an address, None where there is none."""
        found = self.types.get(word)
        if found is None and word not in self._rejected:
            if not word & 7 and _MIN_ADDRESS < word < _MAX_ADDRESS and word >> self._shift not in self._small:
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

    def _read_type(self, address: int) -> Optional[HeapType]:
        memory, reader = self._runtime.memory, self._reader
        metatype = address
        for _ in range(MAX_METATYPES):
            above = memory.u64(metatype + self.type_at)
            if above == self.metatype:
                break
            if not above or above & 7 or above >> self._shift in self._small:
                return None
            metatype = above
        else:
            return None
        if metatype != address and not reader.integer(metatype, "PyTypeObject", "tp_flags") & TYPE_SUBCLASS:
            return None
        flags = reader.integer(address, "PyTypeObject", "tp_flags")
        basic = reader.integer(address, "PyTypeObject", "tp_basicsize", signed=True)
        item = reader.integer(address, "PyTypeObject", "tp_itemsize", signed=True)
        if not flags & READY or not 0 <= item <= MAX_BASIC_SIZE or not self.type_at + 8 <= basic <= MAX_BASIC_SIZE:
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

    def in_run(self, run: Run, head: Optional[int] = None) -> Iterator[Group]:
        """The objects in blocks of one size, by type; `head` where it is known how much comes before each."""
        step = run.size // 8
        kinds = self._kinds_of(step, run.words, head)
        if kinds is None:
            return
        for number in run.free:
            kinds[number] = None
        present = set(kinds)
        for kind in list(present):
            if kind is not None and self._first + kind.least > run.usable:
                kinds = [None if each is kind else each for each in kinds]
                present = set(kinds)
        first = kinds[0]
        if first is not None and kinds.count(first) == len(kinds):
            start = (self._first + first.head) // 8
            yield from self._alive(first, run.address, run.words, range(start, start + len(kinds) * step, step),
                                   lambda _start: step)
            return
        heads = {kind.head if kind is not None else -1 for kind in present}
        alive = len(heads) == 1 and -1 not in heads and self._surely_alive(
            run.words[(self._first + first.head + self._count_at) // 8::step].tolist())
        yield from self._grouped(kinds, range(0, len(kinds) * step, step), run.address, run.words, lambda _start: step,
                                 alive)

    def in_blocks(self, blocks: Blocks, head: Optional[int] = None) -> Iterator[Group]:
        """The objects in blocks of any size, by type. Blocks of a page or less may have been given back."""
        if self._first:
            # What pymalloc passes on to malloc() has gone through the debug hooks of both.
            words, last = blocks.words, len(blocks.words) - 1
            twice = DEBUG_HEADER // 8
            blocks = blocks._replace(starts=[
                start + (twice if is_debug_id(words[min(start + twice + 1, last)]) else 0) for start in blocks.starts])
        kinds = [kind if kind is not None and self._first + kind.least <= size else None
                 for kind, size in zip(self._kinds_at(blocks, head), blocks.sizes)]
        sizes: Dict[int, int] = {}

        def room(start: int) -> int:
            if not sizes:
                sizes.update(zip(blocks.starts, blocks.sizes))
            return sizes[start] // 8
        yield from self._grouped(kinds, blocks.starts, blocks.address, blocks.words, room)

    def _grouped(self, kinds: Sequence[Optional[HeapType]], starts: Iterable[int], address: int,
                 words: memoryview, room: Callable[[int], int], alive: bool = False) -> Iterator[Group]:
        """Group what begins at `starts` by kind; `alive` where all are known to be."""
        groups: DefaultDict[HeapType, List[int]] = defaultdict(list)
        for kind, start in zip(kinds, starts):
            if kind is not None:
                groups[kind].append(start)
        for kind, places in groups.items():
            shift = (self._first + kind.head) // 8
            places = [place + shift for place in places] if shift else places
            if alive:
                yield Group(kind, address, words, places)
            else:
                yield from self._alive(kind, address, words, places, room)

    def _places(self, head: Optional[int]) -> "Iterable[Tuple[int, Dict[int, HeapType]]]":
        """Where in a block objects may begin, and the types of those that begin there."""
        return self._known.items() if head is None else ((self._first + head, self._known[self._first + head]),)

    def _kinds_of(self, step: int, words: memoryview, head: Optional[int]) -> Optional[List[Optional[HeapType]]]:
        """The type of what is in each block, None for one that holds no object."""
        columns = []
        for offset, known in self._places(head):
            at = (offset + self.type_at) // 8
            if at < step:
                columns.append((words[at::step].tolist(), known))
        if not columns:
            return None
        kinds = _combined(columns)
        if None in kinds and self._learn_from(kinds, columns):
            kinds = _combined(columns)
        return kinds

    def _kinds_at(self, blocks: Blocks, head: Optional[int]) -> List[Optional[HeapType]]:
        columns = []
        words, last = blocks.words, len(blocks.words) - 1
        for offset, known in self._places(head):
            at = (offset + self.type_at) // 8
            columns.append(([words[min(start + at, last)] for start in blocks.starts], known))
        kinds = _combined(columns)
        if None in kinds and self._learn_from(kinds, columns):
            kinds = _combined(columns)
        return kinds

    def _learn_from(self, kinds: "List[Optional[HeapType]]", columns: "List[tuple]") -> bool:
        """Look for types among the words of blocks without one; whether there were any."""
        before = len(self.types)
        small, shift = self._small, self._shift
        for words, _known in columns:
            # As learn() has it, but without a call for each word: most are addresses in pools.
            unknown = {word for word, kind in zip(words, kinds) if kind is None and not word & 7
                       and _MIN_ADDRESS < word < _MAX_ADDRESS and word >> shift not in small}
            unknown.difference_update(self._rejected)
            for word in unknown:
                self.learn(word)
        return len(self.types) > before

    def _alive(self, kind: HeapType, address: int, words: memoryview, places: Sequence[int],
               room: Callable[[int], int]) -> Iterator[Group]:
        """The group of those that have a reference count: freed ones have none, arrays of pointers a pointer.

        `room` tells how many words the block has that begins at a word.
        """
        group = Group(kind, address, words, places)
        counts = group.column(self._count_at)
        if not self._surely_alive(counts):
            if self._free_threaded:
                living = map(self._is_living, counts, group.column(self._shared_at))
            else:
                living = map(self._is_count, counts)
            group.places = [place for place, lives in zip(places, living) if lives]
            if not kind.head and len(group.places) < len(places) and len(self._known) > 1:
                alive = set(group.places)
                for place in places:
                    if place not in alive:
                        yield from self._behind_head(address, words, place, room(place - self._first // 8))
        if len(group.places):
            yield group

    def _surely_alive(self, counts: Sequence[int]) -> bool:
        """Whether words are counts beyond doubt: most pools hold nothing else, which is quickly seen."""
        if self._free_threaded:
            return min(counts) >= 1 << 32
        return min(counts) > 0 and max(counts) < _LOWEST_POINTER

    @staticmethod
    def _is_living(local: int, shared: int) -> bool:
        """Whether one of the two counts of a free-threaded build is above 0: an object that is freed has none."""
        return bool(local >> 32) or 0 < shared >> _SHARED_SHIFT < 1 << 61

    def _behind_head(self, address: int, words: memoryview, place: int, room: int) -> Iterator[Group]:
        """The object of a block in which something older is left where its type would be if it had no head.

        That is so in 3.6 and 3.7, where only a tracked object's head is written.
        """
        for offset in self._known:
            at = (offset + self.type_at) // 8
            start = place - self._first // 8
            if offset == self._first or at >= room or start + at >= len(words):
                continue
            kind = self.learn(words[start + at])
            count = words[start + (offset + self._count_at) // 8]
            if kind is not None and kind.head == offset - self._first and self._is_count(count):
                yield Group(kind, address, words, [start + offset // 8])
                return

    def _is_count(self, word: int) -> bool:
        """Whether a word can be a reference count, and not what an array of pointers has there."""
        count = word & 0xFFFFFFFF
        if not count or word >> 32 & self._not_flags:
            return False
        if count >= _MAX_COUNT:
            return self._immortal and count >= _IMMORTAL or abs(count - _STATIC_COUNT) < _LOWEST_POINTER
        # An executable at a fixed address, and its heap, have pointers as low as counts can be.
        return count < _LOWEST_POINTER or bool(count & 7) or not self._is_object(count)

    def count(self, address: int) -> Tuple[int, bool]:
        """The reference count of the object at an address, and whether that is an immortal's. Raises Unreadable."""
        reader = self._reader
        if self._free_threaded:
            local = reader.integer(address, "PyObject", "ob_ref_local")
            # It may be negative.
            shared = reader.integer(address, "PyObject", "ob_ref_shared", signed=True) >> _SHARED_SHIFT
            return local + shared, local == 0xFFFFFFFF
        count = self._runtime.memory.u64(address + self._count_at)
        if not self._immortal:
            return count, abs(count - _STATIC_COUNT) < _LOWEST_POINTER
        return count & 0xFFFFFFFF, bool(count & _IMMORTAL)

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


def _combined(columns: "List[tuple]") -> List[Optional[HeapType]]:
    """For each block the first of its words that is a type which may be at that place."""
    found = [map(known.get, words) for words, known in columns]
    if len(found) == 1:
        return list(found[0])
    if len(found) == 2:
        return [first or second for first, second in zip(*found)]
    return [first or second or third for first, second, third in zip(*found)]
