"""py-leaks instances, biggest and show: single objects of the heap."""

from typing import TYPE_CHECKING, Any, Dict

from .command import DATA, JSON, Command, refuse, write
from .leaks import DEFAULT_LIMIT, LIMIT, ONE_LINE, address_of, runtime_of

if TYPE_CHECKING:
    from ..analysis.references import References
    from .model import Model

_REFERENCES = "references"


def references_of(current: "Model") -> "References":
    """The references of this stop, whose types are found once."""
    from ..analysis import references

    found = current.kept.get(_REFERENCES)
    if found is None:
        found = current.kept[_REFERENCES] = references.References(runtime_of(current), current.memory.writable())
    return found


class LeaksInstances(Command):
    """Lists the objects of a type."""

    NAME = "py-leaks instances"
    CLASS = DATA
    SUMMARY = "List the objects of a type, the biggest first."
    USAGE = "py-leaks instances [-limit N] [-json] TYPE"
    OPTIONS = (LIMIT, JSON)
    EXAMPLE = "py-leaks instances -limit 5 app.Request"
    ARGUMENTS = (1, 1)

    def run(self, options: Dict[str, Any]) -> None:
        """TYPE is module.qualname, or the end of that."""
        from ..analysis import heap_objects
        from . import model
        from .progress import ProgressLine

        current = model.heap()
        wanted, = options["arguments"]
        with ProgressLine("searching") as progress:
            try:
                found = heap_objects.instances(runtime_of(current), current.memory.writable(), wanted,
                                               options["limit"] or DEFAULT_LIMIT, progress)
            except heap_objects.NoSuchType as error:
                from ..render.text import printable
                refuse(f"{self.NAME}: {printable(str(error))}")
        _write_instances(self.NAME, current, found, options["json"])


class LeaksBiggest(Command):
    """Lists the biggest objects."""

    NAME = "py-leaks biggest"
    CLASS = DATA
    SUMMARY = "List the biggest objects on the heap."
    USAGE = "py-leaks biggest [-limit N] [-json]"
    OPTIONS = (LIMIT, JSON)
    EXAMPLE = "py-leaks biggest -limit 5"

    def run(self, options: Dict[str, Any]) -> None:
        """By sys.getsizeof(), so without what they refer to."""
        from ..analysis import heap_objects
        from . import model
        from .progress import ProgressLine

        current = model.heap()
        with ProgressLine("searching") as progress:
            found = heap_objects.biggest(runtime_of(current), current.memory.writable(),
                                         options["limit"] or DEFAULT_LIMIT, progress)
        _write_instances(self.NAME, current, found, options["json"])


def _write_instances(command: str, current: "Model", found: Any, as_json: bool) -> None:
    from ..render import leaks
    from ..target.host import columns

    values = runtime_of(current).values
    rows = [(each, values.text(each.address, ONE_LINE)) for each in found.instances]
    write([leaks.instances_document(command, current.target(), found, rows)] if as_json
          else list(leaks.instances_text(found, rows, columns())))


class LeaksShow(Command):
    """Tells all about one object."""

    NAME = "py-leaks show"
    CLASS = DATA
    SUMMARY = "Show an object: its type, size, references to it and from it, and what the collector knows."
    USAGE = "py-leaks show [-limit N] [-json] ADDRESS"
    OPTIONS = (LIMIT, JSON)
    EXAMPLE = "py-leaks show 0x7f0123456780"
    ARGUMENTS = (1, 1)

    def run(self, options: Dict[str, Any]) -> None:
        """Show the object at an address."""
        from ..analysis import heap_objects
        from ..render import leaks
        from . import model, settings

        current = model.heap()
        address = address_of(self, options["arguments"][0])
        found = heap_objects.details(runtime_of(current), references_of(current), address)
        text = runtime_of(current).values.text(address, settings.limits())
        write([leaks.details_document(current.target(), found, text)] if options["json"]
              else list(leaks.details_text(found, text, options["limit"] or DEFAULT_LIMIT)))
