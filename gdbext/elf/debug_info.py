"""What the DWARF of a file tells of its compilation: compiler and options, and whether locals are described.

Only the headers of compile units and their abbreviations are read: pyelftools would first read all DWARF of
the file, which has up to gigabytes. Facts: DWARF 5, 7.5 (compile units, abbreviations), for 2 to 4 as well.
"""

import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from .image import Image, guarded

# Compile units that are looked at. The program's own come first, then those of libraries that are linked in.
MAX_UNITS = 64
# Bytes of .debug_info and .debug_abbrev that these take at most, and of .debug_str.
MAX_INFO = 64 << 20
MAX_STRINGS = 256 << 20
MAX_ABBREVIATIONS = 4096
# Different sets of options that are kept of one file.
MAX_PRODUCERS = 64

_SUBPROGRAM = 0x2E
# DW_AT_dwo_name and DW_AT_GNU_dwo_name: the rest of a unit is in another file.
_DWO_NAMES = frozenset((0x76, 0x2130))
# What -g1 and -gline-tables-only leave out: parameters, and types of any kind (DW_TAG).
_DETAILS = frozenset((0x05, 0x0F, 0x13, 0x16, 0x24))
_IMPLICIT_CONST = 0x21
# Of the names of sections in a .dwo.
_OF_SPLIT = ".dwo"
_TYPE_UNITS = (0x02, 0x06)

# "GNU C17 12.2.0 -mtune=generic -g -O3 -fprofile-use", as DW_AT_producer has it. Units in assembler have none
# of the options of interest, and names of functions are in the same section.
_PRODUCER = re.compile(rb"(?:GNU (?:C|GIMPLE)[^\0]{1,4096}|[^\0]{0,64}clang version [^\0]{1,4096})")
_OPTIMISATION = re.compile(r"(?<!\S)-O(\S*)")


class Compilation(NamedTuple):
    """How a program was compiled, as far as its DWARF tells.

    `locals` is None where that is not known; `optimisation` is "-O2" or "-O2, -O3" where parts differ, "-O0"
    where no option was given and "" where the compiler did not record any.
    """

    compilers: List[str]
    optimisation: str
    lto: bool
    profile: bool
    locals: Optional[bool]


def compilation(image: Image, supplement: Optional[Image] = None,
                split: Optional[Image] = None) -> Optional[Compilation]:
    """What the DWARF of a file tells; None without DWARF.

    `supplement` has the strings that dwz moved, `split` is one of the files that have the rest of units that were
    compiled with -gsplit-dwarf. Raises ImageError.
    """
    if not image.has_dwarf:
        return None
    return guarded(image.path, lambda: _compilation(image, supplement, split))


def is_split(image: Image) -> bool:
    """Whether units of a file have their DWARF in others (-gsplit-dwarf). Raises ImageError."""
    return guarded(image.path, lambda: any(attributes & _DWO_NAMES for _tags, attributes in _tables(image, "")))


def _compilation(image: Image, supplement: Optional[Image], split: Optional[Image]) -> Compilation:
    producers: List[str] = []
    for each, suffix in ((image, ""), (supplement, ""), (split, _OF_SPLIT)):
        if each is not None:
            producers += [text for text in _producers(each, suffix) if text not in producers]
    of = (split, _OF_SPLIT) if split is not None else (image, "")
    found = sorted({f"-O{level or '1'}" for text in producers for level in _levels(text)})
    compilers = list(dict.fromkeys(" ".join(text.split(" -")[0].split()) for text in producers))
    return Compilation(compilers, ", ".join(found), any("-flto" in text or "GIMPLE" in text for text in producers),
                       any("-fprofile-use" in text for text in producers), _has_locals(*of))


def _levels(producer: str) -> List[str]:
    """The -O that counts in one unit: the last. Clang records no options."""
    if not producer.startswith("GNU ") or " -" not in producer:
        return []
    found = _OPTIMISATION.findall(producer)
    return [found[-1] if found else "0"]


def _contents(image: Image, name: str, suffix: str, limit: int) -> bytes:
    """A section, whose name has a z where it is compressed as it was done first."""
    return image.contents(f".{name}{suffix}", limit) or image.contents(f".z{name}{suffix}", limit) or b""


def _producers(image: Image, suffix: str) -> List[str]:
    found: Dict[str, None] = {}
    for name in ("debug_str", "debug_line_str"):
        data = _contents(image, name, suffix, MAX_STRINGS)
        for match in _PRODUCER.finditer(data):
            found[match.group().decode("utf-8", "backslashreplace")] = None
            if len(found) >= MAX_PRODUCERS:
                return list(found)
    return list(found)


def _has_locals(image: Image, suffix: str) -> Optional[bool]:
    """Whether most units with functions describe parameters or types; None where no unit has functions."""
    detailed = total = 0
    for tags, _attributes in _tables(image, suffix):
        if _SUBPROGRAM in tags:
            total += 1
            detailed += bool(tags & _DETAILS)
    return detailed * 2 >= total if total else None


def _tables(image: Image, suffix: str) -> Iterator[Tuple[Set[int], Set[int]]]:
    """The tags, and the attributes, that each of the first units uses."""
    info, tables = (_contents(image, name, suffix, MAX_INFO) for name in ("debug_info", "debug_abbrev"))
    if info and tables:
        for start in _abbreviations(info, image.order):
            yield _tags(tables, start)


def _abbreviations(info: bytes, order: str) -> Iterator[int]:
    """Where in .debug_abbrev the table of each of the first compile units begins."""
    def number(position: int, size: int) -> int:
        return int.from_bytes(info[position:position + size], order)  # type: ignore[arg-type]

    position = 0
    for _ in range(MAX_UNITS):
        if position + 12 > len(info):
            break
        length, size, start = number(position, 4), 4, position + 4
        if length == 0xFFFFFFFF:
            length, size, start = number(start, 8), 8, start + 8
        version = number(start, 2)
        if version >= 5:
            if number(start + 2, 1) not in _TYPE_UNITS:
                yield number(start + 4, size)
        else:
            yield number(start + 2, size)
        position = start + length


def _tags(tables: bytes, position: int) -> Tuple[Set[int], Set[int]]:
    """The tags, and the attributes, of one table of abbreviations."""
    found: Set[int] = set()
    attributes: Set[int] = set()
    for _ in range(MAX_ABBREVIATIONS):
        code, position = _uleb(tables, position)
        if not code:
            break
        tag, position = _uleb(tables, position)
        found.add(tag)
        position += 1
        while position < len(tables):
            name, position = _uleb(tables, position)
            form, position = _uleb(tables, position)
            if form == _IMPLICIT_CONST:
                _value, position = _uleb(tables, position)
            if not name and not form:
                break
            attributes.add(name)
    return found, attributes


def _uleb(data: bytes, position: int) -> Tuple[int, int]:
    """A number of 7 bits a byte, and where the next one is; 0 beyond the end."""
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 or shift > 63:
            break
    return value, position
