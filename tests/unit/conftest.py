"""What all unit tests share."""

import functools
from typing import Iterator

import pytest

from gdbext.layout import table


@pytest.fixture(scope="session", autouse=True)
def tables_loaded_once() -> Iterator[None]:
    """Hundreds of made-up processes read the same few tables; parsing them each time would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "load", functools.lru_cache(maxsize=None)(table.load))
        yield
