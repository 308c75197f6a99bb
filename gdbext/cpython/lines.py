"""The line of an instruction, from each of the encodings that code objects have had.

Pure functions over the table's bytes. An instruction is named by its offset in bytes from
the start of the code; None is the line of an instruction that belongs to no line.
Facts: Objects/lnotab_notes.txt (3.6-3.10), Objects/locations.md (3.11-3.13, since then
InternalDocs/code_objects.md), and the readers in Objects/codeobject.c.
"""

from typing import Iterator, NamedTuple, Optional, Set, Tuple

_NO_LINE_DELTA = -128


class Positions(NamedTuple):
    """Where the source of an instruction is, as codeobject.co_positions() tells it; None is what is not known.

    Columns are bytes of the line in UTF-8.
    """

    line: Optional[int]
    end_line: Optional[int]
    column: Optional[int]
    end_column: Optional[int]


NO_POSITIONS = Positions(None, None, None, None)


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def is_whole_lnotab(table: bytes, size: int) -> bool:
    """Whether co_lnotab can be that of `size` bytes of code: pairs whose ranges of whole instructions lie within."""
    starts = table[::2]
    return len(table) % 2 == 0 and sum(starts) <= size and not any(
        start & 1 for start in starts if start != 255)


def line_in_lnotab(table: bytes, first_line: int, offset: int) -> Optional[int]:
    """co_lnotab, 3.6-3.9: pairs of (bytes of code, signed lines)."""
    line = first_line
    address = 0
    for position in range(0, len(table) - 1, 2):
        address += table[position]
        if address > offset:
            break
        line += _signed(table[position + 1])
    return line


def is_whole_linetable(table: bytes, size: int) -> bool:
    """Whether co_linetable of 3.10 can be that of `size` bytes of code, all of which it has to cover."""
    return len(table) % 2 == 0 and sum(table[::2]) == size and not any(units & 1 for units in table[::2])


def line_in_linetable(table: bytes, first_line: int, offset: int) -> Optional[int]:
    """co_linetable, 3.10 (PEP 626): pairs of (bytes of code, signed lines), lines counted where a range starts."""
    line = first_line
    end = 0
    for position in range(0, len(table) - 1, 2):
        end += table[position]
        delta = _signed(table[position + 1])
        if delta != _NO_LINE_DELTA:
            line += delta
        if offset < end:
            return None if delta == _NO_LINE_DELTA else line
    return None


def lines_in_pairs(table: bytes, first_line: int, has_gaps: bool) -> Set[int]:
    """All lines of co_lnotab, or of co_linetable of 3.10, which `has_gaps`: instructions that belong to no line."""
    line = first_line
    found = {line}
    for delta in map(_signed, table[1::2]):
        if not has_gaps or delta != _NO_LINE_DELTA:
            line += delta
            found.add(line)
    return found


def _varint(table: bytes, position: int) -> int:
    return _varint_and_end(table, position)[0]


def _varint_and_end(table: bytes, position: int) -> Tuple[int, int]:
    """A number of pieces of six bits, the least significant first, and where the next one starts."""
    value = shift = 0
    while position < len(table):
        byte = table[position]
        position += 1
        value |= (byte & 63) << shift
        if not byte & 64:
            break
        shift += 6
    return value, position


def _signed_varint(value: int) -> int:
    return -(value >> 1) if value & 1 else value >> 1


def _location_entries(table: bytes) -> Iterator[Tuple[int, int, int]]:
    """Each entry as (kind, code units covered, position of its first byte)."""
    position = 0
    while position < len(table):
        first = table[position]
        yield (first >> 3) & 15, (first & 7) + 1, position
        position += 1
        # Only the first byte of an entry has its high bit set.
        while position < len(table) and not table[position] & 128:
            position += 1


def line_in_locations(table: bytes, first_line: int, offset: int) -> Optional[int]:
    """co_linetable, 3.11 and later: entries of variable length, with columns (PEP 657)."""
    line = first_line
    end = 0
    for kind, units, position in _location_entries(table):
        if kind in (13, 14):
            line += _signed_varint(_varint(table, position + 1))
        elif 10 <= kind <= 12:
            line += kind - 10
        end += 2 * units
        if offset < end:
            return None if kind == 15 else line
    return None


def is_whole_locations(table: bytes, size: int) -> bool:
    """Whether co_linetable of 3.11 and later can be that of `size` bytes of code.

    Its entries have to cover all of it, and each to have what belongs to its kind.
    """
    end = covered = 0
    for kind, units, position in _location_entries(table):
        if position != end:
            return False
        end = position + 1
        for _ in range(_NUMBERS.get(kind, 0)):
            start = end
            _value, end = _varint_and_end(table, end)
            if end == start or table[end - 1] & 64:
                return False
        if kind not in _NUMBERS:
            end += 2 if kind >= 10 else 1
        covered += 2 * units
    return end == len(table) and covered == size


# How many numbers of pieces the kinds of entries have that have such; others have one or two bytes.
_NUMBERS = {13: 1, 14: 4, 15: 0}


def positions_in_locations(table: bytes, first_line: int, offset: int) -> Positions:
    """All that co_linetable of 3.11 and later says of an instruction."""
    line = first_line
    end = 0
    for kind, units, position in _location_entries(table):
        end += 2 * units
        here = offset < end
        following = position + 1
        if kind in (13, 14):
            delta, following = _varint_and_end(table, following)
            line += _signed_varint(delta)
        elif 10 <= kind <= 12:
            line += kind - 10
        if here:
            return _positions(table, kind, line, following)
    return NO_POSITIONS


def _positions(table: bytes, kind: int, line: int, position: int) -> Positions:
    """Those of one entry whose line is known; `position` is that of what follows the line's difference."""
    if kind == 15:
        return NO_POSITIONS
    if kind == 13:
        return Positions(line, line, None, None)
    if kind == 14:
        lines_more, position = _varint_and_end(table, position)
        column, position = _varint_and_end(table, position)
        end_column, position = _varint_and_end(table, position)
        # Columns are stored plus 1, so that 0 says that there is none.
        return Positions(line, line + lines_more, column - 1 if column else None,
                         end_column - 1 if end_column else None)
    first = table[position] if position < len(table) else 0
    if kind >= 10:
        return Positions(line, line, first, table[position + 1] if position + 1 < len(table) else None)
    column = kind << 3 | first >> 4 & 7
    return Positions(line, line, column, column + (first & 15))
