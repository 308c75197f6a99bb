"""Exceptions with all that belongs to them: chains, groups, notes, tracebacks; and those of the whole heap.

What is left out of a chain because it was there before is what traceback.TracebackException of the same
Python leaves out, so that a text made of a report is that Python's own.
Facts: Lib/traceback.py of each version.
"""

from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..cpython.classes import Classes, Name
from ..cpython.exceptions import Entry, Raising
from ..cpython.heap_walk import Report as ReportProgress
from ..cpython.memory import Region
from ..cpython.messages import Message, Messages
from ..cpython.objects import (
    BASE_EXCEPTION_SUBCLASS,
    BYTES_SUBCLASS,
    LIST_SUBCLASS,
    LONG_SUBCLASS,
    TUPLE_SUBCLASS,
    UNICODE_SUBCLASS,
    Type,
)
from ..cpython.process import Python
from ..cpython.reader import READ_ERRORS
from ..cpython.tracked import TrackedObjects
from .names import Names, NeedsCode, NotFound
from .suggestions import Suggestions
from .threads import Thread

# Exceptions of the heap in one answer.
MAX_FOUND = 1000
# Exceptions in one report: those of a chain and of groups in groups.
MAX_EXCEPTIONS = 10_000

# From here on a chain is followed from its end to its beginning with a queue (bpo-43656), notes that are a
# str are one note, and suggestions are part of the text.
_QUEUE = 0x030A0000
_WHOLE_NOTES = 0x030C0000
# What is no sequence, by tp_name: as notes it is printed as its repr().
_NO_SEQUENCES = frozenset(("int", "bool", "float", "complex", "dict", "set", "frozenset"))
# 3.14 tries whether another keyword would make sense of the source, where this is all that it has to say.
_KEYWORDS = 0x030E0000
_MAY_BE_A_KEYWORD = ("invalid syntax", "invalid syntax. Perhaps you forgot a comma?")


class Syntax(NamedTuple):
    """What a SyntaxError says of the source: None is what it does not say."""

    message: Optional[Message]
    filename: Optional[str]
    line: Optional[str]
    offset: Optional[int]
    end_line: Optional[str]
    end_offset: Optional[int]
    text: Optional[str]


class Report:
    """One exception, and what it leads to.

    `address` is None for what is not an instance yet. `cause`, `context` and `exceptions` hold reports;
    `exceptions` is None for what is no group. `problem` says why nothing else is known, `is_name_certain` whether
    nothing speaks against the name.
    """

    def __init__(self, address: Optional[int], name: Optional[Name] = None, problem: Optional[str] = None) -> None:
        self.address = address
        self.name = name
        self.problem = problem
        self.is_name_certain = True
        self.message = Message("", exact=problem is None)
        # What a traceback has behind the message, and str() has not.
        self.suggestion = ""
        self.args: Optional[str] = None
        self.entries: List[Entry] = []
        self.notes: List[Message] = []
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
        self._suggestions = Suggestions(python)
        self._names = Names(runtime)

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
            type_ = self._classes.type(raising.type)
            report = Report(None, self._classes.name(type_))
            report.is_name_certain = self._runtime.doubts.has_its_name(type_)
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
            name = self._classes.name(type_)
        except READ_ERRORS as error:
            return Report(address, None, str(error))
        report = Report(address, name)
        report.is_name_certain = self._runtime.doubts.has_its_name(type_)
        report.message = self._messages.of(address)
        try:
            report.args = self._messages.args(address).text
            report.entries = list(self._exceptions.traceback(self._exceptions.traceback_of(address)))
            report.suppress_context = self._exceptions.suppresses_context(address)
            if self._classes.is_derived(type_, "SyntaxError"):
                report.syntax = self._syntax(address)
                said = report.syntax.message
                if self._hexversion >= _KEYWORDS and said is not None and said.text in _MAY_BE_A_KEYWORD:
                    report.remarks.append("Python may say here which keyword was meant.")
            suggestion = self._suggestions.of(address, type_, report.entries)
            report.suggestion = suggestion.text
            if suggestion.remark:
                report.remarks.append(suggestion.remark)
            self._add_notes(report, address, type_)
        except READ_ERRORS as error:
            report.remarks.append(f"Not all of {name.full} at {address:#x} can be read: {error}.")
        return report

    def _add_notes(self, report: Report, address: int, type_: Type) -> None:
        """What traceback prints of `__notes__`; a remark where code would have to be run. Raises READ_ERRORS."""
        if not self._exceptions.have_notes:
            return
        try:
            if self._classes.lookup(type_, "__getattribute__") is not None:
                raise NeedsCode("its __getattribute__() would have to be run")
            notes = self._names.attribute(address, "__notes__")
            report.notes = self._notes(notes, self._objects.type_of(notes))
        except NeedsCode as error:
            report.remarks.append(f"Python may print notes here, but {error}.")
        except NotFound:
            pass

    def _notes(self, notes: int, type_: Type) -> List[Message]:
        if type_.name == "NoneType":
            return []
        if type_.name in _NO_SEQUENCES:
            return [self._messages.repr(notes)]
        if self._classes.lookup(type_, "__iter__") is not None:
            raise NeedsCode(f"the __iter__() of {self._classes.name(type_).full} would have to be run")
        if type_.flags & LIST_SUBCLASS:
            return list(map(self._shown, self._objects.list_items(notes)))
        if type_.flags & TUPLE_SUBCLASS:
            return list(map(self._shown, self._objects.tuple_items(notes)))
        if type_.flags & (UNICODE_SUBCLASS | BYTES_SUBCLASS):
            if self._hexversion >= _WHOLE_NOTES:
                return [self._messages.repr(notes)]
            # Both are sequences.
            return list(map(Message, self._objects.text(notes) if type_.flags & UNICODE_SUBCLASS else
                            map(str, self._objects.data(notes))))
        raise NeedsCode(f"whether a {self._classes.name(type_).full} has items is not known")

    def _shown(self, address: int) -> Message:
        try:
            return self._messages.shown(address)
        except READ_ERRORS as error:
            return Message(f"<unreadable: {error}>", exact=False)

    def _syntax(self, address: int) -> Syntax:
        def pointer(name: str) -> int:
            reader = self._runtime.reader
            return reader.pointer(address, struct, name) if reader.has(struct, name) else 0

        def shown(name: str) -> Optional[Message]:
            value = pointer(name)
            none = not value or self._objects.type_of(value).name == "NoneType"
            return None if none else self._shown(value)

        def text(name: str) -> Optional[str]:
            found = shown(name)
            return found.text if found is not None else None

        def number(name: str) -> Optional[int]:
            value = pointer(name)
            is_int = value and self._objects.type_of(value).flags & LONG_SUBCLASS
            return self._objects.integer(value) if is_int else None

        struct = "PySyntaxErrorObject"
        return Syntax(shown("msg"), text("filename"), text("lineno"), number("offset"), text("end_lineno"),
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


class Found(NamedTuple):
    """An exception of the heap; `thread` runs a frame of its traceback, None where none does any more."""

    report: Report
    thread: Optional[Thread]


class Search(NamedTuple):
    """Exceptions of the heap that have a traceback; `more` of them are left out. `problems` may hide others.

    `partial` is set where the search was interrupted.
    """

    found: List[Found]
    more: int
    problems: List[str]
    partial: bool


def search(python: Python, threads: Sequence[Thread], regions: Sequence[Region], name: Optional[str],
           compact: bool = True, report: ReportProgress = lambda progress: None, limit: Optional[int] = None) -> Search:
    """All exceptions that have a traceback, or those of a type and of types derived from it; `limit` are told of.

    Those come first whose traceback has a frame that still runs, the newest thread's before others'; then
    what the collector has seen last before what is older, where it knows. Raises Unreadable, Damaged,
    MissingField.

    A KeyboardInterrupt ends it early, with what was found so far.
    """
    name = name and own_name(python, name)
    tracked = TrackedObjects(python.runtime, regions, report)
    addresses: List[int] = []
    ranked: List[Tuple[int, int, int, Optional[Thread]]] = []
    found: List[Found] = []
    partial = False
    try:
        _collect(python, tracked, name, addresses)
    except KeyboardInterrupt:
        partial = True
    try:
        owners = _owners(python, threads)
        # Python lists thread states from the newest to the oldest.
        ranks = {state.address: rank for rank, state in enumerate(python.thread_states())}
        for age, address in enumerate(addresses):
            thread = _owner(python, address, owners)
            rank = ranks.get(thread.state.address, len(ranks)) if thread and thread.state else len(ranks)
            ranked.append((rank, age, address, thread))
        ranked.sort(key=lambda each: each[:2])
        reports = Reports(python)
        for _rank, _age, address, thread in ranked[:min(MAX_FOUND, limit or MAX_FOUND)]:
            found.append(Found(reports.of(address, compact), thread))
    except KeyboardInterrupt:
        partial = True
    return Search(found, len(addresses) - len(found), tracked.problems, partial)


def own_name(python: Python, name: str) -> str:
    """What a type calls itself that a module has under another name: OSError for IOError or socket.error.

    The name as it is where no type of exceptions is known by it, which may be defined later.
    """
    runtime = python.runtime
    module, _dot, last = name.rpartition(".")
    try:
        namespace = runtime.module_dict(runtime.interpreters()[-1], module or "builtins")
        found = runtime.dicts.get(namespace, last) if namespace else None
        if found is None:
            return name
        type_ = runtime.values.classes.type(found)
        if not type_.flags & BASE_EXCEPTION_SUBCLASS:
            return name
        return runtime.values.classes.name(type_).full
    except READ_ERRORS:
        return name


def is_called(classes: Classes, type_: int, name: str) -> bool:
    """Whether a type or one of its bases has a name, with its module or without. Raises READ_ERRORS."""
    for base in classes.order(classes.type(type_)):
        found = classes.name(base)
        if name in (found.qualname, f"{found.module}.{found.qualname}"):
            return True
    return False


def _collect(python: Python, tracked: TrackedObjects, name: Optional[str], found: List[int]) -> None:
    """Put the addresses of exceptions that have a traceback into `found`, in each list the newest first."""
    traceback_of = python.runtime.exceptions.traceback_of
    wanted: Dict[int, bool] = {}

    def is_wanted(type_: int) -> bool:
        if type_ not in wanted:
            wanted[type_] = _is_exception_type(python, type_, name)
        return wanted[type_]

    for members in tracked.of_types(is_wanted):
        start = len(found)
        try:
            for address in members:
                try:
                    if traceback_of(address):
                        found.append(address)
                except READ_ERRORS:
                    continue
        finally:
            found[start:] = reversed(found[start:])


def _is_exception_type(python: Python, type_: int, name: Optional[str]) -> bool:
    """Whether a type is of exceptions, and of that name or derived from one that is."""
    classes = python.runtime.values.classes
    try:
        return bool(classes.type(type_).flags & BASE_EXCEPTION_SUBCLASS) and (
            name is None or is_called(classes, type_, name))
    except READ_ERRORS:
        return False


def _owners(python: Python, threads: Sequence[Thread]) -> Dict[int, Thread]:
    """The thread that each running frame belongs to, by the frame's address."""
    return {frame.address: thread for thread in threads if thread.python is python for frame in thread.frames()}


def _owner(python: Python, address: int, owners: Dict[int, Thread]) -> Optional[Thread]:
    """The thread that still runs a frame of an exception's traceback."""
    exceptions = python.runtime.exceptions
    try:
        for entry in exceptions.traceback(exceptions.traceback_of(address)):
            if entry.frame is not None and entry.frame.address in owners:
                return owners[entry.frame.address]
    except READ_ERRORS:
        pass
    return None
