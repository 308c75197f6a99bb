"""Pools and chunks in memory that the test makes: whole, free in part, damaged, or caught while they change."""

import struct
from typing import Dict, Iterable, List, Tuple

import pytest

from gdbext.cpython.heap import POOL_HEADER, Malloc, Pools
from gdbext.cpython.memory import Region
from tests.unit.builder import FakeMemory

ARENA = 0x7F12_3400_0000
HEAP = 0x5555_0000_0000


def pool(address: int, pool_size: int, block: int, count: int, free: Iterable[int] = (), arena: int = 3,
         alignment: int = 16) -> bytes:
    """A pool whose first `count` blocks were given out, `free` of them taken back."""
    free = list(free)
    places = [POOL_HEADER + block * number for number in free]
    data = bytearray(pool_size)
    struct.pack_into("<QQQQIIII", data, 0, count - len(free), address + places[0] if places else 0, 0, 0, arena,
                     block // alignment - 1, POOL_HEADER + block * count, pool_size - block)
    for place, following in zip(places, [*places[1:], None]):
        struct.pack_into("<Q", data, place, address + following if following is not None else 0)
    return bytes(data)


def found_in(memory: FakeMemory, regions: List[Tuple[int, int]]) -> Pools:
    """The pools in regions."""
    pools = Pools(memory)
    assert sum(pools.search([Region(*bounds, False, (bounds,)) for bounds in regions])) > 0
    return pools


@pytest.mark.parametrize("pool_size, alignment", [(4096, 8), (4096, 16), (16384, 16)])
def test_pools(pool_size: int, alignment: int) -> None:
    """Blocks, and which of them are free, in pools of both sizes."""
    memory = FakeMemory()
    most = (pool_size - POOL_HEADER) // 64
    data = (pool(ARENA, pool_size, 64, most, alignment=alignment) + bytes(pool_size)
            + pool(ARENA + 2 * pool_size, pool_size, 64, 10, (3, 7, 0), alignment=alignment))
    memory.map(ARENA, data)
    pools = found_in(memory, [(ARENA, ARENA + len(data))])
    runs = list(pools.runs())
    assert [(*run.parts, run.size, run.number, sorted(run.free)) for run in runs] == [
        ((ARENA + POOL_HEADER, most), 64, most, []), ((ARENA + 2 * pool_size + POOL_HEADER, 10), 64, 10, [0, 3, 7])]
    assert all(len(run.words) == run.number * 8 for run in runs)
    assert pools.holds(ARENA + 5) and not pools.holds(ARENA + pool_size) and not pools.damaged


def test_what_is_in_no_pool() -> None:
    """Pages before, between and behind pools, in pieces of a megabyte at the most."""
    memory = FakeMemory()
    data = (bytes(4096) + pool(ARENA + 4096, 4096, 64, 10) + bytes(2 * 4096) + pool(ARENA + 4 * 4096, 4096, 64, 10)
            + bytes((1 << 20) + 4096))
    memory.map(ARENA, data)
    region = Region(ARENA, ARENA + len(data), False, ((ARENA, ARENA + 6 * 4096), (ARENA + 7 * 4096, ARENA + len(data))))
    pools = Pools(memory)
    list(pools.search([region]))
    assert [pool.address for pool in pools.found] == [ARENA + 4096, ARENA + 4 * 4096]
    assert list(pools.others(region)) == [
        (ARENA, 4096), (ARENA + 2 * 4096, 2 * 4096), (ARENA + 5 * 4096, 4096),
        (ARENA + 7 * 4096, len(data) - 7 * 4096)]
    assert list(Pools(memory).others(region)) == [(ARENA, 6 * 4096), (ARENA + 7 * 4096, len(data) - 7 * 4096)]


@pytest.mark.parametrize("offset, value", [
    (0, 0), (0, 5000), (36, 64), (36, 2), (40, 20), (40, 16385), (44, 16384 - 32)])
def test_header_that_proves_nothing(offset: int, value: int) -> None:
    """A header whose parts disagree is none."""
    memory = FakeMemory()
    data = bytearray(pool(ARENA, 16384, 64, 10))
    struct.pack_into("<I", data, offset, value)
    memory.map(ARENA, data)
    assert not found_in(memory, [(ARENA, ARENA + 16384)]).found


@pytest.mark.parametrize("free", [[2], [2, 5], [2, 5, 7]])
def test_free_list_without_an_end(free: List[int]) -> None:
    """It costs that pool, and is told."""
    memory = FakeMemory()
    data = bytearray(pool(ARENA, 16384, 64, 10, free) + pool(ARENA + 16384, 16384, 64, 10))
    struct.pack_into("<Q", data, POOL_HEADER + 64 * free[-1], ARENA + POOL_HEADER + 64 * 2)
    memory.map(ARENA, data)
    pools = found_in(memory, [(ARENA, ARENA + len(data))])
    assert [run.parts for run in pools.runs()] == [[(ARENA + 16384 + POOL_HEADER, 10)]]
    assert pools.damaged == 1


@pytest.mark.parametrize("link", [ARENA + 8, ARENA + 16384, ARENA + POOL_HEADER + 63, 8])
def test_free_list_out_of_the_pool(link: int) -> None:
    """A link to nowhere."""
    memory = FakeMemory()
    data = bytearray(pool(ARENA, 16384, 64, 10, [1]))
    struct.pack_into("<Q", data, POOL_HEADER + 64, link)
    memory.map(ARENA, data)
    pools = found_in(memory, [(ARENA, ARENA + len(data))])
    assert not list(pools.runs()) and pools.damaged == 1


def test_unreadable_pool() -> None:
    """Memory that went away between two looks costs its pools."""
    memory = FakeMemory()
    data = pool(ARENA, 16384, 64, 10)
    memory.map(ARENA, data)
    pools = found_in(memory, [(ARENA, ARENA + len(data))])
    memory.make_unreadable(ARENA, 16384)
    assert not list(pools.runs()) and pools.damaged == 1


def heap(sizes: Iterable[int], free: Iterable[int] = (), top: int = 4096, flags: int = 0) -> bytes:
    """A heap of glibc's malloc: chunks of these sizes, those numbered in `free` taken back, then the top chunk."""
    data, before, free = bytearray(), 1, set(free)
    for number, size in enumerate([*sizes, top]):
        data += struct.pack("<QQ", 0, size | before | flags) + bytes(size - 16)
        before = 0 if number in free else 1
    return bytes(data)


def blocks_of(memory: FakeMemory, regions: List[Tuple[int, int]]) -> Tuple[Malloc, Dict[int, int]]:
    """Where malloc's blocks are, and their sizes."""
    malloc, pools = Malloc(memory), Pools(memory)
    all_regions = [Region(*bounds, False, (bounds,)) for bounds in regions]
    list(pools.search(all_regions))
    for region in all_regions:
        for start, size in pools.others(region):
            malloc.look(start, memoryview(memory.read(start, size)).cast("Q"))
    malloc.search(all_regions, pools)
    return malloc, {blocks.address + 8 * start: size for blocks in malloc.blocks()
                    for start, size in zip(blocks.starts, blocks.sizes)}


def test_main_heap() -> None:
    """Chunks in use, those of several pieces of memory too; not the free ones, nor the top."""
    sizes = [64, 32, 1040] * 2000 + [3 << 20] + [48] * 10
    free = [1, 4, 7]
    used = sum(sizes)
    data = heap(sizes, free, -used % 4096 + 4096)
    memory = FakeMemory()
    memory.map(HEAP, data)
    malloc, found = blocks_of(memory, [(HEAP, HEAP + len(data))])
    expected, at = {}, HEAP
    for number, size in enumerate(sizes):
        if number not in free:
            expected[at + 16] = size - 8
        at += size
    assert found == expected
    assert malloc.complete and malloc.walked == [(HEAP, HEAP + len(data))]


def test_top_chunk_longer_than_a_piece() -> None:
    """What lies before it in its piece is found nevertheless."""
    data = heap([64] * 100, (), (3 << 20) - 6400)
    memory = FakeMemory()
    memory.map(HEAP, data)
    malloc, found = blocks_of(memory, [(HEAP, HEAP + len(data))])
    assert len(found) == 100 and malloc.complete


@pytest.mark.parametrize("place", [100, 5000])
def test_chain_that_breaks_off(place: int) -> None:
    """malloc at work, or overwritten: what comes before is found, and the rest is told to be missing."""
    sizes = [64] * 6000
    data = bytearray(heap(sizes, (), -sum(sizes) % 4096 + 4096))
    struct.pack_into("<Q", data, 64 * place + 8, 7)
    memory = FakeMemory()
    memory.map(HEAP, data)
    malloc, found = blocks_of(memory, [(HEAP, HEAP + len(data))])
    assert len(found) in (place - 1, place) and malloc.broken == 1 and not malloc.complete


def test_no_heap() -> None:
    """Anything else is no heap."""
    memory = FakeMemory()
    memory.map(HEAP, struct.pack("<QQ", 0, 0x41) + bytes(0x30) + struct.pack("<QQ", 5, 9) + bytes(8112))
    malloc, found = blocks_of(memory, [(HEAP, HEAP + 8192)])
    assert not found and not malloc.complete


def test_mapped_chunks() -> None:
    """Chunks with mappings of their own, joined to one."""
    data = bytearray(16 * 4096)
    struct.pack_into("<QQ", data, 4096, 0, 8 * 4096 | 2)
    struct.pack_into("<QQ", data, 9 * 4096, 0, 4096 | 2)
    # Within the first, it is what somebody wrote there; and one that would end beyond the mapping is none.
    struct.pack_into("<QQ", data, 3 * 4096, 0, 4096 | 2)
    struct.pack_into("<QQ", data, 12 * 4096, 0, 9 * 4096 | 2)
    # As glibc 2.42 and later have it.
    struct.pack_into("<QQ", data, 14 * 4096, 0, 2 * 4096 - 16 | 2)
    memory = FakeMemory()
    memory.map(ARENA, data)
    _malloc, found = blocks_of(memory, [(ARENA, ARENA + len(data))])
    assert found == {ARENA + 4096 + 16: 8 * 4096 - 16, ARENA + 9 * 4096 + 16: 4096 - 16,
                     ARENA + 14 * 4096 + 16: 2 * 4096 - 16}


def test_arena_heap() -> None:
    """The heap of another arena: behind its header, up to the size that this tells."""
    start = 0x7F00_0400_0000
    chunks = heap([64, 48, 96], (1,), 4096, flags=4)
    header = struct.pack("<QQQQ", start + 48, 0, 8192, 8192) + bytes(16) + bytes(8192 - 48 - len(chunks))
    at = start + len(header)
    memory = FakeMemory()
    memory.map(start, header + chunks)
    malloc, found = blocks_of(memory, [(start, start + 8192)])
    assert found == {at + 16: 56, at + 64 + 48 + 16: 88}
    assert [each.start for each in malloc.heaps] == [at]
