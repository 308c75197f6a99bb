"""With numpy in gdb's Python py-leaks is quicker, and says the same."""

import json
from pathlib import Path
from typing import List

import pytest

from tests.live.test_leaks import assert_objects, check_command
from tests.support import gdb, packages, stripped
from tests.support.interpreters import Interpreter
from tests.support.subject import Subject

CHECK = gdb.REPOSITORY / "tests" / "support" / "reference_check.py"

# By itself it is only loaded for more memory than a test has.
USE = "python import sys; sys.path.append(%r); from gdbext.cpython import heap_walk; heap_walk.LARGE = 0"


def numpy_folder() -> Path:
    """Where numpy is for gdb's own Python; skips the test where it can't be had."""
    major, minor = gdb.find().python.split(".")[:2]
    try:
        return packages.wheel_for((int(major), int(minor)), "", "numpy")
    except packages.NotAvailable as error:
        pytest.skip("no numpy for gdb's Python: %s" % error)


def test_loading() -> None:
    """It starts no threads, as it would for linear algebra, one for each processor; and the environment stays."""
    tell = "python print(len(os.listdir('/proc/self/task')), dict(os.environ) == before)"
    answers = gdb.run([
        "python import os, sys; before = dict(os.environ); sys.path.append(%r)" % str(numpy_folder()), tell,
        "python from gdbext.cpython import heap_arrays; print(heap_arrays.numpy().__name__)", tell]).answers
    assert "".join(answer.stderr for answer in answers) == ""
    assert answers[2].stdout == "numpy\n" and answers[3].stdout == answers[1].stdout
    assert answers[1].stdout.endswith(" True\n")


def test_numpy(interpreter: Interpreter, tmp_path: Path) -> None:
    """Every object as the program told, and each command answers as it does without numpy."""
    folder = numpy_folder()
    subject = Subject(stripped.as_installed(interpreter), "hidden", "heap.py")
    asked: List[str] = ["py-leaks -json", "py-leaks -json -tracked", "py-leaks instances -json -limit 500 str",
                        "py-leaks biggest -json -limit 50", "py-leaks retained -json -limit 50"]
    try:
        truth = subject.place("live").truth
        answers = subject.run("live", [
            *asked, USE % str(folder), *asked, check_command(truth, tmp_path),
            "python print(type(heap_walk.HeapWalk(model.current().pythons[0].runtime, model.current().memory"
            ".writable()).prepare()).__name__)", "python exec(open(%r).read())" % str(CHECK)]).answers
    finally:
        subject.close()
    without, with_it = answers[:len(asked)], answers[1 + len(asked):1 + 2 * len(asked)]
    assert "".join(answer.stderr for answer in answers) == ""
    for command, one, other in zip(asked, without, with_it):
        assert json.loads(one.stdout) == json.loads(other.stdout), command
    assert_objects(answers[-3].document())
    assert answers[-2].stdout.strip() == "ArrayObjects"
    references = answers[-1].document()
    assert references["objects"] > 10_000 and references["references"] > 20_000 and references["answers"] == 12
    assert references["differing"] == references["paths"] == []
