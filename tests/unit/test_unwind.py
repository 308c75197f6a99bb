"""gdbext.elf.unwind: tables of functions, rows of registers and callers; made by the test and of real libraries."""

import re
import struct
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import pytest
from elftools.dwarf.callframe import FDE, RegisterRule
from elftools.elf.elffile import ELFFile

from gdbext.cpython.memory import Unreadable
from gdbext.elf import unwind
from gdbext.elf.dynamic import Image
from gdbext.elf.unwind import Function, NoUnwindTable, Registers, UnwindTable, caller
from tests.unit.builder import FakeMemory

HEADER = 0x7F00_0000_1000
RECORDS = HEADER + 0x4000
CODE = HEADER - 0x10_0000
STACK = 0x7FFD_0000_0000

RBX, RBP, RSP, RA = 3, 6, 7, 16
X86_64 = Registers(RSP, (RBX, RBP, 12, 13, 14, 15))
# DW_CFA_def_cfa rsp+8; DW_CFA_offset RA at cfa-8.
ON_ENTRY = bytes((0x0C, RSP, 8, 0x80 | RA, 1))
COMMON = b"zR\0" + bytes((1, 0x78, RA, 1, 0x1B))


class Made:
    """A header, a CIE and FDEs as linkers write them."""

    def __init__(self, functions: Sequence[Tuple[int, int, bytes]], common: bytes = COMMON,
                 initial: bytes = ON_ENTRY) -> None:
        """`functions` has (offset from CODE, size, call frame instructions)."""
        self.memory = FakeMemory()
        records = bytearray()
        body = b"\0\0\0\0\1" + common + initial
        records += struct.pack("<I", len(body)) + body
        places = []
        for offset, size, instructions in functions:
            at = RECORDS + len(records)
            places.append((CODE + offset - HEADER, at - HEADER))
            body = struct.pack("<IiI", at + 4 - RECORDS, CODE + offset - (at + 8), size) + b"\0" + instructions
            records += struct.pack("<I", len(body)) + body
        table = b"".join(struct.pack("<ii", *place) for place in sorted(places))
        header = struct.pack("<BBBBiI", 1, 0x1B, 0x03, 0x3B, RECORDS - HEADER - 4, len(places)) + table
        self.memory.map(HEADER, bytearray(header + bytes(-len(header) % 64)))
        self.memory.map(RECORDS, bytearray(records + bytes(64)))
        self.table = UnwindTable(self.memory, HEADER)


def test_functions_and_what_lies_between_them() -> None:
    made = Made([(0x100, 0x40, b""), (0x200, 0x1000, b""), (0x140, 0x10, b"")])
    table = made.table
    assert table.function(CODE + 0x100) == Function(CODE + 0x100, CODE + 0x140)
    assert table.function(CODE + 0x13F) == Function(CODE + 0x100, CODE + 0x140)
    assert table.function(CODE + 0x140) == Function(CODE + 0x140, CODE + 0x150)
    for outside in (CODE, CODE + 0xFF, CODE + 0x150, CODE + 0x1200, 0, 1 << 63):
        assert table.function(outside) is None
        assert table.row(outside) is None


def test_the_largest_function_is_not_the_one_before_the_largest_gap() -> None:
    made = Made([(0, 0x10, b""), (0x9000, 0x500, b""), (0x9800, 0x700, b""), (0x9F80, 0x20, b"")])
    assert made.table.largest() == Function(CODE + 0x9800, CODE + 0x9F00)


def test_rows_follow_the_code() -> None:
    # push rbx at 1; sub rsp, 32 at 5; back at 0x20, as before; an early return from 0x30.
    program = bytes((0x41, 0x0E, 16, 0x80 | RBX, 2, 0x44, 0x0E, 48, 0x5B, 0x0A, 0x0E, 8, 0xC0 | RBX, 0x50, 0x0B))
    row = Made([(0, 0x100, program)]).table.row
    places = {0: (8, None), 1: (16, -16), 4: (16, -16), 5: (48, -16), 0x1F: (48, -16), 0x20: (8, None),
              0x2F: (8, None), 0x30: (48, -16), 0xFF: (48, -16)}
    for place, (offset, rbx) in places.items():
        found = row(CODE + place)
        assert found is not None and found.cfa == (RSP, offset)
        assert found.rules.get(RBX) == (None if rbx is None else ("saved", rbx))
        assert found.rules[RA] == ("saved", -8)


def test_a_caller_is_found_with_its_registers() -> None:
    program = bytes((0x41, 0x0E, 16, 0x80 | RBX, 2))
    made = Made([(0, 0x100, program)])
    made.memory.map(STACK, bytearray(struct.pack("<4Q", 0x1111, 0xBB, 0x401234, 0)))
    row = made.table.row(CODE + 9)
    registers = {RSP: STACK + 8, RBX: 5, RBP: 6, 0: 77}
    pc, found, end = caller(row, registers, X86_64, made.memory.u64)
    assert (pc, end) == (0x401234, STACK + 24)
    # rax is anybody's after a call.
    assert found == {RSP: STACK + 24, RBX: 0xBB, RBP: 6, RA: 0x401234}
    with pytest.raises(NoUnwindTable, match="not known"):
        caller(row, {RBX: 5}, X86_64, made.memory.u64)
    with pytest.raises(Unreadable):
        caller(row, {RSP: 8}, X86_64, made.memory.u64)


def test_who_has_no_caller_says_so() -> None:
    # DW_CFA_undefined of the return address, as in _start and clone.
    made = Made([(0, 0x10, bytes((0x07, RA)))])
    made.memory.map(STACK, bytearray(64))
    pc, _found, _end = caller(made.table.row(CODE), {RSP: STACK}, X86_64, made.memory.u64)
    assert pc == 0


@pytest.mark.parametrize("at, expected", ((0x10, 8), (0x1B, 16)))
def test_the_expression_of_a_plt(at: int, expected: int) -> None:
    # rsp + 8 + ((rip & 15) >= 11) * 8: what ld writes for lazy binding.
    expression = bytes((0x77, 8, 0x80, 0, 0x3F, 0x1A, 0x3B, 0x2A, 0x33, 0x24, 0x22))
    made = Made([(0, 0x100, bytes((0x0F, len(expression))) + expression)])
    made.memory.map(STACK, bytearray(64))
    registers = {RSP: STACK, 16: CODE + at}
    _pc, _found, end = caller(made.table.row(CODE + at), registers, X86_64, made.memory.u64)
    assert end == STACK + expected


def test_a_signal_frame_has_all_registers_at_places_of_expressions() -> None:
    # As __restore_rt: the CFA is what lies at rsp+0xa0, the pc at rsp+0xa8.
    def at(offset: int) -> bytes:
        return bytes((0x77, offset & 0x7F | 0x80, offset >> 7))

    program = (bytes((0x0F, 4)) + at(0xA0) + b"\x06" + bytes((0x10, RA, 3)) + at(0xA8)
               + bytes((0x10, RSP, 3)) + at(0xA0) + bytes((0x10, RBX, 3)) + at(0x80))
    made = Made([(0, 0x10, program)], b"zRS\0" + bytes((1, 0x78, RA, 1, 0x1B)))
    stack = bytearray(0x100)
    struct.pack_into("<Q", stack, 0xA0, STACK + 0x1000)
    struct.pack_into("<Q", stack, 0xA8, 0x405678)
    struct.pack_into("<Q", stack, 0x80, 0xB0B)
    made.memory.map(STACK, stack)
    row = made.table.row(CODE)
    assert row.signal
    pc, found, end = caller(row, {RSP: STACK}, X86_64, made.memory.u64)
    assert (pc, found[RBX], end) == (0x405678, 0xB0B, STACK + 0x1000)


def test_a_signed_return_address_of_aarch64() -> None:
    common = b"zR\0" + bytes((4, 0x78, 30, 1, 0x1B))
    # paciasp at 4; stp x29, x30, [sp, #-32]! at 8.
    program = bytes((0x41, 0x2D, 0x41, 0x0E, 32, 0x80 | 29, 4, 0x80 | 30, 3))
    made = Made([(0, 0x40, program)], common, bytes((0x0C, 31, 0)))
    made.memory.map(STACK, bytearray(struct.pack("<4Q", STACK + 32, 0x0035_AAAA_BBBB_CCC0, 0, 0)))
    known = Registers(31, tuple(range(19, 30)))
    pc, found, end = caller(made.table.row(CODE + 8), {31: STACK, 29: 1, 19: 19}, known, made.memory.u64)
    assert (pc, end) == (0xAAAA_BBBB_CCC0, STACK + 32)
    assert found[29] == STACK + 32 and found[19] == 19
    # Before it is signed, and of a function that calls nobody: in the register.
    assert not made.table.row(CODE).signed
    assert caller(made.table.row(CODE), {31: STACK, 30: 0x4000}, known, made.memory.u64)[0] == 0x4000


@pytest.mark.parametrize("header", (
    b"\2\x1b\x03\x3b" + bytes(60), b"\1\x1b\xff\x3b" + bytes(60), b"\1\x1b\x03\x1b" + bytes(60), bytes(64),
    b"\1\x1b\x03\x3b" + struct.pack("<iI", 0, unwind.MAX_FUNCTIONS + 1) + bytes(56),
    b"\1\x09\x03\x3b" + bytes(60)))
def test_a_header_that_is_none(header: bytes) -> None:
    memory = FakeMemory()
    memory.map(HEADER, bytearray(header))
    with pytest.raises(NoUnwindTable):
        UnwindTable(memory, HEADER).function(HEADER)


@pytest.mark.parametrize("program", (
    b"\x3f", b"\x0e", b"\x0b", b"\x0a" * (unwind.MAX_REMEMBERED + 1), b"\x0f\x01\x06\x0e\x08", b"\x0f\x01\x06\x0d\x07"))
def test_damaged_instructions(program: bytes) -> None:
    made = Made([(0, 0x10, program)])
    with pytest.raises(NoUnwindTable):
        made.table.row(CODE)


@pytest.mark.parametrize("expression", (
    b"\x06", b"\xfe", b"\x31" * (unwind.MAX_EXPRESSION_STACK + 2), b"\x16", b"\x12"))
def test_damaged_expressions(expression: bytes) -> None:
    made = Made([(0, 0x10, b"\x0f" + bytes((len(expression),)) + expression)])
    with pytest.raises(NoUnwindTable):
        caller(made.table.row(CODE), {RSP: STACK}, X86_64, made.memory.u64)


def test_a_core_without_the_files_code_has_no_table() -> None:
    with pytest.raises(Unreadable):
        UnwindTable(FakeMemory(), HEADER).function(HEADER)


# Real images.


def mapped_here() -> List[Path]:
    """libc and the interpreter that this very test runs in, in the order of their names: where they are mapped is
    random, and workers that test in parallel must agree on the order."""
    maps = Path("/proc/self/maps").read_text()
    paths = [Path(path) for path in sorted(set(re.findall(r"(?m)(/\S+)$", maps)))]
    # The executable of an interpreter with a shared libpython has four functions.
    named = [path for path in paths if re.match(r"libc[.-]|libpython|python", path.name)
             and path.is_file() and path.stat().st_size > 1 << 20]
    assert named
    return named


def loaded(path: Path, base: int) -> FakeMemory:
    """A file as it would be mapped, without what is only in memory."""
    memory = FakeMemory()
    data = path.read_bytes()
    with path.open("rb") as file:
        for segment in ELFFile(file).iter_segments("PT_LOAD"):
            start, size = segment["p_offset"], segment["p_filesz"]
            if not segment["p_flags"] & 2:
                memory.map(base + segment["p_vaddr"], bytearray(data[start:start + size]))
    return memory


def described(path: Path) -> List[FDE]:
    """All functions of a file as pyelftools reads them."""
    with path.open("rb") as file:
        return [entry for entry in ELFFile(file).get_dwarf_info().EH_CFI_entries() if isinstance(entry, FDE)]


def rule(found: Optional[Tuple[str, object]]) -> Optional[Tuple[str, object]]:
    """A rule in the words of pyelftools."""
    if found is None:
        return None
    kind, value = found
    kinds = {"saved": RegisterRule.OFFSET, "value": RegisterRule.VAL_OFFSET, "register": RegisterRule.REGISTER,
             "expression": RegisterRule.EXPRESSION, "value-expression": RegisterRule.VAL_EXPRESSION,
             "undefined": RegisterRule.UNDEFINED}
    return kinds[kind], list(value) if isinstance(value, bytes) else None if kind == "undefined" else value


@pytest.mark.parametrize("path", mapped_here(), ids=lambda path: path.name)
def test_the_tables_of_real_images_are_read_as_pyelftools_reads_them(path: Path) -> None:
    """Every function's range; the rows of some hundred functions at each place where they change."""
    functions = described(path)
    with path.open("rb") as file:
        fixed = ELFFile(file)["e_type"] == "ET_EXEC"
        lowest = min(segment["p_vaddr"] for segment in ELFFile(file).iter_segments("PT_LOAD"))
    bias = 0 if fixed else 0x7F55_0000_0000
    memory = loaded(path, bias)
    image = Image(memory, bias + lowest)
    address = image.unwind_table()
    assert address is not None
    table = UnwindTable(memory, address)
    ranges: Dict[int, int] = {}
    for entry in functions:
        start, size = entry["initial_location"], entry["address_range"]
        ranges[start] = size
        assert table.function(bias + start) == (bias + start, bias + start + size)
        assert table.function(bias + start + size - 1) == (bias + start, bias + start + size)
    assert len(ranges) > 1000
    largest = table.largest()
    assert largest is not None and largest.end - largest.start == max(ranges.values())
    step = max(1, len(functions) // 400)
    rows = 0
    for entry in functions[::step]:
        lines = entry.get_decoded().table
        for line, after in zip(lines, lines[1:] + [{"pc": entry["initial_location"] + entry["address_range"]}]):
            for pc in {line["pc"], after["pc"] - 1}:
                found = table.row(bias + pc)
                assert found is not None
                if isinstance(found.cfa, tuple):
                    assert found.cfa == (line["cfa"].reg, line["cfa"].offset)
                else:
                    assert list(found.cfa) == line["cfa"].expr
                expected = {number: (told.type, told.arg) for number, told in line.items()
                            if isinstance(number, int) and told.type != RegisterRule.SAME_VALUE}
                assert {number: rule(each) for number, each in found.rules.items()} == expected, hex(pc)
                rows += 1
    assert rows > 1000
