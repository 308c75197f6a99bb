"""The signal that a thread has stopped at, or that has ended the process of a core."""

import signal
from typing import NamedTuple, Optional

import gdb

from ..cpython.memory import Unreadable
from . import images
from .memory import InferiorMemory
from .threads import selected_number, selection_kept

# Signals that a fault in the code raises (faulthandler enables itself for these, Modules/faulthandler.c), and
# the one of a system call that a filter forbids.
_FATAL = (signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGSYS)
# Of those, the ones whose information has the address at fault (man sigaction).
_WITH_ADDRESS = (signal.SIGSEGV, signal.SIGFPE, signal.SIGBUS, signal.SIGILL)

# glibc's variable for why it has aborted: a failed assert(), a damaged heap. It points to a number of four bytes
# and a text (assert/assert.c; GLIBC_PRIVATE, of which debuggers are the users).
_WHY_ABORTED = "__abort_msg"
_MAX_REASON = 1024

# Threads that are asked for their signal. In a kernel's core the first one has it.
MAX_THREADS = 1000


class Fatal(NamedTuple):
    """A fatal signal. `thread` is gdb's number of the thread that got it.

    `address` is what the code wanted to access or run, None where the signal does not tell; `sender` is the
    process that has sent the signal, None for a fault, and for a process that has sent it to itself.
    """

    number: int
    name: str
    meaning: str
    thread: int
    address: Optional[int]
    sender: Optional[int]
    reason: Optional[str] = None


def fatal() -> Optional[Fatal]:
    """The fatal signal of this stop or core, None where there is none. The selected thread is asked first."""
    found = _of_selected()
    if found is not None:
        return found
    with selection_kept():
        threads = sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)
        for thread in threads[:MAX_THREADS]:
            try:
                thread.switch()
            except gdb.error:
                continue
            found = _of_selected()
            if found is not None:
                return found
    return None


def _of_selected() -> Optional[Fatal]:
    number = _member("si_signo")
    thread = selected_number()
    if number not in _FATAL or thread is None:
        return None
    # SI_USER and SI_TKILL; what the kernel raises has a code above 0.
    sent = (_member("si_code") or 0) <= 0
    sender = _member("_sifields._kill.si_pid") if sent else None
    address = _member("_sifields._sigfault.si_addr") if number in _WITH_ADDRESS and not sent else None
    return Fatal(number, signal.Signals(number).name, signal.strsignal(number) or "", thread, address,
                 None if sender == gdb.selected_inferior().pid else sender or None,
                 _reason() if number == signal.SIGABRT else None)


def _reason() -> Optional[str]:
    memory = InferiorMemory()
    for image in images.images(memory):
        try:
            symbol = image.symbol(_WHY_ABORTED)
            message = memory.u64(symbol.address) if symbol is not None else 0
            if message:
                return _text(memory, message + 4)
        except Unreadable:
            continue
    return None


def _text(memory: InferiorMemory, address: int) -> str:
    found = b""
    while b"\0" not in found and len(found) < _MAX_REASON:
        found += memory.read(address + len(found), 1)
    return found.partition(b"\0")[0].decode("utf-8", "backslashreplace").strip()


def _member(path: str) -> Optional[int]:
    """A member of the selected thread's siginfo_t, None where the target does not tell."""
    try:
        return int(gdb.parse_and_eval(f"$_siginfo.{path}"))
    except (gdb.error, ValueError):
        return None
