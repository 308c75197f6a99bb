"""py-bt-plus: the Python traceback of the selected thread."""

from itertools import islice
from typing import Any, Dict

from .command import JSON, STACK, Command, Option, write


class Backtrace(Command):
    """Prints or dumps the frames of every interpreter that the thread is in, innermost first."""

    NAME = "py-bt-plus"
    CLASS = STACK
    SUMMARY = "Print the Python traceback of the selected thread, most recent call first."
    USAGE = "py-bt-plus [-limit N] [-json]"
    OPTIONS = (Option("limit", "Print the N most recent calls only.", "N"), JSON)
    EXAMPLE = "thread apply all py-bt-plus"

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for the selected thread; one that is not Python's gets one line and no error."""
        from ..render import traceback
        from . import model, source

        current = model.current()
        threads = current.selected()
        stacks = [(thread, islice(thread.frames(), options["limit"])) for thread in threads]
        if options["json"]:
            write([traceback.document(current.target(), stacks)])
        else:
            write(list(traceback.text(stacks, source.line)))
