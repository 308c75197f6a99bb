"""Objects whose reference counts are too large, as lines of text and as JSON."""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..analysis.counts import Counts, Excess
from .document import document
from .leaks import table, type_text


class _Row(NamedTuple):
    """One type: how many objects have lost references, and how many these are."""

    type: str
    objects: int
    lost: int


def _by_type(found: Counts) -> List[_Row]:
    rows: Dict[str, List[int]] = {}
    for each in found.excess:
        row = rows.setdefault(each.type, [0, 0])
        row[0] += 1
        row[1] += each.lost
    return sorted((_Row(name, *numbers) for name, numbers in rows.items()), key=lambda row: (-row.lost, row.type))


def text_of(found: Counts, rows: Sequence[Tuple[Excess, str]], limit: int, columns: Optional[int]) -> Iterator[str]:
    """Types, then objects, then what was looked at."""
    types = _by_type(found)
    if types:
        yield from table([("Lost", "Objects", "Type")] + [
            (f"{row.lost:,}", f"{row.objects:,}", type_text(row.type)) for row in types[:limit]])
        if len(types) > limit:
            yield f"({len(types) - limit} more types)"
        yield ""
        yield from table([("Lost", "Count", "Explained", "Searched", "Address", "Type", "Value")] + [
            (f"{each.lost:,}", f"{each.refcount:,}", f"{each.explained:,}", f"{each.searched:,}",
             f"{each.address:#x}", type_text(each.type), text) for each, text in rows], columns)
        if len(found.excess) > len(rows):
            yield f"({len(found.excess) - len(rows):,} more objects)"
        yield (f"{sum(row.lost for row in types):,} references to {len(found.excess):,} of {found.objects:,} objects "
               "are nowhere to be found: C code has lost them.")
    else:
        yield f"Nothing is lost: the counts of all {found.objects:,} objects are explained."
    yield (f"Of {found.searched:,} objects not all references are those of objects whose types tell of them; "
           "what else may be one was searched for: a guess.")
    yield from found.notes


def document_of(target: Dict[str, Any], found: Counts, rows: Sequence[Tuple[Excess, str]]) -> str:
    """The same as one JSON document; totals are those of all objects."""
    return document("py-leaks counts", target, {
        "objects": [{"address": hex(each.address), "type": each.type, "refcount": each.refcount,
                     "explained": each.explained, "searched": each.searched, "lost": each.lost, "repr": text}
                    for each, text in rows],
        "types": [row._asdict() for row in _by_type(found)],
        "count": len(found.excess), "lost": sum(each.lost for each in found.excess),
        "counted": found.objects, "searched": found.searched, "notes": found.notes})
