"""A made-up process: images, a runtime with interpreters, thread states, frames and modules."""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from gdbext.cpython import process
from gdbext.cpython.memory import Unreadable
from gdbext.cpython.process import Python
from gdbext.layout import table as tables
from gdbext.layout.layout import Struct

from tests.unit.builder import JUNK, Builder, FakeMemory

CODE = 0x40_0000
COOKIE = b"xdebugpy"

# The idents of made-up threads look like addresses of their control blocks.
IDENT = 0x7EFF_0000_0700


class Place(NamedTuple):
    """A symbol."""

    address: int
    size: int


class FakeImage:
    """An image with the symbols and data that the test gives it."""

    def __init__(self, path: str, symbols: Optional[Dict[str, Place]] = None,
                 writable: Sequence[Tuple[int, int]] = (), readable: bool = True) -> None:
        self.path = path
        self.symbols = symbols or {}
        self.data = list(writable)
        self.readable = readable

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


class Call(NamedTuple):
    """One frame: its function and file, the first line, and how many lines further it is."""

    name: str
    filename: str
    first_line: int
    further: int


class MadeProcess:
    """One CPython of a table's build, with the main interpreter and nothing else to begin with.

    `fill` is what lies in memory that no field describes. `hexversion` is what sys and Py_Version
    say, and `offsets_of` the table whose field places the process states as its debug offsets.
    """

    def __init__(self, table: tables.Table, fill: int = 0, memory: Optional[FakeMemory] = None,
                 number: int = 0, hexversion: Optional[int] = None) -> None:
        self.table = table
        self.fill = fill
        self.memory = memory or FakeMemory()
        self.builder = b = Builder(table, self.memory, 0x7F00_0000_0000 + number * 0x10_0000_0000)
        self.version = table.name.version
        self.hexversion = table.hexversion if hexversion is None else hexversion
        self.interpreters: List[int] = []
        self.states: Dict[int, List[int]] = {}
        self.threads: Dict[int, Dict[int, str]] = {}
        self.sys_dicts: Dict[int, int] = {}
        self.symbols: Dict[str, Place] = {}
        self.path = f"/made/up/python{number}"
        self.runtime: Optional[int] = None
        self._data = b.allocate(64, 0)
        if self.version >= (3, 7):
            size = b.layout["_PyRuntimeState"].size
            self.runtime = b.allocate(size, fill)
            self.set_head(0)
            self.symbols["_PyRuntime"] = Place(self.runtime, table.runtime_size or size)
            if self.version < (3, 12):
                self.set_runtime("gilstate.tstate_current", 0)
                self.set_runtime("ceval.gil.locked", 0)
                self.set_runtime("ceval.gil.last_holder", 0)
        else:
            self._add_globals(CODE + number * 0x10_0000)
        if self.version >= (3, 11):
            self.symbols["Py_Version"] = Place(self._data + 32, 4)
            b.write(self._data + 32, self.hexversion.to_bytes(4, "little"))
        if self.version >= (3, 13):
            self._state_offsets(table)

    # 3.6 has static variables that only the code of exported functions tells.

    def _add_globals(self, at: int) -> None:
        head, current, ceval = self._data, self._data + 8, self._data + 16
        code = bytearray(b"\x90" * 256)
        # endbr64; push rbp; mov rbp, rsp; mov rax, [rip + to head]; pop rbp; ret
        code[0:8] = b"\xf3\x0f\x1e\xfa\x55\x48\x89\xe5"
        code[8:11] = b"\x48\x8b\x05"
        code[11:15] = (head - (at + 15)).to_bytes(4, "little", signed=True) if abs(head - at) < 1 << 31 else bytes(4)
        self._code_at = at
        self.symbols["_PyThreadState_Current"] = Place(current, 8)
        # Relative to the instruction: the functions must lie within reach of the data.
        near = self.builder.allocate(256, 0x90)
        code[11:15] = (head - (near + 15)).to_bytes(4, "little", signed=True)
        self.builder.write(near, bytes(code[:64]))
        # mov dword [rip + to ceval], 1
        async_ = bytearray(b"\x90" * 32)
        async_[0:2] = b"\xc7\x05"
        async_[2:6] = (ceval - (near + 64 + 10)).to_bytes(4, "little", signed=True)
        async_[6:10] = (1).to_bytes(4, "little")
        self.builder.write(near + 64, bytes(async_))
        self.symbols["PyInterpreterState_Head"] = Place(near, 16)
        self.symbols["_PyEval_SignalAsyncExc"] = Place(near + 64, 16)
        self.ceval = ceval
