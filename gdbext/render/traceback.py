"""Tracebacks, most recent call first."""

from itertools import chain
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..analysis.stacks import REGISTER, STACK, THREAD_STATE, Call, NativeCall, PythonCall
from ..analysis.stacks import Stack as Merged
from ..analysis.threads import Thread
from ..cpython.frames import Frame
from ..cpython.process import Python
from .document import document as _document
from .text import printable

Stack = Tuple[Thread, Iterable[Frame]]
SourceLine = Callable[[str, int], Optional[str]]

_NO_PYTHON = "No Python in this thread."
_IDLE = "No Python frames: a thread that Python knows, but that runs no Python code now."

# How a frame is marked that no thread state led to.
_RECOVERED = {REGISTER: " [recovered from registers]", STACK: " [recovered from the C stack]", THREAD_STATE: ""}
_NOT_PLACED = " [place among the native frames not known]"

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
            yield _NO_PYTHON
            continue
        frames = iter(frames)
        first = next(frames, None)
        if first is None:
            yield _IDLE
            continue
        inner = f" in {interpreter_text(thread)}" if len(stacks) > 1 or thread.python.label else ""
        yield f"Traceback{inner} (most recent call first):"
        yield from _folded(((frame_text(frame), frame) for frame in chain((first,), frames)), source_line)


def merged_text(threads: Sequence[Thread], stack: Merged, native: bool, source_line: SourceLine) -> Iterator[str]:
    """The calls of one thread: Python frames wherever they were found, `native` ones among them.

    `threads` are its thread states, or the thread alone where it has none.
    """
    python = stack.python
    calls = [call for call in stack.calls if native or isinstance(call, PythonCall)]
    if python:
        yield "Traceback (most recent call first):"
    elif any(thread.state is not None for thread in threads):
        yield _IDLE
    else:
        yield _NO_PYTHON
    labels = len({_interpreter_of(call) for call in python}) > 1
    yield from _folded(((_call_text(call, native, labels), call.frame if isinstance(call, PythonCall) else None)
                        for call in calls), source_line)
    yield from (printable(note) for note in stack.notes)


def _interpreter_of(call: PythonCall) -> Tuple[int, Optional[int]]:
    return call.python.number, call.thread.state.interpreter.id if call.thread and call.thread.state else None


def _call_text(call: Call, native: bool, labels: bool) -> str:
    """One call on one line, with marks."""
    if isinstance(call, NativeCall):
        return native_text(call)
    marks = f" [{interpreter_text(call.thread)}]" if labels and call.thread is not None else ""
    marks += _RECOVERED[call.found_by]
    if native and call.native is None:
        marks += _NOT_PLACED
    return frame_text(call.frame) + marks


def native_text(call: NativeCall) -> str:
    """A native frame as gdb's bt prints it, and in brackets what Python code calls the function."""
    frame = call.frame
    name = f"{printable(frame.name)} ()" if frame.name else f"{frame.pc:#018x} in ?? ()"
    library = f" from {printable(frame.library)}" if frame.library else ""
    return name + library + (f" [{printable(call.callable)}]" if call.callable else "")


def _folded(frames: Iterable[Tuple[str, Optional[Frame]]], source_line: SourceLine) -> Iterator[str]:
    """The lines of frames; of a recursion only the first ones, as Python's own tracebacks have it.

    Each comes with its own line; a native one without the frame.
    """
    last = None
    repeated = 0
    for place, frame in frames:
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


def _lines(frame: Optional[Frame], place: str, source_line: SourceLine) -> Iterator[str]:
    yield "  " + place
    if frame is None or frame.code is None:
        return
    line = frame.line
    source = source_line(frame.code.filename, line) if line is not None else None
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


def _python_json(frame: Frame, python: Python, thread: Optional[Thread], found_by: str) -> Dict[str, Any]:
    return {
        "kind": "python", **frame_json(frame), "address": f"{frame.address:#x}", "found_by": found_by,
        "interpreter": thread.state.interpreter.id if thread and thread.state else None,
        "runtime": python.number, "problem": frame.problem,
    }


def _native_json(call: NativeCall) -> Dict[str, Any]:
    return {"kind": "native", "function": call.frame.name, "pc": f"{call.frame.pc:#x}",
            "library": call.frame.library, "callable": call.callable}


def document(target: Dict[str, Any], stacks: Sequence[Stack]) -> str:
    """The JSON document of py-bt-plus."""
    frames = [_python_json(frame, thread.python, thread, THREAD_STATE)
              for thread, found in stacks if thread.python for frame in found]
    return _answer(target, [thread for thread, _found in stacks], frames)


def merged_document(target: Dict[str, Any], threads: Sequence[Thread], stack: Merged, native: bool) -> str:
    """The same of merged_text(); `placed` says whether a Python frame's place among the native ones is known."""
    frames = []
    for call in stack.calls:
        if isinstance(call, PythonCall):
            placed = {"placed": call.native is not None} if native else {}
            frames.append({**_python_json(call.frame, call.python, call.thread, call.found_by), **placed})
        elif native:
            frames.append(_native_json(call))
    notes = {"notes": stack.notes} if native else {}
    return _answer(target, threads, frames, **notes)


def _answer(target: Dict[str, Any], threads: Sequence[Thread], frames: List[Dict[str, Any]], **more: Any) -> str:
    native = threads[0].native if threads else None
    return _document("py-bt-plus", target, {"number": native.number if native else None, "frames": frames, **more})
