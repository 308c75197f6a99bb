"""py-leaks garbage: what waits for the collector, and why it may wait for long."""

from typing import Any, Dict

from .command import DATA, JSON, Command, write
from .leaks import DEFAULT_LIMIT, LIMIT, runtime_of
from .leaks_objects import references_of


class LeaksGarbage(Command):
    """Looks for cycles that nothing refers to."""

    NAME = "py-leaks garbage"
    CLASS = DATA
    SUMMARY = "Show cycles of objects that are not yet collected, gc.garbage, and what the collector is set to."
    USAGE = "py-leaks garbage [-limit N] [-json]"
    OPTIONS = (LIMIT, JSON)
    EXAMPLE = "py-leaks garbage"

    def run(self, options: Dict[str, Any]) -> None:
        """Search all that the collector tracks."""
        from ..analysis import garbage
        from ..render import leaks
        from . import model
        from .progress import ProgressLine

        current = model.heap()
        references = references_of(current)
        with ProgressLine("searching") as progress:
            found = garbage.find(runtime_of(current), references, current.memory.writable(), progress)
        write([leaks.garbage_document(current.target(), found)] if options["json"]
              else list(leaks.garbage_text(found, options["limit"] or DEFAULT_LIMIT)))
