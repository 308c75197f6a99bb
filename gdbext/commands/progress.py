"""How far long work has come: a line on a terminal that is written over, and gone when the work ends."""

import sys
import time
from types import TracebackType
from typing import Optional, Type

from ..cpython.heap_walk import Progress

# Seconds until the first line, and between two.
PATIENCE = 0.5
INTERVAL = 0.2


class ProgressLine:
    """Writes the line on standard error. Nothing where that or standard output is no terminal.

    Called with what has been done.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = time.monotonic()
        self._next = self._start + PATIENCE
        self._width = 0
        self._shown = sys.__stdout__ is not None and sys.__stderr__ is not None and (
            sys.__stdout__.isatty() and sys.__stderr__.isatty())

    def __enter__(self) -> "ProgressLine":
        return self

    def __call__(self, done: Progress) -> None:
        """Show it, now and then."""
        if not self._shown:
            return
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + INTERVAL
        line = f"{self._what}: {done.objects:,} objects, {done.bytes >> 20:,} MB, {now - self._start:.0f} s"
        self._write("\r" + line.ljust(self._width))
        self._width = max(self._width, len(line))

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._start

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        if self._width:
            self._write("\r" + " " * self._width + "\r")

    @staticmethod
    def _write(text: str) -> None:
        # Past gdb, which would count the lines of a page.
        sys.__stderr__.write(text)
        sys.__stderr__.flush()
