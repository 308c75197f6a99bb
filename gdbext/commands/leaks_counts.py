"""py-leaks counts: references that C code has lost."""

from typing import Any, Dict

from .command import DATA, JSON, Command, write
from .leaks import DEFAULT_LIMIT, LIMIT, ONE_LINE, runtime_of
from .leaks_objects import references_of


class LeaksCounts(Command):
    """Lists the objects whose reference counts are too large."""

    NAME = "py-leaks counts"
    CLASS = DATA
    SUMMARY = "List objects whose reference count is more than what refers to them: leaks of C extensions."
    USAGE = "py-leaks counts [-limit N] [-json]"
    OPTIONS = (LIMIT, JSON)
    EXAMPLE = "py-leaks counts -limit 5"

    def run(self, options: Dict[str, Any]) -> None:
        """Before all of memory is searched nothing can be said: Ctrl-C ends it without an answer."""
        from ..analysis import counts
        from ..render import leaks_counts
        from ..target.host import columns
        from . import model
        from .progress import ProgressLine

        current = model.current()
        natives = current.natives()
        pointers = [each.stack_pointer for each in natives if each.stack_pointer is not None]
        registers = [value for each in natives for value in each.registers]
        with ProgressLine("comparing counts") as progress:
            found = counts.find(runtime_of(current), references_of(current), current.memory.writable(), pointers,
                                registers, progress)
        limit = options["limit"] or (len(found.excess) if options["json"] else DEFAULT_LIMIT)
        values = runtime_of(current).values
        rows = [(each, values.text(each.address, ONE_LINE)) for each in found.excess[:limit]]
        write([leaks_counts.document_of(current.target(), found, rows)] if options["json"]
              else list(leaks_counts.text_of(found, rows, limit, columns())))
