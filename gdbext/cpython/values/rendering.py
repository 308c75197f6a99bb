"""One value on its way to text: its limits, and what it is within."""

import struct
from itertools import chain, islice
from typing import Callable, Iterable, Iterator, List, NamedTuple, Optional, Protocol, Set

from ...layout.layout import MissingField
from ..classes import FIELD_FORMATS, STRING_FIELD, Classes, Member
from ..code import Codes
from ..dicts import Dicts
from ..frames import Frames
from ..limits import Limits
from ..memory import Damaged, Memory, Unreadable
from ..objects import MAX_TYPE_NAME, Objects, Type
from ..reader import READ_ERRORS, Reader
from .text import escaped

# Values within each other, more than anybody reads: each takes some calls of the Python that runs this, which
# allows 1000.
MAX_DEPTH = 80

# Attributes of one instance that are looked at.
MAX_ATTRIBUTES = 10_000

# Fields of C types that say nothing of an instance: where the interpreter finds its own, and what the class has too.
_NO_FIELDS = frozenset(("__dictoffset__", "__weaklistoffset__", "__vectorcalloffset__", "__module__", "__doc__"))

# Pointers that are read in one go.
_CHUNK = 512

# How what a type's instances hold is shown: (rendering, address, type) to text. Raises READ_ERRORS.
Handler = Callable[["Rendering", int, Type], str]


class NotKnown(Exception):
    """What repr() gives for this value only the process itself could tell."""


class Attribute(NamedTuple):
    """A variable of an instance, and the address of its value."""

    name: str
    address: int


class Shape(NamedTuple):
    """How the instances of a type are shown.

    `handler` shows what they hold, None where nothing is known but their attributes. `is_repr` is whether
    repr() shows that too (without a handler: whether it is object's), and `attributes` whether the
    instances have attributes besides.
    """

    type: Type
    handler: Optional[Handler]
    is_repr: bool
    attributes: bool


class Reading(Protocol):
    """What values are read with. `minor` is that of the Python whose they are, None while that is not known."""

    minor: Optional[int]
    objects: Objects
    reader: Reader
    memory: Memory
    dicts: Dicts
    codes: Codes
    classes: Classes
    frames: Frames

    def type_of(self, address: int) -> Type:
        """The type of an object, which is checked to be one. Raises READ_ERRORS."""

    def shape_of(self, address: int) -> Shape:
        """The shape of an object's type. Raises READ_ERRORS."""

    def contents(self, type_: Type) -> Optional[Handler]:
        """What shows the built-in part of a class, None where there is none that is known. Raises READ_ERRORS."""

    def attributes(self, address: int) -> Iterator[Attribute]:
        """The variables of an instance. Raises READ_ERRORS, at any time."""

    def attribute(self, address: int, name: str) -> Optional[int]:
        """A variable of an instance, None where it is not set. Raises READ_ERRORS."""


class Rendering:
    """One value with all that is in it.

    With `as_repr` attributes are left out where it is known that repr() does not show them.
    """

    def __init__(self, reading: Reading, limits: Limits, as_repr: bool = False) -> None:
        self.reading = reading
        self.limits = limits
        self._as_repr = as_repr
        # Whether repr() would have run code for anything that was shown.
        self.needs_code = False
        # Whether all of it could be read.
        self.is_whole = True
        # Containers that the present value lies in, instances likewise: a list with attributes is in both.
        self._open: Set[int] = set()
        self._open_instances: Set[int] = set()
        self._depth = 0
        # Characters so far, and how many there may be with the present item.
        self._spent = 0
        self._most = limits.total

    @property
    def is_36(self) -> bool:
        """Whether this is 3.6, the last without a _PyRuntime."""
        return self.reading.reader.layout.find("_PyRuntimeState") is None

    @property
    def names_modules(self) -> bool:
        """Whether this is 3.13 (gh-111696) or later, whose messages have a type's module before its name."""
        return self.reading.reader.has("PyDictValues", "embedded")

    def text(self, address: int) -> str:
        """The value at `address`; never raises READ_ERRORS."""
        if not address:
            return "<NULL>"
        if self._depth >= MAX_DEPTH:
            return f"<object at {address:#x}: too deep>"
        before = self._spent
        self._depth += 1
        try:
            text = self._shown(address, self.reading.shape_of(address))
        except READ_ERRORS:
            text = f"<unreadable at {address:#x}>"
            self.is_whole = False
        finally:
            self._depth -= 1
        self._spent = before + len(text)
        return text

    def _shown(self, address: int, shape: Shape) -> str:
        if self._as_repr and shape.is_repr:
            shape = shape._replace(attributes=False)
        handler = shape.handler
        if handler is None or shape.attributes or not shape.is_repr:
            self.needs_code |= not shape.is_repr
            return self._instance(address, shape)
        try:
            return handler(self, address, shape.type)
        except NotKnown:
            self.needs_code = True
            return self._instance(address, Shape(shape.type, self.reading.contents(shape.type), False, True))

    def container(self, address: int, type_: Type, cycle: str, body: Callable[[], str]) -> str:
        """What `body` returns; `cycle` for a container within itself."""
        if address in self._open:
            return cycle
        if self._is_too_deep():
            return self._too_deep(address, type_)
        self._open.add(address)
        try:
            return body()
        finally:
            self._open.remove(address)

    def _is_too_deep(self) -> bool:
        limit = self.limits.depth
        return limit is not None and len(self._open) + len(self._open_instances) >= limit

    def _too_deep(self, address: int, type_: Type) -> str:
        return f"<{self.name(type_)} at {address:#x}: too deep>"

    def name(self, type_: Type) -> str:
        """The name of a type as `<class '...'>` has it, "?" for one that can't be read."""
        try:
            return escaped(self.reading.classes.name(type_).full) or "?"
        except READ_ERRORS:
            return "?"

    def short_name(self, type_: Type) -> str:
        """`__name__` of a type: the last part of tp_name, "?" for one that can't be read."""
        return escaped(type_.name.rpartition(".")[2]) or "?"

    def attribute(self, address: int, name: str) -> int:
        """A variable that every instance of a type has. Raises NotKnown where this one does not, READ_ERRORS."""
        found = self.reading.attribute(address, name)
        if not found:
            raise NotKnown()
        return found

    def joined(self, parts: Iterable[str], count: Optional[int] = None) -> str:
        """Items between commas, as many as the limits allow, and how many of `count` are left out."""
        iterator = iter(parts)
        shown: List[str] = []
        limits = self.limits
        spent = self._spent
        most = self._most
        wanted = count if count is None or limits.items is None else min(count, limits.items)
        try:
            while count is None or len(shown) < count:
                if len(shown) == limits.items or most is not None and spent >= most:
                    break
                is_last = len(shown) + 1 == wanted
                self._most = most if most is None or is_last else spent + (most - spent) // 2
                try:
                    shown.append(next(iterator))
                except StopIteration:
                    return ", ".join(shown)
                except (Unreadable, Damaged) as error:
                    shown.append(f"<unreadable at {error.address:#x}>")
                    self.is_whole = False
                    break
                except MissingField:
                    shown.append("<unreadable>")
                    self.is_whole = False
                    break
                spent += len(shown[-1]) + len(", ")
                self._spent = spent
        finally:
            self._most = most
        if count is None:
            shown.append("... more")
        elif count > len(shown):
            shown.append(f"... {count - len(shown)} more")
        return ", ".join(shown)

    def pointers(self, start: int, count: int) -> Iterator[int]:
        """The pointers of an array, read as they are asked for. Raises READ_ERRORS at the first unreadable one."""
        wanted = count if self.limits.items is None else min(count, self.limits.items)
        for begin in range(0, wanted, _CHUNK):
            size = min(_CHUNK, wanted - begin)
            try:
                yield from self.reading.objects.pointers(start + 8 * begin, size)
            except Unreadable:
                for index in range(begin, begin + size):
                    yield self.reading.memory.u64(start + 8 * index)

    def texts(self, addresses: Iterable[int]) -> Iterator[str]:
        """The values one by one."""
        return map(self.text, addresses)

    def plain(self, address: int, type_: Type) -> str:
        """What object.__repr__ gives."""
        return f"<{self.name(type_)} object at {address:#x}>"

    def _instance(self, address: int, shape: Shape) -> str:
        """An instance of a class: its contents, where it has any, and its attributes."""
        type_, handler, is_repr, has_attributes = shape
        if address in self._open_instances:
            return f"<{self.name(type_)} at {address:#x}: ...>"
        attributes: List[Attribute] = []
        broken = False
        if has_attributes:
            try:
                for attribute in islice(self.reading.attributes(address), MAX_ATTRIBUTES):
                    attributes.append(attribute)
            except READ_ERRORS:
                broken = True
        if is_repr and not attributes and not broken:
            return handler(self, address, type_) if handler else self.plain(address, type_)
        if self._is_too_deep():
            return self._too_deep(address, type_)
        self._open_instances.add(address)
        try:
            parts = [handler(self, address, type_)] if handler else []
            fields = list(self._fields(address, shape)) if handler is None else []
            pairs = chain((f"{escaped(name)}={self.text(value)}" for name, value in attributes),
                          (self._field_text(address, field) for field in fields))
            shown = self.joined(pairs, len(attributes) + len(fields))
            parts += [shown] if shown else []
            if broken:
                parts.append("<unreadable attributes>")
                self.is_whole = False
        finally:
            self._open_instances.remove(address)
        inner = f": {', '.join(parts)}" if parts else ""
        return f"<{self.name(type_)} at {address:#x}{inner}>"

    def _fields(self, address: int, shape: Shape) -> Iterator[Member]:
        """What an instance of a C type lets anybody read, as far as it is set."""
        if shape.is_repr:
            return
        try:
            for member in self.reading.classes.members(shape.type):
                if member.name not in _NO_FIELDS and (
                        not member.is_object or self.reading.memory.u64(address + member.offset)):
                    yield member
        except READ_ERRORS:
            return

    def _field_text(self, address: int, member: Member) -> str:
        memory = self.reading.memory
        at = address + member.offset
        if member.is_object:
            value = self.text(memory.u64(at))
        elif member.kind == STRING_FIELD:
            start = memory.u64(at)
            value = repr(memory.c_string(start, MAX_TYPE_NAME).decode("utf-8", "backslashreplace")) if start else "None"
        else:
            form = FIELD_FORMATS[member.kind]
            (plain,) = struct.unpack(form, memory.read(at, struct.calcsize(form)))
            value = repr(plain if form != "<c" else plain.decode("latin-1"))
        return f"{escaped(member.name)}={value}"
