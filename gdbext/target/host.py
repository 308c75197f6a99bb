"""The gdb that gdbext runs in."""

import os
import sys
from typing import Iterator, NamedTuple, Optional

import gdb


class Versions(NamedTuple):
    """The versions of gdb, and of the Python within it."""

    gdb: str
    python: str


def versions() -> Versions:
    """As gdb and its Python say them."""
    return Versions(gdb.VERSION, sys.version.partition(" ")[0])


def columns() -> Optional[int]:
    """How wide gdb takes the terminal to be (`set width`), None for without limit, as in a pipe."""
    return gdb.parameter("width") or None if not _is_piped() else None


# Names of gdb's colours, in the order of their numbers in the terminal's language (ECMA-48, SGR).
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_INTENSITIES = {"bold": "1", "dim": "2"}


def style(*names: str) -> str:
    """What turns one of gdb's styles on in the terminal's language: the first that this gdb has; "" for plain."""
    for name in names:
        try:
            foreground, background, intensity = (
                gdb.parameter(f"style {name} {part}") for part in ("foreground", "background", "intensity"))
        except RuntimeError:
            # A newer gdb's.
            continue
        codes = [*_codes(foreground, 30), *_codes(background, 40)]
        codes += [_INTENSITIES[intensity]] if intensity in _INTENSITIES else []
        return f"\x1b[{';'.join(codes)}m" if codes else ""
    return ""


def _codes(colour: object, first: int) -> Iterator[str]:
    """Of a colour by its name, or by a number or value that a newer gdb has it as."""
    name = str(colour)
    if name in _COLOURS:
        yield str(first + _COLOURS.index(name))
    elif name.isdigit():
        yield f"{first + 8};5;{name}"


def shows_styles() -> bool:
    """Whether what is printed now goes to a terminal on which gdb shows its own styles."""
    return (bool(gdb.parameter("style enabled")) and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "dumb") != "dumb" and os.isatty(1)
            and not _serves_a_program() and not _is_piped())


def _serves_a_program() -> bool:
    """Whether gdb was started with an interface for programs, which may read from a terminal as Emacs does."""
    with open("/proc/self/cmdline", encoding="utf-8", errors="surrogateescape") as file:
        words = file.read().split("\0")
    for word, following in zip(words, words[1:] + [""]):
        option, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and option in ("i", "interpreter", "ui") and (
                value if equals else following).startswith(("mi", "dap")):
            return True
    return False


def _is_piped() -> bool:
    """Whether a child of gdb reads what gdb writes, as in `pipe py-threads | grep`. gdb has no way to ask."""
    try:
        with open("/proc/self/task/%d/children" % os.getpid(), encoding="ascii") as file:
            inputs = {_link(f"/proc/{child}/fd/0") for child in file.read().split()}
    except OSError:
        return False
    pipes = {link for link in inputs if link.startswith("pipe:")}
    return bool(pipes) and not pipes.isdisjoint(_link(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd"))


def _link(path: str) -> str:
    """What a link leads to, "" for one that is not there any more or is another user's."""
    try:
        return os.readlink(path)
    except OSError:
        return ""
