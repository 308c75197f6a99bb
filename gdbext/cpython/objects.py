"""Python objects that the interpreter's own structures are made of: type, str, int, bytes, tuple, list.

Every reader checks the type's flags first, so that a stray pointer is an error and not an answer.
"""

from typing import Callable, Dict, List, NamedTuple, Tuple

from .memory import Damaged, Unreadable
from .reader import Reader

# Bits of tp_flags (Include/object.h), the same in every version that has them.
INLINE_VALUES = 1 << 2
MANAGED_DICT = 1 << 4
HEAP_TYPE = 1 << 9
LONG_SUBCLASS = 1 << 24
LIST_SUBCLASS = 1 << 25
TUPLE_SUBCLASS = 1 << 26
BYTES_SUBCLASS = 1 << 27
UNICODE_SUBCLASS = 1 << 28
DICT_SUBCLASS = 1 << 29
BASE_EXCEPTION_SUBCLASS = 1 << 30
TYPE_SUBCLASS = 1 << 31

# Names, paths and messages are shorter; what a damaged length would have us read is not.
MAX_TEXT = 1 << 20
# Names and paths are whole up to PATH_MAX. A longer one is cut here, where its length is known, so far that it is
# not cut once more when it is shown (render/text.py).
MAX_NAME = 4096
CUT_NAME = 900
MAX_BYTES = 1 << 24
MAX_ITEMS = 1 << 24
MAX_DIGITS = 1 << 16
# No machine has memory for more items in one container.
MAX_COUNT = 1 << 42
MAX_TYPE_NAME = 512

# No machine has memory for a longer str or bytes.
_MAX_LENGTH = 1 << 44

# Size in bytes of the C type wchar_t on every platform that gdbext reads.
_WCHAR = 4

# By the bytes of a character.
_ENCODINGS = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}


class Type(NamedTuple):
    """What is needed of a type object; sizes in bytes.

    `name` is tp_name, module included for a static type. It is empty where it can't be read: that of
    a static type lies in its image, which a core does not hold.
    """

    address: int
    name: str
    flags: int
    basic_size: int
    dict_offset: int


class Objects:
    """Reads objects by their address. All methods raise Unreadable, Damaged or MissingField."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._types: Dict[int, Type] = {}
        # Finds the name of a static type whose tp_name can't be read, "" where that can't be found either.
        self.name_otherwise: Callable[[int], str] = lambda address: ""
        layout = reader.layout
        self._ob_type = layout["PyObject"].offset("ob_type")
        self._ob_size = layout["PyVarObject"].offset("ob_size")

    def type_of(self, address: int) -> Type:
        """The type of the object at `address`."""
        pointer = self.reader.memory.u64(address + self._ob_type)
        return self.type_at(pointer)

    def type_at(self, address: int) -> Type:
        """The type object at `address`."""
        found = self._types.get(address)
        if found is None:
            found = self._types[address] = self._read_type(address)
        return found

    def _read_type(self, address: int) -> Type:
        reader = self.reader
        try:
            name = reader.memory.c_string(reader.pointer(address, "PyTypeObject", "tp_name"), MAX_TYPE_NAME)
        except Unreadable:
            name = b""
        if not name:
            # Then at least it has to be a type: its own type is one whose instances are types.
            metatype = reader.memory.u64(address + self._ob_type)
            if not reader.integer(metatype, "PyTypeObject", "tp_flags") & TYPE_SUBCLASS:
                raise Damaged(address, "no type object")
        return Type(
            address,
            name.decode("utf-8", "backslashreplace") or self.name_otherwise(address),
            reader.integer(address, "PyTypeObject", "tp_flags"),
            reader.integer(address, "PyTypeObject", "tp_basicsize", signed=True),
            reader.integer(address, "PyTypeObject", "tp_dictoffset", signed=True),
        )

    def forget_nameless(self) -> None:
        """Forget the types that were read without a name: it may be known now."""
        self._types = {address: type_ for address, type_ in self._types.items() if type_.name}

    def expect(self, address: int, flag: int, what: str) -> Type:
        """The type of the object at `address`, which must have `flag`. Raises Damaged."""
        found = self.type_of(address)
        if not found.flags & flag:
            raise Damaged(address, f"{found.name!r} object instead of {what}")
        return found

    def expect_exactly(self, address: int, name: str) -> None:
        """Raise Damaged unless the object is of the static type called `name`, or of one that can't be told."""
        found = self.type_of(address)
        if found.name not in (name, ""):
            raise Damaged(address, f"{found.name!r} object instead of {name}")

    def size(self, address: int) -> int:
        """ob_size, as it stands."""
        return self.reader.memory.integer(address + self._ob_size, 8, signed=True)

    def count(self, address: int) -> int:
        """How many items a tuple or deque has. Raises Damaged for what can't be."""
        return self._bounded_size(address, MAX_COUNT, "container")

    def list_count(self, address: int) -> int:
        """The same of a list, which has no more than was allocated for it."""
        count = self.count(address)
        # While it is sorted a list has no items, and -1 allocated.
        if count > max(self.reader.integer(address, "PyListObject", "allocated", signed=True), 0):
            raise Damaged(address, f"list of {count} items with room for fewer")
        return count

    def _bounded_size(self, address: int, limit: int, what: str) -> int:
        size = self.size(address)
        if not 0 <= size <= limit:
            raise Damaged(address, f"{what} of impossible size {size}")
        return size

    def text(self, address: int) -> str:
        """The characters of a str; lone surrogates stay."""
        data, length, kind, encoding = self._characters(address)
        if length > MAX_TEXT:
            raise Damaged(address, f"str of length {length}")
        # A null character that does not count is at its end (PyUnicode_New in Objects/unicodeobject.c).
        text = self._read_text(address, data, length + 1, kind, encoding)
        if text[-1] != "\0":
            raise Damaged(address, f"str that does not end after {length} characters")
        return text[:-1]

    def name(self, address: int) -> str:
        """The characters of a str that is a name or a path, for people; what is cut of a longer one is told of."""
        data, length, kind, encoding = self._characters(address)
        if length <= MAX_NAME:
            return self.text(address)
        if any(self.reader.memory.read(data + length * kind, kind)):
            raise Damaged(address, f"str that does not end after {length} characters")
        return f"{self._read_text(address, data, CUT_NAME, kind, encoding)}... ({length} characters)"

    def characters(self, address: int) -> bytes:
        """The characters of a str as they lie in memory, those of a name or a path at the most."""
        data, length, kind, _encoding = self._characters(address)
        if length > MAX_NAME:
            raise Damaged(address, f"str of length {length}")
        return self.reader.memory.read(data, length * kind)

    def text_start(self, address: int, most: int) -> Tuple[str, int]:
        """The first characters of a str, `most` of them at the most, and how many it has."""
        data, length, kind, encoding = self._characters(address)
        return self._read_text(address, data, min(length, most), kind, encoding), length

    def _characters(self, address: int) -> Tuple[int, int, int, str]:
        """Where a str has its characters, how many, the size of each in bytes, and how they are encoded."""
        self.expect(address, UNICODE_SUBCLASS, "str")
        reader = self.reader
        length = reader.integer(address, "PyASCIIObject", "length", signed=True)
        kind = reader.integer(address, "PyASCIIObject", "state.kind")
        compact = reader.integer(address, "PyASCIIObject", "state.compact")
        layout = reader.layout
        ascii_ = 0
        if compact:
            ascii_ = reader.integer(address, "PyASCIIObject", "state.ascii")
            struct = "PyASCIIObject" if ascii_ else "PyCompactUnicodeObject"
            data = address + layout[struct].size
        elif kind == 0 and reader.has("PyASCIIObject", "wstr"):
            # A string made by the old API and not yet "ready" (PEP 623 removed these in 3.12).
            kind = _WCHAR
            length = reader.integer(address, "PyCompactUnicodeObject", "wstr_length", signed=True)
            data = reader.pointer(address, "PyASCIIObject", "wstr")
        else:
            data = reader.pointer(address, "PyUnicodeObject", "data")
        if kind not in _ENCODINGS or ascii_ and kind != 1 or not 0 <= length <= _MAX_LENGTH:
            raise Damaged(address, f"str of kind {kind} and length {length}")
        return data, length, kind, "ascii" if ascii_ else _ENCODINGS[kind]

    def _read_text(self, address: int, data: int, length: int, kind: int, encoding: str) -> str:
        raw = self.reader.memory.read(data, length * kind)
        try:
            return _decoded(raw, length, encoding)
        except ValueError:
            raise Damaged(address, "str with impossible characters") from None

    def data(self, address: int) -> bytes:
        """The contents of a bytes object."""
        self.expect(address, BYTES_SUBCLASS, "bytes")
        size = self._bounded_size(address, MAX_BYTES, "bytes")
        return self.reader.memory.read(address + self.reader.layout["PyBytesObject"].offset("ob_sval"), size)

    def data_start(self, address: int, most: int) -> Tuple[bytes, int]:
        """The first bytes of a bytes object, `most` of them at the most, and how many it has."""
        self.expect(address, BYTES_SUBCLASS, "bytes")
        size = self._bounded_size(address, _MAX_LENGTH, "bytes")
        start = address + self.reader.layout["PyBytesObject"].offset("ob_sval")
        return self.reader.memory.read(start, min(size, most)), size

    def integer(self, address: int) -> int:
        """The value of an int."""
        self.expect(address, LONG_SUBCLASS, "int")
        reader = self.reader
        struct = reader.layout["PyLongObject"]
        if "long_value.lv_tag" in struct:
            # 3.12 (gh-101291): the sign in the two lowest bits, 0 positive, 1 zero, 2 negative.
            tag = reader.pointer(address, "PyLongObject", "long_value.lv_tag")
            count, negative = tag >> 3, tag & 3 == 2
            if tag & 3 == 1:
                count = 0
        else:
            size = self.size(address)
            count, negative = abs(size), size < 0
        if count > MAX_DIGITS:
            raise Damaged(address, f"int of {count} digits")
        offset, digit_size = struct.field("long_value.ob_digit", "ob_digit")[:2]
        bits = {2: 15, 4: 30}.get(digit_size)
        if bits is None:
            raise Damaged(address, f"int with digits of {digit_size} bytes")
        raw = reader.memory.read(address + offset, count * digit_size)
        value = _joined(list(memoryview(raw).cast("H" if digit_size == 2 else "I")), bits)
        return -value if negative else value

    def tuple_items(self, address: int) -> List[int]:
        """The addresses of a tuple's items."""
        self.expect(address, TUPLE_SUBCLASS, "tuple")
        count = self._bounded_size(address, MAX_ITEMS, "tuple")
        return self.pointers(address + self.reader.layout["PyTupleObject"].offset("ob_item"), count)

    def list_items(self, address: int) -> List[int]:
        """The addresses of a list's items."""
        self.expect(address, LIST_SUBCLASS, "list")
        count = self._bounded_size(address, MAX_ITEMS, "list")
        return self.pointers(self.reader.pointer(address, "PyListObject", "ob_item"), count)

    def pointers(self, address: int, count: int) -> List[int]:
        """`count` pointers that lie one after the other."""
        return list(memoryview(self.reader.memory.read(address, 8 * count)).cast("Q"))


def _joined(digits: List[int], bits: int) -> int:
    """The number of these digits, the least significant first, each of so many bits."""
    while len(digits) > 1:
        if len(digits) % 2:
            digits.append(0)
        # Pairs at a time: one after the other would take time in the square of their number.
        digits = [low | high << bits for low, high in zip(digits[::2], digits[1::2])]
        bits *= 2
    return digits[0] if digits else 0


def _decoded(raw: bytes, length: int, encoding: str) -> str:
    """The `length` characters that `raw` has. Raises ValueError."""
    text = raw.decode(encoding, "surrogatepass")
    if len(text) != length:
        # Two lone surrogates in a row, which UTF-16 takes for one character and Python does not.
        text = "".join(map(chr, memoryview(raw).cast("H")))
    return text
