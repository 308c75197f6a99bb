"""What goes into a file with the whole heap: each object's text, and how it refers to others."""

import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..cpython.frames import Frame
from ..cpython.heap_objects import HeapType
from ..cpython.heap_walk import group_of
from ..cpython.limits import Limits
from ..cpython.objects import HEAP_TYPE, LONG_SUBCLASS, TYPE_SUBCLASS, UNICODE_SUBCLASS
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Runtime
from ..cpython.sizes import Sizes
from .graph import Graph, GraphRoot
from .retained import RetainedSizes, sizes_of

# Of one object's value.
TEXT = Limits(100, 4, 2, 200)

# The root of what no root of Python leads to.
UNKNOWN_ROOT = "C root unknown"

# Built-in types whose objects have their items written.
CONTAINERS = ("dict", "list", "set", "tuple")

# _Py_LOCKED, which _PyEvent_IsSet() compares with (Python/lock.c).
_EVENT_IS_SET = 1

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
    """A thread and its frames, innermost first; the rest is what threading says of it."""

    name: str
    is_alive: bool
    is_daemon: bool
    frames: List[LocalFrame]


class Export:
    """A graph, with texts read from memory as they are asked for: nothing here keeps them."""

    def __init__(self, runtime: Runtime, graph: Graph) -> None:
        self._runtime = runtime
        self.graph = graph
        self._links = graph.references.links
        self._sizes = Sizes(runtime)
        self.type_names = [graph.references.names.of(type_.address) for type_ in graph.type_list]
        self._builtins = [self._builtin(type_) for type_ in graph.type_list]
        sizes = sizes_of(graph)
        self.roots: List[GraphRoot] = [root for root in graph.roots if root.holds]
        if sizes.started_from:
            self.roots.append(GraphRoot(UNKNOWN_ROOT, [(node, "") for node in sizes.started_from]))
        self.sizes: RetainedSizes = sizes

    def _builtin(self, type_: HeapType) -> str:
        """What a static type is called in C, "" for others: a class may have any name, and any module's."""
        try:
            return "" if type_.flags & HEAP_TYPE else self._runtime.objects.type_at(type_.address).name
        except READ_ERRORS:
            return ""

    def containers(self) -> Dict[str, int]:
        """The addresses of the types in CONTAINERS, 0 for one without objects."""
        found = dict(zip(self._builtins, (type_.address for type_ in self.graph.type_list)))
        return {name: found.get(name, 0) for name in CONTAINERS}

    def container(self, node: int) -> str:
        """Which of CONTAINERS a node's type is, "" for others, derived ones too."""
        name = self._builtins[self.graph.types[node]]
        return name if name in CONTAINERS else ""

    def size(self, node: int) -> int:
        """What sys.getsizeof() says in bytes, of an object that is not on the heap too; 0 where it can't be read."""
        graph = self.graph
        if node < graph.heap:
            return graph.sizes[node]
        try:
            group = group_of(self._runtime, graph.type_list[graph.types[node]], graph.addresses[node])
            return self._sizes.of(group)[0]
        except READ_ERRORS:
            return 0

    def kind(self, node: int) -> str:
        """ "str", "number", "function", "code", "type" or "object". """
        type_ = self.graph.type_list[self.graph.types[node]]
        if type_.flags & UNICODE_SUBCLASS:
            return "str"
        if type_.flags & TYPE_SUBCLASS:
            return "type"
        name = self._builtins[self.graph.types[node]]
        if type_.flags & LONG_SUBCLASS or name in ("float", "complex"):
            return "number"
        return name if name in ("function", "code") else "object"

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
        address, name = self.graph.addresses[node], self.container(node)
        found: List[int] = []
        try:
            if name == "dict":
                for pair in self._runtime.dicts.items(address):
                    found += pair
            elif name == "list":
                found = self._runtime.objects.list_items(address)
            elif name == "tuple":
                found = self._runtime.objects.tuple_items(address)
            elif name == "set":
                found = [self.graph.addresses[each] for each in self.graph.of(node)]
            else:
                return None
        except READ_ERRORS:
            pass
        return found

    def threads(self) -> Iterator[ExportThread]:
        """The threads of all interpreters.

        One that threading does not know is waited for by nobody, as a daemon, unless it is an interpreter's first.
        """
        runtime = self._runtime
        for interpreter in runtime.interpreters():
            names, objects = runtime.thread_names(interpreter), runtime.thread_objects(interpreter)
            states = runtime.thread_states(interpreter).states
            for state in states:
                frames = [LocalFrame(frame.code.filename, frame.line, frame.code.name, dict(self._variables(frame)))
                          for frame in runtime.frames.walk(state.address) if frame.code is not None]
                thread = objects.get(state.ident)
                is_daemon = self._attribute(thread, "_daemonic")
                yield ExportThread(names.get(state.ident) or f"{state.ident:#x}", not self._has_ended(thread),
                                   bool(state != states[-1] if is_daemon is None else is_daemon), frames)

    def _attribute(self, thread: Optional[int], name: str) -> Optional[int]:
        """The value of an attribute that is a bool, None where there is none."""
        try:
            found = self._runtime.dicts.attribute(thread, name) if thread else None
            return self._runtime.objects.integer(found) if found else None
        except READ_ERRORS:
            return None

    def _has_ended(self, thread: Optional[int]) -> bool:
        """Whether Thread.is_alive() says so, as of the main thread when the interpreter ends; Lib/threading.py.

        Up to 3.12 the Thread knows; since then its handle does, by an event (Modules/_threadmodule.c).
        """
        stopped = self._attribute(thread, "_is_stopped")
        if stopped is not None or not thread:
            return bool(stopped)
        reader, dicts = self._runtime.reader, self._runtime.dicts
        try:
            handle = dicts.attribute(thread, "_os_thread_handle") or dicts.attribute(thread, "_handle")
            if handle is not None:
                handle = reader.pointer(handle, "PyThreadHandleObject", "handle")
                return reader.integer(handle, "ThreadHandle", "thread_is_exiting.v") == _EVENT_IS_SET
        except READ_ERRORS:
            pass
        return False

    def _variables(self, frame: Frame) -> Iterator[Tuple[str, int]]:
        """As f_locals has them: of a module, what is global."""
        variables = self._runtime.variables
        try:
            namespace = variables.namespace(frame)
            found = variables.names_in(namespace) if namespace and namespace == variables.globals(frame) else []
            for variable in found + variables.of(frame):
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
