"""The `with` statements that a frame is in, and the context manager of each.

A `with` leaves its manager's __exit__ on the evaluation stack while its body runs: a bound method, or since
3.14 (gh-120507) the function and the manager in two slots. Only what lies below an active block or exception
handler is read: a `with` that is being entered has no handler yet.
Facts: Python/compile.c and Python/codegen.c (compiler_with, codegen_with), Python/ceval.c (SETUP_WITH,
BEFORE_WITH, LOAD_SPECIAL), Objects/exception_handling_notes.txt.
"""

from typing import Iterator, List, NamedTuple, Optional, Tuple, Union

from .frames import Frame
from .memory import Damaged
from .objects import Objects
from .reader import READ_ERRORS, Reader
from .variables import Variables, handlers_of

_EXIT = "__exit__"

# Opcodes of 3.6-3.10 (Lib/opcode.py): each instruction has two bytes, the opcode and its argument.
_SETUP_WITH = 143
_EXTENDED_ARG = 144

# CO_MAXBLOCKS (Include/code.h, up to 3.10).
_MAX_BLOCKS = 20


class WithBlock(NamedTuple):
    """A `with` whose body runs: the address of its manager, and the line of the statement, None where not known."""

    manager: int
    line: Optional[int]


# Of a block or handler: depth of the stack that it stands on, offset of its handler in bytes.
_Block = Tuple[int, int]


class _BlockStack:
    """3.6-3.10: the frame has a stack of its blocks."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._reader = reader = objects.reader
        self._array = reader.layout["PyFrameObject"].offset("f_blockstack")
        # f_lasti and the block's handler count instructions in 3.10 (bpo-27129), bytes before.
        self._unit = 2 if reader.has("PyFrameObject", "f_stackdepth") else 1

    def blocks(self, frame: Frame) -> Iterator[_Block]:
        """The blocks, the outermost first."""
        reader = self._reader
        count = reader.integer(frame.address, "PyFrameObject", "f_iblock", signed=True)
        if not 0 <= count <= _MAX_BLOCKS:
            raise Damaged(frame.address, f"frame with {count} blocks")
        size = reader.layout["PyTryBlock"].size
        for index in range(count):
            block = frame.address + self._array + index * size
            yield (reader.integer(block, "PyTryBlock", "b_level", signed=True),
                   reader.integer(block, "PyTryBlock", "b_handler", signed=True) * self._unit)

    def line(self, frame: Frame, handler: int) -> Optional[int]:
        """The line of the SETUP_WITH whose handler this is."""
        assert frame.code is not None
        code = self._objects.data(self._reader.pointer(frame.code.address, "PyCodeObject", "co_code"))
        extended = 0
        for at in range(0, len(code) - 1, 2):
            argument = extended << 8 | code[at + 1]
            extended = argument if code[at] == _EXTENDED_ARG else 0
            if code[at] == _SETUP_WITH and at + 2 + argument * self._unit == handler:
                return frame.code.line(at)
        return None


class _ExceptionTable:
    """3.11 and later (bpo-40222): the code has a table of what handles an exception where."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._reader = objects.reader

    def blocks(self, frame: Frame) -> Iterator[_Block]:
        """The handlers, the innermost first: each is itself in the range of the next one out."""
        for found in handlers_of(self._objects, frame):
            yield found.depth, found.offset

    def line(self, frame: Frame, handler: int) -> Optional[int]:
        """The line of a handler: that of the manager's expression."""
        assert frame.code is not None
        return frame.code.line(handler)


class WithBlocks:
    """Finds the `with` statements of frames."""

    def __init__(self, objects: Objects, variables: Variables) -> None:
        self._objects = objects
        self._reader: Reader = objects.reader
        self._variables = variables
        self._shape: Union[_BlockStack, _ExceptionTable]
        if self._reader.has("PyCodeObject", "co_exceptiontable"):
            self._shape = _ExceptionTable(objects)
        else:
            self._shape = _BlockStack(objects)

    def of(self, frame: Frame) -> List[WithBlock]:
        """The `with` statements whose bodies the frame runs, the outermost first. Never raises READ_ERRORS.

        What can't be read is left out.
        """
        try:
            slots = self._variables.stack_slots(frame)
        except READ_ERRORS:
            return []
        found = []
        for index, reference in enumerate(slots):
            following = slots[index + 1] if index + 1 < len(slots) else 0
            try:
                manager = self._manager(reference, following) if reference else None
            except READ_ERRORS:
                continue
            if manager is not None:
                # The handler stands on the slots of the `with` itself.
                depth = index + 2 if manager == following else index + 1
                found.append(WithBlock(manager, self._line(frame, depth)))
        return found

    def _line(self, frame: Frame, depth: int) -> Optional[int]:
        try:
            for level, handler in self._shape.blocks(frame):
                if level == depth:
                    line = self._shape.line(frame, handler)
                    if line is not None:
                        return line
        except READ_ERRORS:
            pass
        return None

    def _manager(self, method: int, following: int) -> Optional[int]:
        """The manager whose __exit__ this is, bound or with the manager in the next slot; None for anything else."""
        objects, reader = self._objects, self._reader
        name = objects.type_of(method).name
        if name == "builtin_function_or_method":
            described = reader.pointer(method, "PyCFunctionObject", "m_ml")
            called = reader.memory.c_string(reader.pointer(described, "PyMethodDef", "ml_name"), len(_EXIT) + 1)
            return reader.pointer(method, "PyCFunctionObject", "m_self") if called == _EXIT.encode() else None
        if name == "method":
            function = reader.pointer(method, "PyMethodObject", "im_func")
            return reader.pointer(method, "PyMethodObject", "im_self") if self._is_exit(function) else None
        if following and name == "function":
            return following if self._is_exit(method) else None
        if following and name == "method_descriptor":
            text = objects.text(reader.pointer(method, "PyDescrObject", "d_name"))
            return following if text == _EXIT else None
        return None

    def _is_exit(self, function: int) -> bool:
        """Whether a function is called __exit__; one of another type may be written in C, and has no such name."""
        if self._objects.type_of(function).name != "function":
            return False
        return self._objects.text(self._reader.pointer(function, "PyFunctionObject", "func_name")) == _EXIT
