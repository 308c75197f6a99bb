"""Dominators and retained sizes, held against removing each node and looking what is still reached."""

import random
from array import array
from typing import List, Sequence, Set, Tuple

import pytest

from gdbext.analysis.retained import RetainedSizes
from gdbext.render.heap_files import snapshot_ids


def arrays(lists: Sequence[Sequence[int]]) -> Tuple[array, array]:
    """(starts, targets) of a list of targets for each node."""
    starts, targets = array("Q", [0]), array("I")
    for each in lists:
        targets.extend(each)
        starts.append(len(targets))
    return starts, targets


def reached(lists: Sequence[Sequence[int]], held: Sequence[int], without: int = -1) -> Set[int]:
    """What can be reached from `held`, when a node is not there."""
    found = {node for node in held if node != without}
    waiting = list(found)
    while waiting:
        for target in lists[waiting.pop()]:
            if target != without and target not in found:
                found.add(target)
                waiting.append(target)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed: int) -> None:
    """Of every node that is reached, in graphs with cycles, several roots, and parts that none reaches."""
    rnd = random.Random(seed)
    for _ in range(40):
        count = rnd.randrange(1, 16)
        lists = [[rnd.randrange(count) for _ in range(rnd.choice((0, 1, 1, 2, 3)))] for _ in range(count)]
        held = [rnd.randrange(count) for _ in range(rnd.randrange(3))]
        sizes = [rnd.randrange(100) for _ in range(count)]
        heap = rnd.randrange(count + 1)
        answer = RetainedSizes(*arrays(lists), sizes, held, heap)
        known = reached(lists, held)
        assert answer.unreached == [node for node in range(count) if node not in known]
        # What is reached from nowhere stays where it is, and holds what it refers to.
        outside = held + answer.unreached
        for node in known:
            left = reached(lists, outside, node)
            gone = [each for each in range(count) if each not in left]
            assert answer.sizes[node] == sum(sizes[each] for each in gone)
            assert answer.counts[node] == sum(each < heap for each in gone)
        from_there = reached(lists, held + answer.started_from)
        assert from_there == set(range(count))
        for node in answer.unreached:
            left = reached(lists, held + answer.started_from, node)
            assert answer.sizes[node] == sum(sizes[each] for each in range(count) if each not in left)


@pytest.mark.parametrize("seed", range(20))
def test_by_type(seed: int) -> None:
    """A type retains what its nodes dominate, each byte once."""
    rnd = random.Random(seed)
    count = 30
    lists = [[rnd.randrange(count) for _ in range(rnd.choice((1, 1, 2)))] for _ in range(count)]
    sizes = [rnd.randrange(100) for _ in range(count)]
    types = [rnd.randrange(4) for _ in range(count)]
    answer = RetainedSizes(*arrays(lists), sizes, [0], count)
    held = [0] + answer.started_from
    expected = {}
    for type_ in set(types):
        gone: Set[int] = set()
        for node in range(count):
            if types[node] == type_:
                gone |= set(range(count)) - reached(lists, held, node)
        expected[type_] = sum(sizes[each] for each in gone)
    assert answer.topmost(types) == expected


def test_weak_references() -> None:
    """What a table that keeps nothing alive refers to is its other holder's alone."""
    lists = [[2], [2, 3], [], []]
    assert list(RetainedSizes(*arrays(lists), [1, 10, 100, 1000], [0, 1], 4).sizes) == [1, 1010, 100, 1000]
    assert list(RetainedSizes(*arrays(lists), [1, 10, 100, 1000], [0, 1], 4, [1]).sizes) == [101, 10, 100, 1000]


def test_long_chain() -> None:
    """A linked list of which each link refers to its type is as quick as another, and no recursion."""
    count = 20_000
    lists: List[List[int]] = [[node + 1, count] for node in range(count - 1)] + [[count], []]
    answer = RetainedSizes(*arrays(lists), [1] * (count + 1), [0], count + 1)
    assert list(answer.sizes[:3]) == [count + 1, count - 1, count - 2]
    assert answer.topmost([0] * count + [1]) == {0: count + 1, 1: 1}


def test_snapshot_ids() -> None:
    """Numbers by address, so that two files compare, or one after the other where addresses would clash."""
    stretches = [0x5555_0000_1000 + 16 * each for each in range(50)]
    stretches += [0x7F12_3400_0000 + 8 * each for each in range(50)]
    ids = list(snapshot_ids(stretches, 5))
    assert len(set(ids)) == 100 and min(ids) >= 5 and max(ids) < 1 << 32
    assert list(snapshot_ids(stretches[:20], 5)) == ids[:20]
    clash = [0x5555_0000_1000, 0x5555_0000_2000, 0x5555_0000_1800 + (1 << 35)]
    assert list(snapshot_ids(clash, 5)) == [5, 6, 7]
    assert list(snapshot_ids([8, 16], 5)) == [5, 6] and list(snapshot_ids([], 5)) == []
