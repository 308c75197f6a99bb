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


def frames_by_lwp(tracebacks: List[Mapping[str, Any]], threads: Mapping[str, Any]) -> Dict[int, List[Frame]]:
    """The frames of py-bt-plus' documents, by LWP, which py-threads' document tells."""
    lwps = {thread["number"]: thread["lwp"] for thread in threads["threads"]}
    found = {lwps[document["number"]]: document["frames"] for document in tracebacks}
    assert len(found) == len(tracebacks), "two documents for one thread"
    return found


def assert_tracebacks(
        truth: Mapping[str, Any], tracebacks: List[Mapping[str, Any]], threads: Mapping[str, Any]) -> None:
    """Every frame of every thread is as the program told; native threads have none."""
    got = frames_by_lwp(tracebacks, threads)
    keys: Dict[int, str] = {}
    expected: Dict[int, List[Frame]] = {lwp: [] for lwp in truth["native_threads"]}
    for lwp, thread in by_lwp(truth["threads"]).items():
        keys[lwp] = "%s (LWP %d)" % (thread["key"], lwp)
        expected[lwp] = expected_frames(thread, got.get(lwp, []))
    assert_same(
        {keys.get(lwp, lwp): list(map(frame_line, frames)) for lwp, frames in expected.items()},
        {keys.get(lwp, lwp): list(map(frame_line, frames)) for lwp, frames in got.items()},
        "tracebacks")


def assert_threads(truth: Mapping[str, Any], threads: Mapping[str, Any]) -> None:
    """Names, idents, states and innermost frames are as the program told."""
    got = by_lwp(threads["threads"])

    def lines(thread: Mapping[str, Any], frame: Optional[Frame], state: str) -> List[str]:
        return ["ident %s" % thread["ident"], "name %s" % ascii(thread["name"]),
                "interpreter %s" % thread["interpreter"], "state %s" % state,
                frame_line(frame) if frame else "no frame"]

    expected = {}
    for lwp, thread in by_lwp(truth["threads"]).items():
        answered = got.get(lwp, {})
        frame = expected_frames(thread, [answered["frame"]] if answered.get("frame") else [])[0]
        state = "waiting"
        if thread["busy_lines"] and answered.get("gil") != "waits" and answered.get("state") != "waiting":
            # A busy thread may be met in a system call too: not only to wait for the GIL, also for the
            # moment that it takes to wake the thread to which it has passed the GIL on.
            state = "running"
        expected[lwp] = lines(thread, frame, state)
    for lwp in truth["native_threads"]:
        expected[lwp] = lines({"ident": None, "name": None, "interpreter": None}, None, "native")
    assert_same(
        expected,
        {lwp: lines(thread, thread["frame"], thread["state"]) for lwp, thread in got.items()},
        "threads")


TEXT_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+), in (?P<function>.*)')
REPEATED = re.compile(r"  \[Previous line repeated (?P<count>\d+) more times?\]")


def text_frames(lines: Iterable[str]) -> List[TextFrame]:
    """The frames of a traceback printed as text; a folded recursion is unfolded."""
    found: List[TextFrame] = []
    for line in lines:
        match = TEXT_FRAME.fullmatch(line)
        if match:
            found.append((match["file"], int(match["line"]), match["function"]))
        repeated = REPEATED.fullmatch(line)
        if repeated:
            found += [found[-1]] * int(repeated["count"])
    return found


def thread_rows(text: str) -> List[str]:
    """The lines of py-threads' table that have a thread's number, or that are its headings, which come first."""
    return [line for line in text.splitlines() if re.match(r"[* ] +(Id|\d+|-) ", line)]


def control_characters(text: str) -> Optional[str]:
    """The first line with a character that a terminal acts upon, None where there is none."""
    found = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]").search
    return next((line for line in text.split("\n") if found(line)), None)


def one_line(text: str) -> str:
    """The only line of a message; anything else, or a Python traceback, is an AssertionError."""
    lines = text.strip("\n").split("\n")
    assert len(lines) == 1 and lines[0].strip(), "not one line: %r" % text
    assert "Traceback" not in text and "Error occurred in Python" not in text, text
    return lines[0]
