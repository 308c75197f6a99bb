"""CPython's own gdb script, libpython.py: which file fits an interpreter, and whether gdb runs it.

Facts: CPython's Makefile.pre.in installs it as BINARY-gdb.py; gdb's documentation, "The objfile-gdb.py file";
Debian puts it below /usr/share/gdb/auto-load, Fedora below /usr/lib/debug.
"""

import os
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional


class LibPython(NamedTuple):
    """`candidates` are the files that fit, the likeliest first; `declined` the one that auto-load declined.

    `line` is what makes gdb load that one the next time, `init_file` the user's file for it.
    """

    loaded: bool
    candidates: List[str]
    declined: Optional[str] = None
    line: Optional[str] = None
    init_file: Optional[str] = None


def candidates(images: Iterable[str], folders: Iterable[str], root: str) -> List[str]:
    """The scripts that are there for an interpreter's files: beside each, or below gdb's folders.

    `images` are paths as the process has them, `folders` those of auto-load, `root` where its files are.
    """
    found: Dict[str, str] = {}
    for path in _scripts(list(images), list(folders), root):
        if os.path.isfile(path):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _scripts(images: List[str], folders: List[str], root: str) -> Iterator[str]:
    for image in images:
        for name in dict.fromkeys((image, os.path.realpath(image))):
            yield f"{root}{name}-gdb.py"
            for folder in folders:
                for place in ([root + folder] if root else []) + [folder]:
                    yield f"{place}{name}-gdb.py"


def init_file(home: str, config: Optional[str], major: int) -> str:
    """The user's own init file: from gdb 11 on one below ~/.config, if it exists, hides the one in the home folder.

    Where there is none it is the latter: another program may write there too, and would not be heard.
    """
    newer = os.path.join(config or os.path.join(home, ".config"), "gdb", "gdbinit")
    return newer if major >= 11 and os.path.exists(newer) else os.path.join(home, ".gdbinit")
