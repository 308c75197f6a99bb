"""ELF images as they are mapped into a process, wherever its memory is read from. Nothing here needs gdb."""

from typing import List, NamedTuple, Optional, Tuple

from ..cpython.memory import Unreadable
from ..elf import dynamic, unwind


class Mapping(NamedTuple):
    """A mapped range of a file; addresses and the offset in bytes. `deleted` where the file has lost its name."""

    start: int
    end: int
    offset: int
    path: str
    deleted: bool = False


class MappedImage:
    """A file of which the first page, with its ELF header, is mapped."""

    def __init__(self, path: str, image: dynamic.Image, deleted: bool = False) -> None:
        self.path = path
        self.deleted = deleted
        self._image = image
        table = image.unwind_table()
        self.unwind_table = unwind.UnwindTable(image.memory, table) if table is not None else None
        self.code = [(segment.address, segment.address + segment.memory_size) for segment in image.code()]

    @property
    def base(self) -> int:
        """The address of its file header."""
        return self._image.base

    @property
    def bias(self) -> int:
        """What is added to link-time addresses."""
        return self._image.bias

    @property
    def machine(self) -> int:
        """The e_machine of its ELF header: which processor it is for."""
        return self._image.machine

    def symbol(self, name: str) -> Optional[dynamic.Symbol]:
        """The dynamic symbol that the image defines, None where it does not.

        Raises Unreadable where its tables can't be read, as in a core without its files.
        """
        try:
            return self._image.symbol(name)
        except dynamic.NoSymbols:
            raise Unreadable(self._image.base, 0) from None

    def function_name(self, address: int) -> Optional[str]:
        """The function of its dynamic symbols that an address is in, None where it is in none or can't be told."""
        try:
            return self._image.function_at(address)
        except (dynamic.NoSymbols, Unreadable):
            return None

    def function(self, address: int) -> Optional[Tuple[int, int]]:
        """Where the function begins and ends that an address is in, None where that is not known."""
        try:
            return self.unwind_table.function(address) if self.unwind_table is not None else None
        except (unwind.NoUnwindTable, Unreadable):
            return None

    def largest_function(self) -> Optional[Tuple[int, int]]:
        """Where the image's largest function begins and ends, None where that is not known."""
        try:
            return self.unwind_table.largest() if self.unwind_table is not None else None
        except (unwind.NoUnwindTable, Unreadable):
            return None

    def writable(self) -> List[Tuple[int, int]]:
        """The (address, size) of the segments that the image may write to."""
        return [(segment.address, segment.memory_size) for segment in self._image.writable()]

    def build_id(self) -> Optional[str]:
        """The GNU build id of what is mapped, in hexadecimal; None where it has none or can't be read."""
        try:
            return self._image.build_id()
        except Unreadable:
            return None
