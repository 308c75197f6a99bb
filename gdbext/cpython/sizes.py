"""What sys.getsizeof() says of objects: their type's own __sizeof__, and what lies in front of them.

One rule for each built-in type that counts more than its structure; a type derived in Python keeps its
base's. A rule takes a group of objects and gives the size of each, in bytes. __sizeof__ methods of
extension modules and of Python classes can't be run from here: their types are told by is_exact().
Facts: the __sizeof__ methods in Objects/ and Modules/, Python/sysmodule.c (_PySys_GetSizeOf).
"""

from collections import Counter
from struct import Struct as Packed
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from ..layout.layout import MissingField, Struct
from .heap import Windows
from .heap_arrays import ArrayGroup, words_at
from .heap_objects import HEAP_TYPE, Group, HeapType
from .memory import Damaged
from .objects import DICT_SUBCLASS, LIST_SUBCLASS, LONG_SUBCLASS, MAX_ITEMS, TYPE_SUBCLASS, UNICODE_SUBCLASS
from .reader import READ_ERRORS
from .runtime import Runtime

Rule = Callable[[Group], List[int]]
# The sum of a rule's sizes, found without each of them; None where one of them may be larger than MAX_SIZE.
Total = Callable[[Group], Optional[int]]

# The chain of bases of a type.
MAX_BASES = 1 << 10
# Of one object, in bytes: 1 TB.
MAX_SIZE = 1 << 40
# Of an index of a dict and its bytes, as powers of two.
_MAX_LOG2 = 51
# Sizes that a memo keeps.
MAX_MEMO = 1 << 16
# sizeof(_ODictNode): key, hash, two links (Objects/odictobject.c).
_ODICT_NODE = 32
# Of wchar_t.
_WCHAR = 4
# sizeof(_PyOpcache): a pointer, two versions or hints, and a flag (3.8 to 3.10, Include/internal/pycore_code.h).
_OPCACHE = 32
_SIGN = 1 << 63
# MPD_SHARED_DATA, MPD_CONST_DATA, MPD_STATIC_DATA (Modules/_decimal/libmpdec/mpdecimal.h).
_MPD_DATA_FLAGS = 0x40 | 0x80 | 0x20 | 0x10

# Of struct buffered in every release, without its head: the offsets of two fields, and its size.
_BUFFER_AT, _BUFFER_SIZE_AT, _BUFFERED_SIZE = 40, 104, 136

# Types that count more than their structure by rules that are not known here.
_UNKNOWN = frozenset((
    "_pickle.Pickler", "_pickle.Unpickler", "_ctypes.CType_Type", "StgDict"))


class _Memo(dict):
    """Remembers what a function says of an argument."""

    def __init__(self, function: Callable[..., int]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: Tuple[int, ...]) -> int:
        if len(self) >= MAX_MEMO:
            self.clear()
        value = self[key] = self._function(*key)
        return value


class _QuickTable(NamedTuple):
    """A dict's keys object: which of its words is its reference count, and which tells its size.

    `sizes` tells it by the bits of that word that are in `fields`.
    """

    count: int  # type: ignore[assignment]  # a tuple's method
    head: int
    fields: int
    sizes: _Memo


def _fields(of: Struct, *names: str) -> Packed:
    """What unpacks integers of a structure, which come in that order."""
    text, end = "<", 0
    for offset, size in (of.field(name)[:2] for name in names):
        text += "%dx%s" % (offset - end, "BHIQ"[size.bit_length() - 1])
        end = offset + size
    return Packed(text)


class Sizes:
    """The sizes of objects of one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._reader = runtime.reader
        self._layout = runtime.layout
        self._windows = Windows(runtime.memory)
        self._rules: Dict[HeapType, Rule] = {}
        self._totals: Dict[HeapType, Total] = {}
        self._inexact: Dict[HeapType, bool] = {}
        self._size_at = self._layout["PyVarObject"].offset("ob_size")
        # Before 3.11 the collector's head is all that sys.getsizeof() adds; since then the pre-header as well.
        self._logged = self._layout.has("PyDictKeysObject", "dk_log2_size")
        keys = self._layout["PyDictKeysObject"]
        if self._logged:
            self._keys_head = keys.size
            self._entry_sizes = self._layout["PyDictKeyEntry"].size, self._layout["PyDictUnicodeEntry"].size
            self._keys_fields = _fields(keys, "dk_refcnt", "dk_log2_size", "dk_log2_index_bytes", "dk_kind",
                                        "dk_usable", "dk_nentries")
        else:
            self._keys_head = keys.offset("dk_indices")
            self._entry_sizes = self._layout["PyDictKeyEntry"].size, 0
            self._keys_fields = _fields(keys, "dk_refcnt", "dk_size")
        self._named: Dict[str, Callable[[HeapType], Rule]] = {
            "set": self._set, "frozenset": self._set, "bytearray": self._bytearray, "code": self._code,
            "frame": self._frame, "collections.OrderedDict": self._ordered_dict, "collections.deque": self._deque,
            "array.array": self._array, "decimal.Decimal": self._decimal, "_io.BytesIO": self._bytes_io,
            "frozendict": self._dict, "Struct": self._struct, "_struct.Struct": self._struct,
            "xml.etree.ElementTree.Element": self._element,
            "itertools.product": self._product, "itertools.combinations": self._combinations,
            "itertools.combinations_with_replacement": self._combinations, "itertools.permutations": self._permutations,
        }
        self._named.update(dict.fromkeys(
            ("_io.BufferedReader", "_io.BufferedWriter", "_io.BufferedRandom"), self._buffered))
        if self._layout.has("PyGenObject", "gi_iframe"):
            self._named.update(dict.fromkeys(("generator", "coroutine", "async_generator"), self._generator))

    def of(self, group: Group) -> List[int]:
        """The size in bytes of each object of a group; what can't be, or can't be read, is left out of it."""
        found = self._rule(group.type)(group)
        if max(found) > MAX_SIZE:
            # Caught while it was made.
            base = group.type.head + group.type.basic_size
            found = [size if size <= MAX_SIZE else base for size in found]
        return found

    def total(self, group: Group) -> int:
        """The sum of them."""
        self._rule(group.type)
        total = self._totals.get(group.type)
        found = total(group) if total is not None else None
        return sum(self.of(group)) if found is None else found

    def _rule(self, type_: HeapType) -> Rule:
        rule = self._rules.get(type_)
        if rule is None:
            try:
                rule = self._choose(type_)
            except MissingField:
                # Debug information of an extension module that gdb has not read.
                self._inexact[type_] = True
                rule = self._plain(type_)
            self._rules[type_] = rule
        return rule

    def is_exact(self, type_: HeapType) -> bool:
        """Whether the type's sizes are those of sys.getsizeof(), as far as is known without running it."""
        return not self._inexact.get(type_, False)

    def _choose(self, type_: HeapType) -> Rule:
        flags = type_.flags
        names = self._bases(type_)
        self._inexact[type_] = any(name in _UNKNOWN for name in names)
        if "collections.OrderedDict" in names:
            return self._ordered_dict(type_)
        for flag, make in ((UNICODE_SUBCLASS, self._str), (LONG_SUBCLASS, self._int), (LIST_SUBCLASS, self._list),
                           (DICT_SUBCLASS, self._dict), (TYPE_SUBCLASS, self._type)):
            if flags & flag:
                return make(type_)
        for name in names:
            if name in self._named:
                return self._named[name](type_)
        return self._plain(type_)

    def _bases(self, type_: HeapType) -> List[str]:
        """What the type and its bases are called in C, those made by a class statement left out."""
        reader = self._reader
        names = []
        address = type_.address
        try:
            for _ in range(MAX_BASES):
                if not address:
                    break
                found = self._runtime.objects.type_at(address)
                if "." in found.name or not found.flags & HEAP_TYPE:
                    names.append(found.name)
                address = reader.pointer(address, "PyTypeObject", "tp_base")
        except READ_ERRORS:
            pass
        return names

    def _plain(self, type_: HeapType, item: Optional[int] = None) -> Rule:
        """object.__sizeof__: the structure and its items."""
        base = type_.head + type_.basic_size
        item = type_.item_size if item is None else item
        if not item:
            self._totals[type_] = lambda group: base * len(group)
            return lambda group: [base] * len(group)
        at = self._size_at

        def sizes(group: Group) -> List[int]:
            # A negative size is an int's sign; what it is for others, their __sizeof__ has to know.
            return [base + item * (size if size < _SIGN else (1 << 64) - size) for size in group.column(at)]
        self._totals[type_] = self._linear(base, item, at)
        return sizes

    @staticmethod
    def _linear(base: int, item: int, at: int) -> Total:
        """Of sizes that are `base` and `item` for each of as many as a word at an offset says."""
        most = MAX_SIZE // item - base

        def total(group: Group) -> Optional[int]:
            largest, whole = group.largest(at), group.total(at)
            return base * len(group) + item * whole if largest < most else None
        return total

    def _str(self, type_: HeapType) -> Rule:
        layout = self._layout
        ascii_, compact, whole = (layout[name] for name in (
            "PyASCIIObject", "PyCompactUnicodeObject", "PyUnicodeObject"))
        # Two fields of one word, or of words next to each other: read as words.
        length_at = ascii_.offset("length")
        state_at, width = ascii_.field("state")[:2]
        kind_bit, compact_bit, ascii_bit = (ascii_.field("state." + name)[2] for name in ("kind", "compact", "ascii"))
        mask = (1 << 8 * width) - 1
        wstr_at = ascii_.offset("wstr") if "wstr" in ascii_ else None
        utf8_at, utf8_length_at = compact.offset("utf8"), compact.offset("utf8_length")
        wstr_length_at = compact.offset("wstr_length") if wstr_at is not None else 0
        data_at = whole.offset("data")
        head = type_.head

        def size_of_compact(length: int, state: int, wstr: int) -> int:
            """That of a str whose characters follow its head; -1 where more words are needed to tell."""
            state &= mask
            if state >> ascii_bit & 1 and state >> compact_bit & 1 and not wstr:
                return head + ascii_.size + length + 1
            return -1

        def size_of_wide(length: int, state: int, utf8: int) -> int:
            """That of one whose characters have more than a byte, or are not ASCII, and follow its head."""
            state &= mask
            if state >> compact_bit & 1 and not state >> ascii_bit & 1 and not utf8:
                return head + compact.size + (length + 1) * (state >> kind_bit & 7)
            return -1

        memo, wide = _Memo(size_of_compact), _Memo(size_of_wide)

        def size_of(address: int, length: int, state: int, wstr: int) -> int:
            word = self._windows.word
            state &= mask
            kind, is_ascii = state >> kind_bit & 7, state >> ascii_bit & 1
            if state >> compact_bit & 1:
                data = address + (ascii_.size if is_ascii else compact.size)
                size = (ascii_.size if is_ascii else compact.size) + (length + 1) * (1 if is_ascii else kind)
            else:
                data = word(address + data_at)
                size = whole.size + ((length + 1) * kind if data else 0)
            if wstr and (wstr != data or not kind):
                size += ((length if is_ascii else word(address + wstr_length_at)) + 1) * _WCHAR
            if not (is_ascii and state >> compact_bit & 1):
                utf8 = word(address + utf8_at)
                if utf8 and utf8 != data:
                    size += word(address + utf8_length_at) + 1
            return head + size

        def sizes(group: Group) -> List[int]:
            lengths, states = group.column(length_at), group.column(state_at)
            wstrs = group.column(wstr_at) if wstr_at is not None else [0] * len(lengths)
            found = list(map(memo.__getitem__, zip(lengths, states, wstrs)))
            if -1 in found and not any(wstrs) and group.has_column(utf8_at):
                more = map(wide.__getitem__, zip(lengths, states, group.column(utf8_at)))
                found = [size if size >= 0 else other for size, other in zip(found, more)]
            if -1 in found:
                addresses = group.addresses()
                for index, size in enumerate(found):
                    if size < 0:
                        found[index] = self._safely(
                            size_of, head + ascii_.size, addresses[index], lengths[index], states[index], wstrs[index])
            return found

        def others(group: Group) -> Any:
            """A flag for each that has more than its characters behind its head, nothing where there is none."""
            if isinstance(group, ArrayGroup):
                np, states = group.np, group.array(state_at)
                flags = states >> np.uint64(ascii_bit) & states >> np.uint64(compact_bit) & np.uint64(1) == 0
                if wstr_at is not None:
                    flags |= group.array(wstr_at) != 0
                return flags if flags.any() else ()
            column = group.column(state_at)
            odd = {state for state in set(column) if not state >> ascii_bit & state >> compact_bit & 1}
            if wstr_at is not None:
                wstrs = group.column(wstr_at)
                if any(wstrs):
                    return [bool(wstr) or state in odd for state, wstr in zip(column, wstrs)]
            return [state in odd for state in column] if odd else ()

        def total(group: Group) -> Optional[int]:
            if group.largest(length_at) > MAX_SIZE >> 3:
                return None
            whole, flags = 0, others(group)
            if len(flags):
                whole = sum(sizes(group.some(flags)))
                group = group.some(~flags if isinstance(group, ArrayGroup) else [not flag for flag in flags])
            return whole + len(group) * (head + ascii_.size + 1) + (group.total(length_at) if len(group) else 0)
        self._totals[type_] = total
        return sizes

    @staticmethod
    def _safely(function: Callable[..., int], otherwise: int, *arguments: int) -> int:
        try:
            return function(*arguments)
        except READ_ERRORS:
            return otherwise

    def _int(self, type_: HeapType) -> Rule:
        struct = self._layout["PyLongObject"]
        digits_at, digit = struct.field("long_value.ob_digit", "ob_digit")[:2]
        base = type_.head + digits_at
        # At least one digit since 3.11, which brought dk_log2_size too.
        least = 1 if self._logged else 0
        tagged = "long_value.lv_tag" in struct
        if tagged:
            at = struct.offset("long_value.lv_tag")

            def of_tag(tag: int) -> int:
                return base + digit * max(tag >> 3, 1)
            memo = _Memo(of_tag)
        else:
            at = self._size_at

            def of_size(size: int) -> int:
                return base + digit * max(size if size < _SIGN else (1 << 64) - size, least)
            memo = _Memo(of_size)

        def sizes(group: Group) -> List[int]:
            return list(map(memo.__getitem__, zip(group.column(at))))

        def total(group: Group) -> Optional[int]:
            if not isinstance(group, ArrayGroup):
                # Nearly all have one of few.
                return sum(memo[word,] * count for word, count in Counter(group.column(at)).items())
            words = group.array(at)
            digits = words >> group.np.uint64(3) if tagged else abs(words.view(group.np.int64))
            if digits.max() > MAX_SIZE >> 3:
                return None
            return base * len(words) + digit * int(group.np.maximum(digits, least).sum())
        self._totals[type_] = total
        return sizes

    def _list(self, type_: HeapType) -> Rule:
        base, at = type_.head + type_.basic_size, self._layout["PyListObject"].offset("allocated")
        self._totals[type_] = self._linear(base, 8, at)
        return lambda group: [base + 8 * allocated for allocated in group.column(at)]

    def _set(self, type_: HeapType) -> Rule:
        struct = self._layout["PySetObject"]
        base, mask_at, table_at = type_.head + type_.basic_size, struct.offset("mask"), struct.offset("table")
        small = struct.offset("smalltable")
        entry = self._layout["setentry"].size

        def sizes(group: Group) -> List[int]:
            return [base if table == address + small else base + entry * (mask + 1) for address, mask, table in zip(
                group.addresses(), group.column(mask_at), group.column(table_at))]

        def total(group: Group) -> Optional[int]:
            if not isinstance(group, ArrayGroup):
                return None
            masks = group.array(mask_at)[group.array(table_at) != group.places() + group.np.uint64(small)]
            if len(masks) and masks.max() > MAX_SIZE >> 6:
                return None
            return base * len(group) + entry * (int(masks.sum()) + len(masks))
        self._totals[type_] = total
        return sizes

    def _bytearray(self, type_: HeapType) -> Rule:
        struct = self._layout["PyByteArrayObject"]
        base, at = type_.head + type_.basic_size, struct.offset("ob_alloc")
        if "ob_bytes_object" in struct:
            # 3.15 keeps the bytes in a bytes object, and counts it in.
            head = self._layout["PyBytesObject"].offset("ob_sval") + 1
            return lambda group: [base + (head + size if size else 0) for size in group.column(at)]
        return lambda group: [base + size for size in group.column(at)]

    # Dictionaries.

    def keys_size(self, keys: int) -> int:
        """That of a keys object, for which a dict, or a type whose instances share it, answers. Raises READ_ERRORS."""
        return self._keys(keys)[0]

    def _keys(self, keys: int) -> Tuple[int, int, int]:
        """(size of a keys object, how many values fit a split table of it, how many refer to it)."""
        if self._logged:
            count, log2, log2_bytes, kind, usable, used = self._windows.unpack(keys, self._keys_fields)
            size, fits = self._table_size(log2, log2_bytes, kind), used + usable
        else:
            count, length = self._windows.unpack(keys, self._keys_fields)
            size, fits = self._table_size_by_length(length), (length << 1) // 3
        if size < 0:
            raise Damaged(keys, "impossible dict")
        return size, fits, count

    def _table_size(self, log2: int, log2_bytes: int, kind: int) -> int:
        """That of a keys object with an index of two to the power of `log2` entries; -1 where it is impossible."""
        if log2 > _MAX_LOG2 or log2_bytes > _MAX_LOG2:
            return -1
        return self._keys_head + (1 << log2_bytes) + (1 << log2 + 1) // 3 * self._entry_sizes[1 if kind else 0]

    def _table_size_by_length(self, length: int) -> int:
        """The same before 3.11, of an index of `length` entries."""
        if length > MAX_ITEMS * 4:
            return -1
        width = 1 if length <= 0xFF else 2 if length <= 0xFFFF else 4 if length <= 0xFFFFFFFF else 8
        return self._keys_head + width * length + (length << 1) // 3 * self._entry_sizes[0]

    def _quick_table(self) -> _QuickTable:
        """How the size of a keys object is told by one of its words."""
        keys = self._layout["PyDictKeysObject"]
        count = keys.offset("dk_refcnt") >> 3
        if not self._logged:
            return _QuickTable(count, keys.offset("dk_size") >> 3, (1 << 64) - 1, _Memo(self._table_size_by_length))
        at = keys.offset("dk_log2_size") & ~7
        shifts = [8 * (keys.offset(name) - at) for name in ("dk_log2_size", "dk_log2_index_bytes", "dk_kind")]
        return _QuickTable(count, at >> 3, sum(0xFF << shift for shift in shifts),
                           _Memo(lambda word: self._table_size(*(word >> shift & 0xFF for shift in shifts))))

    def _dict(self, type_: HeapType) -> Rule:
        struct = self._layout["PyDictObject"]
        base, keys_at, values_at = type_.head + type_.basic_size, struct.offset("ma_keys"), struct.offset("ma_values")
        # The empty keys and those that instances share are asked for again and again; each dict's own but once.
        shared: Dict[Tuple[int, bool], int] = {}
        quick = self._quick_table()

        def size_of(keys: int, values: int) -> int:
            is_split = bool(values)
            found = shared.get((keys, is_split))
            if found is not None:
                return found
            try:
                own, fits, count = self._keys(keys)
            except READ_ERRORS:
                return base
            size = (base + own if count == 1 else base) + (8 * fits if is_split else 0)
            if is_split or count != 1:
                if len(shared) >= MAX_MEMO:
                    shared.clear()
                shared[keys, is_split] = size
            return size

        def sizes(group: Group) -> List[int]:
            return list(map(size_of, group.column(keys_at), group.column(values_at)))

        def total(group: Group) -> Optional[int]:
            if not isinstance(group, ArrayGroup):
                return one_by_one(group)
            np = group.np
            words, there = words_at(np, self._runtime.memory, group.array(keys_at), max(quick.count, quick.head) + 1)
            there &= (words[:, quick.count] == 1) & (group.array(values_at) == 0)
            kinds, counts = np.unique(words[there, quick.head] & np.uint64(quick.fields), return_counts=True)
            whole = of_heads(dict(zip(kinds.tolist(), counts.tolist())))
            if whole is None or there.all():
                return whole
            return whole + sum(self.of(group.some(~there)))

        def one_by_one(group: Group) -> Optional[int]:
            heads, whole = [], 0
            windows, bits, mask = self._windows.kept, Windows.BITS, (1 << Windows.BITS) - 1
            most = (1 << Windows.BITS - 3) - max(quick.count, quick.head)
            count_at, head_at = quick.count, quick.head
            for keys, values in zip(group.column(keys_at), group.column(values_at)):
                window, at = windows.get(keys >> bits), (keys & mask) >> 3
                if window is None or values or keys & 7 or at >= most or window[at + count_at] != 1:
                    size = size_of(keys, values)
                    whole += size if size <= MAX_SIZE else base
                else:
                    heads.append(window[at + head_at])
            numbers: Dict[int, int] = {}
            for head, number in Counter(heads).items():
                numbers[head & quick.fields] = numbers.get(head & quick.fields, 0) + number
            more = of_heads(numbers)
            return None if more is None else whole + more

        def of_heads(numbers: Dict[int, int]) -> Optional[int]:
            """That of as many dicts as a number says by the word that tells the size of their keys."""
            tables = {head: max(quick.sizes[head,], 0) for head in numbers}
            if max(tables.values(), default=0) > MAX_SIZE - base:
                return None
            return sum((base + tables[head]) * number for head, number in numbers.items())
        if type_.flags & DICT_SUBCLASS and "collections.OrderedDict" not in self._bases(type_):
            self._totals[type_] = total
        return sizes

    def _ordered_dict(self, type_: HeapType) -> Rule:
        as_dict = self._dict(type_)
        struct = self._layout["PyODictObject"]
        slots_at, used_at = struct.offset("od_fast_nodes_size"), self._layout["PyDictObject"].offset("ma_used")

        def sizes(group: Group) -> List[int]:
            return [size + 8 * slots + _ODICT_NODE * used for size, slots, used in zip(
                as_dict(group), group.column(slots_at), group.column(used_at))]
        return sizes

    def _type(self, type_: HeapType) -> Rule:
        # Their pages have been read already, when they were found.
        word = self._runtime.memory.u64
        static, heap = self._layout["PyTypeObject"].size, self._layout["PyHeapTypeObject"].size
        flags_at = self._layout["PyTypeObject"].offset("tp_flags")
        keys_at = self._layout["PyHeapTypeObject"].offset("ht_cached_keys")

        def size_of(address: int) -> int:
            if not word(address + flags_at) & HEAP_TYPE:
                return static
            keys = word(address + keys_at)
            return type_.head + heap + (self.keys_size(keys) if keys else 0)
        return lambda group: [self._safely(size_of, type_.head + heap, address) for address in group.addresses()]

    # Code and what runs it.

    def _tuple_size(self, address: int) -> int:
        return self._windows.word(address + self._size_at) if address else 0

    def _code(self, type_: HeapType) -> Rule:
        reader, struct = self._reader, self._layout["PyCodeObject"]
        base, item, extra_at = type_.head + type_.basic_size, type_.item_size, struct.offset("co_extra")
        # Counted as Py_ssize_t in 3.6 too, where it is unsigned char.
        cells = [struct.offset(name) for name in ("co_cell2arg", "co_cellvars")] if "co_cell2arg" in struct else []
        opcache_at = struct.offset("co_opcache") if "co_opcache" in struct else None

        def of_extra(extra: int) -> int:
            # struct _PyCodeObjectExtra: ce_size, then that many pointers, of which the struct has one.
            return 16 + 8 * (self._windows.word(extra) - 1)

        def of_cells(names: int) -> int:
            return 8 * self._tuple_size(names)

        def of_opcache(address: int) -> int:
            code = self._tuple_size(reader.pointer(address, "PyCodeObject", "co_code"))
            return code // 2 + _OPCACHE * reader.integer(address, "PyCodeObject", "co_opcache_size")

        def sizes(group: Group) -> List[int]:
            # Since 3.11 the instructions follow the structure; _PyObject_VAR_SIZE rounds up to whole words.
            found = [-(-(base + item * length) // 8) * 8 for length in group.column(self._size_at)] if item else (
                [base] * len(group))
            for index, extra in enumerate(group.column(extra_at)):
                if extra:
                    found[index] += self._safely(of_extra, 0, extra)
            for index, (cell, names) in enumerate(zip(*map(group.column, cells))):
                if cell:
                    found[index] += self._safely(of_cells, 0, names)
            if opcache_at is not None and any(group.column(opcache_at)):
                for index, (address, opcache) in enumerate(zip(group.addresses(), group.column(opcache_at))):
                    if opcache:
                        found[index] += self._safely(of_opcache, 0, address)
            return found
        return sizes

    def _frame(self, type_: HeapType) -> Rule:
        reader = self._reader
        if not self._layout.has("PyFrameObject", "f_code"):
            return self._frame_with_own_data(type_)
        head = type_.head + self._layout["PyFrameObject"].size - 8

        def size_of(address: int) -> int:
            code = reader.pointer(address, "PyFrameObject", "f_code")
            slots = reader.integer(code, "PyCodeObject", "co_stacksize") + reader.integer(
                code, "PyCodeObject", "co_nlocals")
            for name in ("co_cellvars", "co_freevars"):
                slots += self._tuple_size(reader.pointer(code, "PyCodeObject", name))
            return head + 8 * slots
        return lambda group: [self._safely(size_of, head, address) for address in group.addresses()]

    def _slots(self, frame: int) -> int:
        """How many words the code of an interpreter frame needs."""
        reader = self._reader
        code = reader.pointer(frame, "_PyInterpreterFrame", "f_executable.bits", "f_executable", "f_code") & ~7
        return reader.integer(code, "PyCodeObject", "co_nlocalsplus") + reader.integer(
            code, "PyCodeObject", "co_stacksize")

    def _frame_with_own_data(self, type_: HeapType) -> Rule:
        reader, struct = self._reader, self._layout["PyFrameObject"]
        base = type_.head + struct.offset("_f_frame_data") + self._layout["_PyInterpreterFrame"].offset("localsplus")

        def size_of(address: int) -> int:
            return base + 8 * self._slots(reader.pointer(address, "PyFrameObject", "f_frame"))
        return lambda group: [self._safely(size_of, base, address) for address in group.addresses()]

    def _generator(self, type_: HeapType) -> Rule:
        frame_at = self._layout["PyGenObject"].offset("gi_iframe")
        base = type_.head + frame_at + self._layout["_PyInterpreterFrame"].offset("localsplus")

        def size_of(address: int) -> int:
            return base + 8 * self._slots(address + frame_at)
        return lambda group: [self._safely(size_of, base, address) for address in group.addresses()]

    # Types of extension modules.

    def _deque(self, type_: HeapType) -> Rule:
        struct, block = self._layout["dequeobject"], self._layout["block"]
        base, left_at = type_.head + type_.basic_size, struct.offset("leftindex")
        length = block.field("data")[1] // 8

        def sizes(group: Group) -> List[int]:
            return [base + block.size * ((left + size + length - 1) // length)
                    for left, size in zip(group.column(left_at), group.column(self._size_at))]
        return sizes

    def _array(self, type_: HeapType) -> Rule:
        """arrayobject (Modules/arraymodule.c): ob_item, allocated, ob_descr; there typecode and itemsize, an int."""
        first = self._layout["PyVarObject"].size
        base = type_.head + type_.basic_size

        def sizes(group: Group) -> List[int]:
            return [base + allocated * self._safely(item_size, 0, description) for allocated, description in zip(
                group.column(first + 8), group.column(first + 16))]

        def item_size(description: int) -> int:
            return self._windows.word(description) >> 32
        return sizes

    def _decimal(self, type_: HeapType) -> Rule:
        struct = self._layout["PyDecObject"]
        base = type_.head + type_.basic_size
        flags_at, alloc_at = struct.offset("dec.flags"), struct.offset("dec.alloc")

        def sizes(group: Group) -> List[int]:
            return [base + (0 if flags & _MPD_DATA_FLAGS & ~0x10 else 8 * allocated) for flags, allocated in zip(
                group.column(flags_at), group.column(alloc_at))]
        return sizes

    def _element(self, type_: HeapType) -> Rule:
        """ElementObjectExtra (Modules/_elementtree.c): attrib, length, allocated, children, and room for 4 of them."""
        base = type_.head + type_.basic_size
        extra_at = self._layout["PyObject"].size + 24
        inner = 64

        def size_of(extra: int) -> int:
            allocated, children = self._windows.word(extra + 16), self._windows.word(extra + 24)
            return base + inner + (8 * allocated if children != extra + 32 else 0)
        return lambda group: [self._safely(size_of, base, extra) if extra else base for extra in group.column(extra_at)]

    # In Modules/itertoolsmodule.c: a tuple, `indices`, in permutations `cycles`, `result`, and but in product `r`.

    def _product(self, type_: HeapType) -> Rule:
        base, pools_at = type_.head + type_.basic_size, self._layout["PyObject"].size
        return lambda group: [base + 8 * self._safely(self._tuple_size, 0, pools) for pools in group.column(pools_at)]

    def _combinations(self, type_: HeapType) -> Rule:
        base, length_at = type_.head + type_.basic_size, self._layout["PyObject"].size + 24
        return lambda group: [base + 8 * length for length in group.column(length_at)]

    def _permutations(self, type_: HeapType) -> Rule:
        base, pool_at = type_.head + type_.basic_size, self._layout["PyObject"].size
        return lambda group: [base + 8 * (self._safely(self._tuple_size, 0, pool) + length) for pool, length in zip(
            group.column(pool_at), group.column(pool_at + 32))]

    def _bytes_io(self, type_: HeapType) -> Rule:
        """bytesio (Modules/_io/bytesio.c): its first field is a bytes object, counted in unless it is shared."""
        first = self._layout["PyObject"].size
        base = type_.head + type_.basic_size
        head = self._layout["PyBytesObject"].offset("ob_sval") + 1

        def size_of(buffer: int) -> int:
            shared = not buffer or self._count(buffer) > 1
            return base + (0 if shared else head + self._tuple_size(buffer))
        return lambda group: [self._safely(size_of, base, buffer) for buffer in group.column(first)]

    def _count(self, address: int) -> int:
        """The reference count of an object that is not immortal. Raises Unreadable."""
        head = self._layout["PyObject"]
        if not self._layout.free_threaded:
            return self._windows.word(address + head.offset("ob_refcnt"))
        # The first count is the upper half of its word; of the second, two bits are flags.
        local = self._windows.word(address + (head.offset("ob_ref_local") & ~7)) >> 32
        return local + (self._windows.word(address + head.offset("ob_ref_shared")) >> 2)

    def _buffered(self, type_: HeapType) -> Rule:
        """buffered (Modules/_io/bufferedio.c): of its fields behind the head, buffer and buffer_size."""
        head = self._layout["PyObject"].size
        base = type_.head + type_.basic_size
        if type_.basic_size < head + _BUFFERED_SIZE:
            self._inexact[type_] = True
            return self._plain(type_)
        return lambda group: [base + (size if buffer else 0) for buffer, size in zip(
            group.column(head + _BUFFER_AT), group.column(head + _BUFFER_SIZE_AT))]

    def _struct(self, type_: HeapType) -> Rule:
        """PyStructObject (Modules/_struct.c): s_size, s_len, s_codes, which ends with a code without fmtdef."""
        codes_at = self._layout["PyObject"].size + 16
        base = type_.head + type_.basic_size
        code = 32

        def size_of(codes: int) -> int:
            size = code
            while codes and size < MAX_ITEMS and self._windows.word(codes):
                codes += code
                size += code
            return base + size
        return lambda group: [self._safely(size_of, base, codes) for codes in group.column(codes_at)]
