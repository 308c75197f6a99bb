"""The inferior's native threads and the registers that tell what they wait for."""

import sys
from contextlib import contextmanager
from functools import lru_cache
from typing import Callable, Collection, Dict, Iterator, List, Optional, Tuple

import gdb

from ..cpython.memory import Memory, Unreadable
from . import images, processes
from .architecture import ARCHITECTURES, Architecture, Syscall, syscall
from .memory import InferiorMemory

# glibc's size of struct pthread, for libthread_db; a dynamic symbol since glibc 2.34 (nptl_db/structs.def).
_DESCRIPTOR_SIZE = "_thread_db_sizeof_pthread"
# It has 1.7 to 2.3 KB. What is larger is no such size.
_MAX_DESCRIPTOR_SIZE = 1 << 14

_NOT_ASKED = Syscall("not asked", ())


class NativeThread:
    """A thread as the kernel and gdb see it: `number` is gdb's, `lwp` the kernel's.

    `ident` is what pthread_self() and so threading.get_ident() return, None where it is not known.
    Of an architecture that gdbext does not know, no register is read.
    """

    def __init__(self, thread: gdb.InferiorThread, memory: Memory, descriptor_size: Callable[[], Optional[int]],
                 mappings: Callable[[], List[images.Mapping]], of_kernel: bool = False) -> None:
        """`descriptor_size` gives the size in bytes of what pthread_self() points to, None where unknown.

        `of_kernel`: it is a thread of this machine's kernel, which gdb has stopped.
        """
        _pid, lwp, tid = thread.ptid
        self.number = thread.num
        self.lwp = lwp or tid
        self._thread = thread
        self._mappings = mappings
        self.memory = memory
        self._control: Optional[Tuple[Optional[Architecture], Dict[str, int]]] = None
        self._call: Optional[Syscall] = _NOT_ASKED
        self._of_kernel = of_kernel
        self._told: Optional[Tuple[int, int]] = None
        self.ident = self._handle()
        if self.ident is None:
            self.ident = self._ident_of_thread_pointer(descriptor_size)

    @property
    def syscall(self) -> Optional[str]:
        """The name of the system call that the thread is in, its number where gdbext has no name for it.

        "" outside of a system call, None where that is not known, as for a thread that is running.
        """
        found = self._syscall()
        return found.name if found is not None else None

    @property
    def arguments(self) -> Tuple[Optional[int], ...]:
        """The arguments of the system call, None for one that is not known; () outside of a call."""
        found = self._syscall()
        return found.arguments if found is not None else ()

    @property
    def stack_pointer(self) -> Optional[int]:
        """Where the C stack ends, None where that can't be read."""
        return self._pointers()[0]

    @property
    def program_counter(self) -> Optional[int]:
        """The address of the next instruction, None where that can't be read."""
        return self._pointers()[1]

    @property
    def has_registers(self) -> bool:
        """Whether any register of it is known, or may be: of an architecture that gdbext does not know."""
        with selection_kept():
            try:
                self._thread.switch()
                gdb.newest_frame()
            except gdb.error:
                return False
        architecture, registers = self._control_registers()
        return architecture is None or bool(registers)

    @property
    def library(self) -> Optional[str]:
        """The path of the image whose code the thread runs, None where that is not known."""
        counter = self.program_counter
        if counter is None:
            return None
        return next((mapping.path for mapping in self._mappings()
                     if mapping.start <= counter < mapping.end), None)

    @property
    def registers(self) -> Collection[int]:
        """The values of the general registers, as far as they can be read."""
        return self._read_registers(lambda architecture: architecture.general)[1].values()

    def _pointers(self) -> Tuple[Optional[int], Optional[int]]:
        """Where the C stack ends, and the address of the next instruction."""
        if self._control is None and self._told is None and self._of_kernel:
            self._told = processes.pointers(*self._thread.ptid[:2])
        if self._told is not None:
            return self._told
        architecture, registers = self._control_registers()
        if architecture is None:
            return None, None
        return registers.get(architecture.stack_pointer), registers.get(architecture.program_counter)

    def _handle(self) -> Optional[int]:
        """The pthread_t, where gdb has a libthread_db that fits; it costs no frame of the thread."""
        try:
            return int.from_bytes(self._thread.handle(), sys.byteorder)
        except RuntimeError:
            return None

    def _ident_of_thread_pointer(self, descriptor_size: Callable[[], Optional[int]]) -> Optional[int]:
        architecture, registers = self._control_registers()
        if architecture is None:
            return None
        pointer = next((registers[name] for name in architecture.thread_pointers if name in registers), None)
        if not pointer or not architecture.ident_is_below:
            return pointer or None
        size = descriptor_size()
        return pointer - size if size is not None else None

    def _syscall(self) -> Optional[Syscall]:
        if self._call is _NOT_ASKED:
            architecture, registers = self._control_registers()
            self._call = syscall(architecture, registers, self._read) if architecture is not None else None
        return self._call

    def _read(self, address: int, size: int) -> Optional[bytes]:
        try:
            return self.memory.read(address, size)
        except Unreadable:
            return None

    def _control_registers(self) -> Tuple[Optional[Architecture], Dict[str, int]]:
        if self._control is None:
            self._control = self._read_registers(lambda architecture: architecture.control)
        return self._control

    def _read_registers(self, names_of: Callable[[Architecture], Tuple[str, ...]]
                        ) -> Tuple[Optional[Architecture], Dict[str, int]]:
        """Registers by name as unsigned numbers; those that the target does not give are left out.

        Nothing of a thread that runs, nor of an architecture that gdbext does not know.
        """
        found: Dict[str, int] = {}
        with selection_kept():
            try:
                self._thread.switch()
                # Not the selected one, which may be further out: its registers are those of the call.
                frame = gdb.newest_frame()
                architecture = ARCHITECTURES.get(frame.architecture().name())
            except gdb.error:
                return None, found
            for name in names_of(architecture) if architecture is not None else ():
                try:
                    found[name] = int(frame.read_register(name)) & (1 << 64) - 1
                except (gdb.error, ValueError):
                    continue
        return architecture, found


# What selection_kept() is to put back, the outermost first.
_kept: List[Tuple[Optional[gdb.InferiorThread], Optional[gdb.Frame]]] = []


@contextmanager
def selection_kept() -> Iterator[None]:
    """Put the selected thread and frame back at the end."""
    depth = len(_kept)
    thread = gdb.selected_thread()
    frame = None
    if thread is not None:
        try:
            frame = gdb.selected_frame()
        except gdb.error:
            pass
    _kept.append((thread, frame))
    try:
        yield
    finally:
        try:
            _whole(lambda: _select(thread, frame))
        except gdb.error:
            del _kept[depth:]
            raise
        del _kept[depth:]


def put_selection_back() -> None:
    """Put back what selection_kept() has not, for Ctrl-C may come in the very moment before it does so."""
    if _kept:
        thread, frame = _kept[0]
        _kept.clear()
        _select(thread, frame)


def _select(thread: Optional[gdb.InferiorThread], frame: Optional[gdb.Frame]) -> None:
    if thread is not None and thread.is_valid():
        if gdb.selected_thread() is not thread:
            thread.switch()
        if frame is not None and frame.is_valid():
            frame.select()


def _whole(act: Callable[[], None]) -> None:
    """Do what must not be left half done by Ctrl-C, which is heard of afterwards."""
    try:
        act()
    except KeyboardInterrupt:
        act()
        raise


@contextmanager
def selected_meanwhile(number: int) -> Iterator[None]:
    """Select a thread by gdb's number, and put the selection back at the end."""
    with selection_kept():
        for thread in gdb.selected_inferior().threads():
            if thread.num == number:
                thread.switch()
        yield


def selected_number() -> Optional[int]:
    """gdb's number of the selected thread, None where none is selected."""
    thread = gdb.selected_thread()
    return thread.num if thread is not None else None


def selected_ident() -> Optional[int]:
    """threading.get_ident() of the selected thread, None where none is selected or it is not known."""
    thread = gdb.selected_thread()
    if thread is None:
        return None
    memory = InferiorMemory()
    return NativeThread(thread, memory, lambda: _descriptor_size(memory), images.mappings).ident


def native_threads(of_core: bool) -> List[NativeThread]:
    """All threads of the selected inferior, by number."""
    memory = InferiorMemory()
    descriptor_size = lru_cache(maxsize=None)(lambda: _descriptor_size(memory))
    mappings = lru_cache(maxsize=None)(images.mappings)
    pid = gdb.selected_inferior().pid
    of_kernel = not of_core and gdb.current_recording() is None and processes.is_traced_here(pid)
    with selection_kept():
        found = [NativeThread(thread, memory, descriptor_size, mappings, of_kernel)
                 for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)]
        # libthread_db tells gdb of threads by what lies in the dead process's memory, which may be damaged. A core has
        # the registers of each thread that there was.
        return [thread for thread in found if not of_core or thread.has_registers]


def _descriptor_size(memory: Memory) -> Optional[int]:
    """The size in bytes of glibc's struct pthread, None where no image tells: not glibc, or before 2.34."""
    for image in images.images(memory):
        try:
            symbol = image.symbol(_DESCRIPTOR_SIZE)
            size = int.from_bytes(memory.read(symbol.address, 4), "little") if symbol is not None else 0
        except Unreadable:
            continue
        if 0 < size < _MAX_DESCRIPTOR_SIZE:
            return size
    return None
