"""What a name means in a Python frame, and what its attributes and items are, without running any code.

Names are looked up as Python looks them up: locals, enclosing functions, globals, builtins. An attribute is
what object.__getattribute__ would find in the instance, its slots, its class and the class's bases. Where
Python would have to run a function for an answer, the answer is that.
Facts: Objects/object.c (_PyObject_GenericGetAttr), typeobject.c (type_getattro), descrobject.c.
"""

import ast
import re
import struct
from itertools import islice
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from ..cpython.frames import STACK_REFERENCE_MASK, Frame
from ..cpython.memory import Damaged
from ..cpython.objects import (
    BYTES_SUBCLASS,
    DICT_SUBCLASS,
    HEAP_TYPE,
    LIST_SUBCLASS,
    LONG_SUBCLASS,
    MAX_ITEMS,
    TUPLE_SUBCLASS,
    TYPE_SUBCLASS,
    UNICODE_SUBCLASS,
    Type,
)
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Runtime
from ..cpython.values.containers import deque_items

# More attributes and items in a row than anybody types; each is a level of the parser's recursion.
MAX_STEPS = 100
# Of one object, for completing a name.
MAX_COMPLETED = 2000

LOCAL, ENCLOSING, GLOBAL, BUILTIN = "local", "enclosing", "global", "builtin"
# Of an expression that begins with an address or a register.
OBJECT = "object"

# Attributes that C code keeps in the object itself, by tp_name of the type and name of the attribute: where.
_FIELDS: Dict[str, Dict[str, Tuple[str, str]]] = {
    "BaseException": {
        "args": ("PyBaseExceptionObject", "args"), "__traceback__": ("PyBaseExceptionObject", "traceback"),
        "__context__": ("PyBaseExceptionObject", "context"), "__cause__": ("PyBaseExceptionObject", "cause")},
    "BaseExceptionGroup": {
        "message": ("PyBaseExceptionGroupObject", "msg"), "exceptions": ("PyBaseExceptionGroupObject", "excs")},
    "OSError": {"errno": ("PyOSErrorObject", "myerrno"), "strerror": ("PyOSErrorObject", "strerror"),
                "filename": ("PyOSErrorObject", "filename"), "filename2": ("PyOSErrorObject", "filename2")},
    "StopIteration": {"value": ("PyStopIterationObject", "value")},
    "SystemExit": {"code": ("PySystemExitObject", "code")},
    "ImportError": {"name": ("PyImportErrorObject", "name"), "path": ("PyImportErrorObject", "path"),
                    "msg": ("PyImportErrorObject", "msg")},
    "SyntaxError": {"msg": ("PySyntaxErrorObject", "msg"), "filename": ("PySyntaxErrorObject", "filename"),
                    "lineno": ("PySyntaxErrorObject", "lineno"), "offset": ("PySyntaxErrorObject", "offset"),
                    "text": ("PySyntaxErrorObject", "text")},
    "UnicodeDecodeError": {"encoding": ("PyUnicodeErrorObject", "encoding"),
                           "object": ("PyUnicodeErrorObject", "object"),
                           "reason": ("PyUnicodeErrorObject", "reason")},
    "UnicodeEncodeError": {"encoding": ("PyUnicodeErrorObject", "encoding"),
                           "object": ("PyUnicodeErrorObject", "object"),
                           "reason": ("PyUnicodeErrorObject", "reason")},
    "function": {"__code__": ("PyFunctionObject", "func_code"), "__globals__": ("PyFunctionObject", "func_globals"),
                 "__defaults__": ("PyFunctionObject", "func_defaults"),
                 "__kwdefaults__": ("PyFunctionObject", "func_kwdefaults"),
                 "__closure__": ("PyFunctionObject", "func_closure"), "__name__": ("PyFunctionObject", "func_name"),
                 "__qualname__": ("PyFunctionObject", "func_qualname"),
                 "__module__": ("PyFunctionObject", "func_module")},
    "method": {"__func__": ("PyMethodObject", "im_func"), "__self__": ("PyMethodObject", "im_self")},
    "builtin_function_or_method": {"__self__": ("PyCFunctionObject", "m_self"),
                                   "__module__": ("PyCFunctionObject", "m_module")},
    "functools.partial": {"func": ("partialobject", "fn"), "args": ("partialobject", "args"),
                          "keywords": ("partialobject", "kw")},
    "property": {"fget": ("propertyobject", "prop_get"), "fset": ("propertyobject", "prop_set"),
                 "fdel": ("propertyobject", "prop_del")},
    "staticmethod": {"__func__": ("staticmethod", "sm_callable")},
    "classmethod": {"__func__": ("classmethod", "cm_callable")},
    "cell": {"cell_contents": ("PyCellObject", "ob_ref")},
    "slice": {"start": ("PySliceObject", "start"), "stop": ("PySliceObject", "stop"),
              "step": ("PySliceObject", "step")},
    "range": {"start": ("rangeobject", "start"), "stop": ("rangeobject", "stop"), "step": ("rangeobject", "step")},
    "traceback": {"tb_next": ("PyTracebackObject", "tb_next"), "tb_frame": ("PyTracebackObject", "tb_frame")},
    "code": {"co_name": ("PyCodeObject", "co_name"), "co_filename": ("PyCodeObject", "co_filename"),
             "co_qualname": ("PyCodeObject", "co_qualname"), "co_consts": ("PyCodeObject", "co_consts"),
             "co_names": ("PyCodeObject", "co_names")},
    "generator": {"__name__": ("PyGenObject", "gi_name"), "__qualname__": ("PyGenObject", "gi_qualname")},
    "coroutine": {"__name__": ("PyGenObject", "gi_name"), "__qualname__": ("PyGenObject", "gi_qualname")},
    "async_generator": {"__name__": ("PyGenObject", "gi_name"), "__qualname__": ("PyGenObject", "gi_qualname")},
    "collections.defaultdict": {"default_factory": ("defdictobject", "default_factory")},
    "_asyncio.Future": {"_loop": ("FutureObj", "fut_loop"), "_callbacks": ("FutureObj", "fut_callbacks"),
                        "_result": ("FutureObj", "fut_result"), "_exception": ("FutureObj", "fut_exception")},
    "_asyncio.Task": {"_loop": ("TaskObj", "task_loop"), "_coro": ("TaskObj", "task_coro"),
                      "_fut_waiter": ("TaskObj", "task_fut_waiter"), "_result": ("TaskObj", "task_result"),
                      "_exception": ("TaskObj", "task_exception")},
    "type": {"__mro__": ("PyTypeObject", "tp_mro"), "__bases__": ("PyTypeObject", "tp_bases"),
             "__base__": ("PyTypeObject", "tp_base")},
}
# Those of classes made by `class`, and of C types that are made likewise.
_HEAP_TYPE_FIELDS = {"__name__": ("PyHeapTypeObject", "ht_name"), "__qualname__": ("PyHeapTypeObject", "ht_qualname")}

# Descriptors by tp_name: those that give a method, which is shown as what it is made of; and those that a class
# gives as they are.
_METHODS = frozenset(
    ("function", "method_descriptor", "wrapper_descriptor", "classmethod_descriptor", "instancemethod"))
_OF_THEIR_CLASS = frozenset(("property", "member_descriptor", "getset_descriptor"))

# PyMemberDef.type of members that are objects (T_OBJECT, T_OBJECT_EX, Include/structmember.h).
_MEMBER_OBJECTS = (6, 16)

_HEAD = re.compile(r"\s*(?P<head>\$\w+|0[xX][0-9a-fA-F]+|[0-9]+)\s*(?=[.\[]|$)")

Key = Union[None, bool, int, float, str, bytes, Tuple[Any, ...]]
# A name of gdb's, "$rdi", as an address. Raises NotFound.
ValueOf = Callable[[str], int]


class NotFound(Exception):
    """There is no such thing, or only running code would tell; the message says which, in one line."""


class NeedsCode(NotFound):
    """Only running code would tell."""


class Found(NamedTuple):
    """An object: its address, and the scope of the name that leads to it."""

    scope: str
    address: int


class Names:
    """Looks names up in the frames of one runtime. All methods raise NotFound, and READ_ERRORS."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._reader = runtime.reader
        self._objects = runtime.objects
        self._dicts = runtime.dicts
        self._classes = runtime.values.classes

    # Expressions.

    def find(self, frame: Optional[Frame], expression: str, value_of: ValueOf) -> Found:
        """What `self.queue[0]`, `0x7f0012345678.name` or `$rdi` is. `value_of` tells gdb's names.

        Without a frame, which a thread may not have, names mean nothing.
        """
        match = _HEAD.match(expression)
        if match is None:
            return self._evaluate(_parsed(expression), frame, value_of, None)
        head = match.group("head")
        address = value_of(head) if head.startswith("$") else int(head, 0)
        if self._reader.has("_PyInterpreterFrame", "f_executable.bits"):
            # What the evaluation loop has in registers and slots has a tag.
            address &= STACK_REFERENCE_MASK
        self._check_object(address)
        return self._evaluate(_parsed("_" + expression[match.end():]), frame, value_of, Found(OBJECT, address))

    def _evaluate(self, node: ast.AST, frame: Optional[Frame], value_of: ValueOf, head: Optional[Found],
                  depth: int = 0) -> Found:
        """`head`, where there is one, is the object that the innermost name stands for."""
        if depth > MAX_STEPS:
            raise NotFound("too many attributes and items in a row")
        if isinstance(node, ast.Name):
            if head is not None:
                return head
            if frame is None:
                raise NotFound(f"no Python frame in which {node.id!r} could mean anything")
            return self.name(frame, node.id)
        if isinstance(node, ast.Attribute):
            found = self._evaluate(node.value, frame, value_of, head, depth + 1)
            return found._replace(address=self.attribute(found.address, node.attr))
        if isinstance(node, ast.Subscript):
            found = self._evaluate(node.value, frame, value_of, head, depth + 1)
            try:
                key: Key = ast.literal_eval(node.slice)
            except (ValueError, TypeError):
                other = self._evaluate(node.slice, frame, value_of, None, depth + 1)
                return found._replace(address=self._item_of_object(found.address, other.address))
            return found._replace(address=self.item(found.address, key))
        raise NotFound("only names, their attributes and items are looked up: "
                       "anything else in an expression would have to be run")

    def _check_object(self, address: int) -> None:
        try:
            self._type_of(address)
        except READ_ERRORS:
            raise NotFound(f"no Python object at {address:#x}") from None

    # Names.

    def name(self, frame: Frame, name: str) -> Found:
        """What a name means in a frame."""
        variables = self._runtime.variables
        for variable in variables.of(frame):
            if variable.name == name:
                return Found(ENCLOSING if variable.kind == "free" else LOCAL, variable.address)
        for variable_name, kind in variables.unbound(frame):
            if variable_name == name:
                scope = "free variable" if kind == "free" else "local variable"
                raise NotFound(f"{scope} {name!r} has no value here: not assigned yet, or deleted")
        for scope, namespace in ((GLOBAL, variables.globals(frame)), (BUILTIN, variables.builtins(frame))):
            found = self._dicts.get(namespace, name)
            if found is not None:
                return Found(scope, found)
        raise NotFound(f"no {name!r} among the frame's locals and globals, nor the builtins")

    def names(self, frame: Frame) -> List[str]:
        """All names that mean something in a frame."""
        variables = self._runtime.variables
        found = [variable.name for variable in variables.of(frame)]
        for namespace in (variables.globals(frame), variables.builtins(frame)):
            found += [variable.name for variable in variables.names_in(namespace)]
        return list(dict.fromkeys(found))

    # Attributes.

    def attribute(self, address: int, name: str) -> int:
        """An attribute of the object at `address`."""
        type_ = self._type_of(address)
        for known in self._spellings(address, type_, name):
            found = self._attribute(address, type_, known)
            if found is not None:
                return found
        maker = "__getattr__"
        if self._classes.lookup(type_, maker) is not None:
            raise NeedsCode(f"{self._described(type_)} has no attribute {name!r} of its own; its {maker}() may make "
                            "one, but would have to be run")
        raise NotFound(f"no attribute {name!r} in this {self._name(type_)}, nor in its classes that are written "
                       "in Python")

    def _spellings(self, address: int, type_: Type, name: str) -> Iterator[str]:
        """The name, and for a private one (`__x`) what the compiler makes of it within each of the classes."""
        yield name
        if name.startswith("__") and not name.endswith("__"):
            class_ = self._classes.type(address) if type_.flags & TYPE_SUBCLASS else type_
            for base in self._classes.order(class_):
                yield f"_{base.name.rpartition('.')[2].lstrip('_')}{name}"

    def _attribute(self, address: int, type_: Type, name: str) -> Optional[int]:
        if name == "__class__":
            return type_.address
        in_tuple = self._field(address, type_, name)
        if in_tuple is not None:
            return in_tuple
        in_class = self._classes.lookup(type_, name)
        if in_class is not None and self._classes.is_derived(self._type_of(in_class), "property"):
            raise NeedsCode(f"{name!r} is a property of {self._described(type_)}: reading it would run code")
        own = self._own_attribute(address, type_, name)
        if own is not None:
            return own
        return None if in_class is None else self._from_class(in_class, type_, name, address)

    def _field(self, address: int, type_: Type, name: str) -> Optional[int]:
        """A field of a namedtuple, whose class has functions that fetch items by number."""
        if not type_.flags & TUPLE_SUBCLASS or not type_.flags & HEAP_TYPE:
            return None
        fields = self._classes.lookup(type_, "_fields")
        if fields is None or not self._type_of(fields).flags & TUPLE_SUBCLASS:
            return None
        for field, item in zip(self._objects.tuple_items(fields), self._objects.tuple_items(address)):
            if self._type_of(field).flags & UNICODE_SUBCLASS and self._objects.text(field) == name:
                return item
        return None

    def _own_attribute(self, address: int, type_: Type, name: str) -> Optional[int]:
        """What the object itself holds."""
        if type_.flags & TYPE_SUBCLASS:
            class_ = self._classes.type(address)
            for base in self._classes.order(class_):
                found = self._classes.own(base, name)
                if found is not None:
                    return self._from_class(found, class_, name, None)
            if class_.flags & HEAP_TYPE and name in _HEAP_TYPE_FIELDS:
                return self._reader.pointer(address, *_HEAP_TYPE_FIELDS[name])
        else:
            if self._classes.is_derived(type_, "module"):
                found = self._dicts.get(self._reader.pointer(address, "PyModuleObject", "md_dict"), name)
            else:
                found = self._dicts.attribute(address, name)
            if found is not None:
                return found
            for slot in reversed(self._classes.slots(type_)):
                if slot.name == name:
                    return self._set(self._reader.memory.u64(address + slot.offset), type_, name)
        for base in self._classes.order(type_):
            struct, field = _FIELDS.get(base.name, {}).get(name, ("", ""))
            if struct and self._reader.has(struct, field):
                return self._set(self._reader.pointer(address, struct, field), type_, name)
        return None

    def _set(self, value: int, type_: Type, name: str) -> int:
        if not value:
            raise NotFound(f"attribute {name!r} of {self._described(type_)} is not set")
        return value

    def _from_class(self, value: int, class_: Type, name: str, instance: Optional[int]) -> int:
        """What reading a class's entry gives, of an instance or of the class: itself, or what a descriptor makes.

        Methods are shown as the functions that they are, and not bound.
        """
        kind = self._type_of(value)
        for method in ("staticmethod", "classmethod"):
            if self._classes.is_derived(kind, method):
                return self._reader.pointer(value, *_FIELDS[method]["__func__"])
        if not self._has_getter(kind) or kind.name in _METHODS:
            return value
        if instance is None and kind.name in _OF_THEIR_CLASS:
            return value
        if instance is not None and kind.name == "member_descriptor":
            member = self._reader.pointer(value, "PyMemberDescrObject", "d_member")
            if self._reader.integer(member, "PyMemberDef", "type", signed=True) in _MEMBER_OBJECTS:
                offset = self._reader.integer(member, "PyMemberDef", "offset", signed=True)
                return self._set(self._reader.memory.u64(instance + offset), class_, name)
        raise NeedsCode(f"{name!r} of {self._described(class_)} is a {self._name(kind)}: reading it would run code")

    def _has_getter(self, type_: Type) -> bool:
        return bool(self._reader.pointer(type_.address, "PyTypeObject", "tp_descr_get"))

    def attributes(self, address: int) -> List[str]:
        """The names of an object's attributes, those of the object itself first."""
        type_ = self._type_of(address)
        found: List[str] = []
        if type_.flags & TYPE_SUBCLASS:
            found += self._class_names(self._classes.type(address))
        elif self._classes.is_derived(type_, "module"):
            namespace = self._reader.pointer(address, "PyModuleObject", "md_dict")
            found += [variable.name for variable in self._runtime.variables.names_in(namespace)]
        else:
            found += [attribute.name for attribute in self._runtime.values.attributes(address)]
        for base in self._classes.order(type_):
            found += [name for name, field in _FIELDS.get(base.name, {}).items() if self._reader.has(*field)]
        found += self._class_names(type_)
        return list(dict.fromkeys(found))[:MAX_COMPLETED]

    def _class_names(self, class_: Type) -> List[str]:
        found = []
        for base in self._classes.order(class_):
            namespace = self._reader.pointer(base.address, "PyTypeObject", "tp_dict")
            if base.flags & HEAP_TYPE and namespace:
                found += [variable.name for variable in self._runtime.variables.names_in(namespace)]
        return found

    # Items.

    def item(self, address: int, key: Key) -> int:
        """An item of the list, tuple, deque, dict or mappingproxy at `address`."""
        type_ = self._type_of(address)
        if type_.name == "mappingproxy":
            return self.item(self._reader.pointer(address, "mappingproxyobject", "mapping"), key)
        self._check_plain(type_)
        if type_.flags & DICT_SUBCLASS:
            found = self._in_dict(address, key)
            if found is None:
                raise NotFound(f"no key {key!r} in this {self._name(type_)}")
            return found
        return self._at(address, type_, key)

    def _item_of_object(self, address: int, key: int) -> int:
        """The same with a key that is an object of the inferior."""
        type_ = self._type_of(address)
        if type_.name == "mappingproxy":
            return self._item_of_object(self._reader.pointer(address, "mappingproxyobject", "mapping"), key)
        if type_.flags & DICT_SUBCLASS:
            self._check_plain(type_)
            for each, value in self._dicts.items(address):
                if each == key:
                    return value
        try:
            literal = self._literal(key)
        except NotFound:
            if not type_.flags & DICT_SUBCLASS:
                raise
            raise NotFound(f"no such key in this {self._name(type_)}, or one that only its __eq__() can tell") from None
        return self.item(address, literal)

    def _check_plain(self, type_: Type) -> None:
        found = self._classes.lookup(type_, "__getitem__")
        # C types that are made at run time have the C function's wrapper in there.
        if found is not None and self._type_of(found).name not in _METHODS - {"function"}:
            raise NotFound(f"{self._described(type_)} has a __getitem__() of its own, which would have to be run")

    def _in_dict(self, address: int, key: Key) -> Optional[int]:
        if isinstance(key, str):
            return self._dicts.get(address, key)
        for each, value in self._dicts.items(address):
            try:
                if self._equals(each, key):
                    return value
            except READ_ERRORS:
                continue
        return None

    def _at(self, address: int, type_: Type, key: Key) -> int:
        """By number, from the end where that is negative."""
        if not isinstance(key, int):
            raise NotFound(f"{self._described(type_)} has no items with a key such as {key!r}")
        reader, objects = self._reader, self._objects
        is_deque = self._classes.is_derived(type_, "collections.deque")
        if not type_.flags & (LIST_SUBCLASS | TUPLE_SUBCLASS) and not is_deque:
            raise NotFound(f"items of {self._described(type_)} can't be read, only those of list, tuple, deque "
                           "and dict")
        size = objects.list_count(address) if type_.flags & LIST_SUBCLASS else objects.count(address)
        index = key + size if key < 0 else key
        if not 0 <= index < size:
            raise NotFound(f"no item {key} in this {self._name(type_)} of {size}")
        if is_deque:
            if index > MAX_ITEMS:
                raise NotFound(f"item {key} of this {self._name(type_)} is too far from its first one")
            return next(islice(deque_items(objects, address), index, None))
        if type_.flags & LIST_SUBCLASS:
            start = reader.pointer(address, "PyListObject", "ob_item")
        else:
            start = address + reader.layout["PyTupleObject"].offset("ob_item")
        found = reader.memory.u64(start + 8 * index)
        if not found:
            raise NotFound(f"item {key} of this {self._name(type_)} is not set yet")
        return found

    def _literal(self, address: int) -> Key:
        """The value of an object that compares without running code. Raises NotFound for any other."""
        type_ = self._type_of(address)
        objects = self._objects
        if type_.flags & UNICODE_SUBCLASS:
            return objects.text(address)
        if type_.flags & LONG_SUBCLASS:
            return objects.integer(address)
        if type_.flags & BYTES_SUBCLASS:
            return objects.data(address)
        if type_.flags & TUPLE_SUBCLASS:
            return tuple(self._literal(item) for item in objects.tuple_items(address))
        if type_.name == "float":
            field = self._reader.layout["PyFloatObject"].offset("ob_fval")
            return struct.unpack("<d", self._reader.memory.read(address + field, 8))[0]
        if type_.name == "NoneType":
            return None
        raise NotFound(f"{self._described(type_)} is no key that compares without running code")

    def _equals(self, address: int, key: Key) -> bool:
        """Whether an object equals a key, as far as that can be told without running code."""
        flags = self._type_of(address).flags
        if isinstance(key, tuple):
            if not flags & TUPLE_SUBCLASS:
                return False
            items = self._objects.tuple_items(address)
            return len(items) == len(key) and all(map(self._equals, items, key))
        if isinstance(key, bytes) and not flags & BYTES_SUBCLASS:
            return False
        try:
            found = self._literal(address) if not flags & TUPLE_SUBCLASS else ()
        except NotFound:
            return False
        return found == key and (found is None) == (key is None)

    # Types.

    def _type_of(self, address: int) -> Type:
        """The type of an object, which is checked to be one."""
        if not address or address % 8:
            raise Damaged(address, "no object")
        return self._classes.type(self._objects.type_of(address).address)

    def _name(self, type_: Type) -> str:
        return self._classes.name(type_).full

    def _described(self, type_: Type) -> str:
        """ "an object of app.Worker". """
        return f"an object of type {self._name(type_)}"


def _parsed(expression: str) -> ast.AST:
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotFound(f"{expression.strip()!r} is no Python expression") from None
