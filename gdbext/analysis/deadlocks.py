"""Who can never go on, in a graph of who waits for whom. Plain data: no thread, no lock, no memory.

Iterative throughout: a chain of waits may be as long as there are threads.
"""

from collections import deque
from typing import Deque, Dict, List, Mapping, NamedTuple, Sequence, Set

# Whatever number the caller has for a thread.
Node = int


class Deadlock(NamedTuple):
    """Nodes that wait for each other, in the order of their waits where they form one ring.

    `behind` are those that wait for one of them, directly or over others.
    """

    nodes: List[Node]
    behind: List[Node]


def find(waits: Mapping[Node, Sequence[Node]]) -> List[Deadlock]:
    """The deadlocks of a graph, by the order of their first nodes in it.

    `waits` gives for each node that waits those any one of which can let it go, and all of them: a node that
    is not in it runs, and so does one whose list is empty, for nobody knows for whom it waits.
    """
    stuck = _stuck(waits)
    position = {node: index for index, node in enumerate(waits)}
    found = []
    member: Dict[Node, int] = {}
    for component in _components(waits, stuck):
        if len(component) > 1 or component[0] in waits[component[0]]:
            first = min(component, key=position.__getitem__)
            found.append(_ring(waits, set(component), first))
    found.sort(key=lambda nodes: position[nodes[0]])
    for index, nodes in enumerate(found):
        member.update(dict.fromkeys(nodes, index))
    behind = _behind(waits, stuck, member)
    return [Deadlock(nodes, sorted(behind.get(index, []), key=position.__getitem__))
            for index, nodes in enumerate(found)]


def _stuck(waits: Mapping[Node, Sequence[Node]]) -> Set[Node]:
    """The nodes that nobody who runs can let go, neither directly nor over others."""
    waiters: Dict[Node, List[Node]] = {}
    stuck = {node for node, others in waits.items() if others}
    free: Deque[Node] = deque()
    for node in stuck:
        for other in waits[node]:
            waiters.setdefault(other, []).append(node)
            if other not in stuck:
                free.append(other)
    while free:
        for waiter in waiters.pop(free.popleft(), ()):
            if waiter in stuck:
                stuck.discard(waiter)
                free.append(waiter)
    return stuck


def _components(waits: Mapping[Node, Sequence[Node]], nodes: Set[Node]) -> List[List[Node]]:
    """The strongly connected components of the graph within `nodes` (Tarjan's algorithm)."""
    index: Dict[Node, int] = {}
    low: Dict[Node, int] = {}
    on_stack: Set[Node] = set()
    stack: List[Node] = []
    found = []
    for root in waits:
        if root not in nodes or root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(waits[root]))]
        while work:
            node, others = work[-1]
            for other in others:
                if other not in nodes:
                    continue
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(waits[other])))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component: List[Node] = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack.discard(component[-1])
                    found.append(component)
    return found


def _ring(waits: Mapping[Node, Sequence[Node]], component: Set[Node], first: Node) -> List[Node]:
    """The nodes of a component, from `first` along the waits as far as that goes."""
    order = [first]
    seen = {first}
    node = first
    while True:
        following = next((other for other in waits[node] if other in component and other not in seen), None)
        if following is None:
            break
        order.append(following)
        seen.add(following)
        node = following
    return order + [node for node in waits if node in component and node not in seen]


def _behind(waits: Mapping[Node, Sequence[Node]], stuck: Set[Node], member: Mapping[Node, int]
            ) -> Dict[int, List[Node]]:
    """By deadlock, the nodes that are stuck because of it and not in any."""
    waiters: Dict[Node, List[Node]] = {}
    for node in stuck:
        for other in waits[node]:
            waiters.setdefault(other, []).append(node)
    reached = dict(member)
    queue = deque(member)
    found: Dict[int, List[Node]] = {}
    while queue:
        node = queue.popleft()
        for waiter in waiters.get(node, ()):
            if waiter not in reached:
                reached[waiter] = reached[node]
                found.setdefault(reached[node], []).append(waiter)
                queue.append(waiter)
    return found
