"""`source gdbext/init.py`: from anywhere, in any order, without a trace but the commands."""

import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import every_command, gdb, processes, stripped
from tests.support.interpreters import Found, Interpreter

# These cost over 10 ms each: they are imported when a command needs them.
EXPENSIVE = ("argparse", "dataclasses", "elftools", "inspect", "pathlib", "typing_extensions")

OLDEST_GDB_PYTHON = (3, 9)
FIRST_WITH_CONFIG_FOLDER = 11


def assert_loaded(run: gdb.Run) -> None:
    """The last two commands were `help py-threads` and `py-threads`; loading has printed nothing."""
    assert run.preamble.stderr == ""
    assert run.preamble.stdout == ""
    *before, help_text, answer = run.answers
    for each in before:
        assert each.stdout == each.stderr == "", each
    assert help_text.stderr == "" and "Usage: py-threads" in help_text.stdout
    # The package works, not only its registration: it knows that there is no process.
    assert answer.stdout == ""
    assert answer.stderr.startswith("py-threads: no process and no core.")
    assert answer.stderr.count("\n") == 1


ASK = ["help py-threads", "py-threads"]


def test_absolute_path() -> None:
    """The plain case."""
    assert_loaded(gdb.run(["source %s" % gdb.INIT, *ASK], load=False))


def test_relative_path() -> None:
    """gdb gives the script its path as typed."""
    assert_loaded(gdb.run(["cd %s" % gdb.REPOSITORY, "source gdbext/init.py", *ASK], load=False))


@pytest.mark.parametrize("what", ["file", "package", "repository"])
def test_symbolic_link(tmp_path: Path, what: str) -> None:
    """A link may lead to the file or to a folder above it."""
    target = {"file": gdb.INIT, "package": gdb.INIT.parent, "repository": gdb.REPOSITORY}[what]
    link = tmp_path / "link"
    link.symlink_to(target)
    path = link / gdb.INIT.relative_to(target) if what != "file" else link.rename(tmp_path / "link.py")
    assert_loaded(gdb.run(["source %s" % path, *ASK], load=False))


def test_from_a_script(tmp_path: Path) -> None:
    """A Python script of the user's that sources it."""
    script = tmp_path / "mine.py"
    script.write_text("import gdb\ngdb.execute('source %s')\n" % gdb.INIT)
    assert_loaded(gdb.run(["source %s" % script, *ASK], load=False))


def test_where_modules_are_found_stays() -> None:
    """What lies beside the package, as all of a virtual environment does, does not come before gdb's own modules."""
    show = "python import sys; print(sys.path)"
    before, _loading, after = gdb.run([show, "source %s" % gdb.INIT, show], load=False).answers
    assert before.stdout == after.stdout != ""


def test_twice() -> None:
    """Sourcing again changes nothing."""
    source = "source %s" % gdb.INIT
    assert_loaded(gdb.run([source, source, *ASK], load=False))


def test_another_copy(tmp_path: Path) -> None:
    """Of two copies the one sourced last answers."""
    shutil.copytree(gdb.INIT.parent, tmp_path / "gdbext", ignore=shutil.ignore_patterns("__pycache__"))
    run = gdb.run(["source %s" % (tmp_path / "gdbext" / "init.py"), *ASK])
    assert_loaded(run)
    run = gdb.run(["source %s" % (tmp_path / "gdbext" / "init.py"),
                   "python import gdbext; print(gdbext.__file__)"])
    assert run.answers[1].stdout.strip() == str(tmp_path / "gdbext" / "__init__.py")


def test_execute_option() -> None:
    """gdb -x init.py"""
    assert_loaded(gdb.run(ASK, load=False, before=["-x", str(gdb.INIT)]))


@pytest.mark.parametrize("name", [".gdbinit", ".config/gdb/gdbinit"])
def test_init_file(tmp_path: Path, name: str) -> None:
    """From the user's init file. Our runner gives -nx, so this one starts gdb itself."""
    if name.startswith(".config") and int(gdb.find().version.partition(".")[0]) < FIRST_WITH_CONFIG_FOLDER:
        pytest.skip("gdb %s reads no .config/gdb/gdbinit" % gdb.find().version)
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("source %s\n" % gdb.INIT)
    ended = subprocess.run(
        [gdb.find().path, "-batch", "-ex", "help py-threads"], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=processes.TIMEOUT, env=gdb.environment(str(tmp_path)), cwd=tmp_path, check=False)
    assert ended.stderr == ""
    assert "Usage: py-threads" in ended.stdout and ended.stdout.startswith("List the threads")


def libpython_commands(interpreter: Interpreter) -> Path:
    """CPython's own gdb commands for this interpreter: python3.N-gdb.py beside it, or where Debian has it."""
    beside = interpreter.path.with_name(interpreter.path.name + "-gdb.py")
    packaged = Path("/usr/share/gdb/auto-load%s" % beside)
    if not beside.exists() and not packaged.exists():
        pytest.skip("%s comes without its gdb commands (%s)" % (interpreter.id, beside.name))
    return beside if beside.exists() else packaged


LIBPYTHON_COMMANDS = ("py-bt", "py-bt-full", "py-up", "py-down", "py-list", "py-print", "py-locals")


def test_beside_libpython(interpreter: Interpreter) -> None:
    """libpython.py's commands and pretty printers stay its own, ours stay ours, in either order."""
    theirs = "source %s" % libpython_commands(interpreter)
    ours = "source %s" % gdb.INIT
    # Its module answers as it does without us, also where what it answers is that it can't.
    look = ["help %s" % name for name in LIBPYTHON_COMMANDS] + [
        "py-bt", "py-locals", "print (PyObject *) &_Py_NoneStruct",
        "python print(len(gdb.pretty_printers), [len(each.pretty_printers) for each in gdb.objfiles()])"]
    ours_only = ["help %s-plus" % name for name in LIBPYTHON_COMMANDS if name != "py-bt-full"]
    with processes.running_python(stripped.as_installed(interpreter), "small.py") as program:
        alone, before, after = (
            gdb.run([*loaded, *look, *(ours_only if ours in loaded else []), "py-threads -json"], pid=program.pid,
                    load=False, before=["-iex", "set auto-load python-scripts off"])
            for loaded in ([theirs], [theirs, ours], [ours, theirs]))
    wanted = [(answer.stdout, answer.stderr) for answer in alone.answers[1:1 + len(look)]]
    assert all(stdout and "-plus" not in stdout for stdout, _stderr in wanted[:len(LIBPYTHON_COMMANDS)])
    for run in (before, after):
        assert [answer.stdout + answer.stderr for answer in run.answers[:2]] == ["", ""]
        got = run.answers[2:2 + len(look)]
        assert [(answer.stdout, answer.stderr) for answer in got] == wanted
        for command, answer in zip(ours_only, run.answers[2 + len(look):-1]):
            assert "Usage: %s" % command.split()[1] in answer.stdout
        assert run.answers[-1].document()["target"]["pid"] == program.pid


def test_prefix_without_libpython() -> None:
    """Where libpython.py is not loaded, the names of its commands run ours."""
    names = [name for name in LIBPYTHON_COMMANDS if name != "py-bt-full"]
    for name, answer in zip(names, gdb.run(["help %s" % name for name in names]).answers):
        assert "Usage: %s-plus" % name in answer.stdout


def test_no_setting_changes(interpreter: Interpreter) -> None:
    """Loading and answering leave every setting of gdb as it was."""
    with processes.running_python(stripped.as_installed(interpreter), "truth.py", ".") as program:
        run = gdb.run(["show", "source %s" % gdb.INIT, "show", "py-threads", "py-bt-plus -json",
                       "thread apply all -q py-bt-plus -limit 1", "show"],
                      mode="hidden", pid=program.pid, load=False)
    # The newest convenience function comes first, behind the name of the command that shows them all.
    shown = [[line[len("convenience:  "):] if line.startswith("convenience:  ") else line
              for line in answer.stdout.splitlines()] for answer in run.answers if answer.command == "show"]
    before, loaded, answered = shown
    assert len(before) > 100
    # Only settings and convenience functions of our own may be new: each is shown behind its name.
    assert [line for line in loaded if not line.startswith(("gdbext ", "$_py"))] == before
    assert answered == loaded


def test_selection_stays(interpreter: Interpreter) -> None:
    """Selected thread, frame and language are as before, whatever was asked."""
    # gdb 10 has no gdb.Frame.level().
    look = ["python print(gdb.selected_thread().num, gdb.execute('frame', to_string=True).split()[0])",
            "show language"]
    with processes.running_python(stripped.as_installed(interpreter), "truth.py", ".") as program:
        run = gdb.run(["thread 3", "frame 1", "set language pascal", *look, "source %s" % gdb.INIT,
                       "py-bt-plus", "py-threads", "thread apply all -q py-bt-plus -json -limit 1", *look],
                      mode="hidden", pid=program.pid, load=False)
    before, after = run.answers[3:5], run.answers[-2:]
    assert before[0].stdout.split() == ["3", "#1"] and "pascal" in before[1].stdout
    assert [answer.stdout for answer in after] == [answer.stdout for answer in before]


def test_imports_are_late() -> None:
    """Loading imports nothing that is expensive, and none of the model."""
    question = ("python import sys; before = set(sys.modules)", "source %s" % gdb.INIT,
                "python print(*sorted(set(sys.modules) - before))")
    new = gdb.run(question, load=False).answers[-1].stdout.split()
    assert "gdbext.commands.bt" in new
    assert [name for name in new if name.partition(".")[0] in EXPENSIVE] == []
    late = ("gdbext.analysis", "gdbext.cpython.values", "gdbext.commands.model")
    assert [name for name in new if name.startswith(late)] == []


def run_init(python: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run init.py as gdb does, under another Python that has an empty module named gdb."""
    (folder / "gdb.py").write_text("")
    code = ("import sys; sys.path.insert(0, %r); path = %r; "
            "exec(compile(open(path).read(), path, 'exec'), {'__file__': path, '__name__': '__main__'})"
            % (str(folder), str(gdb.INIT)))
    return subprocess.run([str(python), "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=processes.TIMEOUT, env=gdb.environment(str(folder)), check=False)


def assert_too_old(ended: "subprocess.CompletedProcess[str]") -> None:
    """One line says which Python is needed, and nothing is raised."""
    assert ended.returncode == 0
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1 and "needs 3.9 or newer" in ended.stderr


def test_old_python3(found: Found, tmp_path: Path) -> None:
    """A gdb may be built with a Python that is too old."""
    old = [interpreter for interpreter in found.interpreters if interpreter.minor < OLDEST_GDB_PYTHON]
    if not old:
        pytest.skip("there is no Python older than 3.9 to try")
    for interpreter in old:
        assert_too_old(run_init(interpreter.path, tmp_path))


def test_python2(tmp_path: Path) -> None:
    """The oldest gdbs have Python 2."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(root.glob("versions/2.7*/bin/python2.7")) + [Path("/usr/bin/python2.7")]
    python = next((path for path in found if path.exists()), None)
    if python is None:
        pytest.skip("there is no Python 2.7")
    assert_too_old(run_init(python, tmp_path))


def test_incomplete_installation(tmp_path: Path) -> None:
    """With a file missing there is one line, and gdb goes on."""
    shutil.copytree(gdb.INIT.parent, tmp_path / "gdbext", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "gdbext" / "commands" / "bt.py").unlink()
    source = "source %s" % (tmp_path / "gdbext" / "init.py")
    load, works = gdb.run([source, "print 6 * 7"], load=False).answers
    assert load.stdout == "" and load.stderr.count("\n") == 1
    assert load.stderr.startswith("gdbext is not loaded: ")
    assert works.stdout == "$1 = 42\n"


def test_a_folder_that_others_can_write_to(tmp_path: Path) -> None:
    """What others can put there runs in this gdb: one line says so, and the commands are there."""
    shutil.copytree(gdb.INIT.parent, tmp_path / "gdbext", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "gdbext" / "layout").chmod(0o777)
    load, *asked = gdb.run(["source %s" % (tmp_path / "gdbext" / "init.py"), *ASK], load=False).answers
    assert load.stdout == "" and load.stderr == (
        "warning: gdbext: %s can be written to by others, whose code then runs here with your rights.\n"
        % (tmp_path / "gdbext" / "layout"))
    assert "Usage: py-threads" in asked[0].stdout


def test_nothing_is_imported_from_the_current_directory(one_interpreter: Interpreter, tmp_path: Path) -> None:
    """Though PYTHONPATH names it, and modules lie there of every name that may be imported."""
    there = {module.name for module in pkgutil.iter_modules([str(Path(os.__file__).parent)])}
    # What is imported depends on gdb's Python, and hardly on the process.
    with processes.running_python(stripped.as_installed(one_interpreter), "small.py") as program:
        # What gdb's Python loads by itself is gdb's affair.
        bare, = gdb.run(["python import sys; print(*sys.modules)"], pid=program.pid, load=False).answers
        names = there.union(sys.builtin_module_names).difference(bare.stdout.split()) | {"elftools", "gdbext"}
        for folder in (tmp_path, tmp_path / "relative"):
            folder.mkdir(exist_ok=True)
            for name in names:
                (folder / (name + ".py")).write_text("raise SystemExit('imported from the current directory')\n")
        lines = every_command.lines(program.truth, tmp_path)
        run = gdb.run(["cd %s" % tmp_path, "source %s" % gdb.INIT, *lines, "python import sys; print(*("
                       "getattr(module, '__file__', None) for module in sys.modules.values()), sep='\\n')"],
                      mode="hidden", pid=program.pid, load=False, variables={"PYTHONPATH": ":relative"},
                      folder=tmp_path)
    for answer in run.answers:
        assert "current directory" not in answer.stdout + answer.stderr, answer
    assert str(gdb.INIT.parent / "cpython") in run.answers[-1].stdout
    assert str(tmp_path) not in run.answers[-1].stdout
