"""datetime's types.

Facts: Modules/_datetimemodule.c; the bytes of a date are its pickle's: two of the year, then one each.
"""

from typing import Dict, List

from ..objects import Type
from .rendering import Handler, Rendering
from .text import escaped


def _data(show: Rendering, address: int, struct: str) -> bytes:
    offset, size = show.reading.reader.layout[struct].field("data")
    return show.reading.memory.read(address + offset, size)


def _date(show: Rendering, address: int, type_: Type) -> str:
    data = _data(show, address, "PyDateTime_Date")
    return f"{escaped(type_.name)}({int.from_bytes(data[:2], 'big')}, {data[2]}, {data[3]})"


def _clock(data: bytes) -> List[int]:
    """Hour, minute, second, microsecond; the last two only as far as they are not zero."""
    parts = [data[0], data[1], data[2], int.from_bytes(data[3:6], "big")]
    return parts if parts[3] else parts[:3] if parts[2] else parts[:2]


def _zone(show: Rendering, address: int, struct: str) -> List[str]:
    """What follows the numbers: fold and tzinfo."""
    reader = show.reading.reader
    parts = ["fold=1"] if reader.integer(address, struct, "fold") else []
    if reader.integer(address, struct, "hastzinfo"):
        parts.append(f"tzinfo={show.text(reader.pointer(address, struct, 'tzinfo'))}")
    return parts


def _time(show: Rendering, address: int, type_: Type) -> str:
    numbers = _clock(_data(show, address, "PyDateTime_Time"))
    return f"{escaped(type_.name)}({', '.join([*map(str, numbers), *_zone(show, address, 'PyDateTime_Time')])})"


def _datetime(show: Rendering, address: int, type_: Type) -> str:
    data = _data(show, address, "PyDateTime_DateTime")
    numbers = [int.from_bytes(data[:2], "big"), data[2], data[3], *_clock(data[4:])]
    return f"{escaped(type_.name)}({', '.join([*map(str, numbers), *_zone(show, address, 'PyDateTime_DateTime')])})"


def _timedelta(show: Rendering, address: int, type_: Type) -> str:
    reader = show.reading.reader
    names = ("days", "seconds", "microseconds")
    values = [reader.integer(address, "PyDateTime_Delta", name, signed=True) for name in names]
    if show.is_36:
        # It names none, and leaves out what is zero at the end (bpo-30302).
        shown = [str(value) for value in (values if values[2] else values[:2] if values[1] else values[:1])]
    else:
        shown = [f"{name}={value}" for name, value in zip(names, values) if value] or ["0"]
    return f"{escaped(type_.name)}({', '.join(shown)})"


def _timezone(show: Rendering, address: int, type_: Type) -> str:
    reader = show.reading.reader
    offset, name = (reader.pointer(address, "PyDateTime_TimeZone", path) for path in ("offset", "name"))
    if name:
        return f"{escaped(type_.name)}({show.text(offset)}, {show.text(name)})"
    if not any(reader.integer(offset, "PyDateTime_Delta", path) for path in ("days", "seconds", "microseconds")):
        # There is only one without a name at no offset.
        return f"{escaped(type_.name)}.utc"
    return f"{escaped(type_.name)}({show.text(offset)})"


def _zone_info(show: Rendering, address: int, type_: Type) -> str:
    """PyZoneInfo_ZoneInfo (Modules/_zoneinfo.c): after the head the key, then what it says of its file."""
    head = show.reading.reader.layout["PyObject"].size
    key, file = (show.reading.memory.u64(address + head + 8 * index) for index in range(2))
    if show.reading.type_of(key).name == "NoneType":
        return f"{escaped(type_.name)}.from_file({escaped(show.reading.objects.text(file))})"
    return f"{escaped(type_.name)}(key={show.text(key)})"


HANDLERS: Dict[str, Handler] = {
    "datetime.date": _date,
    "datetime.time": _time,
    "datetime.datetime": _datetime,
    "datetime.timedelta": _timedelta,
    "datetime.timezone": _timezone,
    "zoneinfo.ZoneInfo": _zone_info,
}
