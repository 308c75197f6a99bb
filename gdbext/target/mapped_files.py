"""What a core was made without because it is in files: programs and libraries, as far as nobody has written to them.

Nothing here needs gdb, which would read whatever file has the right name. Facts: core(5), NT_FILE and
coredump_filter; System V ABI, program headers; Linux, vma_dump_size() in fs/coredump.c.
"""

import contextlib
import os
from bisect import bisect_right
from typing import BinaryIO, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from ..elf import dynamic
from ..elf.core import Core, Held, Mapping, NotHeld

# The paths at which the file may be that the core has by this path and this build id.
Candidates = Callable[[str, str], Iterable[str]]


class _Image(NamedTuple):
    """A mapped image of which the core has the build id; `file` is the right file, None where there is none."""

    file: Optional[BinaryIO]
    writable: List[Tuple[int, int]]


class MappedFiles:
    """The files that were mapped, each taken only if its build id is the one that the core has of it."""

    def __init__(self, core: Core, candidates: Candidates) -> None:
        self._core = core
        self._candidates = candidates
        self._mappings = sorted(core.mappings, key=lambda each: each.start)
        self._starts = [each.start for each in self._mappings]
        self._images: Dict[str, Optional[_Image]] = {}
        # The kernel leaves out what was never written to. Where it was made to leave out more, that can't be told.
        self._holds_what_was_written = not core.missing and not any(
            segment.address not in self._starts for segment in core.lacks())

    def close(self) -> None:
        """Let go of the files, which this object holds open."""
        for image in self._images.values():
            if image is not None and image.file is not None:
                image.file.close()
        self._images.clear()

    def knows(self, address: int) -> bool:
        """Whether the address is one of an image of which the core has the build id."""
        mapping = self._mapping(address)
        return mapping is not None and self._image(mapping.path) is not None

    def read(self, address: int, size: int) -> Optional[bytes]:
        """Bytes of the core and of what was mapped; None where that was written to, or the right file is not here."""
        found = b""
        while len(found) < size:
            at, left = address + len(found), size - len(found)
            mapping = self._mapping(at)
            count = min(left, (mapping.end if mapping is not None else self._next(at)) - at)
            data = self._core.read(at, count)
            if data is None and mapping is not None:
                data = self._of_file(mapping, at, count)
            if data is None or len(data) != count:
                return None
            found += data
        return found

    def _of_file(self, mapping: Mapping, address: int, size: int) -> Optional[bytes]:
        image = self._image(mapping.path)
        if image is None or image.file is None:
            return None
        if not self._holds_what_was_written and any(
                start < address + size and address < end for start, end in image.writable):
            return None
        return _read(image.file, mapping, address, size)

    def _next(self, address: int) -> int:
        """Where the first mapping behind an address begins."""
        index = bisect_right(self._starts, address)
        return self._starts[index] if index < len(self._starts) else 1 << 64

    def _mapping(self, address: int) -> Optional[Mapping]:
        index = bisect_right(self._starts, address) - 1
        return self._mappings[index] if index >= 0 and address < self._mappings[index].end else None

    def _image(self, path: str) -> Optional[_Image]:
        if path not in self._images:
            self._images[path] = self._find(path)
        return self._images[path]

    def _find(self, path: str) -> Optional[_Image]:
        mappings = [each for each in self._mappings if each.path == path]
        base = next((each.start for each in mappings if not each.offset), None)
        if base is None:
            return None
        try:
            mapped = dynamic.Image(Held(self._core), base)
            build_id = mapped.build_id()
        except (dynamic.NotAnImage, NotHeld):
            return None
        if build_id is None:
            return None
        writable = [(segment.address, segment.address + segment.memory_size) for segment in mapped.writable()]
        for candidate in self._candidates(path, build_id):
            # A damaged core may name anything: a FIFO, a name with a NUL.
            with contextlib.suppress(OSError, ValueError):
                if not os.path.isfile(candidate):
                    continue
                file = open(candidate, "rb", buffering=0)
                if _build_id(file, mappings, base) == build_id:
                    return _Image(file, writable)
                file.close()
        return _Image(None, writable)


class _AsMapped(Held):
    """A file as though it were what is mapped."""

    def __init__(self, file: BinaryIO, mappings: List[Mapping]) -> None:
        self._file = file
        self._mappings = mappings

    def read(self, address: int, size: int) -> bytes:
        """Raises NotHeld."""
        for mapping in self._mappings:
            if mapping.start <= address and address + size <= mapping.end:
                data = _read(self._file, mapping, address, size)
                if data is not None:
                    return data
        raise NotHeld(address, size)


def _build_id(file: BinaryIO, mappings: List[Mapping], base: int) -> Optional[str]:
    try:
        return dynamic.Image(_AsMapped(file, mappings), base).build_id()
    except (dynamic.NotAnImage, NotHeld):
        return None


def _read(file: BinaryIO, mapping: Mapping, address: int, size: int) -> Optional[bytes]:
    try:
        file.seek(mapping.offset + address - mapping.start)
        data = file.read(size)
    except (OSError, ValueError):
        return None
    # The last page of a file is mapped with zeros behind it.
    return data.ljust(size, b"\0") if data else None
