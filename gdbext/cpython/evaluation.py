"""The evaluation loop as native code, and the C functions that Python code calls.

Facts: Python/ceval.c (_PyEval_EvalFrameDefault, since 3.6 by PEP 523), Include/cpython/methodobject.h,
Include/methodobject.h, Include/descrobject.h, Objects/typeobject.c.
"""

from typing import Dict, Iterator, List, Tuple

from .code import Code
from .find import Image
from .frames import STACK_REFERENCE_MASK, Frame
from .memory import Damaged, Unreadable
from .objects import TYPE_SUBCLASS, UNICODE_SUBCLASS
from .reader import READ_ERRORS
from .runtime import Runtime

LOOP = "_PyEval_EvalFrameDefault"

# GCC 16 keeps nearly all of the loop in a part that it splits off and that has no exported name. What is left
# has a few hundred bytes; a whole loop has 50 KB and more. Bytes.
MIN_WHOLE_LOOP = 20 * 1024

# co_stacksize; the deepest of the standard library is below 100.
MAX_STACK_SLOTS = 10_000
MAX_NAME = 512

# A type that was made at run time, which up to 3.9 means by Python code: its slots lead back to Python.
_HEAP_TYPE = 1 << 9
# What calls Python functions is the interpreter's own affair.
_PYTHON_CALLABLES = ("function", "method")

_FUNCTIONS = ("builtin_function_or_method", "builtin_method")
_DESCRIPTORS = ("method_descriptor", "classmethod_descriptor")


def loop_ranges(image: Image) -> List[Tuple[int, int]]:
    """Where the code of the evaluation loop is; empty where the image's tables can't be read."""
    try:
        symbol = image.symbol(LOOP)
    except Unreadable:
        return []
    whole = image.function(symbol.address) if symbol is not None else None
    if whole is None:
        return []
    found = [whole]
    if whole[1] - whole[0] < MIN_WHOLE_LOOP:
        part = image.largest_function()
        if part is not None and part[1] - part[0] >= MIN_WHOLE_LOOP:
            found.append(part)
    return found


def callables(runtime: Runtime, frame: Frame) -> Dict[int, str]:
    """The C functions that are on a frame's evaluation stack, as they are while they are called.

    Names by the address of their code: "time.sleep", "sorted", "list.append", "map". Slots above the
    stack's depth may hold what was called before, so that only a function in which the thread is counts.
    """
    found: Dict[int, str] = {}
    if frame.code is None:
        return found
    for slot in _slots(runtime, frame, frame.code):
        try:
            for address, name in _functions(runtime, slot):
                found.setdefault(address, name)
        except READ_ERRORS:
            continue
    return found


def _slots(runtime: Runtime, frame: Frame, code: Code) -> Iterator[int]:
    """The objects in all slots of the evaluation stack, live or not."""
    reader = runtime.reader
    try:
        size = reader.integer(code.address, "PyCodeObject", "co_stacksize", signed=True)
        if reader.layout.find("_PyInterpreterFrame"):
            locals_ = reader.integer(code.address, "PyCodeObject", "co_nlocalsplus", signed=True)
            start = frame.address + reader.layout["_PyInterpreterFrame"].offset("localsplus") + 8 * locals_
        else:
            start = reader.pointer(frame.address, "PyFrameObject", "f_valuestack")
        if not 0 <= size <= MAX_STACK_SLOTS:
            raise Damaged(code.address, f"stack of {size} slots")
        slots = runtime.objects.pointers(start, size)
    except READ_ERRORS:
        return
    mask = STACK_REFERENCE_MASK if reader.has("_PyInterpreterFrame", "f_executable.bits") else ~0
    for slot in slots:
        if slot & mask:
            yield slot & mask


def _functions(runtime: Runtime, address: int) -> Iterator[Tuple[int, str]]:
    """The C functions that are behind a callable object, each with its name. Raises READ_ERRORS."""
    reader, objects = runtime.reader, runtime.objects
    type_ = objects.type_of(address)
    if type_.name in _FUNCTIONS:
        method = reader.pointer(address, "PyCFunctionObject", "m_ml")
        yield _code(runtime, method), _owner(runtime, address) + _name(runtime, method)
    elif type_.name in _DESCRIPTORS:
        method = reader.pointer(address, "PyMethodDescrObject", "d_method")
        owner = reader.pointer(address, "PyDescrObject", "d_type")
        yield _code(runtime, method), f"{_type_name(runtime, owner)}.{_name(runtime, method)}"
    elif type_.flags & TYPE_SUBCLASS:
        if reader.integer(address, "PyTypeObject", "tp_flags") & _HEAP_TYPE:
            return
        for field in ("tp_vectorcall", "tp_new", "tp_init"):
            if reader.has("PyTypeObject", field):
                yield reader.pointer(address, "PyTypeObject", field), _type_name(runtime, address)
    elif not type_.flags & _HEAP_TYPE and type_.name not in _PYTHON_CALLABLES:
        yield reader.pointer(type_.address, "PyTypeObject", "tp_call"), type_.name


def _code(runtime: Runtime, method: int) -> int:
    return runtime.reader.pointer(method, "PyMethodDef", "ml_meth")


def _name(runtime: Runtime, method: int) -> str:
    raw = runtime.memory.c_string(runtime.reader.pointer(method, "PyMethodDef", "ml_name"), MAX_NAME)
    return raw.decode("utf-8", "backslashreplace")


def _type_name(runtime: Runtime, address: int) -> str:
    raw = runtime.memory.c_string(runtime.reader.pointer(address, "PyTypeObject", "tp_name"), MAX_NAME)
    return raw.decode("utf-8", "backslashreplace")


def _owner(runtime: Runtime, function: int) -> str:
    """ "time." for a function of a module, "list." for a method that is bound, "" for a built-in."""
    reader, objects = runtime.reader, runtime.objects
    module = reader.pointer(function, "PyCFunctionObject", "m_module")
    if module and objects.type_of(module).flags & UNICODE_SUBCLASS:
        name = objects.text(module)
        return "" if name == "builtins" else name + "."
    bound = reader.pointer(function, "PyCFunctionObject", "m_self")
    return objects.type_of(bound).name + "." if bound else ""
