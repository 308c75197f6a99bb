"""What all unit tests share."""

import functools
from typing import Iterator

import pytest

from gdbext.layout import table


@pytest.fixture(scope="session", autouse=True)
def tables_loaded_once() -> Iterator[None]:
    """Parse each table once: hundreds of made-up processes read the same few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "load", functools.lru_cache(maxsize=None)(table.load))
        yield
