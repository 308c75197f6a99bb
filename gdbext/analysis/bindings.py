"""What the variables of a Python frame hold, as text."""

from typing import Callable, List, NamedTuple, Optional, Tuple

from ..cpython.frames import Frame
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Runtime

# The name and the value of a variable.
Binding = Tuple[str, str]
# The value at an address.
TextOf = Callable[[Runtime, int], str]


class Bindings(NamedTuple):
    """The variables of a frame; `more` are left out. `problem` says why they can't be read."""

    found: List[Binding]
    more: int = 0
    problem: Optional[str] = None


def bindings(runtime: Runtime, frame: Frame, text_of: TextOf) -> Bindings:
    """The variables of a frame. A module's frame has none of its own: they are the module's globals."""
    try:
        return Bindings([(variable.name, text_of(runtime, variable.address))
                         for variable in runtime.variables.of(frame)])
    except READ_ERRORS as error:
        return Bindings([], 0, str(error))


def module_bindings(runtime: Runtime, frame: Frame, text_of: TextOf, limit: Optional[int]) -> Optional[Bindings]:
    """What a module's frame has bound, the first `limit` names without those that every module has.

    None for the frame of anything else.
    """
    variables = runtime.variables
    try:
        namespace = variables.namespace(frame)
        if namespace is None or namespace != variables.globals(frame):
            return None
        names = [variable for variable in variables.names_in(namespace) if not _is_special(variable.name)]
        return Bindings([(variable.name, text_of(runtime, variable.address)) for variable in names[:limit]],
                        len(names) - len(names[:limit]))
    except READ_ERRORS as error:
        return Bindings([], 0, str(error))


def _is_special(name: str) -> bool:
    """__name__, __file__, __builtins__ and the like."""
    return len(name) > 4 and name.startswith("__") and name.endswith("__")
