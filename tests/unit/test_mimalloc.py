"""Segments of mimalloc in memory that the test makes: pages of all kinds, free lists in clear and encoded, damage."""

import struct
from typing import Dict, List, Sequence, Tuple

import pytest

from gdbext.cpython.heap import PIECE
from gdbext.cpython.memory import Region
from gdbext.cpython.mimalloc import ARENA, SEGMENT, SLICE, Mimalloc
from tests.unit.builder import FakeMemory

START = 0x2_0000_0000
COOKIE = 0x1234_5678_9ABC_DEF0
# No block of less is large here, as types are.
LARGE = 1024
SLICES = SEGMENT // SLICE
# The fields of a segment's header and of a page's entry, by their offsets.
SIZE, USED, SEGMENT_COOKIE, COUNT, INFO, KIND, ENTRIES, HEADER = 32, 208, 216, 224, 232, 240, 248, 264
PAGE_FREE, PAGE_LOCAL, PAGE_KEYS = 16, 32, 40
MASK = (1 << 64) - 1


def encoded(pointer: int, keys: Tuple[int, int], null: int) -> int:
    """mi_ptr_encode()."""
    word = (pointer or null) ^ keys[1]
    shift = keys[0] % 64
    return (word << shift | word >> 64 - shift) + keys[0] & MASK


class Page:
    """What a page is to be: `count` blocks of `block` bytes, three lists of the numbers of free ones, a tag."""

    def __init__(self, block: int, count: int, lists: Sequence[Sequence[int]] = ((), (), ()), tag: int = 0) -> None:
        self.block, self.count, self.lists, self.tag = block, count, lists, tag
        self.first = 3 * block if block <= 64 else block if block <= 512 else 0
        self.slices = -(-(self.first + block * count) // SLICE)
        self.free = sorted(number for numbers in lists for number in numbers)
        self.keys = 0x1122_3344_5566_7788 + block, 0x99AA_BBCC_DDEE_FF00 + count


class Made:
    """One segment, mapped."""

    def __init__(self, memory: FakeMemory, pages: Sequence[Page], free_threaded: bool, keyed: bool,
                 address: int = START) -> None:
        self.memory, self.address = memory, address
        self.entry_size = 80 + 16 * free_threaded + 16 * keyed
        self.header = bytearray(SLICE)
        for at, value in ((SIZE, SEGMENT), (USED, len(pages)), (SEGMENT_COOKIE, COOKIE ^ address), (COUNT, SLICES),
                          (INFO, 1), (ENTRIES, SLICES)):
            struct.pack_into("<Q", self.header, at, value)
        self._entry(0, 1)
        self.places: List[int] = []
        self.data: List[bytearray] = []
        number = 1
        for page in pages:
            self.places.append(self._page(page, number, free_threaded, keyed))
            number += page.slices
        # What is left is a page of no block size: not in use.
        self._entry(number, SLICES - number)
        memory.map(address, self.header)

    def entry(self, number: int) -> int:
        """Where the entry of a slice is in the segment."""
        return HEADER + number * self.entry_size

    def _entry(self, number: int, slices: int) -> None:
        struct.pack_into("<I", self.header, self.entry(number), slices)

    def _page(self, page: Page, number: int, free_threaded: bool, keyed: bool) -> int:
        start = self.address + number * SLICE + page.first
        place = self.entry(number)
        null = self.address + place
        data = bytearray(page.slices * SLICE)
        heads = []
        for numbers in page.lists:
            pointers = [start + page.block * each for each in numbers] + [0]
            heads.append(pointers[0])
            for pointer, following in zip(pointers, pointers[1:]):
                struct.pack_into("<Q", data, pointer - self.address - number * SLICE,
                                 encoded(following, page.keys, null) if keyed else following)
        struct.pack_into("<IIBxHHBxQIIQ", self.header, place, page.slices, 0, page.tag << 3, page.count, page.count, 0,
                         heads[0], page.count - len(page.free), page.block, heads[1])
        if keyed:
            struct.pack_into("<QQ", self.header, place + PAGE_KEYS, *page.keys)
        # Flags are in the two low bits.
        struct.pack_into("<Q", self.header, place + PAGE_KEYS + 16 * keyed, heads[2] | 2)
        self.data.append(self.memory.map(self.address + number * SLICE, data))
        return start

    def change(self, form: str, at: int, value: int) -> None:
        """Write into the segment's header."""
        struct.pack_into(form, self.header, at, value)
        self.memory.clear()


def found_in(made: Made, free_threaded: bool) -> Mimalloc:
    """What is found of one segment, in a region that begins before it."""
    bounds = made.address - SLICE, made.address + SEGMENT
    mimalloc = Mimalloc(made.memory, free_threaded)
    mimalloc.search([Region(*bounds, False, (bounds,))], LARGE)
    return mimalloc


BOTH = pytest.mark.parametrize("free_threaded, keyed", [(False, False), (False, True), (True, False), (True, True)])


@BOTH
def test_pages(free_threaded: bool, keyed: bool) -> None:
    """Blocks, which of them are free by any of the three lists, how far into them an object begins."""
    pages = [Page(48, 1000, ([5, 3], [999], [0, 1]), tag=1), Page(512, 100, ([], [7], []), tag=2),
             Page(2048, 90, tag=3), Page(64, 20, ([], [], [2]), tag=0)]
    made = Made(FakeMemory(), pages, free_threaded, keyed)
    mimalloc = found_in(made, free_threaded)
    assert [page.address for page in mimalloc.found] == made.places
    usable = {page: page.block - 8 * keyed for page in pages}
    expected = [([(place, page.count)], page.block, page.free, usable[page],
                 {1: 0, 2: 0, 3: 16}[page.tag] if free_threaded else None)
                for page, place in zip(pages, made.places) if page.tag or not free_threaded]
    runs = [(run.parts, run.size, sorted(run.free), run.usable, run.head) for run in mimalloc.runs()]
    assert runs == expected and mimalloc.damaged == 0
    assert len(list(mimalloc.runs(everything=True))) == len(pages)
    assert [run.size for run in mimalloc.runs(LARGE)] == [2048]
    assert mimalloc.blocks == sum(page.count - len(page.free) for page in pages)
    assert mimalloc.holds(made.places[0] + 48 * 999) and not mimalloc.holds(START)
    small = {place >> mimalloc.shift for place in (made.places[0], made.places[1], made.places[3])}
    assert small <= mimalloc.small and made.places[2] >> mimalloc.shift not in mimalloc.small


@BOTH
def test_large_blocks(free_threaded: bool, keyed: bool) -> None:
    """A block that is larger than what is read at one time has its page alone, and its beginning is read."""
    made = Made(FakeMemory(), [Page(2 * PIECE, 1, tag=2), Page(2 * PIECE, 1, ([0], [], []), tag=2)],
                free_threaded, keyed)
    # A page without a block in use.
    made.change("<I", made.entry(1 + 2 * PIECE // SLICE) + 24, 0)
    mimalloc = found_in(made, free_threaded)
    assert list(mimalloc.runs()) == []
    (blocks,) = mimalloc.large()
    assert (blocks.address, blocks.starts, blocks.sizes) == (made.places[0], [0], [2 * PIECE - 8 * keyed])


def test_several_segments() -> None:
    """Those of one copy of mimalloc have one cookie; another library's copy may be built in another way."""
    memory = FakeMemory()
    first, second = (Made(memory, [Page(48, 10, tag=1)], True, False, START + at) for at in (0, SEGMENT))
    foreign = Made(memory, [Page(48, 10)], True, True, START + 4 * SEGMENT)
    foreign.change("<Q", SEGMENT_COOKIE, 7 ^ foreign.address)
    bounds = START, START + 8 * SEGMENT
    mimalloc = Mimalloc(memory, True)
    region = Region(*bounds, False, (bounds,))
    mimalloc.search([region], LARGE)
    assert [page.address for page in mimalloc.found] == first.places + second.places + foreign.places
    assert [run.parts[0][0] for run in mimalloc.runs()] == first.places + second.places
    assert mimalloc.reserves(region, START + ARENA // 2) and not mimalloc.reserves(region, START - 1)
    assert not mimalloc.reserves(region, START + 4 * SEGMENT + ARENA)
    later = START + 6 * SEGMENT, START + 8 * SEGMENT
    assert not mimalloc.reserves(Region(*later, False, (later,)), START + 7 * SEGMENT)


@pytest.mark.parametrize("field, value", [
    (SIZE, SEGMENT // 2), (SEGMENT_COOKIE, 0), (COUNT, 3), (INFO, 0), (INFO, SLICES), (KIND, 2), (ENTRIES, 5),
    (USED, SLICES + 1)])
def test_header_that_proves_nothing(field: int, value: int) -> None:
    """A header whose parts disagree is none; nor is one in a file's memory."""
    made = Made(FakeMemory(), [Page(48, 10, tag=1)], True, False)
    assert found_in(made, True).found
    bounds = START, START + SEGMENT
    of_a_file = Mimalloc(made.memory, True)
    of_a_file.search([Region(*bounds, True, (bounds,))], LARGE)
    assert not of_a_file.found
    made.change("<I" if field == KIND else "<Q", field, value)
    assert not found_in(made, True).found


DAMAGE: Dict[str, Tuple[int, str, int]] = {
    "size of blocks": (28, "<I", 50), "more blocks than fit": (10, "<H", 60000),
    "more than are reserved": (12, "<H", 1)}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_page(what: str) -> None:
    """It costs that page, and is told."""
    made = Made(FakeMemory(), [Page(48, 1000, tag=1), Page(48, 10, tag=1)], True, False)
    at, form, value = DAMAGE[what]
    made.change(form, made.entry(1) + at, value)
    mimalloc = found_in(made, True)
    assert [run.parts[0][0] for run in mimalloc.runs()] == made.places[1:] and mimalloc.damaged == 1


@pytest.mark.parametrize("link", [48 * 4, 24, 48 * 2000, -SLICE])
@pytest.mark.parametrize("keyed", [False, True])
def test_free_list_astray(link: int, keyed: bool) -> None:
    """One that leads into itself, between blocks or out of the page costs the page, and is told."""
    page = Page(48, 1000, ([4, 6], [], []), tag=1)
    made = Made(FakeMemory(), [page, Page(64, 10, tag=1)], True, keyed)
    address, null = made.places[0] + link, made.address + made.entry(1)
    struct.pack_into("<Q", made.data[0], page.first + 48 * 6, encoded(address, page.keys, null) if keyed else address)
    mimalloc = found_in(made, True)
    assert [run.parts[0][0] for run in mimalloc.runs()] == made.places[1:] and mimalloc.damaged == 1


def test_slices_that_do_not_add_up() -> None:
    """They cost the segment where another is whole, and are told."""
    memory = FakeMemory()
    whole = Made(memory, [Page(48, 10, tag=1)], True, False)
    broken = Made(memory, [Page(48, 10, tag=1)], True, False, START + SEGMENT)
    broken.change("<I", broken.entry(2), 2 * SLICES)
    bounds = START, START + 2 * SEGMENT
    mimalloc = Mimalloc(memory, True)
    mimalloc.search([Region(*bounds, False, (bounds,))], LARGE)
    assert whole.places[0] in [run.parts[0][0] for run in mimalloc.runs()] and mimalloc.damaged == 1


def test_unreadable_page() -> None:
    """Memory that went away between two looks costs its page."""
    made = Made(FakeMemory(), [Page(48, 10, tag=1), Page(64, 10, tag=1)], True, False)
    mimalloc = found_in(made, True)
    made.memory.make_unreadable(START + SLICE, SLICE)
    assert [run.parts[0][0] for run in mimalloc.runs()] == made.places[1:] and mimalloc.damaged == 1
