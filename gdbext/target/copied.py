"""A copy of a live process's memory, to be read while the process goes on.

What may have changed by then is copied, and what the images of programs and libraries have that does not change,
names among it. The copy is in memory of the kernel's (memfd_create(2)) or, where that is too little, in a file.
Facts: proc(5), memfd_create(2).
"""

import os
import re
from bisect import bisect_right
from typing import List, Optional, Tuple

from ..cpython.memory import Ranges, Region
from . import ahead
from .files import ProcessFile, gather

# Bytes that are read at one time: they fit into a processor's cache until they are written.
_PIECE = 1 << 20
# Of the memory or the disk that is free, at the most so much is taken.
_SHARE = 0.8


class NoRoom(Exception):
    """The copy is larger than what is free; the message says how large, and what to do."""


class MemoryCopy:
    """What ProcessFile has of a process, as it was when this was made."""

    def __init__(self, process: ProcessFile) -> None:
        """Copy it. Raises NoRoom, OSError; a KeyboardInterrupt leaves nothing behind."""
        self._regions = process.writable()
        parts = _joined([*process.images(), *(part for region in self._regions for part in region.parts)])
        self.size = sum(end - start for start, end in parts)
        self._starts: List[int] = []
        self._ends: List[int] = []
        self._offsets: List[int] = []
        self._region_starts = [region.start for region in self._regions]
        self._file = _room_for(self.size)
        try:
            pieces = ([(at, min(_PIECE, end - at))] for start, end in parts for at in range(start, end, _PIECE))
            for ((address, size),), data in ahead.gathered(process.gather, pieces, _PIECE):
                if data is None:
                    # It ends before its mapping does, as that of a file may which was cut.
                    data = memoryview(bytearray(size))
                    data = data[:process.read_into(address, data)]
                self._add(address, data)
        except BaseException:
            os.close(self._file)
            raise

    def _add(self, address: int, data: memoryview) -> None:
        """Write what was at an address to the end of the file."""
        if not data:
            return
        offset = self._offsets[-1] + self._ends[-1] - self._starts[-1] if self._ends else 0
        written = 0
        while written < len(data):
            written += os.pwrite(self._file, data[written:], offset + written)
        if self._ends and self._ends[-1] == address:
            self._ends[-1] += len(data)
        else:
            self._starts.append(address)
            self._ends.append(address + len(data))
            self._offsets.append(offset)

    def __del__(self) -> None:
        try:
            os.close(self._file)
        except (AttributeError, OSError):
            pass

    def read(self, address: int, size: int) -> Optional[bytes]:
        """The bytes at an address, None where not all of them were copied. What was never touched is zeros."""
        found = []
        end = address + size
        while address < end:
            index = bisect_right(self._starts, address) - 1
            if index >= 0 and address < self._ends[index]:
                length = min(end, self._ends[index]) - address
                data = os.pread(self._file, length, self._offsets[index] + address - self._starts[index])
                if len(data) != length:
                    return None
            else:
                following = self._starts[index + 1] if index + 1 < len(self._starts) else end
                length = min(end, following) - address
                if not self._is_untouched(address, length):
                    return None
                data = bytes(length)
            found.append(data)
            address += length
        return found[0] if len(found) == 1 else b"".join(found)

    def gather(self, ranges: Ranges, room: memoryview) -> bool:
        """As ProcessFile has it."""
        return gather(self.read, ranges, room)

    def _is_untouched(self, address: int, size: int) -> bool:
        index = bisect_right(self._region_starts, address) - 1
        return index >= 0 and address + size <= self._regions[index].end and not self._regions[index].file

    def writable(self) -> List[Region]:
        """The mappings that might be written to, lowest first."""
        return self._regions


def _joined(parts: List[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """Ranges that overlap or touch as one."""
    found: List[Tuple[int, int]] = []
    for start, end in sorted(parts):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _room_for(size: int) -> int:
    """The descriptor of a file without a name. Raises NoRoom, OSError."""
    if size < _SHARE * _available():
        return os.memfd_create("gdbext copy")
    # 15 ms with all that it needs itself.
    import tempfile

    folder = tempfile.gettempdir()
    free = os.statvfs(folder)
    if size > _SHARE * free.f_bavail * free.f_frsize:
        raise NoRoom(f"the copy takes {size >> 20:,} MB, for which there is neither memory nor room in {folder}: "
                     "name a larger folder with TMPDIR before gdb is started, or leave out -detach")
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


def _available() -> int:
    """Bytes of memory that may be had without swapping, 0 where the kernel does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            match = re.search(r"(?m)^MemAvailable: +(\d+) kB", file.read())
    except OSError:
        return 0
    return int(match.group(1)) << 10 if match else 0
