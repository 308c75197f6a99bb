"""Exceptions made up in the memory of every table's build: what is read of them, and where reading ends."""

import json
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import pytest

from gdbext.analysis import exceptions as analysis
from gdbext.analysis.exceptions import Report, Reports, is_called, search
from gdbext.analysis.naming import Names
from gdbext.analysis.suggestions import distance
from gdbext.cpython import exceptions as cpython_exceptions
from gdbext.cpython import heap_walk, messages, tracked
from gdbext.cpython.classes import Classes, Name
from gdbext.cpython.heap_objects import HAVE_GC, Group, HeapType
from gdbext.cpython.objects import BASE_EXCEPTION_SUBCLASS, TUPLE_SUBCLASS, TYPE_SUBCLASS
from gdbext.cpython.process import Python
from gdbext.layout import table as tables
from gdbext.render import exceptions as render
from tests.unit.builder import IDS, TABLES
from tests.unit.made_process import started
from tests.unit.test_gc_lists import add_generations, link

each_table = pytest.mark.parametrize("table", TABLES.values(), ids=IDS)

# Addresses of functions that tp_str points to.
OBJECT_STR, BASE_STR, KEY_STR = 0x10, 0x20, 0x30


def test_a_limit_is_for_threads_that_have_exceptions() -> None:
    quiet, first, second = (render.Held(SimpleNamespace(  # type: ignore[arg-type]
        native=SimpleNamespace(number=number), ident=number, name=None, python=None), [], None, problem)
        for number, problem in ((1, None), (2, "one"), (3, "two")))
    threads = [quiet, first, second]

    def told(limit: Optional[int]) -> Tuple[List[int], List[str]]:
        document = json.loads(render.document({}, threads, None, lambda _: None, limit))
        return [thread["number"] for thread in document["threads"]], document["notes"]

    assert told(None) == ([1, 2, 3], []) and told(5) == ([2, 3], [])
    assert told(1) == ([2], ["1 more thread with exceptions: -limit left it out."])


class Heap:
    """A process in which exceptions are made; `python` is read after all is made."""

    def __init__(self, table: tables.Table) -> None:
        self.made = started(table)
        self.b = b = self.made.builder
        self.state = self.made.states[self.made.interpreters[0]][0]
        flag = BASE_EXCEPTION_SUBCLASS
        b.set(b._type_type, "PyTypeObject", "tp_flags", TYPE_SUBCLASS)
        self.object = self.type("object", 0, OBJECT_STR)
        self.base = self.type("BaseException", flag, BASE_STR, self.object)
        self.value_error = self.type("ValueError", flag, BASE_STR, self.base, self.object)
        self.key_error = self.type("KeyError", flag, KEY_STR, self.base, self.object)
        self.own = self.type("Own", flag, 0x99, self.value_error, self.base, self.object)
        for name, slot in (("str", OBJECT_STR), ("int", OBJECT_STR), ("tuple", OBJECT_STR)):
            self.finish(b.type(name, TUPLE_SUBCLASS if name == "tuple" else 0), slot, self.object)

    def type(self, name: str, flags: int, slot: int, *bases: int) -> int:
        """A static type."""
        return self.finish(self.b.type(name, flags), slot, *bases)

    def finish(self, type_: int, slot: int, *bases: int) -> int:
        """The rest of a type."""
        self.b.set(type_, "PyTypeObject", "tp_mro", self.b.tuple([type_, *bases]))
        self.b.set(type_, "PyTypeObject", "tp_str", slot)
        # The types of values have a repr() each, and all else that of object.
        self.b.set(type_, "PyTypeObject", "tp_repr", type_ if not bases or slot == OBJECT_STR else OBJECT_STR)
        self.b.set(type_, "PyTypeObject", "tp_dict", 0)
        return type_

    def exception(self, type_: int, *args: int, **links: int) -> int:
        """An exception object."""
        address = self.b.object(type_, "PyBaseExceptionObject")
        fields: Dict[str, int] = {"dict": 0, "args": self.b.tuple(args), "traceback": 0, "context": 0, "cause": 0,
                                  "suppress_context": 0, **links}
        for name, value in fields.items():
            self.b.set(address, "PyBaseExceptionObject", name, value)
        return address

    def raise_(self, type_: int, value: int) -> None:
        """Make the thread raise."""
        if self.b.layout.has("PyThreadState", "current_exception"):
            self.b.set(self.state, "PyThreadState", "current_exception", value)
        else:
            for name, each in (("curexc_type", type_), ("curexc_value", value), ("curexc_traceback", 0)):
                self.b.set(self.state, "PyThreadState", name, each)

    def handle(self, *values: int) -> None:
        """Put exceptions on the thread's exc_info chain, innermost first."""
        b = self.b
        self.made.set_frames(self.state, 0)
        if not b.layout.find("_PyErr_StackItem"):
            b.set(self.state, "PyThreadState", "exc_value", values[0])
            return
        item = self.state + b.layout["PyThreadState"].offset("exc_state")
        for field, value in (("exc_value", values[-1]), ("previous_item", 0)):
            b.set(item, "_PyErr_StackItem", field, value)
        for value in reversed(values[:-1]):
            item = b.struct("_PyErr_StackItem", exc_value=value, previous_item=item)
        b.set(self.state, "PyThreadState", "exc_info", item)

    @property
    def python(self) -> Python:
        """What reads it."""
        [python] = self.made.open()
        return python


def text_of(report: Report, python: Python) -> List[str]:
    """As py-exc prints it, without source."""
    return list(render.text(report, render.style(python.identity.hexversion), lambda path, number: ""))


@each_table
def test_messages_and_chain(table: tables.Table) -> None:
    heap = Heap(table)
    first = heap.exception(heap.key_error, heap.b.text("key"))
    second = heap.exception(heap.value_error, heap.b.text("two"), heap.b.int(2), context=first)
    third = heap.exception(heap.own, heap.b.int(7), cause=second, context=first, suppress_context=1)
    python = heap.python
    report = Reports(python).of(third)
    assert text_of(report, python) == [
        "KeyError: 'key'", "", render.CONTEXT, "", "ValueError: ('two', 2)", "", render.CAUSE, "",
        "Own: (7,) [its args: its own __str__ was not run]"]
    assert [each.address for each in report.all()] == [third, second, first]


@each_table
def test_cycles_end(table: tables.Table) -> None:
    heap = Heap(table)
    first = heap.exception(heap.value_error)
    second = heap.exception(heap.value_error, cause=first)
    heap.b.set(first, "PyBaseExceptionObject", "cause", second)
    heap.b.set(first, "PyBaseExceptionObject", "context", first)
    python = heap.python
    for compact in (True, False):
        assert len(list(Reports(python).of(first, compact).all())) == 2
    assert text_of(Reports(python).of(first), python) == ["ValueError", "", render.CAUSE, "", "ValueError"]


@each_table
def test_raising(table: tables.Table) -> None:
    heap = Heap(table)
    assert heap.python.runtime.exceptions.raising is not None
    heap.raise_(0, 0)
    assert heap.python.runtime.exceptions.raising(heap.state) is None
    value = heap.exception(heap.key_error, heap.b.text("k"))
    heap.raise_(heap.key_error, value)
    python = heap.python
    raising = python.runtime.exceptions.raising(heap.state)
    assert raising == (heap.key_error, value, 0)
    assert render.headline(Reports(python).raised(raising)) == "KeyError: 'k'"
    assert is_called(python.runtime.values.classes, raising.type, "BaseException")
    assert not is_called(python.runtime.values.classes, raising.type, "ValueError")


@each_table
def test_raising_what_is_no_instance_yet(table: tables.Table) -> None:
    heap = Heap(table)
    if heap.b.layout.has("PyThreadState", "current_exception"):
        return  # Since 3.12 there is no such thing.
    b = heap.b
    for value, text in ((0, "KeyError"), (b.none(), "KeyError"), (b.text("k"), "KeyError: 'k'"),
                        (b.tuple([b.text("a"), b.int(1)]), "KeyError: ('a', 1)"), (0x10, "KeyError: <unreadable")):
        heap.raise_(heap.key_error, value)
        python = heap.python
        raising = python.runtime.exceptions.raising(heap.state)
        assert raising is not None
        report = Reports(python).raised(raising)
        assert render.headline(report).startswith(text) and report.address is None and report.remarks


def test_numbers_of_more_digits_than_python_prints() -> None:
    """The line of a SyntaxError is what C makes of it; a key is cut."""
    heap = Heap(TABLES["3.12.1"])
    key = heap.b.int(10 ** 5000)
    error = heap.b.object(heap.value_error, "PySyntaxErrorObject")
    for path, value in (("msg", heap.b.text("bad")), ("filename", 0), ("lineno", key)):
        heap.b.set(error, "PySyntaxErrorObject", path, value)
    runtime = heap.python.runtime
    assert messages.Messages(runtime)._syntax_error(error, 0).text == "bad (line -1)"
    names = Names(runtime, Classes(runtime.objects, runtime.dicts), lambda frame: None)
    assert names._key(key) == "1" + "0" * 39 + "... 4961 more"


@each_table
def test_handling(table: tables.Table) -> None:
    heap = Heap(table)
    errors = [heap.exception(heap.value_error) for _ in range(2)]
    heap.handle(errors[0], heap.b.none(), 0, errors[0], errors[1])
    expected = errors if heap.b.layout.find("_PyErr_StackItem") else errors[:1]
    assert heap.python.runtime.exceptions.handling(heap.state) == (expected, None)
    for other in (heap.b.text("no exception"), 0x10):
        heap.handle(other, errors[0])
        found = heap.python.runtime.exceptions.handling(heap.state)
        assert found.problem is not None and found.exceptions == errors[:len(expected) - 1]


@each_table
def test_handling_with_a_frame_that_cannot_be_read(table: tables.Table) -> None:
    """As in a core that lacks a part of the memory: its handlers are lost, and the others are not."""
    heap = Heap(table)
    error = heap.exception(heap.value_error)
    heap.handle(error)
    heap.made.set_frames(heap.state, 0x1000)
    assert [frame.code for frame in heap.python.runtime.frames.walk(heap.state)] == [None]
    found = heap.python.runtime.exceptions.handling(heap.state)
    assert found.exceptions == [error] and found.problem is not None


@pytest.mark.parametrize("name", [name for name in IDS if not name.startswith("3.6.")])
def test_items_that_do_not_lead_to_the_threads_own(name: str) -> None:
    """The last one is part of the thread state: what does not end there was cut, or is another's."""
    heap = Heap(TABLES[name])
    errors = [heap.exception(heap.value_error) for _ in range(3)]
    heap.handle(*errors)
    first = heap.python.runtime.reader.pointer(heap.state, "PyThreadState", "exc_info")
    for previous in (0, 0x10, first):
        heap.b.set(first, "_PyErr_StackItem", "previous_item", previous)
        found = heap.python.runtime.exceptions.handling(heap.state)
        assert found.exceptions == errors[:1] and found.problem is not None, previous


@each_table
def test_a_traceback_without_an_end(table: tables.Table) -> None:
    heap = Heap(table)
    b = heap.b
    traceback = b.object(b.type("traceback"), "PyTracebackObject")
    for name, value in (("tb_next", traceback), ("tb_frame", 0x10), ("tb_lasti", 0), ("tb_lineno", 3)):
        b.set(traceback, "PyTracebackObject", name, value)
    python = heap.python
    entries = list(python.runtime.exceptions.traceback(traceback))
    assert [entry.frame for entry in entries] == [None, None]
    assert "without an end" in (entries[1].problem or "")
    error = heap.exception(heap.value_error, traceback=traceback)
    lines = text_of(Reports(heap.python).of(error), python)
    assert lines[0] == "Traceback (most recent call last):" and lines[-1] == "ValueError"
    assert all(line.startswith("  <unreadable at ") for line in lines[1:-1])


@each_table
def test_a_line_that_the_instruction_does_not_have(table: tables.Table) -> None:
    """What the traceback says is shown, if it can be a line at all, and marked."""
    heap = Heap(table)
    b = heap.b
    code = b.code("f", "/f.py", 1, b.lines((8, 0), (8, 1)))
    frame = b.frame(code, 8)
    if b.version >= (3, 11):
        frame_object = b.object(b.type("frame"), "PyFrameObject")
        b.set(frame_object, "PyFrameObject", "f_frame", frame)
        frame = frame_object
    traceback = b.object(b.type("traceback"), "PyTracebackObject")
    for told, line, problem in ((2, 2, None), (3, 3, "not certain: line"), (-(1 << 31), 2, "not certain: line")):
        for name, value in (("tb_next", 0), ("tb_frame", frame), ("tb_lasti", 8), ("tb_lineno", told)):
            b.set(traceback, "PyTracebackObject", name, value)
        error = heap.exception(heap.value_error, traceback=traceback)
        [entry] = render.to_json(Reports(heap.python).of(error))["traceback"]  # type: ignore[index]
        assert entry["problem"] == problem
        # Since 3.11 it is that of the instruction, if that has one.
        assert entry["line"] == (line if b.version < (3, 11) else 2)


def test_half_made() -> None:
    heap = Heap(TABLES["3.12.1"])
    error = heap.exception(heap.value_error, args=0)
    python = heap.python
    assert text_of(Reports(python).of(error), python)[-1].startswith("ValueError: <args not set>")
    no_tuple = heap.exception(heap.value_error, args=error)
    assert "instead of tuple" in text_of(Reports(heap.python).of(no_tuple), python)[-1]
    assert Reports(heap.python).of(heap.b.text("no exception")).problem is not None
    assert Reports(heap.python).of(0x10).problem is not None


@each_table
def test_types_whose_names_are_not_in_the_core(table: tables.Table) -> None:
    heap = Heap(table)
    b = heap.b
    heap.made.add_module(heap.made.interpreters[0], "builtins", {
        "ValueError": heap.value_error, "BaseException": heap.base, "KeyError": heap.key_error,
        "EnvironmentError": heap.value_error, "None": b.none(), "tuple": b.type("tuple"), "str": b.type("str"),
        "object": heap.object, "type": b._type_type})
    errors = [heap.exception(heap.key_error, b.text("key")), heap.exception(heap.value_error, b.text("value"))]
    for type_ in (heap.value_error, heap.key_error, heap.base, heap.object, b.type("str"), b.type("tuple"),
                  b._type_type):
        b.set(type_, "PyTypeObject", "tp_name", 0x10)
    python = heap.python
    assert [render.headline(Reports(python).of(error)) for error in errors] == ["KeyError: 'key'", "ValueError: value"]


def test_exceptions_within_exceptions_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_DEPTH", 3)
    heap = Heap(TABLES["3.12.1"])
    error = heap.exception(heap.value_error)
    heap.b.set(error, "PyBaseExceptionObject", "args", heap.b.tuple([error]))
    assert Reports(heap.python).of(error).message == messages.Message("...", exact=False)


@pytest.mark.parametrize("name", ("3.9.18", "3.12.1"))
def test_a_long_chain_is_cut(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "MAX_EXCEPTIONS", 20)
    heap = Heap(TABLES[name])
    error = 0
    for _ in range(50):
        error = heap.exception(heap.value_error, context=error)
    assert 20 <= len(list(Reports(heap.python).of(error).all())) <= 22


def test_a_long_chain_of_items_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpython_exceptions, "MAX_ITEMS", 5)
    heap = Heap(TABLES["3.12.1"])
    heap.handle(*(heap.exception(heap.value_error) for _ in range(9)))
    found = heap.python.runtime.exceptions.handling(heap.state)
    assert len(found.exceptions) == 5 and found.problem is not None


class Listed(Heap):
    """A heap with objects in the collector's lists: four KeyErrors that have a traceback, a ValueError, others."""

    def __init__(self) -> None:
        super().__init__(TABLES["3.12.1"])
        self.heads = add_generations(self.made)
        self.errors = [self.exception(self.key_error, traceback=0x10) for _ in range(4)]
        others = [self.exception(self.value_error, traceback=0x10), self.exception(self.key_error), self.b.tuple([])]
        self.nodes = [each - self.b.layout["PyGC_Head"].size for each in [*self.errors, *others]]
        link(self.made, [self.heads[1], *self.nodes])


def test_what_is_found_in_the_heap_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "MAX_FOUND", 3)
    heap = Listed()
    found = search(heap.python, [], [], "KeyError")
    # The newest first.
    assert [each.report.address for each in found.found] == heap.errors[:0:-1]
    assert (found.more, found.problems, found.partial) == (1, [], False)
    assert len(search(heap.python, [], [], None).found) + search(heap.python, [], [], None).more == 5


def interrupt(after: int) -> Callable[..., None]:
    """What is called often, and at the call after so many is interrupted as by Ctrl-C."""
    calls = iter(range(after))

    def called(*_arguments: Any) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
    return called


def test_an_interrupted_search_gives_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "_STEP", 1)
    heap = Listed()
    found = search(heap.python, [], [], None, report=interrupt(2))
    assert [each.report.address for each in found.found] == heap.errors[1::-1]
    assert (found.more, found.partial) == (0, True)
    # While what was found is read.
    of, check = Reports.of, interrupt(3)
    monkeypatch.setattr(Reports, "of", lambda *arguments: (check(), of(*arguments))[1])
    found = search(heap.python, [], [], "KeyError")
    assert [each.report.address for each in found.found] == heap.errors[:0:-1]
    assert (found.more, found.partial) == (1, True)
    style = render.style(heap.python.identity.hexversion)
    *_, last = render.found_text(found, style, lambda path, number: "", None)
    assert last == "PARTIAL, interrupted: 3 exceptions with a traceback in the heap, and 1 more that are not shown."
    assert json.loads(render.document_of_found({}, [(found, None)]))["partial"] is True


@pytest.mark.parametrize("why", ("list", "collection"))
def test_what_is_in_no_list(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that breaks off and a collection that runs have the heap gone through, for what was not in lists."""
    heap = Listed()
    if why == "list":
        heap.b.set_first(heap.nodes[1], "PyGC_Head", 0, "_gc_next")
    else:
        link(heap.made, [heap.heads[1], *heap.nodes[:2]])
        assert [each.report.address for each in search(heap.python, [], [], "KeyError").found] == heap.errors[1::-1]
        heap.b.set(heap.made.interpreters[0], "PyInterpreterState", "gc.collecting", 1)
    groups = [heap_walk.group_of(heap.python.runtime, HeapType(heap.key_error, HAVE_GC, 0, 0, 0, 0), each)
              for each in heap.errors]

    class Walk:
        """A walk that has ended."""

        problems: List[str] = []

        def groups(self) -> Iterator[Group]:
            return iter(groups)

    monkeypatch.setattr(tracked, "HeapWalk", lambda *arguments: Walk())
    found = search(heap.python, [], [], "KeyError")
    assert [each.report.address for each in found.found] == heap.errors[1::-1] + heap.errors[:1:-1]
    assert ["without an end" in problem for problem in found.problems] == [True] * (why == "list")


def made(name: str, cause: Optional[Report] = None, **fields: Any) -> Report:
    """A report without a process."""
    report = Report(0x10, Name("builtins", name))
    report.cause = cause
    for field, value in fields.items():
        setattr(report, field, value)
    return report


def lines_of(report: Report, hexversion: int = 0x030C01F0) -> Sequence[str]:
    """Its text."""
    return list(render.text(report, render.style(hexversion), lambda path, number: ""))


def test_groups() -> None:
    inner = made("ExceptionGroup", exceptions=[made("ValueError"), made("KeyError", notes=[messages.Message("a\nb")])])
    outer = made("ExceptionGroup", made("OSError"), exceptions=[inner, made("TypeError")])
    assert lines_of(outer) == [
        "OSError", "", render.CAUSE, "",
        "  | ExceptionGroup",
        "  +-+---------------- 1 ----------------",
        "    | ExceptionGroup",
        "    +-+---------------- 1 ----------------",
        "      | ValueError",
        "      +---------------- 2 ----------------",
        "      | KeyError",
        "      | a",
        "      | b",
        "      +------------------------------------",
        "    +---------------- 2 ----------------",
        "    | TypeError",
        "    +------------------------------------"]


def test_json_has_an_end() -> None:
    report = None
    for _ in range(300):
        report = made("ValueError", report)
    document = render.to_json(report)
    depth = 0
    while document is not None:
        depth, last, document = depth + 1, document, document["cause"]
    assert depth == render.MAX_JSON_DEPTH and "left out" in last["problem"]


def test_nothing_that_a_terminal_acts_upon() -> None:
    report = made("Val\x1b[2Jue", message=messages.Message("a\x1b]0;x\x07\n\tb\u202e"),
                  notes=[messages.Message("\x9b")])
    assert lines_of(report) == ["Val\\x1b[2Jue: a\\x1b]0;x\\x07", "\tb\\u202e", "\\x9b"]


@pytest.mark.parametrize("first, second, most, cost", (
    ("abc", "abc", 9, 0), ("abc", "abd", 9, 2), ("abc", "ABC", 9, 3), ("abc", "abcd", 9, 2), ("", "ab", 9, 4),
    ("kitten", "sitting", 20, 6), ("a" * 50, "b" * 50, 9, 10), ("abcdef", "uvwxyz", 3, 4), ("ab", "abcdefgh", 5, 12),
    ("xaby", "xcdefgy", 5, 6)))
def test_distance(first: str, second: str, most: int, cost: int) -> None:
    assert distance(first, second, most) == cost
    assert distance(second, first, most) == cost
