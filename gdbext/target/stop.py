"""One stop of one inferior: what was read stays true until the inferior runs or is changed."""

import os
import re
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence

import gdb

from . import console

# Each of these can change memory or registers, or what is mapped. Some are newer than gdb 10.
_CHANGES = ("cont", "exited", "inferior_call", "memory_changed", "register_changed", "new_objfile",
            "clear_objfiles", "free_objfile", "inferior_deleted")

# Each of these can change what is mapped, and so which Pythons there are and where.
_NEW_IMAGES = ("exited", "new_objfile", "clear_objfiles", "free_objfile", "inferior_deleted")

_CORE_FILE = re.compile(r"Local core dump file:\s+`(?P<path>[^\n]+)', file type ")


class NoInferior(Exception):
    """There is no process and no core to look at."""


class Target(NamedTuple):
    """What is being debugged: `pid` for a live process, None for a core, of which `core` is the path."""

    pid: Optional[int]
    core: Optional[str]


class _Kept(NamedTuple):
    value: Any
    pid: int
    witness: gdb.InferiorThread


# By the inferior's number: of this stop, and of as long as the process has the same images.
_kept: Dict[int, _Kept] = {}
_kept_longer: Dict[int, _Kept] = {}
_connected = False


def _forget(_event: object) -> None:
    _kept.clear()


def _forget_longer(_event: object) -> None:
    _kept_longer.clear()


def _connect() -> None:
    global _connected
    if not _connected:
        _connected = True
        for names, forget in ((_CHANGES, _forget), (_NEW_IMAGES, _forget_longer)):
            for name in names:
                registry = getattr(gdb.events, name, None)
                if registry is not None:
                    registry.connect(forget)


def per_stop(make: Callable[[], Any]) -> Any:
    """What `make` returns, made anew whenever the inferior has run, was written to, or is another one.

    Raises NoInferior, and what `make` raises.
    """
    # A thread that runs on (non-stop mode) may change anything meanwhile.
    return _once(_kept, make, lambda threads: not any(thread.is_running() for thread in threads))


def per_images(make: Callable[[], Any]) -> Any:
    """What `make` returns, made anew whenever the process may have other images: not at every stop.

    Raises NoInferior, and what `make` raises.
    """
    return _once(_kept_longer, make, lambda threads: True)


def _once(kept_values: Dict[int, _Kept], make: Callable[[], Any],
          may_be_kept: Callable[[Sequence[gdb.InferiorThread]], bool]) -> Any:
    inferior = gdb.selected_inferior()
    threads = inferior.threads()
    if not inferior.pid or not threads:
        raise NoInferior()
    kept = kept_values.get(inferior.num)
    # Detaching ends no process and so has no event, but it does away with gdb's threads.
    if kept is not None and kept.witness.is_valid() and kept.pid == inferior.pid:
        return kept.value
    _connect()
    value = make()
    if may_be_kept(threads):
        kept_values[inferior.num] = _Kept(value, inferior.pid, threads[0])
    return value


def target() -> Target:
    """The selected inferior as a live process or a core."""
    match = _CORE_FILE.search(console.output("info target"))
    pid = gdb.selected_inferior().pid or None
    if match and os.path.exists(match.group("path")):
        return Target(None, match.group("path"))
    return Target(pid, None)


def process_number() -> Optional[int]:
    """The selected inferior's, also that of the process that a core is of; None where there is none."""
    return gdb.selected_inferior().pid or None


def detach() -> None:
    """Let the selected inferior go on, without a word. Raises gdb.error."""
    gdb.execute("detach", to_string=True)
