"""What can't be read of an exception costs that, and nothing else: programs/broken_exceptions.py has the cases."""

import re
import shutil
from pathlib import Path
from typing import Dict, Tuple

import pytest

from tests.support import compare, gdb, processes, stripped
from tests.support.interpreters import Interpreter

# From this version on a core says by itself where the runtime is, and what it looks like.
WITHOUT_BINARIES = (3, 13)

# What is said of each case, besides the last line of the text.
SAID: Dict[str, Tuple[str, str]] = {
    "args not set": ("in fail", "ValueError: <args not set>"),
    "args not mapped": ("in fail", "ValueError: <unreadable: "),
    "args no tuple": ("in fail", "ValueError: <unreadable: 'list' object instead of tuple at "),
    "traceback not mapped": ("<unreadable at 0x1000: ", "ValueError: it was whole"),
    "traceback a text": ("'str' object instead of traceback at ", "ValueError: it was whole"),
    "cause no exception": ("'str' object instead of exception at ", "ValueError: it was whole"),
    "context not mapped": ("<unreadable exception at 0x1000: ", "ValueError: it was whole"),
    "frame freed": ("<unreadable at ", "ValueError: it was whole"),
    "frame another object": ("'list' object instead of frame at ", "ValueError: it was whole"),
    "traceback leads to itself": ("traceback without an end at ", "ValueError: it was whole"),
    "traceback breaks off": ("<unreadable at 0x1000: ", "ValueError: it was whole"),
    "good": ("in fail", "ValueError: it was whole"),
}
NO_EXCEPTION = ("no exception", "a type", "not mapped")


def test_broken(interpreter: Interpreter) -> None:
    """One line of error where there is no exception; else what can be read, and what not."""
    with processes.running_python(stripped.as_installed(interpreter), "broken_exceptions.py") as program:
        cases = program.truth["cases"]
        assert set(cases) == {*SAID, *NO_EXCEPTION}
        commands = [command % address for address in cases.values() for command in ("py-exc %#x", "py-exc -json %#x")]
        run = gdb.run([*commands, "py-exc -find", "py-exc -find -json ValueError", "py-exc nothing"], mode="hidden",
                      pid=program.pid)
    *answers, found, found_json, typed = run.answers
    for index, name in enumerate(cases):
        text, document = answers[2 * index:2 * index + 2]
        if name in NO_EXCEPTION:
            assert "there is no exception object at" in compare.one_line(text.stderr)
            assert text.stdout == document.stdout == ""
            continue
        assert text.stderr == document.stderr == "", name
        part, last = SAID[name]
        assert part in text.stdout, name
        assert any(line.startswith(last) for line in text.stdout.splitlines()), name
        assert document.document()["exception"]["address"] == "%#x" % cases[name]
    # None of it ends the walk through the heap.
    assert found.stderr == ""
    addresses = [each["address"] for each in found_json.document()["found"]]
    assert {"%#x" % cases[name] for name in SAID} <= set(addresses)
    assert "exceptions with a traceback in the heap" in found.stdout
    assert "is no address" in compare.one_line(typed.stderr)


def test_core_without_binaries(interpreter: Interpreter, tmp_path: Path) -> None:
    """The names of built-in types are constants of a file that is gone; only suggestions need more of it."""
    if interpreter.minor < WITHOUT_BINARIES:
        pytest.skip("a core of this version can't be read without its files")
    launch = stripped.stripped(interpreter, tmp_path / "machine")
    with processes.running_python(launch, "exceptions.py") as program:
        core = gdb.gcore(program.pid, tmp_path / "core")
        told = program.truth["exceptions"]
        shutil.rmtree(tmp_path / "machine")
        run = gdb.run(["py-exc %#x" % each["address"] for each in told.values()], core=core, mode="stripped")
    core.unlink()

    def plain(text: str) -> str:
        text = re.sub(r"(?m)^Python may .*\n\Z|\. Did you mean.*$", "", text)
        return re.sub("0x[0-9a-f]+", "0x...", text)

    compare.assert_same({name: plain(each["text"]).split("\n") for name, each in told.items()},
                        {name: plain(answer.stdout).split("\n") for name, answer in zip(told, run.answers)},
                        "exceptions")
