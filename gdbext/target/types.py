"""C structures as gdb knows them from DWARF."""

from functools import lru_cache
from typing import Callable, Dict, Iterator, Optional

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


def loader(path: str, build_id: Optional[str]) -> Callable[[str], Optional[Struct]]:
    """A source of the structures that the debug information of one image describes.

    It has none where gdb has no debug information that names the image's own thread state. Without it
    the types of another image would be taken for this one's. Nothing is looked up before it is asked:
    that makes gdb read debug information, which takes up to half a second.
    """
    @lru_cache(maxsize=None)
    def block() -> Optional[gdb.Block]:
        found = objfile(path, build_id)
        if found is None:
            return None
        for name in ("_PyRuntime", "_PyThreadState_Current"):
            symbol = found.lookup_global_symbol(name)
            if symbol is not None:
                return symbol.symtab.global_block()
        return None

    def load(struct: str) -> Optional[Struct]:
        found = block()
        return _load(struct, found) if found is not None else None

    return load


def objfile(path: str, build_id: Optional[str]) -> Optional[gdb.Objfile]:
    """What gdb has read for an image: by its path, or where gdb has it under another, by its build id.

    The paths differ for a process in another root. A file whose build id is not that of the image in memory
    is not the image's: it was replaced by an upgrade, or is this machine's while the process has its own.
    """
    found = objfile_of(path)
    if build_id is None or found is not None and found.build_id in (build_id, None):
        return found
    return next((each for each in _objfiles() if each.build_id == build_id), None)


def objfile_of(path: str) -> Optional[gdb.Objfile]:
    """What gdb has read of a file, None where it has not."""
    return objfiles_by_path().get(path)


def objfiles_by_path() -> Dict[str, gdb.Objfile]:
    """What gdb has read of each file, by the names that it has for it."""
    found: Dict[str, gdb.Objfile] = {}
    for each in _objfiles():
        for path in (each.filename, each.username):
            if path:
                found.setdefault(path, each)
    return found


def _objfiles() -> Iterator[gdb.Objfile]:
    """What gdb has read for images, without separate debug files.

    gdb.lookup_objfile() must not be called: in gdb 13 its answer to Ctrl-C is a C++ exception that passes through the
    Python interpreter, which crashes soon after.
    """
    return (each for each in gdb.objfiles() if each.owner is None)


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
