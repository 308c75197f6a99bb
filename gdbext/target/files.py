"""The inferior's memory without gdb: the kernel's file of a live process's, or the core file.

Three times as quick as gdb for whole regions, and both tell what gdb does not: which memory there is.
Facts: proc(5), core(5), process_vm_readv(2), Documentation/admin-guide/mm/pagemap.rst.
"""

import os
import re
from array import array
from bisect import bisect_right
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, List, Optional, Tuple, Union

import gdb

from ..cpython.memory import PAGE, Ranges, Region, total
from ..elf.core import Core
from . import mapped_files, processes, stop

_MAPS_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) [0-9a-f]+ \S+ \d+ *(.*)")

# Pages whose flags are read at one time: 8 bytes each, 512 MB of addresses.
_PAGEMAP_PIECE = 1 << 17
# A page that is in memory, or swapped out: all others hold zeros, and reading them costs the process.
_THERE = (1 << 63 | 1 << 62).to_bytes(8, "little")[7]

# IOV_MAX: ranges of one call.
_MAX_RANGES = 1024

# Far above vm.max_map_count.
MAX_MAPPINGS = 1 << 20


class ProcessFile:
    """The memory of a process that is traced by this gdb."""

    def __init__(self, pid: int) -> None:
        """Raises OSError where it may not be read."""
        self._pid = pid
        # Closed with this object, at the latest at the next stop.
        self._file: BinaryIO = open(f"/proc/{pid}/mem", "rb", buffering=0)

    def read(self, address: int, size: int) -> Optional[bytes]:
        """The bytes at an address, None where not all of them can be read."""
        try:
            data = os.pread(self._file.fileno(), size, address)
        except (OSError, OverflowError):
            return None
        return data if len(data) == size else None

    def read_into(self, address: int, room: memoryview) -> int:
        """Read what is at an address, as many bytes as there is room for; how many could be read."""
        done = 0
        try:
            while done < len(room):
                size = os.preadv(self._file.fileno(), [room[done:]], address + done)
                if not size:
                    break
                done += size
        except (OSError, OverflowError):
            pass
        return done

    def gather(self, ranges: Ranges, room: memoryview) -> bool:
        """Read what is in ranges, each an (address, size), one after the other; whether all of it could be read.

        A call for each of many small ranges takes ten times as long.
        """
        call = _process_vm_readv()
        done = 0
        for first in range(0, len(ranges), _MAX_RANGES):
            some = ranges[first:first + _MAX_RANGES]
            size = total(some)
            part = room[done:done + size]
            # The call is not there, not allowed here (seccomp(2)), or some of it can't be read.
            if (call is None or call(self._pid, some, part) != size) and not gather(self.read, some, part):
                return False
            done += size
        return True

    def _mappings(self) -> List[Tuple[int, int, str, str]]:
        """(start, end, flags, path) of all that is mapped, lowest first. Raises OSError."""
        with open(f"/proc/{self._pid}/maps", encoding="utf-8", errors="surrogateescape") as lines:
            found = [match.groups() for match in map(_MAPS_LINE.match, lines) if match][:MAX_MAPPINGS]
        return [(int(start, 16), int(end, 16), flags, path) for start, end, flags, path in found]

    def writable(self) -> List[Region]:
        """The mappings that may be written to, lowest first."""
        found: List[Region] = []
        for start, end, flags, path in self._mappings():
            # Memory of devices ("/dev/...", except what shared memory is made of) may not be read for fun.
            if flags.startswith("rw") and not (path.startswith("/dev/") and not path.startswith("/dev/zero")):
                found.append(Region(start, end, path.startswith("/"), self._present(start, end)))
        return found

    def images(self) -> List[Tuple[int, int]]:
        """The (start, end) of what is mapped of programs and libraries, but for their code."""
        mappings = self._mappings()
        paths = {path for _start, _end, flags, path in mappings if flags[2] == "x" and path.startswith("/")}
        return [(start, end) for start, end, flags, path in mappings
                if flags[0] == "r" and flags[2] != "x" and path in paths]

    def _present(self, start: int, end: int) -> List[Tuple[int, int]]:
        """The parts of a mapping that are there, all of it where the kernel does not say."""
        found = []
        try:
            with open(f"/proc/{self._pid}/pagemap", "rb", buffering=0) as pagemap:
                run = None
                for first in range(start // PAGE, end // PAGE, _PAGEMAP_PIECE):
                    count = min(_PAGEMAP_PIECE, end // PAGE - first)
                    flags = os.pread(pagemap.fileno(), 8 * count, 8 * first)[7::8]
                    if len(flags) != count:
                        raise OSError("pagemap is cut short")
                    there = flags.translate(_IS_THERE)
                    at = 0
                    while at < count:
                        # Runs change seldom; bytes.find() passes over them quickly.
                        other = there.find(b"\0" if run is not None else b"\1", at)
                        if other < 0:
                            break
                        address = (first + other) * PAGE
                        if run is None:
                            run = address
                        else:
                            found.append((run, address))
                            run = None
                        at = other
                if run is not None:
                    found.append((run, end))
        except OSError:
            return [(start, end)]
        return found


def gather(read: Callable[[int, int], Optional[bytes]], ranges: Ranges, room: memoryview) -> bool:
    """Read what is in ranges, each an (address, size), one after the other; whether all of it could be read."""
    done = 0
    for address, size in ranges:
        data = read(address, size)
        if data is None:
            return False
        room[done:done + size] = data
        done += size
    return True


@lru_cache(maxsize=None)
def _process_vm_readv() -> Optional[Callable[[int, Ranges, memoryview], int]]:
    """process_vm_readv(2) with ranges of a process and a buffer here, None where there is none.

    It returns how many bytes were read, -1 where none could be. It needs the permission that /proc/PID/mem needs.
    """
    try:
        # 10 ms.
        import ctypes

        function = ctypes.CDLL(None).process_vm_readv
    except (ImportError, OSError, AttributeError):
        return None
    if ctypes.sizeof(ctypes.c_size_t) != 8:
        return None
    function.restype = ctypes.c_ssize_t
    function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)

    def call(pid: int, ranges: Ranges, room: memoryview) -> int:
        # Each pair of numbers is a struct iovec.
        here = array("Q", (ctypes.addressof(ctypes.c_char.from_buffer(room)), len(room)))
        there = array("Q", chain.from_iterable(ranges))
        return function(pid, here.buffer_info()[0], 1, there.buffer_info()[0], len(ranges), 0)
    return call


_IS_THERE = bytes(1 if value & _THERE else 0 for value in range(256))


class CoreFile:
    """The memory that a core file holds; `candidates` name files for what it does not."""

    def __init__(self, path: str, candidates: mapped_files.Candidates) -> None:
        """Raises CoreError where it is no core file that can be read here."""
        # It holds the file open.
        self._core = Core(Path(path), notes=False)
        self._candidates = candidates
        self._mapped: Optional[mapped_files.MappedFiles] = None
        self._descriptor = self._core.fileno()
        self._segments = [segment for segment in self._core.segments if segment.held]
        self._starts = [segment.address for segment in self._segments]

    @property
    def missing(self) -> int:
        """How many bytes are beyond the end of the file, which was cut."""
        return self._core.missing

    def read(self, address: int, size: int) -> Optional[bytes]:
        """The bytes at an address, None where the file does not have all of them in one segment."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        segment = self._segments[index]
        if address + size > segment.address + segment.held:
            return None
        try:
            data = os.pread(self._descriptor, size, segment.offset + address - segment.address)
        except (OSError, OverflowError):
            return None
        return data if len(data) == size else None

    def gather(self, ranges: Ranges, room: memoryview) -> bool:
        """As ProcessFile has it."""
        return gather(self.read, ranges, room)

    def mapped(self) -> mapped_files.MappedFiles:
        """What was mapped of files. Which those are costs time where there are many threads, and is seldom asked."""
        if self._mapped is None:
            self._mapped = mapped_files.MappedFiles(Core(self._core.path), self._candidates)
        return self._mapped

    def writable(self) -> List[Region]:
        """The mappings in the file that may be written to, lowest first. Holes in the file stand for zeros."""
        found = []
        for segment in self._segments:
            if segment.writable:
                moved = segment.address - segment.offset
                parts = [(start + moved, end + moved)
                         for start, end in self._data(segment.offset, segment.offset + segment.held)]
                # A core does not say which memory is that of a file.
                found.append(Region(segment.address, segment.address + segment.held, False, parts))
        return found

    def _data(self, start: int, end: int) -> Iterator[Tuple[int, int]]:
        """The parts of a range of the file that are not holes, as whole pages of the range."""
        descriptor = self._descriptor
        at = start
        while at < end:
            try:
                first = os.lseek(descriptor, at, os.SEEK_DATA)
                last = min(os.lseek(descriptor, first, os.SEEK_HOLE), end)
            except OSError:
                # No more data; or a file system that does not tell, where the first call would fail too.
                if at == start and not self._tells_holes():
                    yield start, end
                return
            if first >= end:
                return
            first -= (first - start) % PAGE
            yield max(first, start), min(last + -(last - start) % PAGE, end)
            at = last

    def _tells_holes(self) -> bool:
        try:
            os.lseek(self._descriptor, 0, os.SEEK_DATA)
        except OSError:
            return False
        return True


# None where there is no such file.
MemoryFile = Optional[Union[ProcessFile, CoreFile]]


def open_file(target: stop.Target) -> MemoryFile:
    """The file that has the inferior's memory as it is now, None where only gdb can read it.

    That is so for a remote target, for another user's process, and while gdb replays a recording.
    """
    try:
        if gdb.current_recording() is not None:
            return None
        if target.core is not None:
            from . import objfiles

            return CoreFile(target.core, objfiles.files_of)
        if target.pid is not None and processes.is_traced_here(target.pid):
            return ProcessFile(target.pid)
    except (OSError, ValueError, gdb.error):
        pass
    return None
