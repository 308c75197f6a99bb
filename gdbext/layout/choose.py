"""Which layouts may fit a process, the likeliest first.

Nothing is believed on the strength of a version number: whoever uses a layout puts it through
the gate (gdbext/cpython/gate.py) and goes on to the next when it fails.
"""

from typing import Callable, Iterator, List, Optional, Tuple

from . import debug_offsets, table
from .layout import Layout, Source, Struct

# What a source of DWARF types returns for one of schema.STRUCTS.
LoadStruct = Callable[[str], Optional[Struct]]
ReadMemory = Callable[[int, int], bytes]

# The minors that have a runtime but no Py_Version, so that only the size tells them apart.
_FIRST_WITH_RUNTIME = (3, 7)
_FIRST_WITH_VERSION = (3, 11)
_FIRST_WITH_DEBUG_OFFSETS = (3, 13)


def release(hexversion: int) -> Tuple[Tuple[int, int], int]:
    """((major, minor), micro) of a sys.hexversion."""
    return (hexversion >> 24, hexversion >> 16 & 255), hexversion >> 8 & 255


def _of_version(names: List[table.Name], hexversion: Optional[int], has_runtime: bool) -> List[table.Name]:
    """The tables of the process's minor; of all minors that it can be, where it does not say."""
    if hexversion is not None:
        version, _micro = release(hexversion)
        return [name for name in names if name.version == version]
    if has_runtime:
        return [name for name in names if _FIRST_WITH_RUNTIME <= name.version < _FIRST_WITH_VERSION]
    return [name for name in names if name.version < _FIRST_WITH_RUNTIME]


def candidates(
    runtime: Optional[int],
    runtime_size: Optional[int],
    hexversion: Optional[int],
    debug: bool,
    machine: int,
    read_memory: ReadMemory,
    dwarf: Optional[LoadStruct],
    directory: str = table.DIRECTORY,
    build_id: Optional[str] = None,
) -> Iterator[Layout]:
    """Layouts to try, in order: a table made from the image itself, DWARF, tables whose _PyRuntime has the
    same size, the nearest others.

    `runtime` is the address of _PyRuntime and `runtime_size` its st_size in bytes, both None before
    3.7; `hexversion` is Py_Version, None before 3.11; `debug` says that it looks like a pydebug build;
    `machine` and `build_id` are the image's. From 3.13 on, a table that does not match exactly is corrected by the
    process's own offsets, and where there is no table of the process's minor release with or without
    the GIL as it is, those of other minors are. Raises what `read_memory` raises.
    """
    names = table.names(directory)
    tables = [table.load(name, directory) for name in _of_version(names, hexversion, runtime is not None)]
    # What gdb would find in the same DWARF once more: that takes it up to some seconds.
    yield from (made.layout() for made in tables if build_id is not None and made.build_id == build_id)
    if dwarf is not None and dwarf("PyThreadState") is not None:
        yield _dwarf_layout(dwarf, hexversion)
    micro = release(hexversion)[1] if hexversion is not None else 0

    def distance(candidate: table.Table) -> Tuple[bool, bool, bool, int, bool]:
        """Same processor, same release, same size of the runtime, then the nearest micro, the same kind of build."""
        return (
            candidate.machine != machine,
            candidate.hexversion != hexversion,
            candidate.runtime_size != runtime_size,
            abs(candidate.name.micro - micro),
            candidate.name.debug != debug,
        )

    offsets: Optional[debug_offsets.DebugOffsets] = None
    any_fits = False
    for candidate in sorted(tables, key=distance):
        exact = candidate.machine == machine and candidate.runtime_size == runtime_size and (
            hexversion is None or candidate.hexversion == hexversion)
        if runtime is not None and candidate.name.version >= _FIRST_WITH_DEBUG_OFFSETS and not exact:
            # Their order is the same in all builds of a minor release.
            offsets = offsets or debug_offsets.read(read_memory, runtime, candidate)
            if offsets is None or offsets.free_threaded != candidate.name.free_threaded:
                continue
            layout = debug_offsets.layout(candidate, offsets, machine)
        else:
            layout = candidate.layout(machine)
        any_fits = True
        yield layout

    if hexversion is None or runtime is None or any_fits:
        return
    for candidate in _of_other_minors(names, hexversion, machine, directory):
        found = offsets or debug_offsets.read(read_memory, runtime, candidate)
        if found is not None and found.free_threaded == candidate.name.free_threaded:
            yield debug_offsets.layout(candidate, found, machine)


def _dwarf_layout(dwarf: LoadStruct, hexversion: Optional[int]) -> Layout:
    return Layout(Source("dwarf", None, release(hexversion)[0] if hexversion is not None else None), dwarf)


def _of_other_minors(names: List[table.Name], hexversion: int, machine: int, directory: str) -> Iterator[table.Table]:
    """The tables of minor releases that the process is not of, those of its nearest neighbours first.

    Only those that know debug offsets: a minor release without its own is not read.
    """
    version, _micro = release(hexversion)
    others = [table.load(name, directory) for name in names
              if name.version >= _FIRST_WITH_DEBUG_OFFSETS and name.version != version]
    for candidate in sorted(others, key=lambda other: (
            other.machine != machine, abs(other.name.version[1] - version[1]), -other.name.micro, other.name.debug)):
        kind = candidate.name.free_threaded
        yield _agreed(candidate, [other for other in others if other.name.free_threaded == kind])


def _agreed(candidate: table.Table, others: List[table.Table]) -> table.Table:
    """The table without fields that changed from one minor release to another, and that no debug offset tells.

    What was the same in all that have the structure is likely the same in the process.
    """
    structs = {}
    for name, entry in candidate.structs.items():
        if not debug_offsets.tells(name):
            fields = {path: field for path, field in entry["fields"].items()
                      if all(field == other.field(name, path) for other in others if name in other.structs)}
            entry = {**entry, "fields": fields}
        structs[name] = entry
    return candidate._replace(structs=structs)
