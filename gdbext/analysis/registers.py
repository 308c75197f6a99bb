"""What the registers of a run of the evaluation loop hold: how a Python frame is found there, shown to a reader."""

from typing import Iterator, List, NamedTuple, Optional

from ..cpython.memory import Unreadable
from ..cpython.objects import TYPE_SUBCLASS
from ..cpython.process import Python
from ..cpython.reader import READ_ERRORS
from .stacks import MAX_LOOP_FRAME, NativeFrame, PythonCall
from .threads import Thread


class Register(NamedTuple):
    """A callee-saved register, or a word of the native frame as "sp+0x40": its value, what that is, None if not known.

    `is_frame` says that it is the address of the very frame.
    """

    name: str
    value: int
    holds: Optional[str]
    is_frame: bool


def registers(call: PythonCall) -> List[Register]:
    """Those of the native frame that runs a Python frame, then the stack slots that hold the frame too.

    Empty where its native frame is not known.
    """
    native = call.native
    if native is None:
        return []
    found = [Register(name, value, _holds(value, call.python, call.thread), value == call.frame.address)
             for name, value in native.registers.items()]
    return found + [Register(f"sp+{offset:#x}", call.frame.address, _holds(call.frame.address, call.python, None), True)
                    for offset in _slots(native, call)]


def _slots(native: NativeFrame, call: PythonCall) -> Iterator[int]:
    """Where in the native frame the address of the Python frame is, as offsets from its stack pointer."""
    if native.end is None:
        return
    size = min(native.end - native.stack_pointer, MAX_LOOP_FRAME) & ~7
    try:
        words = memoryview(call.python.runtime.memory.read(native.stack_pointer, size)).cast("Q")
    except Unreadable:
        return
    for number, word in enumerate(words):
        if word == call.frame.address:
            yield 8 * number


def _holds(value: int, python: Python, thread: Optional[Thread]) -> Optional[str]:
    """What a number is the address of, None where that can't be told."""
    runtime = python.runtime
    if thread is not None and thread.state is not None and value == thread.state.address:
        return "the thread state"
    if runtime.frames.is_frame(value):
        for activation in runtime.frames.activations_from(value):
            frame = activation.frames[0] if activation.frames else None
            if frame is not None and frame.code is not None and frame.address == value:
                return f"the frame of {frame.code.qualname or frame.code.name}"
            break
        return "a frame that is not shown"
    try:
        objects = runtime.objects
        type_ = objects.type_of(value)
        if value % 8 == 0 and type_.name and objects.type_of(type_.address).flags & TYPE_SUBCLASS:
            return f"{type_.name} object"
    except READ_ERRORS:
        pass
    return None
