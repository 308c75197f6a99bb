"""One ELF file on disk: its build id, symbols, data, the libraries it names, and its debug file."""

import os
import zlib
from pathlib import Path
from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection, SymbolTableSection


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
            self._stream = path.open("rb")
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}") from None
        try:
            self.elf = ELFFile(self._stream)
        except ELFError:
            self._stream.close()
            raise ImageError(f"{path}: not an ELF file") from None

    def __enter__(self) -> "Image":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stream.close()

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
    def has_dwarf(self) -> bool:
        """Whether the file itself describes its types; pyelftools' own answer takes .eh_frame for DWARF."""
        for name in (".debug_info", ".zdebug_info"):
            section = self.elf.get_section_by_name(name)
            if section is not None and section["sh_type"] != "SHT_NOBITS":
                return True
        return False

    def build_id(self) -> Optional[str]:
        """The GNU build id in hexadecimal, None where the linker wrote none."""
        for section in self.elf.iter_sections():
            if isinstance(section, NoteSection):
                for note in section.iter_notes():
                    if note["n_type"] == "NT_GNU_BUILD_ID":
                        return str(note["n_desc"])
        return None

    def symbol(self, name: str) -> Optional[Symbol]:
        """The symbol that this file defines by that name, from .dynsym or, failing that, .symtab."""
        for section_name in (".dynsym", ".symtab"):
            section = self.elf.get_section_by_name(section_name)
            # In a separate debug file .dynsym has no bytes, and is then of another class.
            if not isinstance(section, SymbolTableSection):
                continue
            for symbol in section.get_symbol_by_name(name) or ():
                if symbol["st_shndx"] != "SHN_UNDEF":
                    return Symbol(symbol["st_value"], symbol["st_size"])
        return None

    def read(self, address: int, size: int) -> Optional[bytes]:
        """Bytes of initialized data at a link-time address; None where the file has none there."""
        for section in self.elf.iter_sections():
            if section["sh_type"] == "SHT_NOBITS" or not section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                continue
            start = section["sh_addr"]
            if start <= address and address + size <= start + section["sh_size"]:
                self._stream.seek(section["sh_offset"] + address - start)
                return self._stream.read(size)
        return None

    def needed(self) -> List[str]:
        """The names of the shared libraries that it asks for (DT_NEEDED)."""
        return [tag.needed for tag in self._dynamic() if tag.entry.d_tag == "DT_NEEDED"]

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
                path = directory / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"
                if path.is_file():
                    return path
        link = self._debug_link()
        if link is None:
            return None
        name, checksum = link
        folder = self.path.resolve().parent
        # The order in which gdb looks.
        places = [folder, folder / ".debug", *(Path(f"{directory}{folder}") for directory in directories)]
        for path in (place / name for place in places):
            if path.is_file() and not os.path.samefile(path, self.path) and _crc(path) == checksum:
                return path
        return None

    def _debug_link(self) -> Optional[Tuple[str, int]]:
        section = self.elf.get_section_by_name(".gnu_debuglink")
        if section is None:
            return None
        data = section.data()
        order = "little" if self.elf.little_endian else "big"
        return os.fsdecode(data[:data.index(b"\0")]), int.from_bytes(data[-4:], order)


def _crc(path: Path) -> int:
    return zlib.crc32(path.read_bytes())
