"""What gdb's own backtraces show of Python: the frame filter's answer."""

from typing import Any, Dict, List, Tuple


def runs() -> Dict[Tuple[int, int], List[Any]]:
    """The Python frames of each run of the evaluation loop in the selected thread.

    Empty where there is no Python to read: a backtrace is then what it would be without.
    """
    from ..cpython.process import NoPython
    from ..cpython.reader import READ_ERRORS
    from ..render.text import printable
    from ..render.traceback import plain_doubts
    from ..target.filter import Place
    from ..target.stop import NoInferior
    from . import model

    found: Dict[Tuple[int, int], List[Place]] = {}
    try:
        calls = model.current().stack().python
    except (NoInferior, NoPython) + READ_ERRORS:
        return found
    for call in calls:
        code = call.frame.code
        if call.native is not None and code is not None:
            function = printable(code.qualname or code.name) + plain_doubts(call.frame)
            place = Place(function, printable(code.filename), call.frame.line)
            found.setdefault((call.native.pc, call.native.stack_pointer), []).append(place)
    return found
