"""A thread that has to do something before another one can go on, and how that is known."""

from typing import NamedTuple, Optional

from ..cpython.frames import Frame
from .threads import Thread

# How a holder is known.
OWNER_FIELD = "owner-field"
WITH_BLOCK = "with-block"
# It runs what is waited for, or is the thread that is waited for.
RUNS = "call"

# Frames of one thread that are searched for what it holds and for what it runs.
MAX_FRAMES = 20_000


class Holder(NamedTuple):
    """A thread that has to do something before a waiter can go on.

    `frame` and `line` are where it took the lock, None where that is not known. `doubt` says why it may
    not hold it after all, `role` what makes it the one where that is not plain, in words.
    """

    thread: Thread
    evidence: str
    frame: Optional[Frame] = None
    line: Optional[int] = None
    doubt: Optional[str] = None
    role: Optional[str] = None
