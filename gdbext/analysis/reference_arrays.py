"""All references of a heap at one time, by numpy: what references.py finds one object after the other."""

from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Tuple

from ..cpython.heap_arrays import ArrayGroup
from ..cpython.heap_objects import Group, HeapType
from ..cpython.heap_walk import Progress, Report
from ..cpython.reader import READ_ERRORS
from ..cpython.referent_arrays import Held, ReferentArrays

# Objects whose references are read at one time.
_BATCH = 1 << 18
# Nodes that are gone on from at one time; from fewer one after the other, which then is quicker.
MANY, FEW = 1 << 18, 64
# Bits of the addresses that one part of the table of nodes is for.
_PART = 20
# Numbers of what is no node: no object that is known, and one that refers to nothing.
_UNKNOWN, _LEAF = -1, -2
# The parent of a node that a root leads to, and of one that none has led to.
_ROOT, _NOT_REACHED = -1, -2


class Batch(NamedTuple):
    """Objects of one type, their addresses as an array of uint64, and what they refer to."""

    type: HeapType
    addresses: Any
    held: Held


def batches(arrays: ReferentArrays, groups: Iterable[Group]) -> Iterator[Batch]:
    """The objects in groups with their references: many of one type together, and each type several times."""
    waiting: Dict[int, Tuple[HeapType, List[Any]]] = {}
    number = 0
    for group in groups:
        waiting.setdefault(group.type.address, (group.type, []))[1].append(
            group.places() if isinstance(group, ArrayGroup) else arrays.np.array(group.addresses(), dtype="uint64"))
        number += len(group)
        if number >= _BATCH:
            yield from _read(arrays, waiting)
            waiting, number = {}, 0
    yield from _read(arrays, waiting)


def _read(arrays: ReferentArrays, waiting: Mapping[int, Tuple[HeapType, List[Any]]]) -> Iterator[Batch]:
    for type_, parts in waiting.values():
        addresses = arrays.np.concatenate(parts)
        yield Batch(type_, addresses, arrays.of(arrays.referents.kind(type_), addresses))


class _Table:
    """Numbers by addresses: those of one MB at a time lie side by side."""

    def __init__(self, np: Any, addresses: Any) -> None:
        """`addresses`: all that there will be numbers for."""
        self._np = np
        self._shift = 3 if (addresses & np.uint64(15)).any() else 4
        self._parts = np.unique(addresses >> np.uint64(_PART))
        self._numbers = np.full(max(len(self._parts), 1) << _PART - self._shift, _UNKNOWN, dtype=np.int32)

    def _places(self, addresses: Any) -> Tuple[Any, Any]:
        """Where the number of each address is, and whether it has one."""
        np = self._np
        wanted = addresses >> np.uint64(_PART)
        if not len(self._parts):
            return np.zeros(len(addresses), dtype=np.intp), np.zeros(len(addresses), dtype=bool)
        parts = np.minimum(np.searchsorted(self._parts, wanted), len(self._parts) - 1)
        within = addresses & np.uint64((1 << _PART) - 1)
        known = (self._parts[parts] == wanted) & (addresses & np.uint64((1 << self._shift) - 1) == 0)
        return (parts << _PART - self._shift) + (within >> np.uint64(self._shift)).astype(np.intp), known

    def set(self, addresses: Any, numbers: Any) -> None:
        """Give numbers to those that there is a place for."""
        places, known = self._places(addresses)
        self._numbers[places[known]] = numbers[known] if self._np.ndim(numbers) else numbers

    def of(self, addresses: Any) -> Any:
        """Their numbers, _UNKNOWN where they have none."""
        places, known = self._places(addresses)
        found = self._numbers[places]
        found[~known] = _UNKNOWN
        return found


class ReferenceGraph:
    """The objects that may refer to others as nodes: node n refers to `targets[starts[n]:starts[n + 1]]`.

    The first `heap` nodes are on the heap, the others are the interpreter's own data, and `target`, even if that
    refers to nothing. `targets` has negative numbers for what is no node.
    """

    def __init__(self, arrays: ReferentArrays, groups: Iterable[Group], target: int, roots: Iterable[int]) -> None:
        """`roots` are objects to begin with, which may not be on the heap. Raises READ_ERRORS."""
        self.np = np = arrays.np
        self._referents = arrays.referents
        nodes, leaves, held = ([np.zeros(0, dtype=np.uint64)] for _ in range(3))
        lengths = [np.zeros(1, dtype=np.intp)]
        for batch in batches(arrays, groups):
            if arrays.referents.kind(batch.type).none:
                leaves.append(batch.addresses)
            else:
                nodes.append(batch.addresses)
                lengths.append(np.bincount(batch.held.holders, minlength=len(batch.addresses)))
                held.append(batch.held.held)
        own, without = np.concatenate(nodes), np.concatenate(leaves)
        self.heap = len(own)
        self._table = _Table(np, np.concatenate([own, without]))
        self._table.set(without, _LEAF)
        self._table.set(own, np.arange(self.heap, dtype=np.int32))
        # What each of the other nodes refers to, by its address, in the order of their numbers.
        self._others: Dict[int, List[int]] = {}
        if self.number(target) < 0:
            self._table.set(np.array([target], dtype=np.uint64), self.heap)
            self._others[target] = self._held(target)
        numbers = [self._table.of(each) for each in held]
        self._find_others([*self._others.get(target, ()), *roots, *np.unique(np.concatenate(
            [each[of == _UNKNOWN] for each, of in zip(held, numbers)])).tolist()])
        more = list(self._others.values())
        held.append(np.array([address for of_one in more for address in of_one], dtype=np.uint64))
        numbers.append(self._table.of(held[-1]))
        lengths.append(np.array([len(of_one) for of_one in more], dtype=np.intp))
        for each, of in zip(held, numbers):
            of[of == _UNKNOWN] = self._others_of(each[of == _UNKNOWN])
        self.addresses = np.concatenate([own, np.array(list(self._others), dtype=np.uint64)])
        self.targets = np.concatenate(numbers)
        self.starts = np.cumsum(np.concatenate(lengths))

    def number(self, address: int) -> int:
        """The node at an address, a negative number where there is none."""
        one = self.np.array([address], dtype=self.np.uint64)
        found = int(self._table.of(one)[0])
        return int(self._others_of(one)[0]) if found == _UNKNOWN else found

    def _held(self, address: int) -> List[int]:
        try:
            return self._referents.of(address)
        except READ_ERRORS:
            return []

    def _find_others(self, addresses: List[int]) -> None:
        """Make nodes of those addresses, and of what these lead to, that may refer to others and are no nodes yet."""
        while addresses:
            wave = self.np.unique(self.np.array(addresses, dtype=self.np.uint64))
            addresses = []
            for address in wave[self._table.of(wave) == _UNKNOWN].tolist():
                try:
                    if address in self._others or self._referents.kind_at(address).none:
                        continue
                except READ_ERRORS:
                    continue
                self._others[address] = self._held(address)
                addresses += self._others[address]

    def _others_of(self, addresses: Any) -> Any:
        """Which of the other nodes are at addresses, _UNKNOWN where none is."""
        np = self.np
        if not self._others:
            return np.full(len(addresses), _UNKNOWN, dtype=np.int32)
        others = np.array(list(self._others), dtype=np.uint64)
        order = np.argsort(others)
        places = np.minimum(np.searchsorted(others, addresses, sorter=order), len(others) - 1)
        found = order[places].astype(np.int32)
        return np.where(others[found] == addresses, found + np.int32(self.heap), _UNKNOWN)


class ReachedNodes(Mapping[int, int]):
    """The addresses of the objects that were reached, each with that of the one that it was reached from, 0 for none.

    As a dict, from arrays; `parents` has a number for each node.
    """

    def __init__(self, graph: ReferenceGraph, parents: Any) -> None:
        self._graph = graph
        self._parents = parents

    def __getitem__(self, address: int) -> int:
        number = self._graph.number(address)
        parent = int(self._parents[number]) if number >= 0 else _NOT_REACHED
        if parent == _NOT_REACHED:
            raise KeyError(address)
        return 0 if parent == _ROOT else int(self._graph.addresses[parent])

    def __iter__(self) -> Iterator[int]:
        return iter(self._graph.addresses[self._parents != _NOT_REACHED].tolist())

    def __len__(self) -> int:
        return int((self._parents != _NOT_REACHED).sum())


class ArraySearch:
    """Breadth first from nodes, in the order in which a search that takes one after the other comes to them."""

    def __init__(self, graph: ReferenceGraph, target: int, most: int, report: Report) -> None:
        self._graph = graph
        self._target = graph.number(target)
        self._most = most
        self._report = report
        # By node.
        self._parents = graph.np.full(len(graph.addresses), _NOT_REACHED, dtype=graph.np.int32)
        self._found: List[int] = []
        self.reached = ReachedNodes(graph, self._parents)

    @property
    def found(self) -> List[int]:
        """The addresses of what refers to the target, in the order in which it was reached."""
        return self._graph.addresses[self._found].tolist() if self._found else []

    def run(self, begin: Iterable[int], found: int) -> None:
        """Search from the objects at addresses until enough was found, `found` of them before."""
        np = self._graph.np
        self._most -= found
        first = [number for number in map(self._graph.number, begin) if number >= 0]
        self._parents[first] = _ROOT
        nodes = np.array(first, dtype=np.int32)
        count = 0
        while len(nodes) and len(self._found) < self._most:
            count += len(nodes)
            self._report(Progress(count, 0))
            if len(nodes) < FEW:
                nodes = np.array(self._beyond_few(nodes.tolist()), dtype=np.int32)
            else:
                nodes = np.concatenate([self._beyond(nodes[start:start + MANY])
                                        for start in range(0, len(nodes), MANY)])

    def _beyond(self, nodes: Any) -> Any:
        """The nodes that these lead to and none before them did."""
        graph, np = self._graph, self._graph.np
        if len(self._found) >= self._most:
            return nodes[:0]
        begins = graph.starts[nodes]
        counts = graph.starts[nodes + 1] - begins
        targets = graph.targets[np.repeat(begins - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())]
        holders = np.repeat(np.arange(len(nodes)), counts)
        holding = holders[targets == self._target]
        if len(holding):
            holding = holding[np.concatenate([[True], holding[1:] != holding[:-1]])][:self._most - len(self._found)]
            self._found += nodes[holding].tolist()
            if len(self._found) >= self._most:
                # The search ends with the node that holds it last.
                keep = holders <= holding[-1]
                targets, holders = targets[keep], holders[keep]
        new = (targets >= 0) & (targets != self._target)
        new[new] = self._parents[targets[new]] == _NOT_REACHED
        targets, holders = targets[new], holders[new]
        # Of several that lead to one the first counts, which is written last.
        self._parents[targets[::-1]] = np.arange(len(targets), dtype=np.int32)[::-1]
        first = self._parents[targets] == np.arange(len(targets))
        targets = targets[first]
        self._parents[targets] = nodes[holders[first]]
        return targets

    def _beyond_few(self, nodes: List[int]) -> List[int]:
        """The same, and on from there until there are many, or none."""
        starts, targets, parents = self._graph.starts, self._graph.targets, self._parents
        while 0 < len(nodes) < FEW:
            following = []
            for node in nodes:
                if len(self._found) >= self._most:
                    return []
                held = targets[starts[node]:starts[node + 1]].tolist()
                if self._target in held:
                    self._found.append(node)
                for target in held:
                    if target >= 0 and target != self._target and parents[target] == _NOT_REACHED:
                        parents[target] = node
                        following.append(target)
            nodes = following
        return nodes

    def unreached(self) -> Iterator[Tuple[int, int]]:
        """(holder, held) by address, of objects on the heap that were not reached: what holds, and what is held."""
        graph, np = self._graph, self._graph.np
        reached = self._parents != _NOT_REACHED
        for holder in np.flatnonzero(~reached[:graph.heap]).tolist():
            for target in graph.targets[graph.starts[holder]:graph.starts[holder + 1]].tolist():
                if target >= 0 and not reached[target] and target != holder:
                    yield int(graph.addresses[holder]), int(graph.addresses[target])
