"""Source files of the inferior on this machine: where they are, and their lines as Python decodes them.

Facts: gdb's documentation, "Specifying Source Directories"; Lib/linecache.py; Lib/tokenize.py (open);
Lib/zipimport.py (get_source).
"""

import os
import stat
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

# A file of more bytes is no source that anybody has written.
MAX_SOURCE = 1 << 26
# As many as the kernel follows on a path (path_resolution(7)).
MAX_LINKS = 40


class Source(NamedTuple):
    """A source file: where it was found and its lines, or the reason why it has none."""

    path: Optional[str]
    lines: List[str]
    problem: Optional[str]


class Places(NamedTuple):
    """Where source files may lie.

    `rules`: (from, to) of `set substitute-path`; the first that fits is applied. `sysroot`: a directory
    that has the inferior's files below it. `directories`: those that the user has named, which may hold
    any part of a tree. `process`: /proc/PID of a live process of this machine, None for all else.
    """

    rules: Sequence[Tuple[str, str]] = ()
    sysroot: Optional[str] = None
    directories: Sequence[str] = ()
    process: Optional[str] = None


class Sources:
    """Finds source files and keeps what it has read."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._found: Dict[str, Source] = {}

    def line(self, path: str, number: int) -> Optional[str]:
        """A line of a file without its indentation, None where there is none."""
        lines = self.source(path).lines
        return lines[number - 1].strip() or None if 0 < number <= len(lines) else None

    def whole_line(self, path: str, number: int) -> str:
        """A line of a file with its newline, as linecache.getline() gives it: "" where there is none."""
        lines = self.source(path).lines
        return lines[number - 1] + "\n" if 0 < number <= len(lines) else ""

    def source(self, path: str) -> Source:
        """The file that a code object names."""
        found = self._found.get(path)
        if found is None:
            found = self._found[path] = self._find(path)
        return found

    def _find(self, path: str) -> Source:
        if path.startswith("<") and path.endswith(">"):
            return Source(None, [], f"{path} is no file: its code came from a string, a prompt or a frozen module")
        tried = list(dict.fromkeys(self._candidates(path)))
        for candidate in tried:
            try:
                lines = _read(candidate)
                if lines is not None:
                    return Source(candidate, lines, None)
            except FileNotFoundError:
                continue
            except (SyntaxError, UnicodeError) as error:
                return Source(candidate, [], f"{path} can't be decoded: {error}")
            except (OSError, ValueError) as error:
                # ValueError: a NUL in a damaged path.
                reason = getattr(error, "strerror", None) or str(error)
                return Source(candidate, [], f"{path} can't be read: {reason}")
        return Source(None, [], f"{path} is not here. Name its place: directory DIR, "
                      "set substitute-path FROM TO, or set sysroot DIR")

    def _candidates(self, path: str) -> Iterator[str]:
        """Paths on this machine at which the file may lie, the surest first."""
        places = self._places
        for start, replacement in places.rules:
            if path == start or path.startswith(start.rstrip("/") + "/"):
                path = replacement.rstrip("/") + path[len(start.rstrip("/")):]
                yield path
                break
        absolute = os.path.isabs(path)
        if absolute and places.sysroot:
            yield places.sysroot.rstrip("/") + path
        if places.process and absolute and os.path.isdir(f"{places.process}/root/"):
            # Within a container the same path names another file than here.
            yield below(f"{places.process}/root", path)
        elif places.process and not absolute:
            # As linecache in that process would take it.
            yield f"{places.process}/cwd/{path}"
        elif absolute:
            yield path
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        for directory in places.directories:
            for first in range(len(parts)):
                yield os.path.join(directory, *parts[first:])


def below(root: str, path: str) -> str:
    """Where a path of a process with another root is on this machine.

    Its symbolic links count from that root, and the kernel would have them count from ours.
    """
    found, rest, links = "", path.split("/"), 0
    while rest:
        part = rest.pop(0)
        if part == "..":
            found = os.path.dirname(found)
        elif part not in ("", "."):
            try:
                target = os.readlink(f"{root}{found}/{part}")
            except (OSError, ValueError):
                found += "/" + part
                continue
            links += 1
            if links > MAX_LINKS:
                break
            if target.startswith("/"):
                found = ""
            rest = target.split("/") + rest
    return root + found


def _read(path: str) -> Optional[List[str]]:
    """The lines as linecache has them: by byte order mark and coding cookie (PEP 263), else UTF-8.

    None where it is no file. Raises OSError, SyntaxError, UnicodeError.
    """
    import tokenize

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
    except NotADirectoryError:
        return _read_from_archive(path)
    with tokenize.open(path) as file:
        # str.splitlines() would break lines at form feeds too, and shift all that follow.
        lines = file.read(MAX_SOURCE).split("\n")
    return lines if lines[-1] else lines[:-1]


def _read_from_archive(path: str) -> Optional[List[str]]:
    """The lines of what was imported from a ZIP file (zipapp, .egg), which stands in the path as a folder would.

    None where there is no such file, or it is none that zipimport reads. Raises OSError, UnicodeError.
    """
    import zipfile
    import zlib

    archive = os.path.dirname(path)
    while archive and not os.path.exists(archive):
        archive = os.path.dirname(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            member = opened.getinfo(path[len(archive):].lstrip("/"))
            if member.file_size > MAX_SOURCE:
                return None
            return opened.read(member).decode("utf-8").splitlines()
    except (KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None
