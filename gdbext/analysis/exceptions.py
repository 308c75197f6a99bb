"""Exceptions with all that belongs to them: chains, groups, notes, tracebacks; and those of the whole heap.

What is left out of a chain because it was there before is what traceback.TracebackException of the same
Python leaves out, so that a text made of a report is that Python's own.
Facts: Lib/traceback.py of each version.
"""

from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from ..cpython.classes import Name
from ..cpython.exceptions import Entry, Raising
from ..cpython.gc_lists import GcLists
from ..cpython.messages import Message, Messages
from ..cpython.objects import LIST_SUBCLASS, LONG_SUBCLASS, TUPLE_SUBCLASS, UNICODE_SUBCLASS
from ..cpython.process import Python
from ..cpython.reader import READ_ERRORS

# Exceptions in one report: those of a chain and of groups in groups.
MAX_EXCEPTIONS = 10_000

# From here on a chain is followed from its end to its beginning with a queue (bpo-43656), notes that are a
# str are one note, and suggestions are part of the text.
_QUEUE = 0x030A0000
_WHOLE_NOTES = 0x030C0000


class Syntax(NamedTuple):
    """What a SyntaxError says of the source: None is what it does not say."""

    message: Optional[str]
    filename: Optional[str]
    line: Optional[str]
    offset: Optional[int]
    end_line: Optional[str]
    end_offset: Optional[int]
    text: Optional[str]


class Report:
    """One exception, and what it leads to.

    `address` is None for what is not an instance yet. `cause`, `context` and `exceptions` hold reports;
    `exceptions` is None for what is no group. `problem` says why nothing else is known.
    """

    def __init__(self, address: Optional[int], name: Optional[Name] = None, problem: Optional[str] = None) -> None:
        self.address = address
        self.name = name
        self.problem = problem
        self.message = Message("", exact=problem is None)
        self.args: Optional[str] = None
        self.entries: List[Entry] = []
        self.notes: List[str] = []
        self.syntax: Optional[Syntax] = None
        self.suppress_context = False
        self.cause: Optional[Report] = None
        self.context: Optional[Report] = None
        self.exceptions: Optional[List[Report]] = None
        # What a reader has to know of this answer, and traceback's text does not have: one sentence each.
        self.remarks: List[str] = []

    def all(self) -> Iterator["Report"]:
        """This report and all within it."""
        waiting = [self]
        while waiting:
            report = waiting.pop()
            yield report
            waiting += [each for each in (report.cause, report.context, *(report.exceptions or ())) if each]


class Reports:
    """Makes reports of one Python's exceptions. No method raises READ_ERRORS, unless it says so."""

    def __init__(self, python: Python) -> None:
        self._runtime = runtime = python.runtime
        self._hexversion = python.identity.hexversion
        self._objects = runtime.objects
        self._classes = runtime.values.classes
        self._exceptions = runtime.exceptions
        self._messages = Messages(runtime)

    def of(self, address: int, compact: bool = True) -> Report:
        """The exception at `address`. With `compact` a context is left out where Python's text leaves it out."""
        return self._expanded(self._report(address), compact)

    def raised(self, raising: Raising, compact: bool = True) -> Report:
        """What a thread is raising."""
        if self._exceptions.is_exception(raising.value):
            report = self._report(raising.value)
            if raising.traceback:
                report.entries = list(self._exceptions.traceback(raising.traceback))
            return self._expanded(report, compact)
        try:
            report = Report(None, self._classes.name(self._classes.type(raising.type)))
            report.message = self._messages.of_values(raising.type, raising.value)
        except READ_ERRORS as error:
            report = Report(None, None, str(error))
        report.entries = list(self._exceptions.traceback(raising.traceback))
        report.remarks.append("It is no instance yet, only its type and what that will be called with.")
        return report

    def _report(self, address: int) -> Report:
        """One exception without what it leads to."""
        try:
            type_ = self._exceptions.expect(address)
            report = Report(address, self._classes.name(type_))
        except READ_ERRORS as error:
            return Report(address, None, str(error))
        report.message = self._messages.of(address)
        try:
            report.args = self._messages.args(address)
            report.entries = list(self._exceptions.traceback(self._exceptions.field(address, "traceback")))
            report.suppress_context = self._exceptions.suppresses_context(address)
            report.notes = self._notes(address)
            if self._classes.is_derived(type_, "SyntaxError"):
                report.syntax = self._syntax(address)
        except READ_ERRORS as error:
            report.remarks.append(f"Not all of {report.name.full} at {address:#x} can be read: {error}.")
        return report

    def _notes(self, address: int) -> List[str]:
        notes = self._exceptions.notes(address)
        if not notes:
            return []
        type_ = self._objects.type_of(notes)
        if type_.name == "NoneType":
            return []
        if type_.flags & LIST_SUBCLASS:
            return [self._shown(each) for each in self._objects.list_items(notes)]
        if type_.flags & TUPLE_SUBCLASS:
            return [self._shown(each) for each in self._objects.tuple_items(notes)]
        if type_.flags & UNICODE_SUBCLASS and self._hexversion < _WHOLE_NOTES:
            # A str is a sequence.
            return list(self._objects.text(notes))
        return [self._messages.repr(notes)]

    def _shown(self, address: int) -> str:
        try:
            return self._messages.shown(address).text
        except READ_ERRORS as error:
            return f"<unreadable: {error}>"

    def _syntax(self, address: int) -> Syntax:
        def pointer(name: str) -> int:
            reader = self._runtime.reader
            return reader.pointer(address, struct, name) if reader.has(struct, name) else 0

        def text(name: str) -> Optional[str]:
            value = pointer(name)
            none = not value or self._objects.type_of(value).name == "NoneType"
            return None if none else self._shown(value)

        def number(name: str) -> Optional[int]:
            value = pointer(name)
            is_int = value and self._objects.type_of(value).flags & LONG_SUBCLASS
            return self._objects.integer(value) if is_int else None

        struct = "PySyntaxErrorObject"
        return Syntax(text("msg"), text("filename"), text("lineno"), number("offset"), text("end_lineno"),
                      number("end_offset"), text("text"))

    def _expanded(self, root: Report, compact: bool) -> Report:
        """The report with its chain and groups."""
        if root.address is None:
            return root
        seen = {root.address}
        if self._hexversion < _QUEUE:
            self._follow_recursively(root, seen)
        else:
            self._follow_with_queue(root, seen, compact)
        return root

    def _follow_recursively(self, root: Report, seen: Set[int]) -> None:
        """Up to 3.9: a cause with all that it leads to comes before the context."""
        waiting: List[Tuple[Report, str]] = [(root, "context"), (root, "cause")]
        while waiting:
            report, link = waiting.pop()
            linked = self._linked(report, link, seen)
            setattr(report, link, linked)
            if linked is not None:
                waiting += [(linked, "context"), (linked, "cause")]

    def _follow_with_queue(self, root: Report, seen: Set[int], compact: bool) -> None:
        queue = [root]
        count = 1
        while queue:
            report = queue.pop()
            report.cause = self._linked(report, "cause", seen)
            if not compact or report.cause is None and not report.suppress_context:
                report.context = self._linked(report, "context", seen)
            report.exceptions = self._members(report, seen)
            found = [each for each in (report.cause, report.context, *(report.exceptions or ())) if each]
            count += len(found)
            if count > MAX_EXCEPTIONS:
                report.remarks.append(f"There are more than {MAX_EXCEPTIONS} exceptions in this; the rest is left out.")
                return
            queue += found

    def _linked(self, report: Report, link: str, seen: Set[int]) -> Optional[Report]:
        if report.address is None or report.problem is not None or len(seen) > MAX_EXCEPTIONS:
            return None
        try:
            address = self._exceptions.field(report.address, link)
        except READ_ERRORS:
            return None
        if not address or address in seen:
            return None
        seen.add(address)
        return self._report(address)

    def _members(self, report: Report, seen: Set[int]) -> Optional[List[Report]]:
        """The exceptions of a group (PEP 654, 3.11), None for what is none."""
        runtime = self._runtime
        if report.problem is not None or not runtime.layout.find("PyBaseExceptionGroupObject"):
            return None
        assert report.address is not None
        try:
            if not self._classes.is_derived(self._objects.type_of(report.address), "BaseExceptionGroup"):
                return None
            members = self._objects.tuple_items(
                runtime.reader.pointer(report.address, "PyBaseExceptionGroupObject", "excs"))
        except READ_ERRORS as error:
            report.remarks.append(f"The exceptions of the group at {report.address:#x} can't be read: {error}.")
            return None
        seen.update(members)
        return [self._report(address) for address in members[:MAX_EXCEPTIONS]]
