"""Where the debug information of a file is, and whether it is that file's."""

import os
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Tuple

from .image import Image, ImageError, checksum
from .places import Places, by_build_id

EMBEDDED, SEPARATE, MISSING, MISMATCH = "embedded", "separate", "missing", "mismatch"

# Bytes. A larger debug file is not read as a whole to compare its checksum.
MAX_CHECKED = 4 << 30


class DebugFile(NamedTuple):
    """The debug information of one file.

    `status` is one of the four above; `path` the file that has it, for MISMATCH the one that is of another
    build, whose `build_id` this is. `how` says in words how it was found, `problem` what is wrong with it.
    `symbols` tells whether there are at least names of functions (.symtab).
    """

    status: str
    path: Optional[Path]
    build_id: Optional[str]
    how: Optional[str]
    problem: Optional[str]
    symbols: bool
    compression: Optional[str]


class SupplementFile(NamedTuple):
    """The file that dwz has put common parts of DWARF into: as it is named, and where it is, None if nowhere."""

    name: str
    build_id: str
    path: Optional[Path]


def find(image: Image, places: Places, loaded: Optional[Path] = None) -> DebugFile:
    """The debug information of a file; `loaded` is what gdb has read for it. Raises ImageError where it is damaged."""
    symbols = image.has_bytes(".symtab") or image.has_bytes(".gnu_debugdata")
    if image.has_dwarf:
        return DebugFile(EMBEDDED, image.path, image.build_id(), None, None, symbols, _compression(image))
    build_id = image.build_id()
    wrong: Optional[DebugFile] = None
    for path, how, expected in _candidates(image, build_id, places, loaded):
        found = _look(path, how, image, build_id, expected, symbols)
        if found is not None and found.status == SEPARATE:
            return found
        wrong = wrong or found
    return wrong or DebugFile(MISSING, None, None, None, None, symbols, None)


def _candidates(image: Image, build_id: Optional[str], places: Places,
                loaded: Optional[Path]) -> Iterator[Tuple[Path, str, Optional[int]]]:
    """Where a debug file may be, how it is found there, and which checksum it must have."""
    if build_id:
        for directory in places.folders():
            yield by_build_id(directory, build_id), "by build id", None
    link = image.debug_link()
    if link is not None:
        for path in places.link_places(link.name, image.path):
            yield path, "by .gnu_debuglink", link.checksum
    if build_id:
        for folder in places.fetched:
            yield folder / build_id / "debuginfo", "fetched by debuginfod", None
    if loaded is not None:
        yield loaded, "loaded by gdb", None


def _look(path: Path, how: str, image: Image, build_id: Optional[str], expected: Optional[int],
          symbols: bool) -> Optional[DebugFile]:
    """What a candidate is: the debug file, one of another build, or, where there is no such file, None."""
    try:
        if not path.is_file() or os.path.samefile(path, image.path):
            return None
        with Image(path) as candidate:
            its_id = candidate.build_id()
            compression = _compression(candidate)
            has_dwarf = candidate.has_dwarf
            symbols = symbols or candidate.has_bytes(".symtab")
        problem = None
        if build_id and its_id and its_id != build_id:
            problem = f"its build id is {its_id}"
        elif expected is not None and path.stat().st_size > MAX_CHECKED:
            problem = "it is too large to have its checksum compared"
        elif expected is not None and checksum(path) != expected:
            problem = "its checksum is not that of the .gnu_debuglink"
        elif not has_dwarf:
            problem = "it has no DWARF"
    except ImageError as error:
        return DebugFile(MISMATCH, path, None, how, str(error), symbols, None)
    except OSError:
        return None
    except ValueError:
        # A NUL in a damaged .gnu_debuglink.
        return None
    return DebugFile(MISMATCH if problem else SEPARATE, path, its_id, how, problem, symbols, compression)


def _compression(image: Image) -> Optional[str]:
    return image.compression(".debug_info") or image.compression(".zdebug_info")


def supplement(image: Image, places: Places) -> Optional[SupplementFile]:
    """The supplementary file of one that has DWARF, None where it needs none. Raises ImageError."""
    named = image.supplement()
    if named is None:
        return None
    # The link counts from the folder of the file that has it.
    candidates = [Path(f"{places.root}{named.name}")] if places.root and named.name.startswith("/") else []
    candidates.append(places.folder_of(image.path) / named.name)
    if named.build_id:
        candidates += [by_build_id(directory, named.build_id) for directory in places.folders()]
        candidates += [folder / named.build_id / "debuginfo" for folder in places.fetched]
    for path in candidates:
        try:
            with Image(path) as found:
                if found.build_id() == named.build_id:
                    return SupplementFile(named.name, named.build_id, path)
        except ImageError:
            continue
    return SupplementFile(named.name, named.build_id, None)
