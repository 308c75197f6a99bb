"""py-list-plus: the source around the line that the selected Python frame is at."""

import re
from typing import Any, Dict, Optional, Tuple

from .command import JSON, STACK, Command, refuse, write

# As many lines as gdb's list prints: these before the current one, the others after it.
BEFORE = 5
LINES = 10

_RANGE = re.compile(r"(?P<first>\d+)?\s*(?P<comma>,)?\s*(?P<last>\d+)?$", re.ASCII)


class List(Command):
    """Prints or dumps lines of the frame's source file."""

    NAME = "py-list-plus"
    CLASS = STACK
    SUMMARY = "List the source of the selected Python frame around its current line, or the lines START to END."
    USAGE = "py-list-plus [-json] [START[,END]]"
    OPTIONS = (JSON,)
    EXAMPLE = "py-list-plus 20,40"
    EXPRESSION = True

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for the selected frame; a thread without Python gets one line and no error."""
        from ..render import traceback, variables
        from ..render.text import printable
        from . import model, source
        from .selected import selected

        start, end = self._range(options["expression"])
        current = model.current()
        threads = current.selected()
        chosen = selected(current)
        if chosen is None:
            if options["json"]:
                write([traceback.frame_document(self.NAME, current.target(), threads, None, None,
                                                path=None, lines=None, problem=None)])
            else:
                write([traceback.no_frame_text(threads)])
            return
        frame = chosen.call.frame
        if frame.code is None:
            refuse(f"{self.NAME}: {printable(traceback.frame_text(frame))}")
        found = source.current().source(frame.code.filename)
        first, last, problem = _chosen_lines(frame.line, start, end)
        problem = found.problem or problem
        if problem is None and first > len(found.lines):
            problem = f"{frame.code.filename} has no line {first}: its last one is {len(found.lines)}"
        if options["json"]:
            shown = [{"number": number, "text": line, "current": number == frame.line}
                     for number, line in variables.numbered(found.lines, first, last)] if problem is None else None
            write([traceback.frame_document(self.NAME, current.target(), threads, *chosen,
                                            path=found.path, lines=shown, problem=problem)])
        elif problem is not None:
            refuse(f"{self.NAME}: {printable(problem)}{traceback.plain_doubts(frame)}")
        else:
            # Nothing in the lines themselves says that they may be others.
            doubtful = [traceback.frame_text(frame)] if frame.doubts else []
            write(doubtful + list(variables.source_text(found, first, last, frame.line)))

    def _range(self, text: str) -> Tuple[Optional[int], Optional[int]]:
        match = _RANGE.match(text)
        if match is None or not match.group("comma") and match.group("last"):
            refuse(f"{self.NAME}: {text!r} is no range of lines. Usage: {self.USAGE}")
        start, end = match.group("first"), match.group("last")
        return int(start) if start else None, int(end) if end else None


def _chosen_lines(line: Optional[int], start: Optional[int], end: Optional[int]) -> Tuple[int, int, Optional[str]]:
    """The first and the last line to show, and why there are none."""
    if start is None and end is None:
        if line is None:
            return 1, 0, "the line that the frame is at is not known: name the lines, as in py-list-plus 1,20"
        start = max(line - BEFORE, 1)
    if start is None:
        assert end is not None
        start = max(end - LINES + 1, 1)
    if end is None:
        end = start + LINES - 1
    if end < start:
        return 1, 0, f"the range {start},{end} ends before it begins"
    return start, end, None
