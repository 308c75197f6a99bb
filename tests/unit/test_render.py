"""gdbext.render: nothing of the inferior reaches a terminal raw, and JSON documents are one line of ASCII."""

import json
import time
import unicodedata
from typing import Iterator, List, Optional, Tuple

import pytest

from gdbext.analysis import locks
from gdbext.analysis.threads import Thread, list_threads
from gdbext.analysis.waits import Waits
from gdbext.cpython import process
from gdbext.cpython.frames import Frame
from gdbext.render import document, leaks, text, theme, threads, traceback
from tests.unit.builder import IDS, TABLES
from tests.unit.made_process import IDENT, Call, MadeProcess, started
from tests.unit.test_threads_analysis import Native, head

TARGET = {"pid": 1, "core": None, "python": "3.11.7", "free_threaded": False, "debug_build": False,
          "layout": {"source": "table", "table": "3.11.7", "exact": True}}

# Each would do something to a terminal, or to who reads it.
EVIL = {
    "escape": "\x1b[2J\x1b]0;title\x07", "c1": "\x9b31m", "newline": "a\nb\r\nc", "nul": "a\0b",
    "backspace": "a\b\b",
    "delete": "a\x7f", "bidi": "\u202egnp.exe\u202c", "isolate": "\u2066x\u2069", "mark": "\u200f",
    "zero width": "a\u200bb\ufeff", "line separator": "a\u2028b\u2029", "surrogate": "a\udc80\ud800",
    "private": "\ue000\U000f0000", "unassigned": "\u0378\U000e0fff", "tags": "\U000e0041",
    "soft hyphen": "a\xadb",
    "tab": "a\tb", "vertical": "a\x0bb\x0c", "next line": "a\x85b",
}


@pytest.mark.parametrize("value", EVIL.values(), ids=EVIL)
def test_what_a_terminal_would_act_upon_is_escaped(value: str) -> None:
    shown = text.printable(value)
    assert shown != value and len(shown.splitlines()) == 1
    for character in shown:
        assert unicodedata.category(character)[0] not in "C" and character not in "\u2028\u2029"
    shown.encode("utf-8")


@pytest.mark.parametrize("value", ("", "name", "a b", "имя", "漢字", "é", "e\u0301", "\U0001f40d", "C:\\path",
                                   "'\"<>&%",
                                   "\xa0", "x" * text.MAX_SHOWN))
def test_what_is_plainly_visible_stays(value: str) -> None:
    assert text.printable(value) == value


def test_escapes_are_those_of_python() -> None:
    assert text.printable("\x1b\n\0\x7f\x9b\u202e\ud800\U000e0041") == (
        "\\x1b\\n\\x00\\x7f\\x9b\\u202e\\ud800\\U000e0041")


def test_no_harmful_character_passes() -> None:
    harmful = set(map(chr, [*range(32), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0x2028, 0x2029, 0x202E,
                            0xFEFF]))
    for start in range(0, 0x30000, text.MAX_SHOWN):
        assert not harmful & set(text.printable("".join(map(chr, range(start, start + text.MAX_SHOWN)))))


def test_long_text_is_cut_and_its_length_told() -> None:
    length = text.MAX_SHOWN + 1
    assert text.printable("x" * length) == "x" * text.MAX_SHOWN + f"... ({length} characters)"
    begin = time.process_time()
    shown = text.printable("\x1b" * 10_000_000)
    assert time.process_time() - begin < 0.5
    assert len(shown) < 5 * text.MAX_SHOWN and shown.endswith("(10000000 characters)")


@pytest.mark.parametrize("value, columns", (("", 0), ("abc", 3), ("имя", 3), ("漢字", 4), ("e\u0301", 1),
                                            ("ｆ", 2),
                                            ("\U0001f40d", 2)))
def test_columns(value: str, columns: int) -> None:
    assert text.width(value) == columns


# Documents.


def parsed(line: str) -> dict:
    """The document, which has to be one line of printable ASCII."""
    assert line.isascii() and line.isprintable()
    return json.loads(line)


@pytest.mark.parametrize("value", list(EVIL.values()) + ["\U0001f40d", "имя", "x" * 10_000])
def test_a_document_is_one_line_of_ascii(value: str) -> None:
    found = parsed(document.document("py-x", TARGET, {"answer": value}))
    assert found == {"command": "py-x", "target": TARGET, "answer": value}
    assert list(found) == ["command", "target", "answer"]


def table_of(found: List[Thread], selected: Optional[int], notes: List[str]) -> Iterator[str]:
    """py-threads' text."""
    return threads.text(found, locks.report(found, Waits()), selected, notes)


def document_of(found: List[Thread]) -> str:
    """py-threads' document."""
    return threads.document(TARGET, found, locks.report(found, Waits()), ["A note."])


EVIL_NAME = "\x1b[31mимя\n\u202e\udc80"


def made_process(calls: Optional[List[Call]] = None, table: str = "3.11.7") -> MadeProcess:
    """Main thread, a second one with an evil name and function, and a third one without frames."""
    made = started(TABLES[table])
    main = made.interpreters[0]
    made.add_thread(main, calls or [Call(EVIL_NAME, "/\x07\r.py")])
    made.add_thread(main, [])
    made.name_threads(main, {IDENT: "MainThread", IDENT + 0x1000: EVIL_NAME})
    made.take_gil(made.states[main][0])
    return made


def listed(made: MadeProcess) -> List[Thread]:
    """A list with every kind of thread."""
    gil = made.gils[made.interpreters[0]]
    natives = [Native(1, 50, IDENT), Native(2, 51, IDENT + 0x1000, "futex", (gil, 0)),
               Native(3, 52, 0x1234, "poll", (0,))]
    return list_threads(made.open(), natives)


def test_the_table_of_threads() -> None:
    lines = list(table_of(listed(made_process()), 2, ["A note."]))
    assert lines == [
        "   Id  LWP  Python ident    Name                       GIL    Frame",
        f"   1   50   {IDENT:#x}  MainThread                 holds  inner (/made/up.py:13)",
        f"*  2   51   {IDENT + 0x1000:#x}  \\x1b[31mимя\\n\\u202e\\udc80  waits  "
        "\\x1b[31mимя\\n\\u202e\\udc80 (/\\x07\\r.py:13)",
        '       waits for the GIL, held by thread 1 "MainThread"',
        "   3   52   -               -                                 not a Python thread",
        "       waits for poll on descriptors, timeout not known",
        f"   -   -    {IDENT + 0x2000:#x}  -                                 "
        "no Python frames (no thread of this process)",
        "A note.",
    ]


def test_a_limit_of_threads() -> None:
    """What is left out is said, in text and in JSON, with the other threads as they are without a limit."""
    found = listed(made_process())
    report = locks.report(found, Waits())
    whole, cut = (list(threads.text(found, report, 2, ["A note."], None, limit)) for limit in (None, 2))
    assert cut[0].split() == whole[0].split() and [line.split() for line in cut[1:4]] == [
        line.split() for line in whole[1:4]]
    assert cut[4:] == ["2 more threads: -limit left them out.", "A note."]
    assert list(threads.text(found, report, 2, ["A note."], None, 4)) == whole
    document_ = parsed(threads.document(TARGET, found, report, ["A note."], 1))
    assert [each["number"] for each in document_["threads"]] == [1]
    assert document_["notes"] == ["3 more threads: -limit left them out.", "A note."]
    groups = list(threads.grouped(found, report, ["A note."], 1))
    assert len([line for line in groups if line.startswith("1 thread: ")]) == 1
    assert groups[-2:] == ["3 more groups of threads: -limit left them out.", "A note."]


def without_gil(table: str = "3.14.8t") -> MadeProcess:
    """A free-threaded process: an attached thread, and one in a system call."""
    made = started(TABLES[table])
    main = made.interpreters[0]
    made.add_thread(main, [Call("waiter")])
    made.name_threads(main, {IDENT: "MainThread", IDENT + 0x1000: "Worker"})
    return made


def listed_without_gil(made: MadeProcess) -> List[Thread]:
    """Its threads, and one without Python."""
    natives = [Native(1, 50, IDENT), Native(2, 51, IDENT + 0x1000, "poll", (0,)), Native(3, 52, 0x1234)]
    return list_threads(made.open(), natives)


FREE_THREADED = [name for name in IDS if TABLES[name].name.free_threaded]


@pytest.mark.parametrize("table", FREE_THREADED)
def test_the_table_of_threads_without_a_gil(table: str) -> None:
    assert list(table_of(listed_without_gil(without_gil(table)), None, [])) == [
        "  Id  LWP  Python ident    Name        State     Frame",
        f"  1   50   {IDENT:#x}  MainThread  attached  inner (/made/up.py:13)",
        f"  2   51   {IDENT + 0x1000:#x}  Worker      detached  waiter (/made/up.py:13)",
        "      waits for poll on descriptors, timeout not known",
        "  3   52   -               -                     not a Python thread",
    ]


@pytest.mark.parametrize("table", FREE_THREADED)
def test_the_document_of_threads_without_a_gil(table: str) -> None:
    found = parsed(document_of(listed_without_gil(without_gil(table))))["threads"]
    assert [(each["gil"], each["attachment"], each["state"], each["waiting_on"] and each["waiting_on"]["kind"])
            for each in found] == [
        (None, "attached", "running", None), (None, "detached", "waiting", "io"), (None, None, "native", None)]


@pytest.mark.parametrize("table", FREE_THREADED)
def test_a_free_threaded_build_with_a_gil_is_shown_as_others_are(table: str) -> None:
    made = without_gil(table)
    made.enable_gil()
    made.take_gil(made.states[made.interpreters[0]][0])
    lines = list(table_of(listed_without_gil(made), None, []))
    assert lines[:2] == [
        "  Id  LWP  Python ident    Name        GIL    Frame",
        f"  1   50   {IDENT:#x}  MainThread  holds  inner (/made/up.py:13)"]
    found = parsed(document_of(listed_without_gil(made)))["threads"]
    assert [(each["gil"], each["attachment"]) for each in found] == [
        ("holds", None), (None, None), (None, None)]


def test_wide_names_keep_the_columns() -> None:
    made = started(TABLES["3.11.7"])
    main = made.interpreters[0]
    made.add_thread(main, [Call("f")])
    made.name_threads(main, {IDENT: "スレッド", IDENT + 0x1000: "thread"})
    natives = [Native(1, 50, IDENT), Native(2, 51, IDENT + 0x1000)]
    _headings, first, second = table_of(list_threads(made.open(), natives), None, [])
    assert text.width(first[:first.index("inner")]) == text.width(second[:second.index("f (")])


def test_threads_of_several_interpreters_name_them() -> None:
    made = made_process()
    made.add_thread(made.add_interpreter(), [Call("sub")])
    lines = list(table_of(list_threads(made.open(), []), None, []))
    assert sum("[interpreter 0]" in line for line in lines) == 3
    assert sum("[interpreter 1]" in line for line in lines) == 1


@pytest.mark.parametrize("other_table, other_path, labels", (
    ("3.8.18", "/made/up/libpython3.8.so", ("Python 3.11.7 in a\x1b.so", "Python 3.8.18 in libpython3.8.so")),
    ("3.11.7", "/made/up/a\x1b.so", ("Python 3.11.7 in /one/a\x1b.so", "Python 3.11.7 in /made/up/a\x1b.so")),
))
def test_of_several_runtimes_each_is_named(other_table: str, other_path: str, labels: Tuple[str, str]) -> None:
    """By its version and its file's name, by the whole path where these are the same."""
    one = made_process()
    other = MadeProcess(TABLES[other_table], memory=one.memory, number=1)
    other.add_thread(other.add_interpreter(), [Call("elsewhere")], ident=0x77)
    one.path, other.path = "/one/a\x1b.so", other_path
    pythons = process.open_all([one.image(), other.image()], one.memory, lambda image: None)
    assert [(python.number, python.label) for python in pythons] == [(0, labels[0]), (1, labels[1])]
    found = [thread for thread in list_threads(pythons, [Native(1, 50, IDENT), Native(2, 51, 0x77)])
             if thread.native]
    shown = [label.replace("\x1b", "\\x1b") for label in labels]
    lines = list(table_of(found, None, []))[1:]
    assert [line for line, label in zip(lines, shown) if f"[interpreter 0 of {label}]" in line] == lines
    for thread, label in zip(found, shown):
        heading, *_frames = traceback.text([(thread, thread.frames())], no_source)
        assert heading == f"Traceback in interpreter 0 of {label} (most recent call first):"
    assert [each["runtime"] for each in parsed(document_of(found))["threads"]] == [0, 1]
    stacks = [(thread, thread.frames()) for thread in found]
    assert [each["runtime"] for each in parsed(traceback.document(TARGET, stacks))["frames"]] == [0, 0, 1]


def test_the_document_of_threads() -> None:
    made = made_process()
    found = parsed(document_of(listed(made)))
    assert (found["command"], found["target"], found["notes"]) == ("py-threads", TARGET, ["A note."])
    main, second, native, gone = found["threads"]
    assert main == {
        "number": 1, "lwp": 50, "ident": IDENT, "name": "MainThread", "interpreter": 0, "runtime": 0,
        "gil": "holds", "attachment": None,
        "state": "running", "waiting_on": None,
        "frame": {"function": "inner", "qualname": "Class.inner", "file": "/made/up.py", "line": 13, "problem": None}}
    assert second["name"] == EVIL_NAME and second["frame"]["file"] == "/\x07\r.py"
    assert (second["gil"], second["state"]) == ("waits", "waiting")
    assert second["waiting_on"] == {"kind": "gil", "address": hex(made.gils[made.interpreters[0]]),
                                    "owner": IDENT, "detail": "the GIL", "name": None, "timeout": False,
                                    "seconds_left": None, "woken": False}
    # What is not known is null, and never left out.
    assert native == {"number": 3, "lwp": 52, "ident": None, "name": None, "interpreter": None,
                      "runtime": None, "gil": None, "attachment": None, "state": "native", "frame": None,
                      "waiting_on": {
                          "kind": "io", "address": None, "owner": None, "detail": "poll on descriptors",
                          "name": None, "timeout": None, "seconds_left": None, "woken": False}}
    assert gone == {"number": None, "lwp": None, "ident": IDENT + 0x2000, "name": None, "interpreter": 0,
                    "runtime": 0, "gil": None, "attachment": None, "state": None, "waiting_on": None,
                    "frame": None}


def test_the_owner_of_a_gil_that_nobody_holds_is_null() -> None:
    made = made_process()
    made.set_gil(made.gils[made.interpreters[0]], 0, 0)
    second = parsed(document_of(listed(made)))["threads"][1]
    assert second["waiting_on"]["owner"] is None


def test_before_3_11_the_qualified_name_is_null() -> None:
    found = parsed(document_of(list_threads(made_process(table="3.10.13").open(), [])))
    assert {thread["frame"]["qualname"] for thread in found["threads"] if thread["frame"]} == {None}


# Tracebacks.


def stack_of(made: MadeProcess, number: int) -> list:
    """The stack of the n-th thread that is listed."""
    thread = listed(made)[number]
    return [(thread, thread.frames())]


def no_source(path: str, line: int) -> None:
    """As where the files are not there."""


def test_a_traceback() -> None:
    made = made_process([Call("f", "/f.py", 5, 1), Call("<module>", "/evil\x1b.py", 1, 2)])

    def source(path: str, line: int) -> Optional[str]:
        return {("/f.py", 6): "return g(\x1b[1m)"}.get((path, line))

    assert list(traceback.text(stack_of(made, 1), source)) == [
        "Traceback (most recent call first):",
        '  File "/f.py", line 6, in f',
        "    return g(\\x1b[1m)",
        '  File "/evil\\x1b.py", line 3, in <module>',
    ]


def test_threads_without_a_traceback_say_so_in_one_line() -> None:
    made = made_process()
    assert list(traceback.text(stack_of(made, 2), no_source)) == ["No Python in this thread."]
    [line] = traceback.text(stack_of(made, 3), no_source)
    assert line.startswith("No Python frames")


def test_a_thread_in_two_interpreters_has_two_tracebacks() -> None:
    made = made_process()
    second = made.add_interpreter()
    state = made.add_thread(second, [Call("sub")], ident=IDENT)
    native = Native(1, 50, IDENT, registers=[head(made, state)])
    found = [thread for thread in list_threads(made.open(), [native]) if thread.native]
    assert len(found) == 2
    lines = list(traceback.text([(thread, thread.frames()) for thread in found], no_source))
    assert [line for line in lines if line.startswith("Traceback")] == [
        f"Traceback in interpreter {thread.state.interpreter.id} (most recent call first):"
        for thread in found]
    assert len(found) == 2


@pytest.mark.parametrize("count, more", ((3, None), (4, "1 more time]"), (5, "2 more times]"),
                                         (900, "897 more times]")))
def test_a_recursion_is_folded(count: int, more: Optional[str]) -> None:
    made = made_process([Call("end", "/r.py", 1, 1)] + [Call("recurse", "/r.py", 9, 1)] * count
                        + [Call("main", "/r.py", 20, 1)])
    lines = list(traceback.text(stack_of(made, 1), no_source))
    expected = ['  File "/r.py", line 10, in recurse'] * 3
    expected += [f"  [Previous line repeated {more}"] if more else []
    assert lines[1:] == ['  File "/r.py", line 2, in end'] + expected + ['  File "/r.py", line 21, in main']


def unreadable(made: MadeProcess) -> int:
    """Put a frame whose code is no code into the second thread."""
    b = made.builder
    bad = b.frame(b.object(b.type("evil\x1b[1m")), 10, made.frames([Call("outer")]))
    made.set_frames(made.states[made.interpreters[0]][1], made.frames([Call("inner")], bad))
    return bad


def test_a_frame_that_cannot_be_read_is_marked_in_text_and_null_in_json() -> None:
    made = made_process()
    bad = unreadable(made)
    lines = list(traceback.text(stack_of(made, 1), no_source))
    assert len(lines) == 4 and lines[1].endswith("in inner") and lines[3].endswith("in outer")
    assert lines[2].startswith(f"  <unreadable at {bad:#x}: ") and lines[2].isprintable()
    found = parsed(traceback.document(TARGET, stack_of(made, 1)))
    assert found["command"] == "py-bt-plus" and found["number"] == 2
    inner, damaged, outer = found["frames"]
    assert (inner["function"], outer["function"]) == ("inner", "outer")
    assert {name: damaged[name] for name in ("function", "qualname", "file", "line", "address")} == {
        "function": None, "qualname": None, "file": None, "line": None, "address": hex(bad)}
    assert damaged["problem"] and inner["problem"] is None
    assert {frame["kind"] for frame in found["frames"]} == {"python"}


def test_an_innermost_frame_that_cannot_be_read() -> None:
    made = made_process()
    made.set_frames(made.states[made.interpreters[0]][1], 0x1000)
    lines = list(table_of(listed(made), None, []))
    assert "<unreadable at 0x1000>" in lines[2]
    assert parsed(document_of(listed(made)))["threads"][1]["frame"] is None


def test_the_document_of_a_thread_without_python() -> None:
    made = made_process()
    assert parsed(traceback.document(TARGET, stack_of(made, 2))) == {
        "command": "py-bt-plus", "target": TARGET, "number": 3, "frames": []}
    assert parsed(traceback.document(TARGET, [])) == {
        "command": "py-bt-plus", "target": TARGET, "number": None, "frames": []}


def test_an_instruction_without_a_line() -> None:
    made = made_process()
    b = made.builder
    # Kind 15: these two code units belong to no line.
    code = b.code("f", "/f.py", 1, bytes((0x80 | 15 << 3 | 1,)))
    made.set_frames(made.states[made.interpreters[0]][1], b.frame(code, 2))
    assert list(traceback.text(stack_of(made, 1), no_source))[1:] == ['  File "/f.py", line ?, in f']
    assert parsed(traceback.document(TARGET, stack_of(made, 1)))["frames"][0]["line"] is None
    assert "(/f.py:?)" in list(table_of(listed(made), None, []))[2]


def test_a_frame_is_a_tuple_without_a_line_where_there_is_no_code() -> None:
    assert traceback.frame_json(Frame(1, None, 0, "why")) == {
        "function": None, "qualname": None, "file": None, "line": None, "problem": "why"}
    assert traceback.frame_text(Frame(0x10, None, 0, "why")) == "<unreadable at 0x10: why>"


DRESSED = theme.Theme(*("\x1b[%dm" % number for number in range(31, 38)))


def test_theme() -> None:
    """Parts are told apart within a theme only; columns are as wide as what is seen; nothing can be forged."""
    with theme.using(DRESSED):
        assert theme.function("f") == "\x1b[32mf\x1b[m" and theme.filename("") == ""
        assert text.width(theme.function("naïve")) == 5
        assert theme.plain(theme.function("f") + theme.metadata(" [x]")) == "f [x]"
        assert "\x1b" not in text.printable("\x1b[31mred")
        assert not theme.is_plain()
    assert theme.function("f") == "f" and theme.is_plain()


def test_theme_keeps_the_text() -> None:
    """The same words in the same columns, with a theme and without; a document has none of it."""
    found = listed(made_process())
    plain = list(table_of(found, 2, ["A note."]))
    with theme.using(DRESSED):
        dressed = list(table_of(found, 2, ["A note."]))
        assert document_of(found).isprintable()
    assert [theme.plain(line) for line in dressed] == plain != dressed


def test_a_narrow_terminal() -> None:
    """Where a row does not fit, the frames have lines of their own."""
    found = listed(made_process())
    report = locks.report(found, Waits())
    wide = list(threads.text(found, report, 2, []))
    room = max(text.width(line) for line in wide if "Frame" in line or "/" in line or "no thread" in line)
    assert list(threads.text(found, report, 2, [], room)) == wide
    narrow = list(threads.text(found, report, 2, [], room - 1))
    assert len(narrow) == len(wide) + len(found)
    assert " ".join(narrow).split() == [word for word in " ".join(wide).split() if word != "Frame"]


def test_values_end_where_the_terminal_does() -> None:
    """The last column alone is cut, by columns that it takes, and never to nothing."""
    rows = [("Bytes", "Value"), ("1,234", "x" * 100), ("1", "\u4e2d" * 100), ("12", "short")]
    assert list(leaks.table(rows, 30)) == ["Bytes  Value", "1,234  " + "x" * 20 + "...",
                                           "    1  " + "\u4e2d" * 10 + "...", "   12  short"]
    assert list(leaks.table(rows, 5))[1] == "1,234  " + "x" * 17 + "..."
    assert list(leaks.table(rows))[1] == "1,234  " + "x" * 100
