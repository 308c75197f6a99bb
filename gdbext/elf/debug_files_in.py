"""The debug files that a user names, one or a folder of them, and for which builds they are."""

import os
from pathlib import Path
from typing import Collection, Iterator, List, NamedTuple, Optional

from .image import Image, ImageError
from .places import by_build_id

# Files that are looked at below a folder; a tree of all debug files of a distribution has build ids for names.
MAX_FILES = 20_000


class Offered(NamedTuple):
    """A file with its build id; `problem` says why it is no debug file."""

    path: Path
    build_id: Optional[str]
    problem: Optional[str]


def offered(path: Path, wanted: Collection[str]) -> List[Offered]:
    """The debug files at a path: that file, or those in and below that folder whose build ids are wanted.

    Where none of a folder is wanted, all that there are. Raises OSError where there is no such path.
    """
    if not path.is_dir():
        os.stat(path)
        return [_look(path)]
    named = [place for build_id in wanted for place in (
        by_build_id(path, build_id), path / build_id[:2] / f"{build_id[2:]}.debug", path / build_id / "debuginfo")]
    found = [_look(place) for place in named if place.is_file()]
    if found:
        return found
    below = [_look(place) for place in _files(path)]
    debug_files = [each for each in below if each.problem is None]
    return [each for each in debug_files if each.build_id in wanted] or debug_files


def _files(folder: Path) -> Iterator[Path]:
    count = 0
    for current, _folders, names in os.walk(folder):
        for name in sorted(names):
            count += 1
            if count > MAX_FILES:
                return
            yield Path(current) / name


def _look(path: Path) -> Offered:
    try:
        with Image(path) as image:
            problem = None if image.has_dwarf or image.has_bytes(".symtab") else "has no debug information"
            return Offered(path, image.build_id(), problem)
    except ImageError as error:
        text = str(error)
        return Offered(path, None, f"is {text[len(f'{path}: '):]}" if text.startswith(f"{path}: ") else text)
