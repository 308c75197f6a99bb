"""Readers of the files that py-leaks export writes, which take nothing that the formats don't allow."""

import json
import struct
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

# As V8 writes it (node 20: v8.writeHeapSnapshot()).
_NODE_FIELDS = ["type", "name", "id", "self_size", "edge_count", "trace_node_id", "detachedness"]
_KINDS = ["hidden", "array", "string", "object", "code", "closure", "regexp", "number", "native", "synthetic",
          "concatenated string", "sliced string", "symbol", "bigint", "object shape"]
_EDGE_KINDS = ["context", "element", "property", "internal", "hidden", "shortcut", "weak"]


class Node(NamedTuple):
    """A node of a snapshot, and (kind, name, index of the node) of each of its edges."""

    kind: str
    name: str
    id: int
    size: int
    edges: List[Tuple[str, Any, int]]


def read_snapshot(path: Path) -> List[Node]:
    """The nodes of a V8 heap snapshot."""
    document = json.loads(path.read_text("ascii"))
    assert list(document) == ["snapshot", "nodes", "edges", "trace_function_infos", "trace_tree", "samples",
                              "locations", "strings"]
    head, nodes, edges, strings = (document[key] for key in ("snapshot", "nodes", "edges", "strings"))
    assert set(head) == {"meta", "node_count", "edge_count", "trace_function_count"}
    meta = head["meta"]
    assert meta["node_fields"] == _NODE_FIELDS and meta["node_types"] == [
        _KINDS, "string", "number", "number", "number", "number", "number"]
    assert meta["edge_fields"] == ["type", "name_or_index", "to_node"]
    assert meta["edge_types"] == [_EDGE_KINDS, "string_or_number", "node"]
    assert meta["trace_function_info_fields"] == ["function_id", "name", "script_name", "script_id", "line", "column"]
    assert meta["trace_node_fields"] == ["id", "function_info_index", "count", "size", "children"]
    assert meta["sample_fields"] == ["timestamp_us", "last_assigned_id"]
    assert meta["location_fields"] == ["object_index", "script_id", "line", "column"]
    for key in ("trace_function_infos", "trace_tree", "samples", "locations"):
        assert document[key] == []
    width = len(_NODE_FIELDS)
    assert len(nodes) == width * head["node_count"] and len(edges) == 3 * head["edge_count"]
    assert all(type(each) is int and 0 <= each < 1 << 32 for each in nodes + edges)
    assert all(type(each) is str for each in strings)
    assert sum(nodes[4::width]) == head["edge_count"] and not any(nodes[5::width]) and not any(nodes[6::width])
    found, at = [], 0
    for start in range(0, len(nodes), width):
        kind, name, number, size, count = nodes[start:start + 5]
        own = []
        for edge in range(at, at + 3 * count, 3):
            edge_kind, label, target = edges[edge:edge + 3]
            assert target % width == 0 and target < len(nodes)
            text = _EDGE_KINDS[edge_kind]
            own.append((text, label if text in ("element", "hidden") else strings[label], target // width))
        at += 3 * count
        found.append(Node(_KINDS[kind], strings[name], number, size, own))
    assert len({node.id for node in found}) == len(found) and found[0].kind == "synthetic"
    return found


class PyHeapObject(NamedTuple):
    """An object of a PyHeap file; `items` are those of a container."""

    type: int
    size: int
    items: List[int]
    referents: List[int]
    attributes: Dict[str, int]
    text: str


class PyHeapThread(NamedTuple):
    """A thread of a PyHeap file; frames are (file, line, function, locals)."""

    name: str
    is_alive: bool
    is_daemon: bool
    frames: List[Tuple[str, int, str, Dict[str, int]]]


class PyHeap(NamedTuple):
    """A PyHeap file."""

    well_known: Dict[str, int]
    threads: List[PyHeapThread]
    objects: Dict[int, PyHeapObject]
    types: Dict[int, str]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, form: str) -> Any:
        """The next number, big-endian."""
        found, = struct.unpack_from("!" + form, self.data, self.at)
        self.at += struct.calcsize("!" + form)
        return found

    def many(self) -> range:
        """For as often as the next number says."""
        return range(self.take("I"))

    def text(self, form: str = "H") -> str:
        """A string behind its length."""
        size = self.take(form)
        assert 0 <= size <= len(self.data) - self.at
        self.at += size
        return self.data[self.at - size:self.at].decode()


def read_pyheap(path: Path) -> PyHeap:
    """What pyheap-ui reads of a file of version 1."""
    reader = _Reader(path.read_bytes())
    take, text, many = reader.take, reader.text, reader.many
    assert take("Q") == 123000321 and take("I") == 1 and text() and take("Q") == 1
    well_known = {text(): take("Q") for _ in many()}
    containers = {well_known[name]: name for name in ("dict", "list", "set", "tuple")}
    threads = [
        PyHeapThread(text(), take("?"), take("?"),
                     [(text(), take("I"), text(), {text(): take("Q") for _ in many()}) for _ in many()])
        for _ in many()]
    frequent = [text() for _ in many()]
    common = set()
    for _ in many():
        common.add(take("Q"))
        for _ in many():
            text("h")
            take("Q")
    objects: Dict[int, PyHeapObject] = {}
    for _ in many():
        address, type_, size = take("Q"), take("Q"), take("I")
        container = containers.get(type_)
        items = [take("Q") for _ in range(take("I") * (2 if container == "dict" else 1))] if container else []
        referents = [take("Q") for _ in many()]
        attributes = {text("h"): take("Q") for _ in many()} if type_ not in common else {}
        assert address not in objects
        objects[address] = PyHeapObject(type_, size, items, referents, attributes, "" if container else text())
    types = {take("Q"): text() for _ in many()}
    assert take("Q") == 123000321 and reader.at == len(reader.data) and not frequent
    return PyHeap(well_known, threads, objects, types)
