"""py-leaks retained and py-leaks export: what needs every reference of the heap at once."""

import os
from typing import TYPE_CHECKING, Any, Dict, Optional

from . import files
from .command import DATA, JSON, Command, Option, complete_file, refuse, write
from .leaks import DEFAULT_LIMIT, LIMIT, ONE_LINE, runtime_of
from .leaks_objects import references_of

if TYPE_CHECKING:
    from ..analysis.graph import Graph
    from .model import Model

_GRAPH = "graph"
FORMATS = ("heapsnapshot", "pyheap", "jsonl")


def graph_of(current: "Model", progress: Any) -> "Graph":
    """The graph of this stop, which is read once."""
    from ..analysis.graph import Graph

    found = current.kept.get(_GRAPH)
    if found is None:
        found = current.kept[_GRAPH] = Graph(runtime_of(current), references_of(current), progress)
    return found


class LeaksRetained(Command):
    """Lists the objects that keep most memory alive."""

    NAME = "py-leaks retained"
    CLASS = DATA
    SUMMARY = "List the objects and types that keep most memory alive: what would be freed with each."
    USAGE = "py-leaks retained [-limit N] [-json]"
    OPTIONS = (LIMIT, JSON)
    EXAMPLE = "py-leaks retained -limit 5"

    def run(self, options: Dict[str, Any]) -> None:
        """Of part of the references nothing could be said: Ctrl-C ends it without an answer."""
        from ..analysis import retained
        from ..render import leaks_graph
        from ..target.host import columns
        from . import model
        from .progress import ProgressLine

        current = model.heap()
        with ProgressLine("reading references") as progress:
            graph = graph_of(current, progress)
        limit = options["limit"] or DEFAULT_LIMIT
        with ProgressLine("finding what keeps what alive"):
            found = retained.biggest(graph, retained.sizes_of(graph), limit)
        values = runtime_of(current).values
        rows = [(each, values.text(each.address, ONE_LINE)) for each in found.objects]
        write([leaks_graph.retained_document(current.target(), found, rows)] if options["json"]
              else list(leaks_graph.retained_text(found, rows, limit, columns())))


class LeaksExport(Command):
    """Writes the heap to a file."""

    NAME = "py-leaks export"
    CLASS = DATA
    SUMMARY = "Write all objects and references to a file: for Chrome DevTools, for PyHeap, or as lines of JSON."
    USAGE = "py-leaks export [-format heapsnapshot|pyheap|jsonl] [-force] [-json] FILE"
    OPTIONS = (
        Option("format", "Which of them. Default: as the name of FILE ends.", "FORMAT", choices=FORMATS),
        files.FORCE, JSON,
    )
    EXAMPLE = "py-leaks export app.heapsnapshot"
    ARGUMENTS = (1, 1)

    def run(self, options: Dict[str, Any]) -> None:
        """Nobody else may read the file, for it has the program's values; nothing is left of one that was not ended."""
        from ..analysis.export import Export
        from ..render import heap_files, leaks_graph
        from . import model
        from .progress import ProgressLine

        path = os.path.expanduser(options["arguments"][0])
        kind = options["format"] or os.path.splitext(path)[1][1:]
        if kind not in heap_files.WRITERS:
            refuse(f"{self.NAME}: {path!r} ends in no format's name: give one of {', '.join(FORMATS)} with -format")
        with files.written(self.NAME, path, options["force"]) as file:
            current = model.heap()
            with ProgressLine("writing") as progress:
                export = Export(runtime_of(current), graph_of(current, progress))
                heap_files.WRITERS[kind](export, file, os.path.dirname(os.path.abspath(path)), current.target(),
                                         progress)
            file.flush()
            size = file.tell()
        write([leaks_graph.export_document(current.target(), path, kind, export, size)] if options["json"]
              else list(leaks_graph.export_text(path, export, size)))

    def complete_argument(self, text: str, word: Optional[str]) -> Any:
        """The names of files."""
        return complete_file(text.split(" ")[-1], word)
