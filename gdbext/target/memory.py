"""The selected inferior's memory."""

from typing import Iterable, Iterator, List, Optional, Tuple, Union

import gdb

from ..cpython.memory import Memory, Ranges, Region, Unreadable
from . import ahead, copied, files, images, processes


class NotLive(Exception):
    """It is no live process of this machine that is looked at."""


class InferiorMemory(Memory):
    """The selected inferior's memory: a live process, a core or a remote target alike.

    Read from `file`, the process's or the core's own, where there is one, and through gdb else; from a copy
    since copy() was called.
    """

    def __init__(self, file: files.MemoryFile = None) -> None:
        super().__init__()
        self._inferior = gdb.selected_inferior()
        self._file: Union[files.MemoryFile, copied.MemoryCopy] = file

    def fetch(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes from the inferior. Raises Unreadable."""
        data = self._file.read(address, size) if self._file is not None else None
        if data is not None:
            return data
        if isinstance(self._file, copied.MemoryCopy):
            raise Unreadable(address, size)
        if isinstance(self._file, files.CoreFile) and self._file.mapped().knows(address):
            data = self._file.mapped().read(address, size)
            if data is None:
                raise Unreadable(address, size)
            return data
        try:
            # What a core lacks, gdb may find in files that have no build id.
            return self._inferior.read_memory(address, size).tobytes()
        except (gdb.error, OverflowError):
            # gdb.MemoryError, or since gdb 18 a plain gdb.error for what a core lacks.
            raise Unreadable(address, size) from None

    def gather(self, ranges: Ranges, room: memoryview) -> None:
        """As in Memory; of a process in few calls."""
        if self._file is None or not self._file.gather(ranges, room):
            super().gather(ranges, room)

    def gathered(self, requests: Iterable[Ranges], most: int, large: bool = True
                 ) -> Iterator[Tuple[Ranges, Optional[memoryview]]]:
        """As in Memory; from a file the next is read while the last is looked at."""
        if self._file is None:
            return super().gathered(requests, most)
        return ahead.gathered(self._file.gather, requests, most, large)

    def copy(self) -> None:
        """Read from a copy from now on, while the process goes on. Raises NotLive, copied.NoRoom, OSError."""
        if not isinstance(self._file, files.ProcessFile) or not processes.is_traced_here(self._inferior.pid):
            raise NotLive()
        self._file = copied.MemoryCopy(self._file)

    def writable(self) -> List[Region]:
        """The writable memory that there is, lowest first. Empty where the target does not tell."""
        if self._file is not None:
            return self._file.writable()
        return images.writable()
