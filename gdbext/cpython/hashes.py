"""The hash that a str or bytes keeps of what is in it: one that was changed behind the interpreter's back has another.

Facts: Python/pyhash.c, Include/pyhash.h, Objects/unicodeobject.c (unicode_hash), Objects/bytesobject.c (bytes_hash).
SipHash is J.-P. Aumasson's and D. J. Bernstein's. The key is the process's own, in `_Py_HashSecret`.
"""

from typing import Iterator, Optional, Tuple

from .memory import Unreadable
from .objects import Objects
from .reader import READ_ERRORS

# Rounds for each word of eight bytes, and at the end: SipHash-1-3 since 3.11 (bpo-46865), SipHash-2-4 before. Who
# builds CPython may choose (--with-hash-algorithm).
_KINDS = ((1, 3), (2, 4))
# So many strings have to have the hash of a kind for it to be the process's own.
_AGREE = 2
# What a str has for its hash until it is asked for it, and what stands for a hash of -1.
_NONE_YET, _INSTEAD = -1, -2
_MASK = (1 << 64) - 1


def siphash(data: bytes, key: Tuple[int, int], rounds: int, last_rounds: int) -> int:
    """SipHash of some bytes, as an unsigned number of 64 bits."""
    k0, k1 = key
    state = (k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573)
    whole = len(data) & ~7
    last = int.from_bytes(data[whole:], "little") | (len(data) & 255) << 56
    for word in (*memoryview(data[:whole]).cast("Q"), last):
        v0, v1, v2, v3 = state
        v0, v1, v2, v3 = _mixed(v0, v1, v2, v3 ^ word, rounds)
        state = (v0 ^ word, v1, v2, v3)
    v0, v1, v2, v3 = state
    v0, v1, v2, v3 = _mixed(v0, v1, v2 ^ 0xFF, v3, last_rounds)
    return v0 ^ v1 ^ v2 ^ v3


def _mixed(v0: int, v1: int, v2: int, v3: int, rounds: int) -> Tuple[int, int, int, int]:
    for _ in range(rounds):
        v0 = v0 + v1 & _MASK
        v1 = (v1 << 13 & _MASK | v1 >> 51) ^ v0
        v0 = v0 << 32 & _MASK | v0 >> 32
        v2 = v2 + v3 & _MASK
        v3 = (v3 << 16 & _MASK | v3 >> 48) ^ v2
        v0 = v0 + v3 & _MASK
        v3 = (v3 << 21 & _MASK | v3 >> 43) ^ v0
        v2 = v2 + v1 & _MASK
        v1 = (v1 << 17 & _MASK | v1 >> 47) ^ v2
        v2 = v2 << 32 & _MASK | v2 >> 32
    return v0, v1, v2, v3


class Hashes:
    """Checks strings by their hashes. `secret` is the address of `_Py_HashSecret`, None where that is not known."""

    def __init__(self, objects: Objects, secret: Optional[int]) -> None:
        self._objects = objects
        self._secret = secret
        self._kind: Optional[Tuple[int, int]] = None
        self._key = (0, 0)

    def learn(self, strings: Iterator[int]) -> None:
        """Find out how this process hashes, from strings of which most are as they were; few are read."""
        counts = dict.fromkeys(_KINDS, 0)
        if self._secret is None:
            return
        try:
            memory = self._objects.reader.memory
            self._key = memory.u64(self._secret), memory.u64(self._secret + 8)
        except Unreadable:
            return
        for address in strings:
            for kind in _KINDS:
                if self._is_right(address, kind):
                    counts[kind] += 1
                    if counts[kind] == _AGREE:
                        self._kind = kind
                        return

    def is_right(self, address: int) -> Optional[bool]:
        """Whether a str has the hash that it was given; None where it has none, or that can't be told."""
        return self._is_right(address, self._kind) if self._kind is not None else None

    def is_right_of_bytes(self, address: int) -> Optional[bool]:
        """The same of a bytes object."""
        if self._kind is None:
            return None
        try:
            kept = self._objects.reader.integer(address, "PyBytesObject", "ob_shash", signed=True)
            data = self._objects.data(address) if kept != _NONE_YET else b""
        except READ_ERRORS:
            return None
        return self._is_hash(kept, data, self._kind)

    def _is_right(self, address: int, kind: Tuple[int, int]) -> Optional[bool]:
        try:
            kept = self._objects.reader.integer(address, "PyASCIIObject", "hash", signed=True)
            data = self._objects.characters(address) if kept != _NONE_YET else b""
        except READ_ERRORS:
            return None
        return self._is_hash(kept, data, kind)

    def _is_hash(self, kept: int, data: bytes, kind: Tuple[int, int]) -> Optional[bool]:
        if kept == _NONE_YET:
            return None
        if not data:
            return kept == 0
        found = siphash(data, self._key, *kind)
        return kept == (found if found < 1 << 63 else found - (1 << 64)) or found == _MASK and kept == _INSTEAD
