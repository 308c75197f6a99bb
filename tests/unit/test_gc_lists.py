"""The collector's lists in made-up processes of every table."""

from typing import List, Sequence

import pytest

from gdbext.cpython.gc_lists import GcLists
from gdbext.layout import table as tables
from gdbext.layout.layout import MissingField
from tests.unit.builder import IDS, TABLES
from tests.unit.made_process import MadeProcess, Place, started

GENERATIONS = 3

each_table = pytest.mark.parametrize("table", TABLES.values(), ids=IDS)


def gc_lists(made: MadeProcess) -> GcLists:
    """Those of the process's only Python."""
    [python] = made.open()
    return GcLists(python.runtime)


def add_generations(made: MadeProcess) -> List[int]:
    """The heads of the generations, empty lists; oldest last, then the permanent one where there is any."""
    b = made.builder
    size = b.layout["gc_generation"].size
    if made.runtime is None:
        first = b.allocate(GENERATIONS * size)
        heads = [first + index * size for index in range(GENERATIONS)]
        made.symbols["_PyGC_generation0"] = Place(b.words([heads[0]]), 8)
    else:
        struct = "_PyRuntimeState" if b.layout.has("_PyRuntimeState", "gc.generations") else "PyInterpreterState"
        owner = made.runtime if struct == "_PyRuntimeState" else made.interpreters[0]
        first = owner + b.layout[struct].offset("gc.generations")
        heads = [first + index * size for index in range(GENERATIONS)]
        heads.append(owner + b.layout[struct].offset("gc.permanent_generation"))
    for head in heads:
        link(made, [head])
    return heads


def link(made: MadeProcess, ring: Sequence[int], flag: int = 0) -> None:
    """Make heads of objects, the list's own first, a ring."""
    for address, following in zip(ring, [*ring[1:], ring[0]]):
        made.builder.set_first(address, "PyGC_Head", following | flag, "_gc_next", "gc.gc_next")


def add_objects(made: MadeProcess, head: int, count: int, flag: int = 0) -> List[int]:
    """The addresses of objects in a new list of that head."""
    size = made.builder.layout["PyGC_Head"].size
    nodes = [made.builder.allocate(size + 64) for _ in range(count)]
    link(made, [head, *nodes], flag)
    return [node + size for node in nodes]


def has_lists(table: tables.Table) -> None:
    """Skip a free-threaded build."""
    if table.name.free_threaded:
        pytest.skip("free-threaded builds keep no lists")


@each_table
@pytest.mark.parametrize("flag", [0, 1])
def test_all_generations(table: tables.Table, flag: int) -> None:
    has_lists(table)
    made = started(table)
    expected = [address for number, head in enumerate(add_generations(made))
                for address in add_objects(made, head, 5 * number, flag)]
    lists = gc_lists(made)
    assert list(lists.objects()) == expected and len(expected) in (15, 30)
    assert lists.problems == []


@each_table
def test_free_threaded_builds_have_none(table: tables.Table) -> None:
    if table.name.free_threaded:
        with pytest.raises(MissingField):
            gc_lists(started(table)).heads()


@pytest.mark.parametrize("back_to", [1, 2, 37, 99])
def test_a_list_that_misses_its_head_ends(back_to: int) -> None:
    made = started(TABLES["3.11.7"])
    heads = add_generations(made)
    objects = add_objects(made, heads[0], 100)
    others = add_objects(made, heads[1], 3)
    size = made.builder.layout["PyGC_Head"].size
    made.builder.set_first(objects[-1] - size, "PyGC_Head", objects[back_to] - size, "_gc_next")
    lists = gc_lists(made)
    found = list(lists.objects())
    assert found[:100] == objects and found[-3:] == others
    assert set(found) == {*objects, *others} and len(found) < 500
    [problem] = lists.problems
    assert "without an end" in problem


def test_a_list_that_breaks_off_costs_its_rest() -> None:
    made = started(TABLES["3.11.7"])
    heads = add_generations(made)
    objects = add_objects(made, heads[0], 10)
    others = add_objects(made, heads[2], 3)
    size = made.builder.layout["PyGC_Head"].size
    for broken in (0, 8):
        made.builder.set_first(objects[4] - size, "PyGC_Head", broken, "_gc_next")
        lists = gc_lists(made)
        assert [each for each in lists.objects() if each != broken + size] == objects[:5] + others
        assert len(lists.problems) == 1
