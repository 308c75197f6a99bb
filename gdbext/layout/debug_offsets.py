"""The offsets that CPython 3.13 and later keeps in the process for debuggers (_Py_DebugOffsets).

The structure lies at the start of _PyRuntime and gives about a quarter of the fields that are
needed. Which number means which field is not in memory; it comes from a table of the same minor
release. A table for another build is brought into line with the numbers found, and a field whose
place they leave open is dropped: better missing than wrong.
Facts: Include/internal/pycore_debug_offsets.h (3.13: pycore_runtime.h).
"""

from bisect import bisect_left, bisect_right
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from .layout import Layout, Struct
from .schema import Field
from .table import Table

COOKIE = b"xdebugpy"

_STRUCT_OF_SECTION = {
    "runtime_state": "_PyRuntimeState",
    "interpreter_state": "PyInterpreterState",
    "thread_state": "PyThreadState",
    "err_stackitem": "_PyErr_StackItem",
    "interpreter_frame": "_PyInterpreterFrame",
    "code_object": "PyCodeObject",
    "pyobject": "PyObject",
    "type_object": "PyTypeObject",
    "heap_type_object": "PyHeapTypeObject",
    "tuple_object": "PyTupleObject",
    "list_object": "PyListObject",
    "dict_object": "PyDictObject",
    "set_object": "PySetObject",
    "float_object": "PyFloatObject",
    "long_object": "PyLongObject",
    "bytes_object": "PyBytesObject",
    "unicode_object": "PyASCIIObject",
    "gen_object": "PyGenObject",
}
# Whose fields they name, and the structure of the offsets themselves.
_TOLD = frozenset(_STRUCT_OF_SECTION.values()) | {"_Py_DebugOffsets"}
# CPython's names for the offsets leave out a structure's own prefix, or join a path with "_".
_PREFIXES = ("", "_", "co_", "f_", "gi_", "long_value.")
# Between two fields that are farther apart than this, in bytes, two changes may cancel each other out.
MAX_GAP = 512
# Known to have changed within a minor release, with no offset that tells (3.13.8: a field more in the
# thread state before it).
_UNSTATED = frozenset({"_PyThreadStateImpl"})
# Not in the headers that extension modules are compiled with: these may change from one micro release to the next.
# All others stay, lest modules break that were built for an earlier one.
_INTERNAL = frozenset({"_PyRuntimeState", "PyInterpreterState", "PyThreadState", "_PyInterpreterFrame"})
# One byte of a frame, which debug builds of 3.14 and later divide (pycore_interpframe_structs.h).
_DIVIDED = frozenset({"visited", "lltrace"})


class DebugOffsets(NamedTuple):
    """What the process says: `hexversion`, whether it is free-threaded, and the numbers by dotted name."""

    hexversion: int
    free_threaded: bool
    values: Dict[str, int]


def tells(struct: str) -> bool:
    """Whether the offsets name fields of a structure, in a release that has any."""
    return struct in _TOLD


def read(read_memory: Callable[[int, int], bytes], runtime: int, table: Table) -> Optional[DebugOffsets]:
    """The offsets at `runtime`, the address of _PyRuntime, in the order of a table of the same minor.

    None where the table knows of none or the process has none. Raises what `read_memory` raises.
    """
    struct = table.struct("_Py_DebugOffsets")
    if struct is None:
        return None
    raw = read_memory(runtime, struct.size)
    if raw[:8] != COOKIE:
        return None
    values = {
        path: int.from_bytes(raw[field[0]:field[0] + 8], "little")
        for path, field in struct.fields.items() if field[1] == 8
    }
    return DebugOffsets(values.pop("version"), bool(values.pop("free_threaded")), values)


def _field_of(struct: Struct, name: str) -> Optional[str]:
    """The field that an offset is called after, None where the table has no such field."""
    if struct.name == "PyInterpreterState" and name.startswith("gil_runtime_state"):
        name = "_gil" + name[len("gil_runtime_state"):].replace("_holder", "_last_holder").replace("_", ".", 1)
        return name if name in struct else None
    for prefix in _PREFIXES:
        if prefix + name in struct:
            return prefix + name
    # interpreters_head is interpreters.head, imports_modules imports.modules.
    dotted = name.replace("_", ".", 1)
    return dotted if dotted in struct else None


def _known_places(struct: Struct, section: str, offsets: DebugOffsets) -> Tuple[Dict[str, int], List[int], int]:
    """The places in bytes that the process gives of this structure's fields, and of others; the structure's size."""
    known: Dict[str, int] = {}
    others: List[int] = []
    size = struct.size
    for path, value in offsets.values.items():
        head, _, name = path.partition(".")
        if head == "gc" and struct.name == "PyInterpreterState" and name != "size":
            if "gc." + name in struct:
                known["gc." + name] = offsets.values["interpreter_state.gc"] + value
        elif head == section:
            if name == "size" or name == "asciiobject_size":
                size = value
                continue
            field = _field_of(struct, name)
            # 0 stands for a field that this build does not have, unless it is the first one.
            if field is None and value:
                others.append(value)
            elif field is not None and (value or struct.fields[field][0] == 0):
                known[field] = value
    return known, others, size


def corrected(struct: Struct, section: str, offsets: DebugOffsets, same: bool = False) -> Struct:
    """The structure with the process's own offsets in place of the table's.

    A field that is not among them moves with its neighbours, where those on both sides of it are
    near and moved by the same number of bytes, and the process does not say that something else is there;
    else it is left out, as is what a debug build divides. All else stays where the process says nothing, or
    where nothing at all has moved of a structure that is to be the `same`.
    """
    struct = Struct(struct.name, struct.size, {
        path: field for path, field in struct.fields.items() if path.rpartition(".")[2] not in _DIVIDED})
    known, others, size = _known_places(struct, section, offsets)
    moves: List[Tuple[int, int]] = sorted(
        [(0, 0), (struct.size, size)] + [(struct.fields[path][0], place) for path, place in known.items()])
    if not known or same and all(old == new for old, new in moves):
        return struct
    anchors = [old for old, _new in moves]
    fields = {path: (place,) + struct.fields[path][1:] for path, place in known.items()}
    # By the fields on both sides of them.
    between: Dict[Tuple[int, int], Dict[str, Field]] = {}
    for path, field in struct.fields.items():
        if path not in known:
            sides = bisect_right(anchors, field[0]) - 1, min(bisect_left(anchors, field[0]), len(moves) - 1)
            below, above = (moves[side] for side in sides)
            if above[1] - above[0] == below[1] - below[0] and above[0] - below[0] <= MAX_GAP:
                between.setdefault(sides, {})[path] = (field[0] + below[1] - below[0],) + field[1:]
    for moved in between.values():
        if not any(field[0] <= place < field[0] + field[1] for field in moved.values() for place in others):
            fields.update(moved)
    return Struct(struct.name, size, fields)


def layout(table: Table, offsets: DebugOffsets, machine: Optional[int] = None) -> Layout:
    """The table's layout, brought into line with what the process says of itself.

    `machine` is the e_machine of the process, None for that of the table.
    """
    section_of = {struct: section for section, struct in _STRUCT_OF_SECTION.items()}
    same_release = table.hexversion == offsets.hexversion
    same_minor = table.hexversion >> 16 == offsets.hexversion >> 16
    others = table.layout(machine)

    def load(name: str) -> Optional[Struct]:
        struct = table.struct(name)
        if struct is not None and name in section_of:
            same = same_release or same_minor and name not in _INTERNAL
            return corrected(struct, section_of[name], offsets, same)
        return others.find(name) if same_release or name not in _UNSTATED else None

    return Layout(table.source("table+debug-offsets"), load)
