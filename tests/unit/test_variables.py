"""gdbext.cpython.variables: what a frame's slots, namespaces and evaluation stack hold, in every version."""

from typing import Dict, List, Optional, Sequence, Tuple

import pytest

from gdbext.cpython.code import Codes
from gdbext.cpython.dicts import Dicts
from gdbext.cpython.frames import Frame
from gdbext.cpython.memory import Damaged, Unreadable
from gdbext.cpython.objects import Objects
from gdbext.cpython.reader import Reader
from gdbext.cpython.variables import Variables, handler_at
from tests.unit.builder import IDS, TABLES, Builder

FROM_3_11 = [name for name in IDS if TABLES[name].name.version >= (3, 11)]
FROM_3_12 = [name for name in IDS if TABLES[name].name.version >= (3, 12)]
FROM_3_14 = [name for name in IDS if TABLES[name].name.version >= (3, 14)]


class Made:
    """A builder and what reads its frames."""

    def __init__(self, table: str) -> None:
        self.b = Builder(TABLES[table])
        objects = Objects(Reader(self.b.memory, self.b.layout))
        self.variables = Variables(objects, Dicts(objects))
        self.codes = Codes(objects)

    def frame(self, variables: Sequence[Tuple[str, str]], slots: Sequence[int], stack: Sequence[int] = (),
              optimized: bool = True, offset: int = 8, blocks: Sequence[int] = (),
              handlers: Sequence[Tuple[int, int, int]] = (), namespace: int = 0, globals_: int = 0) -> Frame:
        """A frame of a code object with these variables, as a walk would give it."""
        b = self.b
        code = b.code("f", "/f.py", 1, b.lines((16, 0)))
        b.set_variables(code, variables, optimized, handlers=handlers)
        address = b.frame(code, offset, room=len(slots) + len(stack))
        b.set_slots(address, slots, stack, blocks)
        b.set_namespaces(address, globals_, 0, namespace)
        return Frame(address, self.codes.at(code), offset)

    def of(self, frame: Frame) -> List[Tuple[str, str, int]]:
        """What is said of a frame."""
        return [tuple(variable) for variable in self.variables.of(frame)]

    def numbers(self, count: int) -> List[int]:
        """So many objects."""
        return [self.b.int(1000 + index) for index in range(count)]


@pytest.fixture(params=IDS)
def made(request: pytest.FixtureRequest) -> Made:
    """One of each table."""
    return Made(request.param)


def with_argument_in_cell(made: Made, first: int, cells: Sequence[int]) -> Frame:
    """f(first, shared, *rest) with an inner function that uses `shared`, the local `inner`, and `outer`."""
    b = made.b
    shared, inner, outer = map(b.cell, cells)
    variables = [("first", "local"), ("shared", "local cell"), ("rest", "local"), ("gone", "local"),
                 ("inner", "cell"), ("outer", "free")]
    if b.version < (3, 11):
        # co_varnames has the argument, whose slot is empty; then come the cells, in the order of names.
        return made.frame(variables[:4] + [("inner", "cell"), ("outer", "free")],
                          [first, 0, first, 0, shared, inner, outer])
    return made.frame(variables, [first, shared, first, 0, inner, outer])


def test_arguments_first_cells_and_free_variables_resolved(made: Made) -> None:
    first, shared, inner, outer = made.numbers(4)
    found = made.of(with_argument_in_cell(made, first, (shared, inner, outer)))
    assert found == [("first", "local", first), ("shared", "cell", shared), ("rest", "local", first),
                     ("inner", "cell", inner), ("outer", "free", outer)]


def test_unbound_names_are_left_out(made: Made) -> None:
    first, = made.numbers(1)
    found = made.of(with_argument_in_cell(made, first, (0, 0, 0)))
    assert found == [("first", "local", first), ("rest", "local", first)]
    empty = made.frame([("a", "local"), ("b", "cell"), ("c", "free")], [0, 0, 0])
    assert made.of(empty) == []


def test_a_frame_without_variables(made: Made) -> None:
    assert made.of(made.frame([], [])) == []
    assert made.variables.of(Frame(0x1000, None, 0, "cannot read")) == []
    assert made.variables.stack(Frame(0x1000, None, 0, "cannot read")) == []


def test_a_value_in_the_place_of_its_cell(made: Made) -> None:
    value, other = made.numbers(2)
    frame = made.frame([("a", "cell"), ("b", "free")], [value, made.b.cell(other)])
    assert made.of(frame) == [("a", "cell", value), ("b", "free", other)]


def test_a_cell_that_cannot_be_read_stands_for_its_contents(made: Made) -> None:
    value, = made.numbers(1)
    frame = made.frame([("a", "local"), ("b", "cell")], [value, 0x1000])
    assert made.of(frame) == [("a", "local", value), ("b", "cell", 0x1000)]


def namespace(made: Made, names: Dict[str, int]) -> int:
    """A dict with keys that are str."""
    return made.b.namespace(names)


def test_a_class_body_has_the_names_in_its_namespace(made: Made) -> None:
    b = made.b
    x, y, free, compilers = made.numbers(4)
    body = b.dict([(b.text("x"), x), (b.int(7), x), (b.text("y"), y)])
    frame = made.frame([("__classdict__", "cell"), ("outer", "free")], [b.cell(compilers), b.cell(free)],
                       optimized=False, namespace=body, globals_=namespace(made, {"g": x}))
    assert made.of(frame) == [("x", "local", x), ("y", "local", y), ("outer", "free", free)]
    assert made.variables.namespace(frame) == body


def test_the_globals_of_a_module_are_no_part_of_its_frame(made: Made) -> None:
    x, = made.numbers(1)
    names = namespace(made, {"x": x})
    frame = made.frame([], [], optimized=False, namespace=names, globals_=names)
    assert made.of(frame) == []
    assert made.variables.namespace(frame) == made.variables.globals(frame) == names
    assert [variable.name for variable in made.variables.names_in(names)] == ["x"]


@pytest.mark.parametrize("table", FROM_3_12)
def test_a_comprehension_within_a_body_hides_the_bodys_names(table: str) -> None:
    made = Made(table)
    x, y, inner, captured = made.numbers(4)
    body = namespace(made, {"x": x, "y": y})
    frame = made.frame([("x", "local hidden"), ("z", "local hidden"), ("k", "local cell hidden")],
                       [inner, 0, made.b.cell(captured)],
                       optimized=False, namespace=body, globals_=namespace(made, {}))
    assert made.of(frame) == [("y", "local", y), ("x", "local", inner), ("k", "cell", captured)]


def test_a_function_has_no_namespace(made: Made) -> None:
    # Up to 3.12, locals() leaves a snapshot in f_locals.
    old, new = made.numbers(2)
    frame = made.frame([("x", "local")], [new], namespace=namespace(made, {"x": old}))
    assert made.variables.namespace(frame) is None
    assert made.of(frame) == [("x", "local", new)]


def test_a_namespace_that_is_no_dict(made: Made) -> None:
    frame = made.frame([], [], optimized=False, namespace=made.b.none(), globals_=namespace(made, {}))
    assert made.variables.namespace(frame) is None and made.of(frame) == []


def test_globals_and_builtins(made: Made) -> None:
    frame = made.frame([], [])
    made.b.set_namespaces(frame.address, 0x1230, 0x4560)
    assert made.variables.globals(frame) == 0x1230
    assert made.variables.builtins(frame) == 0x4560


def test_names_that_are_no_names(made: Made) -> None:
    frame = made.frame([("a", "local")], [made.b.none()])
    field = "co_varnames" if made.b.version < (3, 11) else "co_localsplusnames"
    made.b.set(frame.code.address, "PyCodeObject", field, made.b.none())
    with pytest.raises(Damaged, match="instead of tuple"):
        made.variables.of(frame)


def test_slots_that_cannot_be_read(made: Made) -> None:
    frame = made.frame([("a", "local")], [made.b.none()])
    with pytest.raises(Unreadable):
        made.variables.of(frame._replace(address=0x1000))


# The evaluation stack.


def stacked(made: Made, stack: Sequence[int], depth: Optional[int]) -> Frame:
    """A frame with one local, and a block or handler that has `depth` values below it."""
    local, = made.numbers(1)
    if depth is None:
        return made.frame([("a", "local")], [local], stack, handlers=[(0, 8, 2), (10, 16, 3)])
    return made.frame([("a", "local")], [local], stack, blocks=[0, depth],
                      handlers=[(0, 8, 9), (8, 10, depth), (10, 16, 9)])


def test_the_stack_below_the_innermost_handler(made: Made) -> None:
    stack = made.numbers(4)
    for depth in range(5):
        assert made.variables.stack(stacked(made, stack, depth)) == stack[:depth]
    assert made.variables.stack(stacked(made, stack, None)) == []


def test_empty_places_of_the_stack_are_left_out(made: Made) -> None:
    first, second = made.numbers(2)
    assert made.variables.stack(stacked(made, [first, 0, second, first], 3)) == [first, second]


@pytest.mark.parametrize("tag", range(8))
@pytest.mark.parametrize("table", FROM_3_14)
def test_tags_of_references(table: str, tag: int) -> None:
    made = Made(table)
    value, = made.numbers(1)
    frame = made.frame([("a", "local")], [value], [value], handlers=[(0, 16, 1)])
    made.b.set_slots(frame.address, [value], [value], tag=tag)
    is_number = tag & 3 == 3
    assert made.variables.stack(frame) == ([] if is_number else [value])
    assert made.of(frame) == ([] if is_number else [("a", "local", value)])


def test_a_depth_that_cannot_be(made: Made) -> None:
    with pytest.raises(Damaged, match="21 values on a stack for 20"):
        made.variables.stack(stacked(made, made.numbers(1), 21))


def test_more_blocks_than_there_can_be(made: Made) -> None:
    if made.b.version >= (3, 11):
        return
    frame = stacked(made, made.numbers(2), 1)
    for count in (21, -1):
        made.b.set(frame.address, "PyFrameObject", "f_iblock", count)
        with pytest.raises(Damaged, match=f"{count} blocks"):
            made.variables.stack(frame)


def test_kinds_that_do_not_fit_the_names() -> None:
    for table in FROM_3_11:
        made = Made(table)
        frame = made.frame([("a", "local")], [made.b.none()])
        made.b.set(frame.code.address, "PyCodeObject", "co_localspluskinds", made.b.bytes(b"\x20\x20"))
        with pytest.raises(Damaged, match="2 kinds of 1"):
            made.variables.of(frame)


@pytest.mark.parametrize("table", FROM_3_11[-1:])
def test_the_running_python_reads_its_exception_tables_alike(table: str) -> None:
    """The decoder against what the compiler of this Python makes of `with` and `try`, by dis."""
    import dis
    import sys

    if sys.version_info < (3, 11):
        pytest.skip("exception tables came with 3.11")
    source = "\n".join(["def f(a):"] + [f"    with a as b{index}:\n        a({index})" for index in range(90)]
                       + ["    for c in a:", "        with c, a:", "            try:", "                a()",
                          "            finally:", "                c()"])
    names: Dict[str, object] = {}
    exec(source, names)
    code = names["f"].__code__  # type: ignore[attr-defined]
    entries = dis.Bytecode(code).exception_entries
    assert len(entries) >= 2 * 90
    for offset in range(0, len(code.co_code), 2):
        covering = [(entry.target, entry.depth, entry.lasti) for entry in entries if entry.start <= offset < entry.end]
        assert handler_at(code.co_exceptiontable, offset) == (covering[0] if covering else None)


def test_a_damaged_table_has_no_handler() -> None:
    for table in (b"", b"\x80", b"\xff" * 7, b"\x80\x01\x02"):
        assert handler_at(table, 0) is None


