"""str, bytes and bytearray. What is not plainly visible is escaped as repr() does it.

Facts: Objects/unicodeobject.c, Objects/bytesobject.c, Objects/bytearrayobject.c.
"""

from typing import TYPE_CHECKING, Dict, Optional

from ..memory import Damaged
from ..objects import MAX_BYTES, MAX_COUNT, MAX_TEXT, Type
from .characters import text_repr

if TYPE_CHECKING:
    from .rendering import Handler, Rendering


def escaped(text: str) -> str:
    """A name as it is, but characters that repr() escapes are escaped here too."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def cut(shown: str, count: int, length: int) -> str:
    """`shown`, and how much is missing where it has `count` of `length`."""
    return shown if count >= length else f"{shown}... {length - count} more"


def most(limit: Optional[int], maximum: int) -> int:
    """The smaller of the user's limit and gdbext's own."""
    return maximum if limit is None else min(limit, maximum)


def _str(show: "Rendering", address: int, _type: Type) -> str:
    text, length = show.reading.objects.text_start(address, most(show.limits.length, MAX_TEXT))
    return cut(text_repr(text, show.reading.minor), len(text), length)


def _bytes(show: "Rendering", address: int, _type: Type) -> str:
    data, length = show.reading.objects.data_start(address, most(show.limits.length, MAX_BYTES))
    return cut(repr(data), len(data), length)


def _bytearray(show: "Rendering", address: int, type_: Type) -> str:
    objects, reader = show.reading.objects, show.reading.reader
    length = objects.size(address)
    if not 0 <= length <= reader.pointer(address, "PyByteArrayObject", "ob_alloc") <= MAX_COUNT:
        raise Damaged(address, f"bytearray of size {length}")
    count = min(length, most(show.limits.length, MAX_BYTES))
    # Null where it has never held anything.
    start = reader.pointer(address, "PyByteArrayObject", "ob_start")
    data = reader.memory.read(start, count)
    shown = repr(data)
    if shown[1] == '"' and not reader.has("PyByteArrayObject", "ob_bytes_object"):
        # Up to 3.14, where that of bytes was not used yet, each single quote was escaped.
        shown = shown.replace("'", "\\'")
    name = "bytearray" if show.is_36 else show.short_name(type_)
    return f"{name}({cut(shown, count, length)})"


HANDLERS: "Dict[str, Handler]" = {"str": _str, "bytes": _bytes, "bytearray": _bytearray}
