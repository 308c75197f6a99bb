"""Where gdb has been told that source files lie."""

import re
from typing import List, Optional, Tuple

import gdb

from . import console

_RULE = re.compile(r"(?m)^  `(.*)' -> `(.*)'\.$")


def substitutions() -> List[Tuple[str, str]]:
    """The rules of `set substitute-path`, for which gdb has no other way to ask."""
    return _RULE.findall(console.output("show substitute-path"))


def sysroot() -> Optional[str]:
    """The directory below which the inferior's files are; None for gdb's own default, the target's files."""
    path = gdb.parameter("sysroot") or ""
    if path.startswith("target:"):
        path = path[len("target:"):]
    return path if path not in ("", "/") else None


def directories() -> List[str]:
    """Those that the user has named with `directory`; $cdir and $cwd are there always."""
    return [path for path in (gdb.parameter("directories") or "").split(":") if path and not path.startswith("$")]
