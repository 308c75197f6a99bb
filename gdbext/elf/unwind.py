"""Unwinding by an image's .eh_frame: where a function begins and ends, and who has called it.

The tables survive `strip -s` and are mapped, so this works where a debugger was told to read no files
(gdb -readnever), where it has not found them, and in plain Python. What is not described by them (code
made at run time) ends here.
Facts: Linux Standard Base, .eh_frame and .eh_frame_hdr; DWARF 5, 6.4 and 2.5; the processors' ABIs.
"""

import struct
from bisect import bisect_right
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from .dynamic import Readable

# Bounds against damaged tables; real ones stay far below. A description of a function has a few hundred
# bytes at most, a program of 100 MB half a million functions.
MAX_FUNCTIONS = 1 << 22
MAX_RECORD = 1 << 16
MAX_REMEMBERED = 64
MAX_EXPRESSION_STACK = 64

# Pointer encodings (DW_EH_PE): the lower half is the format, the upper one what it is relative to.
_FORMATS = {0x00: "<Q", 0x02: "<H", 0x03: "<I", 0x04: "<Q", 0x0A: "<h", 0x0B: "<i", 0x0C: "<q"}
_OMITTED = 0xFF
_RELATIVE_TO_ITSELF = 0x10
# What all linkers write: pairs of 32-bit offsets from the header, sorted.
_TABLE_OF_PAIRS = 0x3B

_ADDRESS = (1 << 64) - 1
# The bits of a code address that are not a signature (Arm ARM, pointer authentication, 48-bit addresses).
_UNSIGNED = (1 << 48) - 1


class NoUnwindTable(ValueError):
    """The image has no table, or none that can be used."""


class Function(NamedTuple):
    """A range of code with one description, its end excluded: a function, or the part that a compiler split off."""

    start: int
    end: int


# A kind, and a number or the bytes of an expression: see Row.
Rule = Tuple[str, Any]


class Row(NamedTuple):
    """How the registers of the caller are found at one place of a function.

    `cfa` is a register and an offset, or an expression. `rules` has (kind, value) by register: "saved" at
    CFA + value, "value" CFA + value, "register" that one, "expression" the address, "value-expression" the
    value, "undefined". A register without a rule is as it was.
    """

    cfa: Union[Tuple[int, int], bytes]
    rules: Dict[int, Rule]
    return_register: int
    signal: bool
    signed: bool


class Frame(NamedTuple):
    """One native frame: `registers` by DWARF number as far as known, the caller's stack pointer `end`.

    `place` is an address within the instruction that is executed, for return addresses may be past the
    function's end. `end` is None where the caller is not known.
    """

    pc: int
    place: int
    stack_pointer: int
    registers: Mapping[int, int]
    end: Optional[int]


class Registers(NamedTuple):
    """What an unwinder has to know of a processor: DWARF's numbers of the stack pointer and of the registers
    that a called function gives back as they were.
    """

    stack_pointer: int
    callee_saved: Tuple[int, ...]


class UnwindTable:
    """.eh_frame_hdr of an image, its address that of the segment PT_GNU_EH_FRAME; read when first asked.

    All methods raise NoUnwindTable, or what `memory.read` raises.
    """

    def __init__(self, memory: Readable, address: int) -> None:
        self._memory = memory
        self._address = address
        self._starts: Optional[List[int]] = None
        self._records: List[int] = []
        self._common: Dict[int, _Common] = {}
        self._functions: Dict[int, Optional[Function]] = {}
        self._rows: Dict[int, Optional[Row]] = {}

    def function(self, place: int) -> Optional[Function]:
        """The function with this address in it."""
        index = self._index(place)
        if index is None:
            return None
        start = self._table()[index] + self._address
        if start not in self._functions:
            self._functions[start] = self._description(index).function
        found = self._functions[start]
        return found if found is not None and found.start <= place < found.end else None

    def largest(self) -> Optional[Function]:
        """The largest function of the image."""
        starts = self._table()
        # No function is larger than the distance to the next one, so few have to be looked at.
        gaps = sorted(((after - start, index) for index, (start, after) in enumerate(zip(starts, starts[1:]))),
                      reverse=True)
        best: Optional[Function] = None
        for gap, index in gaps:
            if best is not None and best.end - best.start >= gap:
                break
            found = self._description(index).function
            if best is None or found.end - found.start > best.end - best.start:
                best = found
        return best

    def row(self, place: int) -> Optional[Row]:
        """How to find the caller of a function that is at this address; None where nothing describes it."""
        if place not in self._rows:
            index = self._index(place)
            described = self._description(index) if index is not None else None
            if described is not None and described.function.start <= place < described.function.end:
                self._rows[place] = described.row(place)
            else:
                self._rows[place] = None
        return self._rows[place]

    def _index(self, place: int) -> Optional[int]:
        index = bisect_right(self._table(), place - self._address) - 1
        return index if index >= 0 else None

    def _table(self) -> List[int]:
        """The starts of all functions, relative to the header."""
        if self._starts is None:
            header = self._memory.read(self._address, 4)
            version, frame_encoding, count_encoding, table_encoding = header
            if version != 1 or table_encoding != _TABLE_OF_PAIRS or count_encoding == _OMITTED:
                raise NoUnwindTable(f"no table of functions at {self._address:#x}")
            position = self._address + 4 + _size(frame_encoding)
            size = _size(count_encoding)
            count = int.from_bytes(self._memory.read(position, size), "little")
            if not 0 < count <= MAX_FUNCTIONS:
                raise NoUnwindTable(f"table of {count} functions at {self._address:#x}")
            values = memoryview(self._memory.read(position + size, 8 * count)).cast("i").tolist()
            self._starts, self._records = values[0::2], values[1::2]
        return self._starts

    def _description(self, index: int) -> "_Description":
        address = self._address + self._records[index]
        start, record = self._record(address)
        common_at = start - record.u32()
        common = self._common.get(common_at)
        if common is None:
            _begin, raw = self._record(common_at)
            common = self._common[common_at] = _Common(raw)
        begin = record.pointer(common.encoding)
        size = record.pointer(common.encoding & 0x0F)
        if common.augmented:
            record.skip(record.uleb())
        return _Description(Function(begin, begin + size), common, record)

    def _record(self, address: int) -> Tuple[int, "_Bytes"]:
        """Where a record's contents begin, and they themselves."""
        size = int.from_bytes(self._memory.read(address, 4), "little")
        if not 4 <= size <= MAX_RECORD:
            raise NoUnwindTable(f"damaged record at {address:#x}")
        return address + 4, _Bytes(self._memory.read(address + 4, size), address + 4)


def _size(encoding: int) -> int:
    try:
        return struct.calcsize(_FORMATS[encoding & 0x0F])
    except KeyError:
        raise NoUnwindTable(f"pointers of encoding {encoding:#x}") from None


class _Bytes:
    """Bytes of the inferior that are read one value after the other."""

    def __init__(self, data: bytes, address: int) -> None:
        self._data = data
        self._address = address
        self.position = 0

    @property
    def rest(self) -> bool:
        """Whether there is more."""
        return self.position < len(self._data)

    def u8(self) -> int:
        return self._unpack("<B")

    def u32(self) -> int:
        return self._unpack("<I")

    def _unpack(self, layout: str) -> int:
        try:
            (value,) = struct.unpack_from(layout, self._data, self.position)
        except struct.error:
            raise NoUnwindTable(f"damaged record at {self._address:#x}") from None
        self.position += struct.calcsize(layout)
        return value

    def number(self, layout: str) -> int:
        """A number as struct has it."""
        return self._unpack(layout)

    def uleb(self) -> int:
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def sleb(self) -> int:
        begin = self.position
        value = self.uleb()
        bits = 7 * (self.position - begin)
        return value - (1 << bits) if value >> bits - 1 else value

    def skip(self, count: int) -> None:
        self.position += count

    def take(self, count: int) -> bytes:
        found = self._data[self.position:self.position + count]
        self.position += count
        return found

    def pointer(self, encoding: int) -> int:
        """An address that is encoded so."""
        at = self._address + self.position
        _size(encoding)
        value = self._unpack(_FORMATS[encoding & 0x0F])
        if encoding & 0x70 == _RELATIVE_TO_ITSELF:
            value += at
        elif encoding & 0x70:
            raise NoUnwindTable(f"pointers of encoding {encoding:#x}")
        return value & _ADDRESS


class _Common:
    """What many descriptions share (a CIE)."""

    def __init__(self, raw: _Bytes) -> None:
        raw.u32()
        version = raw.u8()
        letters = bytearray()
        while True:
            byte = raw.u8()
            if not byte:
                break
            letters.append(byte)
        augmentation = letters.decode("latin-1")
        self.code_factor = raw.uleb()
        self.data_factor = raw.sleb()
        self.return_register = raw.u8() if version == 1 else raw.uleb()
        self.augmented = augmentation.startswith("z")
        self.encoding = 0
        self.signal = "S" in augmentation
        if self.augmented:
            end = raw.uleb()
            end += raw.position
            for letter in augmentation[1:]:
                if letter == "R":
                    self.encoding = raw.u8()
                elif letter == "L":
                    raw.u8()
                elif letter == "P":
                    encoding = raw.u8()
                    raw.skip(_size(encoding))
            raw.position = end
        self.instructions = raw


class _Description:
    """How one function's frame looks at each place in it (an FDE)."""

    def __init__(self, function: Function, common: _Common, instructions: _Bytes) -> None:
        self.function = function
        self._common = common
        self._instructions = instructions

    def row(self, place: int) -> Row:
        """What holds at an address of the function."""
        common = self._common
        begin = common.instructions.position
        state = _State(common)
        state.run(common.instructions, self.function.start, None)
        common.instructions.position = begin
        state.initial = dict(state.rules)
        state.run(self._instructions, self.function.start, place)
        if state.cfa is None:
            raise NoUnwindTable(f"no frame is described at {place:#x}")
        return Row(state.cfa, state.rules, common.return_register, common.signal, state.signed)


class _State:
    """The machine of call frame instructions."""

    def __init__(self, common: _Common) -> None:
        self.cfa: Optional[Union[Tuple[int, int], bytes]] = None
        self.rules: Dict[int, Rule] = {}
        self.initial: Dict[int, Rule] = {}
        self.signed = False
        self._common = common
        self._remembered: List[Tuple[Optional[Union[Tuple[int, int], bytes]], dict]] = []

    def run(self, code: _Bytes, location: int, place: Optional[int]) -> None:
        """Execute up to what holds at `place`; all where None."""
        common = self._common
        data = common.data_factor
        while code.rest:
            byte = code.u8()
            high, low = byte & 0xC0, byte & 0x3F
            advance = None
            if high == 0x40:
                advance = low
            elif high == 0x80:
                self.rules[low] = ("saved", code.uleb() * data)
            elif high == 0xC0:
                self._restore(low)
            elif byte == 0x00:
                pass
            elif byte == 0x01:
                advance = (code.pointer(common.encoding) - location) // common.code_factor
            elif byte in (0x02, 0x03, 0x04):
                advance = code.number({2: "<B", 3: "<H", 4: "<I"}[byte])
            elif byte == 0x05:
                register = code.uleb()
                self.rules[register] = ("saved", code.uleb() * data)
            elif byte == 0x06:
                self._restore(code.uleb())
            elif byte == 0x07:
                self.rules[code.uleb()] = ("undefined", 0)
            elif byte == 0x08:
                self.rules.pop(code.uleb(), None)
            elif byte == 0x09:
                register = code.uleb()
                self.rules[register] = ("register", code.uleb())
            elif byte == 0x0A:
                if len(self._remembered) >= MAX_REMEMBERED:
                    raise NoUnwindTable("states without an end")
                self._remembered.append((self.cfa, dict(self.rules)))
            elif byte == 0x0B:
                if not self._remembered:
                    raise NoUnwindTable("no state to restore")
                self.cfa, self.rules = self._remembered.pop()
            elif byte == 0x0C:
                register = code.uleb()
                self.cfa = (register, code.uleb())
            elif byte == 0x0D:
                self.cfa = (code.uleb(), self._offset())
            elif byte == 0x0E:
                self.cfa = (self._register(), code.uleb())
            elif byte == 0x0F:
                self.cfa = code.take(code.uleb())
            elif byte == 0x10:
                register = code.uleb()
                self.rules[register] = ("expression", code.take(code.uleb()))
            elif byte == 0x11:
                register = code.uleb()
                self.rules[register] = ("saved", code.sleb() * data)
            elif byte == 0x12:
                register = code.uleb()
                self.cfa = (register, code.sleb() * data)
            elif byte == 0x13:
                self.cfa = (self._register(), code.sleb() * data)
            elif byte == 0x14:
                register = code.uleb()
                self.rules[register] = ("value", code.uleb() * data)
            elif byte == 0x15:
                register = code.uleb()
                self.rules[register] = ("value", code.sleb() * data)
            elif byte == 0x16:
                register = code.uleb()
                self.rules[register] = ("value-expression", code.take(code.uleb()))
            elif byte == 0x2D:
                # DW_CFA_AARCH64_negate_ra_state: from here on, or no longer, the return address is signed.
                self.signed = not self.signed
            elif byte == 0x2E:
                code.uleb()
            else:
                raise NoUnwindTable(f"unknown call frame instruction {byte:#x}")
            if advance is not None:
                location += advance * common.code_factor
                if place is not None and location > place:
                    return

    def _restore(self, register: int) -> None:
        if register in self.initial:
            self.rules[register] = self.initial[register]
        else:
            self.rules.pop(register, None)

    def _register(self) -> int:
        if not isinstance(self.cfa, tuple):
            raise NoUnwindTable("an offset without a register")
        return self.cfa[0]

    def _offset(self) -> int:
        if not isinstance(self.cfa, tuple):
            raise NoUnwindTable("a register without an offset")
        return self.cfa[1]


def caller(row: Row, registers: Mapping[int, int], known: Registers,
           u64: Callable[[int], int]) -> Tuple[int, Dict[int, int], int]:
    """The caller of a frame: its pc (0 where there is none), its registers, its stack pointer.

    `u64` reads the inferior's memory. Raises NoUnwindTable where a register is needed that is not
    known, and what `u64` raises.
    """
    try:
        if isinstance(row.cfa, bytes):
            cfa = _evaluate(row.cfa, registers, u64, None)
        else:
            cfa = registers[row.cfa[0]] + row.cfa[1] & _ADDRESS
        found = {}
        for number in known.callee_saved:
            if number in registers and number not in row.rules:
                found[number] = registers[number]
        pc = registers.get(row.return_register, 0) if row.return_register not in row.rules else 0
        for number, (kind, value) in row.rules.items():
            if kind == "undefined":
                continue
            if kind == "saved":
                result = u64(cfa + value & _ADDRESS)
            elif kind == "value":
                result = cfa + value & _ADDRESS
            elif kind == "register":
                result = registers[value]
            elif kind == "expression":
                result = u64(_evaluate(value, registers, u64, cfa))
            else:
                result = _evaluate(value, registers, u64, cfa)
            found[number] = result
            if number == row.return_register:
                pc = result
    except KeyError:
        raise NoUnwindTable("a register is not known") from None
    found.setdefault(known.stack_pointer, cfa)
    if row.signed:
        pc &= _UNSIGNED
    return pc, found, found[known.stack_pointer]


_BINARY: Dict[int, Callable[[int, int], int]] = {
    0x1A: lambda a, b: a & b, 0x1C: lambda a, b: a - b, 0x1E: lambda a, b: a * b, 0x21: lambda a, b: a | b,
    0x22: lambda a, b: a + b, 0x24: lambda a, b: a << (b & 63), 0x25: lambda a, b: a >> (b & 63),
    0x27: lambda a, b: a ^ b, 0x29: lambda a, b: int(a == b), 0x2A: lambda a, b: int(_signed(a) >= _signed(b)),
    0x2B: lambda a, b: int(_signed(a) > _signed(b)), 0x2C: lambda a, b: int(_signed(a) <= _signed(b)),
    0x2D: lambda a, b: int(_signed(a) < _signed(b)), 0x2E: lambda a, b: int(a != b),
}
_CONSTANTS = {0x03: "<Q", 0x08: "<B", 0x09: "<b", 0x0A: "<H", 0x0B: "<h", 0x0C: "<I", 0x0D: "<i", 0x0E: "<Q",
              0x0F: "<q"}


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _evaluate(expression: bytes, registers: Mapping[int, int], u64: Callable[[int], int],
              first: Optional[int]) -> int:
    """The value of a DWARF expression of the kinds that describe frames: those of PLTs and signal handlers."""
    code = _Bytes(expression, 0)
    stack = [] if first is None else [first]
    try:
        while code.rest:
            op = code.u8()
            if op in _BINARY:
                right = stack.pop()
                stack.append(_BINARY[op](stack.pop(), right) & _ADDRESS)
            elif op in _CONSTANTS:
                stack.append(code.number(_CONSTANTS[op]) & _ADDRESS)
            elif 0x30 <= op <= 0x4F:
                stack.append(op - 0x30)
            elif 0x70 <= op <= 0x8F:
                stack.append(registers[op - 0x70] + code.sleb() & _ADDRESS)
            elif op == 0x06:
                stack.append(u64(stack.pop()))
            elif op == 0x10:
                stack.append(code.uleb() & _ADDRESS)
            elif op == 0x11:
                stack.append(code.sleb() & _ADDRESS)
            elif op == 0x12:
                stack.append(stack[-1])
            elif op == 0x13:
                stack.pop()
            elif op == 0x14:
                stack.append(stack[-2])
            elif op == 0x16:
                stack[-1], stack[-2] = stack[-2], stack[-1]
            elif op == 0x23:
                stack.append(stack.pop() + code.uleb() & _ADDRESS)
            elif op == 0x92:
                number = code.uleb()
                stack.append(registers[number] + code.sleb() & _ADDRESS)
            else:
                raise NoUnwindTable(f"unknown operation {op:#x}")
            if len(stack) > MAX_EXPRESSION_STACK:
                raise NoUnwindTable("expression without an end")
        return stack[-1]
    except IndexError:
        raise NoUnwindTable("damaged expression") from None
