"""One ELF file on disk: its build id, symbols, sections, the libraries it names, and its debug file."""

import io
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, TypeVar

from elftools.elf.constants import SH_FLAGS
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

from .places import by_build_id, link_places

# Bounds against damaged files; executables and libraries have less than a hundred of each.
MAX_SECTIONS = 4096
MAX_SEGMENTS = 256
MAX_NOTES = 256
# Of a file that was cut, the bytes after the header in which its segments are described.
MAX_CUT = 1 << 20
# Bytes of one section that are read, or unpacked where it is compressed.
MAX_SECTION = 1 << 30
# A name, a path: as long as the kernel allows (PATH_MAX).
_MAX_NAME = 4096

_NT_GNU_BUILD_ID = 3
# ch_type of a compressed section (System V ABI, gABI 4).
_COMPRESSIONS = {1: "zlib", 2: "zstd"}
# What is read of a file at a time for its checksum.
_PIECE = 1 << 20

_Answer = TypeVar("_Answer")


class ImageError(Exception):
    """A file that can't be read as ELF."""


class Symbol(NamedTuple):
    """A symbol that a file defines: its link-time address, and its size in bytes."""

    address: int
    size: int


class Image:
    """An ELF executable, shared library or separate debug file. A context manager: it holds the file open.

    Raises ImageError where the file can't be opened or is not ELF.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # A FIFO would have whoever opens it wait.
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise ImageError(f"{path}: no regular file")
            self._stream = path.open("rb")
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            # A NUL in a damaged path.
            raise ImageError(f"{path}: {error}") from None
        try:
            self._size = os.fstat(self._stream.fileno()).st_size
            if self._stream.read(4) != b"\x7fELF":
                raise ImageError(f"{path}: not an ELF file")
            self.elf = guarded(path, self._open)
        except ImageError:
            self._stream.close()
            raise
        self._named: Optional[Dict[str, Section]] = None

    def __enter__(self) -> "Image":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stream.close()

    def _open(self) -> ELFFile:
        """pyelftools wants the headers of sections where the file says that they are, or none."""
        header = bytearray(self._bytes(0, 64))
        if len(header) < 52:
            raise ImageError(f"{self.path}: truncated: not even a whole ELF header")
        order = "<" if header[5] == 1 else ">"
        wide = header[4] == 2
        start, = struct.unpack_from(order + ("Q" if wide else "I"), header, 40 if wide else 32)
        each, count = struct.unpack_from(order + "HH", header, 58 if wide else 46)
        self._headers_end = start + each * max(count, 1) if start else 0
        if self._headers_end <= self._size:
            return ELFFile(self._stream)
        header[40:48] = bytes(8) if wide else header[40:48]
        header[58:64] = bytes(6) if wide else header[58:64]
        if not wide:
            header[32:36] = bytes(4)
            header[46:52] = bytes(6)
        return ELFFile(io.BytesIO(bytes(header) + self._bytes(len(header), MAX_CUT)))

    @property
    def machine(self) -> str:
        """The processor as `uname -m` calls it: "x86_64", "aarch64"."""
        machine = self.elf["e_machine"]
        return machine[len("EM_"):].lower() if isinstance(machine, str) else f"machine-{machine}"

    @property
    def is_library(self) -> bool:
        """Whether it has no program interpreter of its own, so can't be run."""
        return not any(segment["p_type"] == "PT_INTERP" for segment in self.elf.iter_segments())

    @property
    def bits(self) -> int:
        """32 or 64."""
        return self.elf.elfclass

    @property
    def order(self) -> str:
        """ "little" or "big", as int.from_bytes() takes it."""
        return "little" if self.elf.little_endian else "big"

    @property
    def has_dwarf(self) -> bool:
        """Whether the file itself describes its types; pyelftools' own answer takes .eh_frame for DWARF."""
        return any(self.has_bytes(name) for name in (".debug_info", ".zdebug_info"))

    def sections(self) -> Dict[str, Section]:
        """The sections by name, the first where a name comes twice.

        Empty where there are none, and where their headers are not within the file. Raises ImageError.
        """
        if self._named is None:
            self._named = guarded(self.path, self._sections)
        return self._named

    def _sections(self) -> Dict[str, Section]:
        found: Dict[str, Section] = {}
        # Cut off with the end of the file: what segments tell is left.
        if not self.elf.header["e_shoff"]:
            return found
        for index in range(min(self.elf.num_sections(), MAX_SECTIONS)):
            section = self.elf.get_section(index)
            found.setdefault(section.name, section)
        return found

    def has_bytes(self, name: str) -> bool:
        """Whether there is a section of that name, and with contents: debug files have some without."""
        section = self.sections().get(name)
        return section is not None and section["sh_type"] != "SHT_NOBITS"

    def missing_bytes(self) -> int:
        """How many bytes its sections and segments have beyond the file's end: it was cut."""
        ends = [section["sh_offset"] + section["sh_size"] for section in self.sections().values()
                if section["sh_type"] not in ("SHT_NOBITS", "SHT_NULL")]
        ends.append(self._headers_end)
        # In a debug file, segments tell of the file that it was split off from.
        if not self.sections():
            ends += [segment["p_offset"] + segment["p_filesz"] for segment in self._segments()]
        return max(0, max(ends) - self._size)

    def compression(self, name: str) -> Optional[str]:
        """How a section is compressed: "zlib", "zstd", "zlib-gnu" for names with .z; None where it is not."""
        section = self.sections().get(name)
        if section is None:
            return None
        if name.startswith(".zdebug"):
            return "zlib-gnu"
        if section["sh_flags"] & SH_FLAGS.SHF_COMPRESSED:
            kind = int.from_bytes(self._raw(section, 4), self.order)  # type: ignore[arg-type]
            return _COMPRESSIONS.get(kind, f"kind {kind}")
        return None

    def is_locked(self, name: str) -> bool:
        """Whether a section is compressed in a way that this Python can't unpack."""
        how = self.compression(name)
        return how is not None and how not in ("zlib", "zlib-gnu") and not (how == "zstd" and _unpacker() is not None)

    def contents(self, name: str, limit: int = MAX_SECTION) -> Optional[bytes]:
        """The first `limit` bytes of a section, unpacked; None where there is none, or of unknown compression."""
        section = self.sections().get(name)
        if section is None or section["sh_type"] == "SHT_NOBITS":
            return None
        how = self.compression(name)
        if how is None:
            return self._raw(section, limit)
        raw = self._raw(section, MAX_SECTION)
        if how == "zstd":
            return _unpack_zstd(raw[12 if self.bits == 32 else 24:], limit)
        if how not in ("zlib", "zlib-gnu"):
            return None
        # Elf64_Chdr and Elf32_Chdr; "ZLIB" and the size where the name has the z.
        start = 12 if how == "zlib-gnu" or self.bits == 32 else 24
        try:
            return zlib.decompressobj().decompress(raw[start:], limit)
        except zlib.error:
            return None

    def _raw(self, section: Section, limit: int) -> bytes:
        return self._bytes(section["sh_offset"], min(section["sh_size"], limit))

    def _bytes(self, offset: int, size: int) -> bytes:
        """What the file has of a range; less where that goes beyond its end."""
        if offset >= self._size:
            return b""
        self._stream.seek(offset)
        return self._stream.read(min(size, self._size - offset))

    def _segments(self) -> List:
        def read() -> List:
            header = self.elf.header
            count = header["e_phnum"]
            if not header["e_phoff"] or header["e_phoff"] + count * header["e_phentsize"] > self._size:
                return []
            return [self.elf.get_segment(index) for index in range(min(count, MAX_SEGMENTS))]

        return guarded(self.path, read)

    def build_id(self) -> Optional[str]:
        """The GNU build id in hexadecimal, None where the linker wrote none. Raises ImageError."""
        places = [(section["sh_offset"], section["sh_size"]) for section in self.sections().values()
                  if section["sh_type"] == "SHT_NOTE"]
        # Without section headers; with them, a debug file's segments are those of another file.
        if not places:
            places = [(segment["p_offset"], segment["p_filesz"]) for segment in self._segments()
                      if segment["p_type"] == "PT_NOTE"]
        for offset, size in places:
            found = self._build_id_in(self._bytes(offset, min(size, MAX_SECTION)))
            if found is not None:
                return found
        return None

    def _build_id_in(self, notes: bytes) -> Optional[str]:
        layout = struct.Struct("<III" if self.elf.little_endian else ">III")
        position = 0
        for _ in range(MAX_NOTES):
            if position + layout.size > len(notes):
                break
            name_size, size, kind = layout.unpack_from(notes, position)
            start = position + layout.size + (name_size + 3) // 4 * 4
            name = notes[position + layout.size:position + layout.size + name_size]
            if kind == _NT_GNU_BUILD_ID and name == b"GNU\0" and start + size <= len(notes):
                return notes[start:start + size].hex()
            position = start + (size + 3) // 4 * 4
        return None

    def symbol(self, name: str) -> Optional[Symbol]:
        """The symbol that this file defines by that name, from .dynsym or, failing that, .symtab."""
        for table, strings in ((".dynsym", ".dynstr"), (".symtab", ".strtab")):
            # In a separate debug file .dynsym has no bytes.
            names, symbols = self.contents(strings), self.contents(table)
            if names and symbols:
                found = self._symbol_in(symbols, set(places_of(name.encode() + b"\0", names)))
                if found is not None:
                    return found
        return None

    def _symbol_in(self, symbols: bytes, names: Set[int]) -> Optional[Symbol]:
        """The first that is defined and whose name is at one of these places. pyelftools would read all names."""
        layout = struct.Struct(("<" if self.elf.little_endian else ">") + ("IBBHQQ" if self.bits == 64 else "IIIBBH"))
        for entry in layout.iter_unpack(symbols[:len(symbols) // layout.size * layout.size] if names else b""):
            if entry[0] in names:
                section, value, size = entry[3:] if self.bits == 64 else (entry[5], entry[1], entry[2])
                if section:
                    return Symbol(value, size)
        return None

    def read(self, address: int, size: int) -> Optional[bytes]:
        """Bytes of initialized data at a link-time address; None where the file has none there."""
        for section in self.sections().values():
            if section["sh_type"] == "SHT_NOBITS" or not section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                continue
            start = section["sh_addr"]
            if start <= address and address + size <= start + section["sh_size"]:
                self._stream.seek(section["sh_offset"] + address - start)
                return self._stream.read(size)
        return None

    def needed(self) -> List[str]:
        """The names of the shared libraries that it asks for (DT_NEEDED). Raises ImageError."""
        return guarded(self.path, lambda: [
            tag.needed for tag in self._dynamic() if tag.entry.d_tag == "DT_NEEDED"])

    def library_path(self) -> List[Path]:
        """The folders of its DT_RPATH and DT_RUNPATH, with $ORIGIN replaced."""
        origin = str(self.path.resolve().parent)
        folders = []
        for tag in self._dynamic():
            if tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH"):
                text = getattr(tag, tag.entry.d_tag[len("DT_"):].lower())
                text = text.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
                folders += [Path(folder) for folder in text.split(":") if folder]
        return folders

    def _dynamic(self) -> Iterator:
        for segment in self.elf.iter_segments():
            if isinstance(segment, DynamicSegment):
                yield from segment.iter_tags()

    def debug_file(self, directories: Iterable[Path]) -> Optional[Path]:
        """The separate debug file of this one: by build id, then by .gnu_debuglink; None where there is none.

        `directories` are those that hold debug files, such as /usr/lib/debug. A file
        of another build is not taken.
        """
        directories = list(directories)
        build_id = self.build_id()
        if build_id is not None:
            for directory in directories:
                path = by_build_id(directory, build_id)
                if path.is_file():
                    return path
        link = self.debug_link()
        if link is None:
            return None
        for path in link_places(link.name, self.path.resolve().parent, directories):
            if path.is_file() and not os.path.samefile(path, self.path) and checksum(path) == link.checksum:
                return path
        return None

    def debug_link(self) -> Optional["DebugLink"]:
        """What .gnu_debuglink says of the debug file, None where there is no such section."""
        data = self.contents(".gnu_debuglink", _MAX_NAME + 8)
        if not data or b"\0" not in data or len(data) < 8:
            return None
        name = os.fsdecode(data[:data.index(b"\0")])
        return DebugLink(name, int.from_bytes(data[-4:], self.order)) if name else None  # type: ignore[arg-type]

    def supplement(self) -> Optional["Supplement"]:
        """What .gnu_debugaltlink says of the file that dwz has put common parts into, None without one."""
        data = self.contents(".gnu_debugaltlink", _MAX_NAME)
        if not data or b"\0" not in data:
            return None
        end = data.index(b"\0")
        return Supplement(os.fsdecode(data[:end]), data[end + 1:].hex())


def _unpacker() -> Optional[Callable[[bytes, int], bytes]]:
    """What unpacks zstd up to a number of bytes: Python 3.14's own module, or that of PyPI; None without either."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]

        return lambda data, limit: zstd.ZstdDecompressor().decompress(data, limit)
    except ImportError:
        pass
    try:
        import zstandard  # type: ignore[import-not-found, unused-ignore]

        return lambda data, limit: zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read(limit)
    except ImportError:
        return None


def _unpack_zstd(data: bytes, limit: int) -> Optional[bytes]:
    unpack = _unpacker()
    if unpack is None:
        return None
    try:
        return unpack(data, limit)
    except Exception:
        # Each of the two modules has errors of its own.
        return None


class DebugLink(NamedTuple):
    """A .gnu_debuglink: the name of the debug file, and the CRC-32 that it has."""

    name: str
    checksum: int


class Supplement(NamedTuple):
    """A .gnu_debugaltlink: the path of the supplementary file, and the build id that it has."""

    name: str
    build_id: str


# What our own mistakes raise. Damaged data lead pyelftools to them too.
_MISTAKES = (AttributeError, NameError, TypeError)


def guarded(path: Path, read: Callable[[], _Answer]) -> _Answer:
    """What `read` returns of an ELF file. Raises ImageError for whatever a parser stumbles over."""
    try:
        return read()
    except ImageError:
        raise
    except Exception as error:  # pylint: disable=broad-except
        if isinstance(error, _MISTAKES) and _raised_in(error) == __package__:
            raise
        # In a damaged file pyelftools comes to a KeyError, an AssertionError, a UnicodeDecodeError and more.
        raise ImageError(f"{path}: damaged ELF file ({type(error).__name__})") from None


def _raised_in(error: Exception) -> Optional[str]:
    """The package of the code that raised it."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place.tb_frame.f_globals.get("__package__") if place is not None else None


def places_of(wanted: bytes, names: bytes) -> Iterator[int]:
    """Where a name is among others. Linkers let it be the end of another one."""
    position = names.find(wanted)
    while position >= 0:
        yield position
        position = names.find(wanted, position + 1)


def checksum(path: Path) -> int:
    """The CRC-32 of a file, as .gnu_debuglink has it. Raises OSError."""
    found = 0
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(_PIECE), b""):
            found = zlib.crc32(piece, found)
    return found
