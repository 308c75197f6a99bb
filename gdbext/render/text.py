"""Text that comes from the inferior, made fit for a terminal."""

import unicodedata
from typing import List, Optional

from . import theme

# A name or path longer than this is cut; the cut is shown.
MAX_SHOWN = 1000
# What is shown in full is: no terminal holds more.
MAX_WHOLE = 1_000_000

# Categories that a terminal acts upon, or that hide or reorder what is read: control, format
# (with the bidirectional controls), surrogate, private use, unassigned, line and paragraph separator.
_UNPRINTABLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def printable(text: str) -> str:
    """The text with every character escaped that is not plainly visible; cut at MAX_SHOWN characters."""
    if len(text) > MAX_SHOWN:
        return printable(text[:MAX_SHOWN]) + f"... ({len(text)} characters)"
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in _UNPRINTABLE else character
        for character in text)


def visible(text: str) -> str:
    """The text as it is, lines and tabs with it, but that characters that are not plainly visible are escaped.

    For what has to be whole, as messages of exceptions are; cut at MAX_WHOLE characters.
    """
    if len(text) > MAX_WHOLE:
        return visible(text[:MAX_WHOLE]) + f"... ({len(text)} characters)"
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if character not in "\n\t" and unicodedata.category(character) in _UNPRINTABLE else character
        for character in text)


def cut(text: str, columns: int) -> str:
    """As much of a text without colours as fits into so many columns, "..." behind it where that is not all."""
    if width(text) <= columns:
        return text
    kept = text[:max(columns - 3, 0)]
    while kept and width(kept) > columns - 3:
        kept = kept[:-1]
    return kept + "..."


def safe(line: str) -> str:
    """A line as it may go to a terminal: what a renderer has let through is escaped, but for the looks of a theme."""
    if line.isprintable():
        return line
    return "".join(part if theme.SEQUENCE.fullmatch(part) and not theme.is_plain() else visible(part)
                   for part in theme.parts(line))


def width(text: str) -> int:
    """How many columns of a terminal the text takes: East Asian wide characters take two."""
    if "\x1b" in text:
        text = theme.plain(text)
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(character)
               else 2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def counted(count: int, one: str, many: str = "") -> str:
    """A number and what it is of: "1 more thread", "2 more threads"; `many` where that has no s at its end only."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def left_out(count: int, limit: Optional[int], one: str, many: str = "") -> List[str]:
    """Of a list of which the first `limit` are shown, the sentence about the others; none where there are none."""
    more = count - limit if limit is not None else 0
    if more <= 0:
        return []
    them = "it" if more == 1 else "them"
    return [f"{counted(more, 'more ' + one, many and 'more ' + many)}: -limit left {them} out."]
