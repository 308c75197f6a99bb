"""How the parts of an answer look on a terminal: told apart by colours where there is a theme, plain without.

Whoever runs a command sets the theme for as long as it runs. Text from the inferior can't forge one: it has no
control characters when it comes here.
"""

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Iterator, List, NamedTuple

_RESET = "\x1b[m"
SEQUENCE = re.compile("\x1b\\[[0-9;]*m")


class Theme(NamedTuple):
    """For each part what turns its looks on, in the terminal's language (ECMA-48, SGR); "" for nothing."""

    filename: str = ""
    function: str = ""
    line_number: str = ""
    variable: str = ""
    title: str = ""
    highlight: str = ""
    metadata: str = ""


PLAIN = Theme()
_theme: ContextVar[Theme] = ContextVar("theme", default=PLAIN)


@contextmanager
def using(theme: Theme) -> Iterator[None]:
    """Have everything within be rendered by a theme."""
    token = _theme.set(theme)
    try:
        yield
    finally:
        _theme.reset(token)


def is_plain() -> bool:
    """Whether nothing is told apart now."""
    return _theme.get() == PLAIN


def plain(text: str) -> str:
    """The text without its looks."""
    return SEQUENCE.sub("", text)


def parts(text: str) -> List[str]:
    """The text cut where its looks change; what changes them is a part by itself."""
    return re.split(f"({SEQUENCE.pattern})", text)


def filename(text: str) -> str:
    """The path of a file."""
    return _dressed(_theme.get().filename, text)


def function(text: str) -> str:
    """The name of a function, of Python or C."""
    return _dressed(_theme.get().function, text)


def line_number(text: str) -> str:
    """The number of a line in a file."""
    return _dressed(_theme.get().line_number, text)


def variable(text: str) -> str:
    """The name of a variable, of a thread, of a lock."""
    return _dressed(_theme.get().variable, text)


def title(text: str) -> str:
    """What stands above a column or a part."""
    return _dressed(_theme.get().title, text)


def highlight(text: str) -> str:
    """What somebody is looking for: a deadlock, the type of an exception."""
    return _dressed(_theme.get().highlight, text)


def metadata(text: str) -> str:
    """What is said of an answer: how it is known, that it was cut."""
    return _dressed(_theme.get().metadata, text)


def _dressed(begin: str, text: str) -> str:
    return f"{begin}{text}{_RESET}" if begin and text else text
