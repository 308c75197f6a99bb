"""py-leaks referrers and py-leaks path: what keeps an object alive."""

from typing import Any, Dict

from .command import DATA, JSON, Command, Option, write
from .leaks import DEFAULT_LIMIT, LIMIT, ONE_LINE, address_of, runtime_of
from .leaks_objects import references_of

# Of py-leaks path -all.
MAX_CHAINS = 10


class LeaksReferrers(Command):
    """Lists what refers to an object."""

    NAME = "py-leaks referrers"
    CLASS = DATA
    SUMMARY = "List what refers to an object, and how."
    USAGE = "py-leaks referrers [-limit N] [-json] ADDRESS"
    OPTIONS = (LIMIT, JSON)
    EXAMPLE = "py-leaks referrers 0x7f0123456780"
    ARGUMENTS = (1, 1)

    def run(self, options: Dict[str, Any]) -> None:
        """Objects, and the roots: modules, frames of threads, the interpreter."""
        from ..render import leaks
        from ..target.host import columns
        from . import model
        from .progress import ProgressLine

        current = model.heap()
        address = address_of(self, options["arguments"][0])
        references = references_of(current)
        references.object_at(address)
        limit = options["limit"] or (None if options["json"] else DEFAULT_LIMIT)
        with ProgressLine("searching") as progress:
            found = references.referrers(address, limit, progress)
        values, limits = runtime_of(current).values, ONE_LINE
        rows = [(each, "" if each.what else values.text(each.address, limits)) for each in found.found]
        write([leaks.referrers_document(current.target(), rows, found.count, found.partial)] if options["json"]
              else list(leaks.referrers_text(rows, found.count, found.partial, columns())))


class LeaksPath(Command):
    """Shows how an object is reached."""

    NAME = "py-leaks path"
    CLASS = DATA
    SUMMARY = "Show a shortest chain of references from a root of Python to an object: what keeps it alive."
    USAGE = "py-leaks path [-all] [-limit N] [-json] ADDRESS"
    OPTIONS = (Option("all", "Show several chains, through different referrers."),
               Option("limit", f"With -all: N chains at the most. Default: {MAX_CHAINS}.", "N"), JSON)
    EXAMPLE = "py-leaks path 0x7f0123456780"
    ARGUMENTS = (1, 1)

    def run(self, options: Dict[str, Any]) -> None:
        """Search outwards from the roots."""
        from ..render import leaks
        from . import model
        from .progress import ProgressLine

        current = model.heap()
        address = address_of(self, options["arguments"][0])
        references = references_of(current)
        references.object_at(address)
        with ProgressLine("searching") as progress:
            found = references.paths(address, (options["limit"] or MAX_CHAINS) if options["all"] else 1, progress)
        write([leaks.path_document(current.target(), found)] if options["json"] else list(leaks.path_text(found)))
