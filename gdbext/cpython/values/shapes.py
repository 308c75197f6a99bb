"""How the instances of each type are shown, found out once for each."""

from typing import Dict, Iterator, Optional

from ..classes import Classes, CSlot, PythonFunction
from ..code import Codes
from ..dicts import Dicts
from ..frames import Frames
from ..objects import (
    BASE_EXCEPTION_SUBCLASS,
    BYTES_SUBCLASS,
    DICT_SUBCLASS,
    HEAP_TYPE,
    LIST_SUBCLASS,
    LONG_SUBCLASS,
    TUPLE_SUBCLASS,
    TYPE_SUBCLASS,
    UNICODE_SUBCLASS,
    Objects,
    Type,
)
from ..reader import READ_ERRORS
from . import containers, dates, modules, numbers, programs, stdlib, text, tuples
from .rendering import Attribute, Handler, Shape

# By tp_name of the C type that defines the repr().
_C_TYPES: Dict[str, Handler] = {
    **numbers.HANDLERS, **text.HANDLERS, **containers.HANDLERS, **programs.HANDLERS, **dates.HANDLERS,
    **stdlib.HANDLERS, **modules.HANDLERS}

# Those whose `__dict__` is what they show, or what nobody wants to see there: that of a class or module.
_WITH_ATTRIBUTES = tuple(_C_TYPES[name] for name in ("type", "module", "types.SimpleNamespace"))

# Built-in types by their flag, for where no name can be read.
_BY_FLAG = (
    (LONG_SUBCLASS, "int"), (UNICODE_SUBCLASS, "str"), (BYTES_SUBCLASS, "bytes"), (TUPLE_SUBCLASS, "tuple"),
    (LIST_SUBCLASS, "list"), (DICT_SUBCLASS, "dict"), (TYPE_SUBCLASS, "type"),
    (BASE_EXCEPTION_SUBCLASS, "BaseException"),
)


class Shapes:
    """What values are read with: a rendering.Reading."""

    def __init__(self, objects: Objects, dicts: Dicts, codes: Codes, classes: Classes, minor: Optional[int]) -> None:
        self.minor = minor
        self.objects = objects
        self.reader = objects.reader
        self.memory = objects.reader.memory
        self.dicts = dicts
        self.codes = codes
        self.classes = classes
        self.frames = Frames(objects.reader, codes)
        self._shapes: Dict[int, Shape] = {}
        self._type_at = objects.reader.layout["PyObject"].offset("ob_type")

    def type_of(self, address: int) -> Type:
        """The type of the object at `address`, which is checked to be one. Raises READ_ERRORS."""
        return self.classes.type(self.memory.u64(address + self._type_at))

    def shape_of(self, address: int) -> Shape:
        """The shape of the type of the object at `address`. Raises READ_ERRORS."""
        pointer = self.memory.u64(address + self._type_at)
        found = self._shapes.get(pointer)
        if found is None:
            found = self._shapes[pointer] = self._find(self.classes.type(pointer))
        return found

    def contents(self, type_: Type) -> Optional[Handler]:
        """What shows the built-in part of a class whose repr() is not known. Raises READ_ERRORS."""
        for base in self.classes.order(type_):
            if base.name in modules.CONTENTS:
                return modules.CONTENTS[base.name]
            if base is type_:
                continue
            if not base.flags & HEAP_TYPE or "." in base.name:
                handler = self._of_c_type(base)
                if handler is not None:
                    return handler
        return None

    def attributes(self, address: int) -> Iterator[Attribute]:
        """The variables of an instance: its `__dict__`, then its slots. Raises READ_ERRORS, at any time."""
        for key, value in self.dicts.attributes(address):
            try:
                name = self.objects.text(key)
            except READ_ERRORS:
                continue
            yield Attribute(name, value)
        for slot in self.classes.slots(self.type_of(address)):
            value = self.memory.u64(address + slot.offset)
            if value:
                yield Attribute(slot.name, value)

    def attribute(self, address: int, name: str) -> Optional[int]:
        """A variable of an instance, None where it is not set. Raises READ_ERRORS."""
        found = self.dicts.attribute(address, name)
        if found is not None:
            return found
        for slot in self.classes.slots(self.type_of(address)):
            if slot.name == name:
                return self.memory.u64(address + slot.offset) or None
        return None

    def _find(self, type_: Type) -> Shape:
        try:
            provider = self.classes.repr_provider(type_)
        except READ_ERRORS:
            provider = None
        if isinstance(provider, PythonFunction):
            known = stdlib.handler(self, type_, provider)
            if known is not None:
                return Shape(type_, known, True, False)
        if isinstance(provider, CSlot):
            if provider.name == "object":
                return Shape(type_, None, True, True)
            handler = self._of_c_type(self.classes.type(provider.type))
            if handler is not None:
                derived = bool(type_.flags & HEAP_TYPE) and provider.type != type_.address
                return Shape(type_, handler, True, derived and handler not in _WITH_ATTRIBUTES)
        handler = self.contents(type_)
        return Shape(type_, handler, False, handler not in _WITH_ATTRIBUTES)

    def _of_c_type(self, type_: Type) -> Optional[Handler]:
        """For a type of C that has a repr() of its own, None where that is not known."""
        if type_.name:
            return _C_TYPES.get(type_.name) or tuples.handler(self, type_)
        for flag, known in _BY_FLAG:
            if type_.flags & flag:
                # The name can't be read. It is the built-in type if none of its bases has the flag.
                count = sum(bool(base.flags & flag) for base in self.classes.order(type_))
                if count == 1:
                    return _C_TYPES[known]
                return _C_TYPES["bool"] if known == "int" and count == 2 else None
        return None
