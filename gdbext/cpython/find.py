"""Where in a process an interpreter lies: the images that define its runtime.

A program embeds Python under any name, so every image is asked; and one process can hold
two copies, of which only one was ever initialized (a static python whose extension module
pulls in libpython), so all that are found are told.
"""

import re
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Pattern, Protocol, Tuple

from ..layout.debug_offsets import COOKIE
from .memory import Memory, Unreadable

# "3.11.2 (main, Apr 28 2025, ...) \n[GCC 12.2.0]", as Py_GetVersion() keeps it in a static buffer.
# A free-threaded build has "free-threading build" before the parenthesis, 3.13 "experimental" as well.
_VERSION_TEXT = re.compile(rb"([23]\.\d+\.\d+[0-9a-z+]*)(?: [a-z -]+ build)? \([^()\0]{1,120}\) ?\n?\[")

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?\+?")

# What may follow the cookie: 3.13 up to the end of major version 3.
_FIRST_WITH_COOKIE, _LAST_HEXVERSION = 0x030D0000, 0x03FFFFFF

# A data segment of an interpreter has 1-4 MB; one of a program that embeds it may be larger.
MAX_DATA = 32 << 20
# How much of it is read at a time, and how much longer than that what is looked for can be.
_PIECE, _OVERLAP = 1 << 16, 256
# e_machine (System V ABI).
_EM_X86_64, _EM_AARCH64 = 62, 183
# The instruction wanted comes after at most a frame's set-up and a CET or BTI marker.
_MAX_PROLOGUE = 32


class Symbol(Protocol):
    """A symbol of an image: where it is, and its size in bytes."""

    address: int
    size: int


class Image(Protocol):
    """A mapped image, as far as a search needs it."""

    path: str

    @property
    def machine(self) -> int:
        """Its e_machine."""

    def symbol(self, name: str) -> Optional[Symbol]:
        """The dynamic symbol that the image defines, None where it does not. Raises Unreadable."""

    def build_id(self) -> Optional[str]:
        """The GNU build id in hexadecimal, None where it has none or can't be read."""

    def writable(self) -> List[Tuple[int, int]]:
        """The (address, size) of its .data and .bss."""

    def function(self, address: int) -> Optional[Tuple[int, int]]:
        """Where the function begins and ends that an address is in, None where that is not known."""

    def largest_function(self) -> Optional[Tuple[int, int]]:
        """Where the image's largest function begins and ends, None where that is not known."""


class Candidate(NamedTuple):
    """An image that defines a runtime, initialized or not.

    `runtime` is the address of _PyRuntime, `runtime_size` its st_size in bytes; before 3.7 there is
    none, and `globals` holds the static variables that were instead. `hexversion` is Py_Version (3.11+).
    """

    image: Image
    runtime: Optional[int]
    runtime_size: Optional[int]
    hexversion: Optional[int]
    globals: Optional["Globals"] = None


class Globals(NamedTuple):
    """The addresses of static variables of 3.6: the list of interpreters, and the thread that has the GIL.

    `ceval` is that of one of the many variables of Python/ceval.c, None where it was not found.
    """

    interp_head: int
    current_thread: int
    ceval: Optional[int]


def version_text(hexversion: int) -> str:
    """ "3.11.2" or "3.15.0b2" for a sys.hexversion (Include/patchlevel.h)."""
    text = f"{hexversion >> 24}.{hexversion >> 16 & 255}.{hexversion >> 8 & 255}"
    level = {0xA: "a", 0xB: "b", 0xC: "rc"}.get(hexversion >> 4 & 15)
    return text if level is None else f"{text}{level}{hexversion & 15}"


class Search(NamedTuple):
    """The candidates of a process in its images' order, and the images that could not be asked."""

    candidates: List[Candidate]
    unreadable: List[Image]


def search(images: Iterable[Image], memory: Memory) -> Search:
    """Every image of the process that defines a CPython runtime."""
    found = Search([], [])
    for image in images:
        try:
            candidate = _by_symbols(image, memory)
        except Unreadable:
            # A core whose files are gone holds what the image has written, and no symbols.
            candidate = _by_cookie(image, memory)
            if candidate is None:
                found.unreadable.append(image)
        if candidate is not None:
            found.candidates.append(candidate)
    return found


def _by_symbols(image: Image, memory: Memory) -> Optional[Candidate]:
    runtime = image.symbol("_PyRuntime")
    if runtime is not None:
        return Candidate(image, runtime.address, runtime.size, _hexversion(image, memory))
    variables = _globals(image, memory)
    return Candidate(image, None, None, None, variables) if variables is not None else None


def _by_cookie(image: Image, memory: Memory) -> Optional[Candidate]:
    """The runtime of 3.13 and later by what its debug offsets start with: a cookie, then sys.hexversion."""
    for address, data in _written_data(image, memory):
        for match in re.finditer(COOKIE, data):
            hexversion = int.from_bytes(data[match.end():match.end() + 8], "little")
            if (address + match.start()) % 8 == 0 and _FIRST_WITH_COOKIE <= hexversion <= _LAST_HEXVERSION:
                return Candidate(image, address + match.start(), None, hexversion)
    return None


def _written_data(image: Image, memory: Memory) -> Iterator[Tuple[int, bytes]]:
    """The image's .data and .bss in pieces that overlap, as (address, bytes); what can't be read is left out."""
    for start, size in image.writable():
        for address in range(start, start + min(size, MAX_DATA), _PIECE):
            try:
                yield address, memory.read(address, min(_PIECE + _OVERLAP, start + size - address))
            except Unreadable:
                continue


def _globals(image: Image, memory: Memory) -> Optional[Globals]:
    """The static variables of 3.6: exported functions return or set one each (Python/pystate.c, ceval.c)."""
    current = image.symbol("_PyThreadState_Current")
    interp_head = _operand(image, "PyInterpreterState_Head", memory)
    if current is None or interp_head is None:
        return None
    return Globals(interp_head, current.address,
                   _operand(image, "_PyEval_SignalAsyncExc", memory))


def _hexversion(image: Image, memory: Memory) -> Optional[int]:
    """Py_Version, which 3.11 and later have; None for an older release."""
    symbol = image.symbol("Py_Version")
    if symbol is None:
        return None
    try:
        value = memory.u32(symbol.address)
    except Unreadable:
        value = 0
    # A constant, so not in a core whose files are gone.
    return value or hexversion_of(stated_version(image, memory))


def hexversion_of(text: Optional[str]) -> Optional[int]:
    """The sys.hexversion of "3.11.2" or "3.15.0b2", None for anything else."""
    match = _VERSION.fullmatch(text or "")
    if match is None:
        return None
    major, minor, micro, level, serial = match.groups()
    return (int(major) << 24 | int(minor) << 16 | int(micro) << 8
            | {"a": 0xA, "b": 0xB, "rc": 0xC, None: 0xF}[level] << 4 | int(serial or 0))


def _operand(image: Image, function: str, memory: Memory) -> Optional[int]:
    """The variable that a function returns or sets: the first one it addresses relative to itself.

    None where there is no such function, or not for a machine whose code is understood here. Raises
    Unreadable where its code is not in the core.
    """
    symbol = image.symbol(function)
    if symbol is None:
        return None
    code = memory.read(symbol.address, _MAX_PROLOGUE)
    if image.machine == _EM_X86_64:
        return _addressed_by_x86_64(code, symbol.address)
    if image.machine == _EM_AARCH64:
        return _addressed_by_aarch64(code, symbol.address)
    return None


def _addressed_by_x86_64(code: bytes, address: int) -> Optional[int]:
    for position in range(len(code) - 6):
        # `mov reg, [rip+disp32]` is 8b /r with mod 00 and r/m 101, `mov dword [rip+disp32], imm32` is c7 05.
        if code[position] == 0x8B and code[position + 1] & 0xC7 == 0x05:
            end = position + 6
        elif code[position:position + 2] == b"\xc7\x05":
            end = position + 10
        else:
            continue
        displacement = int.from_bytes(code[position + 2:position + 6], "little", signed=True)
        return address + end + displacement
    return None


def _addressed_by_aarch64(code: bytes, address: int) -> Optional[int]:
    """What the first ldr or str with an address made by adrp, and perhaps add, accesses (Arm ARM, C6.2)."""
    pointers: Dict[int, int] = {}
    for position in range(0, len(code), 4):
        word = int.from_bytes(code[position:position + 4], "little")
        target, base, immediate = word & 31, word >> 5 & 31, word >> 10 & 0xFFF
        if word & 0x9F000000 == 0x90000000:  # adrp: 21 bits of a page, the lowest two in bits 29 and 30
            pages = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
            pages -= (pages & 1 << 20) << 1
            pointers[target] = (address + position & ~0xFFF) + (pages << 12)
        elif base in pointers and word & 0xFFC00000 == 0x91000000:  # add x, x, imm
            pointers[target] = pointers[base] + immediate
        elif base in pointers and word & 0xBF800000 == 0xB9000000:  # ldr, str of 4 or 8 bytes
            return pointers[base] + (immediate << (word >> 30))
        elif word == 0xD65F03C0:  # ret
            break
    return None


def stated_version(image: Image, memory: Memory) -> Optional[str]:
    """The version that Py_GetVersion() has written into the image's data, None where it was never called."""
    return text_in_data(image, memory, _VERSION_TEXT)


def text_in_data(image: Image, memory: Memory, pattern: Pattern[bytes]) -> Optional[str]:
    """The first group of what matches in the image's writable data: ASCII. None where nothing does."""
    for _address, data in _written_data(image, memory):
        found = pattern.search(data)
        if found:
            return found.group(1).decode("ascii")
    return None
