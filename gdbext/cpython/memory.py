"""The memory of the inferior, as everything in this package sees it: bytes and integers at addresses."""

import struct
from typing import Dict, Iterable, Iterator, NamedTuple, Optional, Sequence, Tuple

PAGE_BITS = 12
PAGE = 1 << PAGE_BITS
_MASK = PAGE - 1

# The pages kept at one time: 128 MB. A walk over the heap reads more, and seldom the same twice.
MAX_PAGES = 32768

# Most names are shorter.
_C_STRING_PIECE = 64

_U64 = struct.Struct("<Q")
_U32 = struct.Struct("<I")


class Unreadable(Exception):
    """`size` bytes at `address` can't be read: not mapped, or not in the core."""

    def __init__(self, address: int, size: int) -> None:
        super().__init__(f"cannot read {size} bytes at {address:#x}")
        self.address = address
        self.size = size


class Damaged(Exception):
    """What lies at `address` can't be what it ought to be."""

    def __init__(self, address: int, reason: str) -> None:
        super().__init__(f"{reason} at {address:#x}")
        self.address = address


class Region(NamedTuple):
    """A mapping that may be written to, from `start` up to `end`; `file` where it is that of a file.

    `parts` are the (start, end) of what is there: the rest was never touched, and is zeros.
    """

    start: int
    end: int
    file: bool
    parts: Sequence[Tuple[int, int]]


# (address, size) each.
Ranges = Sequence[Tuple[int, int]]


def total(ranges: Ranges) -> int:
    """How many bytes are in ranges."""
    return sum(size for _address, size in ranges)


class Memory:
    """Little-endian memory behind a cache of pages.

    A subclass says how bytes are fetched, and calls clear() whenever they may have changed.
    """

    def __init__(self) -> None:
        self._pages: Dict[int, Optional[bytes]] = {}

    def fetch(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes from the inferior. Raises Unreadable."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget everything that was read."""
        self._pages.clear()

    def _page(self, number: int) -> bytes:
        try:
            page = self._pages[number]
        except KeyError:
            if len(self._pages) >= MAX_PAGES:
                self._pages.clear()
            try:
                page = self.fetch(number << PAGE_BITS, PAGE)
            except Unreadable:
                page = None
            self._pages[number] = page
        if page is None:
            raise Unreadable(number << PAGE_BITS, PAGE)
        return page

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at `address`. Raises Unreadable when any of them is."""
        if size <= 0:
            return b""
        if not 0 <= address <= (1 << 64) - size:
            raise Unreadable(address, size)
        start = address & _MASK
        try:
            if start + size <= PAGE:
                return self._page(address >> PAGE_BITS)[start:start + size]
            if size > 4 * PAGE:
                return self.fetch(address, size)
            first, last = address >> PAGE_BITS, (address + size - 1) >> PAGE_BITS
            whole = b"".join(self._page(number) for number in range(first, last + 1))
            return whole[start:start + size]
        except Unreadable:
            # A mapping may begin or end within a page, as in a truncated core.
            return self.fetch(address, size)

    def gather(self, ranges: Ranges, room: memoryview) -> None:
        """Fill `room` with what is in ranges, in their order. Raises Unreadable."""
        done = 0
        for address, size in ranges:
            room[done:done + size] = self.read(address, size)
            done += size

    def gathered(self, requests: Iterable[Ranges], most: int, large: bool = True
                 ) -> Iterator[Tuple[Ranges, Optional[memoryview]]]:
        """Each request, of up to `most` bytes, with what gather() gives for it, None where that can't be read.

        What is given is there until the next one. With `large` there is so much that it pays to have another thread
        read it, in which the requests may be made.
        """
        room = memoryview(bytearray(most))
        for ranges in requests:
            filled = room[:total(ranges)]
            try:
                self.gather(ranges, filled)
            except Unreadable:
                yield ranges, None
            else:
                yield ranges, filled

    def u64(self, address: int) -> int:
        """The unsigned 64-bit integer at `address`. Raises Unreadable."""
        page = self._pages.get(address >> PAGE_BITS)
        start = address & _MASK
        if page is not None and start <= PAGE - 8:
            return _U64.unpack_from(page, start)[0]
        return _U64.unpack(self.read(address, 8))[0]

    def u32(self, address: int) -> int:
        """The unsigned 32-bit integer at `address`. Raises Unreadable."""
        page = self._pages.get(address >> PAGE_BITS)
        start = address & _MASK
        if page is not None and start <= PAGE - 4:
            return _U32.unpack_from(page, start)[0]
        return _U32.unpack(self.read(address, 4))[0]

    def integer(self, address: int, size: int, signed: bool = False) -> int:
        """The integer of `size` bytes at `address`. Raises Unreadable."""
        return int.from_bytes(self.read(address, size), "little", signed=signed)

    def c_string(self, address: int, limit: int) -> bytes:
        """The bytes at `address` up to NUL, `limit` at the most. Raises Unreadable."""
        found = b""
        while len(found) < limit:
            # Never past a page: what comes after the NUL need not be mapped.
            size = min(limit - len(found), _C_STRING_PIECE, PAGE - ((address + len(found)) & _MASK))
            try:
                piece = self.read(address + len(found), size)
            except Unreadable:
                piece = self.read(address + len(found), 1)
            end = piece.find(b"\0")
            if end >= 0:
                return found + piece[:end]
            found += piece
        return found
