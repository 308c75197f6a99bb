"""How much memory each object keeps alive alone, by object and by type."""

import heapq
from array import array
from typing import Dict, List, NamedTuple, Sequence

from .dominators import dominators, orders
from .graph import Graph

# Types whose names a note spells out.
MAX_NAMED = 3


class RetainedObject(NamedTuple):
    """An object, its own bytes, and the bytes and number of objects that would go with it, itself included."""

    address: int
    type: str
    bytes: int
    retained: int
    objects: int


class RetainedType(NamedTuple):
    """A type: its objects, their own bytes, and what they retain each alone, nothing counted twice."""

    type: str
    count: int  # type: ignore[assignment]  # a tuple's method
    bytes: int
    retained: int


class Retained(NamedTuple):
    """Sizes in bytes. `unreached` objects of so many bytes are reached from no root that is known."""

    objects: List[RetainedObject]
    types: List[RetainedType]
    bytes: int
    count: int  # type: ignore[assignment]  # a tuple's method
    unreached: int
    unreached_bytes: int
    notes: List[str]


class RetainedSizes:
    """What every node of a graph retains: `sizes` in bytes and `counts` in objects, by node."""

    def __init__(self, starts: Sequence[int], targets: Sequence[int], sizes: Sequence[int], held: Sequence[int],
                 heap: int, weak: Sequence[int] = ()) -> None:
        """`held` are the nodes that something outside keeps alive; the first `heap` nodes count as objects.

        What the nodes in `weak` refer to, they don't keep alive.
        """
        count = len(starts) - 1
        if weak:
            targets = array("I", targets)
            for node in weak:
                for at in range(starts[node], starts[node + 1]):
                    targets[at] = node
        held = sorted(set(held))
        reached = _reached(starts, targets, held)
        self.unreached = [node for node in range(count) if not reached[node]]
        # What is taken to be held by something that is not known.
        self.started_from = unheld(starts, targets, self.unreached, reached)
        held += self.started_from
        # A node more, the root, which leads to all that is held.
        all_targets = array("I", targets)
        all_targets.extend(held)
        all_starts = array("Q", starts)
        all_starts.append(len(all_targets))
        nodes, numbers, parents = orders(all_starts, all_targets, count)
        idom = dominators(all_starts, all_targets, nodes, numbers, parents)
        self.sizes, self.counts = array("Q", sizes), array("I", [0]) * count
        for node in range(heap):
            self.counts[node] = 1
        # The node that dominates each, -1 for the root.
        self.dominators = array("i", [-1]) * count
        # What is dominated has the higher number.
        for number in range(len(nodes) - 1, 0, -1):
            if idom[number]:
                node, above = nodes[number], nodes[idom[number]]
                self.dominators[node] = above
                self.sizes[above] += self.sizes[node]
                self.counts[above] += self.counts[node]
        # So that a node comes after the one that dominates it.
        self.order = nodes[1:]

    def topmost(self, types: Sequence[int]) -> Dict[int, int]:
        """For each type the bytes that its nodes retain, those left out that another of the type dominates."""
        found: Dict[int, int] = {}
        children: Dict[int, List[int]] = {}
        tops = []
        for node in self.order:
            above = self.dominators[node]
            if above < 0:
                tops.append(node)
            else:
                children.setdefault(above, []).append(node)
        # How many of each type there are on the way down; ~node for the way back up.
        within: Dict[int, int] = {}
        waiting = tops
        while waiting:
            node = waiting.pop()
            if node < 0:
                within[types[~node]] -= 1
                continue
            type_ = types[node]
            if not within.get(type_):
                found[type_] = found.get(type_, 0) + self.sizes[node]
            below = children.get(node)
            if below:
                within[type_] = within.get(type_, 0) + 1
                waiting.append(~node)
                waiting += below
        return found


def _reached(starts: Sequence[int], targets: Sequence[int], held: Sequence[int]) -> bytearray:
    """For each node whether one of `held` leads to it."""
    reached = bytearray(len(starts) - 1)
    for node in held:
        reached[node] = 1
    waiting = list(held)
    while waiting:
        node = waiting.pop()
        for target in targets[starts[node]:starts[node + 1]]:
            if not reached[target]:
                reached[target] = 1
                waiting.append(target)
    return reached


def unheld(starts: Sequence[int], targets: Sequence[int], nodes: Sequence[int], reached: bytearray) -> List[int]:
    """Of nodes that are not reached, those to start from, so that all are: what nothing refers to, and cycles.

    Of a cycle, garbage or held by C code, which of its nodes is held is not known: each may be.
    """
    within = dict.fromkeys(nodes, 0)
    for node in nodes:
        for target in targets[starts[node]:starts[node + 1]]:
            if target != node and not reached[target]:
                within[target] += 1
    first = [node for node in nodes if not within[node]]
    seen = set(first)
    waiting = list(first)
    while waiting:
        node = waiting.pop()
        for target in targets[starts[node]:starts[node + 1]]:
            if not reached[target] and target not in seen:
                seen.add(target)
                waiting.append(target)
    left = [node for node in nodes if node not in seen]
    # What leads to no other of them hangs on a cycle; what remains is on one, or between two.
    leads = {}
    above: Dict[int, List[int]] = {}
    for node in left:
        others = {target for target in targets[starts[node]:starts[node + 1]]
                  if target != node and not reached[target] and target not in seen}
        leads[node] = len(others)
        for target in others:
            above.setdefault(target, []).append(node)
    waiting = [node for node in left if not leads[node]]
    hanging = set(waiting)
    while waiting:
        for node in above.get(waiting.pop(), ()):
            leads[node] -= 1
            if not leads[node]:
                hanging.add(node)
                waiting.append(node)
    return first + [node for node in left if node not in hanging]


def sizes_of(graph: Graph) -> RetainedSizes:
    """What every object of the heap retains."""
    return RetainedSizes(graph.starts, graph.targets, graph.sizes,
                         [node for root in graph.roots for node, _via in root.holds], graph.heap,
                         [graph.interned] if graph.interned >= 0 else [])


def biggest(graph: Graph, sizes: RetainedSizes, most: int) -> Retained:
    """The `most` objects that retain most, and all types, biggest first."""
    chosen = heapq.nsmallest(most, range(graph.heap), key=lambda node: (-sizes.sizes[node], graph.addresses[node]))
    objects = [RetainedObject(graph.addresses[node], graph.type_name(node), graph.sizes[node], sizes.sizes[node],
                              sizes.counts[node]) for node in chosen]
    totals: Dict[int, List[int]] = {}
    for node in range(graph.heap):
        numbers = totals.setdefault(graph.types[node], [0, 0])
        numbers[0] += 1
        numbers[1] += graph.sizes[node]
    retained = sizes.topmost(graph.types)
    types = [RetainedType(graph.references.names.of(graph.type_list[type_].address), count, size,
                          retained.get(type_, 0)) for type_, (count, size) in totals.items()]
    types.sort(key=lambda each: (-each.retained, each.type))
    unreached = [node for node in sizes.unreached if node < graph.heap]
    return Retained(objects, types, sum(graph.sizes), graph.heap, len(unreached),
                    sum(graph.sizes[node] for node in unreached), graph.problems + notes(graph))


def notes(graph: Graph) -> List[str]:
    """What a reader of an answer about references has to know, a sentence each."""
    names = sorted(graph.references.names.of(type_.address) for type_ in graph.inexact)
    if not names:
        return []
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return [f"References of {', '.join(names[:MAX_NAMED])}{more} are found by searching their structure: a guess."]
