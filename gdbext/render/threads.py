"""The list of threads."""

from collections import Counter
from typing import Any, Dict, Hashable, Iterator, List, Optional, Tuple

from ..analysis.locks import Report
from ..analysis.threads import RUNNING, Thread
from . import theme
from .document import document as _document
from .locks import MAX_NAMED, holders_text, place_text, wait_json, waits_text
from .text import left_out, printable, width
from .traceback import frame_json, interpreter_text

Row = Tuple[str, ...]


def _headings(threads: List[Thread]) -> Row:
    """The column of the GIL tells of thread states where there is no GIL."""
    gil = "State" if any(thread.attachment for thread in threads) else "GIL"
    return ("", "Id", "LWP", "Python ident", "Name", gil, "Frame")


def text(threads: List[Thread], report: Report, selected: Optional[int], notes: List[str],
         columns: Optional[int] = None, limit: Optional[int] = None) -> Iterator[str]:
    """A table: a line for each thread, one more for what it does, then the notes.

    `selected` is gdb's number of the selected thread. `limit` threads are shown at the most. Where the terminal's
    `columns` do not suffice, the frames have lines of their own.
    """
    several = (len({thread.state.interpreter.address for thread in threads if thread.state}) > 1
               or any(thread.python.label for thread in threads if thread.python))
    notes = [*left_out(len(threads), limit, "thread"), *notes]
    threads = threads[:limit]
    rows = [tuple(map(theme.title, _headings(threads)))] + [_row(thread, selected, several) for thread in threads]
    widths = [max(map(width, column)) for column in list(zip(*rows))[:-1]]
    indent = " " * (widths[0] + widths[1] + 4)
    room = sum(widths) + 2 * len(widths)
    narrow = columns is not None and room + max(width(row[-1]) for row in rows) > columns
    if narrow:
        rows[0] = (*rows[0][:-1], "")
    for row, thread in zip(rows, [None, *threads]):
        cells = [cell + " " * (room - width(cell)) for cell, room in zip(row, widths)]
        yield "  ".join(cells + [row[-1]] * (not narrow)).rstrip()
        if narrow and thread is not None:
            yield indent + row[-1]
        doing = doing_text(thread, report) if thread is not None else ""
        if doing:
            yield indent + doing
    yield from map(printable, notes)


def doing_text(thread: Thread, report: Report) -> str:
    """What a thread waits for and who has that, or which code it runs; "" where that is not known."""
    wait = report.wait_of(thread)
    if wait is not None:
        holds = ", while it holds the GIL" if thread.holds_gil else ""
        return f"{waits_text(wait)}{holders_text(report.waited_of(thread), thread)}{holds}"
    if thread.state is None or thread.native is None or thread.activity != RUNNING or thread.gil is None and (
            thread.attachment not in (None, "attached")):
        return ""
    library = thread.native.library
    own = thread.python.runtime.candidate.image.path if thread.python is not None else None
    without = "" if thread.holds_gil or thread.attachment else " without the GIL"
    if library is None or library == own and not without:
        return "runs Python" if library is not None else ""
    return f"runs C code in {theme.filename(printable(library))}{without}"


def grouped(threads: List[Thread], report: Report, notes: List[str], limit: Optional[int] = None) -> Iterator[str]:
    """The threads that stand at the same place together, most of them first, and `limit` groups at the most."""
    groups: Dict[Hashable, List[Thread]] = {}
    for thread in threads:
        stack = tuple((frame.code.address if frame.code is not None else None, frame.line) for frame in thread.frames())
        groups.setdefault((thread.state is None, thread.lent_to is None, stack), []).append(thread)
    for members in sorted(groups.values(), key=len, reverse=True)[:limit]:
        first = members[0]
        count = len(members)
        named = ", ".join(_short(member) for member in members[:MAX_NAMED])
        more = f" and {count - MAX_NAMED} more" if count > MAX_NAMED else ""
        yield f"{count} thread{'' if count == 1 else 's'}: {named}{more}"
        yield "    " + (_stateless(first) if first.state is None else place_text(first.frame))
        # Each may wait for another holder or another object: what at least most of them have in common is told.
        for text_of in (doing_text, _waiting, _kind_of_wait):
            doing = Counter(text_of(member, report) for member in members)
            if sum(times for _text, times in doing.most_common(MAX_NAMED)) > count // 2:
                break
        for text_, times in doing.most_common(MAX_NAMED):
            if text_:
                yield "    " + (text_ if len(doing) == 1 else f"{times}: {text_}")
        if len(doing) > MAX_NAMED:
            yield f"    and {len(doing) - MAX_NAMED} other things"
    yield from left_out(len(groups), limit, "group of threads", "groups of threads")
    yield from map(printable, notes)


def _stateless(thread: Thread) -> str:
    if thread.lent_to is None:
        return "not a Python thread"
    return f"its thread state is used by thread {thread.lent_to.number}: see py-bt-plus"


def _waiting(thread: Thread, report: Report) -> str:
    wait = report.wait_of(thread)
    return f"waits for {printable(wait.detail)}" if wait is not None else doing_text(thread, report)


def _kind_of_wait(thread: Thread, report: Report) -> str:
    wait = report.wait_of(thread)
    if wait is None:
        return doing_text(thread, report)
    what = wait.what[:-len(" of")] if wait.what.endswith(" of") else wait.what
    return f"waits for {printable(what)}, not all for the same"


def _short(thread: Thread) -> str:
    number = str(thread.native.number) if thread.native is not None else "-"
    return number + (f' "{theme.variable(printable(thread.name))}"' if thread.name is not None else "")


def _row(thread: Thread, selected: Optional[int], several: bool) -> Row:
    native, state = thread.native, thread.state
    mark = "*" if native is not None and native.number == selected else ""
    number = str(native.number) if native is not None else "-"
    lwp = str(native.lwp) if native is not None else "-"
    if state is None:
        return (mark, number, lwp, "-", "-", "", _stateless(thread))
    name = theme.variable(printable(thread.name)) if thread.name is not None else "-"
    if several:
        name += f" [{interpreter_text(thread)}]"
    where = place_text(thread.frame)
    if native is None:
        where += " (no thread of this process)" if thread.orphan else " (not known in which thread)"
    ident = f"{thread.ident:#x}" if thread.ident is not None else "-"
    return (mark, number, lwp, ident, name, thread.gil or thread.attachment or "", where)


def document(target: Dict[str, Any], threads: List[Thread], report: Report, notes: List[str],
             limit: Optional[int] = None) -> str:
    """The JSON document of py-threads, with `limit` threads at the most."""
    return _document("py-threads", target, {
        "threads": [_thread(thread, report) for thread in threads[:limit]],
        "notes": [*left_out(len(threads), limit, "thread"), *notes]})


def _thread(thread: Thread, report: Report) -> Dict[str, Any]:
    native = thread.native
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
        "waiting_on": wait_json(report.wait_of(thread), report.waited_of(thread)),
        "frame": frame_json(thread.frame) if thread.frame and thread.frame.code else None,
    }
