"""A made-up process: images, a runtime with interpreters, thread states, frames and modules."""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from gdbext.cpython import process
from gdbext.cpython.memory import Unreadable
from gdbext.cpython.process import Python
from gdbext.layout import table as tables
from tests.unit.builder import HEAP, Builder, FakeMemory

COOKIE = b"xdebugpy"

# The idents of made-up threads look like addresses of their control blocks.
IDENT = 0x7EFF_0000_0700
NATIVE_ID = 4000

# Where two processes' memory lies apart.
APART = 1 << 36

# PyThreadState.state, 3.13 and later.
DETACHED, ATTACHED, SUSPENDED, SHUTTING_DOWN = range(4)

# Names in _Py_DebugOffsets whose field is called otherwise (Include/internal/pycore_runtime_init.h in 3.13,
# pycore_debug_offsets.h since).
_SECTIONS = {
    "runtime_state": "_PyRuntimeState", "interpreter_state": "PyInterpreterState",
    "thread_state": "PyThreadState", "interpreter_frame": "_PyInterpreterFrame",
    "code_object": "PyCodeObject", "pyobject": "PyObject", "type_object": "PyTypeObject",
    "tuple_object": "PyTupleObject", "list_object": "PyListObject", "dict_object": "PyDictObject",
    "float_object": "PyFloatObject", "long_object": "PyLongObject", "bytes_object": "PyBytesObject",
    "unicode_object": "PyASCIIObject", "err_stackitem": "_PyErr_StackItem",
    "heap_type_object": "PyHeapTypeObject", "set_object": "PySetObject", "gen_object": "PyGenObject",
}
# Those of fields that the tables leave out, or that this build has not: such an offset is 0 here.
_ABSENT = frozenset((
    "interpreter_state.code_object_generation", "interpreter_state.tlbc_generation",
    "gc.generation_stats_size"))
_ABSENT_SECTIONS = frozenset(("llist_node", "debugger_support"))
_FREE_THREADED_ONLY = frozenset((
    "interpreter_state.gil_runtime_state_enabled", "interpreter_frame.tlbc_index", "code_object.co_tlbc"))
_RENAMED = {
    "runtime_state.finalizing": "_finalizing",
    "runtime_state.interpreters_head": "interpreters.head",
    "interpreter_state.threads_head": "threads.head",
    "interpreter_state.threads_main": "threads.main",
    "interpreter_state.imports_modules": "imports.modules",
    "interpreter_state.ceval_gil": "ceval.gil",
    "interpreter_state.gil_runtime_state": "_gil",
    "interpreter_state.gil_runtime_state_enabled": "_gil.enabled",
    "interpreter_state.gil_runtime_state_locked": "_gil.locked",
    "interpreter_state.gil_runtime_state_holder": "_gil.last_holder",
    "thread_state.status": "_status",
    "interpreter_frame.executable": "f_executable",
    "code_object.filename": "co_filename", "code_object.name": "co_name",
    "code_object.qualname": "co_qualname", "code_object.linetable": "co_linetable",
    "code_object.firstlineno": "co_firstlineno", "code_object.argcount": "co_argcount",
    "code_object.localsplusnames": "co_localsplusnames",
    "code_object.localspluskinds": "co_localspluskinds",
    "long_object.lv_tag": "long_value.lv_tag", "long_object.ob_digit": "long_value.ob_digit",
}


def stated_offsets(table: tables.Table) -> Dict[str, int]:
    """What a process of this table's build, 3.13 or later, says of itself, by dotted name."""
    found = {}
    for path, field in table.struct("_Py_DebugOffsets").fields.items():
        section, _, name = path.partition(".")
        if not name or field[1] != 8:
            continue
        if (path in _ABSENT or section in _ABSENT_SECTIONS
                or path in _FREE_THREADED_ONLY and not table.name.free_threaded):
            found[path] = 0
            continue
        if section == "gc":
            interpreter = table.struct("PyInterpreterState")
            found[path] = interpreter.fields["gc"][1] if name == "size" else (
                interpreter.offset("gc." + name) - interpreter.offset("gc"))
            continue
        struct = table.struct(_SECTIONS[section])
        if name in ("size", "asciiobject_size"):
            found[path] = struct.size
        elif name == "compactunicodeobject_size":
            found[path] = table.struct("PyCompactUnicodeObject").size
        elif name == "ob_size":
            found[path] = table.struct("PyVarObject").offset("ob_size")
        else:
            found[path] = struct.offset(_RENAMED.get(path, name))
    return found


def debug_offsets(table: tables.Table, order: Optional[tables.Table] = None) -> bytes:
    """The bytes of _Py_DebugOffsets."""
    struct = (order or table).struct("_Py_DebugOffsets")
    raw = bytearray(struct.size)
    raw[:8] = COOKIE
    values = dict(stated_offsets(table), version=table.hexversion,
                  free_threaded=int(table.name.free_threaded))
    for path, value in values.items():
        at = struct.offset(path)
        raw[at:at + 8] = value.to_bytes(8, "little")
    return bytes(raw)


class Place(NamedTuple):
    """A symbol: its address, and its size in bytes."""

    address: int
    size: int


class FakeImage:
    """An image with the symbols and data that the test gives it."""

    def __init__(self, path: str, symbols: Optional[Dict[str, Place]] = None,
                 writable: Sequence[Tuple[int, int]] = (), readable: bool = True, machine: int = 62) -> None:
        self.path = path
        self.machine = machine
        self.symbols = symbols or {}
        self.data = list(writable)
        self.readable = readable
        self.functions: List[Tuple[int, int]] = []

    def symbol(self, name: str) -> Optional[Place]:
        """The symbol, None where the image has none of this name."""
        if not self.readable:
            raise Unreadable(0, 0)
        return self.symbols.get(name)

    def writable(self) -> List[Tuple[int, int]]:
        """The (address, size) of the data segments."""
        return self.data

    def build_id(self) -> Optional[str]:
        """No made-up image has one."""
        return None

    def function(self, address: int) -> Optional[Tuple[int, int]]:
        """The one of its functions that the address is in."""
        return next((each for each in self.functions if each[0] <= address < each[1]), None)

    def largest_function(self) -> Optional[Tuple[int, int]]:
        """The largest of its functions."""
        return max(self.functions, key=lambda each: each[1] - each[0], default=None)


class Call(NamedTuple):
    """One frame: its function and file, the first line, and how many lines further it is."""

    name: str = "function"
    filename: str = "/made/up.py"
    first_line: int = 10
    further: int = 3


class MadeProcess:
    """One CPython of a table's build, initialized once an interpreter is added.

    `fill` is what lies in memory that no field describes; `hexversion` what sys and Py_Version say.
    """

    def __init__(self, table: tables.Table, fill: int = 0, memory: Optional[FakeMemory] = None,
                 number: int = 0, hexversion: Optional[int] = None) -> None:
        self.table = table
        self.fill = fill
        self.memory = memory or FakeMemory()
        self.builder = b = Builder(table, self.memory, HEAP + number * APART)
        self.version = table.name.version
        # Free-threaded builds have one that is off, until enable_gil().
        self.has_gil = not table.name.free_threaded
        self.hexversion = table.hexversion if hexversion is None else hexversion
        self.interpreters: List[int] = []
        self.states: Dict[int, List[int]] = {}
        self.modules: Dict[int, Dict[str, int]] = {}
        self.sys_names: Dict[int, Dict[str, int]] = {}
        self.gils: Dict[int, int] = {}
        self.symbols: Dict[str, Place] = {}
        self.path = f"/made/up/python{number}"
        self.runtime: Optional[int] = None
        # Static variables: the head of the interpreters, the running thread, one of ceval.c's, Py_Version.
        self.data = b.allocate(64, 0)
        if self.version >= (3, 7):
            size = b.layout["_PyRuntimeState"].size
            self.runtime = b.allocate(size, fill)
            self.symbols["_PyRuntime"] = Place(self.runtime, table.runtime_size or size)
            if self.version < (3, 12):
                b.set(self.runtime, "_PyRuntimeState", "gilstate.tstate_current", 0)
                self.gil_at = self.runtime + b.layout["_PyRuntimeState"].offset("ceval.gil")
                self.set_gil(self.gil_at, 0, 0)
        else:
            self._add_code()
        if self.version >= (3, 11):
            self.symbols["Py_Version"] = Place(self.data + 24, 4)
            b.write(self.data + 24, self.hexversion.to_bytes(4, "little"))
        if self.version >= (3, 13):
            b.write(self.runtime, debug_offsets(table))
        self._set_head(0)

    def _add_code(self) -> None:
        """3.6 has static variables, which only the code of exported functions names."""
        head, current, ceval = self.data, self.data + 8, self.data + 16
        at = self.builder.allocate(128, 0x90)
        # endbr64; push rbp; mov rbp, rsp; mov rax, [rip + what leads to head]
        code = b"\xf3\x0f\x1e\xfa\x55\x48\x89\xe5\x48\x8b\x05"
        self.builder.write(at, code + (head - (at + len(code) + 4)).to_bytes(4, "little", signed=True))
        # mov dword [rip + what leads to a variable], 1
        self.builder.write(at + 64, b"\xc7\x05" + (ceval - (at + 64 + 10)).to_bytes(4, "little", signed=True)
                           + (1).to_bytes(4, "little"))
        self.symbols.update({"_PyThreadState_Current": Place(current, 8),
                             "PyInterpreterState_Head": Place(at, 16),
                             "_PyEval_SignalAsyncExc": Place(at + 64, 16)})
        self.gil_at = ceval

    def _set_head(self, interpreter: int) -> None:
        if self.runtime is None:
            self.builder.u64(self.data, interpreter)
        else:
            self.builder.set(self.runtime, "_PyRuntimeState", "interpreters.head", interpreter)

    def add_interpreter(self, sys_names: Optional[Dict[str, int]] = None) -> int:
        """A new interpreter at the head of the list, with sys and sys.modules."""
        b = self.builder
        head = self.interpreters[-1] if self.interpreters else 0
        address = b.struct("PyInterpreterState", fill=self.fill, next=head)
        b.set_first(address, "PyInterpreterState", 0, "threads.head", "tstate_head")
        if self.version >= (3, 7):
            b.set(address, "PyInterpreterState", "id", len(self.interpreters))
        if self.version >= (3, 9):
            b.set(address, "PyInterpreterState", "runtime", self.runtime)
        if self.version >= (3, 12):
            gil = b.struct("_gil_runtime_state", fill=0)
            b.set(address, "PyInterpreterState", "ceval.gil", gil)
            if self.table.name.free_threaded:
                b.set(gil, "_gil_runtime_state", "enabled", int(self.has_gil))
            self.gils[address] = gil
        else:
            self.gils[address] = self.gil_at
        self.interpreters.append(address)
        self.states[address] = []
        self.modules[address] = {}
        self.sys_names[address] = dict(sys_names or {})
        self._write_modules(address)
        self._set_head(address)
        return address

    def add_module(self, interpreter: int, name: str, names: Dict[str, int]) -> None:
        """Import a module."""
        self.modules[interpreter][name] = self.builder.module(names)
        self._write_modules(interpreter)

    def _write_modules(self, interpreter: int) -> None:
        b = self.builder
        modules = b.namespace(self.modules[interpreter])
        flags = "t" if self.table.name.free_threaded else ""
        flags += "d" if self.table.name.debug else "m" if self.version < (3, 8) else ""
        names = {"version": b.text("?"), "hexversion": b.int(self.hexversion), "abiflags": b.text(flags),
                 "modules": modules}
        names.update(self.sys_names[interpreter])
        b.set_first(interpreter, "PyInterpreterState", modules, "imports.modules", "modules")
        b.set(interpreter, "PyInterpreterState", "sysdict", b.namespace(names))

    def add_thread(self, interpreter: int, calls: Sequence[Call] = (Call(),),
                   ident: Optional[int] = None) -> int:
        """A thread state at the head of its interpreter's list, with the calls innermost first."""
        b = self.builder
        others = self.states[interpreter]
        number = sum(map(len, self.states.values()))
        address = b.struct("PyThreadState", fill=self.fill, prev=0, next=others[-1] if others else 0,
                           interp=interpreter, thread_id=IDENT + number * 0x1000 if ident is None else ident)
        if others:
            b.set(others[-1], "PyThreadState", "prev", address)
        if self.version >= (3, 11):
            b.set(address, "PyThreadState", "native_thread_id", NATIVE_ID + number)
        if self.version >= (3, 13):
            self.attach(address, DETACHED)
        base = 0
        if self.version >= (3, 15):
            # The outermost frame, which no function has.
            base = b.shim(0)
            b.set(address, "PyThreadState", "base_frame", base)
        b.set_first(interpreter, "PyInterpreterState", address, "threads.head", "tstate_head")
        others.append(address)
        self.set_frames(address, self.frames(calls, base))
        return address

    def frames(self, calls: Sequence[Call], back: int = 0) -> int:
        """Frames of ordinary functions, and before them, where the version has it, the shim of the entry."""
        b = self.builder
        if self.version >= (3, 12) and calls:
            back = b.shim(back)
        for call in reversed(calls):
            # Two ranges of eight bytes: the first line, and `further` lines later.
            code = b.code(call.name, call.filename, call.first_line, b.lines((8, 0), (8, call.further)),
                          qualname=f"Class.{call.name}", first_traceable=1)
            back = b.frame(code, 10, back)
        return back

    def set_frames(self, state: int, head: int) -> None:
        """Make a frame the innermost one."""
        b = self.builder
        if self.version < (3, 11):
            b.set(state, "PyThreadState", "frame", head)
        elif self.version < (3, 13):
            b.set(state, "PyThreadState", "cframe", b.struct("_PyCFrame", current_frame=head))
        else:
            b.set(state, "PyThreadState", "current_frame", head)

    def set_gil(self, gil: int, locked: int, holder: int) -> None:
        """The GIL's own words; 3.6 has only the running thread."""
        if self.version < (3, 7):
            self.builder.u64(self.data + 8, holder if locked else 0)
            return
        self.builder.set(gil, "_gil_runtime_state", "locked", locked)
        self.builder.set(gil, "_gil_runtime_state", "last_holder", holder)

    def enable_gil(self) -> None:
        """As PYTHON_GIL=1 or an extension module does in a free-threaded build."""
        self.has_gil = True
        if self.table.name.free_threaded:
            for gil in self.gils.values():
                self.builder.set(gil, "_gil_runtime_state", "enabled", 1)

    @property
    def holds_path(self) -> Optional[str]:
        """The field in which a thread state says itself whether it holds the GIL; 3.12 and later."""
        if self.version < (3, 12):
            return None
        return {(3, 12): "_status.active", (3, 13): "_status.holds_gil"}.get(self.version, "holds_gil")

    def attach(self, state: int, value: int = ATTACHED) -> None:
        """Whether a thread state is attached to its interpreter, 3.13 and later."""
        self.builder.set(state, "PyThreadState", "state", value)

    def take_gil(self, state: int) -> None:
        """Make a thread state hold its interpreter's GIL, and say so itself where it can.

        Without a GIL it is attached, and the others are not.
        """
        b = self.builder
        interpreter = next(address for address, states in self.states.items() if state in states)
        if self.has_gil:
            self.set_gil(self.gils[interpreter], 1, state)
        for other in self.states[interpreter]:
            if self.version >= (3, 13):
                self.attach(other, ATTACHED if other == state else DETACHED)
            if self.holds_path:
                b.set(other, "PyThreadState", self.holds_path, self.has_gil and other == state)

    def name_threads(self, interpreter: int, names: Dict[int, str]) -> None:
        """What threading calls its threads, by ident."""
        b = self.builder
        threads = [(b.int(ident), b.instance("Thread", {"_target": b.none(), "_name": b.text(name)}))
                   for ident, name in names.items()]
        self.add_module(interpreter, "threading",
                        {"_limbo": b.dict([]), "_active": b.dict(threads, "general", 5)})

    def image(self) -> FakeImage:
        """The image that the process runs."""
        return FakeImage(self.path, self.symbols, [(self.data, 64)])

    def open(self) -> List[Python]:
        """What process.open_all() says."""
        return process.open_all([FakeImage("/made/up/libc.so"), self.image()], self.memory,
                                lambda image: None)


def started(table: tables.Table, fill: int = 0) -> MadeProcess:
    """A process with one interpreter and one thread in two calls, that holds the GIL."""
    made = MadeProcess(table, fill)
    main = made.add_interpreter()
    made.take_gil(made.add_thread(main, (Call("inner"), Call("outer", "/made/main.py", 1, 2))))
    return made
