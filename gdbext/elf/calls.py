"""Where code of an x86-64 image calls through entries of its procedure linkage or global offset table.

What is found by bytes may lie within another instruction: whoever asks compares with a disassembly. Facts: Intel
SDM 2, CALL and JMP; System V ABI, AMD64 supplement, procedure linkage table.
"""

import re
from typing import Collection, Iterator, List, NamedTuple, Set

# call *slot(%rip), jmp *slot(%rip); call and jmp to an address.
_BY_SLOT = re.compile(rb"\xff([\x15\x25])(?=....)", re.DOTALL)
_BY_STUB = re.compile(rb"[\xe8\xe9](?=....)", re.DOTALL)
# What may come before the jump of a PLT entry: nothing, bnd, endbr64, both.
_STUB_BEGINNINGS = (0, 1, 4, 5)
# Call sites of one function in one image.
MAX_SITES = 10_000


class Site(NamedTuple):
    """An instruction that calls, or as the last of its function jumps: its address, and its size in bytes."""

    address: int
    size: int


def candidates(code: bytes, start: int, slots: Collection[int]) -> List[Site]:
    """What looks like a call through these slots, in code that is mapped at `start`. All addresses as in memory."""
    stubs: Set[int] = set()
    found = []
    for match in _BY_SLOT.finditer(code):
        at = start + match.start()
        if at + 6 + _relative(code, match.end()) in slots:
            if match.group(1) == b"\x15":
                found.append(Site(at, 6))
            else:
                stubs.update(at - before for before in _STUB_BEGINNINGS)
    if stubs:
        found += list(_to(code, start, stubs))
    return sorted(found)[:MAX_SITES]


def _to(code: bytes, start: int, targets: Set[int]) -> Iterator[Site]:
    for match in _BY_STUB.finditer(code):
        at = start + match.start()
        if at + 5 + _relative(code, match.end()) in targets:
            yield Site(at, 5)


def _relative(code: bytes, position: int) -> int:
    return int.from_bytes(code[position:position + 4], "little", signed=True)
