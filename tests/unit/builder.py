"""A made-up CPython in memory that the test makes: what the decoders read, laid out by the tables' offsets.

What each version keeps where is told here by version numbers, from CPython's sources, so that it
stands independently of how gdbext finds out.
"""

from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

from gdbext.cpython.memory import PAGE, Memory, Unreadable
from gdbext.layout import table as tables
from gdbext.layout.layout import Layout, Struct

TABLES: Dict[str, tables.Table] = {name.text: tables.load(name) for name in tables.names()}
IDS = list(TABLES)

HEAP = 0x7F00_0000_0000

# Bits of tp_flags, from Include/object.h.
INLINE_VALUES = 1 << 2
MANAGED_DICT = 1 << 4
LONG, LIST, TUPLE, BYTES, UNICODE, DICT = (1 << bit for bit in range(24, 30))

# How far in front of an object its pre-header reaches in any version.
PRE_HEADER = 32

# Of a _PyStackChunk: previous, size, top.
CHUNK_HEADER = 24

# The tag of a stack reference that owns no count, 3.14 and later; a null reference has it too.
TAG = 1

# The ints that are made once and for all; 3.15 has more of them.
SMALL = range(-5, 257)

# What fills memory that no field describes: small, odd, and neither a pointer nor zero.
JUNK = 0xA5


class FakeMemory(Memory):
    """Segments that the test maps; all else can't be read. `fetched` lists what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.segments: List[Tuple[int, bytearray]] = []
        self.holes: List[Tuple[int, int]] = []
        self.fetched: List[Tuple[int, int]] = []

    def map(self, address: int, data: Union[bytes, bytearray]) -> bytearray:
        """Put bytes at an address; what is returned can be changed, and clear() makes it seen."""
        kept = data if isinstance(data, bytearray) else bytearray(data)
        self.segments.append((address, kept))
        self.clear()
        return kept

    def make_unreadable(self, address: int, size: int) -> None:
        """Take this range away, whatever lies there."""
        self.holes.append((address, address + size))
        self.clear()

    def fetch(self, address: int, size: int) -> bytes:
        self.fetched.append((address, size))
        if not any(start < address + size and address < end for start, end in self.holes):
            for start, data in self.segments:
                if start <= address and address + size <= start + len(data):
                    return bytes(data[address - start:address - start + size])
        raise Unreadable(address, size)


class Text(NamedTuple):
    """How to build a str: one of "compact", "legacy" (data elsewhere) and "wstr" (not ready, up to 3.11)."""

    value: str
    form: str = "compact"


class Builder:
    """Lays out objects of one build. Every method returns the address of what it made."""

    def __init__(self, table: tables.Table, memory: Optional[FakeMemory] = None, base: int = HEAP) -> None:
        self.table = table
        self.version = table.name.version
        self.free_threaded = table.name.free_threaded
        self.layout: Layout = table.layout()
        self.memory = memory or FakeMemory()
        self._base = base
        self._heap = self.memory.map(base, bytearray())
        self._used = 0
        self._types: Dict[str, int] = {}
        self._texts: Dict[str, int] = {}
        # Of code objects, by their addresses.
        self._first_lines: Dict[int, int] = {}
        # The type of types, of which it is itself one.
        self._type_type = self.allocate(self.layout["PyHeapTypeObject"].size)
        self._fill_type(self._type_type, "type", 0, 0, 0)

    # Memory.

    def allocate(self, size: int, fill: int = JUNK, align: int = 16) -> int:
        """New memory, never right behind what was made before; the mapping ends with a page."""
        start = -(-self._used // align) * align
        self._used = start + size + 16
        missing = self._used - len(self._heap)
        if missing > 0:
            self._heap.extend(bytes([JUNK]) * (-(-missing // PAGE) * PAGE))
        if fill != JUNK:
            self._heap[start:start + size] = bytes([fill]) * size
        self.memory.clear()
        return self._base + start

    def write(self, address: int, data: bytes) -> int:
        """Overwrite memory that was allocated."""
        at = address - self._base
        assert 0 <= at and at + len(data) <= len(self._heap)
        self._heap[at:at + len(data)] = data
        self.memory.clear()
        return address

    def u64(self, address: int, value: int) -> int:
        """Write a word."""
        return self.write(address, (value & (1 << 64) - 1).to_bytes(8, "little"))

    def words(self, values: Iterable[int]) -> int:
        """An array of pointers."""
        raw = b"".join((value & (1 << 64) - 1).to_bytes(8, "little") for value in values)
        return self.write(self.allocate(len(raw)), raw)

    def raw(self, data: bytes) -> int:
        """Bytes in memory of their own."""
        return self.write(self.allocate(len(data)), data)

    def set(self, address: int, struct: str, path: str, value: int) -> None:
        """Write one field, a bit field too."""
        field = self.layout[struct].field(path)
        size = field[1]
        if len(field) == 4:
            old = int.from_bytes(self.memory.read(address + field[0], size), "little")
            mask = ((1 << field[3]) - 1) << field[2]
            assert value << field[2] & ~mask == 0
            value = old & ~mask | value << field[2]
        self.write(address + field[0], (value & (1 << 8 * size) - 1).to_bytes(size, "little"))

    def set_first(self, address: int, struct: str, value: int, *paths: str) -> None:
        """Write the first of the named fields that the build has."""
        self.set(address, struct, next(path for path in paths if self.layout.has(struct, path)), value)

    def struct(self, name: str, extra: int = 0, fill: int = JUNK, **fields: int) -> int:
        """A structure of the layout with `extra` bytes behind it."""
        address = self.allocate(self.layout[name].size + extra, fill)
        for path, value in fields.items():
            self.set(address, name, path, value)
        return address

    # Types and plain objects.

    def type(self, name: str, flags: int = 0, basic_size: int = 16, dict_offset: int = 0,
             keys: int = 0) -> int:
        """The type of this name, made once; a heap type where it has shared keys."""
        found = self._types.get(name)
        if found is None:
            found = self._types[name] = self.allocate(self.layout["PyHeapTypeObject"].size)
            self._fill_type(found, name, flags, basic_size, dict_offset)
            self.set(found, "PyHeapTypeObject", "ht_cached_keys", keys)
        return found

    def _fill_type(self, address: int, name: str, flags: int, basic_size: int, dict_offset: int) -> None:
        self.set(address, "PyObject", "ob_type", self._type_type)
        self.set(address, "PyTypeObject", "tp_name", self.raw(name.encode() + b"\0"))
        self.set(address, "PyTypeObject", "tp_flags", flags)
        self.set(address, "PyTypeObject", "tp_basicsize", basic_size)
        self.set(address, "PyTypeObject", "tp_dictoffset", dict_offset)

    def object(self, type_: int, struct: str = "PyObject", extra: int = 0) -> int:
        """An object with its type set and a pre-header in front."""
        address = self.allocate(PRE_HEADER + self.layout[struct].size + extra) + PRE_HEADER
        self.set(address, "PyObject", "ob_type", type_)
        return address

    def none(self) -> int:
        """An object of a type that is nothing else."""
        return self.object(self.type("NoneType"))

    def text(self, value: Union[str, Text], type_: Optional[int] = None) -> int:
        """A str. Equal ones are made once, as interned ones are."""
        made = Text(value) if isinstance(value, str) else value
        if type_ is None and isinstance(value, str) and value in self._texts:
            return self._texts[value]
        largest = max(map(ord, made.value), default=0)
        ascii_ = largest < 128 and made.form == "compact"
        kind = 1 if largest < 256 else 2 if largest < 65536 else 4
        if made.form == "wstr":
            kind = 4
        raw = made.value.encode({1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[kind], "surrogatepass")
        struct = "PyUnicodeObject"
        if made.form == "compact":
            struct = "PyASCIIObject" if ascii_ else "PyCompactUnicodeObject"
        address = self.object(type_ or self.type("str", UNICODE), struct, len(raw) + kind)
        self.set(address, "PyASCIIObject", "length", 0 if made.form == "wstr" else len(made.value))
        self.set(address, "PyASCIIObject", "state.kind", 0 if made.form == "wstr" else kind)
        self.set(address, "PyASCIIObject", "state.compact", made.form == "compact")
        self.set(address, "PyASCIIObject", "state.ascii", ascii_)
        if made.form == "compact":
            self.write(address + self.layout[struct].size, raw + bytes(kind))
        elif made.form == "legacy":
            self.set(address, "PyUnicodeObject", "data", self.raw(raw + bytes(kind)))
        else:
            self.set(address, "PyCompactUnicodeObject", "wstr_length", len(made.value))
            self.set(address, "PyASCIIObject", "wstr", self.raw(raw + bytes(kind)))
        if type_ is None and isinstance(value, str):
            self._texts[value] = address
        return address

    def int(self, value: int, type_: Optional[int] = None) -> int:
        """An int, in the digits that the layout has."""
        bits, width = self._digits()
        digits = []
        rest = abs(value)
        while rest:
            digits.append(rest & (1 << bits) - 1)
            rest >>= bits
        raw = b"".join(digit.to_bytes(width, "little") for digit in digits)
        address = self.object(type_ or self.type("int", LONG), "PyLongObject", len(raw))
        if self.version >= (3, 12):
            # lv_tag: 0 positive, 1 zero, 2 negative; the number of digits from bit 3.
            sign = 1 if value == 0 else 0 if value > 0 else 2
            if self.version >= (3, 14) and value in SMALL:
                # Bit 2: an immortal one.
                sign |= 4
            self.set(address, "PyLongObject", "long_value.lv_tag", len(digits) << 3 | sign)
            at = self.layout["PyLongObject"].offset("long_value.ob_digit")
        else:
            self.set(address, "PyVarObject", "ob_size", len(digits) if value >= 0 else -len(digits))
            at = self.layout["PyLongObject"].offset("ob_digit")
        self.write(address + at, raw)
        return address

    def _digits(self) -> Tuple[int, int]:
        width = self.layout["PyLongObject"].field("long_value.ob_digit", "ob_digit")[1]
        return {2: (15, 2), 4: (30, 4)}[width]

    def use_15_bit_digits(self) -> None:
        """As --enable-big-digits=15 builds ints."""
        struct = self.layout["PyLongObject"]
        fields = {path: (field[0], 2) if path.endswith("ob_digit") else field
                  for path, field in struct.fields.items()}
        self.layout.replace("PyLongObject", Struct(struct.name, struct.size, fields))

    def bytes(self, value: bytes) -> int:
        """A bytes object."""
        address = self.object(self.type("bytes", BYTES), "PyBytesObject", len(value))
        self.set(address, "PyVarObject", "ob_size", len(value))
        # Nobody has asked for its hash.
        self.set(address, "PyBytesObject", "ob_shash", (1 << 64) - 1)
        self.write(address + self.layout["PyBytesObject"].offset("ob_sval"), value + b"\0")
        return address

    def tuple(self, items: Sequence[int]) -> int:
        """A tuple of these addresses."""
        address = self.object(self.type("tuple", TUPLE), "PyTupleObject", 8 * len(items))
        self.set(address, "PyVarObject", "ob_size", len(items))
        at = address + self.layout["PyTupleObject"].offset("ob_item")
        for index, item in enumerate(items):
            self.u64(at + 8 * index, item)
        return address

    def list(self, items: Sequence[int]) -> int:
        """A list of these addresses."""
        address = self.object(self.type("list", LIST), "PyListObject")
        self.set(address, "PyVarObject", "ob_size", len(items))
        self.set(address, "PyListObject", "ob_item", self.words(items) if items else 0)
        return address

    # Dictionaries and attributes.

    def keys(self, entries: Sequence[Tuple[int, int]], kind: str = "general", log2_size: int = 3) -> int:
        """A keys object: "general", "unicode" or "split". An entry of two zeros is a deleted one."""
        slots = 1 << log2_size
        assert len(entries) <= slots
        width = 1 if slots <= 0xFF else 2 if slots <= 0xFFFF else 4
        logged = self.version >= (3, 11)
        short = logged and kind != "general"
        entry = self.layout["PyDictUnicodeEntry" if short else "PyDictKeyEntry"]
        start = self.layout["PyDictKeysObject"].offset("dk_indices")
        address = self.allocate(start + slots * width + entry.size * len(entries))
        if logged:
            self.set(address, "PyDictKeysObject", "dk_log2_size", log2_size)
            self.set(address, "PyDictKeysObject", "dk_log2_index_bytes", log2_size + width.bit_length() - 1)
            self.set(address, "PyDictKeysObject", "dk_kind", ["general", "unicode", "split"].index(kind))
        else:
            self.set(address, "PyDictKeysObject", "dk_size", slots)
        self.set(address, "PyDictKeysObject", "dk_nentries", len(entries))
        for index, (key, value) in enumerate(entries):
            at = address + start + slots * width + entry.size * index
            self.u64(at + entry.offset("me_key"), key)
            self.u64(at + entry.offset("me_value"), 0 if kind == "split" else value)
        return address

    def values(self, values: Sequence[int], order: Sequence[int], embedded_at: Optional[int] = None) -> int:
        """A PyDictValues, or up to 3.10 a bare array. `order` is the order of insertion, as indices.

        3.11 and 3.12 keep that in the bytes before the values, last first, after their number and a
        byte of room; 3.13 behind the values. Up to 3.10 it must be that of the keys.
        """
        if self.version < (3, 11):
            return self.words(values)
        if self.version < (3, 13):
            prefix = -(-(len(values) + 2) // 8) * 8
            block = self.allocate(prefix + 8 * len(values))
            address = block + prefix
            head = bytes(reversed([prefix, len(order)] + list(order)))
            self.write(address - len(head), head)
            at = address
        else:
            start = self.layout["PyDictValues"].offset("values")
            address = embedded_at or self.allocate(start + 9 * len(values))
            at = address + start
            for path, value in (("capacity", len(values)), ("size", len(order)),
                                ("embedded", embedded_at is not None), ("valid", 1)):
                self.set(address, "PyDictValues", path, value)
            self.write(at + 8 * len(values), bytes(order))
        for index, value in enumerate(values):
            self.u64(at + 8 * index, value)
        return address

    def dict(self, entries: Sequence[Tuple[int, int]], kind: str = "general", log2_size: int = 3,
             order: Optional[Sequence[int]] = None) -> int:
        """A dict; a split one takes its values in the order of its keys, inserted in `order`."""
        values = 0
        if kind == "split":
            if order is None:
                order = [index for index, (_key, value) in enumerate(entries) if value]
            values = self.values([value for _key, value in entries], order)
        return self.dict_of(self.keys(entries, kind, log2_size), values)

    def dict_of(self, keys: int, values: int = 0) -> int:
        """A dict of a keys object."""
        address = self.object(self.type("dict", DICT), "PyDictObject")
        self.set(address, "PyDictObject", "ma_keys", keys)
        self.set(address, "PyDictObject", "ma_values", values)
        return address

    def namespace(self, names: Dict[str, int], kind: str = "unicode") -> int:
        """A dict with str keys."""
        entries = [(self.text(name), value) for name, value in names.items()]
        return self.dict(entries, kind, max(3, len(entries).bit_length() + 1))

    def module(self, names: Dict[str, int]) -> int:
        """A module with this namespace."""
        address = self.object(self.type("module"), "PyModuleObject")
        self.set(address, "PyModuleObject", "md_dict", self.namespace(names))
        return address

    def instance(self, class_name: str, attributes: Dict[str, int], way: str = "own",
                 order: Optional[Sequence[int]] = None) -> int:
        """An instance of a Python class. `way` is how its attributes are kept.

        "own": as this version keeps those of a class' ordinary instances. "dict": as it does once
        somebody has asked for `__dict__`. "none": without attributes. "offset": in a dictionary at a
        positive tp_dictoffset, as types of C extensions have it in every version.
        """
        head = self.layout["PyObject"].size
        entries = [(self.text(name), value) for name, value in attributes.items()]
        indices = [index for index, (_key, value) in enumerate(entries) if value] if order is None else order
        if self.version < (3, 11) or way == "offset":
            type_ = self.type(class_name, 0, head + 8, head)
            address = self.object(type_, extra=8)
            self.u64(address + head, self.dict(entries, "split", order=indices) if way != "none" else 0)
            return address
        keys = self.keys(entries, "split")
        flags = MANAGED_DICT | (INLINE_VALUES if self.version >= (3, 13) else 0)
        type_ = self.type(class_name, flags, head, -1, keys)
        address = self.object(type_, extra=16 + 9 * len(entries))
        values = [value for _key, value in entries]
        if self.version < (3, 12):
            self.u64(address - 32, self.values(values, indices) if way == "own" else 0)
            self.u64(address - 24, self.dict(entries, "split") if way == "dict" else 0)
        elif self.version < (3, 13):
            word = {"own": lambda: self.values(values, indices) - 1, "none": lambda: 0,
                    "dict": lambda: self.dict(entries, "split", order=indices)}[way]()
            self.u64(address - 24, word)
        else:
            inline = self.values(values, indices, address + head)
            if way != "own":
                self.set(inline, "PyDictValues", "valid", 0)
            # A materialized dictionary goes on using the inline values, until it outgrows them. Where there
            # is no GC head, its pointer is the word before the object.
            self.u64(address - (8 if self.free_threaded else 24),
                     self.dict(entries, "unicode") if way == "dict" else 0)
        return address

    # Code and frames.

    def code(self, name: str, filename: str, first_line: int, line_table: bytes,
             qualname: Optional[str] = None, first_traceable: int = 0, size: int = 64) -> int:
        """A code object; since 3.11 with room for `size` bytes of instructions within it."""
        address = self.object(self.type("code"), "PyCodeObject", size)
        for path, value in (("co_name", self.text(name)), ("co_filename", self.text(filename)),
                            ("co_firstlineno", first_line)):
            self.set(address, "PyCodeObject", path, value)
        self._first_lines[address] = first_line
        lines = "co_lnotab" if self.version < (3, 10) else "co_linetable"
        self.set(address, "PyCodeObject", lines, self.bytes(line_table))
        # The table covers all instructions; each of its entries has two bytes, see lines().
        if self.version < (3, 11):
            covered = sum(line_table[::2]) if self.version == (3, 10) else size
            self.set(address, "PyCodeObject", "co_code", self.bytes(bytes(covered)))
        else:
            self.set(address, "PyVarObject", "ob_size", sum((first & 7) + 1 for first in line_table[::2]))
            self.set(address, "PyCodeObject", "co_qualname", self.text(qualname or name))
            self.set(address, "PyCodeObject", "_co_firsttraceable", first_traceable)
            self.set(address, "PyCodeObject", "co_localsplusnames", self.tuple([]))
            self._set_counts(address, 0, 0)
        if self.copies_code:
            self.set_copies(address, [])
        return address

    def set_variables(self, code: int, variables: Sequence[Tuple[str, str]], optimized: bool = True,
                      stack_size: int = 20, handlers: Sequence[Tuple[int, int, int]] = ()) -> None:
        """The variables that a code object knows, each with its kinds: "local", "cell", "free", "hidden".

        `handlers` are (start, end, depth of the stack) of an exception table, in bytes of code.
        """
        self.set(code, "PyCodeObject", "co_flags", int(optimized))
        if self.version < (3, 11):
            self.set(code, "PyCodeObject", "co_stacksize", stack_size)
            for path, kind in (("co_varnames", "local"), ("co_cellvars", "cell"), ("co_freevars", "free")):
                names = [self.text(name) for name, kinds in variables if kind in kinds.split()]
                self.set(code, "PyCodeObject", path, self.tuple(names))
            return
        bits = {"hidden": 0x10, "local": 0x20, "cell": 0x40, "free": 0x80}
        kinds = bytes(sum(bits[kind] for kind in kinds.split()) for _name, kinds in variables)
        self._set_counts(code, len(variables), stack_size)
        self.set(code, "PyCodeObject", "co_localsplusnames",
                 self.tuple([self.text(name) for name, _kinds in variables]))
        self.set(code, "PyCodeObject", "co_localspluskinds", self.bytes(kinds))
        table = bytearray()
        for start, end, depth in handlers:
            for number in (start // 2, (end - start) // 2, 0, depth << 1):
                # Pieces of six bits, the first one first; bit 6 where more come, bit 7 where an entry starts.
                pieces = [number >> 6, number & 63] if number > 63 else [number]
                pieces[0] |= 64 if len(pieces) > 1 else 0
                table += bytes(pieces)
        self.set(code, "PyCodeObject", "co_exceptiontable", self.bytes(bytes(table)))

    def _set_counts(self, code: int, slots: int, stack_size: int) -> None:
        """How many words each part of a frame has, and since 3.12 all of it."""
        self.set(code, "PyCodeObject", "co_nlocalsplus", slots)
        self.set(code, "PyCodeObject", "co_stacksize", stack_size)
        if self.version >= (3, 12):
            fixed = self.layout["_PyInterpreterFrame"].offset("localsplus") // 8
            self.set(code, "PyCodeObject", "co_framesize", slots + stack_size + fixed)

    def cell(self, value: int) -> int:
        """A cell; an empty one holds 0."""
        address = self.object(self.type("cell"), "PyCellObject")
        self.set(address, "PyCellObject", "ob_ref", value)
        return address

    def set_slots(self, frame: int, slots: Sequence[int], stack: Sequence[int] = (),
                  blocks: Sequence[int] = (), tag: int = TAG) -> None:
        """Fill the slots of a frame made with `room`, and its stack; `blocks` are the levels of its blocks.

        `tag` is that of each reference, 3.14 and later.
        """
        words = [*slots, *stack]
        if self.version < (3, 11):
            start = frame + self.layout["PyFrameObject"].offset("f_localsplus")
            self.set(frame, "PyFrameObject", "f_valuestack", start + 8 * len(slots))
            self.set(frame, "PyFrameObject", "f_iblock", len(blocks))
            block = self.layout["PyTryBlock"]
            for index, level in enumerate(blocks):
                at = frame + self.layout["PyFrameObject"].offset("f_blockstack") + index * block.size
                self.set(at, "PyTryBlock", "b_level", level)
        else:
            start = frame + self.layout["_PyInterpreterFrame"].offset("localsplus")
        if self.version >= (3, 14):
            words = [word | tag for word in words]
        for index, word in enumerate(words):
            self.u64(start + 8 * index, word)

    def set_namespaces(self, frame: int, globals_: int, builtins: int, locals_: int = 0) -> None:
        """The dictionaries in which a frame looks names up."""
        struct = "PyFrameObject" if self.version < (3, 11) else "_PyInterpreterFrame"
        for path, value in (("f_globals", globals_), ("f_builtins", builtins), ("f_locals", locals_)):
            self.set(frame, struct, path, value)

    @property
    def copies_code(self) -> bool:
        """Whether threads run copies of the instructions."""
        return self.free_threaded and self.version >= (3, 14)

    def set_copies(self, code: int, copies: Sequence[int]) -> None:
        """Copies of the instructions, by the index of a thread from 1 on; 0 where one has none."""
        entries = [self.instructions(code), *copies]
        array = self.struct("_PyCodeArray", 8 * len(entries), size=len(entries))
        for index, entry in enumerate(entries):
            self.u64(array + self.layout["_PyCodeArray"].offset("entries") + 8 * index, entry)
        self.set(code, "PyCodeObject", "co_tlbc", array)

    def instructions(self, code: int) -> int:
        """Where the instructions of a code object begin, 3.11 and later."""
        return code + self.layout["PyCodeObject"].offset("co_code_adaptive")

    def lines(self, *ranges: Tuple[int, int]) -> bytes:
        """A line table of (bytes of code, lines further than those before), from co_firstlineno on."""
        if self.version < (3, 10):
            # lnotab names the distance to the next line.
            raw = bytearray()
            before = 0
            for size, delta in ranges:
                raw += bytes((before, delta & 255))
                before = size
            return bytes(raw)
        if self.version < (3, 11):
            return b"".join(bytes((size, delta & 255)) for size, delta in ranges)
        raw = bytearray()
        for size, delta in ranges:
            # Kind 13: no columns, a signed varint of one digit.
            assert size <= 16 and abs(delta) < 32
            raw += bytes((0x80 | 13 << 3 | size // 2 - 1, abs(delta) << 1 | (delta < 0)))
        return bytes(raw)

    def frame(self, code: int, offset: int, back: int = 0, owner: int = 0, tag: int = TAG,
              copy: int = 0, start: Optional[int] = None, room: int = 0,
              entry: bool = False) -> int:
        """A frame whose last instruction is `offset` bytes from the start of the code.

        It has `room` for so many slots and values on its stack. `entry`: that it is the outermost one of its
        activation of the evaluation loop, which 3.11 says in the frame. `tag` is that of its reference to the code,
        3.14 and later; `copy` which copy of the instructions it runs, and `start` where that lies, in free-threaded
        builds of these.
        """
        if self.version < (3, 11):
            address = self.object(self.type("frame"), "PyFrameObject", 8 * room)
            self.set(address, "PyFrameObject", "f_back", back)
            self.set(address, "PyFrameObject", "f_code", code)
            # Counted in instructions of two bytes since 3.10.
            self.set(address, "PyFrameObject", "f_lasti",
                     offset // 2 if self.version >= (3, 10) and offset >= 0 else offset)
            # Nobody traces it.
            self.set(address, "PyFrameObject", "f_lineno",
                     self._first_lines.get(code, 0) if self.version < (3, 10) else 0)
            return address
        # In a chunk of its own, as if it were the first one of a data stack.
        size = CHUNK_HEADER + self.layout["_PyInterpreterFrame"].size + 8 * room
        address = self.write(self.allocate(size), self._words(0, 1 << 14, 0)) + CHUNK_HEADER
        self.set(address, "_PyInterpreterFrame", "previous", back)
        self.set(address, "_PyInterpreterFrame", "owner", owner)
        self._set_executable(address, code, tag)
        if self.version == (3, 11):
            self.set(address, "_PyInterpreterFrame", "is_entry", entry)
        at = self.instructions(code) if start is None else start
        self.set_first(address, "_PyInterpreterFrame", at + offset, "instr_ptr", "prev_instr")
        if self.copies_code:
            self.set(address, "_PyInterpreterFrame", "tlbc_index", copy)
        return address

    @staticmethod
    def _words(*values: int) -> bytes:
        return b"".join(value.to_bytes(8, "little") for value in values)

    def push(self, frame: int, onto: int, size: int) -> None:
        """Put the chunk of a frame after the one of another, which is so many bytes long, 3.11 and later."""
        self.write(frame - CHUNK_HEADER, self._words(onto - CHUNK_HEADER, 1 << 14))
        self.u64(onto - CHUNK_HEADER + 16, size // 8)

    def _set_executable(self, frame: int, executable: int, tag: int) -> None:
        if self.version >= (3, 14):
            self.set(frame, "_PyInterpreterFrame", "f_executable.bits", executable | tag)
        else:
            self.set_first(frame, "_PyInterpreterFrame", executable, "f_executable", "f_code")

    def shim(self, back: int, owner: int = 3) -> int:
        """What 3.12 and later put between two activations of the evaluation loop."""
        address = self.struct("_PyInterpreterFrame", previous=back, owner=owner)
        self.set_first(address, "_PyInterpreterFrame", 0, "instr_ptr", "prev_instr")
        self._set_executable(address, self.none(), TAG)
        return address
