"""py-threads: every thread of the process, and what Python knows of it."""

from typing import Any, Dict

from .command import JSON, STATUS, Command, Option, write


class Threads(Command):
    """Prints or dumps the list of threads."""

    NAME = "py-threads"
    CLASS = STATUS
    SUMMARY = "List the threads with their Python names, who holds the GIL, and what each waits for."
    USAGE = "py-threads [-group] [-limit N] [-json]"
    OPTIONS = (Option("group", "Put the threads that stand at the same place together."),
               Option("limit", "The first N threads only, or the N biggest groups.", "N"), JSON)
    EXAMPLE = "py-threads"

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for all threads of the selected inferior."""
        from ..render import threads
        from ..target.host import columns
        from ..target.threads import selected_number
        from . import model

        current = model.current()
        listed, report, limit = current.threads(), current.locks(), options["limit"]
        if options["json"]:
            write([threads.document(current.target(), listed, report, current.notes(), limit)])
        elif options["group"]:
            write(list(threads.grouped(listed, report, current.notes(), limit)))
        else:
            write(list(threads.text(listed, report, selected_number(), current.notes(), columns(), limit)))
