"""What a program is made of: types, functions, methods, modules, code, generators, cells; and the singletons.

Facts: the repr functions in Objects/ typeobject.c, funcobject.c, methodobject.c, classobject.c, descrobject.c,
codeobject.c, genobject.c, cellobject.c, weakrefobject.c, memoryobject.c, exceptions.c; Lib/importlib/_bootstrap.py.
"""

from typing import Dict, Optional, Tuple

from ..objects import MAX_TYPE_NAME, TYPE_SUBCLASS, Type
from .containers import tuple_items
from .rendering import Handler, Rendering
from .text import escaped

# PyMemoryViewObject.flags (Include/memoryobject.h).
_RELEASED = 1


def _constant(text: str) -> Handler:
    return lambda _show, _address, _type: text


def _type(show: Rendering, address: int, _type: Type) -> str:
    return f"<class '{show.name(show.reading.classes.type(address))}'>"


def _text_field(show: Rendering, address: int, struct: str, path: str) -> str:
    return escaped(show.reading.objects.text(show.reading.reader.pointer(address, struct, path)))


def _function(show: Rendering, address: int, _type: Type) -> str:
    return f"<function {_text_field(show, address, 'PyFunctionObject', 'func_qualname')} at {address:#x}>"


def _builtin_name(show: Rendering, address: int) -> Tuple[str, Optional[Type]]:
    """The name of a function of C, and the type of the object that it is a method of."""
    reader = show.reading.reader
    name = _c_text(show, reader.pointer(reader.pointer(address, "PyCFunctionObject", "m_ml"), "PyMethodDef", "ml_name"))
    owner = reader.pointer(address, "PyCFunctionObject", "m_self")
    type_ = show.reading.type_of(owner) if owner else None
    if type_ is None or show.reading.classes.is_derived(type_, "module"):
        return name, None
    return name, type_


def _builtin(show: Rendering, address: int, _type: Type) -> str:
    name, type_ = _builtin_name(show, address)
    if type_ is None:
        return f"<built-in function {name}>"
    owner = show.reading.reader.pointer(address, "PyCFunctionObject", "m_self")
    return f"<built-in method {name} of {escaped(type_.name)} object at {owner:#x}>"


def _c_text(show: Rendering, address: int) -> str:
    return escaped(show.reading.memory.c_string(address, MAX_TYPE_NAME).decode("utf-8", "backslashreplace"))


def _method(show: Rendering, address: int, _type: Type) -> str:
    reader = show.reading.reader
    owner = show.text(reader.pointer(address, "PyMethodObject", "im_self"))
    return f"<bound method {_callable_name(show, reader.pointer(address, 'PyMethodObject', 'im_func'))} of {owner}>"


# What leads to the method of a C type, or is it.
_OF_C_TYPES = frozenset(("method-wrapper", "wrapper_descriptor", "method_descriptor", "classmethod_descriptor"))


# Methods of methods that are gone through; a damaged one may be its own.
MAX_METHODS = 10


def _callable_name(show: Rendering, address: int) -> str:
    """`__qualname__` or else `__name__` of what a method calls."""
    for _ in range(MAX_METHODS):
        kind = show.reading.type_of(address).name
        if kind != "method":
            break
        address = show.reading.reader.pointer(address, "PyMethodObject", "im_func")
    if kind == "function":
        return _text_field(show, address, "PyFunctionObject", "func_qualname")
    if kind == "builtin_function_or_method":
        name, type_ = _builtin_name(show, address)
        return f"{show.reading.classes.name(type_).qualname}.{name}" if type_ else name
    if kind == "method-wrapper":
        address = show.reading.reader.pointer(address, "wrapperobject", "descr")
    if kind in _OF_C_TYPES:
        owner = show.reading.classes.type(show.reading.reader.pointer(address, "PyDescrObject", "d_type"))
        name = _text_field(show, address, "PyDescrObject", "d_name")
        return f"{escaped(show.reading.classes.name(owner).qualname)}.{name}"
    if show.reading.type_of(address).flags & TYPE_SUBCLASS:
        return escaped(show.reading.classes.name(show.reading.classes.type(address)).qualname)
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
    # It was the tuple's own repr() before bpo-30399.
    comma = "," if count == 1 and show.is_36 else ""
    return f"{show.short_name(type_)}({shown}{comma})"


def _import_error(show: Rendering, address: int, type_: Type) -> str:
    """Since 3.15 with the names that it was given."""
    shown = _exception(show, address, type_)
    named = []
    for name in ("name", "path"):
        value = show.reading.reader.pointer(address, "PyImportErrorObject", name)
        if value:
            named.append(f"{name}={show.text(value)}")
    if not named:
        return shown
    between = "" if shown.endswith("()") else ", "
    return f"{shown[:-1]}{between}{', '.join(named)})"


def _exception_group(show: Rendering, address: int, type_: Type) -> str:
    """Since 3.13.8 and 3.14.1 (gh-141732) not by `args`, which may have changed since."""
    reading = show.reading
    kept = reading.reader.pointer(address, "PyBaseExceptionGroupObject", "excs_str")
    if kept:
        exceptions = escaped(reading.objects.text(kept))
    else:
        args = reading.objects.tuple_items(reading.reader.pointer(address, "PyBaseExceptionObject", "args"))
        was_list = len(args) == 2 and reading.type_of(args[1]).name == "list"
        items, count = tuple_items(show, reading.reader.pointer(address, "PyBaseExceptionGroupObject", "excs"))
        shown = show.joined(show.texts(items), count)
        exceptions = f"[{shown}]" if was_list else f"({shown}{',' if count == 1 else ''})"
    message = show.text(reading.reader.pointer(address, "PyBaseExceptionGroupObject", "msg"))
    return f"{show.short_name(type_)}({message}, {exceptions})"


def _method_wrapper(show: Rendering, address: int, _type: Type) -> str:
    reader = show.reading.reader
    name = _text_field(show, reader.pointer(address, "wrapperobject", "descr"), "PyDescrObject", "d_name")
    owner = reader.pointer(address, "wrapperobject", "self")
    return f"<method-wrapper {name!r} of {escaped(show.reading.type_of(owner).name)} object at {owner:#x}>"


def _descriptor(text: str) -> Handler:
    def handler(show: Rendering, address: int, _type: Type) -> str:
        name = _text_field(show, address, "PyDescrObject", "d_name")
        owner = show.reading.classes.type(show.reading.reader.pointer(address, "PyDescrObject", "d_type"))
        return text.format(name, escaped(owner.name))

    return handler


def _module(show: Rendering, address: int, _type: Type) -> str:
    """As importlib._bootstrap finds it: by `__spec__`, else by `__name__` and `__file__`."""
    reading = show.reading
    namespace = reading.reader.pointer(address, "PyModuleObject", "md_dict")
    if namespace and _asks_loader(show):
        name, loader = (reading.dicts.get(namespace, field) for field in ("__name__", "__loader__"))
        kind = _IMPORTERS.get(show.text(loader)) if loader else None
        if kind:
            return f"<module {_quoted(show, name)} ({kind})>"
    spec = _present(show, reading.dicts.get(namespace, "__spec__") if namespace else None)
    if spec:
        name, origin, loader = (reading.attribute(spec, field) for field in ("name", "origin", "loader"))
        origin, loader = _present(show, origin), _present(show, loader)
        has_file = reading.attribute(spec, "_set_fileattr")
        if origin and not (has_file and reading.objects.integer(has_file)):
            return f"<module {_quoted(show, name)} ({escaped(reading.objects.text(origin))})>"
    else:
        name, origin, loader = (reading.dicts.get(namespace, field) if namespace else None
                                for field in ("__name__", "__file__", "__loader__"))
        loader = _present(show, loader)
    if origin:
        return f"<module {_quoted(show, name)} from {show.text(origin)}>"
    if not loader:
        return f"<module {_quoted(show, name)}>"
    loader_type = reading.type_of(loader)
    if loader_type.name in _NAMESPACE_LOADERS:
        return f"<module {_quoted(show, name)} {_namespace(show, loader, loader_type)}>"
    return f"<module {_quoted(show, name)} ({show.text(loader)})>"


# importlib's own; 3.11 made the name public.
_NAMESPACE_LOADERS = ("_NamespaceLoader", "NamespaceLoader")
_IMPORTERS = {"<class '_frozen_importlib.BuiltinImporter'>": "built-in",
              "<class '_frozen_importlib.FrozenImporter'>": "frozen"}


def _quoted(show: Rendering, name: Optional[int]) -> str:
    return show.text(name) if name else "'?'"


def _present(show: Rendering, address: Optional[int]) -> Optional[int]:
    """The address, None for that of None."""
    return address if address and show.reading.type_of(address).name != "NoneType" else None


def _namespace(show: Rendering, loader: int, type_: Type) -> str:
    """Of a namespace package: in 3.10 and 3.11 its loader, since 3.12 (gh-98139) its folders."""
    if not _asks_loader(show) and not show.reading.reader.has("PyTypeObject", "tp_watched"):
        return f"({show.plain(loader, type_)})"
    path = show.reading.attribute(loader, "_path")
    folders = show.reading.attribute(path, "_path") if path and not _asks_loader(show) else None
    return f"(namespace) from {show.text(folders)}" if folders else "(namespace)"


def _asks_loader(show: Rendering) -> bool:
    """Up to 3.9 the module_repr() of its loader comes first; co_linetable came with 3.10."""
    return not show.reading.reader.has("PyCodeObject", "co_linetable")


def _code(show: Rendering, address: int, _type: Type) -> str:
    code = show.reading.codes.at(address)
    return (f'<code object {escaped(code.name)} at {address:#x}, file "{escaped(code.filename)}", '
            f"line {code.first_line}>")


def _generator(show: Rendering, address: int, type_: Type) -> str:
    qualname = _text_field(show, address, "PyGenObject", "gi_qualname")
    return f"<{escaped(type_.name)} object {qualname} at {address:#x}>"


def _cell(show: Rendering, address: int, _type: Type) -> str:
    value = show.reading.reader.pointer(address, "PyCellObject", "ob_ref")
    if not value:
        return f"<cell at {address:#x}: empty>"
    return f"<cell at {address:#x}: {escaped(show.reading.type_of(value).name)[:80]} object at {value:#x}>"


def _weakref(show: Rendering, address: int, _type: Type) -> str:
    target = _present(show, show.reading.reader.pointer(address, "PyWeakReference", "wr_object"))
    if not target:
        return f"<weakref at {address:#x}; dead>"
    type_ = show.reading.type_of(target)
    name = _name_attribute(show, target, type_)
    named = f" ({name})" if name is not None else ""
    of = escaped(type_.name)
    if show.names_modules:
        module = show.reading.classes.name(type_).module
        of = show.name(type_) if module != "__main__" else escaped(show.reading.classes.name(type_).qualname)
    return f"<weakref at {address:#x}; to '{of}' at {target:#x}{named}>"


def _name_attribute(show: Rendering, address: int, type_: Type) -> Optional[str]:
    """`__name__`, as the type of the object defines it."""
    if type_.flags & TYPE_SUBCLASS:
        return show.short_name(show.reading.classes.type(address))
    if type_.name == "function":
        return _text_field(show, address, "PyFunctionObject", "func_name")
    if type_.name == "builtin_function_or_method":
        return _builtin_name(show, address)[0]
    if type_.name in ("generator", "coroutine", "async_generator"):
        return _text_field(show, address, "PyGenObject", "gi_name")
    return None


def _memoryview(show: Rendering, address: int, _type: Type) -> str:
    released = show.reading.reader.integer(address, "PyMemoryViewObject", "flags") & _RELEASED
    return f"<{'released ' if released else ''}memory at {address:#x}>"


def _wrapping(name: str, struct: str, path: str) -> Handler:
    def handler(show: Rendering, address: int, _type: Type) -> str:
        return f"<{name}({show.text(show.reading.reader.pointer(address, struct, path))})>"

    return handler


def _super(show: Rendering, address: int, _type: Type) -> str:
    reading = show.reading
    type_, bound = (reading.reader.pointer(address, "superobject", path) for path in ("type", "obj_type"))
    name = escaped(reading.classes.type(type_).name) if type_ else "NULL"
    of = f"<{escaped(reading.classes.type(bound).name)} object>" if bound else "NULL"
    return f"<super: <class '{name}'>, {of}>"


HANDLERS: Dict[str, Handler] = {
    "NoneType": _constant("None"),
    "ellipsis": _constant("Ellipsis"),
    "NotImplementedType": _constant("NotImplemented"),
    "type": _type,
    "function": _function,
    "builtin_function_or_method": _builtin,
    "method": _method,
    "BaseException": _exception,
    "ImportError": _import_error,
    "BaseExceptionGroup": _exception_group,
    "method-wrapper": _method_wrapper,
    "method_descriptor": _descriptor("<method {!r} of {!r} objects>"),
    "classmethod_descriptor": _descriptor("<method {!r} of {!r} objects>"),
    "wrapper_descriptor": _descriptor("<slot wrapper {!r} of {!r} objects>"),
    "getset_descriptor": _descriptor("<attribute {!r} of {!r} objects>"),
    "member_descriptor": _descriptor("<member {!r} of {!r} objects>"),
    "module": _module,
    "code": _code,
    "generator": _generator,
    "coroutine": _generator,
    "async_generator": _generator,
    "cell": _cell,
    "weakref": _weakref,
    "weakref.ReferenceType": _weakref,
    "memoryview": _memoryview,
    "staticmethod": _wrapping("staticmethod", "staticmethod", "sm_callable"),
    "classmethod": _wrapping("classmethod", "classmethod", "cm_callable"),
    "super": _super,
}
