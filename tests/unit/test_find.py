"""gdbext.cpython.find: images that define a runtime, what their code and data tell, and versions as text."""

from typing import List, Optional

import pytest

from gdbext.cpython import find
from gdbext.cpython.memory import PAGE
from tests.unit.builder import FakeMemory
from tests.unit.made_process import COOKIE, FakeImage, Place

DATA = 0x60_0000
CODE = 0x40_0000


@pytest.fixture
def memory() -> FakeMemory:
    """A page of data and one of code."""
    made = FakeMemory()
    made.map(DATA, bytearray(2 * PAGE))
    made.map(CODE, bytearray(b"\x90" * PAGE))
    return made


def write(memory: FakeMemory, address: int, raw: bytes) -> None:
    """Put bytes into the data or the code."""
    base, data = memory.segments[0 if address >= DATA else 1]
    data[address - base:address - base + len(raw)] = raw
    memory.clear()


@pytest.mark.parametrize("hexversion, text", (
    (0x03060FF0, "3.6.15"), (0x030B02F0, "3.11.2"), (0x030D00A3, "3.13.0a3"), (0x030F00B2, "3.15.0b2"),
    (0x030B00C1, "3.11.0rc1"), (0x030A00F0, "3.10.0")))
def test_version_text(hexversion: int, text: str) -> None:
    assert find.version_text(hexversion) == text


def test_images_are_asked_in_their_order(memory: FakeMemory) -> None:
    write(memory, DATA + 64, (0x030B07F0).to_bytes(4, "little"))
    first = FakeImage("/one", {"_PyRuntime": Place(DATA, 672)})
    second = FakeImage("/two", {"_PyRuntime": Place(DATA + 8, 166688), "Py_Version": Place(DATA + 64, 4)})
    gone = FakeImage("/gone", readable=False)
    found = find.search([FakeImage("/cat"), first, gone, second], memory)
    assert found.candidates == [find.Candidate(first, DATA, 672, None),
                                find.Candidate(second, DATA + 8, 166688, 0x030B07F0)]
    assert found.unreadable == [gone]


def test_a_version_that_cannot_be_read_is_not_known(memory: FakeMemory) -> None:
    image = FakeImage("/x", {"_PyRuntime": Place(DATA, 1), "Py_Version": Place(0x1000, 4)})
    assert find.search([image], memory).candidates[0].hexversion is None


# 3.6.

ENDBR = b"\xf3\x0f\x1e\xfa"


def displacement(at: int, wanted: int) -> bytes:
    """What leads from the end of an instruction to a variable."""
    return (wanted - at).to_bytes(4, "little", signed=True)


@pytest.mark.parametrize("before", (b"", ENDBR, ENDBR + b"\x55\x48\x89\xe5", b"\x55\x48\x89\xe5",
                                    b"\x48\x83\xec\x08"))
@pytest.mark.parametrize("opcode", (b"\x48\x8b\x05", b"\x48\x8b\x0d", b"\x4c\x8b\x3d", b"\x8b\x05"))
def test_the_static_variables_of_3_6(memory: FakeMemory, before: bytes, opcode: bytes) -> None:
    end = CODE + len(before) + len(opcode) + 4
    write(memory, CODE, before + opcode + displacement(end, DATA + 0x100) + b"\xc3")
    # mov dword [rip+x], 1 and ret
    write(memory, CODE + 0x40, before + b"\xc7\x05"
          + displacement(CODE + 0x40 + len(before) + 10, DATA + 0x200)
          + b"\x01\0\0\0\xc3")
    image = FakeImage("/python3.6", {
        "_PyThreadState_Current": Place(DATA, 8), "PyInterpreterState_Head": Place(CODE, 16),
        "_PyEval_SignalAsyncExc": Place(CODE + 0x40, 16)})
    [candidate] = find.search([image], memory).candidates
    assert candidate == find.Candidate(image, None, None, None,
                                       find.Globals(DATA + 0x100, DATA, DATA + 0x200))


def symbols_of_3_6(head: int = CODE, async_exc: Optional[int] = None) -> dict:
    """The symbols that are looked for."""
    found = {"_PyThreadState_Current": Place(DATA, 8), "PyInterpreterState_Head": Place(head, 16)}
    if async_exc is not None:
        found["_PyEval_SignalAsyncExc"] = Place(async_exc, 16)
    return found


# Of Debian's python3.11 for arm64, as `x/i` of gdb-multiarch shows them at 0x471314 and 0x68d910.
ADRP_A36 = {0x471314: 0xB0002E20, 0x467510: 0xF0002E60, 0x68D910: 0xB0001D40}  # adrp x0, 0xa36000
ADD_8, LDR_600, LDR_48, LDR_W_612, STR_W_124 = 0x91002000, 0xF9412C01, 0xF9401800, 0xB9426400, 0xB9007C02
CBZ, RET, BTI_C = 0xB4000061, 0xD65F03C0, 0xD503245F
AARCH64, RISCV = 183, 243


def words(*instructions: int) -> bytes:
    """Machine code of instructions of four bytes."""
    return b"".join(instruction.to_bytes(4, "little") for instruction in instructions)


@pytest.mark.parametrize("at, code, variable", (
    (0x68D910, [LDR_48, RET], 0xA36000 + 48),
    (0x68D910, [BTI_C, LDR_48, RET], 0xA36000 + 48),
    (0x471314, [ADD_8, LDR_600, CBZ], 0xA36008 + 600),
    (0x471314, [ADD_8, LDR_W_612, CBZ], 0xA36008 + 612),
    (0x467510, [STR_W_124, RET], 0xA36000 + 124),
    (0x471314, [RET, LDR_48], None),
    (0x471314, [CBZ, RET], None)))
def test_a_static_variable_of_3_6_on_aarch64(at: int, code: List[int], variable: Optional[int]) -> None:
    memory = FakeMemory()
    memory.map(at & -PAGE, bytes(at % PAGE) + words(ADRP_A36[at], *code) + bytes(PAGE))
    image = FakeImage("/python3.6", symbols_of_3_6(at), machine=AARCH64)
    candidates = find.search([image], memory).candidates
    assert [each.globals for each in candidates] == ([find.Globals(variable, DATA, None)] if variable else [])


def test_a_variable_below_its_function_on_aarch64(memory: FakeMemory) -> None:
    # adrp x0, -0x1000
    write(memory, CODE, words(0xF0FFFFE0, LDR_48, RET))
    [candidate] = find.search([FakeImage("/p", symbols_of_3_6(), machine=AARCH64)], memory).candidates
    assert candidate.globals == find.Globals(CODE - 0x1000 + 48, DATA, None)


def test_the_code_of_another_machine_is_not_read(memory: FakeMemory) -> None:
    write(memory, CODE, b"\x48\x8b\x05" + displacement(CODE + 7, DATA))
    image = FakeImage("/p", symbols_of_3_6(), machine=62)
    assert len(find.search([image], memory).candidates) == 1
    for machine in (AARCH64, RISCV):
        assert find.search([FakeImage("/p", symbols_of_3_6(), machine=machine)], memory).candidates == []


def test_a_variable_of_ceval_may_be_missing(memory: FakeMemory) -> None:
    write(memory, CODE, b"\x48\x8b\x05" + displacement(CODE + 7, DATA))
    [candidate] = find.search([FakeImage("/p", symbols_of_3_6())], memory).candidates
    assert candidate.globals == find.Globals(DATA, DATA, None)
    [candidate] = find.search([FakeImage("/p", symbols_of_3_6(async_exc=CODE + 0x100))], memory).candidates
    assert candidate.globals == find.Globals(DATA, DATA, None)


def test_a_function_of_3_6_that_tells_nothing(memory: FakeMemory) -> None:
    # Only NOPs, and code that is not in the core.
    assert find.search([FakeImage("/p", symbols_of_3_6())], memory) == find.Search([], [])
    gone = FakeImage("/p", symbols_of_3_6(0x1000))
    assert find.search([gone], memory) == find.Search([], [gone])
    # Too far into the function to be its first instructions.
    write(memory, CODE + 60, b"\x48\x8b\x05" + displacement(CODE + 67, DATA))
    assert find.search([FakeImage("/p", symbols_of_3_6())], memory).candidates == []


def test_one_of_the_symbols_of_3_6_alone_is_no_python(memory: FakeMemory) -> None:
    write(memory, CODE, b"\x48\x8b\x05" + displacement(CODE + 7, DATA))
    for name, place in symbols_of_3_6().items():
        assert find.search([FakeImage("/p", {name: place})], memory).candidates == []


# The cookie of 3.13.


def gone(*writable: tuple) -> FakeImage:
    """An image whose symbols are not in the core."""
    return FakeImage("/gone", writable=writable, readable=False)


def test_a_runtime_is_found_by_its_cookie(memory: FakeMemory) -> None:
    write(memory, DATA + 0x200, COOKIE + (0x030D05F0).to_bytes(8, "little"))
    image = gone((0x1000, 64), (DATA, 2 * PAGE))
    found = find.search([image], memory)
    assert found == find.Search([find.Candidate(image, DATA + 0x200, None, 0x030D05F0)], [])


@pytest.mark.parametrize("at", (0x204, 2 * PAGE - 8))
def test_a_cookie_at_an_impossible_place(memory: FakeMemory, at: int) -> None:
    write(memory, DATA + at, COOKIE)
    image = gone((DATA, 2 * PAGE))
    assert find.search([image], memory) == find.Search([], [image])


def test_a_copy_of_the_cookie_before_the_runtime(memory: FakeMemory) -> None:
    # The constant itself, as in the text of a debugger that is part of the program.
    write(memory, DATA + 0x101, COOKIE)
    write(memory, DATA + 0x200, COOKIE + (0x030D05F0).to_bytes(8, "little"))
    [candidate] = find.search([gone((DATA, 2 * PAGE))], memory).candidates
    assert candidate.runtime == DATA + 0x200


# The text of Py_GetVersion().


@pytest.mark.parametrize("text, version", (
    (b"3.6.15 (default, Nov  1 2025, 10:00:00) \n[GCC 12.2.0]", "3.6.15"),
    (b"3.11.2 (main, Apr 28 2025, 14:11:48) [GCC 12.2.0]", "3.11.2"),
    (b"3.13.0rc1+ (heads/3.13:abcdef, Aug  1 2024) [Clang 17]", "3.13.0rc1+"),
    (b"3.13.15 experimental free-threading build (main, Oct  1 2026, 19:55:55) [GCC 16.2.0]", "3.13.15"),
    (b"3.14.8 free-threading build (main, Oct  1 2026, 19:55:55) [GCC 16.2.0]", "3.14.8"),
    (b"2.7.18 (default, Jul  1 2022, 12:00:00) \n[GCC]", "2.7.18"),
    (b"3.2.0 is the database of unicodedata", None),
    (b"13.11.2", None),
))
def test_the_version_that_the_data_states(memory: FakeMemory, text: bytes, version: Optional[str]) -> None:
    write(memory, DATA + PAGE - 20, text + b"\0")
    image = FakeImage("/p", writable=[(0x1000, 64), (DATA, 2 * PAGE)])
    assert find.stated_version(image, memory) == version
    assert find.stated_version(FakeImage("/p"), memory) is None
