"""The ELF images that are mapped into the inferior, live or in a core."""

import re
from typing import Iterator, List, Optional, Tuple

import gdb

from ..cpython.memory import Memory, Region, Unreadable
from ..elf import dynamic
from . import console
from .mapped import MappedImage, Mapping

# A line of `info proc mappings`: start, end, size, offset, permissions (live, gdb 12+), file.
_MAPPING = re.compile(r"\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+0x[0-9a-f]+\s+(0x[0-9a-f]+)"
                      r"(?:\s+([-rwxsp]{4,5}))?(?:\s+(\S.*?))?\s*$")
_DELETED = " (deleted)"
# A line of `info auxv`: where the executable's program headers are.
_PROGRAM_HEADERS = re.compile(r"(?m)^3\s+AT_PHDR\s.*\s(0x[0-9a-f]+)$")
# And where the kernel's own library is, that of signal handlers' frames and of the clocks.
_KERNEL_LIBRARY = re.compile(r"(?m)^33\s+AT_SYSINFO_EHDR\s.*\s(0x[0-9a-f]+)$")
# Linkers put them behind the file header.
_FILE_HEADER_SIZE = 64


def mappings() -> List[Mapping]:
    """The ranges of files that are mapped into the selected inferior, lowest first.

    gdb has no API for these; its text is the same for live, remote and core targets. Empty where
    the target does not tell.
    """
    try:
        text = console.output("info proc mappings")
    except gdb.error:
        return []
    found = []
    for line in text.splitlines():
        match = _MAPPING.match(line)
        if match and match.group(5) and match.group(5).startswith("/"):
            path = match.group(5)
            deleted = path.endswith(_DELETED)
            if deleted:
                path = path[:-len(_DELETED)]
            found.append(Mapping(*(int(match.group(index), 16) for index in (1, 2, 3)), path, deleted))
    return found


def writable() -> List[Region]:
    """The mappings that may be written to, lowest first, by gdb's text; before gdb 12 it does not tell."""
    try:
        text = console.output("info proc mappings")
    except gdb.error:
        return []
    found = []
    for match in map(_MAPPING.match, text.splitlines()):
        if match and (match.group(4) or "").startswith("rw"):
            start, end = int(match.group(1), 16), int(match.group(2), 16)
            found.append(Region(start, end, (match.group(5) or "").startswith("/"), ((start, end),)))
    return found


def images(memory: Memory) -> List[MappedImage]:
    """The images of the selected inferior, in the order of their addresses.

    Where the target does not tell what is mapped (a remote stub, a core without NT_FILE), these are the
    executable and what the dynamic linker has loaded, as the linker's own list in memory has it.
    """
    found = []
    for mapping in mappings():
        if mapping.offset:
            continue
        try:
            found.append(MappedImage(mapping.path, dynamic.Image(memory, mapping.start), mapping.deleted))
        except (dynamic.NotAnImage, Unreadable):
            continue
    return found or [image for _base, image in sorted(_listed_by_linker(memory), key=lambda each: each[0])]


def kernel_library(memory: Memory) -> Optional[MappedImage]:
    """The library that the kernel maps into every process (vdso), None where the target does not tell of it."""
    try:
        match = _KERNEL_LIBRARY.search(console.output("info auxv"))
        return MappedImage("", dynamic.Image(memory, int(match.group(1), 16))) if match else None
    except (gdb.error, dynamic.NotAnImage, Unreadable):
        return None


def _listed_by_linker(memory: Memory) -> Iterator[Tuple[int, MappedImage]]:
    """The executable and the images that it lists, each behind its address."""
    base = _executable_base()
    if base is None:
        return
    try:
        executable = dynamic.Image(memory, base)
    except (dynamic.NotAnImage, Unreadable):
        return
    yield base, MappedImage(gdb.current_progspace().filename or "", executable)
    try:
        for loaded in executable.loaded():
            if not loaded.path:
                continue
            try:
                # Libraries are linked to begin at 0.
                image = dynamic.Image(memory, loaded.bias)
            except (dynamic.NotAnImage, Unreadable):
                continue
            yield loaded.bias, MappedImage(loaded.path.decode("utf-8", "surrogateescape"), image)
    except Unreadable:
        # What the list has shown so far is true.
        return


def _executable_base() -> Optional[int]:
    """Where the executable's file header is, as the kernel told the process; None where gdb is not told."""
    try:
        match = _PROGRAM_HEADERS.search(console.output("info auxv"))
    except gdb.error:
        return None
    return int(match.group(1), 16) - _FILE_HEADER_SIZE if match else None


def executable(found: List[MappedImage]) -> Optional[MappedImage]:
    """Which of the images is the program that was started, None where gdb is not told."""
    base = _executable_base()
    return next((image for image in found if image.base == base), None)
