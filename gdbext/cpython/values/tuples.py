"""Named tuples: those that C code makes (time.struct_time), and those of collections and typing.

Facts: Objects/structseq.c, Lib/collections/__init__.py.
"""

from typing import Optional

from ..objects import MAX_TYPE_NAME, TUPLE_SUBCLASS, Type
from ..reader import READ_ERRORS
from .containers import tuple_items
from .rendering import Handler, NotKnown, Reading, Rendering
from .text import escaped


def handler(reading: Reading, type_: Type) -> Optional[Handler]:
    """For a type of C derived from tuple that names its fields: a PyStructSequence; None for another type."""
    try:
        if type_.flags & TUPLE_SUBCLASS and reading.reader.pointer(type_.address, "PyTypeObject", "tp_members"):
            return _struct_sequence
    except READ_ERRORS:
        pass
    return None


def _struct_sequence(show: Rendering, address: int, type_: Type) -> str:
    reader = show.reading.reader
    items, count = tuple_items(show, address)
    members = reader.pointer(type_.address, "PyTypeObject", "tp_members")
    size = reader.layout["PyMemberDef"].size

    def name(index: int) -> str:
        at = reader.pointer(members + index * size, "PyMemberDef", "name")
        return escaped(reader.memory.c_string(at, MAX_TYPE_NAME).decode("utf-8", "backslashreplace"))

    fields = (f"{name(index)}={show.text(item)}" for index, item in enumerate(items))
    return show.container(address, type_, "(...)", lambda: f"{escaped(type_.name)}({show.joined(fields, count)})")


def namedtuple(show: Rendering, address: int, type_: Type) -> str:
    """collections.namedtuple: each field by name."""
    reading = show.reading
    names = reading.classes.lookup(type_, "_fields")
    if not names:
        raise NotKnown()
    items, count = tuple_items(show, address)
    fields = reading.objects.tuple_items(names)
    if len(fields) != count:
        raise NotKnown()
    texts = (f"{escaped(reading.objects.text(field))}={show.text(item)}" for field, item in zip(fields, items))
    return show.container(
        address, type_, "(...)", lambda: f"{show.short_name(type_)}({show.joined(texts, count)})")
