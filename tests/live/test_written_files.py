"""What commands write: beside the file that is asked for, for its owner only, never over another one unasked."""

import os
import subprocess
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from tests.support import compare, every_command, gdb, processes, stripped, usage
from tests.support.interpreters import Found

# Bytes of the full disk: too few for a list of all objects, enough to begin one.
SMALL = 64 << 10


@pytest.fixture(scope="module")
def program(found: Found) -> Iterator[processes.Program]:
    """A process with a heap."""
    heaps = [each for each in found.interpreters if not each.free_threaded]
    if not heaps:
        pytest.skip("no CPython whose heap is read was found")
    with processes.running_python(stripped.as_installed(heaps[-1]), "small.py") as running:
        yield running


def lines(program: processes.Program, path: Path) -> List[Tuple[str, str]]:
    """Every form of every command that writes a FILE, and the same with -force where it has that."""
    found = []
    commands, _functions = every_command.usages()
    for each in commands.values():
        forms = [form for form in usage.forms(each) if "FILE" in form and "-json" not in form]
        for form in forms:
            forced = {frozenset(other): other for other in forms if "-force" in other}.get(
                frozenset((*form, "-force")))
            if "-force" not in form:
                assert forced, "%s writes files, and has no -force" % form[0]
                words = {**every_command.words(program.truth, path.parent), "FILE": str(path)}
                found.append((usage.typed(form, words), usage.typed(forced, words)))
    assert len(found) >= 5
    return found


def test_no_file_is_written_over_unasked(program: processes.Program, tmp_path: Path) -> None:
    """With -force it is, and is the owner's alone then, as is a new one."""
    there = tmp_path / "there.jsonl"
    prepare = "shell printf mine >%s; chmod 644 %s" % (there, there)
    look = "shell stat -c %%a %s; ls %s; head -c 4 %s; rm %s" % (there, tmp_path, there, there)
    asked = ["python import os; os.umask(0)"]
    for line, forced in lines(program, there):
        asked += [prepare, line, forced, look]
    asked += [line, look]
    first, *answers = gdb.run(asked, mode="hidden", pid=program.pid).answers
    assert first.stderr == ""
    *answers, made, seen = answers
    assert made.stderr == "" and seen.stdout.startswith("600\nthere.jsonl\n")
    for refused, replaced, seen in zip(answers[1::4], answers[2::4], answers[3::4]):
        assert refused.stdout == "" and "is there already" in compare.one_line(refused.stderr), refused
        assert replaced.stdout and replaced.stderr == ""
        assert seen.stdout.startswith("600\nthere.jsonl\n") and not seen.stdout.endswith("mine"), seen


def test_folders_that_are_missing_or_closed(program: processes.Program, tmp_path: Path) -> None:
    """One line, and nothing is left behind."""
    places = [tmp_path / "no" / "folder" / "x.jsonl", Path("/proc/x.jsonl"), tmp_path / ("x" * 300)]
    asked = [each for path in places for line in lines(program, path) for each in line]
    for answer in gdb.run(asked, mode="hidden", pid=program.pid).answers:
        message = compare.one_line(answer.stderr)
        assert answer.stdout == "" and ("can't write" in message or "ends in no format's name" in message), answer
    assert os.listdir(tmp_path) == []


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with little room."""
    folder = tmp_path / "full"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % SMALL, "none", str(folder)],
                          capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip("no small file system can be mounted here: %s" % made.stderr.strip())
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(program: processes.Program, full_disk: Path) -> None:
    """One line, no part of a file is left, and what was there before is there still."""
    there = full_disk / "there.jsonl"
    there.write_text("mine")
    asked = []
    for line, forced in lines(program, full_disk / "new.jsonl"):
        asked += [line, forced.replace("new.jsonl", "there.jsonl")]
    for answer in gdb.run(asked, mode="hidden", pid=program.pid).answers:
        message = compare.one_line(answer.stderr)
        assert answer.stdout == "" and message.endswith("No space left on device"), answer
    assert os.listdir(full_disk) == ["there.jsonl"] and there.read_text() == "mine"
