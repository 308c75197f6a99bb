"""gdbext.render.locks: words, JSON and graphs of what threads wait for; nothing of the inferior gets out raw."""

import json
import types
from typing import Any, List, Optional, Sequence

import pytest

from gdbext.analysis.holders import OWNER_FIELD, WITH_BLOCK, Holder
from gdbext.analysis.locks import Candidate, Deadlock, Report, Waited, Waiter
from gdbext.analysis.waits import Wait
from gdbext.render import locks, threads
from gdbext.render.text import printable
from tests.support import graphviz
from tests.unit.test_render import EVIL, TARGET, parsed


def frame(name: str = "take", line: Optional[int] = 7) -> Any:
    """A frame of a made-up file."""
    return types.SimpleNamespace(code=types.SimpleNamespace(name=name, filename="/made/up.py"), line=line, address=1,
                                 doubts=(), problem=None)


def thread(number: int, name: Optional[str] = "worker") -> Any:
    """A thread in a frame."""
    return types.SimpleNamespace(native=types.SimpleNamespace(number=number, lwp=50 + number), name=name,
                                 ident=1000 + number, frame=frame("stands"), state=None)


def report(waited: List[Waited], deadlocks: List[Deadlock] = (), doubtful: List[Deadlock] = ()) -> Report:
    """A report in which each waiter waits."""
    waits = {id(waiter.thread): waiter.wait for each in waited for waiter in each.waiters}
    by_waiter = {id(waiter.thread): each for each in waited for waiter in each.waiters}
    return Report(waited, list(deadlocks), list(doubtful), waits, by_waiter)


def lock(name: str = "self.mutex of <Pool at 0x5>", address: int = 0x50, **more: Any) -> Wait:
    """A wait for a plain lock."""
    return Wait("lock", "Lock", name, address=address, lock=address, at=frame(), **more)


def ring() -> Report:
    """Two threads, each with the lock that the other one wants, and one behind them."""
    one, other, third = thread(1, "one"), thread(2, "other"), thread(3)
    first = Waiter(one, lock("a", 0x50))
    second = Waiter(other, Wait("rlock", "RLock", "b", address=0x60, lock=0x60, at=frame("give", 9)))
    behind = Waiter(third, lock("c", 0x50, timed=True, left=2.5))
    held = [Waited("lock", 0x50, [first, behind], [Holder(other, WITH_BLOCK, frame("give"), 5)], None, None, []),
            Waited("rlock", 0x60, [second], [Holder(one, OWNER_FIELD, frame("take"), 3)], None, None, [])]
    return report(held, [Deadlock([first, second], held, [third], [])])


def test_a_deadlock_in_words() -> None:
    assert list(locks.text(ring(), ["A note."])) == [
        "Deadlock: 2 threads wait for each other.",
        '  Thread 1 "one" waits for Lock a',
        "    in take (/made/up.py:7)",
        '    held by thread 2 "other", taken in give (/made/up.py:5) [inferred from its with statement]',
        '  Thread 2 "other" waits for RLock b',
        "    in give (/made/up.py:9)",
        '    held by thread 1 "one", taken in take (/made/up.py:3)',
        '  Behind it waits: thread 3 "worker"',
        "",
        "What else threads wait for:",
        "  Lock a",
        '    wanted by thread 1 "one" in take (/made/up.py:7)',
        '    wanted by thread 3 "worker" in take (/made/up.py:7), 2.5 s left',
        '    held by thread 2 "other", taken in give (/made/up.py:5) [inferred from its with statement]; '
        "it waits for RLock b",
        "A note.",
    ]


def test_nothing_to_tell() -> None:
    assert list(locks.text(report([]), [])) == ["No thread waits for a lock or for another thread."]


def test_a_lock_of_nobody() -> None:
    waited = Waited("lock", 0x50, [Waiter(thread(1), lock())], [], "held, and no live thread's frame holds it", None,
                    [Candidate(thread(2), frame("read"), "shared.mutex")])
    assert list(locks.text(report([waited]), [])) == [
        "No deadlock found.",
        "What threads wait for:",
        "  Lock self.mutex of <Pool at 0x5>",
        '    wanted by thread 1 "worker" in take (/made/up.py:7)',
        "    held, and no live thread's frame holds it",
        '    referred to by thread 2 "worker" in read (/made/up.py:7) as shared.mutex',
    ]


def test_a_deadlock_with_a_doubt_is_a_possible_one() -> None:
    waiter = Waiter(thread(1), lock(timed=True))
    waited = Waited("lock", 0x50, [waiter], [Holder(waiter.thread, WITH_BLOCK, frame(), 3, "why")], None, None, [])
    found = list(locks.text(report([waited], [], [Deadlock([waiter], [waited], [], ["why"])]), []))
    assert found[0] == "Possible deadlock: a thread waits for itself."
    assert "  It may end, or be none: why." in found
    assert not any(line.startswith(("Deadlock", "No deadlock")) for line in found)


def test_the_document() -> None:
    document = parsed(locks.document(TARGET, ring(), ["There may be more."]))
    assert list(document) == ["command", "target", "locks", "deadlocks", "possible_deadlocks", "notes"]
    assert document["notes"] == ["There may be more."]
    assert document["deadlocks"] == [
        {"threads": [1001, 1002], "locks": ["0x50", "0x60"], "behind": [1003], "doubts": []}]
    first, second = document["locks"]
    assert (first["address"], first["kind"], first["holder"]["ident"], first["holder"]["evidence"]) == (
        "0x50", "lock", 1002, "with-block")
    assert first["holder"]["taken"] == {"function": "give", "file": "/made/up.py", "line": 5, "problem": None}
    assert [waiter["ident"] for waiter in first["waiters"]] == [1001, 1003]
    assert (second["holder"]["evidence"], second["problem"], second["candidates"]) == ("owner-field", None, [])


def test_a_limit_says_what_it_leaves_out() -> None:
    """Of deadlocks and of other waits; what a deadlock is about comes before everything else."""
    three = [Waited("lock", number, [Waiter(thread(number), lock(f"lock{number}", number))], [], None, None, [])
             for number in (5, 6, 7)]
    caught = ring()
    one = report([*three, *caught.waited], caught.deadlocks * 2)
    lines = list(locks.text(one, ["A note."], 1))
    assert lines.count("Deadlock: 2 threads wait for each other.") == 1
    # The third of the ring's threads waits for a lock of it, which makes it one of four.
    assert lines[8:] == ["", "1 more deadlock: -limit left it out.", "What else threads wait for:", "  Lock lock5",
                         '    wanted by thread 5 "worker" in take (/made/up.py:7)',
                         "    no other thread's frame refers to it",
                         "3 more locks and other things that threads wait for: -limit left them out.", "A note."]
    whole = list(locks.text(one, ["A note."]))
    assert not any("-limit" in line for line in whole) and list(locks.text(one, ["A note."], 5)) == whole
    document = parsed(locks.document(TARGET, one, ["A note."], 1))
    assert [each["address"] for each in document["locks"]] == ["0x50"] and len(document["deadlocks"]) == 1
    assert document["notes"] == ["4 more locks and other things that threads wait for: -limit left them out.",
                                 "1 more deadlock: -limit left it out.", "A note."]
    lines = list(locks.graph(one, [], 2))
    assert sum(line.startswith("  lock") and "label=" in line for line in lines) == 2
    assert '  label="3 more locks and other things that threads wait for: -limit left them out.";' in lines


def test_a_queue_that_is_waited_for_in_two_ways() -> None:
    """Each thread stands below what it waits for."""
    waits = [Wait("queue", what, "jobs", note, address=5, subject=5, at=frame()) for what, note in (
        ("Queue.join() of", "1 task is not done"), ("Queue.get() of", "empty"), ("Queue.join() of", "later"))]
    waiters = [Waiter(thread(number), wait) for number, wait in enumerate(waits, 1)]
    lines = list(locks.text(report([Waited("queue", 5, waiters, [], None, None, [])], []), []))
    place = "in take (/made/up.py:7)"
    assert lines[2:-1] == [
        "  Queue.join() of jobs (1 task is not done)", f'    wanted by thread 1 "worker" {place}',
        f'    wanted by thread 3 "worker" {place}',
        "  Queue.get() of jobs (empty)", f'    wanted by thread 2 "worker" {place}']


@pytest.mark.parametrize("value", EVIL.values(), ids=EVIL)
def test_names_of_the_inferior_are_escaped(value: str) -> None:
    waiter = Waiter(thread(1, value), lock(value))
    waited = Waited("lock", 0x50, [waiter], [], None, None, [Candidate(thread(2, value), frame(value), value)])
    one = report([waited])
    for text in (*locks.text(one, []), *locks.graph(one, [])):
        assert text.isprintable(), text
    assert json.loads(locks.document(TARGET, one, []))["locks"][0]["name"] == value


def test_the_graph_is_quoted() -> None:
    """A quote or a backslash would end a label, or make an escape of Graphviz' own."""
    waiter = Waiter(thread(1, 'a"b\\N'), lock('x["k"] \\l'))
    lines = list(locks.graph(report([Waited("lock", 0x50, [waiter], [], None, None, [])]), []))
    assert lines == [
        "digraph waits {",
        "  rankdir=LR;",
        '  lock0 [label="Lock x[\\"k\\"] \\\\l"];',
        '  thread0 [shape=box, label="thread 1 \\"a\\"b\\\\N\\"\\ntake (/made/up.py:7)"];',
        "  thread0 -> lock0;",
        "}",
    ]


def test_graphviz_draws_what_is_there() -> None:
    """The labels as they are printed, whatever is in them that Graphviz has a meaning for."""
    plain = ['a"b\\N', 'x["k"] \\l', "&lt;&#65;&amp", "<b>x</b>", "{a|b}", "\\", "имя", "a  b", "end\\", "x" * 5000]
    waited = [Waited("lock", number, [Waiter(thread(number, name), lock(name, number))],
                     [Holder(thread(number, "held " + name), OWNER_FIELD)], None, None, [])
              for number, name in enumerate([*plain, *EVIL.values()])]
    drawing = graphviz.draw(locks.graph(report(waited), ["&lt;", 'There may be "more".']))
    assert drawing.label == '&lt;\nThere may be "more".'
    for number, each in enumerate(waited):
        [waiter], [holder] = each.waiters, each.holders
        assert drawing.nodes[f"lock{number}"] == (printable(waiter.wait.detail), "black")
        assert drawing.nodes[f"thread{2 * number}"] == (
            f'thread {number} "{printable(waiter.thread.name)}"\ntake (/made/up.py:7)', "black")
        assert drawing.nodes[f"thread{2 * number + 1}"] == (
            f'thread {number} "{printable(holder.thread.name)}"\nstands (/made/up.py:7)', "black")
    assert sorted(drawing.edges) == sorted(
        edge for number in range(len(waited)) for edge in (
            (f"thread{2 * number}", f"lock{number}", "black"), (f"lock{number}", f"thread{2 * number + 1}", "black")))


def test_graphviz_draws_a_deadlock() -> None:
    drawing = graphviz.draw(locks.graph(ring(), []))
    names = {label.partition("\n")[0]: name for name, (label, _colour) in drawing.nodes.items()}
    around = [names[label] for label in ('thread 1 "one"', "Lock a", 'thread 2 "other"', "RLock b")]
    assert {name for name, (_label, colour) in drawing.nodes.items() if colour == "red"} == set(around)
    assert sorted(drawing.edges) == sorted(
        [(begin, end, "red") for begin, end in zip(around, around[1:] + around[:1])]
        + [(names['thread 3 "worker"'], names["Lock a"], "black")])


def test_the_graph_says_what_is_not_known() -> None:
    lines = list(locks.graph(report([]), ['There may be "more".', "Two."]))
    assert lines[2:] == ['  label="There may be \\"more\\".\\nTwo.";', "}"]


def test_the_graph_of_a_deadlock_is_red() -> None:
    lines = list(locks.graph(ring(), []))
    assert sum("color=red" in line for line in lines) == 8
    assert '  lock0 -> thread2 [color=red, style=dashed];' in lines
    assert '  thread1 -> lock0;' in lines


@pytest.mark.parametrize("addresses, doing", (
    ([0x50] * 20, ["    waits for Event at 0x50, held by thread 99 \"worker\""]),
    ([0x50, 0x51, 0x52] * 2, ["    2: waits for Event at %#x, held by thread 99 \"worker\"" % each
                              for each in (0x50, 0x51, 0x52)]),
    (range(0x50, 0x64), ["    waits for Event, not all for the same"]),
))
def test_a_group_tells_what_its_threads_have_in_common(addresses: Sequence[int], doing: List[str]) -> None:
    code = types.SimpleNamespace(address=1, name="wait", filename="/made/up.py")
    place = types.SimpleNamespace(code=code, line=7, address=2, doubts=(), problem=None)
    together = [types.SimpleNamespace(**{**vars(thread(1 + index)), "frame": place, "frames": lambda: [place],
                                         "lent_to": None, "state": place, "holds_gil": False})
                for index in range(len(addresses))]
    holders = [Holder(thread(99), OWNER_FIELD)]
    waited: Any = [Waited("event", each, [Waiter(member, Wait("event", "Event", address=each, subject=each))], holders,
                          None, None, []) for member, each in zip(together, addresses)]
    first, where, *lines = threads.grouped(together, report(waited), [])
    assert first.startswith("%d threads: 1 " % len(addresses)) and where == "    wait (/made/up.py:7)"
    assert lines == doing
