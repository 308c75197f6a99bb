"""The whole heap in a file: for Chrome DevTools (V8's heap snapshot), for PyHeap, or as lines of JSON.

All write as they go on, and keep nothing of what they have written.
"""

import json
import shutil
import struct
import tempfile
import time
from typing import Any, BinaryIO, Callable, Dict, Iterable, List, Sequence

from ..analysis.export import Edge, Export
from ..cpython.heap_walk import Progress, Report
from ..cpython.type_names import BUILTINS

# Objects that are written at one time.
_BATCH = 1024
# Strings that are remembered, so as to be written once.
_MAX_REMEMBERED = 1 << 16

# V8's own (src/profiler/heap-snapshot-generator.cc), which DevTools reads by these names.
META: Dict[str, Any] = {
    "node_fields": ["type", "name", "id", "self_size", "edge_count", "trace_node_id", "detachedness"],
    "node_types": [
        ["hidden", "array", "string", "object", "code", "closure", "regexp", "number", "native", "synthetic",
         "concatenated string", "sliced string", "symbol", "bigint", "object shape"],
        "string", "number", "number", "number", "number", "number"],
    "edge_fields": ["type", "name_or_index", "to_node"],
    "edge_types": [["context", "element", "property", "internal", "hidden", "shortcut", "weak"],
                   "string_or_number", "node"],
    "trace_function_info_fields": ["function_id", "name", "script_name", "script_id", "line", "column"],
    "trace_node_fields": ["id", "function_info_index", "count", "size", "children"],
    "sample_fields": ["timestamp_us", "last_assigned_id"],
    "location_fields": ["object_index", "script_id", "line", "column"],
}
_NODE_TYPES = {name: number for number, name in enumerate(META["node_types"][0])}
_EDGE_TYPES = {name: number for number, name in enumerate(META["edge_types"][0])}
_FIELDS = len(META["node_fields"])
# A root's are those of a native object: DevTools gives what hangs on synthetic ones no distance.
_KINDS = {"str": "string", "number": "number", "function": "closure", "code": "code"}
_REFERENCES = {"index": "element", "name": "property", "other": "internal", "weak": "weak"}
# DevTools keeps all numbers of a node in 32 bits.
_MAX_NUMBER = (1 << 32) - 1


def snapshot_ids(addresses: Sequence[int], first: int) -> Iterable[int]:
    """Numbers of nodes, all different, none below `first`; by address where that fits, so that two files compare.

    Addresses lie in a few stretches far apart. Where these don't overlap in their low 35 bits, those tell them.
    """
    spans: Dict[int, List[int]] = {}
    for address in addresses:
        span = spans.setdefault(address >> 35, [address, address])
        if address < span[0]:
            span[0] = address
        elif address > span[1]:
            span[1] = address
    low = sorted(tuple((each >> 3) & _MAX_NUMBER for each in span) for span in spans.values())
    apart = all(before[1] < after[0] for before, after in zip(low, low[1:]))
    if apart and all(not address & 7 for address in addresses) and (not low or low[0][0] >= first):
        return ((address >> 3) & _MAX_NUMBER for address in addresses)
    return range(first, first + len(addresses))


class _Strings:
    """V8's table of strings, which comes last in the file: kept in one of its own until then."""

    def __init__(self, folder: str) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)
        self._known: Dict[str, int] = {}
        self._count = 0

    def number(self, text: str) -> int:
        """The index of a string."""
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            found = self._known[text] = self._count
            self._file.write((",\n" if found else "").encode() + json.dumps(text).encode())
            self._count += 1
        return found

    def copy_to(self, file: BinaryIO) -> None:
        """Write all of them."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, file)  # type: ignore[misc]

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def write_snapshot(export: Export, file: BinaryIO, folder: str, _target: Dict[str, Any], report: Report) -> None:
    """As V8 does. The roots are the first node's, and the objects that they hold are theirs."""
    graph, roots = export.graph, export.roots
    nodes = 1 + len(roots) + len(graph)
    edges = len(roots) + sum(len(root.holds) for root in roots) + len(graph.targets)
    head = {"meta": META, "node_count": nodes, "edge_count": edges, "trace_function_count": 0}
    file.write(b'{"snapshot":' + json.dumps(head, separators=(",", ":")).encode() + b',\n"nodes":[')
    strings = _Strings(folder)
    try:
        rows = [_row("synthetic", strings.number("(roots)"), 1, 0, len(roots))]
        rows += [_row("native", strings.number(root.what), 2 + number, 0, len(root.holds))
                 for number, root in enumerate(roots)]
        file.write(",\n".join(rows).encode())
        ids = iter(snapshot_ids(graph.addresses, 2 + len(roots)))
        names = [_type_text(name) for name in export.type_names]
        for start in range(0, len(graph), _BATCH):
            report(Progress(start, file.tell()))
            rows = []
            for node in range(start, min(start + _BATCH, len(graph))):
                kind = _KINDS.get(export.kind(node))
                text = export.text(node) if kind else names[graph.types[node]]
                rows.append(_row(kind or "object", strings.number(text), next(ids), graph.sizes[node],
                                 graph.starts[node + 1] - graph.starts[node]))
            file.write((",\n" + ",\n".join(rows)).encode())
        file.write(b'],\n"edges":[')
        element, to_first = _EDGE_TYPES["element"], 1 + len(roots)
        rows = [f"{element},{number},{(1 + number) * _FIELDS}" for number in range(len(roots))]
        for root in roots:
            rows += [_reference(Edge(node, "name" if via else "other", via.strip() or "object"), to_first, strings)
                     for node, via in root.holds]
        before = ""
        for start in range(0, len(graph), _BATCH):
            report(Progress(start, file.tell()))
            for node in range(start, min(start + _BATCH, len(graph))):
                rows += [_reference(edge, to_first, strings) for edge in export.edges(node)]
            if rows:
                file.write((before + ",\n".join(rows)).encode())
                before = ",\n"
                rows = []
        file.write(b'],\n"trace_function_infos":[],\n"trace_tree":[],\n"samples":[],\n"locations":[],\n"strings":[')
        strings.copy_to(file)
        file.write(b"]}\n")
    finally:
        strings.close()


def _row(kind: str, name: int, number: int, size: int, edges: int) -> str:
    return f"{_NODE_TYPES[kind]},{name},{number},{min(size, _MAX_NUMBER)},{edges},0,0"


def _reference(edge: Edge, first: int, strings: _Strings) -> str:
    kind = _REFERENCES[edge.kind]
    name = int(edge.name) if edge.kind == "index" else strings.number(edge.name)
    return f"{_EDGE_TYPES[kind]},{name},{(first + edge.node) * _FIELDS}"


def _type_text(name: str) -> str:
    return name[len(BUILTINS):] if name.startswith(BUILTINS) else name


# PyHeap's (pyheap-ui), version 1: big-endian.
_PYHEAP_MAGIC, _PYHEAP_VERSION, _WITH_TEXT = 123000321, 1, 1
_MAX_STRING, _MAX_ATTRIBUTE = (1 << 16) - 1, (1 << 15) - 1
_pack_32, _pack_64 = struct.Struct("!I").pack, struct.Struct("!Q").pack


def write_pyheap(export: Export, file: BinaryIO, _folder: str, _target: Dict[str, Any], report: Report) -> None:
    """As PyHeap's dumper does, but that attributes are the object's own only."""
    graph = export.graph
    containers = export.containers()
    file.write(_pack_64(_PYHEAP_MAGIC) + _pack_32(_PYHEAP_VERSION)
               + _string(time.strftime("%Y-%m-%dT%H:%M:%S%z")) + _pack_64(_WITH_TEXT) + _pack_32(len(containers)))
    for name, address in containers.items():
        file.write(_string(name) + _pack_64(address))
    threads = list(export.threads())
    file.write(_pack_32(len(threads)))
    for thread in threads:
        file.write(_string(thread.name) + struct.pack("!??", thread.is_alive, thread.is_daemon)
                   + _pack_32(len(thread.frames)))
        for frame in thread.frames:
            # A damaged table of lines has any, and 0 is none.
            line = frame.line if frame.line is not None and 0 <= frame.line <= _MAX_NUMBER else 0
            file.write(_string(frame.file) + _pack_32(line) + _string(frame.name)
                       + _pack_32(len(frame.variables)))
            for name, node in frame.variables.items():
                file.write(_string(name) + _pack_64(graph.addresses[node]))
    # Names of attributes that are numbers, and types with the same attributes for all: none.
    file.write(_pack_32(0) + _pack_32(0) + _pack_32(len(graph)))
    for start in range(0, len(graph), _BATCH):
        report(Progress(start, file.tell()))
        file.write(b"".join(_pyheap_object(export, node) for node in range(start, min(start + _BATCH, len(graph)))))
    file.write(_pack_32(len(graph.type_list)))
    for number, name in enumerate(export.type_names):
        file.write(_pack_64(graph.type_list[number].address) + _string(_type_text(name)))
    file.write(_pack_64(_PYHEAP_MAGIC))


def _pyheap_object(export: Export, node: int) -> bytes:
    graph = export.graph
    parts = [_pack_64(graph.addresses[node]), _pack_64(graph.type_list[graph.types[node]].address),
             _pack_32(min(export.size(node), _MAX_NUMBER))]
    items = export.items(node)
    if items is not None:
        parts += [_pack_32(len(items) // (2 if export.container(node) == "dict" else 1)), _words(items)]
    held = [graph.addresses[each] for each in graph.of(node)]
    parts += [_pack_32(len(held)), _words(held)]
    attributes = {edge.name: edge.node for edge in export.edges(node)
                  if edge.kind == "name" and edge.name[:1] != "["} if items is None else {}
    parts.append(_pack_32(len(attributes)))
    for name, held_node in attributes.items():
        text = _encoded(name, _MAX_ATTRIBUTE)
        parts += [struct.pack("!h", len(text)), text, _pack_64(graph.addresses[held_node])]
    if items is None:
        parts.append(_string(export.text(node)))
    return b"".join(parts)


def _words(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"!{len(numbers)}Q", *numbers)


def _encoded(text: str, most: int) -> bytes:
    """UTF-8 of so many bytes at the most, never broken within a character."""
    raw = text.encode("utf-8", "backslashreplace")
    return raw if len(raw) <= most else raw[:most].decode("utf-8", "ignore").encode()


def _string(text: str) -> bytes:
    raw = _encoded(text, _MAX_STRING)
    return struct.pack("!H", len(raw)) + raw


def write_lines(export: Export, file: BinaryIO, _folder: str, target: Dict[str, Any], report: Report) -> None:
    """One JSON document a line: what it is, then each root, then each object."""
    graph = export.graph
    _line(file, {"format": "gdbext heap", "version": 1, "target": target, "roots": len(export.roots),
                 "objects": len(graph), "references": len(graph.targets)})
    for root in export.roots:
        _line(file, {"root": root.what, "holds": [[hex(graph.addresses[node]), via.strip()]
                                                  for node, via in root.holds]})
    for node in range(len(graph)):
        if not node % _BATCH:
            report(Progress(node, file.tell()))
        _line(file, {"address": hex(graph.addresses[node]), "type": export.type_names[graph.types[node]],
                     "bytes": export.size(node), "on_heap": node < graph.heap, "retained": export.sizes.sizes[node],
                     "text": export.text(node),
                     "refers_to": [[hex(graph.addresses[edge.node]), _via(edge)] for edge in export.edges(node)]})


def _via(edge: Edge) -> str:
    if edge.kind == "index":
        return f"[{edge.name}]"
    return "." + edge.name if edge.kind == "name" and edge.name[:1] != "[" else edge.name


def _line(file: BinaryIO, document: Dict[str, Any]) -> None:
    file.write(json.dumps(document).encode() + b"\n")


Writer = Callable[[Export, BinaryIO, str, Dict[str, Any], Report], None]
# By the end of the file's name.
WRITERS: Dict[str, Writer] = {"heapsnapshot": write_snapshot, "pyheap": write_pyheap, "jsonl": write_lines}
