"""gdbext.analysis.deadlocks: rings, knots, and who waits behind them, in plain graphs."""

from typing import Dict, List, Sequence, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdbext.analysis.deadlocks import find

Graph = Dict[int, Sequence[int]]


def found(graph: Graph) -> List[Tuple[List[int], List[int]]]:
    """(nodes, those behind them) of each deadlock."""
    return [(deadlock.nodes, deadlock.behind) for deadlock in find(graph)]


@pytest.mark.parametrize("graph, expected", (
    ({}, []),
    ({1: []}, []),
    ({1: [2]}, []),
    ({1: [2], 2: [3]}, []),
    ({1: [2], 2: []}, []),
    ({1: [1]}, [([1], [])]),
    ({1: [2], 2: [1]}, [([1, 2], [])]),
    ({5: [4], 4: [3], 3: [5]}, [([5, 4, 3], [])]),
    ({1: [2], 2: [3], 3: [2]}, [([2, 3], [1])]),
    ({0: [1], 1: [2], 2: [3], 3: [2], 7: [0]}, [([2, 3], [0, 1, 7])]),
    ({1: [2], 2: [1], 3: [4], 4: [3]}, [([1, 2], []), ([3, 4], [])]),
    ({1: [2], 2: [1], 3: [3], 4: [3]}, [([1, 2], []), ([3], [4])]),
    # Any one of several can let it go: all of them have to be stuck.
    ({1: [1, 2], 2: [1, 2]}, [([1, 2], [])]),
    ({1: [1, 2], 2: []}, []),
    ({1: [1, 2]}, []),
    ({1: [2, 3], 2: [1], 3: [1]}, [([1, 2, 3], [])]),
    ({1: [2, 3], 2: [1]}, []),
    ({1: [2], 2: [3, 4], 3: [3], 4: [4]}, [([3], [1, 2]), ([4], [])]),
))
def test_find(graph: Graph, expected: List[Tuple[List[int], List[int]]]) -> None:
    assert found(graph) == expected


class Counted(dict):
    """Counts how often the waits of a node are looked up."""

    lookups = 0

    def __getitem__(self, node: int) -> List[int]:
        self.lookups += 1
        return super().__getitem__(node)


def test_a_chain_and_a_ring_of_thousands() -> None:
    """Without recursion, and with some few looks at each node."""
    length = 20_000
    free = Counted({number: [number + 1] for number in range(length)})
    assert find(free) == []
    chain = Counted({number: [number + 1] for number in range(length)})
    chain[length] = [length - 1]
    [deadlock] = find(chain)
    assert deadlock.nodes == [length - 1, length] and deadlock.behind == list(range(length - 1))
    ring = Counted({number: [(number + 1) % length] for number in range(length)})
    assert found(ring) == [(list(range(length)), [])]
    assert length <= min(graph.lookups for graph in (free, chain, ring))
    assert max(graph.lookups for graph in (free, chain, ring)) < 8 * length


def test_many_that_wait_for_the_same() -> None:
    graph: Graph = {number: [0, 1] for number in range(5000)}
    assert found(graph) == [([0, 1], list(range(2, 5000)))]


def stuck_by_trying(graph: Graph) -> set:
    """Who can't go on, found by letting everybody go who can, until nobody can."""
    waiting = dict(graph)
    while True:
        free = [node for node, others in waiting.items()
                if not others or any(other not in waiting for other in others)]
        if not free:
            return set(waiting)
        for node in free:
            del waiting[node]


@given(st.dictionaries(st.integers(0, 9), st.lists(st.integers(0, 11), max_size=4), max_size=10))
def test_exactly_those_are_stuck_that_nobody_can_let_go(graph: Graph) -> None:
    deadlocks = find(graph)
    named = [node for deadlock in deadlocks for node in deadlock.nodes + deadlock.behind]
    assert len(named) == len(set(named))
    assert set(named) == stuck_by_trying(graph)
    for deadlock in deadlocks:
        members = set(deadlock.nodes)
        # Within a deadlock, each waits for another one of it, or for itself.
        assert all(members & set(graph[node]) for node in members)
