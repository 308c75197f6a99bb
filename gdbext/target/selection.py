"""Which Python frame is selected, in each thread, beside gdb's own selection.

The two move together: a command that selects a Python frame selects the native frame that evaluates it,
where gdb has one; and once the user has selected another native frame or thread, what was kept here counts
no more. Nor does it when the process has run.
"""

from typing import Dict, NamedTuple, Optional, Tuple

import gdb

from .frames import find

_ADDRESS = (1 << 64) - 1


class Selected(NamedTuple):
    """A selected Python frame: its number from the innermost one, its address, and gdb's frame at that time."""

    number: int
    address: int
    native: Optional[gdb.Frame]


# By the inferior's number and the thread's.
_kept: Dict[Tuple[int, int], Selected] = {}
_connected = False


def _forget(event: object) -> None:
    """A thread of non-stop mode that goes on takes its own selection only."""
    thread = getattr(event, "inferior_thread", None)
    if thread is None or not thread.is_valid():
        _kept.clear()
    else:
        _kept.pop((thread.inferior.num, thread.num), None)


def keep(number: int, address: int, native: Optional[Tuple[int, int]]) -> None:
    """Select a Python frame of the selected thread.

    `native` has the pc and the stack pointer of the native frame that evaluates it, None where that is not
    known.
    """
    global _connected
    if not _connected:
        _connected = True
        gdb.events.cont.connect(_forget)
        gdb.events.exited.connect(_forget)
    frame = find(*native) if native is not None else None
    if frame is not None:
        frame.select()
    thread = gdb.selected_thread()
    _kept[thread.inferior.num, thread.num] = Selected(number, address, _frame())


def kept() -> Optional[Selected]:
    """The Python frame that was selected in the selected thread, None where gdb's frame is another since."""
    thread = gdb.selected_thread()
    found = _kept.get((thread.inferior.num, thread.num)) if thread is not None else None
    return found if found is not None and found.native == _frame() else None


def is_newest() -> bool:
    """Whether gdb's selected frame is the innermost one of its thread, or gdb has none."""
    try:
        return gdb.selected_frame() == gdb.newest_frame()
    except gdb.error:
        return True


def stack_pointer() -> Optional[int]:
    """Of gdb's selected frame, None where it is not known."""
    frame = _frame()
    try:
        return int(frame.read_register("sp")) & _ADDRESS if frame is not None else None
    except (gdb.error, ValueError):
        return None


def _frame() -> Optional[gdb.Frame]:
    try:
        return gdb.selected_frame()
    except gdb.error:
        return None


def value(name: str) -> Optional[int]:
    """The value of a register or a convenience variable, "$rdi"; None where it has none that is a number."""
    try:
        return int(gdb.parse_and_eval(name)) & _ADDRESS
    except (gdb.error, ValueError):
        return None
