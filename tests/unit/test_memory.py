"""gdbext.cpython.memory: the page cache, integers and strings, and what can't be read."""

import pytest

from gdbext.cpython import memory as memory_module
from gdbext.cpython.memory import PAGE, Unreadable
from tests.unit.builder import FakeMemory

START = 0x10000
CONTENTS = bytes(index * 7 & 255 for index in range(8 * PAGE))


@pytest.fixture
def memory() -> FakeMemory:
    """Eight pages."""
    made = FakeMemory()
    made.map(START, CONTENTS)
    return made


@pytest.mark.parametrize("at", (0, 1, PAGE - 1, PAGE, 2 * PAGE - 3))
@pytest.mark.parametrize("size", (1, 2, 8, PAGE - 1, PAGE, PAGE + 1, 4 * PAGE, 4 * PAGE + 1, 5 * PAGE))
def test_read_at_any_place_and_size(memory: FakeMemory, at: int, size: int) -> None:
    assert memory.read(START + at, size) == CONTENTS[at:at + size]


def test_nothing_is_read_for_no_bytes(memory: FakeMemory) -> None:
    assert memory.read(0, 0) == b""
    assert memory.read(0, -5) == b""
    assert memory.fetched == []


def test_a_page_is_fetched_once_until_cleared(memory: FakeMemory) -> None:
    for at in range(0, PAGE, 16):
        memory.u64(START + at)
        memory.u32(START + at)
        memory.read(START + at, 3)
    assert memory.fetched == [(START, PAGE)]
    memory.clear()
    memory.u64(START)
    assert len(memory.fetched) == 2


def test_changes_are_seen_after_clear(memory: FakeMemory) -> None:
    changed = memory.map(0x90000, bytes(PAGE))
    assert memory.u32(0x90000) == 0
    changed[0] = 9
    assert memory.u32(0x90000) == 0
    memory.clear()
    assert memory.u32(0x90000) == 9


@pytest.mark.parametrize("at", (0, 5, PAGE - 8, PAGE - 7, PAGE - 4, PAGE - 3, PAGE - 1))
def test_integers_across_a_boundary_of_pages(memory: FakeMemory, at: int) -> None:
    raw = CONTENTS[at:at + 8]
    # Twice: the first one fills the cache.
    for _ in range(2):
        assert memory.u64(START + at) == int.from_bytes(raw, "little")
        assert memory.u32(START + at) == int.from_bytes(raw[:4], "little")
    assert memory.integer(START + at, 3) == int.from_bytes(raw[:3], "little")
    assert memory.integer(START + at, 8, signed=True) == int.from_bytes(raw, "little", signed=True)


def test_a_negative_integer() -> None:
    memory = FakeMemory()
    memory.map(START, b"\xff" * PAGE)
    assert memory.integer(START, 4, signed=True) == -1
    assert memory.integer(START, 4) == memory.u32(START) == 0xFFFFFFFF
    assert memory.u64(START) == (1 << 64) - 1


@pytest.mark.parametrize("address, size", (
    (START - 1, 1), (START - 1, 2), (START + 8 * PAGE - 1, 2), (START + 8 * PAGE, 1), (0, 8),
    (START + PAGE, 1 << 60), ((1 << 64) - 4, 8), (-8, 8), (1 << 64, 1), (START + 4 * PAGE, 5 * PAGE)))
def test_what_is_not_there_is_unreadable(memory: FakeMemory, address: int, size: int) -> None:
    with pytest.raises(Unreadable) as error:
        memory.read(address, size)
    assert hex(address) in str(error.value)


@pytest.mark.parametrize("read", (FakeMemory.u64, FakeMemory.u32))
@pytest.mark.parametrize("address", (0, START - 4, START + 8 * PAGE - 2, (1 << 64) - 1, 1 << 64, -1))
def test_integers_that_are_not_there(memory: FakeMemory, read: object, address: int) -> None:
    # START - 4 holds for a u64 only.
    if read is FakeMemory.u32 and address == START - 4:
        address -= 1
    with pytest.raises(Unreadable):
        read(memory, address)


def test_a_mapping_that_begins_and_ends_within_a_page_is_read_to_its_end() -> None:
    memory = FakeMemory()
    memory.map(START + 100, b"abcdefgh" * 4)
    assert memory.read(START + 100, 32) == b"abcdefgh" * 4
    assert memory.u64(START + 124) == int.from_bytes(b"abcdefgh", "little")
    assert memory.u32(START + 128) == int.from_bytes(b"efgh", "little")
    for at in (START + 99, START + 125):
        with pytest.raises(Unreadable):
            memory.u64(at)


def test_the_rest_is_read_beside_an_unreadable_page(memory: FakeMemory) -> None:
    memory.make_unreadable(START + 2 * PAGE, PAGE)
    assert memory.read(START, 2 * PAGE) == CONTENTS[:2 * PAGE]
    assert memory.read(START + 3 * PAGE, 5 * PAGE) == CONTENTS[3 * PAGE:]
    for at, size in ((2 * PAGE, 1), (2 * PAGE - 1, 2), (0, 8 * PAGE), (3 * PAGE - 4, 8)):
        with pytest.raises(Unreadable):
            memory.read(START + at, size)


def test_an_unreadable_page_is_asked_for_once_as_a_page(memory: FakeMemory) -> None:
    for _ in range(3):
        with pytest.raises(Unreadable):
            memory.u64(0x5000)
    assert memory.fetched.count((0x5000, PAGE)) == 1


def test_the_cache_is_bounded(memory: FakeMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "MAX_PAGES", 4)
    for _ in range(3):
        for page in range(8):
            assert memory.read(START + page * PAGE, 1) == CONTENTS[page * PAGE:page * PAGE + 1]
            assert len(memory._pages) <= 4


def test_a_large_read_does_not_fill_the_cache(memory: FakeMemory) -> None:
    memory.read(START, 8 * PAGE)
    assert len(memory._pages) == 0


# Strings of C.


def test_a_c_string_ends_at_nul() -> None:
    memory = FakeMemory()
    memory.map(START, b"name\0rest" + bytes(PAGE - 9))
    assert memory.c_string(START, 100) == b"name"
    assert memory.c_string(START, 4) == b"name"
    assert memory.c_string(START, 3) == b"nam"
    assert memory.c_string(START + 4, 100) == b""


@pytest.mark.parametrize("length", (0, 1, 5, PAGE - 1, PAGE, PAGE + 5))
def test_a_c_string_across_pages(length: int) -> None:
    memory = FakeMemory()
    at = PAGE - 5
    memory.map(START, b"\0" * at + b"x" * length + b"\0" + b"y" * (3 * PAGE - at - length - 1))
    assert memory.c_string(START + at, 2 * PAGE) == b"x" * length


def test_a_c_string_that_ends_right_before_an_unmapped_page() -> None:
    memory = FakeMemory()
    memory.map(START, b"x" * (PAGE - 4) + b"end\0")
    assert memory.c_string(START + PAGE - 4, 512) == b"end"


def test_a_c_string_that_runs_into_an_unmapped_page() -> None:
    memory = FakeMemory()
    memory.map(START, b"x" * PAGE)
    with pytest.raises(Unreadable):
        memory.c_string(START + PAGE - 4, 512)
