"""The versions of gdbext and of what it runs in."""

import json


def text(gdbext: str, gdb: str, python: str) -> str:
    """One line."""
    return f"gdbext {gdbext}, gdb {gdb}, Python {python} within gdb"


def document(gdbext: str, gdb: str, python: str) -> str:
    """The JSON document of gdbext version; it tells of no target."""
    return json.dumps({"command": "gdbext version", "target": None, "gdbext": gdbext, "gdb": gdb, "python": python})
