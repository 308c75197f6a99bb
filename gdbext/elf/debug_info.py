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
# What -g1 and -gline-tables-only leave out: parameters, and types of any kind (DW_TAG).
_DETAILS = frozenset((0x05, 0x0F, 0x13, 0x16, 0x24))
_IMPLICIT_CONST = 0x21
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


def compilation(image: Image, supplement: Optional[Image] = None) -> Optional[Compilation]:
    """What the DWARF of a file tells, with the strings that dwz moved to another; None without DWARF.

    Raises ImageError.
    """
    if not image.has_dwarf:
        return None
    return guarded(image.path, lambda: _compilation(image, supplement))


def _compilation(image: Image, supplement: Optional[Image]) -> Compilation:
    producers = _producers(image)
    if supplement is not None:
        producers += [text for text in _producers(supplement) if text not in producers]
    found = sorted({f"-O{level or '1'}" for text in producers for level in _levels(text)})
    compilers = list(dict.fromkeys(" ".join(text.split(" -")[0].split()) for text in producers))
    return Compilation(compilers, ", ".join(found), any("-flto" in text or "GIMPLE" in text for text in producers),
                       any("-fprofile-use" in text for text in producers), _has_locals(image))


def _levels(producer: str) -> List[str]:
    """The -O that counts in one unit: the last. Clang records no options."""
    if not producer.startswith("GNU ") or " -" not in producer:
        return []
    found = _OPTIMISATION.findall(producer)
    return [found[-1] if found else "0"]


def _producers(image: Image) -> List[str]:
    found: Dict[str, None] = {}
    for name in (".debug_str", ".debug_line_str"):
        for start in ("", "z"):
            data = image.contents(name.replace(".", "." + start, 1), MAX_STRINGS)
            for match in _PRODUCER.finditer(data or b""):
                found[match.group().decode("utf-8", "backslashreplace")] = None
                if len(found) >= MAX_PRODUCERS:
                    return list(found)
    return list(found)


def _has_locals(image: Image) -> Optional[bool]:
    """Whether most units with functions describe parameters or types; None where no unit has functions."""
    info = image.contents(".debug_info", MAX_INFO) or image.contents(".zdebug_info", MAX_INFO)
    tables = image.contents(".debug_abbrev", MAX_INFO) or image.contents(".zdebug_abbrev", MAX_INFO)
    if not info or not tables:
        return None
    detailed = total = 0
    for start in _abbreviations(info, image.order):
        tags = _tags(tables, start)
        if _SUBPROGRAM in tags:
            total += 1
            detailed += bool(tags & _DETAILS)
    return detailed * 2 >= total if total else None


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


def _tags(tables: bytes, position: int) -> Set[int]:
    """The tags of one table of abbreviations."""
    found: Set[int] = set()
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
    return found


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
