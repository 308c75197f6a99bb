"""The inferior at this stop, as the model sees it: its Pythons and its threads."""

from typing import Any, Dict, List, Optional

from ..analysis.threads import Thread, list_threads
from ..cpython import process
from ..target import images, memory, stop, threads, types


class Session:
    """What several answers need of one stop. Raises process.NoPython where there is no Python to read."""

    def __init__(self) -> None:
        self.memory = memory.InferiorMemory()
        self.pythons = process.open_all(
            images.images(self.memory), self.memory, lambda image: types.loader(image.path))
        self._threads: Optional[List[Thread]] = None

    def threads(self) -> List[Thread]:
        """All threads, native ones too, by gdb's number; a thread in two interpreters twice."""
        if self._threads is None:
            self._threads = list_threads(self.pythons, threads.native_threads())
        return self._threads

    def selected(self) -> List[Thread]:
        """The selected thread: one entry for each interpreter that it is in, the innermost first."""
        number = threads.selected_number()
        return [thread for thread in self.threads() if thread.native is not None and thread.native.number == number]

    def problems(self) -> List[str]:
        """Why an answer about all threads may be incomplete."""
        return [problem for python in self.pythons for problem in python.problems()]

    def target(self) -> Dict[str, Any]:
        """The `target` part that every JSON document starts with."""
        where = stop.target()
        python = self.pythons[0]
        source = python.runtime.layout.source
        return {
            "pid": where.pid,
            "core": where.core,
            "python": python.version,
            "free_threaded": python.identity.free_threaded,
            "debug_build": python.identity.debug,
            "layout": {"source": source.kind, "table": source.table, "exact": python.exact},
        }


def current() -> Session:
    """The session of this stop. Raises stop.NoInferior, process.NoPython."""
    return stop.per_stop(Session)
