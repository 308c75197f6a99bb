"""The gate: does a layout read this process? It refuses rather than lets a wrong layout answer.

Checked are facts that a wrong layout can't meet by chance: back pointers, list links, and what
the interpreter says of itself through Python objects. It does not notice that a structure which
it does not read has another shape; corrections.py looks after those.
"""

from itertools import islice
from typing import Iterator, NamedTuple, Optional, Tuple

from .frames import Frame
from .runtime import Interpreter, Runtime

# So many threads tell whether frames can be read; a process may have thousands.
_MOST_THREADS = 64


class Identity(NamedTuple):
    """What the interpreter says of itself: sys.hexversion, sys.abiflags' letters."""

    hexversion: int
    debug: bool
    free_threaded: bool


class NotInitialized(Exception):
    """The runtime has no interpreter: before Py_Initialize, or after Py_Finalize."""


class WrongLayout(Exception):
    """The layout does not read this process."""


def check(runtime: Runtime, version: Optional[Tuple[int, int]], threads: bool = True) -> Identity:
    """What the interpreter is, once the layout has read it.

    `version` is the (major, minor) that it has to be, None where any will do. Without `threads`, thread
    states and frames may be anything: a damaged process can have spoiled them all. Raises NotInitialized,
    WrongLayout, or READ_ERRORS: a layout that leads to unmapped memory is wrong, or the core is cut.
    """
    interpreters = runtime.interpreters()
    if not interpreters:
        raise NotInitialized()
    main = interpreters[-1]
    if not 0 <= main.id <= interpreters[0].id < 1 << 32:
        raise WrongLayout(f"interpreters are numbered {interpreters[0].id} to {main.id}")
    reader = runtime.reader
    candidate = runtime.candidate
    if reader.has("PyInterpreterState", "id") and reader.integer(main.address, "PyInterpreterState", "id") >= 1 << 32:
        raise WrongLayout("the main interpreter has an impossible number")
    for interpreter in interpreters:
        if candidate.runtime is not None and reader.has("PyInterpreterState", "runtime"):
            back = reader.pointer(interpreter.address, "PyInterpreterState", "runtime")
            if back != candidate.runtime:
                raise WrongLayout(f"interpreter {interpreter.id} belongs to another runtime")
        if threads:
            _check_thread_links(runtime, interpreter)
    sys_dict = reader.pointer(main.address, "PyInterpreterState", "sysdict")
    if not sys_dict:
        raise NotInitialized()
    hexversion_at = runtime.dicts.get(sys_dict, "hexversion")
    if hexversion_at is None:
        raise WrongLayout("sys has no hexversion")
    hexversion = runtime.objects.integer(hexversion_at)
    if not 0 < hexversion < 1 << 32:
        raise WrongLayout("sys.hexversion is no version")
    found = (hexversion >> 24, hexversion >> 16 & 255)
    if version is not None and found != version:
        raise WrongLayout(f"this is Python {found[0]}.{found[1]}")
    if runtime.dicts.get(sys_dict, "modules") != runtime.modules(main):
        raise WrongLayout("sys.modules is not the interpreter's modules")
    flags_at = runtime.dicts.get(sys_dict, "abiflags")
    flags = runtime.objects.text(flags_at) if flags_at else ""
    identity = Identity(hexversion, "d" in flags, "t" in flags)
    if identity.free_threaded != runtime.layout.free_threaded:
        raise WrongLayout("free-threaded and other builds differ")
    if threads:
        _check_frames(runtime, one_suffices=runtime.layout.source.version in (None, found))
    return identity


def _check_thread_links(runtime: Runtime, interpreter: Interpreter) -> None:
    states, problem, are_linked = runtime.thread_states(interpreter)
    if problem is not None and not (states and are_linked):
        raise WrongLayout(problem)


def _check_frames(runtime: Runtime, one_suffices: bool) -> None:
    """There must be a frame with a code object; what its bytes are is checked on the way.

    Most threads must have one unless `one_suffices`: a layout of another minor release may read one thread's alone.
    Without the GIL, the main thread runs the code objects' own instructions, and each other thread a copy of them.
    """
    readable, problems = 0, []
    states = (state for interpreter in runtime.interpreters() for state in runtime.thread_states(interpreter).states)
    for state in islice(states, None if one_suffices else _MOST_THREADS):
        frames = list(_until_readable(runtime.frames.walk(state.address)))
        if frames and frames[-1].code is not None:
            readable += 1
            if one_suffices:
                return
        elif frames:
            problems.append(frames[0].problem)
    if len(problems) > readable:
        of = f" of {len(problems)} of {len(problems) + readable} threads" if readable else ""
        raise WrongLayout(f"no frame can be read{of}: {problems[0]}")


def _until_readable(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames up to the first one that has a code object."""
    for frame in frames:
        yield frame
        if frame.code is not None:
            return
