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
    read_memory: ReadMemory,
    dwarf: Optional[LoadStruct],
    directory: str = table.DIRECTORY,
) -> Iterator[Layout]:
    """Layouts to try, in order: DWARF, tables whose _PyRuntime has the same size, the nearest others.

    `runtime` is the address of _PyRuntime and `runtime_size` its st_size in bytes, both None before
    3.7; `hexversion` is Py_Version, None before 3.11; `debug` says that it looks like a pydebug build.
    From 3.13 on, a table that does not match
    exactly is corrected by the process's own offsets. Raises what `read_memory` raises.
    """
    if dwarf is not None and dwarf("PyThreadState") is not None:
        yield _dwarf_layout(dwarf, hexversion)

    names = table.names(directory)
    tables = [table.load(name, directory) for name in _of_version(names, hexversion, runtime is not None)]
    micro = release(hexversion)[1] if hexversion is not None else 0

    def distance(candidate: table.Table) -> Tuple[bool, bool, int, bool]:
        """Same release, same size of the runtime, then the nearest micro, the same kind of build first."""
        return (
            candidate.hexversion != hexversion,
            candidate.runtime_size != runtime_size,
            abs(candidate.name.micro - micro),
            candidate.name.debug != debug,
        )

    for candidate in sorted(tables, key=distance):
        fits = candidate.runtime_size == runtime_size
        if fits and (hexversion is None or candidate.hexversion == hexversion):
            yield candidate.layout()
            continue
        if runtime is not None and candidate.name.version >= _FIRST_WITH_DEBUG_OFFSETS:
            offsets = debug_offsets.read(read_memory, runtime, candidate)
            if offsets is not None and offsets.free_threaded == candidate.name.free_threaded:
                yield debug_offsets.layout(candidate, offsets)
            continue
        yield candidate.layout()

    if hexversion is not None and not tables and runtime is not None:
        yield from _beyond_the_tables(names, hexversion, runtime, read_memory, directory)


def _dwarf_layout(dwarf: LoadStruct, hexversion: Optional[int]) -> Layout:
    return Layout(Source("dwarf", None, release(hexversion)[0] if hexversion is not None else None), dwarf)


def _beyond_the_tables(
    names: List[table.Name], hexversion: int, runtime: int, read_memory: ReadMemory, directory: str,
) -> Iterator[Layout]:
    """A minor release without a table: those of its neighbours, nearest first, corrected by its own offsets."""
    version, _micro = release(hexversion)
    others = [name for name in names if name.version >= _FIRST_WITH_DEBUG_OFFSETS]
    for name in sorted(others, key=lambda name: (abs(name.version[1] - version[1]), -name.micro, name.debug)):
        candidate = table.load(name, directory)
        offsets = debug_offsets.read(read_memory, runtime, candidate)
        if offsets is not None and offsets.free_threaded == name.free_threaded:
            yield debug_offsets.layout(candidate, offsets)
