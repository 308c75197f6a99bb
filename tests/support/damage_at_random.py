"""Damaging a core at random, and mending it again: bytes, pointers, sizes, pages of other bytes, pages missing."""

import os
import random
import struct
from bisect import bisect
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterable, List, NamedTuple, Sequence, Tuple

PAGE = 4096
_PT_LOAD = 1
_HEADER, _SEGMENT = struct.Struct("<Q"), struct.Struct("<IIQQQQQQ")
# In the ELF header: e_phoff, e_phnum.
_AT_TABLE, _AT_COUNT = 32, 56

# What a size is taken for that is none.
SIZES = (0, 1, 2, 7, 1 << 15, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 40, (1 << 62) + 5, (1 << 63) - 1, 1 << 63,
         (1 << 64) - 1, (1 << 64) - 8)
# What a pointer is taken for that leads nowhere.
NOWHERE = (0, 1, 8, 16, PAGE, 0x5A5A5A5A50, 0xDDDDDDDDDDDDDDDD, 0xFFFFFFFF00000000, 1 << 63, (1 << 64) - 8)


class Change(NamedTuple):
    """What was damaged, for a report: `before` and `after` are the word in which the address lies."""

    kind: str
    address: int
    before: bytes
    after: bytes

    def __str__(self) -> str:
        """For a line of many. What is longer than a word may be in the core no more."""
        return "%s@%#x:%s>%s" % (self.kind, self.address, self.before[::-1].hex(), self.after[::-1].hex())


class DamagedCore:
    """A core file that is written to, and as it was again after mend(). The file is the caller's own copy."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = open(path, "r+b", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size
        self._header = os.pread(self._file.fileno(), 64, 0)
        self._table, = _HEADER.unpack_from(self._header, _AT_TABLE)
        self._count, = struct.unpack_from("<H", self._header, _AT_COUNT)
        table = os.pread(self._file.fileno(), self._count * _SEGMENT.size, self._table)
        self._segments = list(_SEGMENT.iter_unpack(table))
        self._undo: List[Tuple[int, bytes]] = []
        self._missing: Dict[int, bool] = {}

    def ranges(self) -> List[Tuple[int, int]]:
        """The writable memory that the core holds: (start, end)."""
        return [(address, address + held) for kind, flags, _offset, address, _physical, held, _size, _align
                in self._segments if kind == _PT_LOAD and flags & 2 and held]

    def _offset(self, address: int, size: int) -> int:
        """Where in the file the bytes at an address are, -1 for none."""
        for kind, _flags, offset, start, _physical, held, _size, _align in self._segments:
            if kind == _PT_LOAD and start <= address and address + size <= start + held:
                return int(offset + address - start)
        return -1

    def held(self, words: Iterable[int]) -> List[int]:
        """Those of some words of eight bytes that the core holds, in their order."""
        segments = sorted((start, start + held) for kind, _flags, _offset, start, _physical, held, _size, _align
                          in self._segments if kind == _PT_LOAD and held)
        starts = [start for start, _end in segments]
        return [word for word in sorted(words) if starts and word + 8 <= segments[bisect(starts, word) - 1][1]
                and word >= starts[0]]

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the dead process, b"" where the core does not hold them."""
        offset = self._offset(address, size)
        return os.pread(self._file.fileno(), size, offset) if offset >= 0 else b""

    def write(self, address: int, data: bytes) -> bool:
        """Other bytes at an address; False where the core has none there."""
        offset = self._offset(address, len(data))
        if offset < 0:
            return False
        self._undo.append((offset, os.pread(self._file.fileno(), len(data), offset)))
        os.pwrite(self._file.fileno(), data, offset)
        return True

    def miss(self, address: int) -> None:
        """The page with this address is not in the core."""
        self._missing[address & -PAGE] = True
        segments = []
        for segment in self._segments:
            kind, flags, offset, start, physical, held, size, align = segment
            gaps = sorted(page for page in self._missing if kind == _PT_LOAD and start <= page < start + held)
            if not gaps:
                segments.append(segment)
            for first, gap in zip([start, *(gap + PAGE for gap in gaps)], [*gaps, start + size]):
                if gaps and first < gap:
                    here = max(0, min(gap, start + held) - first)
                    segments.append((kind, flags, offset + first - start, first, physical, here, gap - first, align))
        os.pwrite(self._file.fileno(), b"".join(_SEGMENT.pack(*each) for each in segments), self._size)
        header = bytearray(self._header)
        _HEADER.pack_into(header, _AT_TABLE, self._size)
        struct.pack_into("<H", header, _AT_COUNT, len(segments))
        os.pwrite(self._file.fileno(), bytes(header), 0)

    def mend(self) -> None:
        """All as it was."""
        for offset, data in reversed(self._undo):
            os.pwrite(self._file.fileno(), data, offset)
        self._undo.clear()
        if self._missing:
            self._missing.clear()
            os.pwrite(self._file.fileno(), self._header, 0)
            os.ftruncate(self._file.fileno(), self._size)

    def close(self) -> None:
        """Mend it and close the file."""
        self.mend()
        self._file.close()


def damage(core: DamagedCore, dice: random.Random, words: Sequence[int]) -> List[Change]:
    """Between one and a dozen changes; most of them to `words`, addresses that the commands read."""
    ranges = core.ranges()
    changes = []
    for _ in range(min(12, 1 + int(dice.expovariate(0.4)))):
        if words and dice.random() < 0.85:
            address = dice.choice(words)
        else:
            start, end = dice.choice(ranges)
            address = dice.randrange(start, end - 8) & -8
        kind = dice.choices(*zip(*KINDS.items()))[0]  # type: ignore[arg-type]
        before = core.read(address & -8, 8)
        if _change(core, dice, kind, address, words):
            changes.append(Change(kind, address, before, core.read(address & -8, 8)))
    return changes


# How often each is taken, of 100.
KINDS = {"byte": 20, "bit": 10, "pointer": 30, "size": 20, "exchange": 8, "zeroed page": 4, "random page": 4,
         "missing page": 4}


def _change(core: DamagedCore, dice: random.Random, kind: str, address: int, words: Sequence[int]) -> bool:
    if kind == "byte":
        return core.write(address + dice.randrange(8), bytes([dice.randrange(256)]))
    if kind == "bit":
        at = address + dice.randrange(8)
        old = core.read(at, 1)
        return bool(old) and core.write(at, bytes([old[0] ^ 1 << dice.randrange(8)]))
    if kind == "pointer":
        values: List[Any] = [dice.choice(NOWHERE), address, address - 16, dice.getrandbits(64)]
        old = int.from_bytes(core.read(address, 8), "little")
        values += [old + 8, old - 8, old ^ 1, old + PAGE]
        if words:
            other = dice.choice(words)
            values += [other, int.from_bytes(core.read(other, 8) or b"\0", "little")] * 4
        return core.write(address, (dice.choice(values) & (1 << 64) - 1).to_bytes(8, "little"))
    if kind == "size":
        size = dice.choice((4, 8, 8, 8))
        old = int.from_bytes(core.read(address, size), "little")
        value = dice.choice([*SIZES, old + 1, old - 1, old * 2, old << 32])
        return core.write(address, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))
    if kind == "exchange" and words:
        other = dice.choice(words) & -8
        mine, others = core.read(address & -8, 8), core.read(other, 8)
        return bool(mine and others) and core.write(address & -8, others) and core.write(other, mine)
    page = address & -PAGE
    if kind == "missing page" and core.read(page, PAGE):
        core.miss(page)
        return True
    return core.write(page, bytes(PAGE) if kind == "zeroed page"
                      else dice.getrandbits(8 * PAGE).to_bytes(PAGE, "little"))
