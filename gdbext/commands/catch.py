"""py-catch, $_pyexc() and $_pyraised(): stop where an exception is raised."""

import re
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional

from .command import STACK, Command, Function, refuse

if TYPE_CHECKING:
    from ..cpython.exceptions import Raising
    from ..cpython.process import Python
    from ..cpython.runtime import ThreadState

# The function that adds an entry to a traceback (Python/traceback.c): the evaluation loop calls it for each
# frame that an exception reaches, by `raise` or from C code. Every build since 3.6 exports and calls it; those
# that set an exception (PyErr_SetObject and the like) are inlined into each other.
RAISES = "PyTraceBack_Here"

_TYPE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Catch(Command):
    """Sets a breakpoint, which `delete` removes as any other."""

    NAME = "py-catch"
    CLASS = STACK
    SUMMARY = "Stop when an exception of a type, or of one derived from it, is raised in Python code."
    USAGE = "py-catch TYPE"
    OPTIONS = ()
    EXAMPLE = "py-catch ValueError"
    ARGUMENTS = (1, 1)

    def run(self, options: Dict[str, Any]) -> None:
        """Set the breakpoint, in each Python of the process."""
        from ..analysis.exceptions import own_name
        from ..target import breakpoints
        from . import model

        name = options["arguments"][0]
        if not _TYPE.fullmatch(name):
            refuse(f"{self.NAME}: {name!r} is no name of a type. Give one as ValueError or package.module.Name.")
        for python in model.current().pythons:
            image = python.runtime.candidate.image
            symbol = image.symbol(RAISES)
            if symbol is None:
                refuse(f"{self.NAME}: {image.path} has no {RAISES}, through which exceptions pass")
            # The inferior names its types; what is no name must not become part of an expression.
            own = own_name(python, name)
            condition = f'${Raised.NAME}("{own if _TYPE.fullmatch(own) else name}")'
            try:
                breakpoints.at(symbol.address, condition)
            except breakpoints.CannotStop as error:
                refuse(f"{self.NAME}: {error}, so nothing can be raised in it. py-exc shows what was.")

    def complete_argument(self, text: str, word: Optional[str]) -> Any:
        """The names of the built-in exceptions."""
        import builtins

        if word is None or " " in text.strip():
            return []
        return [name for name, each in vars(builtins).items()
                if name.startswith(word) and isinstance(each, type) and issubclass(each, BaseException)]


class PyExc(Function):
    """$_pyexc()."""

    NAME = "_pyexc"
    USAGE = "$_pyexc()"
    SUMMARY = ("The type of the exception that the selected thread raises, else that it handles.\n"
               "It is named as in a traceback, and an empty string where there is none.")

    def answer(self, *arguments: Any) -> Any:
        """The name."""
        from ..analysis.exceptions import Reports
        from ..render.exceptions import type_name

        for now in _here():
            exceptions = now.python.runtime.exceptions
            if now.raising is not None:
                return type_name(Reports(now.python).raised(now.raising))
            for address in exceptions.handling(now.state.address).exceptions:
                return type_name(Reports(now.python).of(address))
        return self.NOTHING


class Raised(Function):
    """$_pyraised(TYPE)."""

    NAME = "_pyraised"
    USAGE = '$_pyraised("TYPE")'
    SUMMARY = ("Whether an exception of a type, or of one derived from it, is raised just now.\n"
               "It has no traceback yet. This is the condition of what py-catch sets.")
    NOTHING = False

    def answer(self, *arguments: Any) -> Any:
        """True for the first frame that the exception reaches."""
        from ..analysis.exceptions import is_called

        if len(arguments) != 1:
            return False
        for now in _here():
            if now.raising is not None:
                return not now.raising.traceback and is_called(
                    now.python.runtime.values.classes, now.raising.type, str(arguments[0]))
        return False


class _Here(NamedTuple):
    """A thread state of the selected thread, and what it raises."""

    python: "Python"
    state: "ThreadState"
    raising: "Optional[Raising]"


def _here() -> "List[_Here]":
    """The selected thread in each interpreter that it is in; first where it has the GIL, then where it raises."""
    from ..target.threads import selected_ident
    from . import model

    ident = selected_ident()
    found = []
    for python in model.pythons_now():
        for state in python.thread_states():
            if state.ident == ident:
                found.append(_Here(python, state, python.runtime.exceptions.raising(state.address)))
    if len(found) > 1:
        found.sort(key=lambda here: (not _has_gil(here), here.raising is None))
    return found


def _has_gil(here: _Here) -> bool:
    gil = here.python.runtime.gil(here.state.interpreter)
    return gil is not None and gil.holder == here.state.address
