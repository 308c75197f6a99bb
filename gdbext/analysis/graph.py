"""All objects of a runtime and their references, as numbers: what questions about the whole heap need.

The objects of the heap come first, then those that are reached from them and are the interpreter's or a
library's own data: static types, None. Those take none of the heap's bytes.
"""

from array import array
from typing import Callable, Dict, List, NamedTuple, Tuple

from ..cpython.heap_objects import HeapType
from ..cpython.heap_walk import Progress, Report
from ..cpython.memory import Damaged
from ..cpython.objects import DICT_SUBCLASS, UNICODE_SUBCLASS
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Runtime
from ..cpython.sizes import Sizes
from .references import References

# Objects between two reports of progress.
_STEP = 4096
# References of the dict of interned strings: an interpreter that has just started has thousands.
_MIN_INTERNED = 1000
# So many nodes fit the numbers that the arrays hold.
MAX_NODES = (1 << 31) - 2


class GraphRoot(NamedTuple):
    """What keeps objects alive and is none itself: what it is, and (node, how) of each that it holds."""

    what: str
    holds: List[Tuple[int, str]]


class Graph:
    """The nodes by number, and for each of them what it refers to: `targets[starts[n]:starts[n + 1]]`.

    `addresses`, `sizes` (bytes on the heap) and `types` (numbers in `type_list`) have one entry a node.
    The first `heap` nodes are on the heap. `roots` is what keeps Python's objects alive.
    `interned` is the node whose references do not.
    """

    def __init__(self, runtime: Runtime, references: References, report: Report = lambda progress: None) -> None:
        """Read it all. Raises READ_ERRORS where the heap can't be found."""
        self._referents = references.referents
        self.references = references
        self.addresses, self.sizes, self.types = array("Q"), array("Q"), array("I")
        self.type_list: List[HeapType] = []
        self._type_numbers: Dict[int, int] = {}
        self._numbers: Dict[int, int] = {}
        self.problems: List[str] = []
        self._collect(runtime, report)
        self.heap = len(self.addresses)
        self.roots = self._find_roots()
        self.starts, self.targets = array("Q", [0]), array("I")
        self._connect(report)
        # The dict of interned strings keeps none alive (Objects/unicodeobject.c): -1 where it is not found.
        self.interned = self._find_interned()
        # Types that are searched for what may be references.
        self.inexact = [type_ for type_ in self.type_list if not self._referents.kind(type_).exact]

    def __len__(self) -> int:
        return len(self.addresses)

    def number(self, address: int) -> int:
        """The node at an address. Raises Damaged where there is none."""
        found = self._numbers.get(address)
        if found is None:
            raise Damaged(address, "no object that is alive")
        return found

    def find(self, address: int) -> int:
        """The same, -1 where there is none."""
        return self._numbers.get(address, -1)

    def of(self, node: int) -> array:
        """What a node refers to, one as often as it does."""
        return self.targets[self.starts[node]:self.starts[node + 1]]

    def type_name(self, node: int) -> str:
        """ "module.qualname" of its type. """
        return self.references.names.of(self.type_list[self.types[node]].address)

    def _type_number(self, type_: HeapType) -> int:
        found = self._type_numbers.get(type_.address)
        if found is None:
            found = self._type_numbers[type_.address] = len(self.type_list)
            self.type_list.append(type_)
        return found

    def _collect(self, runtime: Runtime, report: Report) -> None:
        """The objects of the heap."""
        walk, sizes = self.references.walk, Sizes(runtime)
        walk.report = report
        for group in walk.groups():
            self.addresses.extend(group.addresses())
            self.sizes.extend(sizes.of(group))
            self.types.extend([self._type_number(group.type)] * len(group))
            if len(self.addresses) > MAX_NODES:
                raise Damaged(self.addresses[-1], "more objects than numbers")
        self.problems = list(walk.problems)
        self._numbers = dict(zip(self.addresses, range(len(self.addresses))))

    def node_at(self, address: int) -> int:
        """The node of an object, which is added where it is not on the heap; -1 where there is no object."""
        found = self._numbers.get(address)
        if found is None:
            found = -1
            if self._referents.is_object(address):
                try:
                    type_ = self._referents.type_of(address)
                except READ_ERRORS:
                    type_ = None
                if type_ is not None:
                    found = len(self.addresses)
                    self.addresses.append(address)
                    self.sizes.append(0)
                    self.types.append(self._type_number(type_))
            self._numbers[address] = found
        return found

    def _find_roots(self) -> List[GraphRoot]:
        found = []
        for root in self.references.roots():
            holds = [(self.node_at(address), via) for address, via in root.holds]
            found.append(GraphRoot(root.what, [(node, via) for node, via in holds if node >= 0]))
        return found

    def _connect(self, report: Report) -> None:
        """The references of all, of those too that are found on the way."""
        visits: List[Callable[[int], List[int]]] = []
        numbers, targets, starts, addresses, types = (
            self._numbers, self.targets, self.starts, self.addresses, self.types)
        node = 0
        while node < len(addresses):
            if not node % _STEP:
                report(Progress(node, 0))
            while len(visits) < len(self.type_list):
                visits.append(self._referents.kind(self.type_list[len(visits)]).visit)
            try:
                for address in visits[types[node]](addresses[node]):
                    target = numbers.get(address)
                    if target is None:
                        target = self.node_at(address)
                    if target >= 0:
                        targets.append(target)
            except READ_ERRORS:
                # It costs the rest of this object's references only.
                pass
            starts.append(len(targets))
            node += 1

    def _find_interned(self) -> int:
        """The biggest dict that no object refers to and has only strings, each as key and value of itself."""
        found, most = -1, _MIN_INTERNED
        for node in range(self.heap):
            count = self.starts[node + 1] - self.starts[node]
            if count >= most and self.type_list[self.types[node]].flags & DICT_SUBCLASS:
                held = set(self.of(node))
                if 2 * len(held) == count and all(
                        self.type_list[self.types[each]].flags & UNICODE_SUBCLASS for each in held):
                    if node not in self.targets and not any(node == each for root in self.roots
                                                            for each, _via in root.holds):
                        found, most = node, count
        return found
