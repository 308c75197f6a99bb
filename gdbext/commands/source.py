"""Lines of source files on this machine."""

import linecache
import os
from typing import Optional


def line(path: str, number: int) -> Optional[str]:
    """A line of a source file without its indentation, None where the file is not at hand.

    A relative path names a file in a directory that only the inferior knows.
    """
    if not os.path.isabs(path):
        return None
    return linecache.getline(path, number).strip() or None
