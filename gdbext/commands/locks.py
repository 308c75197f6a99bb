"""py-locks: what threads wait for, who holds it, and the deadlocks."""

from typing import Any, Dict

from .command import JSON, STATUS, Command, Option, write


class Locks(Command):
    """Prints, draws or dumps what threads wait for."""

    NAME = "py-locks"
    CLASS = STATUS
    SUMMARY = "Show the locks that threads wait for, who holds them, and deadlocks."
    USAGE = "py-locks [-dot] [-limit N] [-json]"
    OPTIONS = (Option("dot", "Write the graph of waits for Graphviz.", plain=True),
               Option("limit", "The first N deadlocks, and the first N of what else threads wait for only.", "N"), JSON)
    EXAMPLE = "py-locks"

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for all threads of the selected inferior."""
        from ..render import locks
        from . import model

        current = model.current()
        report, limit = current.locks(), options["limit"]
        if options["json"]:
            write([locks.document(current.target(), report, current.notes(), limit)])
        elif options["dot"]:
            write(list(locks.graph(report, current.notes(), limit)))
        else:
            write(list(locks.text(report, current.notes(), limit)))
