"""Tracebacks, most recent call first."""

from itertools import chain
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Sequence, Tuple

from ..analysis.threads import Thread
from ..cpython.frames import Frame
from .document import document as _document
from .text import printable

Stack = Tuple[Thread, Iterable[Frame]]
SourceLine = Callable[[str, int], Optional[str]]

# Calls at the same place in a row that are printed in full (Lib/traceback.py, _RECURSIVE_CUTOFF).
SHOWN_REPEATS = 3


def frame_text(frame: Frame) -> str:
    """One frame as py-bt prints it."""
    if frame.code is None:
        return f"<unreadable at {frame.address:#x}: {frame.problem}>"
    line = frame.line
    return (f'File "{printable(frame.code.filename)}", line {"?" if line is None else line}, '
            f"in {printable(frame.code.name)}")


def interpreter_text(thread: Thread) -> str:
    """ "interpreter 1"; with the runtime, where the process has several."""
    label = thread.python.label
    return f"interpreter {thread.state.interpreter.id}" + (f" of {printable(label)}" if label else "")


def text(stacks: Sequence[Stack], source_line: SourceLine) -> Iterator[str]:
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
        inner = f" in {interpreter_text(thread)}" if len(stacks) > 1 or thread.python.label else ""
        yield f"Traceback{inner} (most recent call first):"
        yield from _folded(chain((first,), frames), source_line)


def _folded(frames: Iterable[Frame], source_line: SourceLine) -> Iterator[str]:
    """The lines of frames; of a recursion only the first ones, as Python's own tracebacks have it."""
    last = None
    repeated = 0
    for frame in frames:
        place = frame_text(frame)
        if place == last:
            repeated += 1
            if repeated >= SHOWN_REPEATS:
                continue
        else:
            yield from _more(repeated)
            last, repeated = place, 0
        yield from _lines(frame, place, source_line)
    yield from _more(repeated)


def _more(repeated: int) -> Iterator[str]:
    count = repeated - SHOWN_REPEATS + 1
    if count > 0:
        yield f"  [Previous line repeated {count} more time{'s' if count > 1 else ''}]"


def _lines(frame: Frame, place: str, source_line: SourceLine) -> Iterator[str]:
    yield "  " + place
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


def document(target: Dict[str, Any], stacks: Sequence[Stack]) -> str:
    """The JSON document of py-bt-plus."""
    native = stacks[0][0].native if stacks else None
    frames = [
        {"kind": "python", **frame_json(frame), "address": f"{frame.address:#x}", "found_by": "thread-state",
         "interpreter": thread.state.interpreter.id,
         "runtime": thread.python.number, "problem": frame.problem}
        for thread, found in stacks for frame in found
    ]
    return _document("py-bt-plus", target, {"number": native.number if native else None, "frames": frames})
