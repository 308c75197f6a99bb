"""The inferior at this stop, as the model sees it: its Pythons and its threads."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Set, Tuple

from ..analysis import stacks
from ..analysis.threads import Thread, list_threads, lost
from ..cpython import process
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Runtime
from ..target import files, frames, images, mapped, memory, objfiles, processes, stop, threads, types
from .command import warn

if TYPE_CHECKING:
    from ..analysis.locks import Report

# How many children with a Python one message names.
MAX_CHILDREN = 3


class Model:
    """What several answers need of one stop. Raises process.NoPython where there is no Python to read."""

    def __init__(self) -> None:
        self._where = stop.target()
        file = files.open_file(self._where)
        # What is missing gdb takes from the program's files, as it was before the program began.
        self._cut = file.missing if isinstance(file, files.CoreFile) else 0
        self.memory = memory.InferiorMemory(file)
        self.images = images.images(self.memory)
        _warn_of_other_builds(self._where, self.images)
        self._unwinder: Optional[frames.Unwinder] = None
        self._loops: Optional[stacks.Loops] = None
        self._stacks: Dict[Optional[int], stacks.Stack] = {}
        try:
            self.pythons = process.open_all(
                self.images, self.memory, lambda image: types.loader(image.path, image.build_id()))
        except process.NotPython as error:
            raise process.NoPython(f"{error}{_in_children(self._where.pid)}{self._of_cut()}") from None
        except process.NoPython as error:
            raise process.NoPython(f"{error}{self._of_cut()}") from None
        # What commands keep of this stop, by a name of their own.
        self.kept: Dict[str, Any] = {}
        self._natives: Optional[List[threads.NativeThread]] = None
        self._threads: Optional[List[Thread]] = None
        self._by_number: Dict[int, List[Thread]] = {}
        self._report: "Optional[Report]" = None

    def _of_cut(self) -> str:
        if not self._cut:
            return ""
        return f"; or this is not known, for the core was cut: {self._cut} bytes are missing at its end"

    def natives(self) -> List[threads.NativeThread]:
        """gdb's threads, by number."""
        if self._natives is None:
            self._natives = threads.native_threads(self._where.core is not None)
        return self._natives

    def threads(self) -> List[Thread]:
        """All threads, native ones too, by gdb's number; a thread in two interpreters twice."""
        if self._threads is None:
            listed = list_threads(self.pythons, self.natives())
            for thread in listed:
                if thread.native is not None:
                    self._by_number.setdefault(thread.native.number, []).append(thread)
            self._threads = listed
        return self._threads

    def locks(self) -> "Report":
        """What all threads wait for, and the deadlocks."""
        from ..analysis import locks
        from ..analysis.waits import NOTHING, Waits
        from ..target import descriptors

        if self._report is None:
            pid = self._where.pid
            here = pid is not None and processes.is_traced_here(pid)
            self._report = locks.report(self.threads(), Waits(descriptors.Live(pid) if here else NOTHING))
        return self._report

    def selected(self) -> List[Thread]:
        """The selected thread: one entry for each interpreter that it is in, the innermost first."""
        self.threads()
        return self._by_number.get(threads.selected_number(), [])

    def stack(self) -> stacks.Stack:
        """The Python and native frames of the selected thread; also those that no thread state leads to."""
        number = threads.selected_number()
        if number not in self._stacks:
            self._stacks[number] = self._merged()
        return self._stacks[number]

    def _merged(self) -> stacks.Stack:
        if self._unwinder is None or self._loops is None:
            self._unwinder = frames.Unwinder(self.images, self.memory)
            self._loops = stacks.Loops(self.pythons)
        natives, problem = self._unwinder.selected()
        return stacks.merge(self.selected(), natives, self._loops, problem)

    def exports(self, path: str, symbol: str) -> bool:
        """Whether the mapped image with that path defines a dynamic symbol."""
        try:
            return any(image.path == path and image.symbol(symbol) is not None for image in self.images)
        except READ_ERRORS:
            return False

    def let_go(self) -> None:
        """Detach from the process, whose memory is copied before. Raises memory.NotLive, copied.NoRoom, OSError.

        What needs gdb can't be asked any more: native threads, registers.
        """
        global _let_go
        for python in self.pythons:
            # gdb forgets the types of the process's images.
            python.runtime.layout.load_all()
        self.memory.copy()
        stop.detach()
        _let_go = self

    def label(self) -> str:
        """What is looked at, in a few words: "process 123", or the path of a core."""
        return self._where.core or f"process {self._where.pid}"

    @property
    def pid(self) -> Optional[int]:
        """That of a live process, None for a core."""
        return self._where.pid

    def process_number(self) -> Optional[int]:
        """The number that the process has, or that the one had of which this is a core."""
        return self._where.pid or stop.process_number()

    def notes(self) -> List[str]:
        """What a reader of an answer about all threads has to know of it: one sentence each."""
        notes = [f"There may be more threads: {problem}."
                 for python in self.pythons for problem in python.problems()]
        if self._cut:
            notes.append(f"The core was cut: {self._cut} bytes are missing at its end.")
        threads_ = self.threads()
        notes += lost(threads_)
        if any(thread.orphan for thread in threads_) and any(thread.state is None for thread in threads_):
            notes.append("A thread that is shown as not Python's may be the one of a thread state that is listed last.")
        for python in self.pythons:
            source = python.runtime.layout.source
            if not python.exact:
                own = " and the process's own offsets" if source.kind == "table+debug-offsets" else ""
                beyond = " beyond gdbext's tables, and" if python.is_beyond_tables else ""
                notes.append(f"{python.label or f'Python {python.version}'} is{beyond} read with the table of "
                             f"{source.table}{own}: not made for this build, but it passed all checks.")
        return notes

    def target(self) -> Dict[str, Any]:
        """The `target` part that every JSON document starts with.

        A process with several runtimes has them all in `runtimes`; the other entries are the first one's.
        """
        runtimes = [_runtime(python) for python in self.pythons]
        first = {key: value for key, value in runtimes[0].items() if key != "image"}
        return {"pid": self._where.pid, "core": self._where.core, **first, "runtimes": runtimes}


def _runtime(python: process.Python) -> Dict[str, Any]:
    source = python.runtime.layout.source
    return {
        "python": python.version,
        "image": python.path,
        "free_threaded": python.identity.free_threaded,
        "debug_build": python.identity.debug,
        "layout": {"source": source.kind, "table": source.table, "exact": python.exact},
    }


def _in_children(pid: Optional[int]) -> str:
    """Which children of a process without Python have one: a launcher, a shell, a supervisor. "" for none."""
    if pid is None or not processes.is_traced_here(pid):
        return ""
    found = []
    for child in processes.descendants(pid):
        memory_of_child = processes.ProcessMemory(child)
        names = process.named(processes.images_of(child, memory_of_child), memory_of_child)
        if names:
            found.append(f"child process {child} runs {names[0]}")
    more = f", {len(found) - MAX_CHILDREN} more have one" if len(found) > MAX_CHILDREN else ""
    return "".join(f"; {text}" for text in found[:MAX_CHILDREN]) + more


# What was warned of: the process or core, and the first file of another build.
_warned: Set[Tuple[Any, ...]] = set()


def _warn_of_other_builds(where: stop.Target, found: List[mapped.MappedImage]) -> None:
    """Say once, in one line, that gdb has read files that are not those of the process or core."""
    differing = list(objfiles.mismatches(found, images.executable(found)))
    if not differing or (where, differing[0]) in _warned:
        return
    _warned.add((where, differing[0]))
    first, what = differing[0], "core" if where.core is not None else "process"
    more = f", and {len(differing) - 1} more files are of other builds" if len(differing) > 1 else ""
    warn(f"{first.file} is not what the {what} runs: it has build id {first.build_id}, the {what} "
         f"{first.loaded_build_id}{more} (see py-symbols)")


def _pythons() -> List[process.Python]:
    where = memory.InferiorMemory()
    return process.open_all(images.images(where), where, lambda image: types.loader(image.path, image.build_id()))


def pythons_now() -> List[process.Python]:
    """The Pythons as they are at this moment, for what a condition of a breakpoint asks.

    Their layouts are found once for a process; what is read is never older than the call. Raises
    stop.NoInferior, process.NoPython.
    """
    now = memory.InferiorMemory()
    return [python._replace(runtime=Runtime(python.runtime.candidate, now, python.runtime.layout,
                                             python.runtime.minor))
            for python in stop.per_images(_pythons)]


def current() -> Model:
    """The model of this stop. Raises stop.NoInferior, process.NoPython."""
    return stop.per_stop(Model)


# The process that was let go last, as it was then.
_let_go: Optional[Model] = None


def heap() -> Model:
    """The model of this stop; where there is nothing to look at, of the process that was let go last.

    For what reads memory only. Raises stop.NoInferior, process.NoPython.
    """
    try:
        return current()
    except stop.NoInferior:
        if _let_go is None:
            raise
        return _let_go
