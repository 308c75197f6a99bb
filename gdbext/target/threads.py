"""The inferior's native threads and the registers that tell what they wait for."""

import sys
from contextlib import contextmanager
from typing import Collection, Dict, Iterable, Iterator, List, Optional

import gdb

# x86-64. orig_rax is -1 outside of a system call.
_THREAD_POINTER, _SYSCALL, _ARGUMENT, _STACK_POINTER = "fs_base", "orig_rax", "rdi", "rsp"
_GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")
# restart_syscall takes the place of a call that an earlier stop interrupted; its registers stay.
_SYSCALL_NAMES = {202: "futex", 219: "restart_syscall"}


class NativeThread:
    """A thread as the kernel and gdb see it: `number` is gdb's, `lwp` the kernel's.

    `ident` is the thread pointer, which is what pthread_self() and so threading.get_ident() return;
    None where it can't be read.
    """

    def __init__(self, thread: gdb.InferiorThread) -> None:
        _pid, lwp, tid = thread.ptid
        self.number = thread.num
        self.lwp = lwp or tid
        self._thread = thread
        self._registers: Optional[Dict[str, int]] = None
        self.ident = self._handle()
        if self.ident is None:
            self.ident = self._register(_THREAD_POINTER)

    @property
    def syscall(self) -> Optional[str]:
        """The name of the system call that the thread is in, its number where gdbext has no name for it.

        None outside of a system call, and for a thread that is running.
        """
        number = self._register(_SYSCALL)
        if number is None or number >> 63:
            return None
        return _SYSCALL_NAMES.get(number, str(number))

    @property
    def argument(self) -> Optional[int]:
        """The first argument of the system call, None outside of one."""
        return self._register(_ARGUMENT) if self.syscall is not None else None

    @property
    def stack_pointer(self) -> Optional[int]:
        """Where the C stack ends, None where that can't be read."""
        return self._register(_STACK_POINTER)

    @property
    def registers(self) -> Collection[int]:
        """The values of the general registers, as far as they can be read."""
        return self._read_registers(_GENERAL).values()

    def _handle(self) -> Optional[int]:
        """The pthread_t, where gdb has a libthread_db that fits; it costs no frame of the thread."""
        try:
            return int.from_bytes(self._thread.handle(), sys.byteorder)
        except RuntimeError:
            return None

    def _register(self, name: str) -> Optional[int]:
        if self._registers is None:
            self._registers = self._read_registers((_THREAD_POINTER, _SYSCALL, _ARGUMENT, _STACK_POINTER))
        return self._registers.get(name)

    def _read_registers(self, names: Iterable[str]) -> Dict[str, int]:
        """Registers by name as unsigned numbers; those that can't be read are left out."""
        found: Dict[str, int] = {}
        with selection_kept():
            try:
                self._thread.switch()
                frame = gdb.selected_frame()
                for name in names:
                    found[name] = int(frame.read_register(name)) & (1 << 64) - 1
            except (gdb.error, ValueError):
                pass
        return found


@contextmanager
def selection_kept() -> Iterator[None]:
    """Put the selected thread and frame back at the end."""
    thread = gdb.selected_thread()
    frame = None
    if thread is not None:
        try:
            frame = gdb.selected_frame()
        except gdb.error:
            pass
    try:
        yield
    finally:
        if thread is not None and thread.is_valid():
            if gdb.selected_thread() is not thread:
                thread.switch()
            if frame is not None and frame.is_valid():
                frame.select()


def selected_number() -> Optional[int]:
    """gdb's number of the selected thread, None where none is selected."""
    thread = gdb.selected_thread()
    return thread.num if thread is not None else None


def native_threads() -> List[NativeThread]:
    """All threads of the selected inferior, by number."""
    with selection_kept():
        return [NativeThread(thread)
                for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)]
