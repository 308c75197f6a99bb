"""py-bt-plus: the Python traceback of the selected thread."""

from itertools import islice
from typing import Any, Dict

from .command import JSON, STACK, Command, Option, refuse, write


class Backtrace(Command):
    """Prints or dumps the frames of every interpreter that the thread is in, innermost first."""

    NAME = "py-bt-plus"
    CLASS = STACK
    SUMMARY = "Print the Python traceback of the selected thread, most recent call first."
    USAGE = "py-bt-plus [-native [-all]] [-limit N] [-json]"
    OPTIONS = (Option("native", "Show the frames of C functions between those of Python."),
               Option("all", "With -native: the interpreter's own C functions too."),
               Option("limit", "Print the N most recent calls only.", "N"), JSON)
    EXAMPLE = "thread apply all py-bt-plus"

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for the selected thread; one that is not Python's gets one line and no error."""
        from ..analysis import stacks
        from ..render import traceback
        from . import model, source

        if options["all"] and not options["native"]:
            refuse(f"{self.NAME}: -all goes with -native")
        current = model.current()
        threads = current.selected()
        walked = [(thread, list(islice(thread.frames(), options["limit"]))) for thread in threads]
        if options["native"] or stacks.is_doubtful(walked):
            stack = current.stack().limited(options["limit"])
            if not options["all"]:
                stack = stack.without_internal()
            if options["native"] or stack.has_recovered:
                if options["json"]:
                    write([traceback.merged_document(current.target(), threads, stack, options["native"])])
                else:
                    write(list(traceback.merged_text(threads, stack, options["native"], source.line)))
                return
        if options["json"]:
            write([traceback.document(current.target(), walked)])
        else:
            write(list(traceback.text(walked, source.line)))
