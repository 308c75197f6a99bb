"""The inferior's native threads and the registers that tell what they wait for."""

from contextlib import contextmanager
from typing import Iterator, List, NamedTuple, Optional

import gdb


class NativeThread(NamedTuple):
    """A thread as the kernel and gdb see it.

    `number` is gdb's, `lwp` the kernel's. `ident` is the thread pointer, which is what
    pthread_self() and so threading.get_ident() return; None where it can't be read. `syscall` is the
    name of the system call that the thread is in (its number where gdbext has no name for it), None
    outside of one; `argument` is the call's first argument.
    """

    number: int
    lwp: int
    ident: Optional[int]
    syscall: Optional[str]
    argument: Optional[int]


# x86-64. orig_rax is -1 outside of a system call.
_THREAD_POINTER, _SYSCALL, _ARGUMENT = "fs_base", "orig_rax", "rdi"
# restart_syscall takes the place of a call that an earlier stop interrupted; its registers stay.
_SYSCALL_NAMES = {202: "futex", 219: "restart_syscall"}


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
    """All threads of the selected inferior, by number. One that is running has no registers."""
    found = []
    with selection_kept():
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
            found.append(_read(thread))
    return found


def _read(thread: gdb.InferiorThread) -> NativeThread:
    ident = syscall = argument = None
    _pid, lwp, tid = thread.ptid
    try:
        thread.switch()
        ident = _register(_THREAD_POINTER)
        number = _register(_SYSCALL, signed=True)
        if number is not None and number >= 0:
            syscall = _SYSCALL_NAMES.get(number, str(number))
            argument = _register(_ARGUMENT)
    except gdb.error:
        pass
    return NativeThread(thread.num, lwp or tid, ident, syscall, argument)


def _register(name: str, signed: bool = False) -> Optional[int]:
    try:
        number = int(gdb.selected_frame().read_register(name))
    except (gdb.error, ValueError):
        return None
    return number if signed else number & (1 << 64) - 1
