"""What a table of another micro release gets wrong and the gate can't see, set right from the process itself.

3.13.1 made _thread.lock a PyMutex, a later 3.13 aligned PyGC_Head to 4 bytes, 3.13.8 gave exception
groups another field, 3.14.5 gave the collector its generations back: none of it is on the way of a traceback.
Facts: Modules/_threadmodule.c, Include/internal/pycore_gc.h, pycore_interp_structs.h.
"""

from typing import Callable, Iterable

from ..layout.layout import Struct
from .reader import READ_ERRORS
from .runtime import Interpreter, Runtime

# The structures behind types that modules hold: (structure, module, name in it).
_MODULE_TYPES = (
    ("lockobject", "_thread", "LockType"),
    ("rlockobject", "_thread", "RLock"),
    ("PyThreadHandleObject", "_thread", "_ThreadHandle"),
    ("simplequeueobject", "_queue", "SimpleQueue"),
    ("PyBaseExceptionGroupObject", "builtins", "BaseExceptionGroup"),
)

# How far the generations may lie from where the table has them, in bytes.
_MAX_MOVE = 256

def apply(runtime: Runtime, others: Callable[[str], Iterable[Struct]]) -> None:
    """Correct a layout in place; what can't be confirmed is dropped from it.

    `others` gives a structure's other shapes in the same minor release.
    """
    try:
        main = runtime.interpreters()[-1]
    except READ_ERRORS:
        return
    for struct, module, name in _MODULE_TYPES:
        _correct_module_type(runtime, main, struct, module, name, others)
    _correct_generations(runtime, main)


def _correct_module_type(runtime: Runtime, main: Interpreter, struct: str, module: str, name: str,
                         others: Callable[[str], Iterable[Struct]]) -> None:
    """A type's tp_basicsize tells which of the known shapes its instances have."""
    layout = runtime.layout
    assumed = layout.find(struct)
    if assumed is None:
        return
    try:
        namespace = runtime.module_dict(main, module)
        type_ = runtime.dicts.get(namespace, name) if namespace else None
        if type_ is None:
            return
        size = runtime.reader.integer(type_, "PyTypeObject", "tp_basicsize", signed=True)
    except READ_ERRORS:
        return
    if size != assumed.size:
        layout.replace(struct, next((other for other in others(struct) if other.size == size), None))


def _correct_generations(runtime: Runtime, main: Interpreter) -> None:
    """gc.generation0 points to the first of gc.generations, and so tells where they are."""
    layout = runtime.layout
    owner = layout["PyInterpreterState"]
    if "gc.generation0" not in owner or "gc.generations" not in owner:
        return
    try:
        first = runtime.reader.pointer(main.address, "PyInterpreterState", "gc.generation0")
    except READ_ERRORS:
        return
    move = first - main.address - owner.offset("gc.generations")
    if not move:
        return
    fields = dict(owner.fields)
    offset, size = fields.pop("gc.generations")
    if -_MAX_MOVE <= move <= _MAX_MOVE:
        fields["gc.generations"] = (offset + move, size)
    layout.replace(owner.name, Struct(owner.name, owner.size, fields))
