"""Convenience functions about the selected Python frame, for the conditions of breakpoints."""

import math
from typing import Any, Optional

from .command import Function


def _frame() -> Optional[Any]:
    """The call whose frame is selected, None where there is no Python."""
    from . import model
    from .selected import selected

    chosen = selected(model.current())
    return chosen.call if chosen is not None else None


class PyFile(Function):
    """Where C code was called from."""

    NAME = "_pyfile"
    USAGE = "$_pyfile()"
    SUMMARY = "The source file of the selected Python frame, an empty string where there is none."

    def answer(self, *arguments: Any) -> Any:
        """co_filename."""
        call = _frame()
        return call.frame.code.filename if call is not None and call.frame.code is not None else self.NOTHING


class PyLine(Function):
    """The line in that file."""

    NAME = "_pyline"
    USAGE = "$_pyline()"
    SUMMARY = "The line that the selected Python frame is at, 0 where there is none or it is not known."
    NOTHING = 0

    def answer(self, *arguments: Any) -> Any:
        """The line of the last instruction."""
        call = _frame()
        return call.frame.line or self.NOTHING if call is not None else self.NOTHING


class PyFunction(Function):
    """The function in it."""

    NAME = "_pyfunction"
    USAGE = "$_pyfunction()"
    SUMMARY = "The name of the function of the selected Python frame, an empty string where there is none."

    def answer(self, *arguments: Any) -> Any:
        """co_name."""
        call = _frame()
        return call.frame.code.name if call is not None and call.frame.code is not None else self.NOTHING


class PyValue(Function):
    """The value of a name."""

    NAME = "_pyvalue"
    USAGE = '$_pyvalue("NAME" [, OTHERWISE])'
    SUMMARY = ("The value of a Python name in the selected Python frame, as py-print-plus looks it up.\n"
               "A float, and an int or bool of 64 bits at most, is a number, all else the string that repr() gives.\n"
               "Where there is no such name it is OTHERWISE, or an empty string. If OTHERWISE is a number, so is the\n"
               "answer: OTHERWISE in the place of strings too, and a larger int as the float next to it.")

    def nothing(self, *arguments: Any) -> Any:
        """The second argument."""
        return arguments[1] if len(arguments) > 1 else self.NOTHING

    def answer(self, *arguments: Any) -> Any:
        """A number or a text."""
        from ..analysis.names import Names, NotFound
        from ..cpython.objects import LONG_SUBCLASS
        from .selected import convenience, value_text

        call = _frame()
        if call is None or not arguments:
            return self.nothing(*arguments)
        runtime = call.python.runtime
        try:
            address = Names(runtime).find(call.frame, str(arguments[0]), convenience).address
        except NotFound:
            return self.nothing(*arguments)
        text = value_text()(runtime, address)
        wants_number = len(arguments) > 1 and not isinstance(arguments[1], str)
        type_ = runtime.objects.type_of(address)
        if type_.name == "float":
            return float(text)
        if type_.flags & LONG_SUBCLASS:
            number = runtime.objects.integer(address)
            if -1 << 63 <= number < 1 << 64:
                return number
            if wants_number:
                return _rounded(number)
        return arguments[1] if wants_number else text


def _rounded(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
