"""What of a frame is not certain, because something else in the process says otherwise: its memory is damaged.

What is read of a frame has no checksum. But most names keep a hash, the parts of a name and of a path are there twice,
and a table of lines has a form of its own. What passes is likely, and what does not is damaged for certain.
Facts: Objects/codeobject.c (intern_strings, _PyCode_Validate), Lib/importlib/_bootstrap_external.py.
"""

from typing import Dict, List, Optional, Tuple

from .code import Code
from .dicts import Dicts
from .frames import Frame
from .hashes import Hashes
from .objects import Objects
from .reader import READ_ERRORS
from .variables import Variables

FUNCTION, QUALNAME, FILE, LINE = "function", "qualname", "file", "line"


class Doubts:
    """Judges frames."""

    def __init__(self, objects: Objects, dicts: Dicts, variables: Variables, hashes: Hashes) -> None:
        self._objects = objects
        self._reader = objects.reader
        self._dicts = dicts
        self._variables = variables
        self._hashes = hashes
        self._of_code: Dict[int, Tuple[List[str], bool, int]] = {}
        self._file_of: Dict[int, Optional[str]] = {}

    def of(self, frame: Frame) -> Tuple[str, ...]:
        """Which of FUNCTION, QUALNAME, FILE and LINE are not certain."""
        code = frame.code
        if code is None:
            return ()
        if code.address not in self._of_code:
            self._of_code[code.address] = self._judged(code)
        found, is_file_certain, size = self._of_code[code.address]
        if not is_file_certain and FILE not in found and _is_nearly(code.filename, self._module_file(frame)):
            found = found + [FILE]
        if LINE not in found and not _is_place(frame, code, size):
            found = found + [LINE]
        return tuple(found)

    def _judged(self, code: Code) -> Tuple[List[str], bool, int]:
        """What of a code object is not certain, whether the name of its file is, and the bytes of its instructions."""
        found = []
        name, qualname, file = (self._is_hashed(code, field) for field in ("co_name", "co_qualname", "co_filename"))
        if name is False or name is None and "\0" in code.name:
            found.append(FUNCTION)
        if code.qualname is not None and (qualname is False or qualname is None and (
                "\0" in code.qualname or _is_nearly(code.qualname.rpartition(".")[2], code.name))):
            found.append(QUALNAME)
        if file is False or file is None and "\0" in code.filename:
            found.append(FILE)
        size = self._size(code)
        if not code.has_whole_lines(size):
            found.append(LINE)
        return found, bool(file), size

    def _is_hashed(self, code: Code, field: str) -> Optional[bool]:
        try:
            return self._hashes.is_right(self._reader.pointer(code.address, "PyCodeObject", field))
        except READ_ERRORS:
            return None

    def _size(self, code: Code) -> int:
        """Bytes of a code object's instructions, -1 where that can't be read."""
        try:
            if code.start:
                return 2 * self._objects.size(code.address)
            return self._objects.size(self._reader.pointer(code.address, "PyCodeObject", "co_code"))
        except READ_ERRORS:
            return -1

    def _module_file(self, frame: Frame) -> Optional[str]:
        """`__file__` of the module whose names a frame sees, None where there is none."""
        try:
            namespace = self._variables.globals(frame)
        except READ_ERRORS:
            return None
        if namespace not in self._file_of:
            try:
                file = self._dicts.get(namespace, "__file__")
                self._file_of[namespace] = self._objects.name(file) if file is not None else None
            except READ_ERRORS:
                self._file_of[namespace] = None
        return self._file_of[namespace]


def _is_place(frame: Frame, code: Code, size: int) -> bool:
    """Whether a frame is at an instruction of its code, of `size` bytes, and that on a line of its function."""
    line = frame.line
    # -1, and -2 where instructions are counted, is before the first one.
    return (-2 <= frame.offset < size and (frame.offset == -1 or not frame.offset & 1)
            and (line is None or line >= (code.first_line if code.name != "<module>" else 0)))


def _is_nearly(text: str, other: Optional[str]) -> bool:
    """Whether a text is another but for a few characters, as one is that was damaged."""
    if other is None or text == other or len(text) != len(other):
        return False
    return 2 * sum(mine != others for mine, others in zip(text, other)) <= max(len(text), 2)
