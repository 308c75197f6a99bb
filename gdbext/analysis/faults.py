"""Where a fatal signal has met a thread: the libraries at fault, and the Python line that called them."""

import os
from typing import Callable, List, NamedTuple, Optional

from ..cpython.frames import Frame
from .stacks import PythonCall, Stack


class Fault(NamedTuple):
    """What was running. Paths of files; None is what is not known or is none.

    `library` holds the instruction. `extension` is the innermost extension module between it and the
    Python frame that has called, None where there is none, as where the interpreter itself is at fault.
    """

    library: Optional[str]
    function: Optional[str]
    extension: Optional[str]
    frame: Optional[Frame]


def fault(stack: Stack, exports: Callable[[str, str], bool]) -> Fault:
    """Of a thread's stack. `exports` tells whether the image at a path defines a symbol."""
    natives = []
    frame = None
    for call in stack.calls:
        if isinstance(call, PythonCall):
            frame = call.frame
            break
        natives.append(call.frame)
    libraries: List[Optional[str]] = [native.library for native in natives]
    extension = next((path for path in dict.fromkeys(libraries) if path and _is_extension(path, exports)), None)
    return Fault(libraries[0] if libraries else None, natives[0].name if natives else None, extension, frame)


def _is_extension(path: str, exports: Callable[[str, str], bool]) -> bool:
    """Whether a file has the function that makes the module of its name (importlib, ExtensionFileLoader)."""
    return exports(path, "PyInit_" + os.path.basename(path).partition(".")[0])
