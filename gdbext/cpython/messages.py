"""What str() gives for an exception: the rules of the built-in types, applied to what memory holds.

Each built-in type's rule is C code that is told by its tp_str, so that a type of another module or a class
in Python that inherits it is known too. A `__str__` of its own, in Python or in an extension, is code that
only the process itself can run: such an exception is described by its args instead, and said to be. So it is
of a `__str__` or `__repr__` that its args have.
Facts: Objects/exceptions.c (the functions named *_str), Objects/object.c (PyObject_Str).
"""

from typing import TYPE_CHECKING, Callable, Dict, List, NamedTuple, Optional, Tuple

from .objects import BYTES_SUBCLASS, TUPLE_SUBCLASS, UNICODE_SUBCLASS, Type
from .reader import READ_ERRORS

if TYPE_CHECKING:
    from .runtime import Runtime

# An exception that is an argument of an exception, and so on.
MAX_DEPTH = 20

# Built-in types that are no exceptions and whose str() is their repr().
_REPR_TYPES = frozenset((
    "int", "bool", "float", "complex", "NoneType", "bytes", "bytearray", "tuple", "list", "dict", "set",
    "frozenset", "range", "slice", "type", "ellipsis"))


class Message(NamedTuple):
    """What str() of an exception gives, as far as it is known.

    `exact` is whether it is that. `needs_code`: where it is not, since code would have to be run for it. `of_args`
    says that it is the repr() of its args, because its `__str__` is code of its own.
    """

    text: str
    exact: bool = True
    needs_code: bool = False
    of_args: bool = False


def _made_by_code(text: str) -> Message:
    return Message(text, exact=False, needs_code=True)


class Messages:
    """Finds the messages of exceptions. No method raises READ_ERRORS."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._reader = runtime.reader
        self._objects = runtime.objects
        self._classes = runtime.values.classes
        self._rules: Dict[str, Callable[[int, int], Message]] = {
            "BaseException": self._base,
            "KeyError": self._key_error,
            "OSError": self._os_error,
            "ImportError": self._import_error,
            "SyntaxError": self._syntax_error,
            "UnicodeEncodeError": self._encode_error,
            "UnicodeDecodeError": self._decode_error,
            "UnicodeTranslateError": self._translate_error,
            "BaseExceptionGroup": self._group,
        }
        self._rule_of: Dict[int, Optional[str]] = {}

    def of(self, address: int, depth: int = 0) -> Message:
        """The message of the exception at `address`."""
        try:
            type_ = self._runtime.exceptions.expect(address)
            rule = self.rule(type_)
            if rule is None:
                return self.args(address)._replace(exact=False, of_args=True)
            return self._rules[rule](address, depth)
        except READ_ERRORS as error:
            return Message(f"<unreadable: {error}>", exact=False)

    def of_values(self, type_: int, value: int) -> Message:
        """The message that an exception will have which is made of its type and what that is called with."""
        try:
            values = self._values(value)
            if self._classes.is_derived(self._classes.type(type_), "KeyError") and len(values) == 1:
                return self.repr(values[0])
            return self._of_args(values, value, 0)
        except READ_ERRORS as error:
            return Message(f"<unreadable: {error}>", exact=False)

    def _values(self, value: int) -> List[int]:
        """The arguments: those of a tuple, none of None or a null pointer, else the one (_PyErr_CreateException)."""
        if not value or self._objects.type_of(value).name == "NoneType":
            return []
        if self._objects.type_of(value).flags & TUPLE_SUBCLASS:
            return self._objects.tuple_items(value)
        return [value]

    def args(self, address: int) -> Message:
        """The repr() of an exception's args. Raises READ_ERRORS."""
        args = self._args(address)
        return self.repr(args) if args else Message("<NULL>", exact=False)

    def repr(self, address: int) -> Message:
        """The repr() of an object, however long."""
        text, needs_code, is_whole = self._runtime.values.repr(address)
        return Message(text, is_whole and not needs_code, needs_code)

    def rule(self, type_: Type) -> Optional[str]:
        """The built-in type whose `__str__` an exception's type has, None where that is another. Raises READ_ERRORS."""
        found = self._rule_of.get(type_.address)
        if type_.address not in self._rule_of:
            slot = self._slot(type_.address)
            found = next((base.name for base in self._classes.order(type_)
                          if base.name in self._rules and self._slot(base.address) == slot), None)
            self._rule_of[type_.address] = found
        return found

    def _slot(self, type_: int) -> int:
        return self._reader.pointer(type_, "PyTypeObject", "tp_str")

    def shown(self, address: int, depth: int = 0) -> Message:
        """What str() gives for an object. Raises READ_ERRORS."""
        type_ = self._objects.type_of(address)
        if type_.flags & UNICODE_SUBCLASS:
            text = self._objects.text(address)
            return Message(text) if self._is_plain(type_, "str") else _made_by_code(text)
        if self._runtime.exceptions.is_exception(address):
            if depth >= MAX_DEPTH:
                return Message("...", exact=False)
            return self.of(address, depth + 1)
        if type_.name in _REPR_TYPES or self._is_plain(type_, "object"):
            return self.repr(address)
        return _made_by_code(self.repr(address).text)

    def _is_plain(self, type_: Type, name: str) -> bool:
        """Whether a type has its `__str__` from the built-in type of that name."""
        slot = self._slot(type_.address)
        return any(base.name == name and self._slot(base.address) == slot for base in self._classes.order(type_))

    def _joined(self, pattern: str, *parts: Message) -> Message:
        return Message(pattern.format(*(part.text for part in parts)), all(part.exact for part in parts),
                       any(part.needs_code for part in parts))

    def _args(self, address: int) -> int:
        return self._runtime.exceptions.field(address, "args")

    def _base(self, address: int, depth: int) -> Message:
        args = self._args(address)
        if not args:
            # Half made: BaseException_new() sets it before anybody else sees the exception.
            return Message("<args not set>", exact=False)
        return self._of_args(self._objects.tuple_items(args), args, depth)

    def _of_args(self, items: List[int], args: int, depth: int) -> Message:
        if not items:
            return Message("")
        return self.shown(items[0], depth) if len(items) == 1 else self.repr(args)

    def _key_error(self, address: int, depth: int) -> Message:
        args = self._args(address)
        items = self._objects.tuple_items(args) if args else []
        return self.repr(items[0]) if len(items) == 1 else self._base(address, depth)

    def _field(self, address: int, struct: str, name: str) -> int:
        return self._reader.pointer(address, struct, name)

    def _or_none(self, address: int, depth: int) -> Message:
        return self.shown(address, depth) if address else Message("None")

    def _os_error(self, address: int, depth: int) -> Message:
        errno, strerror, filename, filename2 = (
            self._field(address, "PyOSErrorObject", name)
            for name in ("myerrno", "strerror", "filename", "filename2"))
        head = "[Errno {}] {}"
        if filename:
            parts = [self._or_none(errno, depth), self._or_none(strerror, depth), self.repr(filename)]
            if filename2:
                return self._joined(head + ": {} -> {}", *parts, self.repr(filename2))
            return self._joined(head + ": {}", *parts)
        if errno and strerror:
            return self._joined(head, self.shown(errno, depth), self.shown(strerror, depth))
        return self._base(address, depth)

    def _import_error(self, address: int, depth: int) -> Message:
        message = self._field(address, "PyImportErrorObject", "msg")
        if message and self._objects.type_of(message).name == "str":
            return Message(self._objects.text(message))
        return self._base(address, depth)

    def _syntax_error(self, address: int, depth: int) -> Message:
        message = self._or_none(self._field(address, "PySyntaxErrorObject", "msg"), depth)
        filename = self._field(address, "PySyntaxErrorObject", "filename")
        line = self._field(address, "PySyntaxErrorObject", "lineno")
        places = []
        if filename and self._objects.type_of(filename).flags & UNICODE_SUBCLASS:
            places.append(self._objects.text(filename).rpartition("/")[2])
        if line and self._objects.type_of(line).name == "int":
            number = self._objects.integer(line)
            # What PyLong_AsLongAndOverflow() gives for more than 64 bits.
            places.append(f"line {number if -1 << 63 <= number < 1 << 63 else -1}")
        if not places:
            return message
        return message._replace(text=f"{message.text} ({', '.join(places)})")

    def _unicode(self, address: int) -> Tuple[int, int, int]:
        """The object that is encoded or decoded, and the start and end of what can't be."""
        struct = "PyUnicodeErrorObject"
        start, end = (self._reader.integer(address, struct, name, signed=True) for name in ("start", "end"))
        return self._field(address, struct, "object"), start, end

    def _unicode_text(self, address: int, pattern: str, depth: int) -> Message:
        """`pattern` has a place for the reason and, unless it is a translation, before it for the encoding."""
        parts = [self._or_none(self._field(address, "PyUnicodeErrorObject", name), depth)
                 for name in ("encoding", "reason")]
        return self._joined(pattern, *(parts if "{1}" in pattern else parts[1:]))

    def _encode_error(self, address: int, depth: int) -> Message:
        object_, start, end = self._unicode(address)
        if not object_:
            return Message("")
        which = _characters(self._objects.text(object_), start, end)
        return self._unicode_text(address, "'{0}' codec can't encode " + which + ": {1}", depth)

    def _translate_error(self, address: int, depth: int) -> Message:
        object_, start, end = self._unicode(address)
        if not object_:
            return Message("")
        which = _characters(self._objects.text(object_), start, end)
        return self._unicode_text(address, "can't translate " + which + ": {0}", depth)

    def _decode_error(self, address: int, depth: int) -> Message:
        object_, start, end = self._unicode(address)
        if not object_:
            return Message("")
        self._objects.expect(object_, BYTES_SUBCLASS, "bytes")
        data = self._objects.data(object_)
        if 0 <= start < len(data) and end == start + 1:
            which = f"byte 0x{data[start]:02x} in position {start}"
        else:
            which = f"bytes in position {start}-{end - 1}"
        return self._unicode_text(address, "'{0}' codec can't decode " + which + ": {1}", depth)

    def _group(self, address: int, depth: int) -> Message:
        message = self.shown(self._field(address, "PyBaseExceptionGroupObject", "msg"), depth)
        count = len(self._objects.tuple_items(self._field(address, "PyBaseExceptionGroupObject", "excs")))
        plural = "s" if count > 1 else ""
        return message._replace(text=f"{message.text} ({count} sub-exception{plural})")


def _characters(text: str, start: int, end: int) -> str:
    """How the C code names what it can't encode."""
    if not (0 <= start < len(text) and end == start + 1):
        return f"characters in position {start}-{end - 1}"
    code = ord(text[start])
    spelled = f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return f"character '{spelled}' in position {start}"
