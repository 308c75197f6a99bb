"""Which characters repr() shows, and which it escapes, in which version of Python.

Each minor version has the tables of the Unicode of its time, and escapes what these do not know yet. gdb's Python
may be another than the process's. characters.json has what they disagree on; scripts/make_characters makes it.
"""

import functools
import json
import os
import re
import sys
from typing import Match, Optional, Pattern

_TABLE = os.path.join(os.path.dirname(__file__), "characters.json")

# A backslash that is escaped itself, or a character that is.
_ESCAPE = re.compile(r"\\(?:\\|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def text_repr(text: str, minor: Optional[int]) -> str:
    """The repr() of a str in Python 3.`minor`; in this very Python where that is None."""
    shown = repr(text)
    if minor is None or text.isascii():
        return shown
    differing = _differing(minor, sys.version_info[1])
    if differing is None or not differing.search(text):
        return shown
    if minor < sys.version_info[1]:
        return differing.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), shown)

    def unescaped(match: Match[str]) -> str:
        digits = match[1] or match[2]
        return chr(int(digits, 16)) if digits and differing.match(chr(int(digits, 16))) else match[0]

    return _ESCAPE.sub(unescaped, shown)


@functools.lru_cache(maxsize=None)
def _differing(minor: int, other: int) -> Optional[Pattern[str]]:
    """The characters that one of two minor versions shows and the other escapes, None where there are none."""
    with open(_TABLE, encoding="utf-8") as file:
        since = json.load(file)
    older, newer = sorted((minor, other))
    ranges = [f"{chr(first)}-{chr(last)}" for version, found in since.items() if older < int(version) <= newer
              for first, last in found]
    return re.compile(f"[{''.join(ranges)}]") if ranges else None
