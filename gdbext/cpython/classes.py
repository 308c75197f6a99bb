"""Type objects as classes: their names, method resolution order and slots, and who wrote their `__repr__`.

Facts: Objects/typeobject.c, Objects/descrobject.c, Include/cpython/object.h.
"""

from typing import Dict, Iterator, List, NamedTuple, Optional, Union

from .dicts import Dicts
from .memory import Damaged
from .objects import HEAP_TYPE, MAX_TYPE_NAME, TYPE_SUBCLASS, UNICODE_SUBCLASS, Objects, Type
from .reader import READ_ERRORS

# More bases and slots than any class has; a damaged count ends here.
MAX_BASES = 1000
MAX_SLOTS = 10_000

# PyMemberDef.type (Include/structmember.h): T_OBJECT_EX, which `__slots__` makes, and T_OBJECT.
_OBJECT = 16
_OBJECTS = (6, _OBJECT)
# T_STRING.
STRING_FIELD = 5
# The others, for struct.unpack(): T_SHORT to T_DOUBLE, T_CHAR to T_ULONG, T_BOOL, T_LONGLONG to T_PYSSIZET.
FIELD_FORMATS = {0: "<h", 1: "<i", 2: "<q", 3: "<f", 4: "<d", 7: "<c", 8: "<b", 9: "<B", 10: "<H", 11: "<I", 12: "<Q",
                 14: "<?", 17: "<q", 18: "<Q", 19: "<q"}


class Name(NamedTuple):
    """`__module__` and `__qualname__` of a class.

    The module is "builtins" for a static type that names none, "" where `__module__` is no str.
    """

    module: str
    qualname: str

    @property
    def full(self) -> str:
        """As `<class '...'>` has it: with the module unless that is builtins."""
        return self.qualname if self.module in ("builtins", "") else f"{self.module}.{self.qualname}"


class Slot(NamedTuple):
    """A variable of `__slots__`: its name, mangled where it is private, and its offset in bytes."""

    name: str
    offset: int


class Member(NamedTuple):
    """A field that a C type publishes (PyMemberDef): its name, its type there, and its offset in bytes."""

    name: str
    kind: int
    offset: int

    @property
    def is_object(self) -> bool:
        """Whether it is a pointer to an object."""
        return self.kind in _OBJECTS


class CSlot(NamedTuple):
    """A method that a C type defines: the type's tp_name, "" where it can't be read, and its address."""

    name: str
    type: int


class PythonFunction(NamedTuple):
    """A method written in Python, and the class that has it.

    `module` is that of the function's globals, `name` that of its code, `qualname` the function's own.
    """

    address: int
    owner: Type
    module: str
    name: str
    qualname: str


# Who answers a special method; None where that is neither a C type nor a plain function.
Provider = Union[CSlot, PythonFunction, None]


# As tracebacks have it (Lib/traceback.py) where a class has no name of a module, or none that can be read.
UNKNOWN_MODULE = "<unknown>"


class Classes:
    """Reads type objects and keeps what it has read. All methods raise Unreadable, Damaged or MissingField."""

    def __init__(self, objects: Objects, dicts: Dicts) -> None:
        self._objects = objects
        self._dicts = dicts
        self._reader = objects.reader
        self._types: Dict[int, Type] = {}
        self._names: Dict[int, Name] = {}
        self._orders: Dict[int, List[Type]] = {}
        self._slots: Dict[int, List[Slot]] = {}
        self._members: Dict[int, List[Member]] = {}

    def type(self, address: int) -> Type:
        """The type object at `address` itself, which is not that object's own type."""
        found = self._types.get(address)
        if found is None:
            self._objects.expect(address, TYPE_SUBCLASS, "type")
            found = self._types[address] = self._objects.type_at(address)
        return found

    def name(self, type_: Type) -> Name:
        """The class' name and module, as type_repr() finds them."""
        found = self._names.get(type_.address)
        if found is None:
            found = self._names[type_.address] = self._read_name(type_)
        return found

    def _read_name(self, type_: Type) -> Name:
        module, _dot, last = type_.name.rpartition(".")
        if not type_.flags & HEAP_TYPE:
            return Name(module or "builtins", last)
        qualname = self._objects.text(self._reader.pointer(type_.address, "PyHeapTypeObject", "ht_qualname"))
        try:
            owner = self.own(type_, "__module__")
            if owner and not self._objects.type_of(owner).flags & UNICODE_SUBCLASS:
                return Name("", qualname)
            module = self._objects.text(owner) if owner else module
        except READ_ERRORS:
            pass
        return Name(module or UNKNOWN_MODULE, qualname)

    def own(self, type_: Type, name: str) -> Optional[int]:
        """An entry of a heap type's own `__dict__`. Static types since 3.12 keep theirs elsewhere (gh-93461)."""
        namespace = self._reader.pointer(type_.address, "PyTypeObject", "tp_dict")
        return self._dicts.get(namespace, name) if namespace else None

    def lookup(self, type_: Type, name: str) -> Optional[int]:
        """An attribute of the class as far as its bases are heap types, None where these have none."""
        for base in self.order(type_):
            if base.flags & HEAP_TYPE:
                found = self.own(base, name)
                if found is not None:
                    return found
        return None

    def order(self, type_: Type) -> List[Type]:
        """`__mro__`: the class itself first, object last."""
        found = self._orders.get(type_.address)
        if found is None:
            mro = self._reader.pointer(type_.address, "PyTypeObject", "tp_mro")
            addresses = self._objects.tuple_items(mro) if mro else [type_.address]
            if not 0 < len(addresses) <= MAX_BASES:
                raise Damaged(type_.address, f"type with {len(addresses)} classes in its order")
            found = self._orders[type_.address] = [self.type(address) for address in addresses]
        return found

    def is_derived(self, type_: Type, name: str) -> bool:
        """Whether the class or one of its bases has this tp_name."""
        return any(base.name == name for base in self.order(type_))

    def slots(self, type_: Type) -> List[Slot]:
        """The `__slots__` of the class and its bases, those of object's side first."""
        found = self._slots.get(type_.address)
        if found is None:
            found = []
            for base in reversed(self.order(type_)):
                # The members of types that C code makes of a PyType_Spec are fields.
                if base.flags & HEAP_TYPE and self.own(base, "__slots__") is not None:
                    found += self.own_slots(base)
            self._slots[type_.address] = found
        return found

    def own_slots(self, type_: Type) -> List[Slot]:
        """The `__slots__` that a class statement gave the class itself.

        PyHeapType_GET_MEMBERS: ob_size PyMemberDefs, after the type object as its metatype sizes it.
        """
        reader = self._reader
        count = self._objects.size(type_.address)
        if not 0 <= count <= MAX_SLOTS:
            raise Damaged(type_.address, f"class with {count} slots")
        member = type_.address + self._objects.type_of(type_.address).basic_size
        size = reader.layout["PyMemberDef"].size if count else 0
        found = []
        for _index in range(count):
            if reader.integer(member, "PyMemberDef", "type", signed=True) == _OBJECT:
                name = reader.memory.c_string(reader.pointer(member, "PyMemberDef", "name"), MAX_TYPE_NAME)
                found.append(Slot(name.decode("utf-8", "backslashreplace"),
                                  reader.integer(member, "PyMemberDef", "offset", signed=True)))
            member += size
        return found

    def members(self, type_: Type) -> List[Member]:
        """The fields that the class and its bases publish as far as they are of C, those of object's side first."""
        found = self._members.get(type_.address)
        if found is None:
            found = []
            for base in reversed(self.order(type_)):
                if not base.flags & HEAP_TYPE or self.own(base, "__slots__") is None:
                    found += self._own_members(base)
            self._members[type_.address] = found
        return found

    def _own_members(self, type_: Type) -> Iterator[Member]:
        reader = self._reader
        member = reader.pointer(type_.address, "PyTypeObject", "tp_members")
        size = reader.layout["PyMemberDef"].size
        for _ in range(MAX_SLOTS if member else 0):
            name = reader.pointer(member, "PyMemberDef", "name")
            if not name:
                return
            kind = reader.integer(member, "PyMemberDef", "type", signed=True)
            if kind in _OBJECTS or kind == STRING_FIELD or kind in FIELD_FORMATS:
                yield Member(reader.memory.c_string(name, MAX_TYPE_NAME).decode("utf-8", "backslashreplace"), kind,
                             reader.integer(member, "PyMemberDef", "offset", signed=True))
            member += size

    def repr_provider(self, type_: Type) -> Provider:
        """Who wrote the `__repr__` of the class's instances: the first in its order that has one."""
        order = self.order(type_)
        plain = self._repr_slot(order[-1])
        for base in order:
            if base.flags & HEAP_TYPE:
                found = self.own(base, "__repr__")
                if found is not None:
                    return self._provider(found, base)
            elif self._repr_slot(base) != plain or base is order[-1]:
                return self._c_provider(base)
        return None

    def _repr_slot(self, type_: Type) -> int:
        return self._reader.pointer(type_.address, "PyTypeObject", "tp_repr")

    def _c_provider(self, type_: Type) -> CSlot:
        """Of a static type: the last in its order that has the same tp_repr, which the others inherit."""
        slot = self._repr_slot(type_)
        found = [base for base in self.order(type_) if self._repr_slot(base) == slot][-1]
        return CSlot(found.name, found.address)

    def _provider(self, method: int, owner: Type) -> Provider:
        """Of what a class has as its `__repr__`."""
        kind = self._objects.type_of(method).name
        if kind == "wrapper_descriptor":
            return self.c_slot(method)
        return self.function(method, owner) if kind == "function" else None

    def c_slot(self, descriptor: int) -> CSlot:
        """What a slot wrapper wraps."""
        self._objects.expect_exactly(descriptor, "wrapper_descriptor")
        owner = self.type(self._reader.pointer(descriptor, "PyDescrObject", "d_type"))
        return CSlot(owner.name, owner.address)

    def function(self, address: int, owner: Type) -> PythonFunction:
        """What names a function object that `owner` has as a method."""
        reader, objects = self._reader, self._objects
        objects.expect_exactly(address, "function")
        code = reader.pointer(address, "PyFunctionObject", "func_code")
        module = self._dicts.get(reader.pointer(address, "PyFunctionObject", "func_globals"), "__name__")
        return PythonFunction(
            address,
            owner,
            objects.text(module) if module else "",
            objects.text(reader.pointer(code, "PyCodeObject", "co_name")),
            objects.text(reader.pointer(address, "PyFunctionObject", "func_qualname")),
        )
