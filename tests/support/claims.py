"""What an answer about damaged memory claims to be exact, and is not: held against the answer before the damage.

A null is no claim, nor is what has a problem, was recovered or inferred, or is read with a layout that is not exact.
"""

from typing import Any, Dict, Iterator, List, Mapping, Optional

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
