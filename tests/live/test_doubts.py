"""What of a frame is not certain is marked wherever the frame is told; code of any origin that is right never is."""

import re
from pathlib import Path
from typing import Any, Iterator

from tests.support import gdb, processes, stripped
from tests.support.damage_at_random import DamagedCore
from tests.support.interpreters import Interpreter


def problems(document: Any) -> Iterator[str]:
    """Every `problem` in a document."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        if key == "problem" and value:
            yield value
        elif isinstance(value, (dict, list)):
            yield from problems(value)


def test_no_doubts(interpreter: Interpreter) -> None:
    """Of code made by hand, from trees with any lines, of frames that are or were traced, of classes of exceptions."""
    with processes.running_python(stripped.as_installed(interpreter), "made_code.py") as program:
        truth = {thread["lwp"]: thread for thread in program.truth["threads"]}
        stacks, *others = gdb.run(["thread apply all -q py-bt-plus -json", "py-threads -json", "py-exc -all -json",
                                   "py-locks -json", "py-exc -find -json"], mode="hidden", pid=program.pid).answers
    documents = [each.document() for each in others]
    assert list(problems(stacks.documents() + documents)) == []
    found = sorted([each["module"], each["type"]] for each in documents[-1]["found"])
    assert all(each in found for each in program.truth["exceptions"]) and len(found) >= len(program.truth["exceptions"])
    lwps = {thread["number"]: thread["lwp"] for thread in documents[0]["threads"]}
    told = {lwps[stack["number"]]: stack["frames"] for stack in stacks.documents()}
    assert len(truth) > 20
    for lwp, thread in truth.items():
        frames = [(frame["function"], frame["file"], frame["line"]) for frame in told[lwp]]
        # From 3.13.8 on Python forgets those before the first line while any thread is traced.
        expected = [(frame["function"], frame["file"], place[2] if frame["line"] is None else frame["line"])
                    for frame, place in zip(thread["frames"], frames)]
        assert frames == expected and len(frames) == len(thread["frames"]), thread["key"]


def test_doubts_are_told(one_interpreter: Interpreter, tmp_path: Path) -> None:
    """In tracebacks, of threads and locks, with the source, and in gdb's own backtrace."""
    with processes.running_python(stripped.as_installed(one_interpreter), "small.py") as program:
        lwp = next(thread["lwp"] for thread in program.truth["threads"] if thread["key"] == "deadlock-2")
        core, executable = gdb.gcore(program.pid, tmp_path / "core"), program.executable
    damaged = DamagedCore(core)
    for old, new in ((b"deadlocked_two", b"deadlocked_twX"), (b"Refused", b"RefuseX")):
        for start, end in damaged.ranges():
            at = start
            for before in damaged.read(start, end - start).split(old)[:-1]:
                at += len(before)
                damaged.write(at, new)
                at += len(old)
    select = "python next(each for each in gdb.selected_inferior().threads() if each.ptid[1] == %d).switch()" % lwp
    _, _, *texts, refused, document, exceptions, others = gdb.run(
        [select, "enable frame-filter global gdbext", "bt", "py-bt-plus", "py-frame-plus 0", "py-threads", "py-locks",
         "py-list-plus", "py-list-plus 9998,9999", "py-list-plus -json", "py-exc -all", "py-exc -all -json"],
        mode="stripped", core=core, executable=executable).answers
    for answer in texts:
        assert re.search(r"deadlocked_twX( \(.*\))? \[not certain: function", answer.stdout), answer
    assert "with first_lock:" in texts[-1].stdout
    assert "[not certain: function" in refused.stderr
    assert document.document()["frame"]["problem"].startswith("not certain: function")
    assert "\nRefuseX [not certain: type]" in exceptions.stdout
    assert "not certain: type" in list(problems(others.document()))
