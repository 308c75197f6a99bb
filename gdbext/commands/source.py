"""Source files of the selected inferior."""

from ..analysis.sources import Places, Sources
from ..target import processes, sources
from . import model


def current() -> Sources:
    """The source files as they are now. Made for one command: they may change until the next one."""
    pid = model.current().pid
    here = pid is not None and processes.is_traced_here(pid)
    return Sources(Places(sources.substitutions(), sources.sysroot(), sources.directories(),
                          f"/proc/{pid}" if here else None))
