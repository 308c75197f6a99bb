"""What keeps what alive, and a heap that was written to a file, as lines of text and as JSON."""

from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

from ..analysis.export import Export
from ..analysis.retained import Retained, RetainedObject
from .document import document
from .leaks import table, type_text
from .text import printable


def retained_text(found: Retained, rows: Sequence[Tuple[RetainedObject, str]], limit: int,
                  columns: Optional[int]) -> Iterator[str]:
    """Objects, then types, then the totals."""
    yield from table([("Retained", "Objects", "Own bytes", "Address", "Type", "Value")] + [
        (f"{each.retained:,}", f"{each.objects:,}", f"{each.bytes:,}", f"{each.address:#x}", type_text(each.type), text)
        for each, text in rows], columns)
    yield ""
    yield from table([("Retained", "Count", "Own bytes", "Type")] + [
        (f"{each.retained:,}", f"{each.count:,}", f"{each.bytes:,}", type_text(each.type))
        for each in found.types[:limit]])
    if len(found.types) > limit:
        yield f"({len(found.types) - limit} more types)"
    yield f"{found.count:,} objects, {found.bytes:,} bytes."
    if found.unreached:
        yield (f"{found.unreached:,} of them, {found.unreached_bytes:,} bytes, are reached from no root of Python: "
               "C code holds them, or they are garbage.")
    yield from found.notes


def retained_document(target: Dict[str, Any], found: Retained, rows: Sequence[Tuple[RetainedObject, str]]) -> str:
    """The same as one JSON document, with all types."""
    return document("py-leaks retained", target, {
        "retained": [{"address": hex(each.address), "type": each.type, "bytes": each.bytes,
                      "retained": each.retained, "objects": each.objects, "repr": text} for each, text in rows],
        "types": [{"type": each.type, "count": each.count, "bytes": each.bytes, "retained": each.retained}
                  for each in found.types],
        "objects": found.count, "bytes": found.bytes,
        "unreached": {"objects": found.unreached, "bytes": found.unreached_bytes},
        "notes": found.notes})


def export_text(path: str, export: Export, size: int) -> Iterator[str]:
    """One line."""
    graph = export.graph
    yield (f"{printable(path)}: {len(graph):,} objects ({len(graph) - graph.heap:,} of them not on the heap), "
           f"{len(graph.targets):,} references, {size:,} bytes")


def export_document(target: Dict[str, Any], path: str, kind: str, export: Export, size: int) -> str:
    """The same as one JSON document."""
    graph = export.graph
    return document("py-leaks export", target, {
        "file": path, "format": kind, "objects": len(graph), "on_heap": graph.heap, "references": len(graph.targets),
        "roots": len(export.roots), "bytes": size})
