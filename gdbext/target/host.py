"""The gdb that gdbext runs in."""

import platform
from typing import NamedTuple, Optional

import gdb


class Versions(NamedTuple):
    """The versions of gdb, and of the Python within it."""

    gdb: str
    python: str


def versions() -> Versions:
    """As gdb and its Python say them."""
    return Versions(gdb.VERSION, platform.python_version())


def columns() -> Optional[int]:
    """How wide gdb takes the terminal to be (`set width`), None for without limit, as for a file."""
    return gdb.parameter("width") or None
