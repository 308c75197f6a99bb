"""Which C functions a file imports: undefined dynamic symbols that a relocation refers to.

Facts: System V ABI, relocation; its AMD64 and AArch64 supplements for the types of PLT and GOT entries.
"""

import struct
from typing import List, NamedTuple, Optional, Set

from .image import Image, guarded, places_of

# R_X86_64_64, _GLOB_DAT, _JUMP_SLOT; R_AARCH64_ABS64, _GLOB_DAT, _JUMP_SLOT.
_KINDS = {"x86_64": {1: "data", 6: "GOT", 7: "PLT"}, "aarch64": {257: "data", 1025: "GOT", 1026: "PLT"}}
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")


class Import(NamedTuple):
    """How a file imports a function: `by` names "PLT" (called), "GOT" (called or its address taken), "data".

    `slots` are the link-time addresses of the entries that the dynamic linker fills.
    """

    by: List[str]
    slots: List[int]


def imported(image: Image, name: str) -> Optional[Import]:
    """How a file imports a function; None where it does not. Raises ImageError."""
    return guarded(image.path, lambda: _imported(image, name))


def _imported(image: Image, name: str) -> Optional[Import]:
    kinds = _KINDS.get(image.machine)
    names, symbols = image.contents(".dynstr"), image.contents(".dynsym")
    if kinds is None or not names or not symbols:
        return None
    at = set(places_of(name.encode() + b"\0", names))
    whole = len(symbols) // _SYMBOL.size * _SYMBOL.size
    wanted: Set[int] = {index for index, entry in enumerate(_SYMBOL.iter_unpack(symbols[:whole]))
                        if entry[0] in at and not entry[3]}
    if not wanted:
        return None
    by, slots = [], []
    for section in (".rela.plt", ".rela.dyn"):
        raw = image.contents(section) or b""
        for slot, info, _addend in _RELOCATION.iter_unpack(raw[:len(raw) // _RELOCATION.size * _RELOCATION.size]):
            if info >> 32 in wanted and info & 0xFFFFFFFF in kinds:
                by.append(kinds[info & 0xFFFFFFFF])
                slots.append(slot)
    return Import(list(dict.fromkeys(by)), slots) if slots else None
