"""Who refers to an object, and how it is reached from where Python keeps what it knows.

Nothing is indexed: each question is one pass over the heap, or one search from the roots outwards.
"""

from collections import Counter, deque
from typing import (
    TYPE_CHECKING,
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from ..cpython.frames import Frame
from ..cpython.heap import Windows
from ..cpython.heap_arrays import ArrayObjects
from ..cpython.heap_objects import Group
from ..cpython.heap_walk import HeapWalk, Progress, Report
from ..cpython.links import Links
from ..cpython.memory import Damaged, Region
from ..cpython.reader import READ_ERRORS
from ..cpython.referent_arrays import ReferentArrays
from ..cpython.referents import Referents, Visitor
from ..cpython.runtime import Runtime
from ..cpython.type_names import TypeNames

if TYPE_CHECKING:
    from .reference_arrays import ArraySearch

# Objects between two reports of progress.
_STEP = 8192
_SILENT: Report = lambda progress: None  # noqa: E731

# Of an address: where it is in its window.
_WITHIN = (1 << Windows.BITS) - 1

# So many references are followed singly, before those of the whole heap are read at one time.
NEAR = 100_000

# Of more references, when interrupted, it is not told how they refer.
_MANY = 1000

# A chain has no more objects.
MAX_CHAIN = 100_000


class Root(NamedTuple):
    """Something that keeps objects alive and is none on the heap itself, or a place where all begins.

    `what` as for people: "module app", "thread 'MainThread', frame of run()". `names` has, for what the
    root refers to, how: " local 'x'".
    """

    what: str
    address: int
    holds: Sequence[Tuple[int, str]]


class Referrer(NamedTuple):
    """An object, or a root where `what` is set, that refers to the one asked for; `via` says how."""

    address: int
    type: str
    via: str
    what: Optional[str] = None
    exact: bool = True


class Referrers(NamedTuple):
    """`count` references to an object, the first of which are told; `partial` where the search was interrupted."""

    found: List[Referrer]
    count: int  # type: ignore[assignment]  # a tuple's method
    partial: bool


class Step(NamedTuple):
    """One object of a chain: how it is referred to by the one before, "" where that is itself the root."""

    address: int
    type: str
    via: str


class Chain(NamedTuple):
    """From a root to the object that was asked for, which comes last."""

    root: str
    steps: List[Step]


class Paths(NamedTuple):
    """The chains that were found. `reached` objects were looked at; `partial` where that was interrupted.

    `unreached` says what is known where no root leads to the object: a sentence.
    """

    chains: List[Chain]
    reached: int
    partial: bool
    unreached: Optional[str] = None


class References:
    """Answers for the heap of one runtime at one stop. Raises READ_ERRORS where the heap can't be found."""

    def __init__(self, runtime: Runtime, regions: Sequence[Region]) -> None:
        self._runtime = runtime
        self.walk = HeapWalk(runtime, regions)
        self.referents = Referents(runtime, self.walk.prepare())
        self.links = Links(runtime, self.referents)
        self.names = TypeNames(runtime)
        # Reads those of many objects at one time, where numpy is there and the heap is large.
        self.arrays: Optional[ReferentArrays] = None
        objects = self.walk.objects
        if isinstance(objects, ArrayObjects):
            self.arrays = ReferentArrays(objects.np, self.referents, runtime.memory, regions)

    def type_name(self, address: int) -> str:
        """ "module.qualname" of the type of the object at an address, "" where there is no object. """
        try:
            type_ = self.referents.type_of(address)
        except READ_ERRORS:
            return ""
        return self.names.of(type_.address) if type_ is not None else ""

    def has_finalizer(self, address: int) -> bool:
        """Whether the class of an object, or one of its bases, has a `__del__` (PEP 442)."""
        try:
            return self._runtime.values.classes.lookup(self._runtime.objects.type_of(address), "__del__") is not None
        except READ_ERRORS:
            return False

    def object_at(self, address: int) -> None:
        """Raises Damaged where there is no object at an address."""
        if not self.referents.is_object(address):
            raise Damaged(address, "no object")

    def _groups(self, report: Report) -> Iterator[Group]:
        """All objects once more."""
        self.walk.report = report
        return self.walk.groups()

    def referrers(self, address: int, most: Optional[int] = None, report: Report = _SILENT) -> Referrers:
        """What refers to an object: roots, then objects by their addresses. `most` of them are told, all without."""
        found: List[Referrer] = []
        holders: List[_Holder] = []
        partial = False
        try:
            for root in self.roots():
                found += [Referrer(root.address, "", via.strip(), root.what)
                          for held, via in root.holds if held == address]
            for holder in self._holders(address, report):
                holders.append(holder)
        except KeyboardInterrupt:
            partial = True
            most = min(most or _MANY, _MANY)
        count = len(found)
        # To tell how takes as long for one as to find it among a thousand.
        for holder in sorted(holders):
            if most is None or len(found) < most:
                name = self.names.of(holder.type)
                exact = self.referents.kind(self.walk.objects.types[holder.type]).exact
                vias = self.links.all(holder.address, address) or ["unknown"]
                found += [Referrer(holder.address, name, via, None, exact) for via in vias]
                count += len(vias)
            else:
                count += holder.number
        return Referrers(found[:most], count, partial)

    def _holders(self, address: int, report: Report) -> Iterator["_Holder"]:
        """The objects that refer to the one at an address, in no order."""
        kind = self.referents.kind
        if self.arrays is not None:
            from .reference_arrays import batches

            for batch in batches(self.arrays, self._that_hold(report)):
                holders = Counter(batch.held.holders[batch.held.held == address].tolist())
                for holder, number in holders.items():
                    yield _Holder(int(batch.addresses[holder]), batch.type.address, number)
            return
        for group in self._that_hold(report):
            visit = kind(group.type).visit
            for holder in group.addresses():
                try:
                    held = visit(holder)
                except READ_ERRORS:
                    continue
                if address in held:
                    yield _Holder(holder, group.type.address, held.count(address))

    def _that_hold(self, report: Report) -> Iterator[Group]:
        """All objects that may refer to others."""
        return (group for group in self._groups(report) if not self.referents.kind(group.type).none)

    def roots(self) -> Iterator[Root]:
        """Modules, the interpreter's own, and the frames of all threads."""
        runtime, links = self._runtime, self.links
        namespaces: Set[int] = set()
        for interpreter in runtime.interpreters():
            within = "" if interpreter.id == 0 else f" of interpreter {interpreter.id}"
            modules = runtime.modules(interpreter)
            try:
                for key, module in runtime.dicts.items(modules):
                    yield Root(f"module {links.name(key)}{within}", module, [(module, "")])
                    if runtime.objects.type_of(module).name == "module":
                        namespaces.add(runtime.reader.pointer(module, "PyModuleObject", "md_dict"))
            except READ_ERRORS:
                pass
            held = []
            for field in ("imports.modules", "modules", "sysdict", "builtins", "imports.importlib", "importlib",
                          "dict", "codec_search_path", "gc.garbage", "gc.callbacks"):
                try:
                    pointer = runtime.reader.pointer(interpreter.address, "PyInterpreterState", field)
                except READ_ERRORS:
                    continue
                if pointer:
                    held.append((pointer, f" {field}"))
            yield Root(f"interpreter{within or ' state'}", interpreter.address, held)
        yield from self._frames(namespaces)

    def _frames(self, namespaces: Set[int]) -> Iterator[Root]:
        runtime = self._runtime
        for interpreter in runtime.interpreters():
            names = runtime.thread_names(interpreter)
            for state in runtime.thread_states(interpreter).states:
                name = names.get(state.ident)
                thread = f"thread {name!r}" if name else f"thread {state.ident:#x}"
                yield Root(thread, state.address, list(self._of_thread(state.address)))
                for frame in runtime.frames.walk(state.address):
                    function = f"frame of {frame.code.qualname or frame.code.name}()" if frame.code else "a frame"
                    yield Root(f"{thread}, {function}", frame.address, list(self._of_frame(frame, namespaces)))

    def _of_thread(self, state: int) -> Iterator[Tuple[int, str]]:
        """What a thread state itself refers to: the exception being handled, its dict, its context."""
        for field in ("dict", "context", "current_exception", "curexc_value", "exc_state.exc_value", "exc_value",
                      "c_profileobj", "c_traceobj", "async_exc", "threading_local_key"):
            try:
                pointer = self._runtime.reader.pointer(state, "PyThreadState", field)
            except READ_ERRORS:
                continue
            if pointer:
                yield pointer, f" {field}"

    def _of_frame(self, frame: Frame, namespaces: Set[int]) -> Iterator[Tuple[int, str]]:
        variables = self._runtime.variables
        try:
            for variable in variables.of(frame):
                yield variable.address, f" {variable.kind} {variable.name!r}"
        except READ_ERRORS:
            pass
        for what, read in (("globals", variables.globals), ("builtins", variables.builtins)):
            try:
                held = read(frame)
            except READ_ERRORS:
                continue
            # A module's are better reached by way of the module.
            if held not in namespaces:
                yield held, f" {what}"
        try:
            for value in variables.stack(frame):
                yield value, " evaluation stack"
        except READ_ERRORS:
            pass
        if frame.code is not None:
            yield frame.code.address, " code"

    def paths(self, target: int, most: int = 1, report: Report = _SILENT) -> Paths:
        """Shortest chains from roots to an object: one, or up to `most` through different referrers."""
        search = _Search(self, target, most)
        partial = False
        unreached = None
        try:
            search.from_roots(self.roots(), report, None if self.arrays is None else NEAR)
            if self.arrays is not None and search.waiting and len(search.found) < most:
                self._search_all(search, self.arrays, report)
        except KeyboardInterrupt:
            partial = True
        chains = [self._chain(search, holder) for holder in search.found[:most]]
        if not chains and not partial:
            try:
                chains, unreached = self._from_elsewhere(search, target, report)
            except KeyboardInterrupt:
                partial = True
        return Paths(chains, len(search.parents), partial, unreached)

    def _search_all(self, search: "_Search", arrays: ReferentArrays, report: Report) -> None:
        """Search once more, with the references of the whole heap at one time."""
        from .reference_arrays import ArraySearch, ReferenceGraph

        graph = ReferenceGraph(arrays, self._groups(report), search.target, search.roots)
        search.all = found = ArraySearch(graph, search.target, search.most, report)
        begin = [root for root in search.roots if root != search.target]
        search.found = [0] if search.target in search.roots else []
        try:
            found.run(begin, len(search.found))
        finally:
            search.parents = found.reached
            search.found += found.found

    def _chain(self, search: "_Search", holder: int) -> Chain:
        """From the root that led to `holder`, over that to the target; `holder` is 0 for a root's own."""
        nodes = [search.target]
        node = holder
        while node and len(nodes) < MAX_CHAIN:
            nodes.append(node)
            node = search.parents[node]
        nodes.reverse()
        root = search.roots[nodes[0]] if holder else search.roots[search.target]
        steps = [Step(nodes[0], self.type_name(nodes[0]), root.via)]
        for before, after in zip(nodes, nodes[1:]):
            via = self.links.first(before, after) or " (unknown)"
            steps.append(Step(after, self.type_name(after), via))
        return Chain(root.what, steps)

    def _from_elsewhere(self, search: "_Search", target: int, report: Report) -> Tuple[List[Chain], Optional[str]]:
        """Where no root leads to the object: back along its referrers, among all that no root leads to."""
        holders: Dict[int, List[int]] = {}
        for holder, held in self._unreached(search, report):
            holders.setdefault(held, []).append(holder)
        parents: Dict[int, int] = {target: 0}
        waiting: Deque[int] = deque([target])
        while waiting:
            node = waiting.popleft()
            above = sorted(holders.get(node, []))
            if not above:
                steps = [Step(node, self.type_name(node), "")]
                while parents[node]:
                    following = parents[node]
                    steps.append(Step(following, self.type_name(following),
                                      self.links.first(node, following) or " (unknown)"))
                    node = following
                return [Chain("C root unknown", steps)], (
                    "No root of Python leads to it: C code, or an extension module's own memory, holds the first.")
            for holder in above:
                if holder not in parents:
                    parents[holder] = node
                    waiting.append(holder)
        return [], ("No root leads to it, and all that refers to it refers to each other: garbage that is not "
                    "yet collected, or C code that holds one of them.")

    def _unreached(self, search: "_Search", report: Report) -> Iterator[Tuple[int, int]]:
        """(holder, held) of objects that the search did not come to."""
        if search.all is not None:
            yield from search.all.unreached()
            return
        for group in self._that_hold(report):
            visit = self.referents.kind(group.type).visit
            for holder in group.addresses():
                if holder not in search.parents:
                    try:
                        for held in visit(holder):
                            if held not in search.parents and held != holder:
                                yield holder, held
                    except READ_ERRORS:
                        continue


class _Holder(NamedTuple):
    """An object with a number of references to the one that is asked for, and the address of its type."""

    address: int
    type: int
    number: int


class _From(NamedTuple):
    what: str
    via: str


class _Search:
    """Breadth first from the roots; `parents` has for each container that was reached the one it was reached from."""

    def __init__(self, references: References, target: int, most: int) -> None:
        self._referents = references.referents
        self._windows = references.referents.windows.kept
        self._type_at = references.walk.objects.type_at
        # What reads the references of a type's instances, by its address.
        self._visitors: Dict[int, Optional[Visitor]] = {}
        self.target = target
        self.most = most
        self.parents: Mapping[int, int] = {}
        self.roots: Dict[int, _From] = {}
        # What refers to the target, in the order in which it was reached; 0 for a root.
        self.found: List[int] = []
        # What it has still to go on from.
        self.waiting: Deque[Tuple[int, Visitor]] = deque()
        # The search that has gone on in its place.
        self.all: "Optional[ArraySearch]" = None

    def from_roots(self, roots: Iterable[Root], report: Report, limit: Optional[int] = None) -> None:
        """Search until enough was found, or until there are more than `limit` references to follow."""
        waiting = self.waiting
        parents: Dict[int, int] = {}
        self.parents = parents
        for root in roots:
            for address, via in root.holds:
                if address == self.target:
                    if 0 not in self.found:
                        self.found.append(0)
                        self.roots[address] = _From(root.what, via)
                elif address not in parents:
                    visit = self._visitor(address)
                    if visit is not None:
                        parents[address] = 0
                        self.roots[address] = _From(root.what, via)
                        waiting.append((address, visit))
        count = 0
        target, visitor = self.target, self._visitor
        followed = 0
        while waiting and len(self.found) < self.most:
            node, visit = waiting.popleft()
            count += 1
            if not count % _STEP:
                report(Progress(count, 0))
            try:
                held = visit(node)
            except READ_ERRORS:
                continue
            followed += len(held)
            if limit is not None and followed > limit:
                waiting.appendleft((node, visit))
                return
            if target in held and node != target:
                self.found.append(node)
            for child in held:
                if child not in parents and child != target:
                    of_child = visitor(child)
                    if of_child is not None:
                        parents[child] = node
                        waiting.append((child, of_child))

    def _visitor(self, address: int) -> Optional[Visitor]:
        """What reads the references of the object at an address, None where there is none that may refer to others."""
        window = self._windows.get(address >> Windows.BITS)
        at = (address & _WITHIN) + self._type_at >> 3
        if window is not None and at < len(window) and not address & 7:
            word = window[at]
            if word in self._visitors:
                return self._visitors[word]
        try:
            type_ = self._referents.type_of(address)
            if type_ is None:
                return None
            kind = self._referents.kind(type_)
        except READ_ERRORS:
            return None
        found = self._visitors[type_.address] = None if kind.none else kind.visit
        return found
