"""What a traceback appends to a message: which name may have been meant (3.12 and later).

The names to choose from are read from memory: those of the frame, or what dir() of an object would list. Where
that would run code, as a `__dir__` of its own or an import does, there is no suggestion and a remark says so.
Facts: Lib/traceback.py (_compute_suggestion_error), Python/suggestions.c, Objects/typeobject.c and
moduleobject.c for dir().
"""

from typing import Iterator, List, NamedTuple, Optional, Sequence

from ..cpython.exceptions import Entry
from ..cpython.objects import MAX_TYPE_NAME, TYPE_SUBCLASS, UNICODE_SUBCLASS, Type
from ..cpython.process import Python
from ..cpython.reader import READ_ERRORS

# Limits of the search, and what the change of a letter costs, of its case, and of its place.
MAX_CANDIDATES = 750
MAX_LENGTH = 40
_MOVE_COST, _CASE_COST = 2, 1

# Entries in a table of a static type, and slots in a set's table that are read.
_MAX_TABLE = 10_000
_MAX_SLOTS = 1 << 20
# sizeof(PyGetSetDef): name, get, set, doc, closure (Include/descrobject.h).
_GETSET_SIZE = 40

# Where the text or the search changed.
_FIRST, _HIDES_PRIVATE, _NAMES_BOTH = 0x030C0000, 0x030D0000, 0x030F0000

# Attributes of an object that are looked into for the name (3.15).
_MAX_NESTED = 20

# 3.15: names that other languages have for a method, the type they are asked of, and what is meant (gh-146406).
_METHODS = {
    ("push", "list"): "append", ("concat", "list"): "extend", ("addAll", "list"): "extend",
    ("toUpperCase", "str"): "upper", ("toLowerCase", "str"): "lower", ("trimStart", "str"): "lstrip",
    ("trimEnd", "str"): "rstrip", ("keySet", "dict"): "keys", ("entrySet", "dict"): "items",
    ("entries", "dict"): "items", ("putAll", "dict"): "update",
}
# Names for which it has a whole sentence instead.
_SENTENCES = frozenset(("contains", "add", "put", "append", "extend", "insert", "remove", "discard", "update",
                        "__or__", "__and__", "__xor__", "__lshift__", "__rshift__"))
_SENTENCE_TYPES = frozenset(("list", "frozenset", "dict", "tuple", "frozendict", "float"))


class Suggestion(NamedTuple):
    """What follows the message, "" for nothing; `remark` says what may be missing."""

    text: str
    remark: Optional[str] = None


class _NotKnown(Exception):
    """The names can't be told without running code; the message says which code."""


class Suggestions:
    """Makes suggestions for the exceptions of one Python. No method raises READ_ERRORS."""

    def __init__(self, python: Python) -> None:
        self._runtime = runtime = python.runtime
        self._hexversion = python.identity.hexversion
        self._reader = runtime.reader
        self._objects = runtime.objects
        self._classes = runtime.values.classes
        self._standard: Optional[List[str]] = None

    def of(self, address: int, type_: Type, entries: Sequence[Entry]) -> Suggestion:
        """What is appended to the message of the exception at `address`."""
        if self._hexversion < _FIRST:
            return Suggestion("")
        try:
            for base, make in (("ImportError", self._import), ("AttributeError", self._attribute),
                               ("NameError", self._name)):
                if self._classes.is_derived(type_, base):
                    return make(address, type_, entries)
        except _NotKnown as error:
            return Suggestion("", f"Python may add a suggestion to this message, for which {error}.")
        except READ_ERRORS as error:
            return Suggestion("", f"Python may add a suggestion to this message: {error}.")
        return Suggestion("")

    def _import(self, address: int, type_: Type, _entries: Sequence[Entry]) -> Suggestion:
        struct = "PyImportErrorObject"
        wrong = self._text(self._reader.pointer(address, struct, "name_from"))
        if wrong is None:
            if self._hexversion >= _NAMES_BOTH and self._classes.is_derived(type_, "ModuleNotFoundError"):
                raise _NotKnown("it would search the files of sys.path")
            return Suggestion("")
        name = self._text(self._reader.pointer(address, struct, "name"))
        # __import__("a.b") gives a.
        top = (name or "").partition(".")[0]
        modules = self._runtime.modules(self._runtime.interpreters()[-1])
        module = self._runtime.dicts.get(modules, top) if modules else None
        if module is None:
            raise _NotKnown("it would import a module")
        return self._worded(self._closest(self._public(wrong, self._dir(module)), wrong))

    def _attribute(self, address: int, _type: Type, entries: Sequence[Entry]) -> Suggestion:
        struct = "PyAttributeErrorObject"
        wrong = self._text(self._reader.pointer(address, struct, "name"))
        object_ = self._reader.pointer(address, struct, "obj")
        if wrong is None:
            return Suggestion("")
        if not object_:
            # Never set: reading it is an AttributeError, and then nothing is suggested.
            return Suggestion("")
        if self._hexversion >= _NAMES_BOTH:
            hint = self._other_language(object_, wrong)
            if hint:
                return Suggestion(f". Did you mean '.{hint}'?")
        names = self._dir(object_)
        if not self._is_own(object_, entries):
            names = self._public(wrong, names)
        found = self._closest(names, wrong)
        if self._hexversion < _NAMES_BOTH:
            return self._worded(found)
        found = found or self._nested(object_, names, wrong)
        return Suggestion(f". Did you mean '.{found}' instead of '.{wrong}'?" if found else "")

    def _is_own(self, object_: int, entries: Sequence[Entry]) -> bool:
        """Whether the object is `self` where the exception was raised: its private names may be meant then (3.13)."""
        last = entries[-1].frame if entries else None
        if self._hexversion < _HIDES_PRIVATE or last is None:
            return False
        return any(variable.name == "self" and variable.address == object_
                   for variable in self._runtime.variables.of(last))

    def _public(self, wrong: str, names: List[str]) -> List[str]:
        """The names without private ones, unless the wrong one is private too (3.13)."""
        if self._hexversion < _HIDES_PRIVATE or wrong.startswith("_"):
            return names
        return [name for name in names if not name.startswith("_")]

    def _name(self, address: int, _type: Type, entries: Sequence[Entry]) -> Suggestion:
        wrong = self._text(self._reader.pointer(address, "PyNameErrorObject", "name"))
        if wrong is None:
            return Suggestion("")
        found = self._of_frame(wrong, entries[-1]) if entries else None
        suggestion = self._worded(found)
        if wrong in self._standard_modules():
            end = "?" if self._hexversion >= _HIDES_PRIVATE else ""
            start = " Or did" if found else ". Did"
            return Suggestion(f"{suggestion.text}{start} you forget to import '{wrong}'{end}")
        return suggestion

    def _of_frame(self, wrong: str, entry: Entry) -> Optional[str]:
        variables = self._runtime.variables
        if entry.frame is None:
            raise _NotKnown("a frame would be needed that can't be read")
        local = variables.of(entry.frame)
        namespace = variables.namespace(entry.frame)
        if namespace is not None and not local:
            # A module's locals are its globals.
            local = variables.names_in(namespace)
        names = [variable.name for variable in local]
        for scope in (variables.globals(entry.frame), variables.builtins(entry.frame)):
            names += [variable.name for variable in variables.names_in(scope)]
        for variable in local:
            if variable.name == "self" and self._has(variable.address, wrong):
                return f"self.{wrong}"
        return self._closest(names, wrong)

    def _worded(self, found: Optional[str]) -> Suggestion:
        if not found:
            return Suggestion("")
        spelled = f" ({ascii(found)})" if self._hexversion >= _NAMES_BOTH and not found.isascii() else ""
        return Suggestion(f". Did you mean: '{found}'{spelled}?")

    def _text(self, address: int) -> Optional[str]:
        if not address or not self._objects.type_of(address).flags & UNICODE_SUBCLASS:
            return None
        return self._objects.text(address)

    def _standard_modules(self) -> List[str]:
        """sys.stdlib_module_names."""
        if self._standard is None:
            self._standard = []
            main = self._runtime.interpreters()[-1]
            namespace = self._runtime.module_dict(main, "sys")
            names = self._runtime.dicts.get(namespace, "stdlib_module_names") if namespace else None
            if names is not None:
                self._standard = [text for text in map(self._text, self._set_items(names)) if text is not None]
        return self._standard

    def _set_items(self, address: int) -> Iterator[int]:
        self._objects.expect_exactly(address, "frozenset")
        slots = self._reader.integer(address, "PySetObject", "mask", signed=True) + 1
        table = self._reader.pointer(address, "PySetObject", "table")
        entry = self._reader.layout["setentry"]
        for index in range(min(slots, _MAX_SLOTS)):
            key = self._reader.memory.u64(table + index * entry.size + entry.offset("key"))
            if key:
                yield key

    # What dir() lists.

    def _dir(self, address: int) -> List[str]:
        """The names that dir() of an object gives. Raises _NotKnown."""
        type_ = self._objects.type_of(address)
        if self._classes.lookup(type_, "__dir__") is not None:
            raise _NotKnown("a __dir__ of its own would have to be run")
        if type_.flags & TYPE_SUBCLASS:
            names = self._class_names(self._classes.type(address))
        elif self._classes.is_derived(type_, "module"):
            names = self._keys(self._reader.pointer(address, "PyModuleObject", "md_dict"))
            if "__dir__" in names:
                raise _NotKnown("the module's own __dir__ would have to be run")
        else:
            names = self._class_names(type_)
            names += [attribute.name for attribute in self._runtime.values.attributes(address)]
        return sorted(set(names))

    def _keys(self, namespace: int) -> List[str]:
        return [variable.name for variable in self._runtime.variables.names_in(namespace)]

    def _class_names(self, class_: Type) -> List[str]:
        names: List[str] = []
        for base in self._classes.order(class_):
            namespace = self._reader.pointer(base.address, "PyTypeObject", "tp_dict")
            # Static types of the interpreter keep theirs elsewhere, and are described by tables of C.
            names += self._keys(namespace) if namespace else self._static_names(base)
        return names

    def _static_names(self, type_: Type) -> Iterator[str]:
        """The methods, members and properties of a static type: all that are not special methods."""
        if type_.name == "object":
            return
        for table, size in (("tp_methods", self._reader.layout["PyMethodDef"].size),
                            ("tp_members", self._reader.layout["PyMemberDef"].size),
                            ("tp_getset", _GETSET_SIZE)):
            entry = self._reader.pointer(type_.address, "PyTypeObject", table)
            for _ in range(_MAX_TABLE if entry else 0):
                name = self._reader.memory.u64(entry)
                if not name:
                    break
                yield self._reader.memory.c_string(name, MAX_TYPE_NAME).decode("utf-8", "backslashreplace")
                entry += size

    def _has(self, address: int, name: str) -> bool:
        """Whether hasattr() of an object is true. Raises _NotKnown."""
        type_ = self._objects.type_of(address)
        for method in ("__getattr__", "__getattribute__"):
            if self._classes.lookup(type_, method) is not None:
                raise _NotKnown(f"{method} of self would have to be run")
        if self._runtime.dicts.attribute(address, name) is not None:
            return True
        found = self._classes.lookup(type_, name)
        if found is not None and self._classes.is_derived(self._objects.type_of(found), "property"):
            raise _NotKnown("a property of self would have to be run")
        return found is not None or name in self._class_names(type_)

    def _nested(self, address: int, names: Sequence[str], wrong: str) -> Optional[str]:
        """An attribute of an attribute (3.15)."""
        type_ = self._objects.type_of(address)
        for name in [name for name in names if not name.startswith("_")][:_MAX_NESTED]:
            try:
                value = self._classes.lookup(type_, name)
                if value is not None and self._reader.pointer(
                        self._objects.type_of(value).address, "PyTypeObject", "tp_descr_get"):
                    continue
                if self._classes.is_derived(type_, "module"):
                    own = self._runtime.dicts.get(self._reader.pointer(address, "PyModuleObject", "md_dict"), name)
                elif type_.flags & TYPE_SUBCLASS:
                    own = self._classes.lookup(self._classes.type(address), name)
                else:
                    own = self._runtime.dicts.attribute(address, name)
                value = own or value
                if value is not None and wrong in self._dir(value):
                    return f"{name}.{wrong}"
            except (_NotKnown,) + READ_ERRORS:
                continue
        return None

    def _other_language(self, address: int, wrong: str) -> Optional[str]:
        for base in self._classes.order(self._objects.type_of(address)):
            meant = _METHODS.get((wrong, base.name))
            if meant:
                return meant
            if wrong in _SENTENCES and base.name in _SENTENCE_TYPES:
                raise _NotKnown("it has a sentence of its own about this type")
        return None

    # The search.

    def _closest(self, names: Sequence[str], wrong: str) -> Optional[str]:
        """The first of the names that are nearest to the wrong one, None where none is near enough."""
        in_c = self._hexversion >= _HIDES_PRIVATE
        if len(names) >= MAX_CANDIDATES + (not in_c) or len(wrong) > MAX_LENGTH:
            return None
        best: Optional[str] = None
        # 3.12 wants the whole to cost less than the name has letters.
        least = len(wrong) if not in_c else 1 << 62
        for name in names:
            if name == wrong:
                continue
            most = min((len(name) + len(wrong) + 3) * _MOVE_COST // 6, least - 1)
            cost = distance(wrong, name, most)
            if cost <= most:
                best, least = name, cost
        return best


def distance(first: str, second: str, most: int) -> int:
    """What it costs to make one name of another (Levenshtein), or more than `most` where that is too much."""
    if first == second:
        return 0
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    first, second = first[start:], second[start:]
    while first and second and first[-1] == second[-1]:
        first, second = first[:-1], second[:-1]
    if not first or not second:
        return _MOVE_COST * (len(first) + len(second))
    if len(first) > MAX_LENGTH or len(second) > MAX_LENGTH:
        return most + 1
    if len(second) < len(first):
        first, second = second, first
    if (len(second) - len(first)) * _MOVE_COST > most:
        return most + 1
    row = [_MOVE_COST * (index + 1) for index in range(len(first))]
    for number, letter in enumerate(second):
        diagonal = left = _MOVE_COST * number
        for index, other in enumerate(first):
            changed = diagonal + (0 if letter == other else
                                  _CASE_COST if letter.lower() == other.lower() else _MOVE_COST)
            diagonal = row[index]
            left = row[index] = min(changed, min(left, diagonal) + _MOVE_COST)
        if min(row) > most:
            return most + 1
    return row[-1]
