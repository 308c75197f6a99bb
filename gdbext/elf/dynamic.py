"""Symbols of a mapped ELF image, read from memory the way the dynamic linker reads them.

The dynamic symbol table survives `strip -s`, and it is mapped, so this needs neither the file
nor a symbol reader: it works when the file was deleted or lies in another mount namespace.
pyelftools reads files, and costs more to import than a whole traceback, so it is not used here.
Facts: System V ABI (ELF-64), and the GNU hash section as binutils' ld writes it.
"""

import struct
from bisect import bisect_right
from typing import Dict, Iterator, List, NamedTuple, Optional, Protocol, Tuple

_PT_LOAD = 1
_PT_DYNAMIC = 2
_PT_NOTE = 4
_PT_GNU_EH_FRAME = 0x6474E550
_PF_X = 1
_PF_W = 2
_ET_EXEC = 2
_DT_HASH = 4
_DT_STRTAB = 5
_DT_SYMTAB = 6
_DT_DEBUG = 21
_DT_GNU_HASH = 0x6FFFFEF5
_NT_GNU_BUILD_ID = 3
_SYMBOL = struct.Struct("<IBBHQQ")
_SYMBOL_SIZE = _SYMBOL.size
_STT_FUNC, _STT_GNU_IFUNC = 2, 10
# <link.h>: r_map in struct r_debug; l_addr, l_name and l_next in struct link_map.
_R_MAP = 8
_LINK_MAP = struct.Struct("<QQQQ")

# Bounds against damaged headers; real images stay far below.
MAX_PROGRAM_HEADERS = 64
MAX_DYNAMIC_ENTRIES = 512
MAX_CHAIN = 4096
MAX_SYMBOLS = 1 << 20
MAX_NAME = 4096
MAX_NOTES = 64
MAX_LOADED = 4096
MAX_PATH = 4096


class Readable(Protocol):
    """The part of the inferior's memory that is needed here."""

    def read(self, address: int, size: int) -> bytes:
        """The bytes at an address; raises when any of them can't be read."""

    def c_string(self, address: int, limit: int) -> bytes:
        """The bytes up to a NUL, `limit` at the most; raises when any of them can't be read."""


class NotAnImage(ValueError):
    """There is no 64-bit little-endian ELF image at this address."""


class NoSymbols(ValueError):
    """The image's symbol tables are not in memory: gdb gives zeros for what a core does not hold."""


class Segment(NamedTuple):
    """One program header, its address as it is in memory; sizes in bytes."""

    type: int
    flags: int
    address: int
    file_size: int
    memory_size: int


class Loaded(NamedTuple):
    """What the dynamic linker says of an image that it has loaded: its bias, and its path."""

    bias: int
    path: bytes


class Symbol(NamedTuple):
    """A symbol that the image defines: where it is in memory, and its st_size in bytes."""

    address: int
    size: int


class Image:
    """The ELF image whose file header is mapped at `base`.

    Raises NotAnImage, or what `memory.read` raises, when the headers can't be used.
    """

    def __init__(self, memory: Readable, base: int) -> None:
        self.memory = memory
        self.base = base
        header = memory.read(base, 64)
        if header[:6] != b"\x7fELF\x02\x01":
            raise NotAnImage(f"no ELF header at {base:#x}")
        kind, self.machine = struct.unpack_from("<HH", header, 16)
        (offset,) = struct.unpack_from("<Q", header, 32)
        entry_size, count = struct.unpack_from("<HH", header, 54)
        if entry_size != 56 or count > MAX_PROGRAM_HEADERS:
            raise NotAnImage(f"damaged ELF header at {base:#x}")
        raw = memory.read(base + offset, entry_size * count)
        headers = [struct.unpack_from("<IIQQQQQQ", raw, index * entry_size) for index in range(count)]
        self.bias = base
        if kind == _ET_EXEC:
            self.bias = 0
        else:
            for type_, _flags, file_offset, address, *_rest in headers:
                if type_ == _PT_LOAD:
                    self.bias = base - (address - file_offset)
                    break
        self.segments: List[Segment] = [
            Segment(type_, flags, self.bias + address, file_size, memory_size)
            for type_, flags, _offset, address, _paddr, file_size, memory_size, _align in headers
        ]
        self._dynamic: Optional[Dict[int, int]] = None
        self._tables_checked = False
        self._functions: Optional[List[Tuple[int, int, int]]] = None

    def writable(self) -> List[Segment]:
        """The loaded segments that the image may write to: its .data and .bss."""
        return [segment for segment in self.segments if segment.type == _PT_LOAD and segment.flags & _PF_W]

    def code(self) -> List[Segment]:
        """The loaded segments that hold instructions."""
        return [segment for segment in self.segments if segment.type == _PT_LOAD and segment.flags & _PF_X]

    def unwind_table(self) -> Optional[int]:
        """The address of .eh_frame_hdr, None where the image has none."""
        return next((segment.address for segment in self.segments if segment.type == _PT_GNU_EH_FRAME), None)

    def build_id(self) -> Optional[str]:
        """The GNU build id in hexadecimal, None where the image has none."""
        for segment in self.segments:
            if segment.type != _PT_NOTE:
                continue
            position = segment.address
            end = position + segment.file_size
            for _ in range(MAX_NOTES):
                if position + 12 > end:
                    break
                name_size, size, kind = struct.unpack("<III", self.memory.read(position, 12))
                name_end = position + 12 + (name_size + 3) // 4 * 4
                if name_end + size > end:
                    break
                if kind == _NT_GNU_BUILD_ID and self.memory.read(position + 12, name_size) == b"GNU\0":
                    return self.memory.read(name_end, size).hex()
                position = name_end + (size + 3) // 4 * 4
        return None

    def symbol(self, name: str) -> Optional[Symbol]:
        """The dynamic symbol `name` as this image defines it, None where it does not. Raises NoSymbols."""
        dynamic = self._entries()
        if _DT_SYMTAB not in dynamic or _DT_STRTAB not in dynamic:
            return None
        self._check_tables(dynamic)
        wanted = name.encode()
        if _DT_GNU_HASH in dynamic:
            return self._by_gnu_hash(wanted, dynamic)
        if _DT_HASH in dynamic:
            return self._by_hash(wanted, dynamic)
        return None

    def function_at(self, address: int) -> Optional[str]:
        """The name of the function of its dynamic symbols that an address is in, None where it is in none.

        Raises NoSymbols.
        """
        if self._functions is None:
            self._functions = sorted(self._defined_functions())
        index = bisect_right(self._functions, (address, 1 << 64, 0)) - 1
        if index < 0:
            return None
        start, size, name = self._functions[index]
        if address >= start + size:
            return None
        return self.memory.c_string(self._entries()[_DT_STRTAB] + name, MAX_NAME).decode("utf-8", "replace")

    def _defined_functions(self) -> Iterator[Tuple[int, int, int]]:
        """The address, the size, and the place of the name of each function that the image exports."""
        dynamic = self._entries()
        if _DT_SYMTAB not in dynamic or _DT_STRTAB not in dynamic:
            return
        self._check_tables(dynamic)
        count = min(self._count_of_symbols(dynamic), MAX_SYMBOLS)
        raw = self.memory.read(dynamic[_DT_SYMTAB], _SYMBOL_SIZE * count)
        for name, info, _other, section, value, size in _SYMBOL.iter_unpack(raw):
            if section and info & 15 in (_STT_FUNC, _STT_GNU_IFUNC):
                yield self.bias + value, size, name

    def _count_of_symbols(self, dynamic: Dict[int, int]) -> int:
        """How many dynamic symbols there are, which the hash tables alone tell."""
        if _DT_HASH in dynamic:
            return self._u32(dynamic[_DT_HASH] + 4)
        if _DT_GNU_HASH not in dynamic:
            return 0
        table = dynamic[_DT_GNU_HASH]
        buckets, first, bloom, _shift = struct.unpack("<IIII", self.memory.read(table, 16))
        bucket_base = table + 16 + 8 * bloom
        heads = self.memory.read(bucket_base, 4 * min(buckets, MAX_SYMBOLS))
        last = max((head for head, in struct.iter_unpack("<I", heads)), default=0)
        if last < first:
            return first
        # The last chain ends with the last symbol.
        chain = bucket_base + 4 * buckets
        for index in range(last, last + MAX_CHAIN):
            if self._u32(chain + 4 * (index - first)) & 1:
                return index + 1
        return last

    def loaded(self) -> Iterator[Loaded]:
        """All images of the process, of which this is the executable: itself first, with an empty path.

        None of them before the dynamic linker has come that far, and in a program that it did not load.
        """
        place = self._entries().get(_DT_DEBUG)
        entry = self._u64(place + _R_MAP) if place else 0
        for _ in range(MAX_LOADED):
            if not entry:
                break
            bias, name, _dynamic, entry = _LINK_MAP.unpack(self.memory.read(entry, _LINK_MAP.size))
            yield Loaded(bias, self.memory.c_string(name, MAX_PATH))

    def _entries(self) -> Dict[int, int]:
        """The dynamic section: tag to value; the tables' addresses as they are in memory."""
        if self._dynamic is None:
            entries: Dict[int, int] = {}
            for segment in self.segments:
                if segment.type == _PT_DYNAMIC:
                    count = min(segment.memory_size // 16, MAX_DYNAMIC_ENTRIES)
                    raw = self.memory.read(segment.address, count * 16)
                    for tag, value in struct.iter_unpack("<QQ", raw):
                        if tag == 0:
                            break
                        entries.setdefault(tag, value)
            for tag in (_DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_GNU_HASH):
                # glibc has relocated these; musl, and glibc for a read-only dynamic section, has not.
                if tag in entries and entries[tag] < self.base:
                    entries[tag] += self.bias
            self._dynamic = entries
        return self._dynamic

    def _check_tables(self, dynamic: Dict[int, int]) -> None:
        """The first symbol and the first name, both of which follow an empty one, can't be empty."""
        if not self._tables_checked:
            symbol = self.memory.read(dynamic[_DT_SYMTAB] + _SYMBOL_SIZE, _SYMBOL_SIZE)
            name = self.memory.read(dynamic[_DT_STRTAB] + 1, 1)
            if not any(symbol) or not any(name):
                raise NoSymbols(f"no symbols in the image at {self.base:#x}")
            self._tables_checked = True

    def _u64(self, address: int) -> int:
        return int.from_bytes(self.memory.read(address, 8), "little")

    def _u32(self, address: int) -> int:
        return int.from_bytes(self.memory.read(address, 4), "little")

    def _by_gnu_hash(self, wanted: bytes, dynamic: Dict[int, int]) -> Optional[Symbol]:
        table = dynamic[_DT_GNU_HASH]
        buckets, first, bloom, _shift = struct.unpack("<IIII", self.memory.read(table, 16))
        if not buckets:
            return None
        value = 5381
        for byte in wanted:
            value = (value * 33 + byte) & 0xFFFFFFFF
        bucket_base = table + 16 + 8 * bloom
        first_in_bucket = self._u32(bucket_base + 4 * (value % buckets))
        if first_in_bucket < first:
            return None
        chain = bucket_base + 4 * buckets
        for index in range(first_in_bucket, first_in_bucket + MAX_CHAIN):
            entry = self._u32(chain + 4 * (index - first))
            if (entry ^ value) >> 1 == 0:
                symbol = self._defined(index, wanted, dynamic)
                if symbol is not None:
                    return symbol
            if entry & 1:
                break
        return None

    def _by_hash(self, wanted: bytes, dynamic: Dict[int, int]) -> Optional[Symbol]:
        table = dynamic[_DT_HASH]
        buckets, chains = struct.unpack("<II", self.memory.read(table, 8))
        if not buckets:
            return None
        value = 0
        for byte in wanted:
            value = (value << 4) + byte
            high = value & 0xF0000000
            value = (value ^ (high >> 24)) & ~high
        index = self._u32(table + 8 + 4 * (value % buckets))
        for _ in range(MAX_CHAIN):
            if not 0 < index < chains:
                break
            symbol = self._defined(index, wanted, dynamic)
            if symbol is not None:
                return symbol
            index = self._u32(table + 8 + 4 * buckets + 4 * index)
        return None

    def _defined(self, index: int, wanted: bytes, dynamic: Dict[int, int]) -> Optional[Symbol]:
        raw = self.memory.read(dynamic[_DT_SYMTAB] + _SYMBOL_SIZE * index, _SYMBOL_SIZE)
        name, _info, _other, section, value, size = _SYMBOL.unpack(raw)
        if not section:
            return None
        if self.memory.read(dynamic[_DT_STRTAB] + name, len(wanted) + 1) != wanted + b"\0":
            return None
        return Symbol(self.bias + value, size)
