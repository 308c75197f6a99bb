"""Two stops compared: which types have grown, and which objects are new.

A snapshot holds the address and the type of every object. An object is new where there was none of its
type at its address before: memory that is used again for the same type can't be told apart.
"""

import json
import os
import struct
import sys
from array import array
from typing import Any, BinaryIO, Dict, List, NamedTuple, Optional, Sequence

from ..cpython.heap_walk import HeapWalk, Report
from ..cpython.memory import Region
from ..cpython.runtime import Runtime
from ..cpython.sizes import Sizes
from ..cpython.type_names import TypeNames

_MAGIC = b"gdbext heap 1\n"
# The header of a file is not longer than this, in bytes.
MAX_HEADER = 1 << 28


class NotASnapshot(ValueError):
    """The file is none that a snapshot was written to; the message says why."""


class TypeCount(NamedTuple):
    """A type's objects in a snapshot."""

    count: int  # type: ignore[assignment]  # a tuple's method
    bytes: int


class Snapshot(NamedTuple):
    """The heap at one stop: `counts` by type name, and for each type the addresses of its objects, sorted.

    `partial` where it was interrupted; `what` says of what it was taken, `process` of which process's number.
    """

    what: str
    process: Optional[int]
    counts: Dict[str, TypeCount]
    addresses: Dict[str, array]
    partial: bool

    @property
    def objects(self) -> int:
        """How many in all."""
        return sum(each.count for each in self.counts.values())

    @property
    def bytes(self) -> int:
        """How many bytes in all."""
        return sum(each.bytes for each in self.counts.values())


class Change(NamedTuple):
    """How a type has grown: differences, and how many objects are new and gone, None for two processes."""

    type: str
    count: int  # type: ignore[assignment]  # a tuple's method
    bytes: int
    new: Optional[int]
    gone: Optional[int]


def same_process(before: Snapshot, after: Snapshot) -> bool:
    """Whether addresses mean the same in both."""
    return before.process is not None and before.process == after.process


def take(runtime: Runtime, regions: Sequence[Region], what: str, process: Optional[int],
         report: Report = lambda progress: None) -> Snapshot:
    """The heap as it is. A KeyboardInterrupt ends it early. Raises READ_ERRORS."""
    walk, sizes, names = HeapWalk(runtime, regions, report), Sizes(runtime), TypeNames(runtime)
    counts: Dict[str, List[int]] = {}
    addresses: Dict[str, array] = {}
    partial = False
    try:
        for group in walk.groups():
            name = names.of(group.type.address)
            numbers = counts.setdefault(name, [0, 0])
            numbers[0] += len(group)
            numbers[1] += sizes.total(group)
            if name not in addresses:
                addresses[name] = array("Q")
            addresses[name].extend(group.addresses())
    except KeyboardInterrupt:
        partial = True
    return Snapshot(what, process, {name: TypeCount(*numbers) for name, numbers in counts.items()},
                    {name: array("Q", sorted(found)) for name, found in addresses.items()}, partial)


def compare(before: Snapshot, after: Snapshot) -> List[Change]:
    """The types that differ."""
    changes = []
    none = TypeCount(0, 0)
    for name in {**before.counts, **after.counts}:
        old, now = before.counts.get(name, none), after.counts.get(name, none)
        new = gone = None
        if same_process(before, after):
            new = len(new_objects(before, after, name))
            gone = new - (now.count - old.count)
        if new or gone or old != now:
            changes.append(Change(name, now.count - old.count, now.bytes - old.bytes, new, gone))
    return changes


def new_objects(before: Snapshot, after: Snapshot, name: str) -> List[int]:
    """The addresses of objects of a type that were not there before, lowest first."""
    known = set(before.addresses.get(name, ()))
    return [address for address in after.addresses.get(name, ()) if address not in known]


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Write a snapshot to a file. Raises OSError."""
    names = list(snapshot.counts)
    header = json.dumps({
        "what": snapshot.what, "process": snapshot.process, "partial": snapshot.partial, "byteorder": sys.byteorder,
        "types": [[name, *snapshot.counts[name], len(snapshot.addresses.get(name, ()))] for name in names],
    }).encode()
    file.write(_MAGIC + struct.pack("<Q", len(header)) + header)
    for name in names:
        snapshot.addresses.get(name, array("Q")).tofile(file)


def read(path: str) -> Snapshot:
    """A snapshot from a file. Raises OSError, NotASnapshot."""
    with open(path, "rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise NotASnapshot(f"{path} was not written by py-leaks snapshot -file")
        try:
            size, = struct.unpack("<Q", file.read(8))
            if size > MAX_HEADER:
                raise ValueError("header too long")
            return _read_types(json.loads(file.read(size)), file)
        except (ValueError, KeyError, TypeError, EOFError, struct.error) as error:
            raise NotASnapshot(f"{path} is damaged: {error}") from None


def _read_types(header: Dict[str, Any], file: BinaryIO) -> Snapshot:
    counts: Dict[str, TypeCount] = {}
    addresses: Dict[str, array] = {}
    left = os.fstat(file.fileno()).st_size - file.tell()
    for name, count, size, length in header["types"]:
        if not 0 <= length * 8 <= left:
            raise ValueError("it is cut short")
        left -= length * 8
        counts[str(name)] = TypeCount(int(count), int(size))
        found = addresses[str(name)] = array("Q")
        found.fromfile(file, length)
        if header["byteorder"] != sys.byteorder:
            found.byteswap()
    return Snapshot(str(header["what"]), header["process"], counts, addresses, bool(header["partial"]))
