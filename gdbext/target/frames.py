"""The native frames of a thread, without gdb's own unwinding where that can be.

gdb unwinds with what it has read of the files; started with -readnever, or where it has not found them, it
can't. So the images' own tables are used, from the inferior's memory, and gdb is asked for what these don't
describe, such as code that was made at run time.
"""

import re
from bisect import bisect_right
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import gdb

from ..cpython.memory import Memory, Unreadable
from ..elf import unwind
from . import console
from .architecture import ARCHITECTURES, Architecture
from .images import MappedImage, kernel_library

# Up to 3.10 a Python call is three native ones; sys.setrecursionlimit() allows many.
MAX_NATIVE_FRAMES = 100_000
# How many frames of code without unwind tables may lie in a row.
MAX_FOREIGN_FRAMES = 256

# "time_sleep + 12 in section .text of /usr/bin/python3.11", or without an offset, or without a file.
_SYMBOL = re.compile(r"(.+?)(?: \+ (\d+))? in section \S+(?: of (.*))?$")
# What compilers append to the names of parts and copies of functions.
_SUFFIX = re.compile(r"(?:\.(?:lto_priv|constprop|part|isra|cold)(?:\.\d+)*)+$")

_ADDRESS = (1 << 64) - 1


class NativeFrame:
    """A frame of C or another compiled language.

    `place` is an address within the instruction that is executed, `stack_pointer` and `end` bound the frame
    on the stack, `image` is what its code belongs to. `registers` are the callee-saved ones by name, as they
    are in this frame.
    """

    __slots__ = ("pc", "place", "stack_pointer", "end", "image", "_names", "_registers", "_architecture")

    def __init__(self, frame: unwind.Frame, image: Optional[MappedImage], names: "Names",
                 architecture: Architecture) -> None:
        self.pc = frame.pc
        self.place = frame.place
        self.stack_pointer = frame.stack_pointer
        self.end = frame.end
        self.image = image
        self._names = names
        self._registers = frame.registers
        self._architecture = architecture

    @property
    def name(self) -> Optional[str]:
        """The function, None where no symbol tells."""
        return self._names.at(self.place, self.image)

    @property
    def library(self) -> Optional[str]:
        """The path of what its code belongs to, None where that is no file."""
        return self.image.path or None if self.image is not None else None

    @property
    def function(self) -> Optional[Tuple[int, int]]:
        """Where its function begins and ends, None where that is not known."""
        return self.image.function(self.place) if self.image is not None else None

    @property
    def registers(self) -> Dict[str, int]:
        """The callee-saved registers that are known here."""
        numbers = {name: self._architecture.dwarf.index(name) for name in self._architecture.callee_saved}
        return {name: self._registers[number] for name, number in numbers.items() if number in self._registers}


class Walk(NamedTuple):
    """The native frames of a thread, innermost first; `problem` says why there may be more."""

    frames: List[NativeFrame]
    problem: Optional[str]


class Names:
    """The functions that addresses are in: as gdb's symbols tell, else the dynamic ones of what is mapped.

    gdb may have read another build's file for an image, as this machine's for a process in another root.
    """

    def __init__(self) -> None:
        self._found: Dict[int, Optional[str]] = {}
        self._build_ids = {objfile.filename: objfile.build_id for objfile in gdb.objfiles() if objfile.filename}

    def at(self, address: int, image: Optional[MappedImage]) -> Optional[str]:
        """The function at an address in an image, without what compilers append; None where no symbol tells.

        Asked so, gdb looks at the symbol tables only: it would take seconds to read the DWARF of all functions.
        """
        if address not in self._found:
            try:
                match = _SYMBOL.match(console.output(f"info symbol {address:#x}").strip())
            except gdb.error:
                match = None
            name = None
            if match is not None and self._is_of(match.group(3), image) and _is_within(
                    address - int(match.group(2) or 0), address, image):
                name = match.group(1)
            elif image is not None:
                name = image.function_name(address)
            self._found[address] = clean(name) if name is not None else None
        return self._found[address]

    def _is_of(self, path: Optional[str], image: Optional[MappedImage]) -> bool:
        """Whether the file that a symbol is of, None for the program, may be that of an image."""
        build_id = self._build_ids.get(path if path is not None else gdb.current_progspace().filename)
        loaded = image.build_id() if image is not None else None
        return build_id is None or loaded is None or build_id == loaded


def _is_within(start: int, address: int, image: Optional[MappedImage]) -> bool:
    """Whether a symbol's place is in the function that an address is in, as far as the image tells.

    For what has no name gdb gives the name of what comes before.
    """
    function = image.function(address) if image is not None else None
    return function is None or function[0] <= start < function[1]


def clean(name: str) -> str:
    """A function's name without the suffixes of compilers."""
    return _SUFFIX.sub("", name) or name


class Unwinder:
    """Walks the native stacks of the selected inferior."""

    def __init__(self, images: Sequence[MappedImage], memory: Memory) -> None:
        self._memory = memory
        self._names = Names()
        library = kernel_library(memory)
        self._code: List[Tuple[int, int, MappedImage]] = sorted(
            ((start, end, image) for image in (*images, *([library] if library else []))
             for start, end in image.code), key=lambda each: each[0])
        self._starts = [start for start, _end, _image in self._code]

    def image(self, address: int) -> Optional[MappedImage]:
        """The image that the code at an address belongs to, None where it is no image's."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._code[index][1]:
            return None
        return self._code[index][2]

    def selected(self) -> Walk:
        """The frames of the selected thread."""
        try:
            newest = gdb.newest_frame()
            architecture = ARCHITECTURES.get(newest.architecture().name())
        except gdb.error as error:
            return Walk([], str(error))
        if architecture is None:
            return Walk([], f"registers of {newest.architecture().name()} are not known")
        found: List[NativeFrame] = []
        problem = None
        try:
            for frame in self._frames(newest, architecture):
                if len(found) >= MAX_NATIVE_FRAMES:
                    problem = f"more than {MAX_NATIVE_FRAMES} frames"
                    break
                found.append(NativeFrame(frame, self.image(frame.place), self._names, architecture))
        except (unwind.NoUnwindTable, Unreadable, gdb.error) as error:
            # gdb's own: of a thread that the core has no registers of.
            problem = str(error)
        return Walk(found, problem)

    def _frames(self, newest: gdb.Frame, architecture: Architecture) -> Iterator[unwind.Frame]:
        """Frames outwards to the one that nobody has called.

        Raises NoUnwindTable, Unreadable behind the last one that can be told.
        """
        numbers = {name: number for number, name in enumerate(architecture.dwarf)}
        known = unwind.Registers(numbers[architecture.stack_pointer],
                                 tuple(numbers[name] for name in architecture.callee_saved))
        pc, registers = _state(newest, architecture)
        exact = True
        while pc and known.stack_pointer in registers:
            stack_pointer = registers[known.stack_pointer]
            place = pc if exact else pc - 1
            try:
                row = self._row(place)
                caller = unwind.caller(row, registers, known, self._memory.u64)
                if caller[2] <= stack_pointer and not row.signal and caller[0]:
                    raise unwind.NoUnwindTable("a frame that does not end")
                signal = row.signal
            except (unwind.NoUnwindTable, Unreadable):
                outer = list(self._from_gdb(pc, stack_pointer, architecture))
                if not outer:
                    yield unwind.Frame(pc, place, stack_pointer, registers, None)
                    raise
                ends = [each[1][known.stack_pointer] for each in outer]
                yield unwind.Frame(pc, place, stack_pointer, registers, ends[0])
                for (outer_pc, outer_registers), end in zip(outer, ends[1:]):
                    yield unwind.Frame(outer_pc, outer_pc - 1, outer_registers[known.stack_pointer],
                                       outer_registers, end)
                pc, registers = outer[-1]
                exact = False
                continue
            yield unwind.Frame(pc, place, stack_pointer, registers, caller[2] if caller[0] else None)
            pc, registers, _end = caller
            # Who was interrupted by a signal has not called anybody.
            exact = signal

    def _row(self, place: int) -> unwind.Row:
        image = self.image(place)
        try:
            row = image.unwind_table.row(place) if image is not None and image.unwind_table is not None else None
        except Unreadable:
            raise unwind.NoUnwindTable(f"the unwind tables of {image.path} can't be read") from None
        if row is None:
            raise unwind.NoUnwindTable(f"no unwind information at {place:#x}")
        return row

    def _from_gdb(self, pc: int, stack_pointer: int, architecture: Architecture
                  ) -> Iterator[Tuple[int, Dict[int, int]]]:
        """What gdb takes for the callers of a frame, up to one that the images' tables describe.

        Nothing where it finds no such one: then it was guessing.
        """
        found = []
        frame = find(pc, stack_pointer)
        number = architecture.dwarf.index(architecture.stack_pointer)
        try:
            for _ in range(MAX_FOREIGN_FRAMES):
                frame = frame.older() if frame is not None else None
                if frame is None:
                    return
                state = _state(frame, architecture)
                if number not in state[1]:
                    return
                found.append(state)
                if self._is_described(state[0] - 1):
                    yield from found
                    return
        except gdb.error:
            return

    def _is_described(self, place: int) -> bool:
        try:
            return self._row(place) is not None
        except (unwind.NoUnwindTable, Unreadable):
            return False


def _state(frame: gdb.Frame, architecture: Architecture) -> Tuple[int, Dict[int, int]]:
    """A frame's pc, and its registers by DWARF's numbers; those that gdb does not know are left out."""
    found = {}
    for number, name in enumerate(architecture.dwarf):
        try:
            found[number] = int(frame.read_register(name)) & _ADDRESS
        except (gdb.error, ValueError):
            continue
    return frame.pc(), found


def find(pc: int, stack_pointer: int) -> Optional[gdb.Frame]:
    """gdb's frame of the selected thread at this pc and with this stack pointer, None where gdb has none.

    Where gdb shows inlined functions as frames, it is the one of the function that they were inlined into.
    """
    found = None
    try:
        frame = gdb.newest_frame()
        architecture = ARCHITECTURES.get(frame.architecture().name())
        for _ in range(MAX_NATIVE_FRAMES):
            if frame is None or architecture is None:
                break
            here = int(frame.read_register(architecture.stack_pointer)) & _ADDRESS
            if here == stack_pointer and frame.pc() == pc and frame.type() != gdb.INLINE_FRAME:
                found = frame
                break
            if here > stack_pointer:
                break
            frame = frame.older()
    except gdb.error:
        pass
    return found
