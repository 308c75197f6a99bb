"""Where debug files may be. Nothing here needs pyelftools.

Facts: gdb's documentation, "Debugging Information in Separate Files"; debuginfod-find(1) for the folder in
which it keeps what it has fetched.
"""

import os
from pathlib import Path
from typing import Iterable, Iterator, List, Mapping, NamedTuple, Sequence


class Places(NamedTuple):
    """Where debug files are looked for: gdb's `debug-file-directory`, and what debuginfod has fetched.

    `root` is the folder that has the process's file system below it, "" where that is this machine's.
    """

    directories: Sequence[Path]
    fetched: Sequence[Path] = ()
    root: str = ""

    def folders(self) -> List[Path]:
        """The folders of debug files: those below the process's root, then this machine's."""
        below = [Path(f"{self.root}{directory}") for directory in self.directories] if self.root else []
        return below + list(self.directories)

    def files(self, path: str, build_id: str) -> Iterator[Path]:
        """Where a program or library of a build may be, besides its own place: as the user has put it there."""
        yield Path(path)
        yield from (by_build_id(folder, build_id, "") for folder in self.folders())
        yield from (folder / build_id / "executable" for folder in self.fetched)

    def folder_of(self, path: Path) -> Path:
        """The folder that a file really is in, symbolic links followed."""
        # Links of another root have been followed by whoever found the file there.
        return path.parent if self.root and str(path).startswith(self.root) else path.resolve().parent

    def link_places(self, name: str, path: Path) -> Iterator[Path]:
        """Where the debug file may be that the .gnu_debuglink of a file names."""
        folder = self.folder_of(path)
        yield from link_places(name, folder, self.folders())
        if self.root and str(folder).startswith(self.root):
            # As the process sees the folder.
            own = Path(str(folder)[len(self.root):] or "/")
            for directory in self.folders():
                yield Path(f"{directory}{own}") / name


def fetched_by_debuginfod(environment: Mapping[str, str]) -> List[Path]:
    """The folders in which debuginfod keeps what it has fetched, those that it looks into."""
    named = environment.get("DEBUGINFOD_CACHE_PATH")
    home = environment.get("HOME", "")
    cache = environment.get("XDG_CACHE_HOME") or (home and os.path.join(home, ".cache"))
    # The last one is that of elfutils 0.178 to 0.182.
    folders = [named] if named else [cache and os.path.join(cache, "debuginfod_client"),
                                     home and os.path.join(home, ".debuginfod_client_cache")]
    return [Path(folder) for folder in folders if folder]


def by_build_id(directory: Path, build_id: str, suffix: str = ".debug") -> Path:
    """Where a folder of debug files has that of a build id."""
    return directory / ".build-id" / build_id[:2] / f"{build_id[2:]}{suffix}"


def link_places(name: str, folder: Path, directories: Iterable[Path]) -> List[Path]:
    """Where the file that a .gnu_debuglink names may be, in the order in which gdb looks."""
    return [place / name for place in (folder, folder / ".debug",
                                       *(Path(f"{directory}{folder}") for directory in directories))]
