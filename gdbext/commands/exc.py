"""py-exc: the exceptions that threads handle and raise, or the one at an address."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from .command import JSON, STACK, Command, Option, refuse, write

if TYPE_CHECKING:
    from ..analysis.exceptions import Search
    from ..analysis.threads import Thread
    from ..cpython.exceptions import Entry
    from ..cpython.process import Python
    from ..render.exceptions import Ended, Held, Locals
    from .model import Model


class Exc(Command):
    """Prints or dumps exceptions as their own Python would print them."""

    NAME = "py-exc"
    CLASS = STACK
    SUMMARY = "Print the exceptions that the selected thread raises and handles, with their tracebacks."
    USAGE = "py-exc [-all] [-locals] [-limit N] [-json] [ADDRESS | -find [TYPE]]"
    OPTIONS = (
        Option("all", "Those of all threads."),
        Option("locals", "With the variables of each frame of a traceback."),
        Option("find", "Those anywhere in the heap that have a traceback, of a type or of all."),
        Option("limit", "With -all: the first N threads that have any. With -find: the first N.", "N"),
        JSON,
    )
    EXAMPLE = "py-exc -all"
    ARGUMENTS = (0, 1)

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for the selected thread, for all, or for one exception."""
        from ..render import exceptions as render
        from ..target.threads import selected_number
        from . import model

        current = model.current()
        if options["find"]:
            self._find(current, (options["arguments"] or [None])[0], options)
            return
        if options["arguments"]:
            self._one(current, options["arguments"][0], options)
            return
        threads = current.threads() if options["all"] else current.selected()
        helds = [held(thread, compact=not options["json"]) for thread in threads if thread.state is not None]
        end = ended(current, options["all"] or options["json"])
        if options["json"]:
            write([render.document(current.target(), helds, end, locals_of if options["locals"] else lambda _: None,
                                    options["limit"])])
            return
        lines = list(render.ended_text(end, selected_number())) if end is not None else []
        lines += [""] * bool(lines)
        lines += (self._all(helds, options["locals"], options["limit"]) if options["all"]
                  else self._selected(helds, options["locals"]))
        write(lines)

    def _one(self, current: "Model", word: str, options: Dict[str, Any]) -> None:
        from ..analysis.exceptions import Reports
        from ..render import exceptions as render
        from ..target import address as addresses

        address = addresses.parse(word)
        if address is None:
            refuse(f"{self.NAME}: {word!r} is no address. Give a number, or a register or variable as $rax.")
        python = next((python for python in current.pythons if python.runtime.exceptions.is_exception(address)), None)
        if python is None:
            refuse(f"{self.NAME}: there is no exception object at {address:#x}.")
        report = Reports(python).of(address, compact=not options["json"])
        if options["json"]:
            write([render.document_of_one(current.target(), report, locals_of(python) if options["locals"] else None)])
        else:
            write([*self._text(python, report, options["locals"]), *render.remarks(report)])

    def _find(self, current: "Model", name: Optional[str], options: Dict[str, Any]) -> None:
        from ..analysis.exceptions import search
        from ..render import exceptions as render
        from . import source
        from .progress import ProgressLine

        threads, regions = current.threads(), current.memory.writable()
        searches: List["Search"] = []
        with ProgressLine("searching") as progress:
            for python in current.pythons:
                searches.append(search(python, threads, regions, name, not options["json"], progress,
                                       options["limit"]))
                if searches[-1].partial:
                    # Whoever interrupts one search does not want the next.
                    break
        if options["json"]:
            write([render.document_of_found(current.target(), [
                (each, locals_of(python) if options["locals"] else None)
                for python, each in zip(current.pythons, searches)])])
            return
        lines: List[str] = []
        for python, each in zip(current.pythons, searches):
            lines += render.found_text(each, render.style(python.identity.hexversion), source.current().whole_line,
                                       locals_of(python) if options["locals"] else None)
        write(lines)

    def _text(self, python: "Python", report: Any, with_locals: bool) -> List[str]:
        from ..render import exceptions as render
        from . import source

        style = render.style(python.identity.hexversion)
        return list(render.text(report, style, source.current().whole_line, locals_of(python) if with_locals else None))

    def _selected(self, helds: List["Held"], with_locals: bool) -> List[str]:
        from ..render import exceptions as render
        from ..render.traceback import NO_PYTHON

        if not helds:
            return [NO_PYTHON]
        lines: List[str] = []
        for each in helds:
            found = self._held(each, with_locals)
            # A thread may be in several interpreters.
            lines += [render.heading(each.thread), *found] if found and len(helds) > 1 else found
        return lines or ["This thread neither raises nor handles an exception."]

    def _all(self, helds: List["Held"], with_locals: bool, limit: Optional[int]) -> List[str]:
        from ..render import exceptions as render
        busy = [each for each in helds if not each.is_quiet]
        quiet = len(helds) - len(busy)
        lines: List[str] = []
        for each in busy[:limit]:
            lines += [""] * bool(lines) + [render.heading(each.thread), *self._held(each, with_locals)]
        more = render.threads_left_out(helds, limit)
        lines += [""] * bool(more and lines) + more
        if quiet:
            others = "other " * bool(lines)
            lines += [""] * bool(lines) + [
                f"{quiet} {others}thread{'s' if quiet > 1 else ''} of Python neither "
                f"raise{'s' if quiet == 1 else ''} nor handle{'s' if quiet == 1 else ''} an exception."]
        return lines or ["No Python in any thread."]

    def _held(self, held: "Held", with_locals: bool) -> List[str]:
        from ..render import exceptions as render
        from . import source

        python = held.thread.python
        assert python is not None
        return list(render.held_text(held, render.style(python.identity.hexversion), source.current().whole_line,
                                     locals_of(python) if with_locals else None))


def held(thread: "Thread", compact: bool) -> "Held":
    """What a thread of Python raises and handles."""
    from ..analysis.exceptions import Reports
    from ..cpython.reader import READ_ERRORS
    from ..render.exceptions import Held

    assert thread.python is not None and thread.state is not None
    reports = Reports(thread.python)
    exceptions = thread.python.runtime.exceptions
    raised, handling, problem = None, [], None
    try:
        raising = exceptions.raising(thread.state.address)
        raised = reports.raised(raising, compact) if raising is not None else None
        handled, problem = exceptions.handling(thread.state.address)
        handling = [reports.of(address, compact) for address in handled]
    except READ_ERRORS as error:
        problem = str(error)
    return Held(thread, handling, raised, problem)


def ended(current: "Model", everywhere: bool) -> Optional["Ended"]:
    """The fatal signal that this stop or core is of; None where there is none.

    What is at fault is told of the selected thread, with `everywhere` of any.
    """
    from ..analysis.faults import fault
    from ..render.exceptions import Ended
    from ..target import signals
    from ..target.threads import selected_meanwhile, selected_number

    signal = signals.fatal()
    if signal is None:
        return None
    threads = [thread for thread in current.threads()
               if thread.native is not None and thread.native.number == signal.thread and thread.state is not None]
    found = None
    if everywhere or signal.thread == selected_number():
        with selected_meanwhile(signal.thread):
            found = fault(current.stack(), current.exports, signal.address)
    return Ended(signal, threads[0] if threads else None, found)


def locals_of(python: "Python") -> "Locals":
    """Gives the variables of a traceback's frame as they are now, and their values."""
    from ..cpython.reader import READ_ERRORS
    from . import settings

    runtime = python.runtime
    limits = settings.limits_listed()

    def variables(entry: "Entry") -> List[Tuple[str, str]]:
        try:
            found = runtime.variables.of(entry.frame) if entry.frame is not None else []
        except READ_ERRORS as error:
            return [("locals", f"<unreadable: {error}>")]
        return [(variable.name, runtime.values.text(variable.address, limits)) for variable in found]

    return variables
