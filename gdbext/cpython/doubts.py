"""What of a frame or class is not certain, because something else in the process says otherwise: memory is damaged.

What is read of a frame has no checksum. But most names keep a hash, and so do tables of lines that were compiled and
not loaded; such a table has a form of its own, and counts that are made of others are there twice. What passes is
likely, and what does not is damaged: code that was made by hand, of whatever names and lines, passes.
Facts: Objects/codeobject.c (intern_strings, init_code), Objects/bytesobject.c, Python/compile.c and Python/assemble.c
(merge_const_one), Objects/frameobject.c, Python/ceval.c (maybe_call_line_trace, call_trace).
"""

import os
from typing import Dict, List, Optional, Tuple

from ..layout.layout import MissingField
from .code import Code
from .dicts import Dicts
from .frames import Frame
from .hashes import Hashes
from .objects import HEAP_TYPE, Objects, Type
from .reader import READ_ERRORS
from .variables import Variables

FUNCTION, QUALNAME, FILE, LINE = "function", "qualname", "file", "line"

# No file has more lines. A pointer that was written over a line, or over half of it, says so as a rule.
MAX_LINE = 10_000_000
# Bytes that a pointer or a size has, and begins at a multiple of.
_WORD = 8


class Doubts:
    """Judges frames, and the names of classes."""

    def __init__(self, objects: Objects, dicts: Dicts, variables: Variables, hashes: Hashes) -> None:
        self._objects = objects
        self._reader = objects.reader
        self._dicts = dicts
        self._variables = variables
        self._hashes = hashes
        # What f_lineno of a frame has that nobody traces: the first line of the code, since 3.10 (PEP 626) none. Since
        # 3.11 a frame has no such field.
        self._keeps_line = self._reader.has("PyFrameObject", "f_lasti")
        self._keeps_first = not self._reader.has("PyFrameObject", "f_stackdepth")
        self._of_code: Dict[int, Tuple[List[str], bool, int]] = {}
        self._file_of: Dict[int, Optional[str]] = {}
        self._of_type: Dict[int, bool] = {}

    def of(self, frame: Frame) -> Tuple[str, ...]:
        """Which of FUNCTION, QUALNAME, FILE and LINE are not certain."""
        code = frame.code
        if code is None:
            return ()
        if code.address not in self._of_code:
            self._of_code[code.address] = self._judged(code)
        found, is_file_certain, size = self._of_code[code.address]
        if not is_file_certain and FILE not in found and _is_damaged(code.filename, self._module_file(frame)):
            found = found + [FILE]
        if LINE not in found and not (_is_place(frame, size) and self._has_its_line(frame, code)):
            found = found + [LINE]
        return tuple(found)

    def has_its_name(self, type_: Type) -> bool:
        """Whether nothing speaks against what a class is called: hashes, or of one in C the builtins module."""
        if type_.address not in self._of_type:
            self._of_type[type_.address] = self._is_named(type_)
        return self._of_type[type_.address]

    def _is_named(self, type_: Type) -> bool:
        if not type_.flags & HEAP_TYPE:
            return self._objects.name_otherwise(type_.address) in ("", type_.name)
        try:
            qualname = self._reader.pointer(type_.address, "PyHeapTypeObject", "ht_qualname")
            namespace = self._reader.pointer(type_.address, "PyTypeObject", "tp_dict")
            module = self._dicts.get(namespace, "__module__") if namespace else None
        except READ_ERRORS:
            return False
        return False not in (self._hashes.is_right(qualname), module and self._hashes.is_right(module))

    def _judged(self, code: Code) -> Tuple[List[str], bool, int]:
        """What of a code object is not certain, whether the name of its file is, and the bytes of its instructions."""
        found = []
        name, qualname, file = (self._is_hashed(code, field) for field in ("co_name", "co_qualname", "co_filename"))
        if name is False or name is None and "\0" in code.name:
            found.append(FUNCTION)
        if code.qualname is not None and (qualname is False or qualname is None and "\0" in code.qualname):
            found.append(QUALNAME)
        if file is False or file is None and "\0" in code.filename:
            found.append(FILE)
        size = self._size(code)
        if not code.has_whole_lines(size) or not self._agrees(code):
            found.append(LINE)
        return found, bool(file), size

    def _is_hashed(self, code: Code, field: str) -> Optional[bool]:
        try:
            return self._hashes.is_right(self._reader.pointer(code.address, "PyCodeObject", field))
        except READ_ERRORS:
            return None

    def _agrees(self, code: Code) -> bool:
        """Whether the table of lines is as it was made, and so are the counts beside the first line."""
        reader, objects = self._reader, self._objects

        def count(field: str) -> int:
            return reader.integer(code.address, "PyCodeObject", field, signed=True)

        try:
            table = reader.pointer(code.address, "PyCodeObject", "co_linetable", "co_lnotab")
            end = table + reader.layout["PyBytesObject"].offset("ob_sval") + objects.size(table)
            if reader.memory.read(end, 1) != b"\0" or self._hashes.is_right_of_bytes(table) is False:
                return False
            # What 3.11 (bpo-43693) and 3.12 (gh-96421) have.
            if reader.has("PyCodeObject", "co_nlocalsplus"):
                names = reader.pointer(code.address, "PyCodeObject", "co_localsplusnames")
                if count("co_nlocalsplus") != objects.size(names):
                    return False
            if reader.has("PyCodeObject", "co_framesize"):
                fixed = reader.layout["_PyInterpreterFrame"].offset("localsplus") // _WORD
                return count("co_framesize") == count("co_nlocalsplus") + count("co_stacksize") + fixed
        except MissingField:
            # Of a build that the process itself describes, and not in full.
            return True
        except READ_ERRORS:
            return False
        return True

    def _has_its_line(self, frame: Frame, code: Code) -> bool:
        """Whether a frame object's f_lineno is as it was made, or a line that was traced. Any where it never ran."""
        if not self._keeps_line or frame.offset < 0:
            return True
        try:
            kept = self._reader.integer(frame.address, "PyFrameObject", "f_lineno", signed=True)
        except READ_ERRORS:
            return False
        # While 3.10 traces an instruction of no line, it is -1.
        return kept in ((code.first_line,) if self._keeps_first else (0, -1)) or code.has_line(kept)

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


def _is_place(frame: Frame, size: int) -> bool:
    """Whether a frame is at an instruction of its code, of `size` bytes, and at a line that there can be."""
    # -1, and -2 where instructions are counted, is before the first one.
    return (-2 <= frame.offset < size and (frame.offset == -1 or not frame.offset & 1)
            and 0 <= (frame.line or 0) <= MAX_LINE)


def _is_damaged(path: str, other: Optional[str]) -> bool:
    """Whether a path is another one but for a word of memory, and that other one is a file here and this is none."""
    if other is None or path == other or len(path) != len(other):
        return False
    differing = [index for index, (mine, others) in enumerate(zip(path, other)) if mine != others]
    return differing[-1] - differing[0] < _WORD and os.path.exists(other) and not os.path.exists(path)
