"""Addresses that a user types."""

import re
from typing import Optional

import gdb

_NAME = re.compile(r"\$\w+")


def parse(word: str) -> Optional[int]:
    """The address that a word is: a number, or a register or convenience variable of gdb's. None for all else.

    Other expressions could call functions of the inferior, or assign to its memory.
    """
    try:
        value = int(gdb.parse_and_eval(word)) if _NAME.fullmatch(word) else int(word, 0)
    except (gdb.error, ValueError):
        return None
    return value & (1 << 64) - 1
