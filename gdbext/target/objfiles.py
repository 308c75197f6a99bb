"""What gdb itself knows of files: the program, where debug files are, and for which images it has read any."""

from typing import List, Optional

import gdb

from .types import objfile


def program() -> Optional[str]:
    """The file that gdb takes for the program, None where it was given none."""
    return gdb.current_progspace().filename


def debug_directories() -> List[str]:
    """The folders of debug files (`set debug-file-directory`)."""
    return [path for path in (gdb.parameter("debug-file-directory") or "").split(":") if path]


def has_read(path: str, build_id: Optional[str], separate: bool) -> bool:
    """Whether gdb has opened an image's file, or where its debug information is separate, that debug file."""
    found = objfile(path, build_id)
    if found is None or not separate:
        return found is not None
    return any(other.owner == found for other in gdb.objfiles())
