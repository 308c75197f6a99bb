"""Code objects: names, file, and the line of an instruction."""

from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from . import lines
from .memory import Damaged
from .objects import Objects

# What of a frame is not certain.
Judge = Callable[[Any], Tuple[str, ...]]


class Encoding(NamedTuple):
    """How lines are encoded: decodes one, and says whether a table can be that of so many bytes of code."""

    line: Callable[[bytes, int, int], Optional[int]]
    is_whole: Callable[[bytes, int], bool]


LNOTAB = Encoding(lines.line_in_lnotab, lines.is_whole_lnotab)
LINETABLE = Encoding(lines.line_in_linetable, lines.is_whole_linetable)
LOCATIONS = Encoding(lines.line_in_locations, lines.is_whole_locations)


class Code:
    """One code object. `start` is the address of its first instruction; text is as the program has it.

    `qualname` is None before 3.11, where a code object does not know it. `judge` says of a frame of this code what of
    it is not certain (doubts.py).
    """

    __slots__ = ("address", "name", "qualname", "filename", "first_line", "start", "first_traceable",
                 "judge", "_table", "_encoding", "_lines")

    def __init__(self, address: int, name: str, qualname: Optional[str], filename: str, first_line: int,
                 start: int, first_traceable: int, table: bytes, encoding: Encoding,
                 judge: Judge = lambda frame: ()) -> None:
        self.address = address
        self.name = name
        self.qualname = qualname
        self.filename = filename
        self.first_line = first_line
        self.start = start
        self.first_traceable = first_traceable
        self.judge = judge
        self._table = table
        self._encoding = encoding
        self._lines: Dict[int, Optional[int]] = {}

    def positions(self, offset: int) -> lines.Positions:
        """The lines and columns of the instruction `offset` bytes from `start`; only the line up to 3.10."""
        if self._encoding is LOCATIONS:
            return lines.positions_in_locations(self._table, self.first_line, offset)
        return lines.NO_POSITIONS._replace(line=self.line(offset))

    def line(self, offset: int) -> Optional[int]:
        """The line of the instruction `offset` bytes from `start`; None where it belongs to none.

        A negative offset is that of a frame which has not begun, as f_lasti is -1 then.
        """
        if offset < 0:
            return self.first_line
        if offset not in self._lines:
            self._lines[offset] = self._encoding.line(self._table, self.first_line, offset)
        return self._lines[offset]

    def has_line(self, line: int) -> bool:
        """Whether an instruction is of a line, or may be; up to 3.10."""
        return line in lines.lines_in_pairs(self._table, self.first_line, self._encoding is LINETABLE)

    def has_whole_lines(self, size: int) -> bool:
        """Whether its table of lines can be that of code of so many bytes; one that was left empty can."""
        return not self._table or self._encoding.is_whole(self._table, size)


class Codes:
    """Reads code objects and keeps them. Raises Unreadable, Damaged, MissingField."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._reader = reader = objects.reader
        self._codes: Dict[int, Code] = {}
        self._names: Dict[int, str] = {}
        self.judge: Judge = lambda frame: ()
        # PEP 626 renamed co_lnotab in 3.10; PEP 657 changed the encoding under the same name in 3.11,
        # which also brought exception tables and put the instructions into the object itself.
        self._in_object = reader.has("PyCodeObject", "co_code_adaptive")
        if reader.has("PyCodeObject", "co_lnotab"):
            self._encoding = LNOTAB
        elif reader.has("PyCodeObject", "co_exceptiontable"):
            self._encoding = LOCATIONS
        else:
            self._encoding = LINETABLE

    def at(self, address: int) -> Code:
        """The code object at `address`."""
        found = self._codes.get(address)
        if found is None:
            found = self._codes[address] = self._read(address)
        return found

    def _read(self, address: int) -> Code:
        objects, reader = self.objects, self._reader
        objects.expect_exactly(address, "code")

        def text(field: str) -> str:
            pointer = reader.pointer(address, "PyCodeObject", field)
            found = self._names.get(pointer)
            if found is None:
                found = self._names[pointer] = objects.name(pointer)
            return found

        if self._in_object:
            start = address + reader.layout["PyCodeObject"].offset("co_code_adaptive")
        else:
            start = 0
        first_traceable = 0
        if reader.has("PyCodeObject", "_co_firsttraceable"):
            first_traceable = reader.integer(address, "PyCodeObject", "_co_firsttraceable", signed=True)
            # Frames before it are not shown.
            if not 0 <= first_traceable <= objects.size(address):
                raise Damaged(address, f"code that begins at {first_traceable}")
        return Code(
            address,
            text("co_name"),
            text("co_qualname") if reader.has("PyCodeObject", "co_qualname") else None,
            text("co_filename"),
            reader.integer(address, "PyCodeObject", "co_firstlineno", signed=True),
            start,
            first_traceable,
            objects.data(reader.pointer(address, "PyCodeObject", "co_linetable", "co_lnotab")),
            self._encoding,
            self.judge,
        )
