"""What goes into a file with the whole heap: each object's text, and how it refers to others."""

import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..cpython.frames import Frame
from ..cpython.limits import Limits
from ..cpython.objects import (
    DICT_SUBCLASS,
    LIST_SUBCLASS,
    LONG_SUBCLASS,
    TUPLE_SUBCLASS,
    TYPE_SUBCLASS,
    UNICODE_SUBCLASS,
)
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Runtime
from .graph import Graph, GraphRoot
from .retained import RetainedSizes, sizes_of

# Of one object's value.
TEXT = Limits(100, 4, 2, 200)

# The root of what no root of Python leads to.
UNKNOWN_ROOT = "C root unknown"

_INDEX = re.compile(r"\[(\d{1,9})\]")


class Edge(NamedTuple):
    """A reference to a node: "index" with a number, "name" as one writes it in Python, "other", or "weak"."""

    node: int
    kind: str
    name: str


class LocalFrame(NamedTuple):
    """A frame of a thread, with the nodes of its variables by name."""

    file: str
    line: Optional[int]
    name: str
    variables: Dict[str, int]


class ExportThread(NamedTuple):
    """A thread and its frames, innermost first."""

    name: str
    frames: List[LocalFrame]


class Export:
    """A graph, with texts read from memory as they are asked for: nothing here keeps them."""

    def __init__(self, runtime: Runtime, graph: Graph) -> None:
        self._runtime = runtime
        self.graph = graph
        self._links = graph.references.links
        names = [graph.references.names.of(type_.address) for type_ in graph.type_list]
        self.type_names = names
        sizes = sizes_of(graph)
        self.roots: List[GraphRoot] = [root for root in graph.roots if root.holds]
        if sizes.started_from:
            self.roots.append(GraphRoot(UNKNOWN_ROOT, [(node, "") for node in sizes.started_from]))
        self.sizes: RetainedSizes = sizes

    def kind(self, node: int) -> str:
        """ "str", "number", "function", "code", "type" or "object". """
        type_ = self.graph.type_list[self.graph.types[node]]
        if type_.flags & UNICODE_SUBCLASS:
            return "str"
        if type_.flags & TYPE_SUBCLASS:
            return "type"
        name = self.type_names[self.graph.types[node]]
        if type_.flags & LONG_SUBCLASS or name in ("builtins.float", "builtins.complex"):
            return "number"
        return name[len("builtins."):] if name in ("builtins.function", "builtins.code") else "object"

    def text(self, node: int) -> str:
        """The start of a str's characters, a function's or code object's name, and anything else's repr."""
        address = self.graph.addresses[node]
        kind = self.kind(node)
        try:
            objects, reader = self._runtime.objects, self._runtime.reader
            if kind == "str":
                text, length = objects.text_start(address, TEXT.length or 0)
                return text + "..." if len(text) < length else text
            if kind == "function":
                return objects.text(reader.pointer(address, "PyFunctionObject", "func_qualname"))
            if kind == "code":
                return self._runtime.codes.at(address).name
        except READ_ERRORS:
            pass
        return self._runtime.values.text(address, TEXT)

    def edges(self, node: int) -> List[Edge]:
        """How a node refers to others: as many as the graph has."""
        graph = self.graph
        targets = graph.of(node)
        if not targets:
            return []
        if node == graph.interned:
            return [Edge(target, "weak", "interned") for target in targets]
        wanted = set(targets)
        ways: Dict[int, List[str]] = {}
        for via, address in self._links.of(graph.addresses[node]):
            target = graph.find(address)
            if target in wanted:
                ways.setdefault(target, []).append(via)
        for names in ways.values():
            # In the order in which they came; one at a time from the end.
            names.reverse()
        return [_edge(target, ways[target].pop() if ways.get(target) else "") for target in targets]

    def items(self, node: int) -> Optional[List[int]]:
        """What a dict (key, value, key, value...), list, tuple or set has in it; None for other types."""
        address = self.graph.addresses[node]
        type_ = self.graph.type_list[self.graph.types[node]]
        name = self.type_names[self.graph.types[node]]
        found: List[int] = []
        try:
            if name == "builtins.dict" and type_.flags & DICT_SUBCLASS:
                for pair in self._runtime.dicts.items(address):
                    found += pair
            elif name == "builtins.list" and type_.flags & LIST_SUBCLASS:
                found = self._runtime.objects.list_items(address)
            elif name == "builtins.tuple" and type_.flags & TUPLE_SUBCLASS:
                found = self._runtime.objects.tuple_items(address)
            elif name == "builtins.set":
                found = [self.graph.addresses[each] for each in self.graph.of(node)]
            else:
                return None
        except READ_ERRORS:
            pass
        return found

    def threads(self) -> Iterator[ExportThread]:
        """The threads of all interpreters."""
        runtime = self._runtime
        for interpreter in runtime.interpreters():
            names = runtime.thread_names(interpreter)
            for state in runtime.thread_states(interpreter).states:
                frames = []
                for frame in runtime.frames.walk(state.address):
                    if frame.code is not None:
                        frames.append(LocalFrame(frame.code.filename, frame.line, frame.code.name,
                                                 dict(self._variables(frame))))
                yield ExportThread(names.get(state.ident) or f"{state.ident:#x}", frames)

    def _variables(self, frame: Frame) -> Iterator[Tuple[str, int]]:
        try:
            for variable in self._runtime.variables.of(frame):
                node = self.graph.find(variable.address)
                if node >= 0:
                    yield variable.name, node
        except READ_ERRORS:
            return


def _edge(target: int, via: str) -> Edge:
    index = _INDEX.fullmatch(via)
    if index:
        return Edge(target, "index", index.group(1))
    if via[:1] == ".":
        return Edge(target, "name", via[1:])
    if via[:1] == "[":
        return Edge(target, "name", via)
    return Edge(target, "other", via.strip() or "reference")
