"""py-bt-plus: the Python traceback of the selected thread."""

from itertools import islice
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from .command import JSON, STACK, Command, Option, refuse, write

if TYPE_CHECKING:
    from ..analysis.threads import Thread
    from ..cpython.frames import Frame


class Backtrace(Command):
    """Prints or dumps the frames of every interpreter that the thread is in, innermost first."""

    NAME = "py-bt-plus"
    CLASS = STACK
    SUMMARY = "Print the Python traceback of the selected thread, most recent call first."
    USAGE = "py-bt-plus [-full] [-native [-all]] [-limit N] [-json]"
    OPTIONS = (Option("full", "Show each frame's arguments and local variables too, and its number."),
               Option("native", "Show the frames of C functions between those of Python."),
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
        bindings_of = None
        if options["full"]:
            from .selected import bindings_of_frames

            bindings_of = bindings_of_frames()
        walked = _walked(threads, options["limit"])
        if options["native"] or stacks.is_doubtful(walked):
            stack = current.stack().limited(options["limit"])
            if not options["all"]:
                stack = stack.without_internal()
            if options["native"] or stack.has_recovered:
                if options["json"]:
                    write([traceback.merged_document(current.target(), threads, stack, options["native"],
                                                      bindings_of)])
                else:
                    write(list(traceback.merged_text(threads, stack, options["native"],
                                                     source.current().line, bindings_of)))
                return
        if options["json"]:
            write([traceback.document(current.target(), walked, bindings_of)])
        else:
            write(list(traceback.text(walked, source.current().line, bindings_of)))


def _walked(threads: "Sequence[Thread]", limit: Optional[int]) -> "List[Tuple[Thread, List[Frame]]]":
    """The `limit` innermost frames of a thread, by the interpreters that they belong to."""
    found: "List[Tuple[Thread, List[Frame]]]" = []
    for thread in threads:
        found.append((thread, list(islice(thread.frames(), limit))))
        if limit is not None:
            limit -= len(found[-1][1])
            if limit <= 0:
                break
    return found
