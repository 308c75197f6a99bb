"""Dictionaries and the attributes of instances.

A dictionary's keys object holds the entries in insertion order. Its shape changed twice, and
where an instance keeps its attributes changed with every minor release since 3.11; each shape
is a small class, chosen once for an interpreter by what its layout has.
Facts: Objects/dictobject.c, Include/internal/pycore_dict.h, Include/internal/pycore_object.h.
"""

from typing import Iterable, Iterator, Optional, Sequence, Tuple

from .memory import Damaged
from .objects import DICT_SUBCLASS, INLINE_VALUES, MANAGED_DICT, Objects, Type
from .reader import READ_ERRORS, Reader

Item = Tuple[int, int]

# dk_log2_size of a table with 2**32 slots: beyond any dictionary that fits a machine.
MAX_LOG2_SIZE = 32
MAX_ENTRIES = 1 << MAX_LOG2_SIZE

_KIND_GENERAL = 0

# Size of a pointer in bytes, and what objects are aligned to.
_POINTER = 8


class _SizedKeys:
    """Up to 3.10: dk_size slots, an index as narrow as the size allows."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._indices = reader.layout["PyDictKeysObject"].offset("dk_indices")
        self._entry = reader.layout["PyDictKeyEntry"]

    def slots(self, keys: int) -> int:
        """The size of the table: more entries than that it can't have."""
        return self._reader.pointer(keys, "PyDictKeysObject", "dk_size")

    def entries(self, keys: int) -> Tuple[int, int, int, int]:
        """(address of the entries, size of one, offset of its key, offset of its value)."""
        size = self._reader.pointer(keys, "PyDictKeysObject", "dk_size")
        if size > 1 << MAX_LOG2_SIZE or size & (size - 1):
            raise Damaged(keys, f"dict with {size} slots")
        width = 1 if size <= 0xFF else 2 if size <= 0xFFFF else 4
        entry = self._entry
        return keys + self._indices + size * width, entry.size, entry.offset("me_key"), entry.offset("me_value")


class _LoggedKeys:
    """3.11 and later (bpo-46845): sizes as logarithms, and shorter entries where all keys are str."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._indices = reader.layout["PyDictKeysObject"].offset("dk_indices")
        self._general = reader.layout["PyDictKeyEntry"]
        self._unicode = reader.layout["PyDictUnicodeEntry"]

    def slots(self, keys: int) -> int:
        """The size of the table: more entries than that it can't have."""
        return 1 << min(self._reader.integer(keys, "PyDictKeysObject", "dk_log2_size"), MAX_LOG2_SIZE)

    def entries(self, keys: int) -> Tuple[int, int, int, int]:
        """(address of the entries, size of one, offset of its key, offset of its value)."""
        log2 = self._reader.integer(keys, "PyDictKeysObject", "dk_log2_index_bytes")
        if log2 > MAX_LOG2_SIZE + 2:
            raise Damaged(keys, f"dict with 2**{log2} bytes of indices")
        kind = self._reader.integer(keys, "PyDictKeysObject", "dk_kind")
        entry = self._general if kind == _KIND_GENERAL else self._unicode
        return keys + self._indices + (1 << log2), entry.size, entry.offset("me_key"), entry.offset("me_value")


class _Values:
    """Up to 3.10: the values of a split table are a bare array, set in the order of the keys."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def items_at(self, values: int) -> int:
        """The address of the array of values."""
        return values

    def order(self, values: int, count: int) -> Sequence[int]:
        """The places in the array that were set, in the order in which they were."""
        return range(count)


class _ValuesWithPrefix(_Values):
    """3.11 and 3.12: before the array its size, how much of it is used, and the order, each a byte, backwards."""

    def order(self, values: int, count: int) -> Sequence[int]:
        used = self._reader.memory.integer(values - 2, 1)
        return self._reader.memory.read(values - 2 - used, used)[::-1]


class _ValuesWithHeader(_Values):
    """3.13 and later (gh-115776): a header with capacity and size, the array, then the order."""

    def items_at(self, values: int) -> int:
        return values + self._reader.layout["PyDictValues"].offset("values")

    def order(self, values: int, count: int) -> Sequence[int]:
        used = self._reader.integer(values, "PyDictValues", "size")
        capacity = self._reader.integer(values, "PyDictValues", "capacity")
        return self._reader.memory.read(self.items_at(values) + 8 * capacity, used)


class Dicts:
    """Reads dictionaries and instance attributes. All methods raise Unreadable, Damaged or MissingField."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._reader = reader = objects.reader
        logged = reader.has("PyDictKeysObject", "dk_log2_size")
        self._keys = _LoggedKeys(reader) if logged else _SizedKeys(reader)
        if reader.has("PyDictValues", "capacity"):
            self._values: _Values = _ValuesWithHeader(reader)
        elif reader.layout.find("PyDictValues"):
            self._values = _ValuesWithPrefix(reader)
        else:
            self._values = _Values(reader)
        self._attributes = _attributes_of(self, objects)

    def items(self, address: int) -> Iterator[Item]:
        """The (key, value) addresses of a dict, in its order; deleted entries are left out."""
        self._objects.expect(address, DICT_SUBCLASS, "dict")
        keys = self._reader.pointer(address, "PyDictObject", "ma_keys")
        values = self._reader.pointer(address, "PyDictObject", "ma_values")
        return self.entries(keys, values or None)

    def entries(self, keys: int, values: Optional[int]) -> Iterator[Item]:
        """The items of a keys object; of a split table where `values` is the address of its values."""
        count = self._reader.integer(keys, "PyDictKeysObject", "dk_nentries", signed=True)
        if not 0 <= count <= min(self._keys.slots(keys), MAX_ENTRIES):
            raise Damaged(keys, f"dict with {count} entries")
        entries, size, key_at, value_at = self._keys.entries(keys)
        memory = self._reader.memory
        if values is None:
            places: Iterable[Item] = (
                (entries + index * size, entries + index * size + value_at) for index in range(count))
        else:
            array = self._values.items_at(values)
            order = self._values.order(values, count)
            if any(index >= count for index in order):
                raise Damaged(values, "values of keys that are not there")
            places = [(entries + index * size, array + 8 * index) for index in order]
        for entry, place in places:
            value = memory.u64(place)
            if value:
                yield memory.u64(entry + key_at), value

    def get(self, address: int, name: str) -> Optional[int]:
        """The value of a str key, None where the dict has no such key."""
        return self._search(self.items(address), name)

    def _search(self, items: Iterator[Item], name: str) -> Optional[int]:
        for key, value in items:
            if self._is_text(key, name):
                return value
        return None

    def _is_text(self, key: int, name: str) -> bool:
        """Whether the key is this str. The length settles it for most, without reading the characters."""
        try:
            length = self._reader.pointer(key, "PyASCIIObject", "length")
            return length == len(name) and self._objects.text(key) == name
        except READ_ERRORS:
            return False

    def attributes(self, address: int) -> Iterator[Item]:
        """The (name, value) addresses of an instance's own `__dict__`, none where it has none."""
        return self._attributes.items(address)

    def attribute(self, address: int, name: str) -> Optional[int]:
        """An attribute in the instance's own `__dict__`, None where there is none."""
        return self._search(self._attributes.items(address), name)

    def cached_keys(self, type_: Type) -> int:
        """The keys object that instances of a heap type share."""
        return self._reader.pointer(type_.address, "PyHeapTypeObject", "ht_cached_keys")

    def split_items(self, type_: Type, values: int) -> Iterator[Item]:
        """The attributes of an instance whose values lie at `values`, in a PyDictValues."""
        return self.entries(self.cached_keys(type_), values)


class _OffsetAttributes:
    """Up to 3.10, and types without a managed dictionary since: a pointer at tp_dictoffset."""

    def __init__(self, dicts: Dicts, objects: Objects) -> None:
        self._dicts = dicts
        self._objects = objects

    def items(self, address: int) -> Iterator[Item]:
        """The attributes of the instance."""
        type_ = self._objects.type_of(address)
        memory = self._objects.reader.memory
        if type_.flags & MANAGED_DICT:
            return self._managed(address, type_)
        offset = type_.dict_offset
        if not offset:
            return iter(())
        if offset < 0:
            offset += self._size(address, type_)
        pointer = memory.u64(address + offset)
        return self._dicts.items(pointer) if pointer else iter(())

    def _size(self, address: int, type_: Type) -> int:
        """The size in bytes of a variable-sized object, from whose end a negative offset counts.

        Types derived from int, tuple and bytes have such, up to 3.11 (_PyObject_ComputedDictPointer).
        """
        reader = self._objects.reader
        item_size = reader.integer(type_.address, "PyTypeObject", "tp_itemsize", signed=True)
        size = type_.basic_size + abs(self._objects.size(address)) * item_size
        return -(-size // _POINTER) * _POINTER

    def _managed(self, address: int, type_: Type) -> Iterator[Item]:
        raise Damaged(address, "managed dictionary in a release that has none")


class _TwoWordAttributes(_OffsetAttributes):
    """3.11: before the object's GC head, a pointer to values and one to a dictionary; one of them is set."""

    _dict_at = -24
    _values_at = -32

    def _managed(self, address: int, type_: Type) -> Iterator[Item]:
        memory = self._objects.reader.memory
        values = memory.u64(address + self._values_at)
        if values:
            return self._dicts.split_items(type_, values)
        pointer = memory.u64(address + self._dict_at)
        return self._dicts.items(pointer) if pointer else iter(())


class _TaggedAttributes(_OffsetAttributes):
    """3.12: one word, whose lowest bit tells values (then one byte past the tag) from a dictionary."""

    _word_at = -24

    def _managed(self, address: int, type_: Type) -> Iterator[Item]:
        word = self._objects.reader.memory.u64(address + self._word_at)
        if word & 1:
            return self._dicts.split_items(type_, word + 1)
        return self._dicts.items(word) if word else iter(())


class _InlineAttributes(_OffsetAttributes):
    """3.13 and later (gh-115776): a dictionary, or values that lie within the object at tp_basicsize.

    The word before the object is the nearest one where free-threaded builds have no GC head.
    """

    def __init__(self, dicts: Dicts, objects: Objects) -> None:
        super().__init__(dicts, objects)
        self._word_at = -8 if objects.reader.layout.free_threaded else -24

    def _managed(self, address: int, type_: Type) -> Iterator[Item]:
        reader = self._objects.reader
        pointer = reader.memory.u64(address + self._word_at)
        if pointer:
            return self._dicts.items(pointer)
        values = address + type_.basic_size
        if type_.flags & INLINE_VALUES and reader.integer(values, "PyDictValues", "valid"):
            return self._dicts.split_items(type_, values)
        return iter(())


def _attributes_of(dicts: Dicts, objects: Objects) -> _OffsetAttributes:
    reader = objects.reader
    if reader.has("PyDictValues", "embedded"):
        return _InlineAttributes(dicts, objects)
    # tp_watched came with 3.12, as did the tagged word.
    if reader.has("PyTypeObject", "tp_watched"):
        return _TaggedAttributes(dicts, objects)
    if reader.layout.find("PyDictValues"):
        return _TwoWordAttributes(dicts, objects)
    return _OffsetAttributes(dicts, objects)
