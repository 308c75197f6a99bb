"""Lines of source with the marks below that show where in them an error is: PEP 657, 3.11 and later.

Which part of an expression gets other marks than the rest is found by parsing it, with the Python that runs
this: source that only a newer Python can parse is marked as one piece.
Facts: Lib/traceback.py of 3.11 to 3.15.
"""

import re
import textwrap
from typing import TYPE_CHECKING, Callable, Iterator, List, NamedTuple, Optional, Tuple

from ..cpython.lines import Positions

if TYPE_CHECKING:
    import ast

# Gives a line of a file with its newline, "" where there is none.
SourceLine = Callable[[int], str]
# Gives how many columns of a terminal a text takes.
Width = Callable[[str], int]

_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[ -@]*[A-~]")


class _Anchors(NamedTuple):
    """Of an expression, the part that is at fault: an operator, or brackets with what is in them.

    Each place is a line, counted from that of the expression, and a column in characters.
    """

    start: Tuple[int, int]
    end: Tuple[int, int]


def characters(text: str) -> int:
    """One column each: the first releases of 3.11."""
    return len(text)


def wide(text: str) -> int:
    """East Asian wide characters take two columns: 3.11 to 3.14."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def combined(text: str) -> int:
    """Characters that join others take none, escape sequences neither: 3.15 (gh-130273)."""
    if len(text) == 1 and text != "\x1a":
        return _columns(text)
    sequences = sum(map(len, _ESCAPE_SEQUENCE.findall(text)))
    return sum(map(_columns, text)) - sequences + text.count("\x1a")


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    import unicodedata

    if unicodedata.combining(character):
        return 0
    if unicodedata.category(character) == "Cf" and character != "\u00ad":
        return 0
    return 1 if unicodedata.east_asian_width(character) in ("N", "Na", "H", "A") else 2


def _character_offset(text: str, offset: int) -> int:
    """The offset in characters for one in bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace"))


def marks_of_line(line: str, positions: Positions, width: Width, exact_brackets: bool) -> Optional[str]:
    """What 3.11 and 3.12 print below a line without its indentation; None for nothing.

    The first releases of 3.11 look for operators and brackets less exactly, and take a character for a column.
    """
    if positions.column is None or positions.end_column is None:
        return None
    stripped = line.strip()
    removed = len(line) - len(stripped)
    start = _character_offset(line, positions.column)
    end = _character_offset(line, positions.end_column)
    segment = line[start:end]
    anchors = None
    if positions.line == positions.end_line:
        anchors = _anchors_in_line(segment, exact_brackets)
    else:
        # Only the first of the lines is shown.
        end = len(line.rstrip()) if exact_brackets else removed + len(stripped) - 1
    if end - start >= len(stripped) and not (anchors and anchors.end[1] > anchors.start[1]):
        return None
    first, last = width(line[:start]), width(line[:end])
    room = " " * (first + 1 - removed)
    if anchors is None:
        return room + "^" * (last - first)
    left, right = width(segment[:anchors.start[1]]), width(segment[:anchors.end[1]])
    return room + "~" * left + "^" * (right - left) + "~" * (last - first - right)


def _anchors_in_line(segment: str, exact: bool) -> Optional[_Anchors]:
    """The operator of a binary operation, or the brackets of a subscript. None for all else."""
    import ast

    try:
        body = ast.parse(segment).body
        if len(body) != 1 or not isinstance(body[0], ast.Expr):
            return None
        expression = body[0].value
        if isinstance(expression, ast.BinOp):
            return _operator_in_line(segment, expression, exact)
        if isinstance(expression, ast.Subscript):
            return _brackets_in_line(segment, expression, exact)
    except (SyntaxError, ValueError, TypeError, IndexError, RecursionError, MemoryError):
        pass
    return None


def _operator_in_line(segment: str, expression: "ast.BinOp", exact: bool) -> _Anchors:
    between = segment[_character_offset(segment, expression.left.end_col_offset or 0):
                      _character_offset(segment, expression.right.col_offset)]
    skipped = len(between) - len(between.lstrip())
    # Bytes and characters are mixed here as they are there.
    left = (expression.left.end_col_offset or 0) + skipped
    right = left + 1
    if skipped + 1 < len(between) and not between[skipped + 1].isspace():
        right += 1
    while exact and left < len(segment) and (segment[left].isspace() or segment[left] in ")#"):
        left += 1
        right += 1
    return _Anchors((0, _character_offset(segment, left)), (0, _character_offset(segment, right)))


def _brackets_in_line(segment: str, expression: "ast.Subscript", exact: bool) -> _Anchors:
    left = _character_offset(segment, expression.value.end_col_offset or 0)
    right = _character_offset(segment, (expression.slice.end_col_offset or 0) + 1)
    if exact:
        while left < len(segment) and segment[left] != "[":
            left += 1
        while right < len(segment) and segment[right] != "]":
            right += 1
        if right < len(segment):
            right += 1
    return _Anchors((0, left), (0, right))


def marked_lines(source: SourceLine, positions: Positions, width: Width) -> List[str]:
    """What 3.13 and later print of the source of an instruction, which may be several lines, with marks below.

    Empty where the source is not at hand. Without columns it is the first line alone.
    """
    first_number, last_number = positions.line, positions.end_line
    if first_number is None:
        return []
    if last_number is None:
        last_number = first_number
    original = [source(number).rstrip() for number in range(first_number, last_number + 1)]
    dedented = textwrap.dedent("\n".join(original) + "\n")
    if not dedented.strip():
        return []
    if positions.column is None or positions.end_column is None:
        return [original[0].strip()]
    lines = dedented.split("\n")[:len(original)]
    removed = len(original[0]) - len(lines[0])
    start = max(0, _character_offset(original[0], positions.column) - removed)
    end = max(0, _character_offset(original[-1], positions.end_column) - removed)
    segment = "\n".join(lines)
    segment = segment[start:len(segment) - (len(lines[-1]) - end)]
    anchors = _anchors(segment)
    marked = _Marks(lines, start, end, anchors, width) if _needs_marks(lines, start, end, anchors) else None
    found: List[str] = []
    shown = -1
    for number in _significant(lines, anchors):
        if number - shown == 2:
            found += _with_marks(lines, shown + 1, marked)
        elif number - shown > 2:
            found.append(f"...<{number - shown - 1} lines>...")
        found += _with_marks(lines, number, marked)
        shown = number
    return textwrap.dedent("\n".join(found)).split("\n")


def _significant(lines: List[str], anchors: Optional[_Anchors]) -> List[int]:
    """The lines that are shown: the first, the last, and those around the part at fault."""
    found = {0, len(lines) - 1}
    if anchors:
        for number in (anchors.start[0], anchors.end[0]):
            found.update(range(number - 1, number + 2))
    return sorted(number for number in found if 0 <= number < len(lines))


def _with_marks(lines: List[str], number: int, marks: Optional["_Marks"]) -> Iterator[str]:
    yield lines[number]
    if marks is not None:
        yield marks.below(number)


class _Marks:
    """The marks below lines of one expression, which starts and ends at characters of the first and last line."""

    def __init__(self, lines: List[str], start: int, end: int, anchors: Optional[_Anchors], width: Width) -> None:
        self._lines = lines
        self._width = width
        self._start = width(lines[0][:start])
        self._end = width(lines[-1][:end])
        self._anchors = None
        if anchors:
            # They count from the start of the expression.
            self._anchors = [
                (number, width(lines[number][:column + (start if number == 0 else 0)]))
                for number, column in (anchors.start, anchors.end)]

    def below(self, number: int) -> str:
        """The marks below one line."""
        line = self._lines[number]
        indentation = len(line) - len(line.lstrip())
        columns = self._end if number == len(self._lines) - 1 else self._width(line)
        return "".join(
            " " if column < indentation or number == 0 and column < self._start
            else "^" if self._anchors is None or self._anchors[0] <= (number, column) < self._anchors[1] else "~"
            for column in range(columns))


def _needs_marks(lines: List[str], start: int, end: int, anchors: Optional[_Anchors]) -> bool:
    """Not where they would be below all of the lines, and not for a plain `return f()` or `x = f()`."""
    import ast

    try:
        body = ast.parse("\n".join(lines)).body
        if not body:
            return False
        call = _call_of(body[0])
        if call is not None and (call.lineno, call.end_lineno, call.col_offset, call.end_col_offset) == (
                1, len(lines), start, end):
            return False
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return bool(anchors or lines[0][:start].lstrip() or lines[-1][end:].rstrip())


def _call_of(statement: "ast.stmt") -> Optional["ast.Call"]:
    import ast

    if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Call):
        return statement.value if isinstance(statement.value.func, ast.Name) else None
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
        if len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
            return statement.value
    return None


def _anchors(segment: str) -> Optional[_Anchors]:
    """The operator of a binary operation, the brackets of a subscript or a call; it may be on several lines."""
    import ast

    try:
        # In parentheses, which make an expression of what may have a newline in it; on lines of their own.
        body = ast.parse(f"(\n{segment}\n)").body
        if len(body) != 1 or not isinstance(body[0], ast.Expr):
            return None
        expression = body[0].value
        text = _Text(segment)
        if isinstance(expression, ast.BinOp):
            return text.operator(expression)
        if isinstance(expression, ast.Subscript):
            return text.brackets(expression.value, "[", expression)
        if isinstance(expression, ast.Call):
            return text.brackets(expression.func, "(", expression)
    except (SyntaxError, ValueError, TypeError, IndexError, RecursionError, MemoryError):
        pass
    return None


class _Text:
    """The lines of an expression that was parsed with one line before it. Raises IndexError past the end."""

    def __init__(self, segment: str) -> None:
        self._lines = segment.splitlines()

    def _place(self, line: int, column: int) -> Tuple[int, int]:
        """The place in lines and characters of what ast has in its own lines, from 1, and in bytes."""
        return line - 2, _character_offset(self._lines[line - 2], column)

    def _valid(self, line: int, column: int) -> Tuple[int, int]:
        """The place, or the next one at which there is a character."""
        while column >= len(self._lines[line]):
            line, column = line + 1, 0
        return line, column

    def _find(self, place: Tuple[int, int], stop: Callable[[str], bool]) -> Tuple[int, int]:
        """The next character that `stop` is true of, comments and continuations left out."""
        line, column = self._valid(*place)
        while True:
            character = self._lines[line][column]
            if character in "\\#":
                line, column = self._valid(line + 1, 0)
            elif stop(character):
                return line, column
            else:
                line, column = self._valid(line, column + 1)

    def operator(self, expression: "ast.BinOp") -> _Anchors:
        """The operator between two operands, of one or two characters."""
        after_left = self._place(expression.left.end_lineno or 0, expression.left.end_col_offset or 0)
        line, column = self._find(after_left, lambda character: not character.isspace() and character != ")")
        end = column + 1
        right = self._place(expression.right.lineno, expression.right.col_offset)
        text = self._lines[line]
        if (end < len(text) and (right[0] > line or end < right[1])
                and not text[end].isspace() and text[end] not in "\\#"):
            end += 1
        return _Anchors((line, column), (line, end))

    def brackets(self, before: "ast.expr", bracket: str, expression: "ast.expr") -> _Anchors:
        """From the first bracket behind one expression to the end of the whole."""
        start = self._find(self._place(before.end_lineno or 0, before.end_col_offset or 0),
                           lambda character: character == bracket)
        return _Anchors(start, self._place(expression.end_lineno or 0, expression.end_col_offset or 0))
