"""py-threads: every thread of the process, and what Python knows of it."""

from typing import Any, Dict

from .command import JSON, STATUS, Command, write


class Threads(Command):
    """Prints or dumps the list of threads."""

    NAME = "py-threads"
    CLASS = STATUS
    SUMMARY = "List the threads with their Python names, who holds the GIL and who waits for it."
    USAGE = "py-threads [-json]"
    OPTIONS = (JSON,)
    EXAMPLE = "py-threads"

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for all threads of the selected inferior."""
        from ..render import threads
        from ..target.threads import selected_number
        from . import model

        current = model.current()
        listed = current.threads()
        if options["json"]:
            write([threads.document(current.target(), listed)])
        else:
            write(list(threads.text(listed, selected_number(), current.notes())))
