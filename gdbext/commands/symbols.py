"""py-symbols: what gdb and gdbext can see of the process, why not more, and what to do."""

import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple, TypeVar

from .command import JSON, NO_INFERIOR, SUPPORT, Command, Option, refuse, write

if TYPE_CHECKING:
    from ..analysis.libpython import LibPython
    from ..cpython.process import Python
    from ..target.mapped import MappedImage
    from .survey import Subject

    _Finds = Callable[[MappedImage], Optional[str]]


_T = TypeVar("_T")


class Symbols(Command):
    """Prints or dumps the report."""

    NAME = "py-symbols"
    CLASS = SUPPORT
    SUMMARY = "Show what is known of the files behind a Python process: build ids, debug information, layout."
    USAGE = "\n       ".join((
        "py-symbols [-all] [-limit N] [-json]", "py-symbols -use PATH",
        "py-symbols -imports FUNCTION [-limit N] [-json]", "py-symbols -calls FUNCTION [-limit N] [-json]",
        "py-symbols -load-libpython"))
    OPTIONS = (Option("all", "Show every mapped image, not only Python's."),
               Option("use", "Load a debug file, or those of a folder, whose build ids fit.", "PATH", text=True),
               Option("imports", "Name the files, and their Python modules, that import a C function.", "FUNCTION",
                      text=True),
               Option("calls", "List the places that call a C function of another file.", "FUNCTION", text=True),
               Option("load-libpython", "Run the libpython.py that fits, after asking."),
               Option("limit", "The first N images, importers or calls only.", "N"), JSON)
    EXAMPLE = "py-symbols -all"

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for the selected inferior."""
        from ..target.stop import NoInferior

        try:
            subject, pythons, refusal, target = _look()
        except NoInferior:
            self._tell_what_forbids()
            raise
        try:
            if options["use"]:
                self._use(subject, options["use"])
            elif options["imports"]:
                self._imports(subject, pythons, target, options)
            elif options["calls"]:
                self._calls(subject, pythons, target, options)
            elif options["load-libpython"]:
                self._load_libpython(subject, pythons)
            else:
                self._report(subject, pythons, refusal, target, options)
        finally:
            if subject.core is not None:
                subject.core.close()

    def _tell_what_forbids(self) -> None:
        """Why there may be no process. Raises gdb.GdbError where there is something to say."""
        from ..analysis import tracing

        forbidden = tracing.in_the_way()
        if forbidden:
            refuse("\n  ".join([f"{self.NAME}: {NO_INFERIOR} If attaching is refused:", *forbidden]))

    def _report(self, subject: "Subject", pythons: "List[Python]", refusal: Optional[str],
                target: Dict[str, Any], options: Dict[str, Any]) -> None:
        from ..analysis.advice import advise
        from ..render import symbols
        from ..target import host, objfiles, sources
        from . import survey

        report = survey.survey(subject, pythons, refusal, options["all"])
        libpython = _libpython(subject, pythons)
        machine = survey.machine(subject, report, target["pid"], target["core"])._replace(
            sysroot=sources.sysroot() or "", debuginfod=objfiles.debuginfod(), program=objfiles.program())
        advice = [each.text for each in advise(report, machine)]
        if options["json"]:
            versions = host.versions()
            gdb = symbols.Host(versions.gdb, versions.python)
            write([symbols.document(target, report, gdb, libpython, options["all"], advice,
                                    options["limit"])])
        else:
            write(list(symbols.text(report, libpython, options["all"], advice, host.columns(), options["limit"])))

    def _imports(self, subject: "Subject", pythons: "List[Python]", target: Dict[str, Any],
                 options: Dict[str, Any]) -> None:
        from ..render import symbols
        from . import survey

        self._need_pyelftools()
        function = options["imports"]
        found, notes = survey.importers(subject, pythons, function)
        found, notes = _first(found, options["limit"], "importer", notes)
        if options["json"]:
            write([symbols.importers_document(target, function, found, notes)])
        else:
            write(list(symbols.importers_text(function, found, notes)))

    def _calls(self, subject: "Subject", pythons: "List[Python]", target: Dict[str, Any],
               options: Dict[str, Any]) -> None:
        from ..analysis.symbols import Call
        from ..render import symbols
        from ..target import objfiles
        from ..target.frames import Names
        from . import survey

        self._need_pyelftools()
        function = options["calls"]
        importers, notes = survey.importers(subject, pythons, function)
        found = []
        names = Names()
        for importer in importers:
            sites = list(survey.call_sites(subject, importer))
            starts: Dict[Tuple[int, int], Any] = {}
            for image, site in sites:
                # An address within a function: its unwind information tells where it begins.
                within = image.function(site.address)
                if not objfiles.has_fixed_places():
                    if within is None:
                        notes.append(f"{image.path}: code at {site.address:#x} has no known beginning, and is left out")
                        continue
                    if within not in starts:
                        starts[within] = set(objfiles.instructions(*within))
                    if site.address not in starts[within]:
                        continue
                found.append(Call(image.path, site.address, names.at(site.address, image),
                                  within[0] if within is not None else None, site.loads, importer.modules))
        found, notes = _first(found, options["limit"], "call", notes)
        if options["json"]:
            write([symbols.calls_document(target, function, found, notes)])
        else:
            write(list(symbols.calls_text(function, found, notes)))

    def _need_pyelftools(self) -> None:
        from ..elf import pyelftools

        try:
            pyelftools.provide()
        except pyelftools.Missing as error:
            refuse(f"{self.NAME}: {error}")

    def _use(self, subject: "Subject", named: str) -> None:
        """Load what fits; raises gdb.GdbError where nothing does."""
        from ..render import symbols
        from ..target import objfiles
        from . import survey

        self._need_pyelftools()
        from pathlib import Path

        from ..elf.debug_files_in import offered

        wanted = {build_id: image for image, build_id in survey.loaded_build_ids(subject) if build_id}
        path = Path(named).expanduser()
        try:
            found = offered(path, wanted)
        except OSError as error:
            refuse(f"{self.NAME}: {named}: {error.strerror}")
        except ValueError as error:
            refuse(f"{self.NAME}: {named}: {error}")
        lines = []
        for each in found:
            image = wanted.get(each.build_id or "")
            if image is None or each.problem:
                continue
            if image.path == subject.executable and not objfiles.has_read(image.path, each.build_id):
                refuse(f"{self.NAME}: {each.path} is that of the program. First have gdb read the program of that "
                       "build: file FILE")
            objfiles.add_debug_file(image, str(each.path), survey.file_to_read(subject, image, each.build_id))
            lines += list(symbols.used(image.path, each.build_id or "", str(each.path)))
        if not lines:
            refuse(f"{self.NAME}: " + symbols.unusable(
                named, [(str(each.path), each.build_id, each.problem) for each in found],
                [(image.path, build_id) for image, build_id in survey.likely_images(subject)]))
        write(lines)

    def _load_libpython(self, subject: "Subject", pythons: "List[Python]") -> None:
        from ..target import objfiles

        found = _libpython(subject, pythons)
        if found.loaded:
            write(["libpython.py is loaded."])
        elif not found.candidates:
            refuse(f"{self.NAME}: no libpython.py fits: it comes with the interpreter as BINARY-gdb.py, "
                   "or with its debug package")
        elif objfiles.confirmed(f"Run {found.candidates[0]} in gdb's Python?"):
            objfiles.source(found.candidates[0])
            write([f"Loaded {found.candidates[0]}"])
        else:
            write(["Not loaded."])


def _first(found: "List[_T]", limit: Optional[int], one: str, notes: List[str]) -> "Tuple[List[_T], List[str]]":
    """The first of a list, with the note about what that leaves out."""
    from ..render.text import left_out

    return found[:limit], [*left_out(len(found), limit, one), *notes]


def _libpython(subject: "Subject", pythons: "List[Python]") -> "LibPython":
    """The libpython.py of the interpreters of the process, and what gdb has done with it."""
    from ..analysis import libpython
    from ..target import host, objfiles
    from . import survey

    images = [image.path for image, _build_id in survey.likely_images(subject)]
    # A virtual environment's python may be a copy, with nothing beside it.
    images += survey.base_programs(pythons)
    candidates = libpython.candidates(images, objfiles.auto_load_folders(), subject.root)
    loaded = objfiles.has_libpython()
    declined = None if loaded else next(filter(objfiles.declines, candidates), None)
    if declined is None:
        return libpython.LibPython(loaded, candidates)
    major = int(host.versions().gdb.split(".")[0])
    return libpython.LibPython(loaded, candidates, declined, f"add-auto-load-safe-path {declined}", libpython.init_file(
        os.path.expanduser("~"), os.environ.get("XDG_CONFIG_HOME"), major))


def _look() -> "Tuple[Subject, List[Python], Optional[str], Dict[str, Any]]":
    """The inferior as a subject, its Pythons, or why there are none, and the `target` of a JSON document.

    Raises stop.NoInferior.
    """
    from pathlib import Path

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
    root, locate, kept = _files(target["pid"], program)
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
        program.path if program is not None else None, core, locate(program) if program is not None else None, kept,
        lambda image: objfiles.has_read(image.path, image.build_id()),
        lambda image: objfiles.debug_file(image.path, image.build_id()))
    return subject, pythons, refusal, target


def _files(pid: Optional[int],
           program: "Optional[MappedImage]") -> "Tuple[str, _Finds, _Finds]":
    """The folder of the process's file system, "" for this machine's, what finds an image's file, and what finds
    that of an image which has lost it.
    """
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

    return sysroot, locate, lambda image: None
