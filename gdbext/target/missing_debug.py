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
            from ..elf.missing_debug import find

            named = folders()
            if named is None or not objfile.build_id or not objfile.filename:
                return None
            directories = [path for path in (gdb.parameter("debug-file-directory") or "").split(":") if path]
            return find(objfile.build_id, objfile.filename, directories, _root(), named)

    register_handler(None, Handler(), replace=True)
    return True


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
