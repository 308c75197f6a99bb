"""Which C structures of CPython gdbext reads, and how a C type becomes a flat map of its fields.

The same rules serve the tables (made from DWARF by scripts/make_layouts) and the
types that gdb has at run time, so that both sources name every field alike.

A field's name is its path of C member names: "ceval.gil" is the member `gil` of the
member `ceval`. Members of anonymous structures and unions stand under their parent's
name. Arrays are one field. A field is (offset, size), or for a bit field
(offset, size, first bit, number of bits), with the offset and the size of its storage
unit in bytes, and the first bit counted from the unit's least significant one.
"""

from typing import Any, Callable, Dict, Iterable, NamedTuple, Optional, Tuple

# Deep enough for ceval.gil.locked._value and gc.permanent_generation.head._gc_next.
MAX_DEPTH = 5

Field = Tuple[int, ...]


class Wanted(NamedTuple):
    """One C structure to read.

    `c_names`: the names it goes by in the C source; "struct x" is a tag. No tag that is also the name
    of a typedef, where that one always exists: for a tag that is not there, gdb reads all of its DWARF.
    `members`: which top-level members to keep; all of them where None.
    `module`: the extension module whose source defines it, where it may lie outside libpython.
    """

    c_names: Tuple[str, ...]
    members: Optional[Tuple[str, ...]] = None
    module: Optional[str] = None


def _same(*c_names: str) -> Wanted:
    return Wanted(c_names)


def _in(module: str, *c_names: str) -> Wanted:
    return Wanted(c_names, None, module)


# The key is the name that gdbext uses.
STRUCTS: Dict[str, Wanted] = {
    # The runtime, its interpreters and its threads.
    "_PyRuntimeState": Wanted(
        ("struct pyruntimestate", "_PyRuntimeState"),
        ("debug_offsets", "_initialized", "preinitializing", "preinitialized", "core_initialized",
         "initialized", "_finalizing", "finalizing", "_finalizing_id", "interpreters", "main_thread",
         "main_tstate", "gc", "ceval", "gilstate", "autoTSSkey", "threads", "stoptheworld",
         "_main_interpreter"),
    ),
    "PyInterpreterState": Wanted(
        ("struct _is", "PyInterpreterState"),
        ("next", "id", "tstate_head", "threads", "runtime", "_initialized", "initialized", "_ready",
         "finalizing", "_finalizing", "_finalizing_id", "gc", "modules", "sysdict", "builtins", "importlib",
         "ceval", "imports", "_gil", "dict", "threads_main", "stoptheworld", "_whence", "num_threads",
         "asyncio_tasks_head", "asyncio_tasks_lock", "_initial_thread"),
    ),
    "PyThreadState": _same("struct _ts", "PyThreadState"),
    "_PyThreadStateImpl": Wanted(
        ("struct _PyThreadStateImpl", "_PyThreadStateImpl"),
        ("base", "refcounts", "c_stack_top", "c_stack_soft_limit", "c_stack_hard_limit", "asyncio_running_loop",
         "asyncio_running_task", "asyncio_tasks_head", "tlbc_index", "qsbr", "gc", "generator_return_kind"),
    ),
    "_PyErr_StackItem": _same("struct _err_stackitem", "_PyErr_StackItem"),
    "_gil_runtime_state": _same("struct _gil_runtime_state"),
    "_PyCFrame": _same("struct _PyCFrame", "_PyCFrame", "struct _cframe", "CFrame"),
    "_Py_DebugOffsets": _same("struct _Py_DebugOffsets", "_Py_DebugOffsets"),
    # Frames and code.
    "PyFrameObject": _same("struct _frame", "PyFrameObject"),
    "PyTryBlock": _same("PyTryBlock"),
    "_PyInterpreterFrame": _same("struct _PyInterpreterFrame", "_PyInterpreterFrame"),
    "PyCodeObject": _same("PyCodeObject"),
    "_PyCodeArray": _same("struct _PyCodeArray", "_PyCodeArray"),
    "PyGenObject": _same("struct _PyGenObject", "PyGenObject"),
    "PyTracebackObject": _same("struct _traceback", "PyTracebackObject"),
    # Objects.
    "PyObject": _same("struct _object", "PyObject"),
    "PyVarObject": _same("PyVarObject", "struct PyVarObject"),
    "PyTypeObject": _same("struct _typeobject", "PyTypeObject"),
    "PyHeapTypeObject": _same("struct _heaptypeobject", "PyHeapTypeObject"),
    "PyLongObject": _same("struct _longobject", "PyLongObject"),
    "PyFloatObject": _same("PyFloatObject"),
    "PyComplexObject": _same("PyComplexObject"),
    "PyBytesObject": _same("PyBytesObject"),
    "PyByteArrayObject": _same("PyByteArrayObject"),
    "PyASCIIObject": _same("PyASCIIObject"),
    "PyCompactUnicodeObject": _same("PyCompactUnicodeObject"),
    "PyUnicodeObject": _same("PyUnicodeObject"),
    "PyTupleObject": _same("PyTupleObject"),
    "PyListObject": _same("PyListObject"),
    "PyDictObject": _same("PyDictObject"),
    "PyDictKeysObject": _same("struct _dictkeysobject", "PyDictKeysObject"),
    "PyDictKeyEntry": _same("PyDictKeyEntry"),
    "PyDictUnicodeEntry": _same("PyDictUnicodeEntry"),
    "PyDictValues": _same("struct _dictvalues", "PyDictValues"),
    "PyODictObject": _same("struct _odictobject", "PyODictObject"),
    "PySetObject": _same("PySetObject"),
    "setentry": _same("setentry"),
    "PySliceObject": _same("PySliceObject"),
    "rangeobject": _same("rangeobject"),
    "PyCellObject": _same("PyCellObject"),
    "PyFunctionObject": _same("PyFunctionObject"),
    "PyMethodObject": _same("PyMethodObject"),
    "PyCFunctionObject": _same("PyCFunctionObject"),
    "PyMethodDef": _same("struct PyMethodDef", "PyMethodDef"),
    "PyMemberDef": _same("struct PyMemberDef", "PyMemberDef"),
    "PyDescrObject": _same("PyDescrObject"),
    "PyMemberDescrObject": _same("PyMemberDescrObject"),
    "PyMethodDescrObject": _same("PyMethodDescrObject"),
    "wrapperobject": _same("wrapperobject"),
    "staticmethod": _same("staticmethod"),
    "classmethod": _same("classmethod"),
    "propertyobject": _same("propertyobject"),
    "superobject": _same("superobject"),
    "PyModuleObject": _same("PyModuleObject"),
    "PyModuleDef": _same("struct PyModuleDef", "PyModuleDef"),
    "PyWeakReference": _same("struct _PyWeakReference", "PyWeakReference"),
    "mappingproxyobject": _same("mappingproxyobject"),
    "PyCapsule": _same("PyCapsule"),
    "PyMemoryViewObject": _same("PyMemoryViewObject"),
    "_PyManagedBufferObject": _same("_PyManagedBufferObject"),
    "PyContext": _same("struct _pycontextobject", "PyContext"),
    "partialobject": _in("_functools", "partialobject"),
    "dequeobject": _in("_collections", "dequeobject"),
    "block": _in("_collections", "struct BLOCK", "block"),
    "defdictobject": _in("_collections", "defdictobject"),
    # Exceptions.
    "PyBaseExceptionObject": _same("PyBaseExceptionObject"),
    "PyBaseExceptionGroupObject": _same("PyBaseExceptionGroupObject"),
    "PySyntaxErrorObject": _same("PySyntaxErrorObject"),
    "PyImportErrorObject": _same("PyImportErrorObject"),
    "PyUnicodeErrorObject": _same("PyUnicodeErrorObject"),
    "PySystemExitObject": _same("PySystemExitObject"),
    "PyOSErrorObject": _same("PyOSErrorObject"),
    "PyStopIterationObject": _same("PyStopIterationObject"),
    "PyNameErrorObject": _same("PyNameErrorObject"),
    "PyAttributeErrorObject": _same("PyAttributeErrorObject"),
    # Locks and what threads wait for.
    "PyMutex": _same("struct PyMutex", "PyMutex", "struct _PyMutex"),
    "_PyRecursiveMutex": _same("_PyRecursiveMutex"),
    "PyEvent": _same("PyEvent"),
    "lockobject": _in("_thread", "lockobject"),
    "rlockobject": _in("_thread", "rlockobject"),
    "ThreadHandle": _in("_thread", "ThreadHandle"),
    "PyThreadHandleObject": _in("_thread", "PyThreadHandleObject"),
    "simplequeueobject": _in("_queue", "simplequeueobject"),
    "SemLockObject": _in("_multiprocessing", "SemLockObject"),
    "FutureObj": _in("_asyncio", "FutureObj"),
    "TaskObj": _in("_asyncio", "TaskObj"),
    # The heap.
    "PyGC_Head": _same("PyGC_Head", "union _gc_head", "struct _gc_head"),
    "gc_generation": _same("struct gc_generation"),
    "arena_object": _same("struct arena_object"),
    "pool_header": _same("struct pool_header"),
    # Values of the standard library's extension modules.
    "PyDateTime_Date": _in("_datetime", "PyDateTime_Date"),
    "PyDateTime_Time": _in("_datetime", "PyDateTime_Time"),
    "PyDateTime_DateTime": _in("_datetime", "PyDateTime_DateTime"),
    "PyDateTime_Delta": _in("_datetime", "PyDateTime_Delta"),
    "PyDateTime_TimeZone": _in("_datetime", "PyDateTime_TimeZone"),
    "PyDecObject": _in("_decimal", "PyDecObject"),
}

# Each is a structure that has an entry of its own: PyObject or PyVarObject, PyTypeObject, PyThreadState
# (twice), PyInterpreterState, _Py_DebugOffsets.
_NOT_FLATTENED = frozenset({"ob_base", "ht_type", "base", "_initial_thread", "_main_interpreter", "debug_offsets"})
# glibc's own members of a mutex or condition variable, which CPython does not know either.
_FOREIGN_PREFIX = "__"


class Member(NamedTuple):
    """One member of a C type as its source of types gives it; `name` is None or "" for an anonymous one.

    `bits` is (first bit from the unit's least significant, number of bits) for a bit field.
    `type` is whatever the source calls the type of a structure or union, None for all else.
    """

    name: Optional[str]
    offset: int
    size: int
    bits: Optional[Tuple[int, int]]
    type: Any


def flatten(
    type_: Any,
    members_of: Callable[[Any], Iterable[Member]],
    keep: Optional[Tuple[str, ...]] = None,
) -> Dict[str, Field]:
    """The fields of a C structure or union by dotted name, offsets and sizes in bytes.

    `members_of` lists the members of one type. With `keep`, only these top-level members
    (and what is within them) are taken. Levels below MAX_DEPTH are left out.
    """
    fields: Dict[str, Field] = {}

    def add(inner: Any, prefix: str, base: int, depth: int) -> None:
        for member in members_of(inner):
            offset = base + member.offset
            if member.name:
                if depth == 0 and keep is not None and member.name not in keep:
                    continue
                if member.name.startswith(_FOREIGN_PREFIX):
                    continue
                path = prefix + member.name
                fields[path] = (offset, member.size) + (member.bits or ())
                nested = path + "."
            else:
                path, nested = "", prefix
            if member.type is not None and depth < MAX_DEPTH and member.name not in _NOT_FLATTENED:
                add(member.type, nested, offset, depth + (1 if member.name else 0))

    add(type_, "", 0, 0)
    return fields
