"""The settings under `set gdbext`, and what commands read of them."""

from typing import Dict, List, Optional

from ..cpython.limits import DEFAULT, LISTED, Limits
from ..target import missing_debug
from .command import Choice, Limit, SetPrefix, Setting, ShowPrefix

_LENGTH, _ITEMS, _DEPTH = "gdbext repr-length", "gdbext repr-items", "gdbext repr-depth"
_LISTED = "gdbext repr-listed"

_FIND, _FOLDERS = "gdbext find-debug", "gdbext debug-folders"

_settings: Dict[str, Limit] = {}
_finding: Dict[str, Setting] = {}

_COLOUR = "gdbext colour"
_colour: List[Choice] = []


def register() -> None:
    """Add the settings to gdb, at their defaults, or as they were set before."""
    SetPrefix("gdbext", "Set how gdbext shows values, and where it looks for debug files.")
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
    _colour[:] = [Choice(_COLOUR, "whether gdbext tells the parts of an answer apart by colours",
                         "They are those of gdb's own styles. \"auto\" has them on a terminal where gdb shows its\n"
                         "styles (set style enabled), not in a pipe, a file or an IDE, and not where NO_COLOR is\n"
                         "set.",
                         ("auto", "on", "off"), _colour[0].value if _colour else None)]
    if missing_debug.register(_folders):
        for name, what, more, off, text in (
                (_FIND, "whether gdbext looks for debug files that gdb does not find",
                 "It looks below the process's root, beside the Python that a virtual environment was made from,\n"
                 "and in gdbext debug-folders. Only files of the right build id are taken.", False, False),
                (_FOLDERS, "the folders in which gdbext looks for debug files, with : between them",
                 "They have .build-id/xx/yyyy.debug, as /usr/lib/debug has.", "", True)):
            old = _finding.get(name)
            _finding[name] = Setting(name, what, more, old.value if old else off, _find_debug, text)


def _folders() -> Optional[List[str]]:
    """Where the user wants debug files looked for, None where gdbext is not to look at all."""
    if not _finding[_FIND].value:
        return None
    return [folder for folder in (_finding[_FOLDERS].value or "").split(":") if folder]


def _find_debug() -> None:
    """For what gdb has read before the setting was made, for which it asks nobody again."""
    folders = _folders()
    if folders is not None:
        missing_debug.look(folders)


def colour() -> str:
    """ "auto", "on" or "off". """
    return str(_colour[0].value)


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
