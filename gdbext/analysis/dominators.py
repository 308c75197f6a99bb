"""What keeps what alive alone: the dominators of a graph with one root.

A node dominates another where every way from the root leads through it. With the root taken to be what
keeps all alive, removing an object frees what it dominates.
"""

from array import array
from typing import Sequence, Tuple


def orders(starts: Sequence[int], targets: Sequence[int], root: int) -> Tuple[array, array, array]:
    """A depth-first search: (nodes in the order in which they are reached, each one's number in that, parents).

    `targets[starts[n]:starts[n + 1]]` are the nodes that node n leads to. A node that is not reached has
    the number -1. Parents are numbers, of the node with each number; the root's is its own, 0.
    """
    numbers = array("i", [-1]) * (len(starts) - 1)
    nodes, parents = array("i", [root]), array("i", [0])
    numbers[root] = 0
    # Where to go on at each node on the way down.
    way = [root]
    nexts = [starts[root]]
    while way:
        node = way[-1]
        at, end = nexts[-1], starts[node + 1]
        while at < end and numbers[targets[at]] >= 0:
            at += 1
        if at == end:
            way.pop()
            nexts.pop()
            continue
        nexts[-1] = at + 1
        child = targets[at]
        numbers[child] = len(nodes)
        parents.append(numbers[node])
        nodes.append(child)
        way.append(child)
        nexts.append(starts[child])
    return nodes, numbers, parents


def _reversed(starts: Sequence[int], targets: Sequence[int], nodes: Sequence[int],
              numbers: Sequence[int]) -> Tuple[array, array]:
    """The edges the other way round, nodes by their number: (starts, what leads to each)."""
    counts = array("I", [0]) * (len(nodes) + 1)
    for node in nodes:
        for target in targets[starts[node]:starts[node + 1]]:
            counts[numbers[target]] += 1
    total = 0
    for number, count in enumerate(counts):
        total += count
        counts[number] = total
    found = array("i", [0]) * total
    for number, node in enumerate(nodes):
        for target in targets[starts[node]:starts[node + 1]]:
            to = numbers[target]
            counts[to] -= 1
            found[counts[to]] = number
    return counts, found


def dominators(starts: Sequence[int], targets: Sequence[int], nodes: Sequence[int], numbers: Sequence[int],
               parents: Sequence[int]) -> array:
    """The immediate dominator of each node that orders() reached, by number; the root's is its own.

    The algorithm of Lengauer and Tarjan (1979) with simple linking. What walks up a tree of dominators
    instead is quicker on flow graphs, and takes quadratic time where every link of a long chain refers to
    the same object, such as its type.
    """
    count = len(nodes)
    into, sources = _reversed(starts, targets, nodes, numbers)
    semi = array("i", range(count))
    label = array("i", range(count))
    above = array("i", [-1]) * count
    idom = array("i", [0]) * count
    # Nodes whose semidominator each is, as linked lists.
    first, following = array("i", [-1]) * count, array("i", [-1]) * count

    def least(node: int) -> int:
        """The node with the least semidominator on the way up the forest; the way is made shorter."""
        if above[node] < 0:
            return node
        way = []
        while above[above[node]] >= 0:
            way.append(node)
            node = above[node]
        for each in reversed(way):
            upper = above[each]
            if semi[label[upper]] < semi[label[each]]:
                label[each] = label[upper]
            above[each] = above[upper]
            node = each
        return label[node]

    for number in range(count - 1, 0, -1):
        found = number
        for source in sources[into[number]:into[number + 1]]:
            candidate = semi[least(source)]
            if candidate < found:
                found = candidate
        semi[number] = found
        following[number] = first[found]
        first[found] = number
        parent = parents[number]
        above[number] = parent
        waiting = first[parent]
        first[parent] = -1
        while waiting >= 0:
            upper = least(waiting)
            idom[waiting] = upper if semi[upper] < semi[waiting] else parent
            waiting = following[waiting]
    for number in range(1, count):
        if idom[number] != semi[number]:
            idom[number] = idom[idom[number]]
    return idom
