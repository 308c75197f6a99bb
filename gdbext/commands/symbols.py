"""py-symbols: what gdb and gdbext can see of the process, why not more, and what to do."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from .command import JSON, SUPPORT, Command, Option, write

if TYPE_CHECKING:
    from ..cpython.process import Python
    from ..target.mapped import MappedImage
    from .survey import Subject


class Symbols(Command):
    """Prints or dumps the report."""

    NAME = "py-symbols"
    CLASS = SUPPORT
    SUMMARY = "Show what is known of the files behind a Python process: build ids, debug information, layout."
    USAGE = "py-symbols [-all] [-json]"
    OPTIONS = (Option("all", "Show every mapped image, not only Python's."), JSON)
    EXAMPLE = "py-symbols -all"

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for the selected inferior."""
        from ..render import symbols
        from ..target import host
        from . import survey

        subject, pythons, refusal, target = _look()
        try:
            report = survey.survey(subject, pythons, refusal, options["all"])
        finally:
            if subject.core is not None:
                subject.core.close()
        if options["json"]:
            versions = host.versions()
            gdb = symbols.Host(versions.gdb, versions.python)
            write([symbols.document(target, report, gdb, {}, options["all"], [])])
        else:
            write(list(symbols.text(report, options["all"], [])))


def _look() -> "Tuple[Subject, List[Python], Optional[str], Optional[Dict[str, Any]]]":
    """The inferior as a subject, its Pythons, or why there are none, and the `target` of a JSON document.

    Raises stop.NoInferior.
    """
    from ..cpython import process
    from ..elf.core import Core, CoreError
    from ..elf.places import Places, fetched_by_debuginfod
    from ..target import images, memory, objfiles, stop
    from . import model, survey

    refusal, pythons = None, []
    try:
        current = model.current()
        pythons, target = current.pythons, current.target()
        memory_, mapped = current.memory, current.images
    except process.NoPython as error:
        refusal = str(error)
        memory_ = memory.InferiorMemory()
        mapped = images.images(memory_)
        where = stop.target()
        target = {"pid": where.pid, "core": where.core, "python": None, "free_threaded": None, "debug_build": None,
                  "layout": None, "runtimes": []}
    program = images.executable(mapped)
    root, locate = _files(target["pid"], program)
    core = None
    if target["core"] is not None:
        try:
            core = Core(Path(target["core"]))
        except CoreError:
            # gdb has opened it, so that this is one of another kind: what gdb reads has to do.
            core = None
    subject = survey.Subject(
        memory_, mapped, locate, root,
        Places([Path(path) for path in objfiles.debug_directories()], fetched_by_debuginfod(os.environ), root),
        program.path if program is not None else None, core,
        lambda image, separate: objfiles.has_read(image.path, image.build_id(), separate))
    return subject, pythons, refusal, target


def _files(pid: Optional[int],
           program: "Optional[MappedImage]") -> "Tuple[str, Callable[[MappedImage], Optional[str]]]":
    """The folder of the process's file system, "" for this machine's, and what finds an image's file."""
    from ..target import objfiles, processes, sources
    from . import survey

    if pid is not None and processes.is_traced_here(pid):
        return survey.files_of_process(pid)
    sysroot = sources.sysroot() or ""

    def locate(image: "MappedImage") -> Optional[str]:
        own = objfiles.program()
        if own is not None and program is not None and image.path == program.path:
            return own
        path = survey.below_root(sysroot, image.path)
        return path if os.path.exists(path) else None

    return sysroot, locate
