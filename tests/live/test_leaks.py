"""py-leaks counts what the program itself does: every object, its type and its size, whichever allocator."""

import contextlib
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from tests.support import compare, gdb, processes, stripped
from tests.support.interpreters import Interpreter
from tests.support.stripped import Launch
from tests.support.subject import WAYS, Subject

CHECK = gdb.REPOSITORY / "tests" / "support" / "heap_check.py"

IDS = [" ".join(way) for way in WAYS]

# sys.getallocatedblocks() counts the requests above 512 bytes as well, which pymalloc passes on to malloc:
# for heap.py's objects, and for the interpreter's tables.
LARGE_BLOCKS = {"": 4000, "frozen": 4000, "library": 8000}
# Of the pages of mimalloc, some few belong to no thread of Python. Since 3.15 PyMem_RawMalloc() is mimalloc's too,
# from a heap that the interpreter does not count.
OTHER_BLOCKS, RAW_BLOCKS = 64, 2000

# What the child that measures and the parent that waits do not share: their frames, and up to 3.7 the
# arguments of the call that the parent waits in.
FRAME = "builtins.frame"
# Of these a note says that only their structure is counted.
OF_CTYPES = ("builtins.StgDict", "_ctypes.Py", "_ctypes.UnionType", "ctypes._endian._swapped")
ARGUMENTS = "builtins.tuple"


def check_command(truth: Dict[str, Any], folder: Path) -> str:
    """The gdb command that compares object by object."""
    path = folder / "told.json"
    path.write_text(json.dumps(truth))
    return "python TRUTH = %r; exec(open(%r).read())" % (str(path), str(CHECK))


def assert_tracked(truth: Dict[str, List[int]], document: Dict[str, Any], interpreter: Interpreter) -> None:
    """Count and bytes of every type that the collector tracks, as gc.get_objects() and sys.getsizeof() tell."""
    got = {row["type"]: [row["count"], row["bytes"]] for row in document["types"]}
    if got[ARGUMENTS][0] == truth[ARGUMENTS][0] + 1 and interpreter.minor <= (3, 7):
        del got[ARGUMENTS], truth[ARGUMENTS]
    differing = {name: (truth.get(name), got.get(name)) for name in {*truth, *got}
                 if truth.get(name) != got.get(name) and name != FRAME and not name.startswith(OF_CTYPES)}
    assert not differing, "%d types differ: (told, answered) %s" % (len(differing), list(differing.items())[:9])
    assert abs(truth.get(FRAME, [0])[0] - got.get(FRAME, [0])[0]) <= 2


def assert_objects(answer: Dict[str, Any]) -> None:
    """Each object that the program can reach is where it said, of that type and that size; none comes twice."""
    assert answer.pop("compared") > 8000
    answer.pop("blocks")
    answer["missing"] = [row for row in answer["missing"] if row[1] != FRAME]
    # The dict of interned strings may have to grow for the child's own (3.14).
    answer["sizes"] = [row for row in answer["sizes"]
                       if not (row[1] == "builtins.dict" and row[2] > 100_000 and row[2] > row[3] * 1.9)]
    assert not any(answer.values()), json.dumps(answer)


def assert_census(census: Dict[str, Any], limited: Dict[str, Any], text: str, truth: Dict[str, Any],
                  interpreter: Interpreter) -> None:
    """The census has at least what the program told, its parts agree, and the text says the same."""
    got = {row["type"]: row for row in census["types"]}
    told: Dict[str, int] = {}
    for row in truth["objects"]:
        told[row[1]] = told.get(row[1], 0) + 1
    assert all(got[name]["count"] >= count for name, count in told.items() if name != FRAME)
    # What looks like one most easily: nothing but a count and a type. Up to 3.9 functools has one in a C variable.
    assert got["builtins.object"]["count"] == told["builtins.object"] + (interpreter.minor <= (3, 9))
    assert census["objects"] == sum(row["count"] for row in census["types"])
    assert census["bytes"] == sum(row["bytes"] for row in census["types"])
    assert [row["bytes"] for row in census["types"]] == sorted((row["bytes"] for row in census["types"]), reverse=True)
    assert census["partial"] is False
    counts = sorted((row["count"] for row in census["types"]), reverse=True)
    assert [row["count"] for row in limited["types"]] == counts[:3]
    assert limited["objects"] == census["objects"]
    lines = text.splitlines()
    assert lines[0].split() == ["Count", "Bytes", "Type"] and len(lines) >= 9
    assert "{:,} objects, {:,} bytes".format(census["objects"], census["bytes"]) in text
    assert compare.control_characters(text) is None


@contextlib.contextmanager
def subject_of(launch: Launch, mode: str, *arguments: str) -> Iterator[Subject]:
    """heap.py, in a process of its own."""
    subject = Subject(launch, mode, "heap.py", *arguments)
    try:
        yield subject
    finally:
        subject.close()


def launched(interpreter: Interpreter, mode: str, request: pytest.FixtureRequest, **variables: str) -> Launch:
    """How to start the interpreter."""
    if mode == "stripped":
        launch = stripped.stripped(interpreter, request.getfixturevalue("stripped_folder"))
    else:
        launch = stripped.as_installed(interpreter)
    return launch._replace(variables={**launch.variables, **variables})


@pytest.mark.parametrize("mode, where", WAYS, ids=IDS)
def test_census(interpreter: Interpreter, mode: str, where: str, request: pytest.FixtureRequest,
                tmp_path: Path) -> None:
    """Every object by address; counts and bytes by type; blocks as the interpreter counts them."""
    reason = processes.no_kernel_core() if where == "kernel core" else None
    if reason:
        pytest.skip(reason)
    argument = {"gcore": "frozen", "kernel core": "library"}.get(where, "")
    with subject_of(launched(interpreter, mode, request), mode, argument) as subject:
        truth = subject.place(where).truth
        census, limited, tracked, text, check = run = subject.run(where, [
            "py-leaks -json", "py-leaks -json -sort count -limit 3", "py-leaks -tracked -json", "py-leaks -limit 5",
            check_command(truth, tmp_path)]).answers
        assert "".join(answer.stderr for answer in run) == ""
    assert_objects(check.document())
    assert_tracked(truth["tracked"], tracked.document(), interpreter)
    assert_census(census.document(), limited.document(), text.stdout, truth, interpreter)
    blocks = truth["blocks"] - census.document()["blocks"]
    uncounted = OTHER_BLOCKS if interpreter.minor < (3, 15) else RAW_BLOCKS
    assert -uncounted <= blocks <= 0 if interpreter.free_threaded else 0 <= blocks < LARGE_BLOCKS[argument]


@pytest.mark.parametrize("allocator", ["malloc", "debug", "malloc_debug", "mimalloc"])
def test_allocators(interpreter: Interpreter, allocator: str, request: pytest.FixtureRequest,
                    tmp_path: Path) -> None:
    """The same with the other allocators that PYTHONMALLOC names."""
    if allocator == "mimalloc" and interpreter.minor < (3, 13):
        pytest.skip("mimalloc came with 3.13")
    if interpreter.free_threaded and "malloc" in allocator and allocator != "mimalloc":
        pytest.skip("a free-threaded build allocates with mimalloc only")
    with subject_of(launched(interpreter, "hidden", request, PYTHONMALLOC=allocator), "hidden") as subject:
        truth = subject.place("live").truth
        tracked, check = subject.run("live", ["py-leaks -tracked -json", check_command(truth, tmp_path)]).answers
        assert tracked.stderr == check.stderr == ""
    assert_objects(check.document())
    assert_tracked(truth["tracked"], tracked.document(), interpreter)
    assert ("pages of mimalloc" in tracked.document()["counted_from"]) == (
        allocator == "mimalloc" or interpreter.free_threaded)
    assert ("debug hooks" in tracked.document()["counted_from"]) == ("debug" in allocator)
