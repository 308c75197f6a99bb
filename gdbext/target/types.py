"""C structures as gdb knows them from DWARF."""

from typing import Callable, Iterator, Optional

import gdb

from ..layout.layout import Struct
from ..layout.schema import STRUCTS, Member, flatten

_COMPOSITES = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)


def _members(type_: gdb.Type) -> Iterator[Member]:
    for field in type_.fields():
        position = getattr(field, "bitpos", None)
        if position is None:
            continue
        inner = field.type.strip_typedefs()
        composite = inner if inner.code in _COMPOSITES else None
        if not field.bitsize:
            yield Member(field.name, position // 8, inner.sizeof, None, composite)
            continue
        unit = inner.sizeof
        offset = position // (8 * unit) * unit
        yield Member(field.name, offset, unit, (position - 8 * offset, field.bitsize), None)


def loader(path: str, build_id: Optional[str]) -> Optional[Callable[[str], Optional[Struct]]]:
    """A source of the structures that the debug information of one image describes.

    None where gdb has no debug information of the image's own Objects/dictobject.c. Without it the types
    of another image would be taken for this one's. Nearly all that is read first is described there; each
    other source file that gdb has to go through costs some 10 ms.
    """
    objfile = _objfile(path, build_id)
    if objfile is None:
        return None
    # A function: of a variable there are declarations in other source files, which gdb may find.
    symbol = objfile.lookup_global_symbol("PyDict_New")
    if symbol is None:
        return None
    block = symbol.symtab.static_block()
    return lambda struct: _load(struct, block)


def _objfile(path: str, build_id: Optional[str]) -> Optional[gdb.Objfile]:
    """What gdb has read for an image: by its path, or where gdb has it under another, by its build id.

    The paths differ for a process in another root. A file whose build id is not that of the image in memory
    is not the image's: it was replaced by an upgrade, or is this machine's while the process has its own.
    """
    try:
        found = gdb.lookup_objfile(path)
    except ValueError:
        found = None
    if build_id is None or found is not None and found.build_id in (build_id, None):
        return found
    try:
        return gdb.lookup_objfile(build_id, by_build_id=True)
    except ValueError:
        return None


def _load(name: str, block: gdb.Block) -> Optional[Struct]:
    wanted = STRUCTS[name]
    for c_name in wanted.c_names:
        try:
            type_ = gdb.lookup_type(c_name, block).strip_typedefs()
        except gdb.error:
            continue
        if type_.code in _COMPOSITES and type_.fields():
            return Struct(name, type_.sizeof, flatten(type_, _members, wanted.members))
    return None
