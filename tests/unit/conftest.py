"""What all unit tests share."""

import functools
from typing import Any, Dict, Iterator, Optional, Tuple

import pytest

from gdbext.layout import table
from gdbext.layout.layout import Struct


@pytest.fixture(scope="session", autouse=True)
def tables_loaded_once() -> Iterator[None]:
    """Parse each table and structure once: thousands of made-up processes read the same few."""
    made: Dict[Tuple[int, str], Tuple[Any, Optional[Struct]]] = {}
    original = table.Table.struct

    def struct(self: table.Table, name: str) -> Optional[Struct]:
        """Kept with what it was made from, so that no other table takes its place."""
        key = id(self.structs), name
        if key not in made:
            made[key] = self.structs, original(self, name)
        return made[key][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "load", functools.lru_cache(maxsize=None)(table.load))
        patch.setattr(table.Table, "struct", struct)
        yield
