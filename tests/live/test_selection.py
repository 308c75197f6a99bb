"""Selected Python frames and gdb's go together; names in conditions of breakpoints; where source lies."""

import os
import re
from pathlib import Path
from typing import Iterator, List

import pytest

from tests.support import gdb, processes
from tests.support.interpreters import Interpreter
from tests.support.stripped import Launch

FUNCTIONS = ["innermost", "middle", "caller", "outer", "<module>"]
# What gdb says instead of the address of a string that has none, and instead of calling malloc() for one.
NO_ADDRESS = "Attempt to take address of value not located in memory."
NO_CALL = "Cannot call functions in the program: may-call-functions is off."
FRAME = re.compile(r"#(\d+) File \"(.*)\", line \d+, in (\S+)\n")


@pytest.fixture
def program(launch: Launch) -> Iterator[processes.Program]:
    """The process, at its place: blocked in opening the FIFO."""
    with processes.running_python(launch, "calls.py") as running:
        tid = running.pid
        # openat, or open.
        processes.wait_for(lambda: processes.system_call(running.pid, tid)[0] in ("257", "2"), "open() of the FIFO")
        yield running


def shown(answer: gdb.Answer) -> List[str]:
    """The numbers and functions of the frames that a command has printed."""
    assert answer.stderr == ""
    return ["#%s %s" % (number, function) for number, _file, function in FRAME.findall(answer.stdout)]


# The native frames that evaluate Python, by their names, and the selected one's place among them.
LOOPS = ("python frames = [gdb.newest_frame()]; "
         "[frames.append(frames[-1].older()) for _ in range(400) if frames[-1] is not None]; "
         "loops = [frame for frame in frames if frame is not None and "
         "(frame.name() or '').startswith('_PyEval_EvalFrameDefault')]; "
         "print(loops.index(gdb.selected_frame()) if gdb.selected_frame() in loops else None, len(loops))")


@pytest.mark.parametrize("mode", ["symbols"], scope="session")
def test_selection(program: processes.Program, interpreter: Interpreter, launch: Launch) -> None:
    """Up and down, and what gdb has selected; no command of gdb's own is needed for it, and all are minded."""
    run = gdb.run([
        "py-frame-plus", "py-up-plus", LOOPS, "py-locals-plus", "py-up-plus 2", LOOPS, "py-locals-plus",
        "py-up-plus 100", "py-up-plus", "py-down-plus 2", "py-down-plus 100", "py-down-plus", "py-frame-plus 3",
        "py-frame-plus", "py-frame-plus 5", "py-frame-plus x", "frame 0", "py-frame-plus",
        # What the evaluation loop of `middle` has called.
        LOOPS, "python loops[1].newer().select()", "py-frame-plus", "py-up-plus", "py-print-plus own",
        # Kept through a look at all threads.
        "thread apply all -q py-bt-plus -limit 1", "thread apply all -q py-locals-plus -json", "py-frame-plus",
        "thread 2", "py-frame-plus", "thread 1", "py-frame-plus",
        # Outside of all Python frames.
        "python frames = [frame for frame in frames if frame is not None]; frames[-1].select()", "py-frame-plus",
        "py-frame-plus 4", "py-frame-plus"], pid=program.pid)
    answers = iter(run.answers)

    def following(count: int) -> List[gdb.Answer]:
        return [next(answers) for _ in range(count)]

    own_run = interpreter.minor < (3, 11)
    frame, up, loop, locals_, up2, loop2, locals2 = following(7)
    assert [shown(each) for each in (frame, up, up2)] == [["#0 innermost"], ["#1 middle"], ["#3 outer"]]
    assert loop.stdout.split()[0] == "1" and loop2.stdout.split()[0] == ("3" if own_run else "2")
    assert 'own = "middle\'s"\n' in locals_.stdout and 'own = "outer\'s"\n' in locals2.stdout
    end, no_older, down2, start, no_newer, by_number, now, no_such, no_number = following(9)
    assert [shown(each) for each in (end, down2, start, by_number, now)] == [
        ["#4 <module>"], ["#2 caller"], ["#0 innermost"], ["#3 outer"], ["#3 outer"]]
    assert no_older.stderr == "py-up-plus: no older Python frame: #4 is the outermost one\n"
    assert no_newer.stderr == "py-down-plus: no newer Python frame: #0 is the innermost one\n"
    assert no_such.stderr == "py-frame-plus: no Python frame #5: the outermost one is #4\n"
    assert no_number.stderr.startswith("py-frame-plus: 'x' is no number of frames.")
    _frame0, followed, _loops, _select, at_loop, up, own = following(7)
    assert [shown(each) for each in (followed, at_loop, up)] == [["#0 innermost"], ["#1 middle"], ["#2 caller"]]
    assert own.stdout == "local 'own' = \"caller's\"\n"
    _all, _all_locals, kept, _thread2, other, _thread1, back = following(7)
    assert shown(kept) == ["#2 caller"] and shown(other)[0].startswith("#0 ") and shown(back) == ["#0 innermost"]
    _outermost, outside, chosen, again = following(4)
    assert outside.stderr.startswith("no Python frame is known to be at or outside of the selected frame")
    assert shown(chosen) == shown(again) == ["#4 <module>"]


@pytest.mark.parametrize("mode", ["symbols", "hidden"], scope="session")
def test_conditions_of_breakpoints(program: processes.Program, mode: str) -> None:
    """A breakpoint at a C function stops for the Python caller that was meant, and no other.

    Nothing is called in the process for it, which gdb would do for strings of which the address is needed.
    """
    source = processes.PROGRAMS / "calls.py"
    line = next(number for number, text in enumerate(source.read_text(encoding="utf-8").split("\n"), 1)
                if "/nonexistent/wanted" in text)
    printed = {
        "$_pyline()": str(line), "$_pyfile()": '"%s"' % source, "$_pyfunction()": '"wanted"',
        '$_pyvalue("name")': "\"'näme'\"", '$_pyvalue("flag")': "1", '$_pyvalue("large")': '"%d"' % 2 ** 70,
        '$_pyvalue("missing")': '""', '$_pyvalue("missing", -1)': "-1", '$_pyvalue("missing", 1.5)': "1.5",
        '$_pyvalue("number")': "-5", '$_pyvalue("os.sep")': "\"'/'\"", '$_pyvalue("number +")': '""',
        # gdb tells when a condition compares a string with a number, other than one that is missing.
        '$_pyvalue("missing") != 5': "1", '$_pyvalue("missing") == 5': "0", '$_pyvalue("missing") == 0': "0",
        '$_streq($_pyvalue("missing"), "")': "1", '$_pyvalue("nothing") == 5': NO_ADDRESS,
        '"" == $_pyvalue("missing")': NO_CALL, '$_pyfunction() == "wanted"': NO_ADDRESS,
        # And is not asked to where a number is named.
        '$_pyvalue("nothing", -1)': "-1", '$_pyvalue("name", -1) == 0': "0", '$_pyvalue("nothing", "no")': '"None"',
        '$_pyvalue("large", 0) > 1e21': "1", '$_pyvalue("large", 0) < 1.2e21': "1", '$_pyvalue("huge", 0) > 1e308': "1",
        '$_pyvalue("share") == -0.1': "1"}
    run = gdb.run([
        "set may-call-functions off", "py-up-plus 3",
        "break mkdir if $_regex($_pyfile(), \".*calls.py\") && $_streq($_pyfunction(), \"wanted\") "
        "&& $_pyvalue(\"number\") == -5 && $_pyvalue(\"no such name\") != 5",
        "shell (true > %s) &" % (program.folder / "release"), "continue", "py-frame-plus",
        *("print " + expression for expression in printed), "info breakpoints"], mode=mode, pid=program.pid)
    by_command = {answer.command: answer for answer in run.answers}
    assert "mkdir" in by_command["continue"].stdout
    # The process has run: nothing is selected any more.
    assert shown(by_command["py-frame-plus"]) == ["#0 wanted"]
    answers = {expression: by_command["print " + expression] for expression in printed}
    assert {expression: answer.stdout.partition(" = ")[2].rstrip("\n") or answer.stderr.rstrip("\n")
            for expression, answer in answers.items()} == printed
    assert "already hit 1 time" in by_command["info breakpoints"].stdout
    assert "Error" not in "".join(answer.stderr for answer in run.answers)


@pytest.mark.parametrize("mode", ["hidden"], scope="session")
def test_functions_without_a_process(mode: str) -> None:
    """They have an answer nevertheless: an error in a condition would stop at every hit."""
    run = gdb.run(["print $_pyline()", "output $_pyfile()", "output $_pyvalue(\"x\", 7)", "py-locals-plus",
                   "py-print-plus x", "py-list-plus", "py-up-plus"])
    line, file, value, *commands = run.answers
    assert (line.stdout, file.stdout, value.stdout) == ("$1 = 0\n", '""', "7")
    for answer in commands:
        assert answer.stdout == ""
        assert answer.stderr.startswith("%s: no process and no core." % answer.command.split()[0])


@pytest.mark.parametrize("mode", ["hidden"], scope="session")
def test_source(program: processes.Program, tmp_path: Path) -> None:
    """Listed around the current line and by range, from below a sysroot and by gdb's own rules, or with a reason."""
    path = str(processes.PROGRAMS / "calls.py")
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    below = tmp_path / "root" / path.lstrip("/")
    below.parent.mkdir(parents=True)
    below.write_bytes("# coding: latin-1\n# sysroot \xe9".encode("latin-1") + b"\n#\x1b" * 60)
    moved = tmp_path / "moved" / "calls.py"
    moved.parent.mkdir()
    moved.write_bytes(b"\xef\xbb\xbf# moved\r\n# second\x0c\n")
    run = gdb.run([
        "py-list-plus", "py-list-plus 1,3", "py-list-plus 5", "py-list-plus ,4", "py-list-plus 10000",
        "py-list-plus 5,2", "py-list-plus five", "py-list-plus -json",
        "set sysroot %s" % (tmp_path / "root"), "py-list-plus 1,2", "py-list-plus 3,3", "set sysroot target:",
        "set substitute-path %s %s" % (os.path.dirname(path), moved.parent), "py-list-plus 1,2",
        "unset substitute-path", "set substitute-path / /nowhere/", "directory %s" % moved.parent, "py-list-plus 2,2",
    ], mode="hidden", pid=program.pid)
    answers = [answer for answer in run.answers if answer.command.startswith("py-list")]
    around, first, start, end, beyond, backwards, word, document, sysroot, escaped, substituted, named = answers
    current = next(number for number, text in enumerate(lines, 1) if 'open("release")' in text)
    assert around.stdout.split("\n")[:-1] == [
        ("%s%2d  %s" % (">" if number == current else " ", number, lines[number - 1])).rstrip()
        for number in range(current - 5, current + 5)]
    assert first.stdout == "".join((" %d  %s" % (number, lines[number - 1])).rstrip() + "\n" for number in (1, 2, 3))
    assert [line.split()[0] for line in start.stdout.splitlines()] == [str(number) for number in range(5, 15)]
    assert [line.split()[0] for line in end.stdout.splitlines()] == ["1", "2", "3", "4"]
    assert "calls.py has no line 10000" in beyond.stderr
    assert "ends before it begins" in backwards.stderr and "is no range of lines" in word.stderr
    found = document.document()
    assert [line["number"] for line in found["lines"] if line["current"]] == [current]
    assert found["lines"][5]["text"] == lines[current - 1] and found["problem"] is None
    assert sysroot.stdout == " 1  # coding: latin-1\n 2  # sysroot \xe9\n" and escaped.stdout == " 3  #\\x1b\n"
    assert substituted.stdout == " 1  # moved\n 2  # second\\x0c\n"
    assert named.stdout == " 2  # second\\x0c\n"
