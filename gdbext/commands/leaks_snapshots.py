"""py-leaks snapshot and py-leaks diff: what has grown between two stops."""

import os
from typing import TYPE_CHECKING, Any, Dict, Optional

from . import files
from .command import DATA, JSON, Command, Option, refuse, write
from .leaks import DEFAULT_LIMIT, LIMIT, ONE_LINE, SORTS, runtime_of

if TYPE_CHECKING:
    from ..analysis.snapshots import Snapshot

# By name, kept for the session; the last one taken is the last.
_kept: "Dict[str, Snapshot]" = {}


def _take(what: str) -> "Snapshot":
    from ..analysis import snapshots
    from . import model
    from .progress import ProgressLine

    current = model.heap()
    with ProgressLine(what) as progress:
        return snapshots.take(runtime_of(current), current.memory.writable(), current.label(),
                              current.process_number(), progress)


class LeaksSnapshot(Command):
    """Remembers the heap of this stop under a name."""

    NAME = "py-leaks snapshot"
    CLASS = DATA
    SUMMARY = "Remember the objects on the heap, for py-leaks diff later."
    USAGE = "py-leaks snapshot [-file FILE [-force]] [-json] NAME"
    OPTIONS = (Option("file", "Write them to FILE too, which py-leaks diff takes for a name.", "FILE", text=True),
               files.FORCE, JSON)
    EXAMPLE = "py-leaks snapshot before"
    ARGUMENTS = (1, 1)

    def run(self, options: Dict[str, Any]) -> None:
        """Take it; one that was interrupted is kept, and says so."""
        from ..analysis import snapshots
        from ..render import leaks
        from . import model

        name, = options["arguments"]
        if options["force"] and not options["file"]:
            refuse(f"{self.NAME}: -force goes with -file")
        if options["file"]:
            with files.written(self.NAME, os.path.expanduser(options["file"]), options["force"]) as file:
                snapshot = _take("taking a snapshot")
                snapshots.write(snapshot, file)
        else:
            snapshot = _take("taking a snapshot")
        _kept.pop(name, None)
        _kept[name] = snapshot
        if options["json"]:
            write([leaks.snapshot_document(model.heap().target(), name, snapshot)])
        else:
            write(list(leaks.snapshot_text(name, snapshot)))


class LeaksDiff(Command):
    """Compares two snapshots, or one with what is there now."""

    NAME = "py-leaks diff"
    CLASS = DATA
    SUMMARY = "Show which types have grown since a snapshot, or between two, and which objects are new."
    USAGE = "py-leaks diff [-new TYPE] [-limit N] [-sort count|bytes|type] [-json] [A [B]]"
    OPTIONS = (
        Option("new", "List the new objects of TYPE instead.", "TYPE", text=True),
        LIMIT,
        Option("sort", "What to sort by: bytes (default) and count, grown most first, or type.", "KEY", choices=SORTS),
        JSON,
    )
    EXAMPLE = "py-leaks diff before"
    ARGUMENTS = (0, 2)

    def run(self, options: Dict[str, Any]) -> None:
        """Compare; without B with this stop, without A with the last snapshot."""
        from ..analysis import heap_objects, snapshots
        from ..render import leaks
        from ..target.host import columns
        from . import model

        names = options["arguments"]
        if not names and not _kept:
            refuse(f"{self.NAME}: there is no snapshot yet: take one with py-leaks snapshot NAME")
        before = self._named(names[0] if names else list(_kept)[-1])
        after = self._named(names[1]) if len(names) == 2 else _take("comparing")
        if after.partial:
            # What it has not come to would be told as gone.
            raise KeyboardInterrupt
        limit = options["limit"] or DEFAULT_LIMIT
        target = model.heap().target()
        if options["new"]:
            if not snapshots.same_process(before, after):
                refuse(f"{self.NAME}: the snapshots are of two processes, in which addresses can't be compared")
            found = [(name, address) for name in after.counts if heap_objects.matches(name, options["new"])
                     for address in snapshots.new_objects(before, after, name)]
            values = runtime_of(model.heap()).values if len(names) < 2 else None
            rows = [(address, name, values.text(address, ONE_LINE) if values else "")
                    for name, address in found[:options["limit"] if options["json"] else limit]]
            write([leaks.new_document(target, rows, len(found))] if options["json"]
                  else list(leaks.new_text(rows, len(found), columns())))
            return
        changes = leaks.ordered_changes(snapshots.compare(before, after), options["sort"] or SORTS[0])
        if options["json"]:
            write([leaks.diff_document(target, before, after, changes[:options["limit"]])])
        else:
            write(list(leaks.diff_text(before, after, changes, limit)))

    def _named(self, name: str) -> "Snapshot":
        from ..analysis import snapshots

        found: "Optional[Snapshot]" = _kept.get(name)
        if found is None:
            try:
                return snapshots.read(os.path.expanduser(name))
            except FileNotFoundError:
                there = f"; there are {', '.join(_kept)}" if _kept else ""
                refuse(f"{self.NAME}: no snapshot and no file is called {name!r}{there}")
            except (OSError, snapshots.NotASnapshot) as error:
                refuse(f"{self.NAME}: {error}")
        return found

    def complete_argument(self, text: str, word: Optional[str]) -> Any:
        """The names of snapshots."""
        return [name for name in _kept if name.startswith(word or "")]
