"""The layout tables that gdbext ships: one JSON file a build, made by scripts/make_layouts."""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .layout import Layout, Source, Struct

DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tables")

# Names of tables that are to be treated as absent, separated by commas: what a process of
# a release that nobody has made a table for looks like.
HIDDEN_VARIABLE = "GDBEXT_HIDE_TABLES"

# What tables call a processor, as e_machine (System V ABI).
_E_MACHINE = {"x86_64": 62, "aarch64": 183}
# sizeof(pthread_mutex_t) by e_machine (glibc, sysdeps/*/nptl/bits/pthreadtypes-arch.h): all other types
# that CPython has in its structures are as large on the one processor as on the other.
_MUTEX_SIZE = {62: 40, 183: 48}


class Name(NamedTuple):
    """What a table's file name says: the release, and the kind of build."""

    text: str
    version: Tuple[int, int]
    micro: int
    debug: bool
    free_threaded: bool


class Table(NamedTuple):
    """One table.

    `hexversion` is sys.hexversion; `runtime_size` is st_size of _PyRuntime in bytes, None before 3.7;
    `machine` is e_machine of the build; `build_id` that of the file whose DWARF the table was made from,
    None for one made from headers.
    """

    name: Name
    hexversion: int
    runtime_size: Optional[int]
    machine: int
    structs: Dict[str, Any]
    build_id: Optional[str] = None

    def source(self, kind: str) -> Source:
        """The Source of a layout that is read from this table."""
        return Source(kind, self.name.text, self.name.version, self.hexversion, self.runtime_size,
                      self.name.debug, self.machine)

    def layout(self, machine: Optional[int] = None) -> Layout:
        """The table's structures as a Layout for a processor, given as e_machine; the table's own for None."""
        if machine is None or machine == self.machine:
            return Layout(self.source("table"), self.struct)
        return Layout(self.source("table"), self.struct_of_any_machine)

    def struct(self, name: str) -> Optional[Struct]:
        """One structure of the table, None where the build has none."""
        entry = self.structs.get(name)
        if entry is None:
            return None
        return Struct(name, entry["size"], {path: tuple(field) for path, field in entry["fields"].items()})

    def field(self, struct: str, path: str) -> Optional[List[int]]:
        """A field as the file has it, None where the build has none."""
        entry = self.structs.get(struct)
        return entry["fields"].get(path) if entry is not None else None

    def struct_of_any_machine(self, name: str) -> Optional[Struct]:
        """One structure of the table as far as it is the same on other processors: up to its first mutex."""
        struct = self.struct(name)
        if struct is None:
            return None
        mutex = _MUTEX_SIZE[self.machine]
        mutexes = [field[0] for path, field in struct.fields.items()
                   if path.endswith("mutex") and field[1] == mutex]
        if not mutexes:
            return struct
        fields = {path: field for path, field in struct.fields.items() if field[0] < min(mutexes)}
        return Struct(name, struct.size, fields)


def parse_name(text: str) -> Optional[Name]:
    """What "3.11.7", "3.11.2d", "3.15.0b2" or "3.14.8td" says; None for any other text."""
    digits = text
    flags = ""
    while digits and digits[-1] in "td":
        flags = digits[-1] + flags
        digits = digits[:-1]
    parts = digits.split(".")
    if len(parts) != 3 or not (parts[0].isdigit() and parts[1].isdigit()):
        return None
    micro = ""
    for character in parts[2]:
        if not character.isdigit():
            break
        micro += character
    if not micro:
        return None
    return Name(text, (int(parts[0]), int(parts[1])), int(micro), "d" in flags, "t" in flags)


def names(directory: str = DIRECTORY) -> List[Name]:
    """The tables there are, oldest release first; those named in GDBEXT_HIDE_TABLES are left out."""
    hidden = {name.strip() for name in os.environ.get(HIDDEN_VARIABLE, "").split(",")}
    found = []
    for file in os.listdir(directory):
        stem, extension = os.path.splitext(file)
        name = parse_name(stem) if extension == ".json" and stem not in hidden else None
        if name is not None:
            found.append(name)
    return sorted(found, key=lambda name: (name.version, name.micro, name.debug, name.free_threaded, name.text))


def load(name: Name, directory: str = DIRECTORY) -> Table:
    """Read one table. Raises OSError or ValueError when the file is missing or damaged."""
    with open(os.path.join(directory, name.text + ".json"), encoding="utf-8") as file:
        data = json.load(file)
    return Table(name, int(data["hexversion"], 16), data["runtime_size"], _E_MACHINE[data["machine"]],
                 data["structs"], data.get("made_from", {}).get("build_id"))
