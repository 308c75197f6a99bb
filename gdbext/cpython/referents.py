"""The references that an object holds: what its type's tp_traverse visits, and what it owns besides.

Types that the interpreter defines are read by their fields. What a class statement makes has a dict,
values or slots, and its bases' part. Of all other types, those of extension modules, every word of the
structure that is the address of an object counts as a reference: a heuristic, and told as such.
Besides what tp_traverse visits, these own: a dict its str keys, a code object what it is made of, a
function, type or descriptor its names.
Facts: the tp_traverse functions in Objects/ and Modules/; Objects/typeobject.c (subtype_traverse).
"""

from collections import Counter
from typing import Callable, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from .frames import STACK_REFERENCE_MASK
from .heap import Windows
from .heap_objects import HAVE_GC, HEAP_TYPE, HeapObjects, HeapType
from .library_referents import CTYPES, LibraryReferents
from .memory import Damaged
from .objects import DICT_SUBCLASS, INLINE_VALUES, LIST_SUBCLASS, MANAGED_DICT, MAX_ITEMS, TUPLE_SUBCLASS, TYPE_SUBCLASS
from .reader import READ_ERRORS
from .runtime import Runtime

# Reads the references of the object at an address. Raises READ_ERRORS.
Visitor = Callable[[int], List[int]]

MAX_BASES = 1 << 10
MAX_SLOTS = 1 << 12
# An object has fewer references; an address is more than that.
_MAX_COUNT = 1 << 32
# Windows of memory that are kept: 256 MB. References lead all over the heap.
MAX_WINDOWS = 1 << 14
# Of one structure that is searched for addresses of objects, in words.
MAX_SCANNED = 1 << 12

# FRAME_CLEARED (Include/internal/pycore_frame.h).
_FRAME_CLEARED = 4

# Types by their C name: their structure, and its fields that are references.
_FIELDS: Dict[str, Tuple[str, Tuple[str, ...]]] = {
    "cell": ("PyCellObject", ("ob_ref",)),
    "method": ("PyMethodObject", ("im_func", "im_self")),
    "function": ("PyFunctionObject", (
        "func_code", "func_globals", "func_builtins", "func_name", "func_qualname", "func_defaults",
        "func_kwdefaults", "func_closure", "func_doc", "func_dict", "func_module", "func_annotations",
        "func_annotate", "func_typeparams")),
    "staticmethod": ("staticmethod", ("sm_callable", "sm_dict")),
    "classmethod": ("classmethod", ("cm_callable", "cm_dict")),
    "property": ("propertyobject", ("prop_get", "prop_set", "prop_del", "prop_doc", "prop_name")),
    "super": ("superobject", ("type", "obj", "obj_type")),
    "mappingproxy": ("mappingproxyobject", ("mapping",)),
    "method-wrapper": ("wrapperobject", ("descr", "self")),
    "traceback": ("PyTracebackObject", ("tb_next", "tb_frame")),
    "slice": ("PySliceObject", ("start", "stop", "step")),
    "functools.partial": ("partialobject", ("fn", "args", "kw", "dict")),
    "memoryview": ("PyMemoryViewObject", ("mbuf",)),
    "managedbuffer": ("_PyManagedBufferObject", ("master.obj",)),
    "code": ("PyCodeObject", (
        "co_code", "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_filename", "co_name",
        "co_lnotab", "co_linetable", "co_exceptiontable", "co_qualname", "co_localsplusnames", "co_localspluskinds")),
}
_FIELDS["builtin_function_or_method"] = ("PyCFunctionObject", ("m_self", "m_module"))
_FIELDS.update(dict.fromkeys((
    "method_descriptor", "classmethod_descriptor", "getset_descriptor", "member_descriptor", "wrapper_descriptor"), (
        "PyDescrObject", ("d_type", "d_name", "d_qualname"))))
_WEAK = ("weakref", "weakref.ReferenceType", "weakproxy", "weakcallableproxy", "weakref.ProxyType",
         "weakref.CallableProxyType")
_FIELDS.update(dict.fromkeys(_WEAK, ("PyWeakReference", ("wr_callback",))))
# Types that hold no references, whatever their words look like.
_DATA = ("int", "float", "complex", "str", "bytes", "bool", "decimal.Decimal", "array.array")
# An exception's base, and what some have besides.
_EXCEPTION = ("PyBaseExceptionObject", ("dict", "args", "notes", "traceback", "context", "cause"))
_EXCEPTIONS: Dict[str, Tuple[str, Tuple[str, ...]]] = {
    "BaseException": _EXCEPTION,
    "BaseExceptionGroup": ("PyBaseExceptionGroupObject", ("msg", "excs")),
    "SyntaxError": ("PySyntaxErrorObject", (
        "msg", "filename", "lineno", "offset", "end_lineno", "end_offset", "text", "print_file_and_line", "metadata")),
    "ImportError": ("PyImportErrorObject", ("msg", "name", "path", "name_from")),
    "UnicodeError": ("PyUnicodeErrorObject", ("encoding", "object", "reason")),
    "SystemExit": ("PySystemExitObject", ("code",)),
    "OSError": ("PyOSErrorObject", ("myerrno", "strerror", "filename", "filename2")),
    "StopIteration": ("PyStopIterationObject", ("value",)),
    "NameError": ("PyNameErrorObject", ("name",)),
    "AttributeError": ("PyAttributeErrorObject", ("obj", "name")),
}


class Part(NamedTuple):
    """Some references of a type's instances, and their shape: for those who read those of many objects at one time.

    `arguments` are the numbers that go with the shape: offsets in bytes for AT, addresses for SAME, where a dict's
    or an instance's values begin for others.
    """

    visit: Visitor
    shape: str = ""
    arguments: Tuple[int, ...] = ()


# The shapes that are more than a function.
SAME, AT, TUPLE, LIST, SET, DICT, INLINE, TAGGED, TWO_WORDS = (
    "same", "at", "tuple", "list", "set", "dict", "inline", "tagged", "two words")


class Kind(NamedTuple):
    """How a type's references are read. `exact` is False where the structure is searched for addresses.

    `visit` gives those of all parts, in their order. `none` tells types whose instances refer to nothing.
    """

    visit: Visitor
    exact: bool
    none: bool
    parts: Sequence[Part]


class _Shape(NamedTuple):
    """Where a type's instances have weak references, and where they end without their items, 0 if that varies.

    Sizes and offsets in bytes. `is_data`: they hold no references.
    """

    weak: FrozenSet[int]
    end: int
    item_size: int
    is_data: bool


class Referents:
    """Reads references. `objects` knows which words are types: it is one that has gone through the heap."""

    def __init__(self, runtime: Runtime, objects: HeapObjects) -> None:
        self._runtime = runtime
        self._layout = layout = runtime.layout
        self._reader = runtime.reader
        self._objects = objects
        self.windows = Windows(runtime.memory, MAX_WINDOWS)
        self.metatype = objects.metatype
        self._library = LibraryReferents(runtime, self, objects.types)
        self._type_at = layout["PyObject"].offset("ob_type")
        self.size_at = layout["PyVarObject"].offset("ob_size")
        self._kinds: Dict[int, Kind] = {}
        self._subtype_traverse: Optional[int] = None
        # Instances of all heap types own a reference to their type, and show it, since 3.9 (bpo-35810,
        # bpo-40217), which also brought ht_module; those of class statements always did.
        self._types_visited = layout.has("PyHeapTypeObject", "ht_module")
        self.logged = layout.has("PyDictKeysObject", "dk_log2_size")
        self._headed_values = layout.has("PyDictValues", "capacity")
        self._split_values = layout.find("PyDictValues") is not None
        self._tagged_values = layout.has("PyTypeObject", "tp_watched")
        self.managed_at = -8 if layout.free_threaded else -24
        self.managed_values_at = -32
        # MANAGED_WEAKREF_OFFSET (Include/internal/pycore_object.h), 3.12 and later.
        self._managed_weak_at = -16 if layout.free_threaded else -32
        self._shapes: Dict[int, _Shape] = {}
        # Where the values begin behind what a dict or an instance calls its values, in bytes.
        self.values_offset = layout["PyDictValues"].offset("values") if self._headed_values else 0
        # What most objects of a large heap are read by, looked up once: bytes, and words of entries.
        self.tuple_at = layout["PyTupleObject"].offset("ob_item")
        self.list_at = layout["PyListObject"].offset("ob_item")
        table = layout["PySetObject"]
        self.set_at = table.offset("fill"), table.offset("table"), table.offset("mask")
        entry = layout["setentry"]
        self.set_words = entry.size // 8, entry.offset("key") // 8, entry.offset("hash") // 8
        self._cached_keys_at = layout["PyHeapTypeObject"].offset("ht_cached_keys")
        self.keys_at, self.values_at = (layout["PyDictObject"].offset(name) for name in ("ma_keys", "ma_values"))
        keys = layout["PyDictKeysObject"]
        self.indices_at, self.count_at = keys.offset("dk_indices"), keys.offset("dk_nentries")
        # Where the size is told: in a word with other bytes since it is a logarithm.
        self.dict_size_at = 8 * (keys.offset("dk_log2_size") // 8) if self.logged else keys.offset("dk_size")
        # Of each kind of table.
        self.entry_words = [(each.size // 8, each.offset("me_key") // 8, each.offset("me_value") // 8) for each in (
            layout[name] for name in ("PyDictKeyEntry", "PyDictUnicodeEntry") if layout.find(name) is not None)]

    def type_of(self, address: int) -> Optional[HeapType]:
        """The type of the object at an address, None where there is no object. Raises Unreadable."""
        return self._objects.learn(self.windows.word(address + self._type_at))

    def of(self, address: int) -> List[int]:
        """The objects that the object at an address refers to, one as often as it does. Raises READ_ERRORS."""
        return self.kind_at(address).visit(address)

    def kind_at(self, address: int) -> Kind:
        """How the references of the object at an address are read. Raises READ_ERRORS."""
        type_ = self.type_of(address)
        if type_ is None:
            raise Damaged(address, "no object")
        return self.kind(type_)

    def kind(self, type_: HeapType) -> Kind:
        """How the references of a type's instances are read."""
        found = self._kinds.get(type_.address)
        if found is None:
            found = self._kinds[type_.address] = self._choose(type_)
        return found

    # Which visitors a type has.

    def _choose(self, type_: HeapType) -> Kind:
        parts: List[Part] = []
        exact = True
        try:
            chain = self._chain(type_)
            made = [base for base, name in chain if self._is_made(base)]
            if type_.flags & HEAP_TYPE and (made or self._types_visited):
                parts.append(Part(lambda _address: [type_.address], SAME, (type_.address,)))
            for base in made:
                parts += self._slots(base)
            parts += self._attributes(type_, made)
            bases = [(base, name) for base, name in chain if base not in made]
            if not bases:
                # At the end there is always object.
                raise Damaged(type_.address, "a type without a base that is written in C")
            base_parts, exact = self._built_in(
                type_, self._objects.learn(bases[0][0]) or type_, [name for _base, name in bases])
            parts += base_parts
        except READ_ERRORS:
            parts, exact = [Part(lambda address: self.scan(address, type_))], False
        if not parts:
            return Kind(lambda _address: [], exact, True, parts)
        if len(parts) == 1:
            return Kind(parts[0].visit, exact, False, parts)
        visitors = [part.visit for part in parts]
        return Kind(lambda address: [each for visit in visitors for each in visit(address)], exact, False, parts)

    def may_hold(self, type_: HeapType, address: int, offset: int) -> bool:
        """Whether a word at an offset in the block of an object may be a reference that it owns.

        Not if its type is one whose instances hold numbers and characters, if the word is a weak reference or
        lies beyond the structure.
        """
        shape = self._shapes.get(type_.address)
        if shape is None:
            shape = self._shapes[type_.address] = self._shape(type_)
        if shape.is_data or offset in shape.weak:
            return False
        end = shape.end
        if end and shape.item_size:
            size = self.windows.word(address + self.size_at)
            end += shape.item_size * min(size, (1 << 64) - size)
        return not end or offset < end

    def _shape(self, type_: HeapType) -> _Shape:
        names = self.names(type_)
        weak: Set[int] = set()
        if names and names[0] in _WEAK:
            struct = self._layout["PyWeakReference"]
            weak.update(struct.offset(name) for name in ("wr_object", "wr_prev", "wr_next"))
        at = self._reader.integer(type_.address, "PyTypeObject", "tp_weaklistoffset", signed=True)
        weak.add(at if at else self._managed_weak_at)
        # What follows a code object's fields are instructions, whose caches have references that are not counted.
        return _Shape(frozenset(weak), 0 if type_.flags & INLINE_VALUES else type_.basic_size,
                      0 if "code" in names else type_.item_size, bool(names) and names[0] in _DATA)

    def names(self, type_: HeapType) -> List[str]:
        """What the type and its bases written in C are called there, the nearest first."""
        try:
            return [name for base, name in self._chain(type_) if not self._is_made(base)]
        except READ_ERRORS:
            return []

    def _chain(self, type_: HeapType) -> List[Tuple[int, str]]:
        """The type and its bases, object last, as (address, tp_name)."""
        reader = self._reader
        found: List[Tuple[int, str]] = []
        address = type_.address
        while address and len(found) < MAX_BASES:
            found.append((address, self._runtime.objects.type_at(address).name))
            address = reader.pointer(address, "PyTypeObject", "tp_base")
        return found

    def _is_made(self, address: int) -> bool:
        """Whether a class statement made the type: its tp_traverse is the one that most heap types share."""
        reader = self._reader
        if not reader.integer(address, "PyTypeObject", "tp_flags") & HEAP_TYPE:
            return False
        if self._subtype_traverse is None:
            counts: "Counter[int]" = Counter()
            for known in list(self._objects.types.values()):
                if known.flags & HEAP_TYPE and known.flags & HAVE_GC:
                    counts[reader.pointer(known.address, "PyTypeObject", "tp_traverse")] += 1
            self._subtype_traverse = counts.most_common(1)[0][0] if counts else 0
        traverse = reader.pointer(address, "PyTypeObject", "tp_traverse")
        if traverse:
            return traverse == self._subtype_traverse
        # Without a part for the collector: only a class statement gives a type a cache of keys or no module.
        return "." not in self._runtime.objects.type_at(address).name

    def _slots(self, address: int) -> List[Part]:
        """The slots that a class defines itself: PyMemberDefs behind the type object."""
        size = self._runtime.objects.size(address)
        if not 0 < size <= MAX_SLOTS:
            return []
        classes = self._runtime.values.classes
        offsets = [slot.offset for slot in classes.own_slots(classes.type(address))]
        return [self._at(offsets)] if offsets else []

    def _attributes(self, type_: HeapType, made: Sequence[int]) -> List[Part]:
        """The dict of an instance, or the values that take its place."""
        flags = type_.flags
        if flags & MANAGED_DICT and self._split_values:
            if self._headed_values:
                behind = type_.basic_size if type_.flags & INLINE_VALUES else 0
                return [Part(lambda address: self._inline(address, behind), INLINE, (behind,))]
            if self._tagged_values:
                return [Part(lambda address: self._tagged(address, type_), TAGGED, (type_.address,))]
            return [Part(lambda address: self._two_words(address, type_), TWO_WORDS, (type_.address,))]
        reader = self._reader
        offset = reader.integer(type_.address, "PyTypeObject", "tp_dictoffset", signed=True)
        if not made or not offset:
            return []
        # A base that has the dict itself shows it itself.
        base = reader.pointer(made[-1], "PyTypeObject", "tp_base")
        if base and reader.integer(base, "PyTypeObject", "tp_dictoffset", signed=True) == offset:
            return []
        if offset > 0:
            return [self._at([offset])]
        item, basic = type_.item_size, type_.basic_size

        def at_end(address: int) -> List[int]:
            """_PyObject_GetDictPtr: from the end of the items, whose number is negative for some ints."""
            size = self.windows.word(address + self.size_at)
            size = min(size, (1 << 64) - size)
            return self._some([self.windows.word(address + -(-(basic + size * item) // 8) * 8 + offset)])
        return [Part(at_end)]

    def _built_in(self, type_: HeapType, base: HeapType, names: Sequence[str]) -> Tuple[List[Part], bool]:
        """The part that bases written in C have, `base` the nearest of them, and whether it is exact."""
        flags = type_.flags
        found: List[Part] = []
        if "BaseException" in names:
            for name in names:
                if name in _EXCEPTIONS:
                    found.append(self._fields(*_EXCEPTIONS[name]))
            return found, True
        if flags & DICT_SUBCLASS or "frozendict" in names:
            found.append(Part(self._dict, DICT))
            if "collections.OrderedDict" in names:
                found.append(Part(self._ordered_dict))
            elif "collections.defaultdict" in names:
                found.append(self._fields("defdictobject", ("default_factory",)))
            elif [name for name in names if name not in ("dict", "frozendict", "object")]:
                found.append(self._scanned(base, "PyDictObject"))
                return found, False
            return found, True
        if flags & TUPLE_SUBCLASS:
            if names[0] == "tuple":
                return [Part(self._tuple, TUPLE)], True
            return [Part(self._tuple, TUPLE), self._hidden(base)], base.basic_size == self.tuple_at
        if flags & LIST_SUBCLASS:
            return [Part(self._list, LIST)], True
        if flags & TYPE_SUBCLASS:
            if names[0] == "type":
                return [Part(self._type)], True
            if names[0] in CTYPES and not base.flags & HEAP_TYPE:
                return [Part(self._type), Part(lambda address: self._library.proto(address, base))], True
            # A metatype of an extension module.
            return [Part(self._type), self._scanned(base, "PyHeapTypeObject")], False
        if names[0] in _DATA:
            return [], True
        for name in names:
            special = self._special(name)
            if special is not None:
                return [special], True
            if name in _FIELDS:
                return [self._fields(*_FIELDS[name])], True
        if not [name for name in names if name != "object"] or not base.flags & HAVE_GC and not self._reader.pointer(
                base.address, "PyTypeObject", "tp_traverse"):
            # What the collector does not know holds no references that could be part of a cycle; what it
            # holds nevertheless, only its own module knows.
            return [], True
        return [Part(lambda address: self.scan(address, base))], False

    def _scanned(self, type_: HeapType, struct: str) -> Part:
        """What a type of an extension module has behind a structure."""
        size = self._layout[struct].size
        return Part(lambda address: self.scan(address, type_, size))

    def _special(self, name: str) -> Optional[Part]:
        offsets, visitor = self._library.offsets(name), self._library.visitor(name)
        if offsets is not None:
            return self._at(offsets)
        if visitor is not None:
            return Part(visitor)
        if name in ("set", "frozenset"):
            return Part(self._set, SET)
        if name == "module":
            return Part(self._module)
        if name == "builtin_method":
            # PyCMethodObject: a function, and its class (mm_class).
            function = self._layout["PyCFunctionObject"]
            return self._at([function.offset("m_self"), function.offset("m_module"), function.size])
        if name == "frame":
            return Part(self._old_frame if self._layout.has("PyFrameObject", "f_code") else self._frame_object)
        if name in ("generator", "coroutine", "async_generator"):
            if not self._layout.has("PyGenObject", "gi_iframe"):
                return Part(self._old_generator)
            # A plain generator has it too, but never sets it.
            own = () if name == "generator" else ("gi_origin_or_finalizer",)
            fields = self._fields("PyGenObject", ("gi_name", "gi_qualname", "gi_code", "gi_exc_state.exc_value") + own)
            return Part(lambda address: fields.visit(address) + self._generator(address))
        if name == "collections.deque":
            return Part(self._deque)
        return None

    # Visitors.

    @staticmethod
    def _some(pointers: Iterable[int]) -> List[int]:
        return list(filter(None, pointers))

    def _at(self, offsets: Sequence[int]) -> Part:
        """The pointers at offsets, in bytes, of an object."""
        word = self.windows.word
        if len(offsets) == 1:
            only = offsets[0]

            def one(address: int) -> List[int]:
                pointer = word(address + only)
                return [pointer] if pointer else []
            return Part(one, AT, (only,))
        return Part(lambda address: self._some([word(address + offset) for offset in offsets]), AT, tuple(offsets))

    def _fields(self, struct: str, names: Sequence[str]) -> Part:
        """The fields of a structure that this build has."""
        found = self._layout[struct]
        return self._at([found.offset(name) for name in names if name in found])

    def _bounded(self, address: int, count: int) -> List[int]:
        """`count` words. Raises Damaged."""
        if not 0 <= count <= MAX_ITEMS:
            raise Damaged(address, f"{count} items")
        return self.windows.words(address, count)

    def _tuple(self, address: int) -> List[int]:
        count = self.windows.word(address + self.size_at)
        return self._some(self._bounded(address + self.tuple_at, count)) if count else []

    def _hidden(self, type_: HeapType) -> Part:
        """What a tuple has behind its items, as time.struct_time has: the type publishes these fields too."""
        classes = self._runtime.values.classes
        offsets = sorted({member.offset for member in classes.members(classes.type(type_.address)) if member.is_object})

        def visit(address: int) -> List[int]:
            end = self.tuple_at + 8 * self.windows.word(address + self.size_at)
            return self._some([self.windows.word(address + offset) for offset in offsets if offset >= end])
        return Part(visit)

    def _list(self, address: int) -> List[int]:
        items, count = self.windows.word(address + self.list_at), self.windows.word(address + self.size_at)
        return self._some(self._bounded(items, count)) if items and count else []

    def _set(self, address: int) -> List[int]:
        word = self.windows.word
        fill_at, table_at, mask_at = self.set_at
        if not word(address + fill_at):
            return []
        step, key, hash_ = self.set_words
        words = self._bounded(word(address + table_at), (word(address + mask_at) + 1) * step)
        # A deleted entry has a dummy for its key, and -1 for its hash.
        return [pointer for pointer, value in zip(words[key::step], words[hash_::step])
                if pointer and value != (1 << 64) - 1]

    def _dict(self, address: int) -> List[int]:
        keys, values = self.windows.word(address + self.keys_at), self.windows.word(address + self.values_at)
        if values:
            return self._some(self._values(keys, values))
        return self._entries(keys)

    def pairs(self, address: int) -> Iterable[Tuple[int, int]]:
        """The (key, value) of a dict, in its order. Raises READ_ERRORS."""
        if self.windows.word(address + self.values_at):
            # A table whose keys others have too; the order is with the values.
            return self._runtime.dicts.items(address)
        found = self._entries(self.windows.word(address + self.keys_at))
        return zip(found[::2], found[1::2])

    def table(self, keys: int) -> Tuple[int, int, int]:
        """Where the entries of a dict's keys begin and end, and how many there is room for. Raises READ_ERRORS."""
        start, words, count = self._table(keys)
        usable = self._reader.integer(keys, "PyDictKeysObject", "dk_usable", signed=True)
        room = count + max(usable, 0)
        return start, start + 8 * words[0] * room, room

    def _table(self, keys: int) -> Tuple[int, Tuple[int, int, int], int]:
        """Where the entries begin; how many words one has, and which are key and value; how many are used or deleted.
        """
        word = self.windows.word
        count = word(keys + self.count_at)
        if not 0 <= count <= MAX_ITEMS:
            raise Damaged(keys, f"dict with {count} entries")
        if self.logged:
            packed = word(keys + self.dict_size_at)
            start = keys + self.indices_at + (1 << min(packed >> 8 & 0xFF, 40))
            return start, self.entry_words[1 if packed >> 16 & 0xFF else 0], count
        size = word(keys + self.dict_size_at)
        width = 1 if size <= 0xFF else 2 if size <= 0xFFFF else 4
        return keys + self.indices_at + width * size, self.entry_words[0], count

    def _entries(self, keys: int) -> List[int]:
        """The keys and values of a table that is not split."""
        start, (step, key, value), count = self._table(keys)
        words = self._bounded(start, count * step)
        found = []
        for key_pointer, value_pointer in zip(words[key::step], words[value::step]):
            if value_pointer:
                found.append(key_pointer)
                found.append(value_pointer)
        return found

    def _values(self, keys: int, values: int) -> List[int]:
        """The values of a split table, unset ones as 0."""
        return self._bounded(values + self.values_offset, self.windows.word(keys + self.count_at))

    def _ordered_dict(self, address: int) -> List[int]:
        """What the dict has not: an attribute dict, and the key of each node, in their order."""
        struct, word = self._layout["PyODictObject"], self.windows.word
        found = self._some([word(address + struct.offset("od_inst_dict"))])
        node = word(address + struct.offset("od_first"))
        for _ in range(word(address + self._layout["PyDictObject"].offset("ma_used"))):
            if not node:
                break
            # struct _odictnode: key, hash, next, prev.
            found.append(word(node))
            node = word(node + 16)
        return found

    def _two_words(self, address: int, type_: HeapType) -> List[int]:
        """3.11: values, or a dict."""
        values = self.windows.word(address + self.managed_values_at)
        if values:
            return self._some(self._values(self._cached_keys(type_), values))
        return self._some([self.windows.word(address + self.managed_at)])

    def _tagged(self, address: int, type_: HeapType) -> List[int]:
        """3.12: a dict, or values, which the lowest bit tells."""
        word = self.windows.word(address + self.managed_at)
        if word & 1:
            return self._some(self._values(self._cached_keys(type_), word + 1))
        return [word] if word else []

    def _inline(self, address: int, behind: int) -> List[int]:
        """3.13 and later: a dict, or values within the object, `behind` so many bytes of it, unless that is 0.

        A dict may have its values there too. Then it is the one that answers for them, as since gh-130327;
        before that, in the first releases of 3.13, it was the object.
        """
        dict_ = self.windows.word(address + self.managed_at)
        if dict_:
            return [dict_]
        if behind:
            at = address + behind
            head = self.windows.word(at)
            # capacity, size, embedded, valid: a byte each.
            if head >> 24 & 0xFF:
                return self._some(self._bounded(at + self.values_offset, head & 0xFF))
        return []

    def shared_count(self, type_: int) -> int:
        """How many keys the instances of the type at an address share. Raises Unreadable."""
        return self.windows.word(self.windows.word(type_ + self._cached_keys_at) + self.count_at)

    def _cached_keys(self, type_: HeapType) -> int:
        return self.windows.word(type_.address + self._cached_keys_at)

    def _type(self, address: int) -> List[int]:
        names = ["tp_dict", "tp_cache", "tp_mro", "tp_bases", "tp_base"]
        found = [self.windows.word(address + self._layout["PyTypeObject"].offset(name)) for name in names]
        if self._reader.integer(address, "PyTypeObject", "tp_flags") & HEAP_TYPE:
            struct = self._layout["PyHeapTypeObject"]
            for name in ("ht_module", "ht_name", "ht_qualname", "ht_slots"):
                if name in struct:
                    found.append(self.windows.word(address + struct.offset(name)))
        return self._some(found)

    def _module(self, address: int) -> List[int]:
        """The namespace, and the addresses of objects in the state of a module written in C."""
        struct, word = self._layout["PyModuleObject"], self.windows.word
        name = word(address + struct.offset("md_name"))
        found = self._some([word(address + struct.offset("md_dict")), name])
        state = word(address + struct.offset("md_state"))
        if state:
            if "md_state_size" in struct:
                size = word(address + struct.offset("md_state_size"))
            else:
                size = self._reader.integer(word(address + struct.offset("md_def")), "PyModuleDef", "m_size")
            words = self.windows.words(state, min(size // 8, MAX_SCANNED))
            try:
                found += self._library.of_state(self._runtime.objects.text(name), size, words)
            except READ_ERRORS:
                # It has no name, or is not as its releases make it.
                pass
            found += filter(self.is_object, words)
        return found

    def _deque(self, address: int) -> List[int]:
        struct, block = self._layout["dequeobject"], self._layout["block"]
        word = self.windows.word
        count, at = word(address + self.size_at), word(address + struct.offset("leftblock"))
        index = word(address + struct.offset("leftindex"))
        data, length = block.field("data")[:2]
        length //= 8
        if not 0 <= count <= MAX_ITEMS:
            raise Damaged(address, f"deque with {count} items")
        found: List[int] = []
        while len(found) < count and at:
            take = min(length - index, count - len(found))
            if take <= 0:
                break
            found += self._bounded(at + data + 8 * index, take)
            at, index = word(at + block.offset("rightlink")), 0
        return self._some(found)

    def scan(self, address: int, type_: HeapType, start: int = 0) -> List[int]:
        """The words of a structure that are addresses of objects, its weak references left out."""
        first = max(start, self._layout["PyObject"].size if not type_.item_size else self._layout["PyVarObject"].size)
        size = type_.basic_size
        if type_.item_size and not type_.item_size % 8:
            size += type_.item_size * min(self.windows.word(address + self.size_at), MAX_SCANNED)
        weak = self._reader.integer(type_.address, "PyTypeObject", "tp_weaklistoffset", signed=True)
        words = self.windows.words(address + first, min(max(size - first, 0) // 8, MAX_SCANNED))
        return [word for index, word in enumerate(words)
                if word and first + 8 * index != weak and self.is_object(word)]

    def is_object(self, address: int) -> bool:
        """Whether there is an object at an address: a type at its place, and a plausible count."""
        if address & 7 or not 1 << 12 < address < 1 << 48:
            return False
        try:
            return (self._objects.learn(self.windows.word(address + self._type_at)) is not None
                    and self._objects.is_alive(address, self.windows)
                    and (not self._layout.free_threaded or self._has_few_references(address)))
        except READ_ERRORS:
            return False

    def _has_few_references(self, address: int) -> bool:
        """Whether the count at an address is one that an object has, in a free-threaded build.

        The states of modules have the addresses of types where objects have their counts and their types.
        """
        count, immortal = self._objects.count(address)
        return immortal or abs(count) < _MAX_COUNT

    # Frames and what holds them.

    def _old_frame(self, address: int) -> List[int]:
        """Up to 3.10: variables, then the evaluation stack, which f_stacktop or f_stackdepth bounds."""
        struct, word = self._layout["PyFrameObject"], self.windows.word
        names = ("f_back", "f_code", "f_builtins", "f_globals", "f_locals", "f_trace",
                 "f_exc_type", "f_exc_value", "f_exc_traceback")
        found = [word(address + struct.offset(name)) for name in names if name in struct]
        start = address + struct.offset("f_localsplus")
        bottom = word(address + struct.offset("f_valuestack"))
        if "f_stacktop" in struct:
            top = word(address + struct.offset("f_stacktop")) or bottom
        else:
            depth = self._reader.integer(address, "PyFrameObject", "f_stackdepth", signed=True)
            top = bottom + 8 * max(depth, 0)
        return self._some(found + self._bounded(start, (top - start) // 8))

    def _frame_object(self, address: int) -> List[int]:
        struct, word = self._layout["PyFrameObject"], self.windows.word
        found = [word(address + struct.offset(name)) for name in (
            "f_back", "f_trace", "f_extra_locals", "f_locals_cache", "f_overwritten_fast_locals") if name in struct]
        frame = word(address + struct.offset("f_frame"))
        if frame == address + struct.offset("_f_frame_data"):
            # Its own: the call has ended.
            found += self.frame(frame)
        return self._some(found)

    def frame(self, address: int) -> List[int]:
        """What an interpreter frame of 3.11 and later refers to. Raises READ_ERRORS."""
        struct, word, reader = self._layout["_PyInterpreterFrame"], self.windows.word, self._reader
        found = []
        for names in (("frame_obj",), ("f_locals",), ("f_func", "f_funcobj.bits", "f_funcobj"),
                      ("f_code", "f_executable.bits", "f_executable")):
            for name in names:
                if name in struct:
                    found.append(word(address + struct.offset(name)) & STACK_REFERENCE_MASK)
                    break
        start = address + struct.offset("localsplus")
        if "stackpointer" in struct:
            top = word(address + struct.offset("stackpointer"))
            count = (top - start) // 8 if top else 0
        else:
            count = reader.integer(address, "_PyInterpreterFrame", "stacktop", signed=True)
        if count < 0:
            # C code runs, and only its own variables know how many there are: the variables at least.
            code = found[-1]
            count = reader.integer(code, "PyCodeObject", "co_nlocalsplus")
        # A tagged integer is no reference.
        found += [each & STACK_REFERENCE_MASK for each in self._bounded(start, count) if each & 3 != 3]
        return self._some(found)

    def _generator(self, address: int) -> List[int]:
        """The frame of a generator, unless it has ended: then only its code may still be there."""
        state = self._reader.integer(address, "PyGenObject", "gi_frame_state", signed=True)
        if state == _FRAME_CLEARED:
            return []
        return self.frame(address + self._layout["PyGenObject"].offset("gi_iframe"))

    def _old_generator(self, address: int) -> List[int]:
        struct = self._layout["PyGenObject"]
        names = [name for name in struct.fields if name in (
            "gi_frame", "gi_code", "gi_name", "gi_qualname", "gi_exc_state.exc_type", "gi_exc_state.exc_value",
            "gi_exc_state.exc_traceback")]
        return self._fields("PyGenObject", names).visit(address)
