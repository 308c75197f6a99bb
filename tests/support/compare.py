"""Comparing what gdbext answers with what a program told of itself; differences come out readable."""

import difflib
import re
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

# A failure shows this many threads, and this many lines of each.
MOST_THREADS = 5
MOST_LINES = 40

Frame = Dict[str, Any]
# What identifies a frame in a traceback printed as text: file, line, function.
TextFrame = Tuple[str, int, str]


def frame_line(frame: Frame) -> str:
    """One frame on one line of printable ASCII."""
    return "%s [%s] at %s:%s" % (
        ascii(frame["function"]), ascii(frame["qualname"]), ascii(frame["file"]), frame["line"])


def expected_frames(thread: Mapping[str, Any], answered: List[Frame]) -> List[Frame]:
    """A thread's true frames; a busy thread's innermost line is the answered one where it may be."""
    frames = list(thread["frames"])
    allowed = thread.get("busy_lines")
    if allowed and answered and answered[0]["line"] in allowed:
        frames[0] = {**frames[0], "line": answered[0]["line"]}
    return frames


def assert_same(expected: Mapping[Any, List[str]], answered: Mapping[Any, List[str]], what: str) -> None:
    """Fail with a diff of each thread that differs; the keys say which thread it is."""
    assert expected, "there is nothing to compare"
    differing = [key for key in {**expected, **answered} if expected.get(key) != answered.get(key)]
    if not differing:
        return
    report = ["%s: %d of %d threads differ" % (what, len(differing), len(expected))]
    for key in differing[:MOST_THREADS]:
        if key not in answered or key not in expected:
            report.append("thread %s is only in %s" % (key, "the truth" if key in expected else "the answer"))
            continue
        diff = list(difflib.unified_diff(
            expected[key], answered[key], "truth of %s" % (key,), "answer for %s" % (key,), lineterm="", n=2))
        report += diff[:MOST_LINES] + ["..."] * (len(diff) > MOST_LINES)
    raise AssertionError("\n".join(report))


def by_lwp(threads: Iterable[Mapping[str, Any]]) -> Dict[int, Mapping[str, Any]]:
    """Threads by the kernel's number; one that is listed twice is an error."""
    found: Dict[int, Mapping[str, Any]] = {}
    for thread in threads:
        assert thread["lwp"] not in found, "LWP %s is listed twice" % thread["lwp"]
        found[thread["lwp"]] = thread
    return found


TEXT_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+), in (?P<function>.*)')


def text_frames(lines: Iterable[str]) -> List[TextFrame]:
    """The frames of a traceback printed as text."""
    found = (TEXT_FRAME.fullmatch(line) for line in lines)
    return [(match["file"], int(match["line"]), match["function"]) for match in found if match]


def control_characters(text: str) -> Optional[str]:
    """The first line with a character that a terminal acts upon, None where there is none."""
    return next((line for line in text.split("\n") if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", line)), None)


def one_line(text: str) -> str:
    """The only line of a message; anything else, or a Python traceback, is an AssertionError."""
    lines = text.strip("\n").split("\n")
    assert len(lines) == 1 and lines[0].strip(), "not one line: %r" % text
    assert "Traceback" not in text and "Error occurred in Python" not in text, text
    return lines[0]
