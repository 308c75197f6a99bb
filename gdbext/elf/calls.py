"""Where the code of an image calls through entries of its procedure linkage or global offset table.

Instructions of x86-64 have no fixed places: what is found by bytes may lie within another one, and whoever asks
compares with a disassembly. Facts: Intel SDM 2, CALL, JMP and MOV; Arm ARM, ADRP, LDR, BL, B, BLR and BR; the
System V ABI's supplements for both, procedure linkage table.
"""

import re
import sys
from array import array
from typing import Callable, Collection, Dict, Iterator, List, NamedTuple, Sequence, Set, Tuple

# call *slot(%rip), jmp *slot(%rip); call and jmp to an address; mov slot(%rip),%register.
_BY_SLOT = re.compile(rb"\xff([\x15\x25])(?=....)", re.DOTALL)
_BY_STUB = re.compile(rb"[\xe8\xe9](?=....)", re.DOTALL)
_LOAD = re.compile(rb"[\x48\x4c]\x8b[\x05\x0d\x15\x1d\x25\x2d\x35\x3d](?=....)", re.DOTALL)
# What may come before the jump of a PLT entry of x86-64: nothing, bnd, endbr64, both.
_BEGINNINGS = (0, 1, 4, 5)
# And before the adrp of one of aarch64.
_BTI_C = 0xD503245F
# Instructions after the one that loads an address within which compilers of aarch64 call it.
MAX_APART = 16
# Call sites of one function in one image.
MAX_SITES = 10_000

# (start, end) of code.
Ranges = Sequence[Tuple[int, int]]


class Site(NamedTuple):
    """An instruction that calls, or as the last of its function jumps; where `loads`, one that loads the address."""

    address: int
    loads: bool = False


def candidates(machine: str, code: bytes, start: int, slots: Collection[int], linkage: Ranges) -> List[Site]:
    """What looks like a call through these slots, in code that is mapped at `start`. All addresses as in memory.

    `machine` is one of MACHINES, `linkage` where procedure linkage tables are, of which nothing is a call.
    """
    found, stubs = set(), set()
    for site, entries in _READERS[machine](code, start, slots):
        if any(begin <= site.address < end for begin, end in linkage):
            stubs.update(entries)
        else:
            found.add(site)
    if stubs:
        found.update(Site(address) for address in _TO[machine](code, start, stubs)
                     if not any(begin <= address < end for begin, end in linkage))
    return sorted(found)[:MAX_SITES]


# What refers to a slot, and where a PLT entry of which that is the jump begins, or may begin.
_References = Iterator[Tuple[Site, List[int]]]


def _references_of_x86_64(code: bytes, start: int, slots: Collection[int]) -> _References:
    for match in _BY_SLOT.finditer(code):
        at = start + match.start()
        if at + 6 + _relative(code, match.end()) in slots:
            yield Site(at), [at - before for before in _BEGINNINGS] if match.group(1) == b"\x25" else []
    for match in _LOAD.finditer(code):
        at = start + match.start()
        if at + 7 + _relative(code, match.end()) in slots:
            yield Site(at, loads=True), []


def _to_of_x86_64(code: bytes, start: int, targets: Set[int]) -> Iterator[int]:
    for match in _BY_STUB.finditer(code):
        at = start + match.start()
        if at + 5 + _relative(code, match.end()) in targets:
            yield at


def _relative(code: bytes, position: int) -> int:
    return int.from_bytes(code[position:position + 4], "little", signed=True)


def _references_of_aarch64(code: bytes, start: int, slots: Collection[int]) -> _References:
    """`adrp` has the page of a slot and `ldr` loads from it, soon after and by the same register."""
    words = _words(code)
    pages = {slot >> 12 for slot in slots}
    for index, word in enumerate(words):
        if word & 0x9F000000 != 0x90000000:
            continue
        at = start + 4 * index
        page = (at >> 12) + _signed(word >> 5 & 0x7FFFF, 19) * 4 + (word >> 29 & 3)
        if page not in pages:
            continue
        register = word & 31
        for load in range(index + 1, min(index + MAX_APART, len(words))):
            following = words[load]
            if (following & 0xFFC003E0 == 0xF9400000 | register << 5
                    and (page << 12) + (following >> 10 & 0xFFF) * 8 in slots):
                entry = at - 4 if index and words[index - 1] == _BTI_C else at
                yield _use_of_aarch64(words, start, load), [entry]
                break
            # Another value in the register: most instructions name the one that they set there.
            if following & 31 == register:
                break


def _use_of_aarch64(words: Sequence[int], start: int, load: int) -> Site:
    """What the register is for into which an address was loaded: a call, or something else."""
    register = words[load] & 31
    for index in range(load + 1, min(load + MAX_APART, len(words))):
        word = words[index]
        # br and blr, without regard to which.
        if word & 0xFFDFFFFF == 0xD61F0000 | register << 5:
            return Site(start + 4 * index)
        # Another branch, or another value in the register.
        if word & 0x1C000000 == 0x14000000 or word & 31 == register:
            break
    return Site(start + 4 * load, loads=True)


def _to_of_aarch64(code: bytes, start: int, targets: Set[int]) -> Iterator[int]:
    for index, word in enumerate(_words(code)):
        # b and bl.
        if word & 0x7C000000 == 0x14000000:
            at = start + 4 * index
            if at + 4 * _signed(word & 0x3FFFFFF, 26) in targets:
                yield at


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def _words(code: bytes) -> Sequence[int]:
    words = array("I", code[:len(code) // 4 * 4])
    if sys.byteorder == "big":
        words.byteswap()
    return words


_READERS: Dict[str, Callable[[bytes, int, Collection[int]], _References]] = {
    "x86_64": _references_of_x86_64, "aarch64": _references_of_aarch64}
_TO: Dict[str, Callable[[bytes, int, Set[int]], Iterator[int]]] = {
    "x86_64": _to_of_x86_64, "aarch64": _to_of_aarch64}
MACHINES = tuple(_READERS)
