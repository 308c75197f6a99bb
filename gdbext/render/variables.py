"""Variables, values and source lines as lines of text."""

from typing import Iterator, List, Optional

from ..analysis.sources import Source
from .text import printable


def value_text(scope: Optional[str], expression: str, value: str) -> str:
    """ "local 'self.name' = 'a'"; an object that no name has led to is without a scope."""
    return f"{scope} {printable(expression)!r} = {value}" if scope else f"{printable(expression)} = {value}"


def source_text(source: Source, first: int, last: int, current: Optional[int]) -> Iterator[str]:
    """The lines `first` to `last` with their numbers; the current one is marked."""
    width = len(str(last))
    for number, line in numbered(source.lines, first, last):
        yield f"{'>' if number == current else ' '}{number:>{width}}  {printable(line.expandtabs())}".rstrip()


def numbered(lines: List[str], first: int, last: int) -> Iterator[tuple]:
    """Lines with their numbers, from `first` to `last` as far as there are."""
    yield from enumerate(lines[max(first, 1) - 1:last], max(first, 1))
