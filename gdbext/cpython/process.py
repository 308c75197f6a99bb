"""The CPython runtimes of a process, each opened with the layout that passed the gate."""

import os
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from ..layout import choose, table
from ..layout.layout import Layout, Struct
from . import corrections, find, gate, other_pythons
from .memory import Memory
from .reader import READ_ERRORS
from .runtime import Runtime, ThreadState

# What a source of DWARF types gives for an image, None where it has no types for it.
DwarfOf = Callable[[find.Image], Optional[choose.LoadStruct]]

# How many refusals one message names.
MAX_REASONS = 3


class Python(NamedTuple):
    """An initialized CPython. `exact` tells a layout of this very build from a near one that passed the gate.

    Where a process has several, `number` counts them from 0 in the order of their images' addresses, and
    `label` tells one from the others: "Python 3.11.7 in libpython3.11.so.1.0". It is None for the only one.
    """

    runtime: Runtime
    version: str
    identity: gate.Identity
    exact: bool
    number: int = 0
    label: Optional[str] = None

    @property
    def path(self) -> str:
        """The file of the image that it lies in, as the process names it."""
        return self.runtime.candidate.image.path

    @property
    def is_beyond_tables(self) -> bool:
        """Whether its minor release has no table of this kind, so that another minor's was taken."""
        source = self.runtime.layout.source
        return source.kind != "dwarf" and source.version != choose.release(self.identity.hexversion)[0]

    def thread_states(self) -> List[ThreadState]:
        """The thread states of all interpreters that can be read, newest interpreter first."""
        try:
            interpreters = self.runtime.interpreters()
        except READ_ERRORS:
            return []
        return [state for interpreter in interpreters for state in self.runtime.thread_states(interpreter).states]

    def problems(self) -> List[str]:
        """Why thread states may be missing from the answer."""
        try:
            found = [self.runtime.thread_states(interpreter).problem
                     for interpreter in self.runtime.interpreters()]
        except READ_ERRORS as error:
            return [str(error)]
        return [problem for problem in found if problem is not None]


class NoPython(Exception):
    """There is no CPython here that can be read; the message says why, in one line."""


class NotPython(NoPython):
    """No image of the process defines a CPython runtime, though it may be another Python's."""


def open_all(images: Iterable[find.Image], memory: Memory, dwarf_of: DwarfOf) -> List[Python]:
    """Every initialized CPython of the process. Raises NoPython when there is none."""
    images = list(images)
    candidates, unreadable = find.search(images, memory)
    if not candidates:
        _refuse_other(images, memory)
        if unreadable:
            raise NoPython(_missing_files(unreadable))
        raise NotPython(f"no CPython here: none of {len(images)} mapped images defines a Python runtime")
    opened = []
    idle = []
    refused = []
    for candidate in candidates:
        try:
            opened.append(_open(candidate, memory, dwarf_of(candidate.image)))
        except gate.NotInitialized:
            idle.append(candidate)
        except gate.WrongLayout as error:
            refused.append(f"{_describe(candidate, memory)}: {error}")
    if not opened:
        if refused:
            raise NoPython("; ".join(refused[:MAX_REASONS]))
        # An extension module may have brought a libpython along.
        _refuse_other(images, memory)
        raise NoPython(
            f"{_describe(idle[0], memory)} has no interpreter: it is not initialized yet, or already finalized")
    return _told_apart(opened) if len(opened) > 1 else opened


def _told_apart(pythons: List[Python]) -> List[Python]:
    """With numbers and labels; a label has the whole path where the file's name alone does not tell."""
    labels = [f"Python {python.version} in {os.path.basename(python.path)}" for python in pythons]
    if len(set(labels)) < len(labels):
        labels = [f"Python {python.version} in {python.path}" for python in pythons]
    return [python._replace(number=number, label=label)
            for number, (python, label) in enumerate(zip(pythons, labels))]


def named(images: Iterable[find.Image], memory: Memory) -> List[str]:
    """The CPythons of a process, initialized or not: "Python 3.11.2 in /usr/bin/python3.11"."""
    return [_describe(candidate, memory) for candidate in find.search(images, memory).candidates]


def _refuse_other(images: List[find.Image], memory: Memory) -> None:
    """Raises NotPython where this is a Python that is not CPython."""
    other = other_pythons.recognise(images, memory)
    if other is not None:
        raise NotPython(f"this is {other.text}, which gdbext does not read: it reads CPython "
                        f"{_known_versions()} (recognised by {other.image.path})")


def _missing_files(images: List[find.Image]) -> str:
    """What to put back so that a core can be read; the likeliest files first."""
    # Images are in the order of their addresses, and the executable comes first there. A module of the
    # standard library has "python" in its name too, so that only a beginning tells.
    likely = sorted(images, key=lambda image: not os.path.basename(image.path).startswith(("libpython", "python")))
    files = [f"{image.path} (build id {image.build_id() or 'unknown'})" for image in likely[:MAX_REASONS]]
    more = f" and {len(images) - MAX_REASONS} more" if len(images) > MAX_REASONS else ""
    return (f"no CPython found, and the code of {', '.join(files)}{more} can't be read: "
            "put these files back, or name their place with `set sysroot`, or one with `py-symbols -use`")


def _describe(candidate: find.Candidate, memory: Memory) -> str:
    """ "Python 3.11.2 in /usr/bin/python3.11". """
    if candidate.hexversion is not None:
        version: Optional[str] = find.version_text(candidate.hexversion)
    else:
        version = find.stated_version(candidate.image, memory)
    return f"Python {version or 'of unknown version'} in {candidate.image.path}"


def _open(candidate: find.Candidate, memory: Memory, dwarf: Optional[choose.LoadStruct]) -> Python:
    """The candidate, read with the first layout that passes. Raises NotInitialized or WrongLayout."""
    opened = _first_that_passes(candidate, memory, dwarf)
    if not opened.exact:
        # Now sys has told the build (and up to 3.10 the release): there may be a better table.
        told = candidate._replace(hexversion=opened.identity.hexversion)
        opened = _first_that_passes(told, memory, dwarf, opened.identity.debug)
    if not opened.exact:
        corrections.apply(opened.runtime, _other_shapes(opened.runtime.layout))
    return opened


def _first_that_passes(candidate: find.Candidate, memory: Memory, dwarf: Optional[choose.LoadStruct],
                       debug: bool = False) -> Python:
    tried: Dict[str, str] = {}
    minors: Set[Optional[Tuple[int, int]]] = set()
    damaged: Optional[Python] = None
    for layout in _layouts(candidate, memory, dwarf, debug):
        minors.add(layout.source.version)
        try:
            runtime = Runtime(candidate, memory, layout)
            identity = gate.check(runtime, _expected(candidate, layout))
        except gate.NotInitialized:
            if _finds_the_list(layout, candidate):
                raise
            reason = "no interpreters"
        except (gate.WrongLayout,) + READ_ERRORS as error:
            reason = str(error)
            opened = _without_threads(candidate, memory, layout)
            if opened is not None and opened.exact:
                return opened
            damaged = damaged or opened
        else:
            return _python(runtime, identity, candidate)
        tried.setdefault(layout.source.table or "DWARF", reason)
    if damaged is not None:
        return damaged
    reasons = [f"{name}: {reason}" for name, reason in tried.items()]
    beyond = "it is beyond the tables: " if _is_beyond(candidate, memory, minors) else ""
    raise gate.WrongLayout(f"{beyond}gdbext reads CPython {_known_versions()}, and no layout passes its checks"
                           + (f" ({'; '.join(reasons[:MAX_REASONS])})" if reasons else ""))


def _python(runtime: Runtime, identity: gate.Identity, candidate: find.Candidate) -> Python:
    runtime.minor = identity.hexversion >> 16 & 255
    return Python(runtime, find.version_text(identity.hexversion), identity,
                  _is_exact(runtime.layout, identity, candidate))


def _without_threads(candidate: find.Candidate, memory: Memory, layout: Layout) -> Optional[Python]:
    """What passes the gate but for damaged thread states and frames, None for what does not.

    Nothing of the process then speaks for how a layout reads these: it has to be that of this very build, or of a
    build of the same minor release whose runtime has the same size, so that no structure in it has grown.
    """
    try:
        runtime = Runtime(candidate, memory, layout)
        identity = gate.check(runtime, _expected(candidate, layout), threads=False)
    except (gate.WrongLayout, gate.NotInitialized) + READ_ERRORS:
        return None
    opened = _python(runtime, identity, candidate)
    source = layout.source
    is_of_this_size = candidate.runtime_size is not None and (source.runtime_size, source.machine, source.version) == (
        candidate.runtime_size, candidate.image.machine, choose.release(identity.hexversion)[0])
    return opened if opened.exact or is_of_this_size else None


def _is_beyond(candidate: find.Candidate, memory: Memory, minors: Set[Optional[Tuple[int, int]]]) -> bool:
    """Whether there is no table of the candidate's minor, with or without the GIL as it is.

    `minors` are those whose layouts were tried: of the candidate's own, if there are any for its kind.
    """
    hexversion = candidate.hexversion
    if hexversion is None:
        hexversion = find.hexversion_of(find.stated_version(candidate.image, memory))
    if hexversion is None:
        return False
    known = minors if minors and candidate.hexversion is not None else {name.version for name in table.names()}
    return choose.release(hexversion)[0] not in known


def _known_versions() -> str:
    """ "3.6 to 3.15, free-threaded 3.13 to 3.15": the minors that there are tables for."""
    names = table.names()
    plain = _ranges({name.version for name in names if not name.free_threaded})
    free_threaded = _ranges({name.version for name in names if name.free_threaded})
    return ", ".join(plain + ["free-threaded " + text for text in free_threaded]) or "of no version"


def _ranges(versions: Set[Tuple[int, int]]) -> List[str]:
    """ "3.6 to 3.12" and "3.15" where there are none of those between."""
    runs: List[List[Tuple[int, int]]] = []
    for version in sorted(versions):
        if runs and version == (runs[-1][-1][0], runs[-1][-1][1] + 1):
            runs[-1].append(version)
        else:
            runs.append([version])
    return [" to ".join(f"{major}.{minor}" for major, minor in sorted({run[0], run[-1]})) for run in runs]


def _finds_the_list(layout: Layout, candidate: find.Candidate) -> bool:
    """Whether an empty list of interpreters is the process's word, and not that of a wrong layout."""
    return (candidate.runtime is None or layout.source.kind != "table"
            or layout.source.runtime_size == candidate.runtime_size)


def _layouts(candidate: find.Candidate, memory: Memory, dwarf: Optional[choose.LoadStruct],
             debug: bool) -> Iterator[Layout]:
    try:
        yield from choose.candidates(
            candidate.runtime, candidate.runtime_size, candidate.hexversion, debug, candidate.image.machine,
            memory.read, dwarf, build_id=candidate.image.build_id())
    except READ_ERRORS as error:
        raise gate.WrongLayout(str(error)) from None


def _expected(candidate: find.Candidate, layout: Layout) -> Optional[Tuple[int, int]]:
    """The minor release that has to be found: what the process says of itself, else what the layout is of."""
    if candidate.hexversion is not None:
        return choose.release(candidate.hexversion)[0]
    return layout.source.version


def _is_exact(layout: Layout, identity: gate.Identity, candidate: find.Candidate) -> bool:
    source = layout.source
    if source.kind != "table":
        return source.kind == "dwarf"
    return (source.hexversion, source.runtime_size, source.debug, source.machine) == (
        identity.hexversion, candidate.runtime_size, identity.debug, candidate.image.machine)


def _other_shapes(layout: Layout) -> Callable[[str], Iterator[Struct]]:
    def shapes(struct: str) -> Iterator[Struct]:
        for name in table.names():
            if name.version == layout.source.version and name.free_threaded == layout.free_threaded:
                found = table.load(name).struct(struct)
                if found is not None:
                    yield found
    return shapes
