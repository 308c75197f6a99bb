"""What gdb and gdbext can know of an interpreter's structures: its DWARF, and the shipped tables."""

import functools
import json
from pathlib import Path
from typing import Set

from elftools.elf.elffile import ELFFile

from tests.support.gdb import REPOSITORY
from tests.support.interpreters import Interpreter

TABLES = REPOSITORY / "gdbext" / "layout" / "tables"
# Where gdb looks for separate debug files, unless told otherwise.
DEBUG_FILES = Path("/usr/lib/debug/.build-id")


@functools.lru_cache(maxsize=None)
def has_dwarf(image: Path) -> bool:
    """Whether gdb finds DWARF for a file: in it, or in a separate file with its build id."""
    with open(image, "rb") as file:
        elf = ELFFile(file)
        if elf.get_section_by_name(".debug_info") is not None:
            return True
    found = build_id(image)
    return bool(found) and (DEBUG_FILES / found[:2] / (found[2:] + ".debug")).exists()


def is_made_from(interpreter: Interpreter) -> bool:
    """Whether the interpreter's own table was made from this very file."""
    path = TABLES / (interpreter.table + ".json")
    found = build_id(interpreter.image)
    return path.exists() and bool(found) and json.loads(path.read_text())["made_from"].get("build_id") == found


def build_id(image: Path) -> str:
    """The GNU build id of a file, "" where it has none."""
    with open(image, "rb") as file:
        notes = ELFFile(file).get_section_by_name(".note.gnu.build-id")
        return next((note["n_desc"] for note in notes.iter_notes()), "") if notes else ""


@functools.lru_cache(maxsize=None)
def tables() -> Set[str]:
    """The names of the shipped tables: "3.11.7", "3.11.2d"."""
    return {path.stem for path in TABLES.glob("*.json")}


def has_table(interpreter: Interpreter) -> bool:
    """Whether there is a table of exactly this release and kind of build."""
    return interpreter.table in tables()
