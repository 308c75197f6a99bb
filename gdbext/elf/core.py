"""A core file as it is on disk: what was mapped, which of it the file holds, and what it lacks.

A debugger fills what a core lacks from the files on disk, rightly or wrongly; here nothing is filled in.
Facts: Linux, fs/binfmt_elf.c (NT_FILE, NT_PRPSINFO); core(5), coredump_filter.
"""

import os
import stat
import struct
from bisect import bisect_right
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Tuple

_ET_CORE = 4
_PT_LOAD, _PT_NOTE = 1, 4
_NT_PRPSINFO, _NT_AUXV, _NT_FILE = 3, 6, 0x46494C45
_AT_PHDR, _AT_EXECFN = 3, 31
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_NOTE = struct.Struct("<III")
# pr_pid and pr_psargs in struct elf_prpsinfo of 64-bit machines.
_PID_AT, _ARGUMENTS_AT = 24, 56

# Bounds against damaged files. The kernel maps 65,530 ranges into a process unless it is told to allow more.
MAX_SEGMENTS = 1 << 20
MAX_NOTES = 64 << 20
MAX_NOTE_COUNT = 1 << 20
# e_phnum where there are more (PN_XNUM): section header 0 has their number.
_MANY = 0xFFFF


class CoreError(ValueError):
    """A file that can't be read as a core; the message says why."""


class Segment(NamedTuple):
    """A range of the process: where it was, and what the file has of it, from its start. Bytes."""

    address: int
    size: int
    offset: int
    held: int
    executable: bool
    writable: bool


class Mapping(NamedTuple):
    """A file that was mapped: addresses, and the offset in the file, in bytes."""

    start: int
    end: int
    offset: int
    path: str


class Core:
    """A core of a 64-bit little-endian process. A context manager: it holds the file open.

    `missing` is how many bytes are beyond the end of the file, which was cut. Without `notes` those are not
    read, which many threads make long: `mappings`, `pid` and what else they tell stay empty. Raises CoreError.
    """

    def __init__(self, path: Path, notes: bool = True) -> None:
        self.path = path
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise CoreError(f"{path}: no regular file")
            self._file = path.open("rb")
        except OSError as error:
            raise CoreError(f"{path}: {error.strerror}") from None
        try:
            self._file_size = os.fstat(self._file.fileno()).st_size
            self.segments, places, end = self._read_headers()
            self.missing = max(0, end - self._file_size)
            self.mappings: List[Mapping] = []
            self.pid: Optional[int] = None
            self.arguments = ""
            self.program_headers: Optional[int] = None
            if notes:
                self._read_notes(places)
        except CoreError:
            self._file.close()
            raise
        except (struct.error, ValueError, OverflowError, OSError):
            self._file.close()
            raise CoreError(f"{path}: damaged core file") from None
        self._starts = [segment.address for segment in self.segments]

    def __enter__(self) -> "Core":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def fileno(self) -> int:
        """The descriptor of the open file."""
        return self._file.fileno()

    def _read_headers(self) -> Tuple[List[Segment], List[Tuple[int, int]], int]:
        raw = self._file.read(_HEADER.size)
        if len(raw) < _HEADER.size or raw[:4] != b"\x7fELF":
            raise CoreError(f"{self.path}: not an ELF file")
        if raw[4:6] != b"\x02\x01":
            raise CoreError(f"{self.path}: not of a 64-bit little-endian machine")
        _ident, kind, _machine, _version, _entry, start, sections, _flags, _size, each, count, *_rest = (
            _HEADER.unpack(raw))
        if kind != _ET_CORE:
            raise CoreError(f"{self.path}: not a core file")
        if each != _PROGRAM_HEADER.size:
            raise CoreError(f"{self.path}: damaged core file")
        if count == _MANY and sections:
            # sh_info of section header 0.
            count = int.from_bytes(self._at(sections + 44, 4), "little")
        raw = self._at(start, min(count, MAX_SEGMENTS) * each)
        segments, notes, end, file_size = [], [], start + count * each, self._file_size
        for type_, flags, offset, address, _physical, held, size, _align in (
                _PROGRAM_HEADER.iter_unpack(raw[:len(raw) // each * each])):
            if offset + held > end:
                end = offset + held
            if type_ == _PT_LOAD:
                there = held if held < size else size
                if offset + there > file_size:
                    there = max(0, file_size - offset)
                segments.append(Segment(address, size, offset, there, flags & 1 != 0, flags & 2 != 0))
            elif type_ == _PT_NOTE:
                notes.append((offset, min(held, MAX_NOTES)))
        segments.sort()
        return segments, notes, end

    def _at(self, offset: int, size: int) -> bytes:
        if offset >= self._file_size:
            return b""
        self._file.seek(offset)
        return self._file.read(min(size, self._file_size - offset))

    def _read_notes(self, places: List[Tuple[int, int]]) -> None:
        for offset, size in places:
            for kind, data in _notes(self._at(offset, size)):
                if kind == _NT_FILE:
                    self.mappings += _mapped_files(data)
                elif kind == _NT_PRPSINFO and len(data) >= _ARGUMENTS_AT:
                    self.pid = int.from_bytes(data[_PID_AT:_PID_AT + 4], "little")
                    self.arguments = data[_ARGUMENTS_AT:].split(b"\0")[0].decode("utf-8", "surrogateescape").strip()
                elif kind == _NT_AUXV:
                    for tag, value in struct.iter_unpack("<QQ", data[:len(data) // 16 * 16]):
                        if tag == _AT_PHDR:
                            self.program_headers = value

    def read(self, address: int, size: int) -> Optional[bytes]:
        """Bytes of the process, None where the file does not hold all of them."""
        found = b""
        while size > 0:
            index = bisect_right(self._starts, address) - 1
            if index < 0:
                return None
            segment = self.segments[index]
            within = address - segment.address
            piece = min(size, segment.held - within)
            if piece <= 0:
                return None
            data = self._at(segment.offset + within, piece)
            if len(data) != piece:
                return None
            found += data
            address += piece
            size -= piece
        return found

    def program(self) -> Optional[Mapping]:
        """The beginning of the program that was started, None where the core does not tell."""
        return next((each for each in self.mappings if self.program_headers is not None and not each.offset
                     and each.start <= self.program_headers < each.end), None)

    def holds(self, address: int) -> bool:
        """Whether the byte at an address is in the file."""
        return self.read(address, 1) is not None

    def lacks(self) -> List[Segment]:
        """The ranges that the file does not hold, or not to their end, though they may be written to."""
        return [segment for segment in self.segments if segment.writable and segment.held < segment.size]


class NotHeld(Exception):
    """`size` bytes at `address` are not in the file."""

    def __init__(self, address: int, size: int) -> None:
        super().__init__(f"the core does not hold {size} bytes at {address:#x}")


class Held:
    """What a core itself holds, as dynamic.Image reads it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def read(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises NotHeld."""
        data = self._core.read(address, size)
        if data is None:
            raise NotHeld(address, size)
        return data

    def c_string(self, address: int, limit: int) -> bytes:
        """Raises NotHeld: a build id has no name."""
        raise NotHeld(address, limit)


def _notes(raw: bytes) -> Iterator[Tuple[int, bytes]]:
    position = 0
    for _ in range(MAX_NOTE_COUNT):
        if position + _NOTE.size > len(raw):
            break
        name_size, size, kind = _NOTE.unpack_from(raw, position)
        start = position + _NOTE.size + (name_size + 3) // 4 * 4
        yield kind, raw[start:start + size]
        position = start + (size + 3) // 4 * 4


def _mapped_files(data: bytes) -> List[Mapping]:
    """NT_FILE: a count, the size of a page, (start, end, offset in pages) of each, then the names."""
    count, page = struct.unpack_from("<QQ", data)
    count = min(count, (len(data) - 16) // 24)
    names = data[16 + 24 * count:].split(b"\0")
    found = []
    for index, name in zip(range(count), names):
        start, end, offset = struct.unpack_from("<QQQ", data, 16 + 24 * index)
        found.append(Mapping(start, end, offset * page, name.decode("utf-8", "surrogateescape")))
    return found
