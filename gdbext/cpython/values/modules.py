"""Objects of C modules: locks, files, sockets, arrays, regular expressions, futures and tasks; frames.

Facts: Modules/_threadmodule.c, _io/fileio.c, _io/bufferedio.c, _io/textio.c, socketmodule.h, arraymodule.c,
_sre/sre.c, _asynciomodule.c; Objects/frameobject.c; Lib/asyncio/base_futures.py.
"""

import struct
from typing import Dict, Optional

from ..memory import Damaged
from ..objects import BYTES_SUBCLASS, LONG_SUBCLASS, MAX_COUNT, Type
from .rendering import Handler, NotKnown, Rendering
from .text import cut, escaped, most

# Bit of a PyMutex (Include/cpython/lock.h).
_LOCKED = 1


def _lock(show: Rendering, address: int, type_: Type) -> str:
    reader = show.reading.reader
    # A PyMutex since 3.13.1.
    field, mask = ("locked", 1) if reader.has("lockobject", "locked") else ("lock", _LOCKED)
    return _lock_text(address, type_, bool(reader.integer(address, "lockobject", field) & mask), "")


def _rlock(show: Rendering, address: int, type_: Type) -> str:
    reader = show.reading.reader
    if reader.has("rlockobject", "lock.mutex"):
        # A recursive PyMutex since 3.14, which is held once at level 0.
        locked = bool(reader.integer(address, "rlockobject", "lock.mutex") & _LOCKED)
        owner = reader.integer(address, "rlockobject", "lock.thread")
        count = reader.integer(address, "rlockobject", "lock.level") + 1 if locked else 0
    else:
        owner, count = (reader.integer(address, "rlockobject", name) for name in ("rlock_owner", "rlock_count"))
    return _lock_text(address, type_, count > 0, f" owner={owner} count={count}")


def _lock_text(address: int, type_: Type, locked: bool, more: str) -> str:
    return f"<{'locked' if locked else 'unlocked'} {escaped(type_.name)} object{more} at {address:#x}>"


# Files


# A file within a file within a file: more than anybody makes.
_MAX_FILES = 8


def _file_name(show: Rendering, address: int) -> Optional[int]:
    """The `name` of a file: that of what it reads from or writes to."""
    reading = show.reading
    for _ in range(_MAX_FILES):
        type_ = reading.type_of(address)
        inner = (_object_member(show, address, type_, "buffer") or _object_member(show, address, type_, "raw")
                 # What 3.14.9 and 3.15.1 have made a getter of: in struct textio, buffer is before encoding.
                 or _object_member(show, address, type_, "encoding", before=8))
        if not inner:
            return reading.attribute(address, "name")
        address = inner
    raise NotKnown()


def _object_member(show: Rendering, address: int, type_: Type, name: str, before: int = 0) -> Optional[int]:
    """A field that the C type publishes, or the one so many bytes before; None where it has none or that is not set."""
    for member in show.reading.classes.members(type_):
        if member.name == name and member.is_object:
            return show.reading.memory.u64(address + member.offset - before) or None
    return None


def _named(show: Rendering, address: int) -> str:
    name = _file_name(show, address)
    return f" name={show.text(name)}" if name else ""


def _buffered(show: Rendering, address: int, type_: Type) -> str:
    return f"<{escaped(type_.name)}{_named(show, address)}>"


def _text_file(show: Rendering, address: int, type_: Type) -> str:
    mode, encoding = show.reading.attribute(address, "mode"), _object_member(show, address, type_, "encoding")
    if not encoding:
        raise NotKnown()
    opened = f" mode={show.text(mode)}" if mode else ""
    return f"<_io.TextIOWrapper{_named(show, address)}{opened} encoding={show.text(encoding)}>"


def _raw_file(show: Rendering, address: int, _type: Type) -> str:
    """The descriptor, with which struct fileio begins. Its name is an attribute; how it was opened lies in bits that
    were moved within 3.13."""
    head = show.reading.reader.layout["PyObject"].size
    descriptor = show.reading.memory.integer(address + head, 4)
    return f"fd={descriptor}" if descriptor < 1 << 31 else "closed"


def _socket(show: Rendering, address: int, _type: Type) -> str:
    """PySocketSockObject: after the head descriptor, family, type and protocol, as its repr() has them."""
    head = show.reading.reader.layout["PyObject"].size
    values = struct.unpack("<iiii", show.reading.memory.read(address + head, 16))
    return ", ".join(f"{name}={value}" for name, value in zip(("fd", "family", "type", "proto"), values))


# array


_ARRAY_FORMATS = frozenset("bBhHiIlLqQfd")


def _array(show: Rendering, address: int, type_: Type) -> str:
    """arrayobject: after the head items, room, and arraydescr, which begins with the type code."""
    reading = show.reading
    count = reading.objects.count(address)
    head = reading.reader.layout["PyVarObject"].size
    items, room, descriptor = reading.objects.pointers(address + head, 3)
    code = chr(reading.memory.integer(descriptor, 1))
    name = "array" if show.is_36 else show.short_name(type_)
    if not count <= room <= MAX_COUNT:
        raise Damaged(address, f"array of {count} items with room for {room}")
    if not count:
        return f"{name}({code!r})"
    if code in "uw":
        # wchar_t of Linux, and Py_UCS4.
        shown = min(count, most(show.limits.length, MAX_COUNT))
        try:
            text = reading.memory.read(items, 4 * shown).decode("utf-32-le", "surrogatepass")
        except ValueError as error:
            raise Damaged(address, str(error)) from None
        return f"{name}({code!r}, {cut(repr(text), shown, count)})"
    if code not in _ARRAY_FORMATS:
        raise Damaged(address, f"array of {code!r}")
    size = struct.calcsize(f"={code}") if code not in "lL" else 8
    form = "<" + {"l": "q", "L": "Q"}.get(code, code)

    def values():
        for index in range(count):
            yield repr(struct.unpack(form, reading.memory.read(items + index * size, size))[0])

    return f"{name}({code!r}, [{show.joined(values(), count)}])"


# Regular expressions


# Modules/_sre/constants.h, in the order in which repr() has them.
_FLAGS = (("TEMPLATE", 1), ("IGNORECASE", 2), ("LOCALE", 4), ("MULTILINE", 8), ("DOTALL", 16), ("UNICODE", 32),
          ("VERBOSE", 64), ("DEBUG", 128), ("ASCII", 256))
_LOCALE, _UNICODE, _ASCII = 4, 32, 256
# repr() has so many characters of the pattern's.
_MAX_PATTERN = 200


def _pattern(show: Rendering, address: int, type_: Type) -> str:
    pattern = _object_member(show, address, type_, "pattern")
    at = next((member.offset for member in show.reading.classes.members(type_) if member.name == "flags"), None)
    if not pattern or at is None:
        raise NotKnown()
    flags = show.reading.memory.u32(address + at)
    is_bytes = show.reading.type_of(pattern).flags & BYTES_SUBCLASS
    if not is_bytes and flags & (_LOCALE | _UNICODE | _ASCII) == _UNICODE:
        flags &= ~_UNICODE
    parts = [f"re.{name}" for name, bit in _FLAGS if flags & bit]
    rest = flags & ~sum(bit for _name, bit in _FLAGS)
    parts += [f"{rest:#x}"] if rest else []
    named = f", {'|'.join(parts)}" if parts else ""
    return f"re.compile({show.text(pattern)[:_MAX_PATTERN]}{named})"


# asyncio


_STATES = {0: "pending", 1: "cancelled", 2: "finished"}


def _future_parts(show: Rendering, address: int, kind: str) -> str:
    """State, result and exception."""
    reader = show.reading.reader
    name, prefix = ("TaskObj", "task") if kind == "task" else ("FutureObj", "fut")
    state = reader.integer(address, name, f"{prefix}_state")
    if state not in _STATES:
        raise Damaged(address, f"{kind} in state {state}")
    parts = [_STATES[state]]
    for path in ("result", "exception"):
        value = reader.pointer(address, name, f"{prefix}_{path}")
        if value and _STATES[state] == "finished":
            parts.append(f"{path}={show.text(value)}")
    return ", ".join(parts)


def _future(show: Rendering, address: int, _type: Type) -> str:
    return _future_parts(show, address, "future")


def _task(show: Rendering, address: int, _type: Type) -> str:
    reader = show.reading.reader
    parts = [_future_parts(show, address, "task")]
    name = reader.pointer(address, "TaskObj", "task_name") if reader.has("TaskObj", "task_name") else 0
    if name:
        # In newer releases a number until somebody asks.
        is_number = show.reading.type_of(name).flags & LONG_SUBCLASS
        parts.append(f"name={repr('Task-' + show.text(name)) if is_number else show.text(name)}")
    for field, shown in (("task_coro", "coro"), ("task_fut_waiter", "wait_for")):
        value = reader.pointer(address, "TaskObj", field)
        if value:
            parts.append(f"{shown}={show.text(value)}")
    return ", ".join(parts)


def _frame(show: Rendering, address: int, type_: Type) -> str:
    if show.is_36:
        return show.plain(address, type_)
    frame = show.reading.frames.of_object(address)
    if frame is None or frame.code is None:
        raise NotKnown()
    line = "None" if frame.line is None else frame.line
    return (f"<frame at {address:#x}, file {frame.code.filename!r}, line {line}, "
            f"code {escaped(frame.code.name)}>")


HANDLERS: Dict[str, Handler] = {
    "_thread.lock": _lock,
    "_thread.RLock": _rlock,
    "_io.BufferedReader": _buffered,
    "_io.BufferedWriter": _buffered,
    "_io.BufferedRandom": _buffered,
    "_io.BufferedRWPair": _buffered,
    "_io.TextIOWrapper": _text_file,
    "array.array": _array,
    "re.Pattern": _pattern,
    "_sre.SRE_Pattern": _pattern,
    "frame": _frame,
}

# What these hold, whose repr() would need code of the process.
CONTENTS: Dict[str, Handler] = {
    "_io.FileIO": _raw_file,
    "_asyncio.Future": _future,
    "_asyncio.Task": _task,
    "_socket.socket": _socket,
}
