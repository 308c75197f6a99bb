"""Where a debug file may be that gdb does not find: below the process's root, beside the Python that a virtual
environment was made from, in folders that the user names. Only by build id.

Facts: PEP 405 (pyvenv.cfg); gdb's documentation, "Missing Debug Info in Python".
"""

import os
from pathlib import Path
from typing import Iterator, Optional, Sequence

from .places import by_build_id

# Bytes; one has a few lines.
MAX_CONFIGURATION = 1 << 16


def find(build_id: str, image: str, directories: Sequence[str], root: str, named: Sequence[str]) -> Optional[str]:
    """The debug file of a build, None where there is none.

    `image` is the path of the file that it belongs to, `directories` gdb's folders of debug files, `root` the
    folder that has the process's file system below it, `named` the user's folders.
    """
    for folder in _folders(image, directories, root, named):
        for path in (by_build_id(folder, build_id), folder / build_id[:2] / f"{build_id[2:]}.debug",
                     folder / build_id / "debuginfo"):
            if path.is_file():
                return str(path)
    return None


def _folders(image: str, directories: Sequence[str], root: str, named: Sequence[str]) -> Iterator[Path]:
    yield from map(Path, named)
    if root:
        yield from (Path(f"{root}{directory}") for directory in directories)
    base = _base_prefix(Path(image))
    if base is not None:
        yield base / "lib" / "debug"


def _base_prefix(program: Path) -> Optional[Path]:
    """Of a virtual environment's python, the prefix of the one that it was made from."""
    for folder in list(program.parents)[:2]:
        try:
            with (folder / "pyvenv.cfg").open(encoding="utf-8", errors="replace") as file:
                lines = file.read(MAX_CONFIGURATION).splitlines()
        except OSError:
            continue
        for line in lines:
            name, equals, value = line.partition("=")
            if equals and name.strip() == "home":
                return Path(os.path.dirname(value.strip()))
    return None
