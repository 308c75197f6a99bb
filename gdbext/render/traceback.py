"""Tracebacks, most recent call first."""

from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from ..analysis.threads import Thread
from ..cpython.frames import Frame
from .document import document as _document
from .text import printable

Stack = Tuple[Thread, Iterable[Frame]]


def frame_text(frame: Frame) -> str:
    """One frame as py-bt prints it."""
    if frame.code is None:
        return f"<unreadable at {frame.address:#x}: {frame.problem}>"
    line = frame.line
    return (f'File "{printable(frame.code.filename)}", line {"?" if line is None else line}, '
            f"in {printable(frame.code.name)}")


def text(stacks: List[Stack], source_line: Callable[[str, int], Optional[str]]) -> Iterator[str]:
    """The traceback of one thread, in each interpreter that it is in. `source_line` gives a line of a file."""
    for thread, frames in stacks:
        if thread.state is None:
            yield "No Python in this thread."
            continue
        frames = iter(frames)
        first = next(frames, None)
        if first is None:
            yield "No Python frames: a thread that Python knows, but that runs no Python code now."
            continue
        inner = f" in interpreter {thread.state.interpreter.id}" if len(stacks) > 1 else ""
        yield f"Traceback{inner} (most recent call first):"
        yield from _lines(first, source_line)
        for frame in frames:
            yield from _lines(frame, source_line)


def _lines(frame: Frame, source_line: Callable[[str, int], Optional[str]]) -> Iterator[str]:
    yield "  " + frame_text(frame)
    line = frame.line
    source = source_line(frame.code.filename, line) if frame.code and line is not None else None
    if source:
        yield "    " + printable(source)


def frame_json(frame: Frame) -> Dict[str, Any]:
    """Where a frame is; what is not known is null."""
    code = frame.code
    return {
        "function": code.name if code else None,
        "qualname": code.qualname if code else None,
        "file": code.filename if code else None,
        "line": frame.line,
    }


def document(target: Dict[str, Any], stacks: List[Stack]) -> str:
    """The JSON document of py-bt-plus."""
    native = stacks[0][0].native if stacks else None
    frames = [
        {"kind": "python", **frame_json(frame), "address": f"{frame.address:#x}", "found_by": "thread-state",
         "interpreter": thread.state.interpreter.id, "problem": frame.problem}
        for thread, found in stacks for frame in found
    ]
    return _document("py-bt-plus", target, {"number": native.number if native else None, "frames": frames})
