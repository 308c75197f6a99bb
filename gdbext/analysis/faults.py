"""Where a fatal signal has met a thread: the libraries at fault, and the Python line that called them."""

import os
from typing import Callable, List, NamedTuple, Optional

from ..cpython.frames import Frame
from .stacks import PythonCall, Stack

# How far from the stack pointer a function touches its stack, bytes: local variables of more are rare, and a
# return address is pushed below it. What lies that near and can't be accessed is where the stack ends.
MAX_STEP = 64 * 1024


class Fault(NamedTuple):
    """What was running. Paths of files; None is what is not known or is none.

    `library` holds the instruction. `extension` is the innermost extension module between it and the
    Python frame that has called, None where there is none, as where the interpreter itself is at fault.
    `is_placed` is false where the frame's place among the native ones is not known, as in a stack that is too
    deep to be walked: then only an extension module that is itself at fault is told. `is_overflow` says that
    the thread has used up its stack.
    """

    library: Optional[str]
    function: Optional[str]
    extension: Optional[str]
    frame: Optional[Frame]
    is_placed: bool
    is_overflow: bool


def fault(stack: Stack, exports: Callable[[str, str], bool], address: Optional[int]) -> Fault:
    """Of a thread's stack.

    `exports` tells whether the image at a path defines a symbol, `address` what can't be accessed, None where
    the signal does not tell.
    """
    natives = []
    innermost = None
    for call in stack.calls:
        if isinstance(call, PythonCall):
            innermost = call
            break
        natives.append(call.frame)
    is_placed = innermost is None or innermost.native is not None
    libraries: List[Optional[str]] = [native.library for native in natives]
    callers = dict.fromkeys(libraries if is_placed else libraries[:1])
    extension = next((path for path in callers if path and _is_extension(path, exports)), None)
    return Fault(libraries[0] if libraries else None, natives[0].name if natives else None, extension,
                 innermost.frame if innermost is not None else None, is_placed,
                 bool(natives and address is not None and abs(natives[0].stack_pointer - address) <= MAX_STEP))


def _is_extension(path: str, exports: Callable[[str, str], bool]) -> bool:
    """Whether a file has the function that makes the module of its name (importlib, ExtensionFileLoader)."""
    return exports(path, "PyInit_" + os.path.basename(path).partition(".")[0])
