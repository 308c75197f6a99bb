"""Code of any origin is right in all its parts, and nothing of it is marked as not certain."""

import json
from typing import Any, Iterator

from tests.support import gdb, processes, stripped
from tests.support.interpreters import Interpreter


def problems(document: Any) -> Iterator[str]:
    """Every `problem` in a document."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        if key == "problem" and value:
            yield value
        elif isinstance(value, (dict, list)):
            yield from problems(value)


def test_no_doubts(interpreter: Interpreter) -> None:
    """Of code made by hand, from trees with any lines, of frames that are or were traced."""
    with processes.running_python(stripped.as_installed(interpreter), "made_code.py") as program:
        truth = {thread["lwp"]: thread for thread in program.truth["threads"]}
        stacks, *others = gdb.run(["thread apply all -q py-bt-plus -json", "py-threads -json", "py-exc -all -json",
                                   "py-locks -json"], mode="hidden", pid=program.pid).answers
    documents = [each.document() for each in others]
    assert list(problems(stacks.documents() + documents)) == []
    lwps = {thread["number"]: thread["lwp"] for thread in documents[0]["threads"]}
    told = {lwps[stack["number"]]: stack["frames"] for stack in stacks.documents()}
    for lwp, thread in truth.items():
        frames = [(frame["function"], frame["file"], frame["line"]) for frame in told[lwp]]
        expected = [(frame["function"], frame["file"], frame["line"]) for frame in thread["frames"]]
        assert frames == expected, thread["key"]
    assert len(truth) > 20 and json.dumps(documents[1]).count("KeyError") == 1
