"""Exceptions as the traceback module of their own Python prints them, and as JSON.

How a traceback looks is no layout: it is what each release's Lib/traceback.py does, so a style is chosen by
the release alone. Facts: Lib/traceback.py of 3.6 to 3.15.
"""

from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Protocol, Set, Tuple

from ..analysis.exceptions import Report, Search, Syntax
from ..analysis.faults import Fault
from ..analysis.threads import Thread
from ..cpython.classes import UNKNOWN_MODULE
from ..cpython.exceptions import Entry
from ..cpython.messages import Message
from ..cpython.process import Python
from . import carets, theme
from .document import document as _document
from .text import left_out, printable, visible
from .traceback import doubts_text, frame_json, frame_text, problem_of

# Gives a line of a source file with its newline, "" where it is not at hand.
SourceLine = Callable[[str, int], str]
# Gives the variables of a traceback's frame and their values as text.
Locals = Callable[[Entry], List[Tuple[str, str]]]

CAUSE = "The above exception was the direct cause of the following exception:"
CONTEXT = "During handling of the above exception, another exception occurred:"

# Entries at the same place in a row that are printed (Lib/traceback.py, _RECURSIVE_CUTOFF).
SHOWN_REPEATS = 3
# Exceptions of one group that are printed, and groups within groups (TracebackException's defaults).
MAX_GROUP_WIDTH = 15
MAX_GROUP_DEPTH = 10

# Behind the name of a class against which something speaks.
_NO_NAME = "not certain: type"

# Exceptions within each other in JSON. Readers of JSON have a limit too, which is 1000 for Python's.
MAX_JSON_DEPTH = 100

_GROUP_RULE = "+---------------- {} ----------------"
_GROUP_END = "+------------------------------------"


class Style(NamedTuple):
    """What differs between releases.

    `marks` prints the source of an entry with what marks the error in it; `syntax` the source of a
    SyntaxError, and what is put behind its message.
    """

    marks: Callable[[Entry, SourceLine], List[str]]
    syntax: Callable[[Syntax], Tuple[List[str], str]]
    interactive: Tuple[str, str] = ("", "")


def style(hexversion: int) -> Style:
    """The style of a release, by its sys.hexversion."""
    return next(found for first, found in _STYLES if hexversion >= first)


def text(report: Report, style: Style, source: SourceLine, locals_of: Optional[Locals] = None) -> Iterator[str]:
    """The lines that traceback.format_exception() gives, without their newlines."""
    return _Printer(style, source, locals_of).exception(report)


def type_name(report: Report) -> str:
    """The type as a traceback names it."""
    name = report.name
    if name is None:
        return f"<unreadable exception at {report.address or 0:#x}: {report.problem}>"
    if name.module in ("__main__", "builtins"):
        return visible(name.qualname)
    return visible(f"{name.module or UNKNOWN_MODULE}.{name.qualname}")


def headline(report: Report) -> str:
    """The type and the message, as the last line of a traceback has them."""
    return "\n".join(_message(_marked_type(report), report))


def _marked_type(report: Report) -> str:
    return type_name(report) + ("" if report.is_name_certain else f" [{_NO_NAME}]")


def _message(name: str, report: Report) -> List[str]:
    message = visible(report.message.text + report.suggestion)
    if report.problem is None and (message or report.message.of_args):
        message += _mark(report.message)
    return (f"{name}: {message}" if message else name).split("\n")


def _mark(message: Message) -> str:
    """What is said behind a message that the process itself would make by code."""
    if message.of_args:
        return f" [its args: its own __str__ was not run{', nor their __repr__' * message.needs_code}]"
    return " [not all of this is what str() gives: its args' own code was not run]" if message.needs_code else ""


class _Printer:
    """Prints one exception with all that it leads to."""

    def __init__(self, style: Style, source: SourceLine, locals_of: Optional[Locals]) -> None:
        self._style = style
        self._source = source
        self._locals_of = locals_of
        # The group that is printed: how deep it lies, and whether the line below the last one is still to come.
        self._depth = 0
        self._open = False

    def exception(self, report: Report) -> Iterator[str]:
        """The exception, after those that led to it."""
        chain: List[Tuple[Optional[str], Report]] = []
        following: Optional[Report] = report
        while following is not None:
            current = following
            why = None
            if current.cause is not None:
                why, following = CAUSE, current.cause
            elif current.context is not None and not current.suppress_context:
                why, following = CONTEXT, current.context
            else:
                following = None
            chain.append((why, current))
        for why, current in reversed(chain):
            if why is not None:
                yield from self._indented(["", why, ""])
            if current.exceptions is None:
                if current.entries:
                    yield from self._indented(["Traceback (most recent call last):"])
                    yield from self._indented(self._stack(current.entries))
                yield from self._indented(self._description(current))
            elif self._depth > MAX_GROUP_DEPTH:
                yield from self._indented([f"... (max_group_depth is {MAX_GROUP_DEPTH})"])
            else:
                yield from self._group(current, current.exceptions)

    def _margin(self, mark: str = "|") -> str:
        return " " * (2 * self._depth) + (mark + " " if self._depth else "")

    def _indented(self, lines: Iterable[str], mark: str = "|") -> Iterator[str]:
        for line in lines:
            yield self._margin(mark) + line

    def _group(self, report: Report, members: List[Report]) -> Iterator[str]:
        outermost = self._depth == 0
        if outermost:
            self._depth = 1
        if report.entries:
            yield from self._indented(["Exception Group Traceback (most recent call last):"],
                                      "+" if outermost else "|")
            yield from self._indented(self._stack(report.entries))
        yield from self._indented(self._description(report))
        shown: List[Optional[Report]] = list(members[:MAX_GROUP_WIDTH])
        if len(members) > MAX_GROUP_WIDTH:
            shown.append(None)
        self._open = False
        for number, member in enumerate(shown, 1):
            if number == len(shown):
                # A group within may print the line that ends this one too.
                self._open = True
            yield (" " * (2 * self._depth) + ("+-" if number == 1 else "  ")
                   + _GROUP_RULE.format("..." if member is None else number))
            self._depth += 1
            if member is None:
                more = len(members) - MAX_GROUP_WIDTH
                yield from self._indented([f"and {more} more exception{'s' if more > 1 else ''}"])
            else:
                yield from self.exception(member)
            if number == len(shown) and self._open:
                yield " " * (2 * self._depth) + _GROUP_END
                self._open = False
            self._depth -= 1
        if outermost:
            self._depth = 0

    def _description(self, report: Report) -> List[str]:
        """The type, the message and the notes."""
        name = _marked_type(report)
        if report.syntax is None:
            found = _message(theme.highlight(name), report)
        else:
            lines, suffix = self._style.syntax(report.syntax)
            said = report.syntax.message or Message("")
            message = visible(said.text or "<no detail available>") + _mark(said)
            found = [visible(line) for line in lines] + (
                f"{theme.highlight(name)}: {message}{visible(suffix)}".split("\n"))
        for note in report.notes:
            mark = " [not what str() gives: its own code was not run]" if note.needs_code else ""
            found += (visible(note.text) + mark).split("\n")
        return found

    def _stack(self, entries: Iterable[Entry]) -> Iterator[str]:
        """The entries, outermost call first; of a recursion only the first ones."""
        last: Optional[Tuple[str, Optional[int], str]] = None
        count = 0
        for entry in entries:
            if entry.frame is None or entry.frame.code is None:
                yield from _repeated(count)
                last, count = None, 0
                yield f"  <unreadable at {entry.address:#x}: {entry.problem}>"
                continue
            code = entry.frame.code
            place = code.filename, entry.line, code.name
            if place != last or entry.line is None:
                yield from _repeated(count)
                last, count = place, 0
            count += 1
            if count <= SHOWN_REPEATS:
                yield from self._entry(entry, *place)
        yield from _repeated(count)

    def _entry(self, entry: Entry, filename: str, line: Optional[int], name: str) -> Iterator[str]:
        start, end = self._style.interactive
        if start and filename.startswith(start) and filename.endswith(end):
            filename = "<stdin>"
        yield (f'  File "{theme.filename(printable(filename))}", line {theme.line_number(str(line))}, '
               f"in {theme.function(printable(name))}{doubts_text(entry)}")
        for each in self._style.marks(entry, self._source):
            yield "    " + visible(each)
        for variable, value in sorted(self._locals_of(entry)) if self._locals_of else ():
            yield f"    {theme.variable(printable(variable))} = {visible(value)}"


def _repeated(count: int) -> Iterator[str]:
    more = count - SHOWN_REPEATS
    if more > 0:
        yield f"  [Previous line repeated {more} more time{'s' if more > 1 else ''}]"


def _line(entry: Entry, source: SourceLine) -> str:
    """The source line of an entry with its newline, "" where it is not at hand."""
    if entry.line is None or entry.frame is None or entry.frame.code is None:
        return ""
    return source(entry.frame.code.filename, entry.line)


def _plain(entry: Entry, source: SourceLine) -> List[str]:
    """Up to 3.10: the line alone."""
    line = _line(entry, source).strip()
    return [line] if line else []


def _marked(width: carets.Width, exact_brackets: bool) -> Callable[[Entry, SourceLine], List[str]]:
    """3.11 and 3.12: one line, and marks below it."""
    def marks(entry: Entry, source: SourceLine) -> List[str]:
        line = _line(entry, source)
        if not line.strip():
            return []
        below = carets.marks_of_line(line, entry.positions, width, exact_brackets)
        return [line.strip()] + ([below] if below is not None else [])
    return marks


def _marked_lines(width: carets.Width) -> Callable[[Entry, SourceLine], List[str]]:
    """3.13 and later: all lines of the instruction."""
    def marks(entry: Entry, source: SourceLine) -> List[str]:
        assert entry.frame is not None and entry.frame.code is not None
        filename = entry.frame.code.filename
        positions = entry.positions._replace(line=entry.line)
        return carets.marked_lines(lambda number: source(filename, number), positions, width)
    return marks


def _syntax_of_3_6(syntax: Syntax) -> Tuple[List[str], str]:
    lines = [f'  File "{syntax.filename or "<string>"}", line {syntax.line}']
    return lines + _syntax_source_of_3_6(syntax), ""


def _syntax_of_3_8(syntax: Syntax) -> Tuple[List[str], str]:
    place, suffix = _syntax_place(syntax)
    return place + _syntax_source_of_3_6(syntax), suffix


def _syntax_place(syntax: Syntax) -> Tuple[List[str], str]:
    """Where the error is, as a line of its own, or where no line is known behind the message."""
    if syntax.line is not None:
        return [f'  File "{syntax.filename or "<string>"}", line {syntax.line}'], ""
    return [], f" ({syntax.filename})" if syntax.filename is not None else ""


def _blank(text: str) -> str:
    """As much room as a text takes; tabs and the like stay."""
    return "".join(character if character.isspace() else " " for character in text)


def _syntax_source_of_3_6(syntax: Syntax) -> List[str]:
    if syntax.text is None:
        return []
    lines = ["    " + syntax.text.strip()]
    if syntax.offset is not None:
        before = syntax.text.rstrip("\n")
        lines.append("    " + _blank(before[:min(len(before), syntax.offset) - 1].lstrip()) + "^")
    return lines


def _stripped(text: str) -> Tuple[str, int]:
    """A line without its indentation, and how much that was."""
    whole = text.rstrip("\n")
    stripped = whole.lstrip(" \n\f")
    return stripped, len(whole) - len(stripped)


def _syntax_of_3_9(syntax: Syntax) -> Tuple[List[str], str]:
    lines, suffix = _syntax_place(syntax)
    if syntax.text is not None:
        stripped, spaces = _stripped(syntax.text)
        lines.append("    " + stripped)
        caret = (syntax.offset or 0) - 1 - spaces
        if caret >= 0:
            lines.append("    " + _blank(stripped[:caret]) + "^")
    return lines, suffix


def _syntax_of_3_10(syntax: Syntax) -> Tuple[List[str], str]:
    lines, suffix = _syntax_place(syntax)
    if syntax.text is not None:
        stripped, spaces = _stripped(syntax.text)
        lines.append("    " + stripped)
        if syntax.offset is not None:
            start = syntax.offset
            end = syntax.end_offset or start
            if end in (start, -1):
                end = start + 1
            if start - 1 - spaces >= 0:
                lines.append("    " + _blank(stripped[:start - 1 - spaces]) + "^" * (end - start))
    return lines, suffix


def _syntax_of_3_13(width: Optional[carets.Width]) -> Callable[[Syntax], Tuple[List[str], str]]:
    """With a width (3.15), the marks take as many columns as what they mark."""
    def lines_of(syntax: Syntax) -> Tuple[List[str], str]:
        lines, suffix = _syntax_place(syntax)
        if syntax.text is None:
            return lines, suffix
        stripped, spaces = _stripped(syntax.text)
        lines.append("    " + stripped)
        if syntax.offset is None:
            return lines, suffix
        start = syntax.offset
        past = spaces + len(stripped) + 1
        end = (syntax.end_offset or start) if syntax.line == syntax.end_line else past
        if syntax.text and start > len(syntax.text):
            start = past
        if syntax.text and end > len(syntax.text):
            end = past
        if start >= end or end < 0:
            end = start + 1
        first, last = start - 1 - spaces, end - 1 - spaces
        if first >= 0:
            if width is None:
                lines.append("    " + _blank(stripped[:first]) + "^" * (last - first))
            else:
                marked = stripped[first:last]
                lines.append("    " + " " * width(stripped[:first]) + "^" * (width(marked) if marked else last - first))
        return lines, suffix
    return lines_of


# By the first release that has each, newest first.
_STYLES: Tuple[Tuple[int, Style], ...] = (
    (0x030F0000, Style(_marked_lines(carets.combined), _syntax_of_3_13(carets.combined), ("<stdin-", ">"))),
    (0x030D0100, Style(_marked_lines(carets.wide), _syntax_of_3_13(None), ("<stdin-", ">"))),
    (0x030D0000, Style(_marked_lines(carets.wide), _syntax_of_3_13(None), ("<stdin>-", ""))),
    (0x030C0100, Style(_marked(carets.wide, True), _syntax_of_3_10)),
    (0x030C0000, Style(_marked(carets.characters, True), _syntax_of_3_10)),
    # bpo-43950 came to these two in their releases of December 2023.
    (0x030B0700, Style(_marked(carets.wide, True), _syntax_of_3_10)),
    (0x030B0000, Style(_marked(carets.characters, False), _syntax_of_3_10)),
    (0x030A0000, Style(_plain, _syntax_of_3_10)),
    (0x03090000, Style(_plain, _syntax_of_3_9)),
    (0x03080000, Style(_plain, _syntax_of_3_8)),
    (0x00000000, Style(_plain, _syntax_of_3_6)),
)


def to_json(report: Optional[Report], locals_of: Optional[Locals] = None) -> Optional[Dict[str, Any]]:
    """One exception; what it leads to is within it, as far as that was not met before."""
    if report is None:
        return None
    result: Dict[str, Any] = {}
    waiting = [(report, result, 1)]
    while waiting:
        report, made, depth = waiting.pop()
        name = report.name
        made.update({
            "type": name.qualname if name else None,
            "module": name.module if name and name.module not in ("", UNKNOWN_MODULE) else None,
            "message": None if report.problem or report.message.of_args else report.message.text,
            "exact": report.problem is None and report.message.exact,
            "args": report.args,
            "address": f"{report.address:#x}" if report.address is not None else None,
            "traceback": [_entry_json(entry, locals_of) for entry in report.entries],
            "cause": None,
            "context": None,
            "suppress_context": report.suppress_context,
            "notes": [note.text for note in report.notes],
            "exceptions": None,
            "problem": report.problem or (None if report.is_name_certain else _NO_NAME),
        })
        if depth == MAX_JSON_DEPTH:
            made["problem"] = made["problem"] or f"what led to this is left out: it lies {depth} exceptions deep"
            continue
        for key, linked in (("cause", report.cause), ("context", report.context)):
            if linked is not None:
                made[key] = {}
                waiting.append((linked, made[key], depth + 1))
        if report.exceptions is not None:
            made["exceptions"] = [{} for _ in report.exceptions]
            waiting += [(each, at, depth + 1) for each, at in zip(report.exceptions, made["exceptions"])]
    return result


def _entry_json(entry: Entry, locals_of: Optional[Locals]) -> Dict[str, Any]:
    code = entry.frame.code if entry.frame else None
    found: Dict[str, Any] = {
        "function": code.name if code else None, "file": code.filename if code else None, "line": entry.line,
        "problem": problem_of(entry)}
    return {**found, "locals": dict(locals_of(entry))} if locals_of else found


class Held(NamedTuple):
    """What one thread has: `handling` innermost first; `problem` says why not all of it is known."""

    thread: Thread
    handling: List[Report]
    raising: Optional[Report]
    problem: Optional[str] = None

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to say of it."""
        return not self.handling and self.raising is None and self.problem is None


class Signal(Protocol):
    """A fatal signal: target.signals.Fatal."""

    @property
    def number(self) -> int:
        """Its number."""

    @property
    def name(self) -> str:
        """Its name, as "SIGSEGV"."""

    @property
    def meaning(self) -> str:
        """What that stands for."""

    @property
    def thread(self) -> int:
        """gdb's number of the thread that got it."""

    @property
    def address(self) -> Optional[int]:
        """What the code wanted to access or run, None where the signal does not tell."""

    @property
    def sender(self) -> Optional[int]:
        """The other process that has sent it, None for a fault."""

    @property
    def reason(self) -> Optional[str]:
        """Why the C library has aborted, None where it has not or does not tell."""


class Ended(NamedTuple):
    """What a fatal signal has met. `thread` is that of Python which got it, None where Python never saw it.

    `fault` is None where it was not asked for.
    """

    signal: Signal
    thread: Optional[Thread]
    fault: Optional[Fault]


def ended_text(ended: Ended, selected: Optional[int]) -> Iterator[str]:
    """What faulthandler would have said, as far as the selected thread has to do with it."""
    signal, thread, fault = ended.signal, ended.thread, ended.fault
    at = f" at address {signal.address:#x}" if signal.address is not None else ""
    sent = f", sent by process {signal.sender}" if signal.sender is not None else ""
    name = f' "{printable(thread.name)}"' if thread is not None and thread.name is not None else ""
    here = " (this one)" if signal.thread == selected else ""
    yield (f"Fatal signal {signal.name} ({signal.meaning}){at}{sent}, in thread {signal.thread}{name}{here}, "
           f"{_gil_text(thread)}.")
    if signal.reason is not None:
        yield f"The C library aborted: {printable(signal.reason)}"
    if fault is None:
        return
    if fault.is_overflow:
        yield "Its stack is used up: the address is at the end of that."
    where = printable(fault.library) if fault.library else "code of no file"
    function = f", in {printable(fault.function)}()" if fault.function else ""
    if fault.extension and fault.extension != fault.library:
        yield f"The fault is in {where}{function}, called by the extension {printable(fault.extension)}."
    elif fault.extension:
        yield f"The fault is in the extension {where}{function}."
    elif fault.is_placed:
        yield f"The fault is in {where}{function}; no extension module is between it and Python code."
    else:
        yield f"The fault is in {where}{function}; what is between it and Python code is not known."
    if fault.frame is None:
        yield "No Python code is on that thread's stack."
    elif fault.is_placed:
        yield f"Python called it at {frame_text(fault.frame)}."
    else:
        yield f"The innermost Python code is at {frame_text(fault.frame)}."


def _gil_text(thread: Optional[Thread]) -> str:
    if thread is None:
        return "which Python does not know"
    if thread.attachment is not None:
        return f"{thread.attachment} (there is no GIL)"
    return "which held the GIL" if thread.holds_gil else "which did not hold the GIL"


def ended_json(ended: Optional[Ended]) -> Optional[Dict[str, Any]]:
    """The fatal signal and where it has met the process."""
    if ended is None:
        return None
    signal, thread, fault = ended
    return {
        "number": signal.number,
        "name": signal.name,
        "address": f"{signal.address:#x}" if signal.address is not None else None,
        "sender": signal.sender,
        "reason": signal.reason,
        "thread": signal.thread,
        "gil": thread.gil if thread is not None else None,
        "attachment": thread.attachment if thread is not None else None,
        "stack_overflow": fault.is_overflow if fault else None,
        "library": fault.library if fault else None,
        "native_function": fault.function if fault else None,
        "extension": fault.extension if fault else None,
        "frame": frame_json(fault.frame) if fault and fault.frame and fault.frame.code else None,
    }


def held_text(held: Held, style: Style, source: SourceLine, locals_of: Optional[Locals]) -> Iterator[str]:
    """What a thread raises and handles; nothing where it does neither."""
    if held.problem is not None:
        more = " more that" if held.handling else ""
        yield f"What{more} this thread handles can't be read: {visible(held.problem)}"
    shown: Set[Optional[int]] = set()
    for what, reports in (("Being raised", [held.raising] if held.raising else []), ("Being handled", held.handling)):
        for report in reports:
            place = f" ({report.address:#x})" if report.address is not None else ""
            if what == "Being raised" and not report.entries and held.thread.frame is not None:
                # It has not left a frame yet.
                place += f", in {frame_text(held.thread.frame)}"
            if report.address in shown and report.address is not None:
                yield f"{what}{place}: {headline(report)}, which is shown above"
                continue
            yield f"{what}{place}:"
            yield from text(report, style, source, locals_of)
            yield from remarks(report)
            shown.update(each.address for each in report.all())


def remarks(report: Report) -> Iterator[str]:
    """What has to be said of an answer besides."""
    yield from dict.fromkeys(visible(remark) for each in report.all() for remark in each.remarks)


def document(target: Dict[str, Any], threads: List[Held], ended: Optional[Ended],
             locals_of: Callable[[Python], Optional[Locals]], limit: Optional[int] = None) -> str:
    """The JSON document of py-exc for threads; with a limit, for so many of those that have exceptions."""
    def made(held: Held, report: Optional[Report]) -> Optional[Dict[str, Any]]:
        return to_json(report, locals_of(held.thread.python) if held.thread.python else None)

    return _document("py-exc", target, {"signal": ended_json(ended), "threads": [{
        "number": held.thread.native.number if held.thread.native else None,
        "ident": held.thread.ident,
        "name": held.thread.name,
        "handling": [made(held, report) for report in held.handling],
        "raising": made(held, held.raising),
        "problem": held.problem,
    } for held in threads if limit is None or not held.is_quiet][:limit], "notes": threads_left_out(threads, limit)})


def threads_left_out(threads: List[Held], limit: Optional[int]) -> List[str]:
    """The sentence about those that have exceptions and are not shown."""
    busy = sum(not held.is_quiet for held in threads)
    return left_out(busy, limit, "thread with exceptions", "threads with exceptions")


def document_of_one(target: Dict[str, Any], report: Report, locals_of: Optional[Locals]) -> str:
    """The JSON document of py-exc for an address."""
    return _document("py-exc", target, {"exception": to_json(report, locals_of)})


def heading(thread: Thread) -> str:
    """What stands above the exceptions of one thread of several."""
    native = thread.native
    where = f"Thread {native.number} (LWP {native.lwp})" if native else "Thread state without a thread"
    name = f' "{theme.variable(printable(thread.name))}"' if thread.name is not None else ""
    inner = f" in interpreter {thread.state.interpreter.id}" if thread.state and thread.state.interpreter.id else ""
    return f"{where}{name}{inner}:"


def found_text(search: Search, style: Style, source: SourceLine, locals_of: Optional[Locals]) -> Iterator[str]:
    """The exceptions of the heap, each in full."""
    for report, thread in search.found:
        where = heading(thread).rstrip(":") + " runs one of its frames:" if thread is not None else ""
        yield f"{report.address:#x}: {where}".rstrip(": ") + ":"
        yield from text(report, style, source, locals_of)
        yield from remarks(report)
        yield ""
    count = len(search.found)
    partial = "PARTIAL, interrupted: " if search.partial else ""
    yield f"{partial}{count or 'No'} exception{'s' if count != 1 else ''} with a traceback in the heap" + (
        f", and {search.more} more that are not shown." if search.more else ".")
    yield from map(visible, search.problems)


def document_of_found(target: Dict[str, Any], searches: List[Tuple[Search, Optional[Locals]]]) -> str:
    """The JSON document of py-exc -find; each search with what tells variables of its Python's frames."""
    return _document("py-exc", target, {
        "found": [{"thread": thread.native.number if thread is not None and thread.native else None,
                   **(to_json(report, locals_of) or {})}
                  for search, locals_of in searches for report, thread in search.found],
        "more": sum(search.more for search, _locals_of in searches),
        "problems": [problem for search, _locals_of in searches for problem in search.problems],
        "partial": any(search.partial for search, _locals_of in searches),
    })
