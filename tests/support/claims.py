"""What an answer about damaged memory claims to be exact, and is not: held against the answer before the damage.

A null is no claim, nor is what has a problem, was recovered or inferred, or is read with a layout that is not exact.
"""

from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

# What tells frames apart, and is nothing that another frame has.
_OF_FRAME = ("function", "qualname", "file", "line")
_OF_THREAD = ("ident", "name", "interpreter", "gil")


def is_exact(document: Mapping[str, Any]) -> bool:
    """Whether a document claims that its layout is the build's own, and has no note that says what is not known."""
    layout = document["target"]["layout"]
    return bool(layout and layout["exact"]) and not document.get("notes")


def wrong_threads(truth: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """Of py-threads."""
    if not is_exact(answer):
        return
    true = {thread["lwp"]: thread for thread in truth["threads"] if thread["lwp"]}
    for thread in answer["threads"]:
        expected = true.get(thread["lwp"])
        if expected is None:
            if thread["lwp"] is not None:
                yield "thread: LWP %s does not exist" % thread["lwp"]
            continue
        for name in _OF_THREAD:
            if thread[name] is not None and thread[name] != expected[name]:
                yield "thread: %s is %r and not %r" % (name, thread[name], expected[name])
        if thread["state"] == "native" and expected["state"] != "native":
            yield "thread: a thread of Python is told to be none"
        if thread["frame"] and expected["frame"]:
            yield from ("thread: " + each for each in _wrong_frame(expected["frame"], thread["frame"]))


def _wrong_frame(truth: Mapping[str, Any], frame: Mapping[str, Any]) -> Iterator[str]:
    if frame.get("problem"):
        return
    for name in _OF_FRAME:
        if frame[name] is not None and frame[name] != truth[name]:
            yield "frame: %s is %r and not %r" % (name, frame[name], truth[name])


def _claimed(frame: Mapping[str, Any]) -> bool:
    return frame["kind"] == "python" and frame["found_by"] == "thread-state" and not frame["problem"]


def wrong_frames(truth: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """Of py-bt-plus: frames that are not the thread's, that are wrong, and that are missing without a word."""
    if not is_exact(answer) or not truth["frames"]:
        return
    true: Dict[Optional[str], Mapping[str, Any]] = {frame["address"]: frame for frame in truth["frames"]
                                                    if frame["kind"] == "python"}
    frames: List[Mapping[str, Any]] = [frame for frame in answer["frames"] if frame["kind"] == "python"]
    for frame in frames:
        if _claimed(frame):
            expected = true.get(frame["address"])
            if expected is None:
                yield "frame: %s at %s is none of this thread" % (frame["function"], frame["address"])
            else:
                yield from _wrong_frame(expected, frame)
    if frames and all(map(_claimed, frames)) and len(frames) < len(true):
        yield "frame: %d of %d are told, and nothing of the others" % (len(frames), len(true))


def wrong_exceptions(truth: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """Of py-exc -all: exceptions that are none of the thread's, that are wrong, and that are missing without a word."""
    if not is_exact(answer):
        return
    true = {thread["number"]: thread for thread in truth["threads"]}
    for thread in answer["threads"]:
        expected = true.get(thread["number"])
        if expected is None or thread["problem"]:
            continue
        yield from _wrong_chain("handling", expected["handling"], thread["handling"])
        yield from _wrong_chain("raising", *([each["raising"]] if each["raising"] else []
                                             for each in (expected, thread)))


def _wrong_chain(name: str, truth: Sequence[Mapping[str, Any]], told: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if len(truth) != len(told) and not any(each["problem"] for each in told):
        yield "exception: %d in %s and not %d" % (len(told), name, len(truth))
        return
    for expected, exception in zip(truth, told):
        yield from _wrong_exception(expected, exception)


def _wrong_exception(truth: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    if told["problem"]:
        return
    for name in ("address", "type", "module", "message", "suppress_context", "notes"):
        if told[name] is not None and told[name] != truth[name] and (name != "message" or told["exact"]):
            yield "exception: %s is %r and not %r" % (name, told[name], truth[name])
    entries = told["traceback"] or []
    if not any(each["problem"] for each in entries):
        if told["traceback"] is not None and entries != truth["traceback"]:
            yield "exception: traceback is %r and not %r" % (entries, truth["traceback"])
    for name in ("cause", "context"):
        if truth[name] and told[name]:
            yield from _wrong_exception(truth[name], told[name])
        elif truth[name] or told[name]:
            yield "exception: its %s is %s" % (name, "left out" if truth[name] else "made up")


def wrong_locks(truth: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """Of py-locks: who waits and who holds, and deadlocks that there are or are none."""
    if not is_exact(answer):
        return
    true = {lock["address"]: lock for lock in truth["locks"]}
    locks = [lock for lock in answer["locks"] if not lock["problem"] and lock["address"] is not None]
    for lock in locks:
        expected = true.get(lock["address"])
        if expected is None:
            # What an Event or a Queue has within is told where that can't be read itself.
            waiting = {each["number"] for each in lock["waiters"]}
            if lock["kind"] != "condition" or not any(waiting <= {each["number"] for each in whole["waiters"]}
                                                      for whole in true.values() if whole["kind"] == "event"):
                yield "lock: there is none at %s: %s" % (lock["address"], lock["detail"])
            continue
        if lock["kind"] != expected["kind"]:
            yield "lock: kind is %r and not %r" % (lock["kind"], expected["kind"])
        # Without its module a name is one all the same.
        if lock["name"] is not None and not ("." + (expected["name"] or "")).endswith("." + lock["name"]):
            yield "lock: name is %r and not %r" % (lock["name"], expected["name"])
        holder, waiting = lock["holder"], [each["number"] for each in lock["waiters"]]
        if holder and not holder["doubt"] and holder["evidence"] == "owner-field" and (
                not expected["holder"] or holder["number"] != expected["holder"]["number"]):
            yield "lock: holder is %r and not %r" % (holder, expected["holder"])
        if not set(waiting) <= {each["number"] for each in expected["waiters"]}:
            yield "lock: waiters is %r and not %r" % (lock["waiters"], expected["waiters"])
    told, expected = ([sorted(each["threads"]) for each in document["deadlocks"]] for document in (answer, truth))
    if told != expected and not (len(told) < len(expected) and answer["possible_deadlocks"]) \
            and len(locks) == len(true):
        yield "lock: deadlocks is %r and not %r" % (told, expected)


def wrong_census(truth: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """Of py-leaks: types that there are more or fewer of."""
    if not is_exact(answer) or answer["partial"]:
        return
    told, expected = ({each["type"]: (each["count"], each["bytes"]) for each in document["types"]}
                      for document in (answer, truth))
    differing = [(name, told.get(name), expected.get(name)) for name in sorted({*told, *expected})
                 if told.get(name) != expected.get(name)]
    if differing:
        yield "census: types is %s" % ", ".join(map(repr, differing[:3]))


# Are run in every case, and compared there with what is true.
JUDGES: Dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[str]]] = {
    "py-threads -json": wrong_threads,
    "py-bt-plus -json": wrong_frames,
    "py-exc -all -json": wrong_exceptions,
    "py-locks -json": wrong_locks,
    "py-leaks -json": wrong_census,
}
# What each thread has another answer to.
OF_THREAD = "py-bt-plus -json"
