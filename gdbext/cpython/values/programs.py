"""What a program is made of: types, functions, methods, modules, code, generators, cells; and the singletons.

Facts: the repr functions in Objects/ typeobject.c, funcobject.c, methodobject.c, classobject.c, descrobject.c,
codeobject.c, genobject.c, cellobject.c, weakrefobject.c, memoryobject.c, exceptions.c; Lib/importlib/_bootstrap.py.
"""

from typing import Dict

from ..objects import MAX_TYPE_NAME, Type
from .containers import tuple_items
from .rendering import Handler, Rendering
from .text import escaped


def _constant(text: str) -> Handler:
    return lambda _show, _address, _type: text


def _type(show: Rendering, address: int, _type: Type) -> str:
    return f"<class '{show.name(show.reading.classes.type(address))}'>"


def _text_field(show: Rendering, address: int, struct: str, path: str) -> str:
    return escaped(show.reading.objects.text(show.reading.reader.pointer(address, struct, path)))


def _function(show: Rendering, address: int, _type: Type) -> str:
    return f"<function {_text_field(show, address, 'PyFunctionObject', 'func_qualname')} at {address:#x}>"


def _builtin(show: Rendering, address: int, _type: Type) -> str:
    reader = show.reading.reader
    definition = reader.pointer(address, "PyCFunctionObject", "m_ml")
    name = _c_text(show, reader.pointer(definition, "PyMethodDef", "ml_name"))
    owner = reader.pointer(address, "PyCFunctionObject", "m_self")
    if not owner:
        return f"<built-in function {name}>"
    type_ = show.reading.type_of(owner)
    if show.reading.classes.is_derived(type_, "module"):
        return f"<built-in function {name}>"
    return f"<built-in method {name} of {escaped(type_.name)} object at {owner:#x}>"


def _c_text(show: Rendering, address: int) -> str:
    return escaped(show.reading.memory.c_string(address, MAX_TYPE_NAME).decode("utf-8", "backslashreplace"))


def _method(show: Rendering, address: int, _type: Type) -> str:
    reader = show.reading.reader
    owner = show.text(reader.pointer(address, "PyMethodObject", "im_self"))
    return f"<bound method {_callable_name(show, reader.pointer(address, 'PyMethodObject', 'im_func'))} of {owner}>"


def _callable_name(show: Rendering, address: int) -> str:
    """`__qualname__` or else `__name__` of what a method calls."""
    if show.reading.type_of(address).name == "function":
        return _text_field(show, address, "PyFunctionObject", "func_qualname")
    for name in ("__qualname__", "__name__"):
        found = show.reading.dicts.attribute(address, name)
        if found:
            return escaped(show.reading.objects.text(found))
    return "?"


def _exception(show: Rendering, address: int, type_: Type) -> str:
    reader = show.reading.reader
    args = reader.pointer(address, "PyBaseExceptionObject", "args")
    items, count = tuple_items(show, args)
    shown = show.joined(show.texts(items), count)
    # Up to 3.6, which has no _PyRuntime, it was the tuple's own repr().
    comma = "," if count == 1 and reader.layout.find("_PyRuntimeState") is None else ""
    return f"{show.short_name(type_)}({shown}{comma})"


HANDLERS: Dict[str, Handler] = {
    "NoneType": _constant("None"),
    "ellipsis": _constant("Ellipsis"),
    "NotImplementedType": _constant("NotImplemented"),
    "type": _type,
    "function": _function,
    "builtin_function_or_method": _builtin,
    "method": _method,
    "BaseException": _exception,
}
