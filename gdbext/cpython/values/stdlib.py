"""Types of the standard library: those with a repr() written in Python, and numbers and functions of C modules.

Facts: Lib/ enum.py, dataclasses.py, collections/__init__.py, pathlib, uuid.py, fractions.py, types.py;
Modules/ _decimal/_decimal.c, _functoolsmodule.c; Objects/namespaceobject.c.
"""

from typing import Dict, Iterator, List, Optional, Tuple, Union

from ..classes import PythonFunction
from ..memory import Damaged
from ..objects import LONG_SUBCLASS, TUPLE_SUBCLASS, Type
from .containers import dict_body, dict_size, pairs
from .numbers import HANDLERS as _NUMBERS
from .numbers import double
from .rendering import MAX_ATTRIBUTES, Handler, NotKnown, Reading, Rendering
from .text import cut, escaped
from .tuples import namedtuple

# A Counter larger than this is shown in the order of insertion: its own would need all of it to be read.
MAX_SORTED = 10_000

# Words of 19 decimal digits in a Decimal; more take too long to print.
_MAX_WORDS = 1 << 16
_WORD_DIGITS = 19

# mpd_t.flags (Modules/_decimal/libmpdec/mpdecimal.h).
_NEGATIVE, _INFINITE, _NAN, _SIGNALING = 1, 2, 4, 8
# An mpd_ssize_t holds those of every Decimal (Modules/_decimal/libmpdec/mpdecimal.h).
_MAX_EXPONENT = 1 << 63


def handler(reading: Reading, type_: Type, method: PythonFunction) -> Optional[Handler]:
    """What shows instances whose `__repr__` is this function, None where it is not known. Raises READ_ERRORS."""
    known = _FUNCTIONS.get((method.module, method.qualname))
    if known is not None:
        return known
    if type_.flags & TUPLE_SUBCLASS and method.name == "__repr__" and (
            method.module == "collections" or method.module == f"namedtuple_{method.owner.name}"):
        return namedtuple
    return _dataclass_of(reading, method)


# enum


def _name_of_member(show: Rendering, address: int) -> Optional[str]:
    name = show.attribute(address, "_name_")
    if show.reading.type_of(name).name == "NoneType":
        return None
    return escaped(show.reading.objects.text(name))


def _value_of_member(show: Rendering, address: int, type_: Type) -> str:
    """The value, by the repr() that the class uses for it, which 3.11 takes from the mixed-in type (bpo-40066)."""
    value = show.attribute(address, "_value_")
    method = show.reading.classes.lookup(type_, "_value_repr_")
    if method:
        kind = show.reading.type_of(method).name
        if kind == "wrapper_descriptor":
            known = _NUMBERS.get(show.reading.classes.c_slot(method).name)
            value_type = show.reading.type_of(value)
            if known is not None and value_type.flags & LONG_SUBCLASS:
                return known(show, value, value_type)
        elif kind == "function":
            if show.reading.classes.function(method, type_).qualname == "_dataclass_repr":
                return _fields_of_value(show, value)
            own = show.reading.classes.repr_provider(show.reading.type_of(value))
            if not isinstance(own, PythonFunction) or own.address != method:
                raise NotKnown()
        elif kind != "NoneType":
            raise NotKnown()
    return show.text(value)


def _fields_of_value(show: Rendering, value: int) -> str:
    """Of a member whose value is that of a dataclass (enum._dataclass_repr, 3.12)."""
    fields = show.reading.classes.lookup(show.reading.type_of(value), "__dataclass_fields__")
    names = list(_shown_fields(show.reading, fields)) if fields else []
    return ", ".join(f"{escaped(name)}={show.text(show.attribute(value, name))}" for name in names)


def _enum(show: Rendering, address: int, type_: Type) -> str:
    return f"<{show.short_name(type_)}.{_name_of_member(show, address)}: {_value_of_member(show, address, type_)}>"


def _flag(show: Rendering, address: int, type_: Type) -> str:
    name = _name_of_member(show, address)
    value = _value_of_member(show, address, type_)
    if name is not None:
        return f"<{show.short_name(type_)}.{name}: {value}>"
    if show.reading.classes.lookup(type_, "_boundary_"):
        # Since 3.11 a combination has a name unless it has bits without.
        return f"<{show.short_name(type_)}: {value}>"
    return f"<{show.short_name(type_)}.{'|'.join(_names_of_bits(show, address, type_))}: {value}>"


def _names_of_bits(show: Rendering, address: int, type_: Type) -> List[str]:
    """Up to 3.10: the members that a combination of flags is made of, the greatest first."""
    reading = show.reading
    integer = reading.objects.integer
    value = integer(show.attribute(address, "_value_"))
    by_value = reading.classes.lookup(type_, "_value2member_map_")
    if not by_value:
        raise NotKnown()
    members = {integer(key): member for key, member in reading.dicts.items(by_value)}
    named = {bits: _name_of_member(show, member) for bits, member in members.items()}
    found = [bits for bits, name in named.items() if name is not None and bits and bits & value == bits]
    rest = value
    for bits in found:
        rest &= ~bits
    if value >= 0:
        found += [1 << bit for bit in range(rest.bit_length()) if rest >> bit & 1 and 1 << bit in members]
    found.sort(reverse=True)
    if not found and value in members:
        found = [value]
    if len(found) > 1 and found[0] == value:
        found.pop(0)
    return [named[bits] or str(bits) for bits in found]


def _global_enum(show: Rendering, address: int, type_: Type) -> str:
    module = show.reading.classes.name(type_).module.rpartition(".")[2]
    name = _name_of_member(show, address)
    if name is None:
        return f"{escaped(module)}.{show.short_name(type_)}({_value_of_member(show, address, type_)})"
    # Bits without a name stand among those of a combination.
    return "|".join(part if part[:1].isdigit() else f"{escaped(module)}.{part}" for part in name.split("|"))


def _regex_flag(show: Rendering, address: int, type_: Type) -> str:
    """3.8 to 3.10 (bpo-36548)."""
    name = _name_of_member(show, address)
    if name is not None:
        return f"re.{name}"
    objects, classes = show.reading.objects, show.reading.classes
    value = objects.integer(show.attribute(address, "_value_"))
    members, names = classes.lookup(type_, "_member_map_"), classes.lookup(type_, "_member_names_")
    if not members or not names:
        raise NotKnown()
    by_name = {objects.text(key): member for key, member in show.reading.dicts.items(members)}
    rest, parts = (~value if value < 0 else value), []
    for each in map(objects.text, objects.list_items(names)):
        bits = objects.integer(show.attribute(by_name[each], "_value_"))
        if rest & bits:
            rest &= ~bits
            parts.append(f"re.{escaped(each)}")
    parts += [hex(rest)] if rest else []
    text = "|".join(parts)
    return text if value >= 0 else f"~({text})" if len(parts) > 1 else f"~{text}"


def _enum_class(show: Rendering, address: int, _type: Type) -> str:
    type_ = show.reading.classes.type(address)
    is_flag = show.reading.classes.lookup(type_, "_boundary_") and any(
        show.reading.classes.name(base) == ("enum", "Flag") for base in show.reading.classes.order(type_))
    return f"<{'flag' if is_flag else 'enum'} {show.short_name(type_)!r}>"


# dataclasses


def _dataclass_of(reading: Reading, method: PythonFunction) -> Optional[Handler]:
    """For the function that dataclass() makes: its guard against recursion around a function made of text."""
    if (method.module, method.name) not in (("dataclasses", "wrapper"), ("reprlib", "wrapper")):
        return None
    fields = reading.classes.own(method.owner, "__dataclass_fields__")
    made = _guarded(reading, method.address)
    if not fields or made is None or made[0] != "__repr__" or made[1] != "<string>":
        return None
    names = list(_shown_fields(reading, fields))

    def show_fields(show: Rendering, address: int, type_: Type) -> str:
        def field(name: str) -> str:
            value = reading.attribute(address, name) or _default(reading, type_, name)
            return f"{escaped(name)}={show.text(value)}"

        missing = [name for name in names if not (reading.attribute(address, name) or _default(reading, type_, name))]
        if missing:
            raise NotKnown()
        qualname = escaped(reading.classes.name(type_).qualname)
        return show.container(
            address, type_, "...", lambda: f"{qualname}({show.joined(map(field, names), len(names))})")

    return show_fields


def _guarded(reading: Reading, wrapper: int) -> Optional[Tuple[str, str]]:
    """The name and file of the function in the closure of the guard."""
    reader = reading.reader
    closure = reader.pointer(wrapper, "PyFunctionObject", "func_closure")
    for cell in reading.objects.tuple_items(closure) if closure else ():
        inner = reader.pointer(cell, "PyCellObject", "ob_ref")
        if inner and reading.type_of(inner).name == "function":
            code = reading.codes.at(reader.pointer(inner, "PyFunctionObject", "func_code"))
            return code.name, code.filename
    return None


def _shown_fields(reading: Reading, fields: int) -> Iterator[str]:
    """The names of those that are no ClassVar or InitVar, and were not declared with repr=False."""
    for key, field in reading.dicts.items(fields):
        kind, shown = reading.attribute(field, "_field_type"), reading.attribute(field, "repr")
        if not kind or not shown:
            raise Damaged(field, "field of a dataclass without its flags")
        name = reading.attribute(kind, "name")
        if name and reading.objects.text(name) == "_FIELD" and reading.objects.integer(shown):
            yield reading.objects.text(key)


def _default(reading: Reading, type_: Type, name: str) -> int:
    """The class' own value, where that is no descriptor; 0 for none."""
    found = reading.classes.lookup(type_, name)
    if not found or reading.reader.pointer(reading.type_of(found).address, "PyTypeObject", "tp_descr_get"):
        return 0
    return found


# collections, types


def _counter(show: Rendering, address: int, type_: Type) -> str:
    name = show.short_name(type_)
    count = dict_size(show, address)
    if not count:
        return f"{name}()"

    def body() -> str:
        if count > MAX_SORTED:
            return f"{name}({{{dict_body(show, address)}}})"
        reading = show.reading
        items = list(reading.dicts.items(address))
        counts = {value: _number(show, value) for _key, value in items}
        items.sort(key=lambda item: counts[item[1]], reverse=True)
        return f"{name}({{{show.joined(pairs(show, iter(items)), count)}}})"

    return show.container(address, type_, f"{name}({{...}})", body)


def _number(show: Rendering, address: int) -> Union[int, float]:
    """An int or float. Raises NotKnown for all else, which may compare as it likes."""
    type_ = show.reading.type_of(address)
    if type_.flags & LONG_SUBCLASS:
        return show.reading.objects.integer(address)
    if type_.name != "float":
        raise NotKnown()
    return double(show, address, "PyFloatObject", "ob_fval")


def _chain_map(show: Rendering, address: int, type_: Type) -> str:
    def body() -> str:
        maps = show.reading.objects.list_items(show.attribute(address, "maps"))
        return f"{show.short_name(type_)}({show.joined(show.texts(maps), len(maps))})"

    return show.container(address, type_, "...", body)


def _wrapped_data(show: Rendering, address: int, _type: Type) -> str:
    return show.text(show.attribute(address, "data"))


def _namespace(show: Rendering, address: int, type_: Type) -> str:
    name = "namespace" if type_.name == "types.SimpleNamespace" else show.short_name(type_)

    def body() -> str:
        found = []
        for attribute in show.reading.attributes(address):
            found.append(attribute)
            if len(found) > MAX_ATTRIBUTES:
                break
        if not show.reading.reader.has("PyInterpreterState", "runtime"):
            # Up to 3.8 (bpo-39075).
            found.sort()
        texts = (f"{escaped(key)}={show.text(value)}" for key, value in found)
        return f"{name}({show.joined(texts, len(found))})"

    return show.container(address, type_, f"{name}(...)", body)


# pathlib, uuid, fractions, functools


def _path(show: Rendering, address: int, type_: Type) -> str:
    names = {base.name for base in show.reading.classes.order(type_)}
    text = _text_of_path(show.reading, address, "PurePosixPath" in names)
    if "PureWindowsPath" in names:
        text = text.replace("\\", "/")
    return f"{show.short_name(type_)}({text!r})"


def _text_of_path(reading: Reading, address: int, is_posix: bool) -> str:
    """str() of a path: kept once it was asked for, or else of its parts. Raises NotKnown, READ_ERRORS."""
    objects = reading.objects
    kept = reading.attribute(address, "_str")
    if kept:
        return objects.text(kept)
    parts, raw = reading.attribute(address, "_parts"), reading.attribute(address, "_raw_paths")
    if parts:
        # Up to 3.11. Drive and root are the first part too, where there are any.
        texts = list(map(objects.text, objects.list_items(parts)))
        drive, root = (objects.text(found) if found else "" for found in (
            reading.attribute(address, "_drv"), reading.attribute(address, "_root")))
        separator = "/" if is_posix else "\\"
        if drive or root:
            return drive + root + separator.join(texts[1:])
        return separator.join(texts) or "."
    if raw and is_posix:
        return _joined(list(map(objects.text, objects.list_items(raw))))
    raise NotKnown()


def _joined(paths: List[str]) -> str:
    """Since 3.12: the arguments of a PurePosixPath joined, without "." and empty parts."""
    path = ""
    for each in paths:
        if each.startswith("/"):
            path = each
        else:
            path += each if not path or path.endswith("/") else "/" + each
    root = "" if not path.startswith("/") else "//" if path.startswith("//") and not path.startswith("///") else "/"
    return root + "/".join(part for part in path.split("/") if part not in ("", ".")) or "."


def _uuid(show: Rendering, address: int, type_: Type) -> str:
    value = show.reading.objects.integer(show.attribute(address, "int"))
    if not 0 <= value < 1 << 128:
        raise NotKnown()
    digits = f"{value:032x}"
    shown = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return f"{show.short_name(type_)}({shown!r})"


def _fraction(show: Rendering, address: int, type_: Type) -> str:
    top, bottom = (show.text(show.attribute(address, name)) for name in ("_numerator", "_denominator"))
    return f"{show.short_name(type_)}({top}, {bottom})"


def _partial(show: Rendering, address: int, type_: Type) -> str:
    def body() -> str:
        reading = show.reading
        function, args, keywords = (reading.reader.pointer(address, "partialobject", name)
                                    for name in ("fn", "args", "kw"))
        parts = [show.text(function), *show.texts(reading.objects.tuple_items(args))]
        for key, value in reading.dicts.items(keywords) if keywords else ():
            parts.append(f"{_keyword(show, key)}={show.text(value)}")
        name = show.name(type_) if show.names_modules else escaped(type_.name)
        return f"{name}({', '.join(parts)})"

    return show.container(address, type_, "...", body)


def _keyword(show: Rendering, key: int) -> str:
    return escaped(show.reading.objects.text(key))


# decimal


def _decimal(show: Rendering, address: int, _type: Type) -> str:
    """mpd_t: words of 19 decimal digits, the least significant first."""
    reader = show.reading.reader
    flags = reader.integer(address, "PyDecObject", "dec.flags")
    exponent = reader.integer(address, "PyDecObject", "dec.exp", signed=True)
    count = reader.integer(address, "PyDecObject", "dec.len", signed=True)
    if not 0 <= count <= _MAX_WORDS:
        raise Damaged(address, f"Decimal of {count} words")
    words = show.reading.objects.pointers(reader.pointer(address, "PyDecObject", "dec.data"), count)
    digits = "".join(str(word).rjust(_WORD_DIGITS, "0") for word in reversed(words)).lstrip("0")
    sign = "-" if flags & _NEGATIVE else ""
    if flags & _INFINITE:
        return f"Decimal('{sign}Infinity')"
    if flags & (_NAN | _SIGNALING):
        return f"Decimal('{sign}{'s' if flags & _SIGNALING else ''}NaN{digits}')"
    return _decimal_text(show, sign, digits or "0", exponent)


def _python_decimal(show: Rendering, address: int, _type: Type) -> str:
    objects = show.reading.objects
    sign = "-" if objects.integer(show.attribute(address, "_sign")) else ""
    digits = objects.text(show.attribute(address, "_int"))
    exponent = show.attribute(address, "_exp")
    if objects.integer(show.attribute(address, "_is_special")):
        kind = objects.text(exponent)
        return f"Decimal('{sign}{'Infinity' if kind == 'F' else 'sNaN' if kind == 'N' else 'NaN'}" + (
            "')" if kind == "F" else f"{digits}')")
    return _decimal_text(show, sign, digits, objects.integer(exponent))


def _decimal_text(show: Rendering, sign: str, digits: str, exponent: int) -> str:
    """to-scientific-string of the General Decimal Arithmetic Specification. Raises NotKnown for no such exponent."""
    if abs(exponent) > _MAX_EXPONENT:
        raise NotKnown()
    left = exponent + len(digits)
    point = left if exponent <= 0 and left > -6 else 1
    if point <= 0:
        text = "0." + "0" * -point + digits
    elif point >= len(digits):
        text = digits + "0" * (point - len(digits))
    else:
        text = digits[:point] + "." + digits[point:]
    text = sign + text + (f"E{left - point:+d}" if left != point else "")
    limit = show.limits.length
    count = len(text) if limit is None else min(limit, len(text))
    return f"Decimal({cut(repr(text[:count]), count, len(text))})"


# By tp_name of a type of C.
HANDLERS: Dict[str, Handler] = {
    "types.SimpleNamespace": _namespace,
    "functools.partial": _partial,
    "decimal.Decimal": _decimal,
}

# By the module of the function's globals, and its qualified name.
_FUNCTIONS: Dict[Tuple[str, str], Handler] = {
    ("enum", "Enum.__repr__"): _enum,
    ("enum", "Flag.__repr__"): _flag,
    ("enum", "global_enum_repr"): _global_enum,
    ("enum", "global_flag_repr"): _global_enum,
    ("re", "RegexFlag.__repr__"): _regex_flag,
    ("enum", "EnumMeta.__repr__"): _enum_class,
    ("enum", "EnumType.__repr__"): _enum_class,
    ("collections", "Counter.__repr__"): _counter,
    ("collections", "UserDict.__repr__"): _wrapped_data,
    ("collections", "UserList.__repr__"): _wrapped_data,
    ("collections", "UserString.__repr__"): _wrapped_data,
    ("reprlib", "ChainMap.__repr__"): _chain_map,
    ("pathlib", "PurePath.__repr__"): _path,
    ("pathlib._local", "PurePath.__repr__"): _path,
    ("uuid", "UUID.__repr__"): _uuid,
    ("fractions", "Fraction.__repr__"): _fraction,
    ("_pydecimal", "Decimal.__repr__"): _python_decimal,
}
