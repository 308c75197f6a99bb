"""gdbext.cpython.dicts: dictionaries of every shape, and instance attributes as each version has them."""

from typing import List, Tuple

import pytest

from gdbext.cpython import dicts as dicts_module
from gdbext.cpython import objects as objects_module
from gdbext.cpython.dicts import Dicts
from gdbext.cpython.memory import PAGE, Damaged, Unreadable
from gdbext.cpython.objects import Objects
from gdbext.cpython.reader import READ_ERRORS, Reader
from tests.unit.builder import DICT, IDS, TABLES, Builder


@pytest.fixture(params=IDS)
def builder(request: pytest.FixtureRequest) -> Builder:
    """A builder for each table."""
    return Builder(TABLES[request.param])


def reader_of(builder: Builder) -> Dicts:
    """What reads the builder's dictionaries."""
    return Dicts(Objects(Reader(builder.memory, builder.layout)))


@pytest.fixture
def dicts(builder: Builder) -> Dicts:
    """Reads what the builder makes."""
    return reader_of(builder)


def pairs(builder: Builder, count: int) -> List[Tuple[int, int]]:
    """Keys a0, a1... and values."""
    return [(builder.text(f"a{index}"), builder.int(index)) for index in range(count)]


KINDS = ("general", "unicode", "split")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", (0, 1, 5))
def test_items_come_in_their_order(builder: Builder, dicts: Dicts, kind: str, count: int) -> None:
    entries = pairs(builder, count)
    assert list(dicts.items(builder.dict(entries, kind))) == entries


# The widths of an index: one byte up to 128 slots, two up to 32768, four from 65536 on.
@pytest.mark.parametrize("log2_size", (3, 7, 8, 15, 16, 17))
@pytest.mark.parametrize("kind", ("general", "unicode"))
def test_every_width_of_an_index(builder: Builder, dicts: Dicts, kind: str, log2_size: int) -> None:
    entries = pairs(builder, 5)
    assert list(dicts.items(builder.dict(entries, kind, log2_size))) == entries


@pytest.mark.parametrize("kind", KINDS)
def test_deleted_entries_are_left_out(builder: Builder, dicts: Dicts, kind: str) -> None:
    entries = pairs(builder, 6)
    # A split table keeps the key of an attribute that this instance does not have.
    gone = [(key if kind == "split" else 0, 0) for key, _value in entries]
    made = builder.dict([gone[0], entries[1], gone[2], gone[3], entries[4], gone[5]], kind)
    assert list(dicts.items(made)) == [entries[1], entries[4]]


def test_keys_that_are_no_text_are_given_too(builder: Builder, dicts: Dicts) -> None:
    entries = [(builder.int(1), builder.int(2)), (builder.none(), builder.none())]
    assert list(dicts.items(builder.dict(entries))) == entries


@pytest.mark.parametrize("kind", KINDS)
def test_get(builder: Builder, dicts: Dicts, kind: str) -> None:
    entries = pairs(builder, 3) + [(builder.text("имя"), builder.int(7)), (builder.text(""), builder.int(8))]
    made = builder.dict(entries, kind)
    assert [dicts.get(made, name) for name in ("a0", "a2", "имя", "", "a3", "A0")] == [
        entries[0][1], entries[2][1], entries[3][1], entries[4][1], None, None]


def test_get_passes_over_keys_that_cannot_be_read(builder: Builder, dicts: Dicts) -> None:
    wanted = (builder.text("b"), builder.int(1))
    number = builder.int(1)
    damaged = builder.text("c")
    builder.set(damaged, "PyObject", "ob_type", 0x1000)
    # An int whose digit lies where a str has its length.
    made = builder.dict([(0x1000, number), (number, number), (builder.none(), number), (damaged, number),
                         wanted])
    assert dicts.get(made, "b") == wanted[1]
    assert dicts.get(made, "c") is None


def test_an_ordered_dict_is_a_dict(builder: Builder, dicts: Dicts) -> None:
    entries = pairs(builder, 2)
    made = builder.dict(entries)
    builder.set(made, "PyObject", "ob_type", builder.type("collections.OrderedDict", DICT))
    assert list(dicts.items(made)) == entries


# A class' attributes may be set in another order than the first instance's: 3.11 and later keep that order.
@pytest.mark.parametrize("table", [name for name in IDS if TABLES[name].name.version >= (3, 11)])
def test_a_split_table_has_an_order_of_its_own(table: str) -> None:
    builder = Builder(TABLES[table])
    entries = pairs(builder, 4)
    made = builder.dict(entries, "split", order=[2, 0, 3, 1])
    assert list(reader_of(builder).items(made)) == [entries[2], entries[0], entries[3], entries[1]]


# Damage.


@pytest.mark.parametrize("order", ([4], [0, 255], [7, 0, 1]))
def test_an_order_of_attributes_that_are_not_there(builder: Builder, dicts: Dicts, order: List[int]) -> None:
    if builder.version >= (3, 11):
        made = builder.dict(pairs(builder, 4), "split", order=order)
        with pytest.raises(Damaged, match="not there"):
            list(dicts.items(made))


@pytest.mark.parametrize("count", (-1, 1 << 60, objects_module.MAX_ITEMS + 1))
def test_an_impossible_number_of_entries(builder: Builder, dicts: Dicts, count: int) -> None:
    made = builder.dict(pairs(builder, 2))
    keys = dicts._reader.pointer(made, "PyDictObject", "ma_keys")
    builder.set(keys, "PyDictKeysObject", "dk_nentries", count)
    with pytest.raises(Damaged, match="entries"):
        list(dicts.items(made))


def test_an_impossible_number_of_slots(builder: Builder, dicts: Dicts) -> None:
    keys = builder.keys(pairs(builder, 2))
    made = builder.dict_of(keys)
    if builder.version >= (3, 11):
        builder.set(keys, "PyDictKeysObject", "dk_log2_index_bytes", 60)
        with pytest.raises(Damaged, match="bytes of indices"):
            list(dicts.items(made))
        return
    for slots in (1 << 60, 7, 9):
        builder.set(keys, "PyDictKeysObject", "dk_size", slots)
        with pytest.raises(Damaged, match="slots"):
            list(dicts.items(made))


def test_keys_or_values_that_are_not_mapped(builder: Builder, dicts: Dicts) -> None:
    for keys, values in ((0, 0), (0x1000, 0), (builder.keys(pairs(builder, 2)), 0x1000)):
        made = builder.dict_of(keys, values)
        with pytest.raises(Unreadable):
            list(dicts.items(made))
        with pytest.raises(Unreadable):
            dicts.get(made, "a1")


def test_what_is_no_dict(builder: Builder, dicts: Dicts) -> None:
    for stray in (builder.text("x"), builder.list([]), builder.none()):
        with pytest.raises(Damaged, match="instead of dict"):
            dicts.items(stray)


def test_entries_before_an_unreadable_page_are_given(builder: Builder, dicts: Dicts) -> None:
    entries = pairs(builder, 1) * 1000
    made = builder.dict(entries, "general", 10)
    end = builder.allocate(1)
    builder.memory.make_unreadable(end // PAGE * PAGE - PAGE, PAGE)
    found = []
    with pytest.raises(Unreadable):
        for item in dicts.items(made):
            found.append(item)
    assert 0 < len(found) < 1000 and set(found) == {entries[0]}


# Attributes.

WAYS = ("own", "dict", "offset")


@pytest.mark.parametrize("way", WAYS)
def test_attributes(builder: Builder, dicts: Dicts, way: str) -> None:
    name, other = builder.text("worker"), builder.int(1)
    made = builder.instance("Thread", {"_name": name, "_other": other}, way)
    assert dicts.attribute(made, "_name") == name
    assert dicts.attribute(made, "_other") == other
    assert dicts.attribute(made, "_missing") is None


@pytest.mark.parametrize("table", [name for name in IDS if TABLES[name].name.version >= (3, 13)])
def test_the_word_of_a_managed_dictionary(table: str) -> None:
    """Free-threaded objects have no GC head, and the word lies right before them."""
    builder = Builder(TABLES[table])
    dicts = reader_of(builder)
    own, other = builder.int(1), builder.int(2)
    made = builder.instance("Thread", {"_name": own})
    dictionary = builder.namespace({"_name": other})
    words = {distance: builder.memory.u64(made - distance) for distance in (8, 16, 24)}
    for distance, word in words.items():
        builder.u64(made - distance, dictionary)
        right = distance == (8 if builder.free_threaded else 24)
        assert dicts.attribute(made, "_name") == (other if right else own)
        builder.u64(made - distance, word)


@pytest.mark.parametrize("way", WAYS)
def test_an_attribute_that_another_instance_has(builder: Builder, dicts: Dicts, way: str) -> None:
    other = builder.int(1)
    made = builder.instance("Thread", {"_name": 0, "_other": other}, way)
    assert dicts.attribute(made, "_name") is None
    assert dicts.attribute(made, "_other") == other


@pytest.mark.parametrize("way", ("none", "offset"))
def test_an_instance_without_a_dictionary_yet(builder: Builder, dicts: Dicts, way: str) -> None:
    made = builder.instance("Thread", {"_name": builder.text("x")}, way)
    head = builder.layout["PyObject"].size
    if way == "offset" or builder.version < (3, 11):
        builder.u64(made + head, 0)
    assert dicts.attribute(made, "_name") is None


def test_an_object_without_attributes(builder: Builder, dicts: Dicts) -> None:
    for made in (builder.none(), builder.text("x"), builder.tuple([])):
        assert dicts.attribute(made, "_name") is None


def test_attributes_of_an_object_that_is_not_mapped(builder: Builder, dicts: Dicts) -> None:
    with pytest.raises(Unreadable):
        dicts.attribute(0x1000, "_name")
    made = builder.instance("Thread", {"_name": builder.text("x")}, "offset")
    builder.u64(made + builder.layout["PyObject"].size, 0x1000)
    with pytest.raises(Unreadable):
        dicts.attribute(made, "_name")


def test_a_dictionary_slot_that_holds_something_else(builder: Builder, dicts: Dicts) -> None:
    made = builder.instance("Thread", {"_name": builder.text("x")}, "offset")
    builder.u64(made + builder.layout["PyObject"].size, builder.none())
    with pytest.raises(Damaged, match="instead of dict"):
        dicts.attribute(made, "_name")


def test_a_managed_dictionary_before_there_were_any(builder: Builder, dicts: Dicts) -> None:
    if builder.version < (3, 11):
        made = builder.object(builder.type("Odd", 1 << 4, 16, 0))
        with pytest.raises(Damaged, match="managed dictionary"):
            dicts.attribute(made, "_name")


def test_shared_keys_that_are_damaged(builder: Builder, dicts: Dicts) -> None:
    if builder.version < (3, 11):
        return
    made = builder.instance("Thread", {"_name": builder.text("x")})
    type_ = dicts._objects.type_of(made)
    for keys in (0, 0x1000):
        builder.set(type_.address, "PyHeapTypeObject", "ht_cached_keys", keys)
        with pytest.raises(READ_ERRORS):
            dicts.attribute(made, "_name")


def test_the_largest_table_that_is_believed(builder: Builder, dicts: Dicts) -> None:
    assert dicts_module.MAX_LOG2_SIZE == 32
    if builder.version < (3, 11):
        keys = builder.keys(pairs(builder, 1))
        builder.set(keys, "PyDictKeysObject", "dk_size", 1 << 32)
        with pytest.raises(Unreadable):
            list(dicts.items(builder.dict_of(keys)))
