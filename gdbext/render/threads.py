"""The list of threads."""

from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..analysis.threads import HOLDS, WAITS, Thread
from .document import document as _document
from .text import printable, width
from .traceback import frame_json, interpreter_text

Row = Tuple[str, ...]


def _headings(threads: List[Thread]) -> Row:
    """The column of the GIL tells of thread states where there is no GIL."""
    gil = "State" if any(thread.attachment for thread in threads) else "GIL"
    return ("", "Id", "LWP", "Python ident", "Name", gil, "Frame")


def text(threads: List[Thread], selected: Optional[int], notes: List[str]) -> Iterator[str]:
    """A table, a thread a line, then the notes; `selected` is gdb's number of the selected thread."""
    several = (len({thread.state.interpreter.address for thread in threads if thread.state}) > 1
               or any(thread.python.label for thread in threads if thread.python))
    rows = [_headings(threads)] + [_row(thread, selected, several) for thread in threads]
    widths = [max(map(width, column)) for column in list(zip(*rows))[:-1]]
    for row in rows:
        cells = [cell + " " * (room - width(cell)) for cell, room in zip(row, widths)]
        yield "  ".join(cells + [row[-1]]).rstrip()
    yield from notes


def _row(thread: Thread, selected: Optional[int], several: bool) -> Row:
    native, state = thread.native, thread.state
    mark = "*" if native is not None and native.number == selected else ""
    number = str(native.number) if native is not None else "-"
    lwp = str(native.lwp) if native is not None else "-"
    if state is None:
        return (mark, number, lwp, "-", "-", "", "not a Python thread")
    name = printable(thread.name) if thread.name is not None else "-"
    if several:
        name += f" [{interpreter_text(thread)}]"
    where = _where(thread)
    if native is None:
        where += " (no thread of this process)" if thread.orphan else " (not known in which thread)"
    ident = f"{thread.ident:#x}" if thread.ident is not None else "-"
    return (mark, number, lwp, ident, name, thread.gil or thread.attachment or "", where)


def _where(thread: Thread) -> str:
    frame = thread.frame
    if frame is None:
        return "no Python frames"
    if frame.code is None:
        return f"<unreadable at {frame.address:#x}>"
    line = "?" if frame.line is None else frame.line
    return f"{printable(frame.code.name)} ({printable(frame.code.filename)}:{line})"


def document(target: Dict[str, Any], threads: List[Thread]) -> str:
    """The JSON document of py-threads."""
    holders = {thread.state.address: thread.ident for thread in threads if thread.state and thread.gil == HOLDS}
    return _document("py-threads", target, {"threads": [_thread(thread, holders) for thread in threads]})


def _thread(thread: Thread, holders: Dict[int, Optional[int]]) -> Dict[str, Any]:
    native, gil = thread.native, thread.waits_for
    return {
        "number": native.number if native else None,
        "lwp": native.lwp if native else None,
        "ident": thread.ident,
        "name": thread.name,
        "interpreter": thread.state.interpreter.id if thread.state else None,
        "runtime": thread.python.number if thread.python else None,
        "gil": thread.gil,
        "attachment": thread.attachment,
        "state": thread.activity,
        "waiting_on": {
            "kind": "gil",
            "address": f"{gil.start:#x}",
            "owner": holders.get(gil.holder) if gil.holder else None,
            "detail": "the GIL",
        } if thread.gil == WAITS and gil else None,
        "frame": frame_json(thread.frame) if thread.frame and thread.frame.code else None,
    }
