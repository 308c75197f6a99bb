"""gdbext.target.threads and images without gdb: what they ask of it is played by a module made here."""

import importlib
import struct
import sys
import types
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest

from gdbext.cpython.memory import PAGE
from tests.unit import test_dynamic
from tests.unit.builder import FakeMemory

MODULES = ("gdbext.target.console", "gdbext.target.memory", "gdbext.target.images", "gdbext.target.threads")
CODE = 0x40_0000
SVC = b"\x01\x00\x00\xd4"
DESCRIPTOR = 1776


class Error(Exception):
    """gdb.error."""


class Frame:
    """gdb.Frame: a name of an architecture, and registers; one whose value is None is unavailable."""

    def __init__(self, architecture: str, registers: Dict[str, Optional[int]]) -> None:
        self._architecture = architecture
        self._registers = registers

    def architecture(self) -> Any:
        return types.SimpleNamespace(name=lambda: self._architecture)

    def read_register(self, name: str) -> int:
        if name not in self._registers:
            raise ValueError("Bad register")
        value = self._registers[name]
        if value is None:
            raise Error("value is not available")
        return value

    def is_valid(self) -> bool:
        return True

    def select(self) -> None:
        """It is the only one."""


class Thread:
    """gdb.InferiorThread with one frame, which is None while it runs; `handle` as gdb gives it."""

    def __init__(self, frame: Optional[Frame], handle: Optional[bytes] = None, number: int = 1) -> None:
        self.num = number
        self.ptid = (100, 200 + number, 0)
        self.frame = frame
        self._handle = handle

    def handle(self) -> bytes:
        if self._handle is None:
            raise RuntimeError("Thread handle not found.")
        return self._handle

    def is_valid(self) -> bool:
        return True

    def switch(self) -> None:
        sys.modules["gdb"].selected = self


class Target:
    """What is debugged: threads, memory, and what gdb's commands print."""

    def __init__(self) -> None:
        self.memory = FakeMemory()
        self.threads: List[Thread] = []
        self.told = {"info proc mappings": "", "info auxv": ""}
        self.module: Any = types.ModuleType("gdb")
        vars(self.module).update(
            error=Error, MemoryError=type("MemoryError", (Error,), {}), Frame=Frame, InferiorThread=Thread,
            selected=None,
            selected_inferior=lambda: types.SimpleNamespace(
                read_memory=lambda at, size: memoryview(self.memory.fetch(at, size)),
                threads=lambda: tuple(self.threads), pid=0),
            current_recording=lambda: None,
            selected_thread=lambda: self.module.selected, selected_frame=self._frame, newest_frame=self._frame,
            execute=lambda command, to_string: self.told[command],
            current_progspace=lambda: types.SimpleNamespace(filename="/usr/bin/python"))

    def _frame(self) -> Frame:
        if self.module.selected.frame is None:
            raise Error("Selected thread is running.")
        return self.module.selected.frame

    def natives(self, *threads: Thread) -> List[Any]:
        """What gdbext makes of these threads."""
        self.threads = list(threads)
        return importlib.import_module("gdbext.target.threads").native_threads(False)

    def one(self, architecture: str, handle: Any = None, **registers: Any) -> Any:
        """What gdbext makes of one thread."""
        [native] = self.natives(Thread(Frame(architecture, registers), handle))
        return native


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """A target, with the modules that import gdb made anew."""
    made = Target()
    monkeypatch.setitem(sys.modules, "gdb", made.module)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield made
    package = importlib.import_module("gdbext.target")
    for name in MODULES:
        sys.modules.pop(name, None)
        vars(package).pop(name.rpartition(".")[2], None)


def with_libc(target: Target, size: bytes = struct.pack("<I", DESCRIPTOR)) -> None:
    """Map an image that tells the size of struct pthread."""
    base = test_dynamic.BASE
    symbol = test_dynamic.Made("_thread_db_sizeof_pthread", PAGE + 0x10, 4)
    raw = bytearray(test_dynamic.build([symbol]))
    raw[PAGE + 0x10:PAGE + 0x14] = size
    target.memory.map(base, raw)
    target.told["info proc mappings"] = (
        f"  {base:#x}  {base + 2 * PAGE:#x}  {2 * PAGE:#x}  0x0  r--p  /lib/libc.so.6\n")


def test_a_thread_of_x86_64(target: Target) -> None:
    native = target.one("i386:x86-64", fs_base=0x7000, orig_rax=202, rdi=0x1234, rsi=128, rdx=2,
                        rsp=0x6000, rax=-4, rbx=7, rip=CODE)
    assert (native.number, native.lwp, native.ident) == (1, 201, 0x7000)
    assert (native.syscall, native.stack_pointer, native.program_counter) == ("futex", 0x6000, CODE)
    assert native.arguments == (0x1234, 128, 2, None, None, None)
    assert set(native.registers) == {(1 << 64) - 4, 7, 0x1234, 128, 2}


def test_a_thread_of_x86_64_outside_of_a_system_call(target: Target) -> None:
    native = target.one("i386:x86-64", fs_base=0x7000, orig_rax=-1, rdi=0x1234)
    assert native.syscall == "" and native.arguments == ()


@pytest.mark.parametrize("name", ("tpidr", "TPIDR_EL0"))
def test_a_thread_of_aarch64(target: Target, name: str) -> None:
    with_libc(target)
    target.memory.map(CODE, SVC + bytes(PAGE - 4))
    native = target.one("aarch64", pc=CODE, x8=98, x0=0x1234, x1=5, x30=9, sp=0x6000, **{name: 0x7FFF_0000})
    assert native.ident == 0x7FFF_0000 - DESCRIPTOR
    assert (native.syscall, native.stack_pointer) == ("futex", 0x6000)
    assert native.arguments == (0x1234, 5, None, None, None, None)
    assert set(native.registers) == {98, 0x1234, 5, 9}


def test_a_thread_of_aarch64_outside_of_a_system_call(target: Target) -> None:
    target.memory.map(CODE, bytes(PAGE))
    native = target.one("aarch64", pc=CODE + 8, x8=98, x0=0x1234)
    assert native.syscall == "" and native.arguments == ()


def test_the_handle_is_believed_first(target: Target) -> None:
    handle = struct.pack("<Q", 0x5000)
    assert target.one("i386:x86-64", handle, fs_base=0x7000).ident == 0x5000
    assert target.one("aarch64", handle, tpidr=0x7000).ident == 0x5000


@pytest.mark.parametrize("size", (bytes(4), struct.pack("<I", 1 << 14), b"\xff" * 4))
def test_a_thread_pointer_of_aarch64_is_no_ident(target: Target, size: bytes) -> None:
    """What it points to comes behind struct pthread, whose size must be known."""
    assert target.one("aarch64", tpidr=0x7FFF_0000).ident is None
    with_libc(target, size)
    assert target.one("aarch64", tpidr=0x7FFF_0000).ident is None


@pytest.mark.parametrize("registers", ({}, {"tpidr": None, "TPIDR_EL0": None}, {"tpidr": 0}))
def test_a_target_that_gives_no_thread_pointer(target: Target, registers: Dict[str, Optional[int]]) -> None:
    with_libc(target)
    assert target.one("aarch64", **registers).ident is None


def test_registers_behind_one_that_is_unavailable(target: Target) -> None:
    native = target.one("i386:x86-64", fs_base=None, rsp=0x6000, rax=None, rbx=7)
    assert native.ident is None and native.syscall is None
    assert native.stack_pointer == 0x6000 and set(native.registers) == {7}


@pytest.mark.parametrize("architecture", ("riscv:rv64", "i386", "i386:x64-32", "aarch64:ilp32", ""))
def test_an_unknown_architecture(target: Target, architecture: str) -> None:
    """Its registers are not asked for, whatever they are called."""
    names = ("fs_base", "tpidr", "rsp", "sp", "orig_rax", "x8", "pc", "rip", "rax", "x0")
    native = target.one(architecture, **dict.fromkeys(names, 202))
    assert (native.ident, native.syscall, native.program_counter, native.stack_pointer) == (None,) * 4
    assert native.arguments == ()
    assert not list(native.registers)
    assert (native.number, native.lwp) == (1, 201)


def test_a_running_thread(target: Target) -> None:
    [native] = target.natives(Thread(None))
    assert (native.ident, native.syscall, native.program_counter, native.stack_pointer) == (None,) * 4
    assert native.arguments == ()
    assert not list(native.registers)


def test_the_selected_thread_stays(target: Target) -> None:
    threads = [Thread(Frame("aarch64", {"sp": number}), number=number) for number in (2, 1)]
    target.module.selected = threads[0]
    natives = target.natives(*threads)
    assert [(native.number, native.stack_pointer) for native in natives] == [(1, 1), (2, 2)]
    assert target.module.selected is threads[0]


def test_the_selection_is_put_back_when_ctrl_c_comes_too_soon(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the moment before selection_kept() does it, in which Python hears of it."""
    threads = importlib.import_module("gdbext.target.threads")

    def interrupted(act: Any) -> None:
        raise KeyboardInterrupt

    first, second = (Thread(Frame("aarch64", {}), number=number) for number in (1, 2))
    target.module.selected = first
    monkeypatch.setattr(threads, "_whole", interrupted)
    with pytest.raises(KeyboardInterrupt), threads.selection_kept():
        second.switch()
    assert target.module.selected is second
    threads.put_selection_back()
    assert target.module.selected is first
    second.switch()
    threads.put_selection_back()
    assert target.module.selected is second


# Images of a target that does not tell what is mapped.

AUXV = """\
33   AT_SYSINFO_EHDR      System-supplied DSO's ELF header 0x7ffff7fc1000
3    AT_PHDR              Program headers for program    %#x
4    AT_PHENT             Size of program header entry   56
"""


def images(target: Target) -> List[Tuple[str, bool]]:
    """The path of each image, and whether it defines main."""
    module = importlib.import_module("gdbext.target.images")
    return [(image.path, image.symbol("main") is not None) for image in module.images(target.memory)]


def test_images_by_the_dynamic_linkers_list(target: Target) -> None:
    low, gone = 0x10_0000, 0x20_0000
    target.memory, _image = test_dynamic.linked(
        (test_dynamic.BASE, b""), (gone, b"/lib/gone.so"), (low, b"/lib/libpython3.11.so"))
    target.memory.map(low, test_dynamic.build([test_dynamic.Made("f", 1, 2)], mapped=low))
    target.told["info auxv"] = AUXV % (test_dynamic.BASE + 64)
    assert images(target) == [("/lib/libpython3.11.so", False), ("/usr/bin/python", True)]


def test_images_up_to_where_the_list_is_damaged(target: Target) -> None:
    target.memory, _image = test_dynamic.linked((test_dynamic.BASE, b""), last=0x1000)
    target.told["info auxv"] = AUXV % (test_dynamic.BASE + 64)
    assert images(target) == [("/usr/bin/python", True)]


@pytest.mark.parametrize("headers", (0x1040, test_dynamic.BASE + 128))
def test_an_executable_whose_headers_are_not_there(target: Target, headers: int) -> None:
    target.memory, _image = test_dynamic.linked((test_dynamic.BASE, b""))
    target.told["info auxv"] = AUXV % headers
    assert images(target) == []


def test_no_images_where_gdb_is_told_nothing(target: Target) -> None:
    assert images(target) == []

    def refuse(command: str, to_string: bool) -> str:
        raise Error("%s is not supported on this target" % command)

    target.module.execute = refuse
    assert images(target) == []
