"""The functions of the standard library in which threads wait, and what they keep about it.

A function is recognised by its code object, which is what the module has at this moment: a class derived
from threading.Condition runs the same code, and a program's own module called threading does not.
Facts: Lib/threading.py, Lib/queue.py, Lib/concurrent/futures/_base.py and thread.py,
Lib/importlib/_bootstrap.py, Lib/multiprocessing/, Lib/asyncio/.
"""

from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from ..cpython.classes import Classes
from ..cpython.frames import Frame
from ..cpython.memory import Damaged
from ..cpython.objects import HEAP_TYPE
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Interpreter, Runtime

# What a ThreadPoolExecutor's worker runs a work item in: what is further in is the program's.
WORK_ITEM = "concurrent.futures.thread._WorkItem.run"
WORKER = "concurrent.futures.thread._worker"
# What runs what is ready in an event loop, begins a coroutine of another thread's, and passes its result on.
LOOP = "asyncio.base_events.BaseEventLoop._run_once"
SUBMITTED = "asyncio.tasks.run_coroutine_threadsafe.<locals>.callback"
CHAIN = "asyncio.futures._chain_future.<locals>._call_check_cancel"
# They run the program's functions, and wait for nobody on its behalf.
OF_EVENT_LOOPS = (LOOP, SUBMITTED, CHAIN)

# By module, as sys.modules has it: functions, methods with their class, and functions within functions.
FUNCTIONS = {
    "threading": (
        "Condition.wait", "Condition._acquire_restore", "Condition.__exit__", "Event.wait", "Semaphore.acquire",
        "Barrier.wait", "Thread.join", "Thread._wait_for_tstate_lock", "Thread.start", "_shutdown"),
    "queue": ("Queue.get", "Queue.put", "Queue.join", "_PySimpleQueue.get"),
    "concurrent.futures._base": ("Future.result", "Future.exception", "wait", "as_completed"),
    "concurrent.futures.thread": ("_worker", "_WorkItem.run"),
    "_frozen_importlib": ("_ModuleLock.acquire", "_get_module_lock", "_ImportLockContext.__enter__"),
    "multiprocessing.synchronize": (
        "SemLock.__enter__", "SemLock.__exit__", "Condition.wait", "Condition.__exit__", "Event.wait"),
    "contextlib": ("_GeneratorContextManager.__exit__",),
    "multiprocessing.queues": (
        "Queue.get", "Queue.put", "Queue._feed", "JoinableQueue.put", "JoinableQueue.join", "SimpleQueue.get",
        "SimpleQueue.put"),
    "multiprocessing.connection": ("_ConnectionBase.recv", "_ConnectionBase.recv_bytes", "_ConnectionBase.send",
                                   "_ConnectionBase.send_bytes", "_ConnectionBase.poll", "wait", "Listener.accept"),
    "multiprocessing.process": ("BaseProcess.join",),
    "multiprocessing.pool": ("ApplyResult.get", "IMapIterator.next"),
    "subprocess": ("Popen.wait", "Popen.communicate"),
    "asyncio.base_events": ("BaseEventLoop._run_once",),
    "asyncio.tasks": ("run_coroutine_threadsafe.<locals>.callback",),
    "asyncio.futures": ("_chain_future.<locals>._call_check_cancel",),
}
_INNER = "<locals>."

# Modules whose frames stand between a program and what it waits for: a lock is named as their caller does.
_BETWEEN = ("threading", "queue", "concurrent.futures", "multiprocessing", "subprocess", "selectors", "importlib",
            "_frozen_importlib", "contextlib")


class Call(NamedTuple):
    """A frame in one of FUNCTIONS: `name` is "module.function" or "module.Class.method"."""

    name: str
    frame: Frame


class Library:
    """Knows the library's functions in the interpreters of one runtime. Never raises READ_ERRORS."""

    def __init__(self, runtime: Runtime, classes: Classes) -> None:
        self._runtime = runtime
        self._classes = classes
        self._codes: Dict[int, Dict[int, str]] = {}
        self._modules: Dict[int, Optional[str]] = {}

    def name_of(self, interpreter: Interpreter, frame: Frame) -> Optional[str]:
        """Which of FUNCTIONS a frame is in, None for all others."""
        return self._functions(interpreter).get(frame.code.address) if frame.code is not None else None

    def method(self, interpreter: Interpreter, instance: int, name: str) -> Optional[str]:
        """Which of FUNCTIONS is this method of an instance's class or of one of its bases."""
        try:
            for base in self._classes.order(self._runtime.objects.type_of(instance)):
                found = self._classes.own(base, name) if base.flags & HEAP_TYPE else None
                known = self.function(interpreter, found) if found is not None else None
                if known is not None:
                    return known
        except READ_ERRORS:
            pass
        return None

    def function(self, interpreter: Interpreter, address: int) -> Optional[str]:
        """Which of FUNCTIONS an object is, None for all others."""
        try:
            self._runtime.objects.expect_exactly(address, "function")
            code = self._runtime.reader.pointer(address, "PyFunctionObject", "func_code")
        except READ_ERRORS:
            return None
        return self._functions(interpreter).get(code)

    def closure(self, function: int) -> List[int]:
        """What the variables of outer functions are bound to that a function uses."""
        reader = self._runtime.reader
        try:
            cells = reader.pointer(function, "PyFunctionObject", "func_closure")
            return [reader.pointer(cell, "PyCellObject", "ob_ref")
                    for cell in (self._runtime.objects.tuple_items(cells) if cells else ())]
        except READ_ERRORS:
            return []

    def is_between(self, frame: Frame) -> bool:
        """Whether a frame belongs to a module that waits on behalf of its callers."""
        module = self.module_of(frame)
        return module is not None and any(
            module == name or module.startswith(name + ".") for name in _BETWEEN)

    def module_of(self, frame: Frame) -> Optional[str]:
        """`__name__` among the frame's globals, None where there is none."""
        runtime = self._runtime
        try:
            namespace = runtime.variables.globals(frame)
            if namespace not in self._modules:
                name = runtime.dicts.get(namespace, "__name__")
                self._modules[namespace] = runtime.objects.text(name) if name else None
            return self._modules[namespace]
        except READ_ERRORS:
            return None

    def local(self, frame: Frame, name: str) -> Optional[int]:
        """The value of a variable of a frame, None where it is not bound."""
        try:
            for variable in self._runtime.variables.of(frame):
                if variable.name == name:
                    return variable.address
        except READ_ERRORS:
            pass
        return None

    def attribute(self, address: Optional[int], name: str) -> Optional[int]:
        """An attribute that an instance has itself, None where it has none."""
        if address is None:
            return None
        try:
            return self._runtime.dicts.attribute(address, name)
        except READ_ERRORS:
            return None

    def slot(self, address: int, name: str) -> Optional[int]:
        """An attribute that an instance's class has in `__slots__`, None where it is not bound."""
        runtime = self._runtime
        try:
            for slot in self._classes.slots(runtime.objects.type_of(address)):
                if slot.name == name:
                    return runtime.memory.u64(address + slot.offset) or None
        except READ_ERRORS:
            pass
        return None

    def number(self, address: Optional[int]) -> Optional[int]:
        """The value of an int, None for anything else."""
        if address is None:
            return None
        try:
            return self._runtime.objects.integer(address)
        except READ_ERRORS:
            return None

    def text(self, address: Optional[int]) -> Optional[str]:
        """The value of a str, None for anything else."""
        if address is None:
            return None
        try:
            return self._runtime.objects.text(address)
        except READ_ERRORS:
            return None

    def _functions(self, interpreter: Interpreter) -> Dict[int, str]:
        found = self._codes.get(interpreter.address)
        if found is None:
            found = self._codes[interpreter.address] = dict(self._find(interpreter))
        return found

    def _find(self, interpreter: Interpreter) -> Iterator[Tuple[int, str]]:
        runtime = self._runtime
        reader = runtime.reader
        try:
            modules = self._members(runtime.modules(interpreter), FUNCTIONS)
        except READ_ERRORS:
            return
        for module, address in modules.items():
            functions = FUNCTIONS[module]
            try:
                runtime.objects.expect_exactly(address, "module")
                names = self._members(reader.pointer(address, "PyModuleObject", "md_dict"),
                                      {name.partition(".")[0] for name in functions})
            except READ_ERRORS:
                continue
            for function in functions:
                outer, _dot, inner = function.partition(".")
                try:
                    found = names.get(outer)
                    if found is not None and inner and not inner.startswith(_INNER):
                        found = self._classes.own(self._classes.type(found), inner)
                    if found is not None and runtime.objects.type_of(found).name == "staticmethod":
                        found = reader.pointer(found, "staticmethod", "sm_callable")
                    if found is not None:
                        runtime.objects.expect_exactly(found, "function")
                        code = reader.pointer(found, "PyFunctionObject", "func_code")
                        if inner.startswith(_INNER):
                            code = self._inner_code(code, inner[len(_INNER):])
                        yield code, f"{module}.{function}"
                except READ_ERRORS:
                    continue

    def _inner_code(self, code: int, name: str) -> int:
        """The code of a function that is defined within this code. Raises READ_ERRORS, Damaged where there is none."""
        reader, objects = self._runtime.reader, self._runtime.objects
        for constant in objects.tuple_items(reader.pointer(code, "PyCodeObject", "co_consts")):
            if objects.type_of(constant).name == "code" and objects.text(
                    reader.pointer(constant, "PyCodeObject", "co_name")) == name:
                return constant
        raise Damaged(code, f"code without an inner function {name}")

    def _members(self, namespace: int, wanted: Iterable[str]) -> Dict[str, int]:
        """The values of these names in a dict, found in one pass."""
        wanted = set(wanted)
        lengths = {len(name) for name in wanted}
        reader, objects = self._runtime.reader, self._runtime.objects
        found = {}
        for key, value in self._runtime.dicts.items(namespace):
            try:
                if reader.pointer(key, "PyASCIIObject", "length") in lengths:
                    name = objects.text(key)
                    if name in wanted:
                        found[name] = value
            except READ_ERRORS:
                continue
        return found
