"""Tracebacks, most recent call first."""

from itertools import chain, count
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from ..analysis.bindings import Bindings
from ..analysis.registers import Register
from ..analysis.stacks import REGISTER, STACK, THREAD_STATE, NativeCall, PythonCall
from ..analysis.stacks import Stack as Merged
from ..analysis.threads import Thread
from ..cpython.exceptions import Entry
from ..cpython.frames import Frame
from ..cpython.process import Python
from . import theme
from .document import document as _document
from .text import printable

Stack = Tuple[Thread, Iterable[Frame]]
SourceLine = Callable[[str, int], Optional[str]]
BindingsOf = Callable[[Python, Frame], Bindings]

NO_PYTHON = "No Python in this thread."
_IDLE = "No Python frames: a thread that Python knows, but that runs no Python code now."

# How a frame is marked that no thread state led to.
_RECOVERED = {REGISTER: " [recovered from registers]", STACK: " [recovered from the C stack]", THREAD_STATE: ""}
_NOT_PLACED = " [place among the native frames not known]"

# The line of a frame, and the frame and its Python unless it is a native one.
_Shown = Tuple[str, Optional[Frame], Optional[Python]]

# Calls at the same place in a row that are printed in full (Lib/traceback.py, _RECURSIVE_CUTOFF).
SHOWN_REPEATS = 3


def frame_text(frame: Frame) -> str:
    """One frame as py-bt prints it."""
    if frame.code is None:
        return f"<unreadable at {frame.address:#x}: {frame.problem}>"
    line = theme.line_number("?" if frame.line is None else str(frame.line))
    return (f'File "{theme.filename(printable(frame.code.filename))}", line {line}, '
            f"in {theme.function(printable(frame.code.name))}{doubts_text(frame)}")


def doubts_text(frame: Union[Frame, Entry]) -> str:
    """ " [not certain: file, line]", "" for one of which nothing is known to be damaged. """
    mark = plain_doubts(frame)
    return theme.metadata(mark) if mark else ""


def plain_doubts(frame: Union[Frame, Entry]) -> str:
    """The same, for text that others colour."""
    doubts = frame.doubts
    return f" [not certain: {', '.join(doubts)}]" if doubts else ""


def interpreter_text(thread: Thread) -> str:
    """ "interpreter 1"; with the runtime, where the process has several."""
    label = thread.python.label
    return f"interpreter {thread.state.interpreter.id}" + (f" of {printable(label)}" if label else "")


def text(stacks: Sequence[Stack], source_line: SourceLine, bindings_of: Optional[BindingsOf] = None) -> Iterator[str]:
    """The traceback of one thread, in each interpreter that it is in. `source_line` gives a line of a file.

    With `bindings_of`, each frame has its number and its variables too.
    """
    numbers = count()
    if not stacks:
        # gdb has a thread that the process did not have; see target/threads.py.
        yield NO_PYTHON
    for thread, frames in stacks:
        if thread.state is None:
            yield NO_PYTHON
            continue
        frames = iter(frames)
        first = next(frames, None)
        if first is None:
            yield _IDLE
            continue
        inner = f" in {interpreter_text(thread)}" if len(stacks) > 1 or thread.python.label else ""
        yield f"Traceback{inner} (most recent call first):"
        shown = ((frame_text(frame), frame, thread.python) for frame in chain((first,), frames))
        yield from _frames(shown, source_line, bindings_of, numbers)


def merged_text(threads: Sequence[Thread], stack: Merged, native: bool, source_line: SourceLine,
                bindings_of: Optional[BindingsOf] = None) -> Iterator[str]:
    """The calls of one thread: Python frames wherever they were found, `native` ones among them.

    `threads` are its thread states, or the thread alone where it has none. `bindings_of` as of text().
    """
    python = stack.python
    calls = [call for call in stack.calls if native or isinstance(call, PythonCall)]
    if python:
        yield "Traceback (most recent call first):"
    elif any(thread.state is not None for thread in threads):
        yield _IDLE
    else:
        yield NO_PYTHON
    labels = len({_interpreter_of(call) for call in python if call.thread is not None}) > 1
    shown = ((_call_text(call, native, labels), call.frame, call.python) if isinstance(call, PythonCall)
             else (native_text(call), None, None) for call in calls)
    yield from _frames(shown, source_line, bindings_of, count())
    yield from (printable(note) for note in stack.notes)


def _interpreter_of(call: PythonCall) -> Tuple[int, Optional[int]]:
    return call.python.number, call.thread.state.interpreter.id if call.thread and call.thread.state else None


def _call_text(call: PythonCall, native: bool, labels: bool) -> str:
    """One call on one line, with marks."""
    marks = f" [{interpreter_text(call.thread)}]" if labels and call.thread is not None else ""
    marks += theme.metadata(_RECOVERED[call.found_by])
    if native and call.native is None:
        marks += theme.metadata(_NOT_PLACED)
    return frame_text(call.frame) + marks


def native_text(call: NativeCall) -> str:
    """A native frame as gdb's bt prints it, and in brackets what Python code calls the function."""
    frame = call.frame
    name = f"{theme.function(printable(frame.name))} ()" if frame.name else f"{frame.pc:#018x} in ?? ()"
    library = f" from {theme.filename(printable(frame.library))}" if frame.library else ""
    return name + library + (f" [{printable(call.callable)}]" if call.callable else "")


def _frames(frames: Iterable[_Shown], source_line: SourceLine, bindings_of: Optional[BindingsOf],
            numbers: Iterator[int]) -> Iterator[str]:
    """The lines of frames; numbered and with their variables where `bindings_of` tells them, else folded."""
    if bindings_of is None:
        yield from _folded(frames, source_line)
        return
    for place, frame, python in frames:
        if frame is None or python is None:
            yield "  " + place
            continue
        yield from _lines(frame, f"#{next(numbers)} {place}", source_line)
        if frame.code is not None:
            yield from bindings_text(bindings_of(python, frame), "        ")


def bindings_text(bindings: Bindings, indent: str = "") -> Iterator[str]:
    """Variables, one a line."""
    for name, value in bindings.found:
        yield f"{indent}{theme.variable(printable(name))} = {value}"
    if bindings.more:
        yield f"{indent}... {bindings.more} more name{'s' if bindings.more > 1 else ''}"
    if bindings.problem is not None:
        yield f"{indent}<unreadable: {printable(bindings.problem)}>"


def _folded(frames: Iterable[_Shown], source_line: SourceLine) -> Iterator[str]:
    """The lines of frames; of a recursion only the first ones, as Python's own tracebacks have it."""
    last = None
    repeated = 0
    for place, frame, _python in frames:
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


def _lines(frame: Optional[Frame], place: str, source_line: SourceLine, indent: str = "  ") -> Iterator[str]:
    yield indent + place
    if frame is None or frame.code is None:
        return
    line = frame.line
    source = source_line(frame.code.filename, line) if line is not None else None
    if source:
        yield f"{indent}  {printable(source)}"


def frame_json(frame: Frame) -> Dict[str, Any]:
    """Where a frame is; what is not known is null."""
    code = frame.code
    return {
        "function": code.name if code else None,
        "qualname": code.qualname if code else None,
        "file": code.filename if code else None,
        "line": frame.line,
        "problem": problem_of(frame),
    }


def problem_of(frame: Union[Frame, Entry]) -> Optional[str]:
    """Why one can't be read, or what of it is not certain; None for neither."""
    doubts = frame.doubts
    return frame.problem or (f"not certain: {', '.join(doubts)}" if doubts else None)


def _python_json(frame: Frame, python: Python, thread: Optional[Thread], found_by: str) -> Dict[str, Any]:
    return {
        "kind": "python", **frame_json(frame), "address": f"{frame.address:#x}", "found_by": found_by,
        "interpreter": thread.state.interpreter.id if thread and thread.state else None,
        "runtime": python.number,
    }


def _native_json(call: NativeCall) -> Dict[str, Any]:
    return {"kind": "native", "function": call.frame.name, "pc": f"{call.frame.pc:#x}",
            "library": call.frame.library, "callable": call.callable}


def bindings_json(bindings: Bindings) -> Optional[Dict[str, str]]:
    """Variables by name, None where they can't be read."""
    return dict(bindings.found) if bindings.problem is None else None


def _locals_json(python: Python, frame: Frame, bindings_of: Optional[BindingsOf]) -> Dict[str, Any]:
    """`locals`, where they were asked for."""
    if bindings_of is None:
        return {}
    return {"locals": bindings_json(bindings_of(python, frame)) if frame.code is not None else None}


def document(target: Dict[str, Any], stacks: Sequence[Stack], bindings_of: Optional[BindingsOf] = None) -> str:
    """The JSON document of py-bt-plus, with `locals` where `bindings_of` tells them."""
    frames = [{**_python_json(frame, thread.python, thread, THREAD_STATE),
               **_locals_json(thread.python, frame, bindings_of)}
              for thread, found in stacks if thread.python for frame in found]
    return _answer("py-bt-plus", target, [thread for thread, _found in stacks], frames=frames)


def merged_document(target: Dict[str, Any], threads: Sequence[Thread], stack: Merged, native: bool,
                    bindings_of: Optional[BindingsOf] = None) -> str:
    """The same of merged_text(); `placed` says whether a Python frame's place among the native ones is known."""
    frames = []
    for call in stack.calls:
        if isinstance(call, PythonCall):
            placed = {"placed": call.native is not None} if native else {}
            frames.append({**_python_json(call.frame, call.python, call.thread, call.found_by), **placed,
                           **_locals_json(call.python, call.frame, bindings_of)})
        elif native:
            frames.append(_native_json(call))
    notes = {"notes": stack.notes} if native else {}
    return _answer("py-bt-plus", target, threads, frames=frames, **notes)


def _answer(command: str, target: Dict[str, Any], threads: Sequence[Thread], **answer: Any) -> str:
    native = threads[0].native if threads else None
    return _document(command, target, {"number": native.number if native else None, **answer})


def no_frame_text(threads: Sequence[Thread]) -> str:
    """What stands in the place of a frame where the thread has none."""
    return _IDLE if any(thread.state is not None for thread in threads) else NO_PYTHON


def call_text(number: int, call: PythonCall, source_line: SourceLine) -> Iterator[str]:
    """One frame with its number, and its line of source."""
    place = f"#{number} {frame_text(call.frame)}{theme.metadata(_RECOVERED[call.found_by])}"
    return _lines(call.frame, place, source_line, "")


def registers_text(call: PythonCall, registers: Sequence[Register]) -> Iterator[str]:
    """The registers of the native frame that runs a Python frame; the one with the frame is marked."""
    if call.native is None:
        yield "No native frame of this thread is known to run it."
        return
    yield f"Registers of {native_text(NativeCall(call.native, None, True))}:"
    width = max((len(register.name) for register in registers), default=0)
    for register in registers:
        mark = "*" if register.is_frame else " "
        holds = f"  {printable(register.holds)}" if register.holds else ""
        yield f"{mark} {register.name:<{width}}  {register.value:#018x}{holds}"


def registers_json(registers: Sequence[Register]) -> List[Dict[str, Any]]:
    """The same as JSON."""
    return [{"register": register.name, "value": f"{register.value:#x}", "holds": register.holds,
             "is_frame": register.is_frame} for register in registers]


def frame_document(command: str, target: Dict[str, Any], threads: Sequence[Thread], number: Optional[int],
                   call: Optional[PythonCall], **answer: Any) -> str:
    """The JSON document about one frame, `frame`, null where the thread has none; `index` is its number."""
    frame = None
    if call is not None:
        frame = {"index": number, **_python_json(call.frame, call.python, call.thread, call.found_by)}
    return _answer(command, target, threads, frame=frame, **answer)
