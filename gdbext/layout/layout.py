"""A layout: the size of each structure and the offset of each of its fields, in one build of CPython."""

from typing import Callable, Dict, NamedTuple, Optional, Tuple

from .schema import STRUCTS, Field


class MissingField(LookupError):
    """The build has no such structure or field, or its place is not known."""


class Struct:
    """One C structure: `size` in bytes, `fields` by dotted name as schema.flatten() gives them."""

    __slots__ = ("name", "size", "fields")

    def __init__(self, name: str, size: int, fields: Dict[str, Field]) -> None:
        self.name = name
        self.size = size
        self.fields = fields

    def __contains__(self, path: str) -> bool:
        return path in self.fields

    def field(self, *paths: str) -> Field:
        """The first of the named fields that this build has. Raises MissingField."""
        for path in paths:
            found = self.fields.get(path)
            if found is not None:
                return found
        raise MissingField(f"{self.name} has no field {' or '.join(paths)}")

    def offset(self, *paths: str) -> int:
        """The offset in bytes of the first of the named fields that this build has. Raises MissingField."""
        return self.field(*paths)[0]


class Source(NamedTuple):
    """Where a layout came from, as every answer reports it.

    `kind` is "dwarf", "table" or "table+debug-offsets"; `table` names the table. `version` is the
    (major, minor) that the source is for, None where it does not say; `hexversion`, `runtime_size`
    (st_size of _PyRuntime in bytes), `debug` (pydebug) and `machine` (e_machine) are those of the build
    that a table was read from.
    """

    kind: str
    table: Optional[str] = None
    version: Optional[Tuple[int, int]] = None
    hexversion: Optional[int] = None
    runtime_size: Optional[int] = None
    debug: bool = False
    machine: Optional[int] = None


class Layout:
    """All structures of one build, each loaded when it is first asked for.

    `load` returns a structure by gdbext's name for it (schema.STRUCTS), None where the build has none.
    """

    def __init__(self, source: Source, load: Callable[[str], Optional[Struct]]) -> None:
        self.source = source
        self._load = load
        self._structs: Dict[str, Optional[Struct]] = {}

    def find(self, name: str) -> Optional[Struct]:
        """The structure called `name`, None where this build has none."""
        try:
            return self._structs[name]
        except KeyError:
            struct = self._structs[name] = self._load(name)
            return struct

    def load_all(self) -> None:
        """Load all that have not been asked for: what they are loaded from is about to go."""
        for name in STRUCTS:
            self.find(name)

    def __getitem__(self, name: str) -> Struct:
        """The structure called `name`. Raises MissingField."""
        struct = self.find(name)
        if struct is None:
            raise MissingField(f"this build of CPython has no structure {name}")
        return struct

    def replace(self, name: str, struct: Optional[Struct]) -> None:
        """Put another structure in the place of one; None takes it away."""
        self._structs[name] = struct

    def has(self, name: str, path: str) -> bool:
        """Whether the build has the structure and in it the field."""
        struct = self.find(name)
        return struct is not None and path in struct.fields

    @property
    def free_threaded(self) -> bool:
        """Whether objects have the 32-byte head of free-threaded builds (PEP 703, 3.13)."""
        return self.has("PyObject", "ob_tid")
