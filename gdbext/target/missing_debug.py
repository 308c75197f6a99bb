"""The handler that gdb 15 and newer ask for debug files that they do not find."""

import os
from typing import Callable, List, Optional

import gdb

_NAME = "gdbext"


def register(folders: Callable[[], Optional[List[str]]]) -> bool:
    """Have gdb ask gdbext too; `folders` gives the user's folders, or None where gdbext is not to look.

    False before gdb 15, which asks nobody.
    """
    try:
        from gdb.missing_debug import MissingDebugHandler, register_handler
    except ImportError:
        return False

    class Handler(MissingDebugHandler):
        """Called by gdb for each file without debug information."""

        def __init__(self) -> None:
            super().__init__(_NAME)

        def __call__(self, objfile: gdb.Objfile) -> Optional[str]:
            named = folders()
            return _find(objfile, named) if named is not None else None

    register_handler(None, Handler(), replace=True)
    return True


def look(named: List[str]) -> None:
    """Have gdb read the debug files of what it has read already without any. Raises gdb.error."""
    read = gdb.objfiles()
    # What MiniDebugInfo of Fedora's is unpacked to has an owner, and nothing but names of functions.
    have = [objfile.owner for objfile in read if not (objfile.filename or "").startswith(".gnu_debugdata")]
    for objfile in read:
        if objfile.owner is None and objfile not in have:
            path = _find(objfile, named)
            if path is not None and not _has_dwarf(objfile.filename or ""):
                objfile.add_separate_debug_file(path)


def _has_dwarf(path: str) -> bool:
    """Whether a file that gdb has read has debug information itself; no where there is no pyelftools."""
    from pathlib import Path

    from ..elf import pyelftools

    try:
        pyelftools.provide()
        from ..elf.image import Image, ImageError
    except pyelftools.Missing:
        return False
    try:
        with Image(Path(path)) as image:
            return image.has_dwarf
    except ImageError:
        return False


def _find(objfile: gdb.Objfile, named: List[str]) -> Optional[str]:
    from ..elf.missing_debug import find

    if not objfile.build_id or not objfile.filename:
        return None
    directories = [path for path in (gdb.parameter("debug-file-directory") or "").split(":") if path]
    return find(objfile.build_id, objfile.filename, directories, _root(), named)


def _root() -> str:
    """The folder that is the root of a process of this machine; "" where that is this machine's own."""
    from . import processes

    pid = gdb.selected_inferior().pid
    if not pid or not processes.is_traced_here(pid):
        return ""
    root = f"/proc/{pid}/root"
    try:
        return "" if os.path.samefile(root, "/") else root
    except OSError:
        return ""
