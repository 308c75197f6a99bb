"""gdbext.cpython.objects: types, str, int, bytes, tuple and list of every build that there is a table for."""

import pytest

from gdbext.cpython import objects as objects_module
from gdbext.cpython.memory import PAGE, Damaged, Unreadable
from gdbext.cpython.objects import Objects
from gdbext.cpython.reader import Reader
from gdbext.layout.layout import Layout, MissingField, Source, Struct
from tests.unit.builder import IDS, LONG, TABLES, TUPLE, UNICODE, Builder, FakeMemory, Text

MANY = (1, 2**10, -2**15, 2**15 - 1, 2**15, 2**30 - 1, 2**30, 2**30 + 1, -(2**30), 2**45, 2**60 - 1, 2**60,
        -(2**63), 2**64, 2**100, -(2**100) - 1, 3**500, -(7**301))


@pytest.fixture(params=IDS)
def builder(request: pytest.FixtureRequest) -> Builder:
    """A builder for each table."""
    return Builder(TABLES[request.param])


@pytest.fixture
def objects(builder: Builder) -> Objects:
    """Reads what the builder makes."""
    return Objects(Reader(builder.memory, builder.layout))


def test_a_type(builder: Builder, objects: Objects) -> None:
    made = builder.type("collections.OrderedDict", 1 << 29 | 1 << 5, 112, -8)
    found = objects.type_of(builder.object(made))
    assert found == (made, "collections.OrderedDict", 1 << 29 | 1 << 5, 112, -8)


def test_a_type_is_read_once(builder: Builder, objects: Objects) -> None:
    made = builder.type("thing")
    assert objects.type_of(builder.object(made)) is objects.type_of(builder.object(made))


def test_a_type_name_that_is_not_utf8_or_has_no_end(builder: Builder, objects: Objects) -> None:
    made = builder.type("a")
    builder.set(made, "PyTypeObject", "tp_name", builder.raw(b"a\xff\xfe\0"))
    assert objects.type_of(builder.object(made)).name == "a\\xff\\xfe"
    endless = builder.type("b")
    builder.set(endless, "PyTypeObject", "tp_name", builder.raw(b"b" * 5000))
    assert objects.type_of(builder.object(endless)).name == "b" * objects_module.MAX_TYPE_NAME


def test_an_object_whose_type_is_not_mapped(builder: Builder, objects: Objects) -> None:
    for pointer in (0, 8, 0x1000, (1 << 64) - 8):
        stray = builder.object(pointer)
        for read in (objects.type_of, objects.text, objects.integer, objects.data,
                     objects.tuple_items, objects.list_items):
            with pytest.raises(Unreadable):
                read(stray)
    with pytest.raises(Unreadable):
        objects.type_of(0)


def test_an_object_of_another_type_is_refused(builder: Builder, objects: Objects) -> None:
    text, number, data = builder.text("x"), builder.int(1), builder.bytes(b"x")
    tuple_, list_ = builder.tuple([]), builder.list([])
    readers = {objects.text: text, objects.integer: number, objects.data: data, objects.tuple_items: tuple_,
               objects.list_items: list_}
    for read, right in readers.items():
        read(right)
        for other in readers.values():
            if other != right:
                with pytest.raises(Damaged, match="instead of"):
                    read(other)


def test_expect_exactly(builder: Builder, objects: Objects) -> None:
    code = builder.object(builder.type("code"))
    objects.expect_exactly(code, "code")
    with pytest.raises(Damaged, match="'code' object instead of module"):
        objects.expect_exactly(code, "module")


# str.

TEXTS = {
    "empty": "", "ascii": "hello", "nul": "a\0b", "control": "\x1b[31m\n", "latin-1": "h\xe9llo \xff",
    "ucs2": "привет мир \uffff", "cjk": "漢字", "ucs4": "snake \U0001f40d", "last": "\U0010ffff",
    "lone surrogate": "a\udc80b", "only surrogates": "\ud800", "reversed pair": "\ude00\ud83d",
    "astral with surrogate": "\U0001f40d\ud800", "long": "x" * 100_000, "long ucs2": "я" * (PAGE + 3),
}


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS)
def test_text(builder: Builder, objects: Objects, value: str) -> None:
    assert objects.text(builder.text(value)) == value


def test_a_pair_of_lone_surrogates_stays_two_characters(builder: Builder, objects: Objects) -> None:
    # What json.loads() or surrogateescape can leave: of kind 2, and no character beyond U+FFFF.
    assert objects.text(builder.text("\ud83d\ude00")) == "\ud83d\ude00"


@pytest.mark.parametrize("value", list(TEXTS.values())[1:], ids=list(TEXTS)[1:])
def test_text_whose_characters_lie_elsewhere(builder: Builder, objects: Objects, value: str) -> None:
    # Up to 3.11 one made by the old API, and in every version an instance of a subclass of str.
    assert objects.text(builder.text(Text(value, "legacy"))) == value
    subclass = builder.type("Name", UNICODE)
    assert objects.text(builder.text(Text(value, "legacy"), subclass)) == value


@pytest.mark.parametrize("value", ("", "wide", "\U0001f40d и"))
def test_text_that_is_not_ready(builder: Builder, objects: Objects, value: str) -> None:
    if builder.version < (3, 12):
        assert objects.text(builder.text(Text(value, "wstr"))) == value


def test_text_of_impossible_kind_or_length(builder: Builder, objects: Objects) -> None:
    for kind in (0, 3, 5, 7):
        made = builder.text(Text("abc"))
        builder.set(made, "PyASCIIObject", "state.kind", kind)
        with pytest.raises((Damaged, Unreadable)):
            objects.text(made)
    for length in (-1, 1 << 60, -(1 << 63), objects_module.MAX_TEXT + 1):
        made = builder.text(Text("abc"))
        builder.set(made, "PyASCIIObject", "length", length)
        with pytest.raises(Damaged, match="length"):
            objects.text(made)


def test_text_that_its_own_marks_contradict(builder: Builder, objects: Objects) -> None:
    """ASCII that is none; a length after which the text goes on."""
    made = builder.text(Text("abc"))
    builder.write(made + builder.layout["PyASCIIObject"].size + 1, b"\xfa")
    with pytest.raises(Damaged, match="impossible characters"):
        objects.text(made)
    for value in ("abcd", "\xe9\xe9\xe9\xe9", "яяяя"):
        made = builder.text(Text(value))
        builder.set(made, "PyASCIIObject", "length", 3)
        with pytest.raises(Damaged, match="does not end"):
            objects.text(made)


def test_text_beyond_unicode(builder: Builder, objects: Objects) -> None:
    made = builder.text(Text("\U0001f40d"))
    builder.write(made + builder.layout["PyCompactUnicodeObject"].size, b"\xff\xff\xff\x7f")
    with pytest.raises(Damaged, match="impossible characters"):
        objects.text(made)


def test_text_whose_characters_cannot_be_read(builder: Builder, objects: Objects) -> None:
    made = builder.text(Text("abc", "legacy"))
    builder.set(made, "PyUnicodeObject", "data", 0x1000)
    with pytest.raises(Unreadable):
        objects.text(made)
    # One that reaches into an unreadable page.
    long = builder.text("y" * (3 * PAGE))
    assert objects.text(long) == "y" * (3 * PAGE)
    builder.memory.make_unreadable((long + 2 * PAGE) // PAGE * PAGE, PAGE)
    with pytest.raises(Unreadable):
        objects.text(long)
    assert objects.text(builder.text("other")) == "other"


# int.


@pytest.mark.parametrize("value", (0, -1) + MANY)
def test_int(builder: Builder, objects: Objects, value: int) -> None:
    assert objects.integer(builder.int(value)) == value


@pytest.mark.parametrize("value", (0, -1) + MANY)
def test_int_with_digits_of_15_bits(builder: Builder, value: int) -> None:
    builder.use_15_bit_digits()
    assert Objects(Reader(builder.memory, builder.layout)).integer(builder.int(value)) == value


def test_bool_is_an_int(builder: Builder, objects: Objects) -> None:
    bool_ = builder.type("bool", LONG)
    assert objects.integer(builder.int(1, bool_)) == 1


@pytest.mark.parametrize("count", (1 << 60, (1 << 60) - 1, 1 << 17))
def test_int_of_impossible_size(builder: Builder, objects: Objects, count: int) -> None:
    made = builder.int(5)
    if builder.version >= (3, 12):
        builder.set(made, "PyLongObject", "long_value.lv_tag", count << 3)
    else:
        builder.set(made, "PyVarObject", "ob_size", -count)
    with pytest.raises(Damaged, match="digits"):
        objects.integer(made)


def test_int_with_digits_of_unknown_size(builder: Builder) -> None:
    struct = builder.layout["PyLongObject"]
    made = builder.int(5)
    builder.layout.replace("PyLongObject", Struct(struct.name, struct.size, {
        path: (field[0], 3) if path.endswith("ob_digit") else field
        for path, field in struct.fields.items()}))
    with pytest.raises(Damaged, match="3 bytes"):
        Objects(Reader(builder.memory, builder.layout)).integer(made)


# bytes, tuple, list.


@pytest.mark.parametrize("value", (b"", b"abc", b"\0\xff" * 5000))
def test_bytes(builder: Builder, objects: Objects, value: bytes) -> None:
    assert objects.data(builder.bytes(value)) == value


def test_tuple_and_list(builder: Builder, objects: Objects) -> None:
    items = [builder.int(index) for index in range(5)]
    for count in (0, 1, 5):
        assert objects.tuple_items(builder.tuple(items[:count])) == items[:count]
        assert objects.list_items(builder.list(items[:count])) == items[:count]


def test_null_items_are_given_as_they_are(builder: Builder, objects: Objects) -> None:
    # As in a tuple that is being built.
    item = builder.int(1)
    assert objects.tuple_items(builder.tuple([0, item, 0])) == [0, item, 0]
    assert objects.list_items(builder.list([item, 0])) == [item, 0]


def test_a_named_tuple_is_a_tuple(builder: Builder, objects: Objects) -> None:
    made = builder.tuple([1, 2])
    builder.set(made, "PyObject", "ob_type", builder.type("Point", TUPLE))
    assert objects.tuple_items(made) == [1, 2]


@pytest.mark.parametrize("size", (-1, 1 << 60, -(1 << 63), (1 << 63) - 1))
def test_impossible_sizes(builder: Builder, objects: Objects, size: int) -> None:
    for read, made in ((objects.data, builder.bytes(b"abc")), (objects.tuple_items, builder.tuple([1])),
                       (objects.list_items, builder.list([1]))):
        builder.set(made, "PyVarObject", "ob_size", size)
        with pytest.raises(Damaged, match="impossible size"):
            read(made)


def test_items_that_cannot_be_read(builder: Builder, objects: Objects) -> None:
    made = builder.list([1, 2])
    builder.set(made, "PyListObject", "ob_item", 0)
    with pytest.raises(Unreadable):
        objects.list_items(made)
    # A size that is possible, but leads out of the mapped memory.
    tuple_ = builder.tuple([1])
    builder.set(tuple_, "PyVarObject", "ob_size", objects_module.MAX_ITEMS)
    with pytest.raises(Unreadable):
        objects.tuple_items(tuple_)


# The layout itself.


def test_a_layout_without_a_structure_or_field_says_which() -> None:
    structs = {"PyObject": Struct("PyObject", 16, {"ob_type": (8, 8)})}
    layout = Layout(Source("table"), structs.get)
    with pytest.raises(MissingField, match="no structure PyVarObject"):
        Objects(Reader(FakeMemory(), layout))
    with pytest.raises(MissingField, match="PyObject has no field ob_refcnt or refcount"):
        layout["PyObject"].field("ob_refcnt", "refcount")
