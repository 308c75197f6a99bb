"""The harness itself: what it demands, and that a wrong answer is seen and shown."""

from pathlib import Path
from typing import Any, Dict, Optional

import pytest

from tests.support import compare, gdb, interpreters, interrupts


def made(version: str, path: str = "/opt/x/bin/python3", vendor: str = "", debug: bool = False,
         free_threaded: bool = False) -> interpreters.Interpreter:
    """An interpreter that does not exist."""
    numbers = tuple(int(part) for part in version.split("."))
    return interpreters.Interpreter(
        Path(path), version, numbers, Path("/opt/x"), debug, free_threaded, None, None, vendor)


def test_missing() -> None:
    """A requirement is the beginning of a version, an id, or a path."""
    there = [made("3.6.15"), made("3.11.2", "/usr/bin/python3.11", "debian"), made("3.13.0", debug=True)]
    assert interpreters.missing("3.6, 3.11.2,3.11.2-debian,/usr/bin/python3.11,3.13.0d", there) == []
    assert interpreters.missing("", there) == []
    # 3.1 is no beginning of 3.11, and 3.13.0 is there as a debug build, which its version names too.
    assert interpreters.missing("3.1,3.7,3.6.1,3.13.0,/nowhere/python3", there) == [
        "3.1", "3.7", "3.6.1", "/nowhere/python3"]


def test_ids_and_support() -> None:
    """What is left out says why."""
    assert made("3.13.0", free_threaded=True, debug=True).id == "3.13.0td"
    assert made("3.11.7").unsupported() is None
    assert "3.6 to 3.15" in str(made("3.99.0").unsupported())
    assert made("3.13.0", free_threaded=True).unsupported() is None


def test_find_names_the_reason(tmp_path: Path) -> None:
    """A shim is no interpreter; one that was named is an error."""
    shim = tmp_path / "python3.11"
    shim.write_text("#!/bin/sh\n")
    shim.chmod(0o755)
    with pytest.raises(interpreters.NotUsable, match="shim"):
        interpreters.find([str(shim)])


FRAME: Dict[str, Any] = {"function": "f", "qualname": "C.f", "file": "a.py", "line": 3}
THREAD: Dict[str, Any] = {
    "key": "one", "lwp": 7, "ident": 70, "name": "n", "interpreter": 0, "busy_lines": None,
    "frames": [FRAME, {**FRAME, "line": 9}],
}
TRUTH: Dict[str, Any] = {"threads": [THREAD], "native_threads": [8]}


def answers() -> Any:
    """The right answers: py-bt-plus' documents and py-threads'."""
    native = {"number": 2, "lwp": 8, "ident": None, "name": None, "interpreter": None, "gil": None,
              "state": "native", "frame": None}
    one = {"number": 1, "lwp": 7, "ident": 70, "name": "n", "interpreter": 0, "gil": None, "state": "waiting",
           "frame": dict(FRAME)}
    tracebacks = [{"number": 1, "frames": [dict(frame) for frame in THREAD["frames"]]},
                  {"number": 2, "frames": []}]
    return tracebacks, {"threads": [one, native]}


def test_right_answers_pass() -> None:
    """No false alarm."""
    tracebacks, threads = answers()
    compare.assert_tracebacks(TRUTH, tracebacks, threads)
    compare.assert_threads(TRUTH, threads)


@pytest.mark.parametrize("key, value", [("function", "g"), ("qualname", None), ("file", "b.py"), ("line", 4)])
def test_wrong_frame_is_seen(key: str, value: Any) -> None:
    """The diff shows the frame."""
    tracebacks, threads = answers()
    tracebacks[0]["frames"][1][key] = value
    with pytest.raises(AssertionError) as failure:
        compare.assert_tracebacks(TRUTH, tracebacks, threads)
    assert "-'f' ['C.f'] at 'a.py':9" in str(failure.value) and "one (LWP 7)" in str(failure.value)


def test_missing_and_extra_frames_are_seen() -> None:
    """A frame too few, a frame in a native thread, a thread too few."""
    tracebacks, threads = answers()
    tracebacks[0]["frames"].pop()
    with pytest.raises(AssertionError):
        compare.assert_tracebacks(TRUTH, tracebacks, threads)
    tracebacks, threads = answers()
    tracebacks[1]["frames"].append(dict(FRAME))
    with pytest.raises(AssertionError):
        compare.assert_tracebacks(TRUTH, tracebacks, threads)
    tracebacks, threads = answers()
    with pytest.raises(AssertionError, match="only in the truth"):
        compare.assert_tracebacks(TRUTH, tracebacks[:1], threads)


@pytest.mark.parametrize("key, value", [
    ("ident", 71), ("name", None), ("interpreter", 1), ("state", "running"), ("lwp", 9)])
def test_wrong_thread_is_seen(key: str, value: Any) -> None:
    """Each part of an entry counts."""
    _, threads = answers()
    threads["threads"][0][key] = value
    with pytest.raises(AssertionError):
        compare.assert_threads(TRUTH, threads)


def test_busy_thread() -> None:
    """Its innermost line may be any of those declared, and no other; the lines above are fixed."""
    truth = {**TRUTH, "threads": [{**THREAD, "busy_lines": [3, 4]}]}
    tracebacks, threads = answers()
    tracebacks[0]["frames"][0]["line"] = 4
    compare.assert_tracebacks(truth, tracebacks, threads)
    tracebacks[0]["frames"][0]["line"] = 5
    with pytest.raises(AssertionError):
        compare.assert_tracebacks(truth, tracebacks, threads)


def test_text() -> None:
    """Text frames, folded recursion, control characters, single lines."""
    lines = ['  File "a.py", line 3, in f', "    source", "  [Previous line repeated 2 more times]"]
    assert compare.text_frames(lines) == [("a.py", 3, "f")] * 3
    assert compare.control_characters("fine\tё\n漢") is None
    assert compare.control_characters("a\nb\x1b[m") == "b\x1b[m"
    assert compare.control_characters("\x9b") is not None
    assert compare.one_line("one\n") == "one"
    for bad in ("", "one\ntwo\n", "Error occurred in Python: x"):
        with pytest.raises(AssertionError):
            compare.one_line(bad)


def test_documents() -> None:
    """Anything beside JSON documents is an error."""
    assert gdb.Answer("c", '{"a": 1}\n{"a": 2}\n', "").documents() == [{"a": 1}, {"a": 2}]
    with pytest.raises(AssertionError, match="no JSON"):
        gdb.Answer("c", 'hello\n{"a": 1}\n', "").documents()
    with pytest.raises(AssertionError, match="0 documents"):
        gdb.Answer("c", "", "why").document()


def test_gdbs_own_warning_is_left_out() -> None:
    """Wherever it comes, the lines around it stay whole."""
    warning = "warning: Section `.reg-xstate/12' in core file too small.\n"
    for text in (gdb.MARK + warning + "{}\n", gdb.MARK + "\n" + warning + "{}\n", gdb.MARK + "{}\n" + warning,
                 gdb.MARK + "{}\n\n" + warning + warning, warning + gdb.MARK + "{}\n"):
        assert gdb.GDB_WARNING.sub("", text) == gdb.MARK + "{}\n"


@pytest.mark.parametrize("test, scope", [
    ("tests/live/test_truth.py::test_tracebacks[live-3.11.2-symbols]", "tests/live/test_truth.py 3.11.2"),
    ("tests/live/test_truth.py::test_tracebacks[3.11.2-debian-symbols-live]", "tests/live/test_truth.py 3.11.2-debian"),
    ("tests/live/test_gil.py::test_it[hidden-3.11.2d]", "tests/live/test_gil.py 3.11.2d"),
    ("tests/live/test_gil.py::TestIt::test_it[3.11]", "tests/live/test_gil.py"),
    ("tests/unit/test_lines.py::test_it[linetable]", "tests/unit/test_lines.py"),
    ("tests/unit/test_3.11.2.py::test_it", "tests/unit/test_3.11.2.py")])
def test_tests_that_share_an_interpreter_stay_together(test: str, scope: str) -> None:
    parallel = pytest.importorskip("tests.support.parallel", reason="pytest-xdist is not there")
    assert parallel.scope_of(test, ["3.11.2", "3.11.2-debian", "3.11.2d"]) == scope


OF_PRINTERS = "^CPython Exception <class 'KeyboardInterrupt'>: \n"


@pytest.mark.parametrize("answer, left", [
    (OF_PRINTERS + "1000007", ""),
    (OF_PRINTERS + '"/x.py"1000007', ""),
    ('"/x.py"' + OF_PRINTERS + "1000007", '"/x.py"'),
    # The value is not the whole one; nothing is printed; there is more than that.
    (OF_PRINTERS + '"/x.p"1000007', None),
    (OF_PRINTERS + "Error occurred in Python: \n1000007", None),
    (OF_PRINTERS + OF_PRINTERS + "1000007", None),
    ("one\ninternal-error: x\n" + OF_PRINTERS + "1000007", "one\ninternal-error: x\n")])
def test_an_interrupt_of_gdbs_own_search_for_printers(answer: str, left: Optional[str]) -> None:
    """It is let pass where the whole value follows, and nothing else with it."""
    assert interrupts.without_printers(answer, ("1000007", '"/x.py"1000007')) == (answer if left is None else left)
