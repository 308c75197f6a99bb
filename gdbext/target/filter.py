"""A frame filter: gdb's own backtraces with Python frames in the place of the evaluation loop."""

from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import gdb
from gdb.FrameDecorator import FrameDecorator

from .architecture import ARCHITECTURES

NAME = "gdbext"
# Filters of a higher priority come first. Those that hide frames shall see what this one has made.
PRIORITY = 200


class Place(NamedTuple):
    """A Python frame as a backtrace shows it."""

    function: str
    file: Optional[str]
    line: Optional[int]


# The Python frames of each run of the evaluation loop, innermost first, by its pc and stack pointer.
Runs = Dict[Tuple[int, int], List[Place]]


class PythonFrame(FrameDecorator):
    """The native frame of the evaluation loop, shown as a Python frame; the run's outer ones are below it."""

    def __init__(self, frame: FrameDecorator, places: List[Place]) -> None:
        super().__init__(frame)
        self._frame = frame
        self._place = places[0]
        self._others = places[1:]

    def function(self) -> str:
        """The Python function."""
        return self._place.function

    def filename(self) -> Optional[str]:
        """The Python file."""
        return self._place.file

    def line(self) -> Optional[int]:
        """The line in it."""
        return self._place.line

    def address(self) -> None:
        """None: a Python frame has no address."""

    def frame_args(self) -> None:
        """None: those of the loop are not the function's."""

    def frame_locals(self) -> None:
        """None, likewise."""

    def elided(self) -> Optional[Iterator[FrameDecorator]]:
        """The other Python frames of the run: since 3.11 a call of Python code by Python code needs no other run."""
        return iter([PythonFrame(self._frame, [place]) for place in self._others]) if self._others else None


class UnnamedFrame(FrameDecorator):
    """A frame without a name, which gdb's filters print as nothing and its plain backtrace as "??"."""

    def function(self) -> str:
        """What gdb prints without filters."""
        return "??"


class PythonFrames:
    """The filter; off until `enable frame-filter global gdbext`."""

    def __init__(self, runs: Callable[[], Runs]) -> None:
        """`runs` tells of the selected thread; it raises nothing for a process that can't be read."""
        self.name = NAME
        self.priority = PRIORITY
        self.enabled = False
        self._runs = runs

    def filter(self, frames: Iterator[FrameDecorator]) -> Iterator[FrameDecorator]:
        """Called by gdb with the frames of the selected thread, innermost first."""
        runs = self._runs()
        return (self._decorated(frame, runs) for frame in frames)

    @staticmethod
    def _decorated(frame: FrameDecorator, runs: Runs) -> FrameDecorator:
        try:
            native = frame.inferior_frame()
            architecture = ARCHITECTURES.get(native.architecture().name())
            if architecture is None or native.type() == gdb.INLINE_FRAME:
                return frame
            stack_pointer = int(native.read_register(architecture.stack_pointer)) & (1 << 64) - 1
            places = runs.get((native.pc(), stack_pointer))
            if places:
                return PythonFrame(frame, places)
            if native.name() is None and native.type() == gdb.NORMAL_FRAME:
                # Another filter may know better; gdb's own decorator gives an address, or in gdb 18 "???".
                name = frame.function()
                if not isinstance(name, str) or not name.strip("?"):
                    return UnnamedFrame(frame)
            return frame
        except gdb.error:
            return frame


def register(runs: Callable[[], Runs]) -> None:
    """Add the filter to gdb's global ones, or put it in the place of the one added before, as that one was set."""
    before = gdb.frame_filters.get(NAME)
    added = PythonFrames(runs)
    if before is not None:
        added.enabled = before.enabled
    gdb.frame_filters[NAME] = added
