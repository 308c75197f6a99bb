"""The settings under `set gdbext`, and what commands read of them."""

from typing import Dict

from ..cpython.limits import DEFAULT, LISTED, Limits
from .command import Limit, SetPrefix, ShowPrefix

_LENGTH, _ITEMS, _DEPTH = "gdbext repr-length", "gdbext repr-items", "gdbext repr-depth"
_LISTED = "gdbext repr-listed"

_settings: Dict[str, Limit] = {}


def register() -> None:
    """Add the settings to gdb, at their defaults, or as they were set before."""
    SetPrefix("gdbext", "Set how gdbext shows values.")
    ShowPrefix("gdbext", "Show gdbext's settings.")
    for name, what, more, default in (
            (_LENGTH, "how many characters of a str, bytes of a bytes object and digits of an int are shown",
             "How many are left out is said.", DEFAULT.length),
            (_ITEMS, "how many items of a container and attributes of an instance are shown",
             "How many are left out is said.", DEFAULT.items),
            (_DEPTH, "how many containers and instances within each other are shown",
             "What lies deeper is shown by its type and address.", DEFAULT.depth),
            (_LISTED, "how many characters of each value are shown where there are many, as in py-bt-plus -full",
             "After so many, no container is given another item. py-print-plus shows more of one value.",
             LISTED.total)):
        before = _settings.get(name)
        _settings[name] = Limit(name, what, more, before.number if before else default)


def limits() -> Limits:
    """How much of a value the user wants to see."""
    length, items, depth = (_settings[name].number for name in (_LENGTH, _ITEMS, _DEPTH))
    # Who asks for all of something is not kept from having it.
    total = None if length is None or items is None else max(DEFAULT.total or 0, length, items)
    return Limits(length, items, depth, total)


def limits_listed() -> Limits:
    """The same for each of many values, as the variables of frames."""
    alone = limits()
    return alone if alone.total is None else alone._replace(total=_settings[_LISTED].number)
