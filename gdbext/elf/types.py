"""The C structures that a file's DWARF describes, in the form that gdbext.layout.schema flattens.

A name is as C source has it: "struct pyruntimestate" and "union _gc_head" are tags,
"PyListObject" a typedef.
"""

from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DWARFInfo

from gdbext.layout.schema import Member

_TAG_PREFIX = {"DW_TAG_structure_type": "struct ", "DW_TAG_union_type": "union ", "DW_TAG_typedef": ""}
_RECORDS = frozenset({"DW_TAG_structure_type", "DW_TAG_union_type"})
# What C writes around a type without changing its layout.
_TRANSPARENT = frozenset({"DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type", "DW_TAG_atomic_type",
                          "DW_TAG_restrict_type"})
# So many of them are gone through: those of a damaged file may form a ring.
_MAX_NAMES = 100


class Definition(NamedTuple):
    """A complete structure or union: its DIE, size in bytes, and the source file that was compiled.

    `source` is "" in the shared units that dwz makes.
    """

    die: DIE
    size: int
    source: str


def find_definitions(dwarf: DWARFInfo, names: Iterable[str]) -> Dict[str, List[Definition]]:
    """Every complete definition of these structures at file scope, one for each compile unit that has it.

    Names that are not defined are absent. Only the top level of each unit is read, so a
    libpython takes seconds: types in the bodies of functions are not seen.
    """
    wanted = frozenset(names)
    found: Dict[str, List[Definition]] = {}
    for unit in dwarf.iter_CUs():
        top = unit.get_top_DIE()
        source = _text(top, "DW_AT_name")
        for die in top.iter_children():
            prefix = _TAG_PREFIX.get(die.tag)
            if prefix is None:
                continue
            name = prefix + _text(die, "DW_AT_name")
            if name in wanted:
                record = _record(die)
                if record is not None:
                    size = record.attributes["DW_AT_byte_size"].value
                    found.setdefault(name, []).append(Definition(record, size, source))
    return found


def producers(dwarf: DWARFInfo) -> Iterator[str]:
    """The compiler of each compile unit, without its options: "GNU C11 12.2.0"."""
    for unit in dwarf.iter_CUs():
        text = _text(unit.get_top_DIE(), "DW_AT_producer")
        if text:
            yield text.split(" -")[0]


def members(record: DIE) -> List[Member]:
    """The members of a structure or union.

    A bit field's unit is its declared type, at a multiple of that type's size.
    """
    return [_member(die) for die in record.iter_children() if die.tag == "DW_TAG_member"]


def _member(die: DIE) -> Member:
    type_ = _strip(_type(die))
    name = _text(die, "DW_AT_name") or None
    offset, size = _value(die, "DW_AT_data_member_location"), _size(type_)
    bits: Optional[Tuple[int, int]] = None
    if "DW_AT_bit_size" in die.attributes:
        offset, bits = _bit_field(die, size)
    return Member(name, offset, size, bits, type_ if type_ is not None and type_.tag in _RECORDS else None)


def _bit_field(die: DIE, size: int) -> Tuple[int, Tuple[int, int]]:
    """The offset of a bit field's unit, which has `size` bytes, and its (first bit, number of bits)."""
    little_endian = die.cu.dwarfinfo.config.little_endian
    width = _value(die, "DW_AT_bit_size")
    if "DW_AT_data_bit_offset" in die.attributes:
        from_start = _value(die, "DW_AT_data_bit_offset")
    else:
        # Before DWARF 4: from the most significant bit of a unit that need not be the declared type's.
        unit = _value(die, "DW_AT_byte_size") or size
        from_start = _value(die, "DW_AT_bit_offset")
        if little_endian:
            from_start = unit * 8 - from_start - width
        from_start += _value(die, "DW_AT_data_member_location") * 8
    offset = from_start // 8 // size * size
    first = from_start - offset * 8
    return offset, (first if little_endian else size * 8 - first - width, width)


def _record(die: DIE) -> Optional[DIE]:
    """The complete structure or union that a tag or a typedef stands for."""
    found = _strip(die)
    if found is None or found.tag not in _RECORDS or "DW_AT_byte_size" not in found.attributes:
        return None
    return None if "DW_AT_declaration" in found.attributes else found


def _strip(die: Optional[DIE]) -> Optional[DIE]:
    for _ in range(_MAX_NAMES):
        if die is None or die.tag not in _TRANSPARENT:
            return die
        die = _type(die)
    return None


def _type(die: DIE) -> Optional[DIE]:
    return die.get_DIE_from_attribute("DW_AT_type") if "DW_AT_type" in die.attributes else None


def _size(type_: Optional[DIE]) -> int:
    """sizeof, in bytes; 0 for a flexible array."""
    if type_ is None:
        return 0
    if "DW_AT_byte_size" in type_.attributes:
        return _value(type_, "DW_AT_byte_size")
    if type_.tag == "DW_TAG_pointer_type":
        return type_.cu["address_size"]
    if type_.tag == "DW_TAG_array_type":
        size = _size(_strip(_type(type_)))
        for dimension in type_.iter_children():
            if "DW_AT_count" in dimension.attributes:
                size *= _value(dimension, "DW_AT_count")
            else:
                size *= _value(dimension, "DW_AT_upper_bound", -1) + 1
        return size
    return 0


def _value(die: DIE, attribute: str, default: int = 0) -> int:
    return die.attributes[attribute].value if attribute in die.attributes else default


def _text(die: DIE, attribute: str) -> str:
    found = die.attributes.get(attribute)
    return found.value.decode("utf-8", "replace") if found is not None else ""
