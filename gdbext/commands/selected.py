"""The selected Python frame, as the commands that look into one have it."""

from itertools import islice
from typing import Callable, NamedTuple, Optional

from ..analysis import stacks
from ..analysis.bindings import Bindings, TextOf, bindings
from ..analysis.names import NotFound
from ..cpython.frames import Frame
from ..cpython.process import Python
from ..target import selection
from . import settings
from .command import refuse
from .model import Model


class Selected(NamedTuple):
    """A Python frame of the selected thread and its number, counted from the innermost one."""

    number: int
    call: stacks.PythonCall


def selected(current: Model) -> Optional[Selected]:
    """What the user has selected, else the innermost Python frame at or outside of gdb's frame.

    None where the thread has no Python frame. Refuses where there is one, but not at or outside of gdb's.
    """
    kept = selection.kept()
    if kept is None and selection.is_newest():
        innermost = _innermost(current)
        if innermost is not None:
            return Selected(0, innermost)
    calls = current.stack().python
    if kept is not None and kept.number < len(calls) and calls[kept.number].frame.address == kept.address:
        return Selected(kept.number, calls[kept.number])
    if not calls or selection.is_newest():
        return Selected(0, calls[0]) if calls else None
    place = selection.stack_pointer()
    for number, call in enumerate(calls):
        # The stack grows downwards.
        if place is not None and call.native is not None and call.native.stack_pointer >= place:
            return Selected(number, call)
    refuse("no Python frame is known to be at or outside of the selected frame: select one with py-frame-plus N")


def _innermost(current: Model) -> Optional[stacks.PythonCall]:
    """Found without unwinding native frames, which takes its time in deep recursions."""
    walked = [(thread, list(islice(thread.frames(), 1))) for thread in current.selected()]
    if stacks.is_doubtful(walked):
        return None
    thread, frames = walked[0]
    assert thread.python is not None
    return stacks.PythonCall(frames[0], thread.python, thread, stacks.THREAD_STATE, None)


def select(number: int, call: stacks.PythonCall) -> Selected:
    """Make this the selected Python frame, and its native frame gdb's."""
    native = (call.native.pc, call.native.stack_pointer) if call.native is not None else None
    selection.keep(number, call.frame.address, native)
    return Selected(number, call)


def bindings_of_frames() -> Callable[[Python, Frame], Bindings]:
    """What tells the variables of a frame, values as the user's settings have them."""
    text_of = value_text(listed=True)
    return lambda python, frame: bindings(python.runtime, frame, text_of)


def value_text(listed: bool = False) -> TextOf:
    """What tells the value at an address, as the user's settings have it for one value or for one of many."""
    limits = settings.limits_listed() if listed else settings.limits()
    return lambda runtime, address: runtime.values.text(address, limits)


def convenience(name: str) -> int:
    """The value of a register or variable of gdb's, "$rdi", as an address. Raises names.NotFound."""
    value = selection.value(name)
    if value is None:
        raise NotFound(f"{name} is no register and no variable with a number or pointer for its value")
    return value
