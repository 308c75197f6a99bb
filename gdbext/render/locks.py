"""Locks that threads wait for and deadlocks: in words, as JSON, and as a graph for Graphviz."""

from typing import Any, Dict, Iterator, List, Optional

from ..analysis.holders import OWNER_FIELD, WITH_BLOCK, Holder
from ..analysis.locks import Candidate, Deadlock, Report, Waited, Waiter
from ..analysis.threads import Thread
from ..analysis.waits import Wait
from ..cpython.frames import Frame
from . import theme
from .document import document as _document
from .text import counted, left_out, printable
from .traceback import doubts_text, problem_of

# Threads that are named in one line, and lines of waiters of one lock; more are counted.
MAX_NAMED = 5
# What is waited for, of whatever kind.
WAITED = "lock or other thing that threads wait for", "locks and other things that threads wait for"


def thread_text(thread: Thread) -> str:
    """ 'thread 2 "shipping"'. """
    number = str(thread.native.number) if thread.native is not None else "-"
    name = thread.name
    return f"thread {number}" + (f' "{theme.variable(printable(name))}"' if name is not None else "")


def place_text(frame: Optional[Frame], line: Optional[int] = None) -> str:
    """ "take_from_stock (/srv/demo_service.py:36)"; `line` in the place of the one that the frame is at. """
    if frame is None:
        return "no Python frames"
    if frame.code is None:
        return f"<unreadable at {frame.address:#x}>"
    at = frame.line if line is None else line
    return (f"{theme.function(printable(frame.code.name))} ({theme.filename(printable(frame.code.filename))}:"
            f"{theme.line_number('?' if at is None else str(at))}){doubts_text(frame)}")


def timeout_text(wait: Wait) -> str:
    """ ", 3.2 s left"; "" for a wait without an end of its own. """
    if wait.timed is None:
        return ", timeout not known"
    if not wait.timed:
        return ""
    return ", with a timeout" if wait.left is None else f", {wait.left:.1f} s left"


def wait_text(wait: Wait) -> str:
    """What a thread waits for, in one line."""
    woken = ", which it has got and not yet noticed" if wait.woken else ""
    return printable(wait.detail) + timeout_text(wait) + woken


def waits_text(wait: Wait) -> str:
    """ "waits for Lock self.mutex of ...", "sleeps, 3.2 s left". """
    return f"sleeps{timeout_text(wait)}" if wait.kind == "sleep" else f"waits for {wait_text(wait)}"


def holder_text(holder: Holder) -> str:
    """ 'thread 3 "receiving", taken in receive (/srv/demo_service.py:41)', and how that is known. """
    text = thread_text(holder.thread) + (f", {holder.role}" if holder.role else "")
    if holder.frame is not None and holder.evidence in (OWNER_FIELD, WITH_BLOCK):
        text += f", taken in {place_text(holder.frame, holder.line)}"
    if holder.evidence == WITH_BLOCK:
        text += theme.metadata(" [inferred from its with statement]")
    return text + (f" (doubtful: {holder.doubt})" if holder.doubt else "")


def holders_text(waited: Optional[Waited], thread: Thread) -> str:
    """ ', held by thread 3 "receiving"'; "" where that says nothing new. """
    if waited is None or waited.kind in ("join", "shutdown"):
        return ""
    if len(waited.holders) == 1:
        holder = waited.holders[0]
        inferred = theme.metadata(" [inferred]") if holder.evidence == WITH_BLOCK else ""
        who = "itself" if holder.thread is thread else thread_text(holder.thread)
        return f", {_relation(waited)} {who}{inferred}"
    if waited.holders:
        return f", {_relation(waited)} one of {len(waited.holders)} threads"
    return f", {printable(waited.problem)}" if waited.problem is not None else ""


def text(report: Report, notes: List[str], limit: Optional[int] = None) -> Iterator[str]:
    """The deadlocks, then everything else that is waited for, `limit` of each at the most, then the notes."""
    deadlocks = report.deadlocks + report.doubtful
    for deadlock in deadlocks[:limit]:
        yield from _deadlock(deadlock, report)
        yield ""
    yield from left_out(len(deadlocks), limit, "deadlock")
    shown = {id(waiter.thread) for deadlock in deadlocks for waiter in deadlock.waiters}
    others = [waited for waited in report.waited if any(id(waiter.thread) not in shown for waiter in waited.waiters)]
    if not report.waited:
        yield "No thread waits for a lock or for another thread."
    elif not shown:
        yield "No deadlock found."
    if others:
        yield "What else threads wait for:" if shown else "What threads wait for:"
    for waited in others[:limit]:
        yield from _waited(waited, report)
    yield from left_out(len(others), limit, *WAITED)
    yield from map(printable, notes)


def _deadlock(deadlock: Deadlock, report: Report) -> Iterator[str]:
    count = len({id(waiter.thread) for waiter in deadlock.waiters})
    kind = theme.highlight("Deadlock" if not deadlock.doubts else "Possible deadlock")
    if count == 1:
        yield f"{kind}: a thread waits for itself."
    else:
        yield f"{kind}: {count} threads wait for each other."
    for waiter, waited in zip(deadlock.waiters, deadlock.waited):
        wait = waiter.wait
        yield f"  {_capital(thread_text(waiter.thread))} {waits_text(wait)}"
        yield f"    in {place_text(wait.at)}"
        holders = waited.holders
        if len(holders) == 1:
            yield f"    {_relation(waited)} {holder_text(holders[0])}"
        else:
            named = ", ".join(thread_text(holder.thread) for holder in holders[:MAX_NAMED])
            more = f" and {len(holders) - MAX_NAMED} more" if len(holders) > MAX_NAMED else ""
            yield f"    {_relation(waited)} one of {len(holders)} threads, which all wait: {named}{more}"
    if deadlock.doubts:
        yield "  It may end, or be none: " + "; ".join(printable(doubt) for doubt in deadlock.doubts) + "."
    if deadlock.behind:
        named = ", ".join(thread_text(thread) for thread in deadlock.behind[:MAX_NAMED])
        more = f" and {len(deadlock.behind) - MAX_NAMED} more" if len(deadlock.behind) > MAX_NAMED else ""
        yield f"  Behind it {'waits' if len(deadlock.behind) == 1 else 'wait'}: {named}{more}"


def _relation(waited: Waited) -> str:
    """How a holder stands to what is waited for."""
    if waited.kind in ("join", "shutdown"):
        return "which is"
    if waited.kind == "future":
        return "to be computed by"
    return "held by"


def _capital(text_: str) -> str:
    return text_[:1].upper() + text_[1:]


def _waited(waited: Waited, report: Report) -> Iterator[str]:
    # Of one queue some may wait for an item, and others for the last to be done.
    for what in dict.fromkeys(waiter.wait.what for waiter in waited.waiters):
        waiters = [waiter for waiter in waited.waiters if waiter.wait.what == what]
        yield "  " + _capital(printable(waiters[0].wait.detail))
        for waiter in waiters[:MAX_NAMED]:
            extra = timeout_text(waiter.wait) + (", woken" if waiter.wait.woken else "")
            yield f"    wanted by {thread_text(waiter.thread)} in {place_text(waiter.wait.at)}{extra}"
        if len(waiters) > MAX_NAMED:
            yield f"    and by {counted(len(waiters) - MAX_NAMED, 'more thread')}"
    if waited.kind not in ("join", "shutdown"):
        for holder in waited.holders[:MAX_NAMED]:
            wait = report.wait_of(holder.thread)
            then = f"; it {waits_text(wait)}" if wait is not None else _doing(holder.thread)
            yield f"    {_relation(waited)} {holder_text(holder)}{then}"
        if len(waited.holders) > MAX_NAMED:
            yield f"    or by {counted(len(waited.holders) - MAX_NAMED, 'more thread')}"
    else:
        for holder in waited.holders:
            wait = report.wait_of(holder.thread)
            then = waits_text(wait) if wait is not None else "runs"
            yield f"    {thread_text(holder.thread)} {then}, in {place_text(wait.at if wait else holder.thread.frame)}"
    if waited.problem is not None and not waited.holders:
        yield f"    {printable(waited.problem)}"
    yield from _candidates(waited.candidates, waited)


def _doing(thread: Thread) -> str:
    return f"; it runs in {place_text(thread.frame)}"


def _candidates(candidates: List[Candidate], waited: Waited) -> Iterator[str]:
    for candidate in candidates[:MAX_NAMED]:
        yield (f"    referred to by {thread_text(candidate.thread)} in {place_text(candidate.frame)}"
               f" as {printable(candidate.name)}")
    if len(candidates) > MAX_NAMED:
        yield f"    and by {counted(len(candidates) - MAX_NAMED, 'more thread')}"
    if not candidates and not waited.holders and waited.problem is None:
        yield "    no other thread's frame refers to it"


# JSON.


def wait_json(wait: Optional[Wait], waited: Optional[Waited]) -> Optional[Dict[str, Any]]:
    """What a thread waits for, as py-threads has it."""
    if wait is None:
        return None
    holder = waited.holders[0].thread if waited is not None and len(waited.holders) == 1 else None
    address = waited.address if waited is not None else wait.address
    return {
        "kind": wait.kind,
        "address": _hex(address),
        "owner": holder.ident if holder is not None else waited.ident if waited is not None else None,
        "detail": wait.detail,
        "name": wait.name or None,
        "timeout": wait.timed,
        "seconds_left": wait.left,
        "woken": wait.woken,
    }


def document(target: Dict[str, Any], report: Report, notes: List[str], limit: Optional[int] = None) -> str:
    """The JSON document of py-locks, `limit` items of each of its lists at the most."""
    waited = _rings_first(report)
    return _document("py-locks", target, {
        "locks": [_lock_json(each) for each in waited[:limit]],
        "deadlocks": [_deadlock_json(each) for each in report.deadlocks[:limit]],
        "possible_deadlocks": [_deadlock_json(each) for each in report.doubtful[:limit]],
        "notes": [*left_out(len(waited), limit, *WAITED), *left_out(len(report.deadlocks), limit, "deadlock"),
                  *left_out(len(report.doubtful), limit, "possible deadlock"), *notes],
    })


def _rings_first(report: Report) -> List[Waited]:
    """All that is waited for, what deadlocks are about before everything else."""
    rings = {id(waited) for deadlock in report.deadlocks + report.doubtful for waited in deadlock.waited}
    return sorted(report.waited, key=lambda waited: id(waited) not in rings)


def _hex(address: Optional[int]) -> Optional[str]:
    return f"{address:#x}" if address is not None else None


def _lock_json(waited: Waited) -> Dict[str, Any]:
    holders = [_holder_json(holder) for holder in waited.holders]
    return {
        "address": _hex(waited.address),
        "kind": waited.kind,
        "detail": waited.detail,
        "name": waited.waiters[0].wait.name or None,
        "holder": holders[0] if len(holders) == 1 else None,
        "holders": holders,
        "problem": waited.problem,
        "owner_without_thread": waited.ident,
        "waiters": [_waiter_json(waiter) for waiter in waited.waiters],
        "candidates": [{**_thread_json(each.thread), "name_there": each.name, **_place_json(each.frame, None)}
                       for each in waited.candidates],
    }


def _thread_json(thread: Thread) -> Dict[str, Any]:
    return {"number": thread.native.number if thread.native is not None else None, "ident": thread.ident,
            "name": thread.name}


def _place_json(frame: Optional[Frame], line: Optional[int]) -> Dict[str, Any]:
    code = frame.code if frame is not None else None
    return {"function": code.name if code else None, "file": code.filename if code else None,
            "line": line if line is not None else frame.line if frame is not None else None,
            "problem": problem_of(frame) if frame is not None else None}


def _holder_json(holder: Holder) -> Dict[str, Any]:
    taken = _place_json(holder.frame, holder.line) if holder.frame is not None else None
    return {**_thread_json(holder.thread), "evidence": holder.evidence, "taken": taken, "doubt": holder.doubt}


def _waiter_json(waiter: Waiter) -> Dict[str, Any]:
    return {**_thread_json(waiter.thread), **_place_json(waiter.wait.at, None), "timeout": waiter.wait.timed,
            "woken": waiter.wait.woken}


def _deadlock_json(deadlock: Deadlock) -> Dict[str, Any]:
    return {
        "threads": [waiter.thread.ident for waiter in deadlock.waiters],
        "locks": [_hex(waited.address) for waited in deadlock.waited],
        "behind": [thread.ident for thread in deadlock.behind],
        "doubts": deadlock.doubts,
    }


# Graphviz.


def graph(report: Report, notes: List[str], limit: Optional[int] = None) -> Iterator[str]:
    """The wait graph in Graphviz' language: threads are boxes, what they wait for ellipses, deadlocks red.

    There are `limit` ellipses at the most; the label says what is left out.
    """
    caught = {id(waiter.thread) for deadlock in report.deadlocks for waiter in deadlock.waiters}
    rings = {id(waited) for deadlock in report.deadlocks for waited in deadlock.waited}
    drawn: Dict[int, str] = {}
    everything = _rings_first(report)
    notes = [*left_out(len(everything), limit, *WAITED), *notes]
    yield "digraph waits {"
    yield "  rankdir=LR;"
    if notes:
        yield f"  label={_quoted(chr(10).join(map(printable, notes)))};"

    def node(thread: Thread) -> Iterator[str]:
        if id(thread) not in drawn:
            drawn[id(thread)] = f"thread{len(drawn)}"
            wait = report.wait_of(thread)
            label = f"{thread_text(thread)}\n{place_text(wait.at if wait is not None else thread.frame)}"
            color = ", color=red" if id(thread) in caught else ""
            yield f"  {drawn[id(thread)]} [shape=box, label={_quoted(label)}{color}];"

    for index, waited in enumerate(everything[:limit]):
        color = ", color=red" if id(waited) in rings else ""
        yield f"  lock{index} [label={_quoted(printable(waited.detail))}{color}];"
        for waiter in waited.waiters:
            yield from node(waiter.thread)
            red = " [color=red]" if color and id(waiter.thread) in caught else ""
            yield f"  {drawn[id(waiter.thread)]} -> lock{index}{red};"
        for holder in waited.holders:
            yield from node(holder.thread)
            style = ["color=red"] if color and id(holder.thread) in caught else []
            style += ["style=dashed"] if holder.evidence == WITH_BLOCK else []
            yield f"  lock{index} -> {drawn[id(holder.thread)]}{' [' + ', '.join(style) + ']' if style else ''};"
    yield "}"


def _quoted(label: str) -> str:
    """A string of Graphviz' language, in which HTML's entities count too; what is escaped for a terminal stays so."""
    lines = (line.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in label.split("\n"))
    return '"' + "\\n".join(lines) + '"'
