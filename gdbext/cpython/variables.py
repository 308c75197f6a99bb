"""The variables of a frame, the namespaces that it looks names up in, and its evaluation stack.

Up to 3.10 a frame's slots are co_varnames, co_cellvars and co_freevars in this order; since 3.11
(bpo-43693) they are co_localsplusnames, and co_localspluskinds tells what each is. 3.14 (gh-117139)
made them stack references.
Facts: Objects/frameobject.c (PyFrame_FastToLocals, frame_get_var), Include/internal/pycore_code.h
(kinds), Objects/exception_handling_notes.txt and InternalDocs/exception_handling.md (exception tables).
"""

from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from .dicts import Dicts
from .frames import STACK_REFERENCE_MASK, Frame
from .memory import Damaged
from .objects import DICT_SUBCLASS, MAX_ITEMS, Objects
from .reader import READ_ERRORS

# co_flags (Include/cpython/code.h): set for functions, whose names live in slots; modules and class
# bodies have a namespace.
_CO_OPTIMIZED = 0x1

# Bits of co_localspluskinds. A variable may be local and a cell. Hidden are those of a comprehension that is
# inlined where names live in a namespace (PEP 709, 3.12).
_HIDDEN, _CELL, _FREE = 0x10, 0x40, 0x80

# Of a stack reference that is a number and no object, 3.14 and later.
_INTEGER_TAG = 3

# CO_MAXBLOCKS: so many blocks may be nested (Include/code.h, up to 3.10).
_MAX_BLOCKS = 20
# Handlers of one instruction. The compiler nests 40 statements at the most, and `except ... as` has three of them.
MAX_NESTED = 200


class Variable(NamedTuple):
    """A name that is bound in a frame, and the address of its value.

    `kind` is "local", "cell" for one that an inner function uses too, "free" for one of an outer function.
    """

    name: str
    kind: str
    address: int


class _Slot(NamedTuple):
    """A slot of a frame: a variable's name and kind, and which slot. `hidden`: an inlined comprehension's."""

    name: str
    kind: str
    slot: int
    hidden: bool = False


class _Shown(NamedTuple):
    """What a code object says of its frames: their variables, the number of slots, whether it is a function's."""

    variables: List[_Slot]
    slots: int
    optimized: bool


class _FrameObjectSlots:
    """3.6-3.10: in the frame object."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._reader = objects.reader

    def variables(self, code: int) -> Tuple[List[_Slot], int]:
        """The variables and the number of slots."""
        names, cells, free = (
            [self._objects.text(name)
             for name in self._objects.tuple_items(self._reader.pointer(code, "PyCodeObject", field))]
            for field in ("co_varnames", "co_cellvars", "co_freevars"))
        first = len(names)
        # An argument that is a cell has two slots, and its own is empty once the call has begun.
        both = {name: first + index for index, name in enumerate(cells)}
        found = [_Slot(name, "cell" if name in both else "local", both.pop(name, index))
                 for index, name in enumerate(names)]
        found += [_Slot(name, "cell", index) for name, index in both.items()]
        found += [_Slot(name, "free", first + len(cells) + index) for index, name in enumerate(free)]
        return found, first + len(cells) + len(free)

    def at(self, frame: int) -> int:
        """The address of the first slot."""
        return frame + self._reader.layout["PyFrameObject"].offset("f_localsplus")

    def reference(self, word: int) -> int:
        """The address that a slot refers to, 0 for none."""
        return word

    def pointer(self, frame: int, field: str) -> int:
        return self._reader.pointer(frame, "PyFrameObject", field)

    def stack(self, frame: Frame, slots: int) -> Tuple[int, int]:
        """Where the evaluation stack starts, and how much of it is sure to be live.

        A block of the block stack stands on what was there when it was entered.
        """
        reader = self._reader
        address = frame.address
        count = reader.integer(address, "PyFrameObject", "f_iblock", signed=True)
        if not 0 <= count <= _MAX_BLOCKS:
            raise Damaged(address, f"frame with {count} blocks")
        depth = 0
        if count:
            block = reader.layout["PyTryBlock"]
            last = address + reader.layout["PyFrameObject"].offset("f_blockstack") + (count - 1) * block.size
            depth = reader.integer(last, "PyTryBlock", "b_level", signed=True)
        return self.pointer(address, "f_valuestack"), depth


class _InterpreterFrameSlots:
    """3.11 and later: in the _PyInterpreterFrame."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._reader = objects.reader
        self._tagged = objects.reader.has("_PyInterpreterFrame", "f_executable.bits")

    def variables(self, code: int) -> Tuple[List[_Slot], int]:
        """The variables and the number of slots."""
        objects, reader = self._objects, self._reader
        names = objects.tuple_items(reader.pointer(code, "PyCodeObject", "co_localsplusnames"))
        kinds = objects.data(reader.pointer(code, "PyCodeObject", "co_localspluskinds"))
        if len(kinds) != len(names):
            raise Damaged(code, f"{len(kinds)} kinds of {len(names)} variables")
        return [_Slot(objects.text(name), "free" if kind & _FREE else "cell" if kind & _CELL else "local",
                      index, bool(kind & _HIDDEN))
                for index, (name, kind) in enumerate(zip(names, kinds))], len(names)

    def at(self, frame: int) -> int:
        """The address of the first slot."""
        return frame + self._reader.layout["_PyInterpreterFrame"].offset("localsplus")

    def reference(self, word: int) -> int:
        """The address that a slot refers to, 0 for none."""
        if not self._tagged:
            return word
        return 0 if word & _INTEGER_TAG == _INTEGER_TAG else word & STACK_REFERENCE_MASK

    def pointer(self, frame: int, field: str) -> int:
        return self._reader.pointer(frame, "_PyInterpreterFrame", field)

    def stack(self, frame: Frame, slots: int) -> Tuple[int, int]:
        """Where the evaluation stack starts, and how much of it is sure to be live.

        What handles an exception at the last instruction finds so much on it.
        """
        innermost = next(handlers_of(self._objects, frame), None)
        return self.at(frame.address) + 8 * slots, innermost.depth if innermost is not None else 0


class Variables:
    """Reads the variables of frames. All methods raise Unreadable, Damaged or MissingField, unless they say else."""

    def __init__(self, objects: Objects, dicts: Dicts) -> None:
        self._objects = objects
        self._dicts = dicts
        self._reader = objects.reader
        self._codes: Dict[int, _Shown] = {}
        self._shape: Union[_FrameObjectSlots, _InterpreterFrameSlots]
        if objects.reader.layout.find("_PyInterpreterFrame"):
            self._shape = _InterpreterFrameSlots(objects)
        else:
            self._shape = _FrameObjectSlots(objects)

    def of(self, frame: Frame) -> List[Variable]:
        """The bound names of a frame: arguments first, then locals, cells and free variables.

        Of a class body or of code that exec() runs in a namespace of its own, first the names in there.
        The globals of a module's frame are no part of it. Empty for a frame whose code is not known.
        """
        if frame.code is None:
            return []
        slots = list(self._in_slots(frame, self._shown(frame.code.address)))
        namespace = self.namespace(frame)
        if namespace is None or namespace == self.globals(frame):
            return slots
        # While a comprehension that is part of a class body runs, its own names hide the body's, and the
        # body's hide those of the function around it.
        hiding = {variable.name for variable in slots if variable.kind != "free"}
        found = [variable for variable in self.names_in(namespace) if variable.name not in hiding]
        seen = {variable.name for variable in found}
        return found + [variable for variable in slots if variable.name not in seen]

    def unbound(self, frame: Frame) -> List[Tuple[str, str]]:
        """The names and kinds of a function's variables that have no value: not assigned yet, or deleted."""
        if frame.code is None:
            return []
        shown = self._shown(frame.code.address)
        bound = {variable.name for variable in self._in_slots(frame, shown)}
        return [(slot.name, slot.kind) for slot in shown.variables if shown.optimized and slot.name not in bound]

    def namespace(self, frame: Frame) -> Optional[int]:
        """The address of the dict that a module's or a class body's frame keeps its names in.

        None for a function's frame, and where the namespace is another mapping than a dict.
        """
        if frame.code is None or self._shown(frame.code.address).optimized:
            return None
        address = self._shape.pointer(frame.address, "f_locals")
        if not address or not self._objects.type_of(address).flags & DICT_SUBCLASS:
            return None
        return address

    def names_in(self, namespace: int) -> List[Variable]:
        """The names in a dict; keys other than str are left out."""
        found = []
        for key, value in self._dicts.items(namespace):
            try:
                found.append(Variable(self._objects.text(key), "local", value))
            except READ_ERRORS:
                continue
        return found

    def globals(self, frame: Frame) -> int:
        """The address of the dict that the frame looks global names up in."""
        return self._shape.pointer(frame.address, "f_globals")

    def builtins(self, frame: Frame) -> int:
        """The address of the dict that the frame looks builtins up in."""
        return self._shape.pointer(frame.address, "f_builtins")

    def stack(self, frame: Frame) -> List[int]:
        """The addresses that the frame's evaluation stack holds for certain, from its bottom.

        That is what lies below the innermost block or exception handler that the frame is in: the
        __exit__ of each `with`, the iterator of a loop around it. What lies above can't be told from
        what was left there before. Empty for a frame whose code is not known.
        """
        return [reference for reference in self.stack_slots(frame) if reference]

    def stack_slots(self, frame: Frame) -> List[int]:
        """The same slot by slot: 0 for one that is empty or holds a number."""
        if frame.code is None:
            return []
        start, depth = self._shape.stack(frame, self._shown(frame.code.address).slots)
        size = self._reader.integer(frame.code.address, "PyCodeObject", "co_stacksize", signed=True)
        if not 0 <= depth <= min(size, MAX_ITEMS):
            raise Damaged(frame.address, f"{depth} values on a stack for {size}")
        return list(map(self._shape.reference, self._objects.pointers(start, depth)))

    def _shown(self, code: int) -> _Shown:
        found = self._codes.get(code)
        if found is None:
            flags = self._reader.integer(code, "PyCodeObject", "co_flags")
            found = self._codes[code] = _Shown(*self._shape.variables(code), bool(flags & _CO_OPTIMIZED))
        return found

    def _in_slots(self, frame: Frame, shown: _Shown) -> Iterator[Variable]:
        words = self._objects.pointers(self._shape.at(frame.address), shown.slots)
        for slot in shown.variables:
            if slot.kind == "cell" and not shown.optimized and not slot.hidden:
                # The compiler's own in a class body: __class__, __classdict__, __conditional_annotations__.
                continue
            value = self._shape.reference(words[slot.slot])
            if value and slot.kind != "local":
                value = self._in_cell(value)
            if value:
                yield Variable(slot.name, slot.kind, value)

    def _in_cell(self, cell: int) -> int:
        """What a cell holds, 0 where it is empty.

        Until the function makes the cell, an inlined comprehension's as late as in the middle of it (PEP 709,
        3.12), the value itself is there. An unreadable cell stands for its contents.
        """
        try:
            self._objects.expect_exactly(cell, "cell")
        except READ_ERRORS:
            return cell
        try:
            return self._reader.pointer(cell, "PyCellObject", "ob_ref")
        except READ_ERRORS:
            return cell


class Handler(NamedTuple):
    """What handles an exception: where, in bytes from the start of the code, and at which depth of the stack.

    `pushes_place` says that the place of the exception is pushed too: so it is for the body of a `with` or of a
    handler, and not for that of a `try` or for a comprehension that is part of a function (PEP 709, 3.12).
    """

    offset: int
    depth: int
    pushes_place: bool


def handler_at(table: bytes, offset: int) -> Optional[Handler]:
    """What handles an exception at `offset`, in bytes, None where nothing does.

    `table` is co_exceptiontable (3.11 and later): entries of four numbers, the start and the length of a
    range in code units of two bytes, the handler, and twice the depth, plus 1 where the place is pushed.
    """
    numbers = _numbers(table)
    unit = offset // 2
    for start, length, handler, depth in zip(numbers, numbers, numbers, numbers):
        if start <= unit < start + length:
            return Handler(2 * handler, depth >> 1, bool(depth & 1))
    return None


def handlers_of(objects: Objects, frame: Frame) -> Iterator[Handler]:
    """What handles an exception at a frame's last instruction, innermost first: each is in the range of the next.

    3.11 and later. Nothing for a frame whose code is not known. Raises Unreadable, Damaged or MissingField.
    """
    if frame.code is None:
        return
    table = objects.data(objects.reader.pointer(frame.code.address, "PyCodeObject", "co_exceptiontable"))
    offset = frame.offset
    for _ in range(MAX_NESTED):
        found = handler_at(table, offset)
        if found is None:
            return
        yield found
        offset = found.offset


def _numbers(table: bytes) -> Iterator[int]:
    """The numbers of an exception table, big-endian in pieces of six bits; bit 6 says that there are more."""
    value = 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            yield value
            value = 0
