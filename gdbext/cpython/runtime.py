"""The runtime: its interpreters, their thread states and GILs, and what threading calls the threads.

Facts: Include/internal/pycore_runtime.h, pycore_interp.h, pycore_gil.h; Include/cpython/pystate.h;
Python/ceval_gil.h (3.6-3.11), Python/ceval_gil.c; Lib/threading.py.
"""

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Dict, Iterator, List, NamedTuple, Optional

from ..layout.layout import Layout
from .code import Codes
from .dicts import Dicts
from .doubts import Doubts
from .exceptions import Exceptions
from .find import Candidate
from .frames import Frames
from .hashes import Hashes
from .locks import Locks
from .memory import Damaged, Memory, Unreadable
from .objects import TYPE_SUBCLASS, Objects
from .reader import READ_ERRORS, Reader
from .variables import Variables
from .with_blocks import WithBlocks

if TYPE_CHECKING:
    from .values import Values

# Far above what runs; a list that leads back into itself ends here.
MAX_INTERPRETERS = 10_000
MAX_THREADS = 200_000

# So many names tell how the process hashes: most are as they were.
_MAX_SAMPLES = 16

# 3.6 keeps the GIL in static variables of Python/ceval.c: two mutexes, two condition variables and
# a few words, besides 512 bytes of pending calls. A compiler lays them side by side, in any order.
_CEVAL_GLOBALS_REACH = 1024


# What some names of the builtins module have for a type; and names there that are others for the same type.
_TYPES_OF_BUILTINS = {"None": "NoneType", "Ellipsis": "ellipsis", "NotImplemented": "NotImplementedType",
                      "len": "builtin_function_or_method"}
_OTHER_NAMES = ("EnvironmentError", "IOError", "WindowsError", "__loader__")

# PyThreadState.state (Include/internal/pycore_pystate.h).
_ATTACHMENTS = {0: "detached", 1: "attached", 2: "suspended", 3: "shutting down"}


class Gil(NamedTuple):
    """A GIL. `holder` is a thread state, None when nobody has it or the last word is not in yet.

    `start` and `end` bound the memory in which a thread that waits for the GIL has its futex.
    """

    start: int
    end: int
    holder: Optional[int]


class ThreadState(NamedTuple):
    """A PyThreadState. `ident` is threading.get_ident(); `native_id` the kernel's, None before 3.11."""

    address: int
    ident: int
    native_id: Optional[int]
    interpreter: "Interpreter"


class Interpreter(NamedTuple):
    """A PyInterpreterState; `id` is 0 for the main one."""

    address: int
    id: int


class ThreadStates(NamedTuple):
    """An interpreter's thread states, newest first; `problem` says why there may be more.

    `are_linked`: whether each leads back to the one before it.
    """

    states: List[ThreadState]
    problem: Optional[str]
    are_linked: bool = True


class Runtime:
    """One initialized CPython in the process, read with one layout. `minor` is that of its version, once it is known.

    Raises MissingField when the layout lacks what every build has.
    """

    def __init__(self, candidate: Candidate, memory: Memory, layout: Layout, minor: Optional[int] = None) -> None:
        self.minor = minor
        self.candidate = candidate
        self.layout = layout
        self.memory = memory
        self.reader = Reader(memory, layout)
        self.objects = Objects(self.reader)
        self.dicts = Dicts(self.objects)
        self.codes = Codes(self.objects)
        self.frames = Frames(self.reader, self.codes)
        self.frames.may_run = self._may_run
        self.variables = Variables(self.objects, self.dicts)
        self.exceptions = Exceptions(self)
        self.with_blocks = WithBlocks(self.objects, self.variables)
        self.locks = Locks(self.objects, self._types_called)
        self._names: Dict[int, Dict[int, str]] = {}
        self._builtin_types: Optional[Dict[int, str]] = None
        self.objects.name_otherwise = self._builtin_type
        self.codes.judge = lambda frame: self.doubts.of(frame)
        self._hashes: Optional[Hashes] = None

    @cached_property
    def values(self) -> "Values":
        """What reads values: a third of all that this package imports, and many an answer does without."""
        from .values import Values

        return Values(self.objects, self.dicts, self.codes, self.minor)

    def _builtin_type(self, address: int) -> str:
        """The name of a static type by the builtins module, "" for one that is not there.

        A core without its files lacks all names that are constants of C.
        """
        if self._builtin_types is None:
            # What is read to find out has types too.
            self._builtin_types = {}
            try:
                self._builtin_types = self._named_builtins()
            except READ_ERRORS:
                pass
            self.objects.forget_nameless()
        return self._builtin_types.get(address, "")

    def _named_builtins(self) -> Dict[int, str]:
        """The static types that the builtins module holds, or that something in it is of: the name of each."""
        found: Dict[int, str] = {}
        main = self.interpreters()[-1]
        module = self.dicts.get(self.modules(main), "builtins")
        if module is not None:
            found[self.objects.type_of(module).address] = "module"
        namespace = self.module_dict(main, "builtins")
        for key, value in self.dicts.items(namespace) if namespace else ():
            try:
                name = self.objects.text(key)
                type_ = self.objects.type_of(value)
                if name in _TYPES_OF_BUILTINS:
                    found[type_.address] = _TYPES_OF_BUILTINS[name]
                elif type_.flags & TYPE_SUBCLASS and name not in _OTHER_NAMES:
                    # A program may add more: those of the interpreter come first.
                    found.setdefault(value, name)
            except READ_ERRORS:
                continue
        return found

    @cached_property
    def doubts(self) -> Doubts:
        """What judges frames and classes."""
        return Doubts(self.objects, self.dicts, self.variables, self.hashes())

    def hashes(self) -> Hashes:
        """What checks strings; it has learnt from names in sys how this process hashes."""
        if self._hashes is None:
            try:
                secret = self.candidate.image.symbol("_Py_HashSecret")
            except Unreadable:
                secret = None
            self._hashes = Hashes(self.objects, secret.address if secret is not None else None)
            try:
                names = self.reader.pointer(self.interpreters()[-1].address, "PyInterpreterState", "sysdict")
                self._hashes.learn(key for key, _value in islice(self.dicts.items(names), _MAX_SAMPLES))
            except READ_ERRORS + (IndexError,):
                pass
        return self._hashes

    def interpreters(self) -> List[Interpreter]:
        """The interpreters, the main one last, as the runtime lists them.

        Raises Unreadable, Damaged, MissingField. Empty before Py_Initialize and after Py_Finalize.
        """
        reader, candidate = self.reader, self.candidate
        if candidate.globals:
            address = self.memory.u64(candidate.globals.interp_head)
        else:
            assert candidate.runtime is not None
            address = reader.pointer(candidate.runtime, "_PyRuntimeState", "interpreters.head")
        found: List[int] = []
        while address:
            if address in found or len(found) >= MAX_INTERPRETERS:
                raise Damaged(address, "list of interpreters without an end")
            found.append(address)
            address = reader.pointer(address, "PyInterpreterState", "next")
        if not reader.has("PyInterpreterState", "id"):
            # 3.6 does not number them; each new one becomes the head of the list.
            return [Interpreter(address, len(found) - 1 - index) for index, address in enumerate(found)]
        # The main one, the first that was made, is the last one of the list, and has 0 in every process.
        return [Interpreter(address, reader.integer(address, "PyInterpreterState", "id", signed=True)
                            if address != found[-1] else 0) for address in found]

    def thread_states(self, interpreter: Interpreter) -> ThreadStates:
        """The interpreter's thread states, as far as their list can be read. Raises MissingField."""
        reader = self.reader
        native = reader.has("PyThreadState", "native_thread_id")
        found: Dict[int, ThreadState] = {}
        problem = None
        are_linked = True
        previous = 0
        try:
            address = reader.pointer(interpreter.address, "PyInterpreterState", "threads.head", "tstate_head")
            while address:
                if address in found or len(found) >= MAX_THREADS:
                    raise Damaged(address, "list of thread states without an end")
                if reader.pointer(address, "PyThreadState", "interp") != interpreter.address:
                    raise Damaged(address, "thread state of another interpreter")
                if are_linked and reader.pointer(address, "PyThreadState", "prev") != previous:
                    are_linked = False
                    problem = str(Damaged(address, "thread states are not linked both ways"))
                previous = address
                found[address] = ThreadState(
                    address,
                    reader.pointer(address, "PyThreadState", "thread_id"),
                    reader.pointer(address, "PyThreadState", "native_thread_id") if native else None,
                    interpreter,
                )
                address = reader.pointer(address, "PyThreadState", "next")
        except (Unreadable, Damaged) as error:
            problem = str(error)
        return ThreadStates(list(found.values()), problem, are_linked)

    def modules(self, interpreter: Interpreter) -> int:
        """The address of sys.modules. Raises Unreadable, MissingField."""
        return self.reader.pointer(interpreter.address, "PyInterpreterState", "imports.modules", "modules")

    def module_dict(self, interpreter: Interpreter, name: str) -> Optional[int]:
        """The address of an imported module's namespace, None where it is not imported. Raises READ_ERRORS."""
        modules = self.modules(interpreter)
        module = self.dicts.get(modules, name) if modules else None
        if module is None:
            return None
        self.objects.expect_exactly(module, "module")
        return self.reader.pointer(module, "PyModuleObject", "md_dict") or None

    def _types_called(self, module: str, name: str) -> Iterator[int]:
        """What each interpreter has under this name in this module, if it has imported that."""
        for interpreter in self.interpreters():
            try:
                namespace = self.module_dict(interpreter, module)
                found = self.dicts.get(namespace, name) if namespace else None
            except READ_ERRORS:
                continue
            if found is not None:
                yield found

    def thread_objects(self, interpreter: Interpreter) -> Dict[int, int]:
        """The address of each threading.Thread by its ident: of all threads that have begun, and not ended."""
        found: Dict[int, int] = {}
        try:
            threading = self.module_dict(interpreter, "threading")
            active = self.dicts.get(threading, "_active") if threading else None
            for ident, thread in self.dicts.items(active) if active else ():
                try:
                    found[self.objects.integer(ident)] = thread
                except READ_ERRORS:
                    continue
        except READ_ERRORS:
            pass
        return found

    def thread_names(self, interpreter: Interpreter) -> Dict[int, str]:
        """What threading calls its threads, by ident. A name that can't be read, or is damaged, is left out."""
        found = self._names.get(interpreter.address)
        if found is None:
            found = self._names[interpreter.address] = {}
            for ident, thread in self.thread_objects(interpreter).items():
                try:
                    name = self.dicts.attribute(thread, "_name")
                    if name and self.hashes().is_right(name) is not False:
                        found[ident] = self.objects.name(name)
                except READ_ERRORS:
                    continue
        return found

    def gil(self, interpreter: Interpreter) -> Optional[Gil]:
        """The GIL of an interpreter, None for a build or an interpreter without one. Raises READ_ERRORS."""
        candidate, reader = self.candidate, self.reader
        if candidate.globals:
            return self._gil_of_globals()
        if reader.has("PyInterpreterState", "ceval.gil"):
            # Since 3.12 (PEP 684) each interpreter may have its own.
            address = reader.pointer(interpreter.address, "PyInterpreterState", "ceval.gil")
            if not address:
                return None
        elif reader.has("_PyRuntimeState", "ceval.gil"):
            assert candidate.runtime is not None
            address = candidate.runtime + reader.layout["_PyRuntimeState"].offset("ceval.gil")
        else:
            return None
        if reader.has("_gil_runtime_state", "enabled") and not reader.integer(
                address, "_gil_runtime_state", "enabled"):
            return None
        holder = None
        # -1 before the GIL exists (up to 3.8 it comes with the first thread), else whether it is taken.
        locked = reader.integer(address, "_gil_runtime_state", "locked", signed=True)
        if locked == 1:
            holder = reader.pointer(address, "_gil_runtime_state", "last_holder")
            if holder and not self._says_that_it_holds(holder):
                holder = None
        elif locked == -1:
            holder = self._running()
        return Gil(address, address + reader.layout["_gil_runtime_state"].size, holder or None)

    def attachment(self, state: ThreadState) -> Optional[str]:
        """What takes the GIL's place in a free-threaded build (PEP 703): "attached" to the interpreter and
        so running Python or touching its objects, "detached" as in a blocking call, "suspended" for
        another thread that has stopped the world, "shutting down". None in other builds, and while the
        GIL is enabled. Raises READ_ERRORS.
        """
        if not self.layout.free_threaded or self.gil(state.interpreter) is not None:
            return None
        value = self.reader.integer(state.address, "PyThreadState", "state")
        return _ATTACHMENTS.get(value)

    def _may_run(self, thread_state: int) -> bool:
        """Whether the thread of a thread state may be running Python just now: it has the GIL, or is attached."""
        try:
            if self.layout.free_threaded:
                state = self.reader.integer(thread_state, "PyThreadState", "state")
                if _ATTACHMENTS.get(state) != "detached":
                    return True
            gils = [self.gil(interpreter) for interpreter in self.interpreters()]
        except READ_ERRORS:
            return True
        return any(gil is not None and gil.holder == thread_state for gil in gils)

    def _says_that_it_holds(self, thread_state: int) -> bool:
        """The thread state's own word: `locked` is set a moment before `last_holder`."""
        reader = self.reader
        for path in ("holds_gil", "_status.holds_gil", "_status.active"):
            if reader.has("PyThreadState", path):
                return bool(reader.integer(thread_state, "PyThreadState", path))
        return True

    def _running(self) -> Optional[int]:
        candidate = self.candidate
        if candidate.globals:
            return self.memory.u64(candidate.globals.current_thread) or None
        if not self.reader.has("_PyRuntimeState", "gilstate.tstate_current"):
            return None
        assert candidate.runtime is not None
        return self.reader.pointer(candidate.runtime, "_PyRuntimeState", "gilstate.tstate_current") or None

    def _gil_of_globals(self) -> Optional[Gil]:
        variables = self.candidate.globals
        assert variables is not None
        if variables.ceval is None:
            return None
        return Gil(variables.ceval - _CEVAL_GLOBALS_REACH, variables.ceval + _CEVAL_GLOBALS_REACH, self._running())
