"""Values of a real process whose memory is read as if parts of it were damaged.

Whatever is in memory, a value is shown in a bounded time, as one line of printable characters.
"""

import json
import random
import subprocess
import time
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set, Tuple

import pytest

from gdbext.cpython.code import Codes
from gdbext.cpython.dicts import Dicts
from gdbext.cpython.memory import PAGE, Memory, Unreadable
from gdbext.cpython.objects import HEAP_TYPE, Objects
from gdbext.cpython.reader import Reader
from gdbext.cpython.values import DEFAULT, UNLIMITED, Limits, Values
from gdbext.layout.layout import Layout
from tests.support.interpreters import Interpreter
from tests.unit.test_real_objects import ProcessMemory, table_of

PROGRAM = Path(__file__).resolve().parents[1] / "programs" / "values.py"

# No value takes longer to show, in seconds, with the limits that users start with.
MAX_SECONDS = 2.0

NOWHERE = 0xDEAD_BEEF_0000
HUGE = 1 << 60


class Overlay(Memory):
    """Another memory with some bytes of its own, and some pages away."""

    def __init__(self, below: Memory) -> None:
        super().__init__()
        self._below = below
        self._patches: Dict[int, bytes] = {}
        self.hidden: Set[int] = set()

    def fetch(self, address: int, size: int) -> bytes:
        if self.hidden.intersection(range(address // PAGE, (address + size - 1) // PAGE + 1)):
            raise Unreadable(address, size)
        data = bytearray(self._below.read(address, size))
        for at, patch in self._patches.items():
            for index, byte in enumerate(patch):
                if address <= at + index < address + size:
                    data[at + index - address] = byte
        return bytes(data)

    def word(self, address: int, value: int) -> None:
        """Have this word there."""
        self._patches[address] = (value & (1 << 64) - 1).to_bytes(8, "little")
        self.clear()


class Subject(NamedTuple):
    """A process, and what it told: the cases with their addresses and texts."""

    memory: ProcessMemory
    layout: Layout
    cases: List[Tuple[str, int, str]]

    def case(self, name: str) -> Tuple[int, str]:
        """Address and text of the case of this name."""
        return next((address, text) for each, address, text in self.cases if each == name)


@pytest.fixture(scope="module")
def subject(interpreter: Interpreter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """programs/values.py under an interpreter of which there is a table."""
    table = table_of(interpreter)
    if table is None:
        pytest.skip(f"there is no table of {interpreter.id}")
    truth = tmp_path_factory.mktemp("values") / "truth.json"
    with subprocess.Popen([str(interpreter.path), str(PROGRAM), str(truth)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            try:
                memory = ProcessMemory(process.pid)
            except OSError as error:
                pytest.skip(f"a child's memory can't be read: {error.strerror}")
            cases = [(name, address, text) for name, address, text in json.loads(truth.read_text())["values"]]
            yield Subject(memory, table.layout(), cases)
            memory.close()
        finally:
            process.kill()


def values_of(memory: Memory, layout: Layout) -> Values:
    """The values of a memory."""
    objects = Objects(Reader(memory, layout))
    return Values(objects, Dicts(objects), Codes(objects))


class Damaged:
    """The process with damage."""

    def __init__(self, subject: Subject) -> None:
        self.memory = Overlay(subject.memory)
        self.layout = subject.layout

    def field(self, address: int, struct: str, path: str, value: int) -> None:
        """Write a field of 8 bytes."""
        self.memory.word(address + self.layout[struct].offset(path), value)

    def pointer(self, address: int, struct: str, path: str) -> int:
        """Read a field of 8 bytes."""
        return self.memory.u64(address + self.layout[struct].offset(path))

    def text(self, address: int, limits: Limits = UNLIMITED) -> str:
        """The value."""
        return values_of(self.memory, self.layout).text(address, limits)


@pytest.fixture
def damaged(subject: Subject) -> Damaged:
    """The process, not damaged yet."""
    return Damaged(subject)


def test_undamaged(subject: Subject) -> None:
    values = values_of(subject.memory, subject.layout)
    wrong = [(name, text, shown) for name, address, text in subject.cases
             for shown in [values.text(address, UNLIMITED)] if shown != text]
    assert wrong == []


@pytest.mark.parametrize("type_", (0, 8, NOWHERE, (1 << 64) - 8))
def test_bad_type(subject: Subject, damaged: Damaged, type_: int) -> None:
    for name, address, _text in subject.cases[::40]:
        damaged.field(address, "PyObject", "ob_type", type_)
        assert damaged.text(address) == f"<unreadable at {address:#x}>", name


def test_type_that_is_no_type(subject: Subject, damaged: Damaged) -> None:
    """Any object may lie where the type should be."""
    others = [address for _name, address, _text in subject.cases[::25]]
    value, _text = subject.case("list 2")
    classes = {address for name, address, _text in subject.cases if "class" in name}
    for other in others:
        damaged.field(value, "PyObject", "ob_type", other)
        if other not in classes:
            assert damaged.text(value) == f"<unreadable at {value:#x}>"


def test_null_items(subject: Subject, damaged: Damaged) -> None:
    """A list under construction."""
    address, _text = subject.case("list 2")
    items = damaged.pointer(address, "PyListObject", "ob_item")
    damaged.memory.word(items, 0)
    assert damaged.text(address) == "[<NULL>, [2, [3]]]"
    damaged.memory.word(items + 8, NOWHERE)
    assert damaged.text(address) == f"[<NULL>, <unreadable at {NOWHERE:#x}>]"
    values = values_of(damaged.memory, subject.layout)
    whole, _text = subject.case("bytearray 1")
    assert not values.repr(address).is_whole and values.repr(whole).is_whole


@pytest.mark.parametrize("case", ("list 2", "bytearray 1"))
def test_more_than_was_allocated(subject: Subject, damaged: Damaged, case: str) -> None:
    """A size that could be one, but not here."""
    address, _text = subject.case(case)
    damaged.field(address, "PyVarObject", "ob_size", 100_000)
    assert damaged.text(address) == f"<unreadable at {address:#x}>"


def test_one_bad_item_costs_itself_only(subject: Subject, damaged: Damaged) -> None:
    address, _text = subject.case("tuple 2")
    damaged.memory.word(address + damaged.layout["PyTupleObject"].offset("ob_item"), NOWHERE)
    assert damaged.text(address) == f"(<unreadable at {NOWHERE:#x}>, 2)"


@pytest.mark.parametrize("size", (HUGE, -1, -HUGE, (1 << 63) - 1))
@pytest.mark.parametrize("case", ("list 2", "tuple 2", "bytes 1", "deque 1", "bytearray 1"))
def test_impossible_size(subject: Subject, damaged: Damaged, case: str, size: int) -> None:
    address, _text = subject.case(case)
    damaged.field(address, "PyVarObject", "ob_size", size)
    assert damaged.text(address) == f"<unreadable at {address:#x}>"


@pytest.mark.parametrize("length", (HUGE, -1))
def test_impossible_str(subject: Subject, damaged: Damaged, length: int) -> None:
    address, _text = subject.case("str 2")
    damaged.field(address, "PyASCIIObject", "length", length)
    assert damaged.text(address) == f"<unreadable at {address:#x}>"


def test_list_without_items(subject: Subject, damaged: Damaged) -> None:
    address, _text = subject.case("list 2")
    damaged.field(address, "PyListObject", "ob_item", NOWHERE)
    assert damaged.text(address) == f"[<unreadable at {NOWHERE:#x}>, ... 1 more]"


def test_dict_being_resized(subject: Subject, damaged: Damaged) -> None:
    """More entries than there are; fewer; a number that can't be."""
    address, text = subject.case("dict 1")
    keys = damaged.pointer(address, "PyDictObject", "ma_keys")
    at = keys + damaged.layout["PyDictKeysObject"].offset("dk_nentries")
    for count in (HUGE, -1):
        damaged.memory.word(at, count)
        assert damaged.text(address) == f"{{<unreadable at {keys:#x}>}}"
    # Of two items one is not there yet.
    damaged.field(address, "PyDictObject", "ma_used", 2)
    damaged.memory.word(at, 1)
    assert damaged.text(address) == text


def test_order_of_bases_in_a_circle(subject: Subject, damaged: Damaged) -> None:
    """A class that is its own base."""
    plain, text = subject.case("plain 0")
    type_ = damaged.pointer(plain, "PyObject", "ob_type")
    order = damaged.pointer(type_, "PyTypeObject", "tp_mro")
    damaged.memory.word(order + damaged.layout["PyTupleObject"].offset("ob_item") + 8, type_)
    assert "Plain at" in text and "Plain at" in damaged.text(plain)
    damaged.field(type_, "PyTypeObject", "tp_mro", type_)
    assert damaged.text(plain).startswith("<")


def test_order_of_bases_that_is_empty(subject: Subject, damaged: Damaged) -> None:
    """A class that is not even itself."""
    plain, _text = subject.case("plain 0")
    type_ = damaged.pointer(plain, "PyObject", "ob_type")
    nothing = next(address for _name, address, text in subject.cases if text == "()")
    damaged.field(type_, "PyTypeObject", "tp_mro", nothing)
    assert "Plain at" in damaged.text(plain) or "unreadable" in damaged.text(plain)


def test_types_without_names(subject: Subject, damaged: Damaged) -> None:
    """A core need not have the images, and so the names of static types: their flags are left."""
    names = ("int", "bool", "str", "bytes", "list", "tuple", "dict", "class")
    cases = [(name, address, text) for name, address, text in subject.cases if name.split()[0] in names]
    types = {damaged.pointer(address, "PyObject", "ob_type") for _name, address, _text in subject.cases}
    types |= {address for name, address, _text in cases if name.startswith("class ")}
    # Those of types that are in modules hold what else is read.
    own = {damaged.pointer(address, "PyTypeObject", "tp_name") // PAGE for address in types
           if not damaged.pointer(address, "PyTypeObject", "tp_flags") & HEAP_TYPE}
    damaged.memory.hidden = own
    damaged.memory.clear()
    for name, address, text in cases:
        shown = damaged.text(address)
        assert shown == text or "<? at" in shown or "'?'" in shown, (name, shown, text)
    assert sum(damaged.text(address) == text for _name, address, text in cases) > 100


def test_random_damage(subject: Subject) -> None:
    """Words of an object, of what it points to and of its type are replaced by others."""
    chance = random.Random(subject.layout["PyTypeObject"].size)
    addresses = [address for _name, address, _text in subject.cases]
    for name, address, _text in subject.cases:
        for _ in range(3):
            damaged = Damaged(subject)
            places = [address + 8 * chance.randrange(12)]
            try:
                places.append(damaged.memory.u64(places[0]) + 8 * chance.randrange(12))
                places.append(damaged.pointer(address, "PyObject", "ob_type") + 8 * chance.randrange(115))
            except Unreadable:
                pass
            for place in chance.sample(places, chance.randrange(1, len(places) + 1)):
                damaged.memory.word(place, chance.choice(
                    [0, 1, -1, HUGE, NOWHERE, chance.getrandbits(64), chance.getrandbits(20), chance.choice(addresses),
                     address, address + 4, PAGE]))
            start = time.process_time()
            shown = damaged.text(address, DEFAULT)
            took = time.process_time() - start
            assert shown.isprintable() and took < MAX_SECONDS, (name, took, shown[:300])


def test_total(subject: Subject) -> None:
    """What is wide and deep is cut by its whole length."""
    values = values_of(subject.memory, subject.layout)
    for _name, address, text in subject.cases:
        shown = values.text(address, Limits(None, None, None, 300))
        # Never more than one item beyond it, and what ends each container.
        assert len(shown) < 600 or "'" in shown[:4] or len(shown) == len(text), shown[:500]


def test_a_large_item_does_not_hide_the_others(subject: Subject, damaged: Damaged) -> None:
    """It has half of what is left, the last one all."""
    small, text = subject.case("list 2")
    assert text == "[1, [2, [3]]]"
    large, _text = subject.case("list 4")
    items = damaged.pointer(small, "PyListObject", "ob_item")
    one, inner = (damaged.memory.u64(items + 8 * index) for index in range(2))
    limits = Limits(None, None, None, 40)
    damaged.memory.word(items + 8, large)
    last = damaged.text(small, limits)
    damaged.memory.word(items, large)
    damaged.memory.word(items + 8, one)
    first = damaged.text(small, limits)
    assert first.endswith(" more], 1]") and last.startswith("[1, [") and last.endswith(" more]]")
    assert 20 < len(first) < len(last) < 70
