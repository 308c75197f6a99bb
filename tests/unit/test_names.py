"""What names, attributes and items are found in memory that is damaged: an answer, or why there is none.

The objects are those of a real process, whose memory is read as if parts of it were damaged; the frames are made.
"""

import ast
import functools
import random
import time
from types import SimpleNamespace
from typing import Callable, List, Optional

import pytest

from gdbext.analysis.names import BUILTIN, ENCLOSING, GLOBAL, LOCAL, MAX_COMPLETED, OBJECT, Names, NotFound
from gdbext.cpython.code import Codes
from gdbext.cpython.dicts import Dicts
from gdbext.cpython.memory import PAGE, Damaged, Memory, Unreadable
from gdbext.cpython.objects import Objects
from gdbext.cpython.reader import READ_ERRORS, Reader
from gdbext.cpython.values import Values
from gdbext.cpython.variables import Variables
from gdbext.layout.layout import Layout
from tests.unit.builder import IDS
from tests.unit.test_values import HUGE, MAX_SECONDS, NOWHERE, Overlay, Subject, subject  # noqa: F401
from tests.unit.test_variables import Made


def names_of(memory: Memory, layout: Layout) -> Names:
    """What looks names up in a memory."""
    objects = Objects(Reader(memory, layout))
    dicts = Dicts(objects)
    return Names(SimpleNamespace(reader=objects.reader, objects=objects, dicts=dicts, memory=memory,
                                 values=Values(objects, dicts, Codes(objects)), variables=Variables(objects, dicts)))


def no_register(name: str) -> int:
    raise NotFound(f"{name} is no register")


class Asked:
    """A process that may be damaged, and what is asked of it."""

    def __init__(self, subject: Subject) -> None:  # noqa: F811
        self.memory = Overlay(subject.memory)
        self.layout = subject.layout
        self.case = subject.case

    def field(self, address: int, struct: str, path: str, value: int) -> None:
        """Write a field of 8 bytes."""
        self.memory.word(address + self.layout[struct].offset(path), value)

    def pointer(self, address: int, struct: str, path: str) -> int:
        """Read a field of 8 bytes."""
        return self.memory.u64(address + self.layout[struct].offset(path))

    def find(self, case: str, rest: str = "") -> str:
        """The address of a case and what follows it in an expression, as a value."""
        address, _text = self.case(case)
        found = names_of(self.memory, self.layout).find(None, f"{address:#x}{rest}", no_register)
        assert found.scope == OBJECT
        return Values(*self._readers()).text(found.address)

    def attributes(self, case: str) -> List[str]:
        """What completes the name of an attribute."""
        return names_of(self.memory, self.layout).attributes(self.case(case)[0])

    def _readers(self) -> tuple:
        objects = Objects(Reader(self.memory, self.layout))
        return objects, Dicts(objects), Codes(objects)


@pytest.fixture
def asked(subject: Subject) -> Asked:  # noqa: F811
    """The process, not damaged yet."""
    return Asked(subject)


def test_items_of_a_whole_object(asked: Asked) -> None:
    for rest, item in (("[0]", "1"), ("[1]", "[2, [3]]"), ("[-1][0]", "2"), ("[1][1][0]", "3")):
        assert asked.find("list 2", rest) == item
    for rest, reason in (("[2]", "no item 2"), ("[-3]", "no item -3"), ("['a']", "no items with a key"),
                         (".x", "no attribute 'x'"), ("[0][0]", "items of"), ("[0] + 1", "only names"),
                         ("[", "no Python expression")):
        with pytest.raises(NotFound, match=reason):
            asked.find("list 2", rest)


@pytest.mark.parametrize("type_", (0, 8, NOWHERE, (1 << 64) - 8))
def test_bad_type(asked: Asked, type_: int) -> None:
    address, _text = asked.case("list 2")
    asked.field(address, "PyObject", "ob_type", type_)
    for rest in ("", "[0]", ".x"):
        with pytest.raises(NotFound, match="no Python object at"):
            asked.find("list 2", rest)
    with pytest.raises(READ_ERRORS):
        asked.attributes("list 2")


@pytest.mark.parametrize("address", (0, 1, 4, NOWHERE, NOWHERE + 1, (1 << 64) - 8, 1 << 70))
def test_addresses_of_nothing(asked: Asked, address: int) -> None:
    with pytest.raises(NotFound):
        names_of(asked.memory, asked.layout).find(None, f"{address:#x}", no_register)


def test_bad_items(asked: Asked) -> None:
    address, _text = asked.case("list 2")
    items = asked.pointer(address, "PyListObject", "ob_item")
    asked.memory.word(items, 0)
    with pytest.raises(NotFound, match="item 0 of this list is not set yet"):
        asked.find("list 2", "[0]")
    asked.memory.word(items, NOWHERE)
    # The object is named, and only what is in it is not known.
    assert asked.find("list 2", "[0]") == f"<unreadable at {NOWHERE:#x}>"
    assert asked.find("list 2", "[1][0]") == "2"
    with pytest.raises((NotFound, Unreadable)):
        asked.find("list 2", "[0][0]")


@pytest.mark.parametrize("size", (HUGE, -1, -HUGE, (1 << 63) - 1))
@pytest.mark.parametrize("case", ("list 2", "tuple 2", "deque 1"))
def test_impossible_size(asked: Asked, case: str, size: int) -> None:
    address, _text = asked.case(case)
    asked.field(address, "PyVarObject", "ob_size", size)
    for rest in ("[0]", "[-1]", f"[{HUGE - 1}]"):
        with pytest.raises((NotFound,) + READ_ERRORS):
            asked.find(case, rest)


def test_dict_being_resized(asked: Asked) -> None:
    address, text = asked.case("dict 1")
    (key, value), = ast.literal_eval(text).items()
    assert asked.find("dict 1", f"[{key!r}]") == repr(value)
    at = asked.pointer(address, "PyDictObject", "ma_keys") + asked.layout["PyDictKeysObject"].offset("dk_nentries")
    for count in (HUGE, -1, 0):
        asked.memory.word(at, count)
        with pytest.raises((NotFound,) + READ_ERRORS):
            asked.find("dict 1", f"[{key!r}]")


def test_attributes_of_a_class_that_is_its_own_base(asked: Asked) -> None:
    plain, _text = asked.case("plain 0")
    type_ = asked.pointer(plain, "PyObject", "ob_type")
    whole = asked.attributes("plain 0")
    order = asked.pointer(type_, "PyTypeObject", "tp_mro")
    asked.memory.word(order + asked.layout["PyTupleObject"].offset("ob_item") + 8, type_)
    assert asked.attributes("plain 0") == whole
    with pytest.raises(NotFound, match="no attribute 'nothing'"):
        asked.find("plain 0", ".nothing")
    asked.field(type_, "PyTypeObject", "tp_mro", type_)
    with pytest.raises(READ_ERRORS):
        asked.find("plain 0", ".nothing")


def test_a_module_without_its_dict(asked: Asked) -> None:
    module, _text = asked.case("module 1")
    assert asked.find("module 1", ".sep") == "'/'"
    for namespace in (0, NOWHERE, module):
        asked.field(module, "PyModuleObject", "md_dict", namespace)
        with pytest.raises((NotFound,) + READ_ERRORS):
            asked.find("module 1", ".sep")


def test_random_damage(subject: Subject) -> None:  # noqa: F811
    """Words of an object, of what it points to and of its type are replaced by others: no other error, in time."""
    chance = random.Random(subject.layout["PyTypeObject"].size)
    addresses = [address for _name, address, _text in subject.cases]
    rests = ("[0]", "[-1]", "['a']", "[1.5]", "[None]", "[(1, 2)]", ".__class__.__name__", ".__dict__", ".args",
             ".name", ".__x", ".a.b")
    for name, address, _text in subject.cases[::2]:
        memory = Overlay(subject.memory)
        places = [address + 8 * chance.randrange(12)]
        try:
            places.append(memory.u64(places[0]) + 8 * chance.randrange(12))
            places.append(memory.u64(address + subject.layout["PyObject"].offset("ob_type"))
                          + 8 * chance.randrange(115))
        except Unreadable:
            pass
        for place in chance.sample(places, chance.randrange(1, len(places) + 1)):
            memory.word(place, chance.choice(
                [0, 1, -1, HUGE, NOWHERE, chance.getrandbits(64), chance.getrandbits(20), chance.choice(addresses),
                 address, address + 4, PAGE]))
        names = names_of(memory, subject.layout)
        questions: List[Callable[[], Optional[object]]] = [
            functools.partial(names.find, None, f"{address:#x}{rest}", no_register) for rest in rests]
        start = time.process_time()
        for question in questions:
            try:
                question()
            except (NotFound,) + READ_ERRORS as error:
                assert str(error), name
        try:
            assert len(names.attributes(address)) <= MAX_COMPLETED
        except READ_ERRORS:
            pass
        assert time.process_time() - start < MAX_SECONDS, name


# Names of a frame.


class MadeNames(Made):
    """A frame with a local, one from an enclosing function, globals and builtins."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        b = self.b
        self.values = self.numbers(5)
        own, outer, over, builtin, hidden = self.values
        self.globals = b.namespace({"over": over, "own": hidden})
        self.builtins = b.namespace({"built": builtin, "over": hidden})
        self.made = self.frame([("own", "local"), ("gone", "local"), ("outer", "free")], [own, 0, b.cell(outer)])
        b.set_namespaces(self.made.address, self.globals, self.builtins, 0)

    def name(self, name: str) -> tuple:
        """What it means, by a reader that has read nothing yet."""
        return tuple(names_of(self.b.memory, self.b.layout).name(self.made, name))


@pytest.fixture(params=IDS)
def frame(request: pytest.FixtureRequest) -> MadeNames:
    """One of each table."""
    return MadeNames(request.param)


def test_scopes(frame: MadeNames) -> None:
    own, outer, over, builtin, _hidden = frame.values
    assert [frame.name(name) for name in ("own", "outer", "over", "built")] == [
        (LOCAL, own), (ENCLOSING, outer), (GLOBAL, over), (BUILTIN, builtin)]
    for name, reason in (("gone", "'gone' has no value here"), ("other", "no 'other' among")):
        with pytest.raises(NotFound, match=reason):
            frame.name(name)


def test_locals_do_not_need_the_globals(frame: MadeNames) -> None:
    own, outer, _over, _builtin, _hidden = frame.values
    for namespace in (NOWHERE, frame.b.none()):
        frame.b.set_namespaces(frame.made.address, namespace, frame.builtins, 0)
        assert frame.name("own") == (LOCAL, own) and frame.name("outer") == (ENCLOSING, outer)
        # Whether a global of that name hides the builtin can't be told.
        with pytest.raises((Unreadable, Damaged)):
            frame.name("built")


def test_a_cell_that_cannot_be_read(frame: MadeNames) -> None:
    own, _outer, over, _builtin, _hidden = frame.values
    frame.b.set_slots(frame.made.address, [own, 0, NOWHERE])
    assert frame.name("own") == (LOCAL, own) and frame.name("over") == (GLOBAL, over)
    assert frame.name("outer") == (ENCLOSING, NOWHERE)
