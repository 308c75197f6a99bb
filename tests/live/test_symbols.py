"""py-symbols on real processes and cores, against what readelf and the interpreter itself say."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

import elftools
import pytest

from tests.support import containers, debuginfo, elf_files, embedding, gdb, packages, processes
from tests.support.interpreters import Interpreter

# For gdb's Python, which has packages of its own.
PYELFTOOLS = {"PYTHONPATH": str(Path(elftools.__file__).parents[1])}

# Blocks, and before tells what it is.
PROGRAM = """
import json, sys
told = {name: getattr(sys, name) for name in ("executable", "prefix", "base_prefix")}
told["version"] = sys.version.split()[0]
with open("truth.json", "w") as file:
    json.dump(told, file)
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _needs_tools() -> None:
    reason = elf_files.missing_tools()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program under test."""
    path = tmp_path_factory.mktemp("script") / "program.py"
    path.write_text(PROGRAM)
    return path


def by_role(document: Dict[str, Any], role: str) -> Dict[str, Any]:
    """The only image with that role."""
    found, = [image for image in document["images"] if image["role"] == role]
    return found


def ask(pid: int, *commands: str, **more: Any) -> gdb.Run:
    """Of a live process."""
    return gdb.run(list(commands), pid=pid, variables=PYELFTOOLS, **more)


def skip_in_another_root(interpreter: Interpreter) -> None:
    """Its files have other paths here."""
    if interpreter.root is not None:
        pytest.skip("%s is in another root" % interpreter.id)


def test_installed(interpreter: Interpreter, script: Path) -> None:
    """Every mapped file, its build id, where its debug information is; what the interpreter says of itself."""
    skip_in_another_root(interpreter)
    with processes.running([str(interpreter.path), str(script)]) as program:
        truth = json.loads((program.folder / "truth.json").read_text())
        mapped = {str(path) for path in program.mapped() if path.is_file()}
        run = ask(program.pid, "py-symbols -all -json", "py-symbols -json", "py-symbols", "py-threads -json")
    everything, python_only = run.answers[0].document(), run.answers[1].document()
    assert everything["target"] == run.answers[3].document()["target"]
    assert everything["gdb"] == {"version": gdb.find().version, "python": gdb.find().python}
    described, = everything["interpreters"]
    for name, value in truth.items():
        assert described[name] == value
    assert described["path"] == str(interpreter.image) and not described["virtual"]
    assert described["is_embedded"] is False and not described["is_frozen"]
    images = {image["path"]: image for image in everything["images"]}
    elf = {path for path in mapped if Path(path).read_bytes()[:4] == b"\x7fELF"}
    assert elf == set(images)
    for path, image in images.items():
        assert image["build_id"] == image["loaded_build_id"] == elf_files.build_id(Path(path)), path
        assert not image["deleted"] and not image["replaced"] and image["problem"] is None
        assert (image["debug"]["status"] in ("embedded", "separate")) == debuginfo.has_dwarf(Path(path)), path
        assert image["python"] == (path in (str(interpreter.image), str(program_path(interpreter)))
                                   or "lib-dynload" in path), path
    assert [image for image in everything["images"] if image["python"]] == python_only["images"]
    assert by_role(everything, "interpreter")["evaluation_loop"]["size"] > 0
    text = run.answers[2].stdout
    assert "Python %s" % truth["version"] in text and truth["prefix"] in text
    # A terminal may be narrow: only what is one word is longer.
    assert [line for line in text.splitlines() if len(line) > 80 and len(line.split()) > 5] == []


def program_path(interpreter: Interpreter) -> Path:
    """The executable, links followed."""
    return interpreter.path.resolve()


def chosen(interpreter: Interpreter) -> None:
    """For tests of what does not differ from one interpreter to another: one is enough."""
    if interpreter.libpython is None or interpreter.minor != (3, 11):
        pytest.skip("the same for all interpreters: done with one")


@pytest.mark.parametrize("how", ["--symlinks", "--copies"])
def test_virtual_environment(interpreter: Interpreter, script: Path, tmp_path: Path, how: str) -> None:
    """Its python is another file, or a link to the one that runs."""
    chosen(interpreter)
    subprocess.run([str(interpreter.path), "-m", "venv", "--without-pip", how, str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    assert python.is_symlink() == (how == "--symlinks")
    with processes.running([str(python), str(script)]) as program:
        truth = json.loads((program.folder / "truth.json").read_text())
        run = ask(program.pid, "py-symbols -json", "py-symbols")
    document = run.answers[0].document()
    described, = document["interpreters"]
    assert {name: described[name] for name in truth} == truth
    assert described["virtual"] and described["is_embedded"] is False
    assert "(virtual environment of %s)" % truth["base_prefix"] in run.answers[1].stdout
    fitting = "%s-gdb.py" % program_path(interpreter)
    assert (fitting in document["libpython"]["candidates"]) == Path(fitting).exists()
    executable = by_role(document, "executable")
    assert executable["path"] == str(program_path(interpreter) if how == "--symlinks" else python)
    assert executable["build_id"] == elf_files.build_id(Path(executable["path"]))


def other_build(path: Path, target: Path) -> Path:
    """A copy of an ELF file with another build id."""
    build_id = elf_files.build_id(path)
    assert build_id is not None
    data = path.read_bytes()
    assert data.count(bytes.fromhex(build_id)) == 1
    other = bytes(byte ^ 0xFF for byte in bytes.fromhex(build_id))
    target.write_bytes(data.replace(bytes.fromhex(build_id), other))
    target.chmod(0o755)
    return target


@pytest.fixture
def copy(interpreter: Interpreter, tmp_path: Path) -> Iterator[Path]:
    """A copy of the executable that may be replaced, with PYTHONHOME to be set."""
    chosen(interpreter)
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / "python"
    shutil.copy(interpreter.path, path)
    yield path


def test_replaced_while_it_runs(interpreter: Interpreter, copy: Path, script: Path, tmp_path: Path) -> None:
    """An upgrade puts a new file in the old one's place; later the place is empty."""
    home = {"PYTHONHOME": str(interpreter.prefix)}
    with processes.running([str(copy), str(script)], home) as program:
        before = elf_files.build_id(copy)
        os.replace(other_build(copy, tmp_path / "new"), copy)
        after = elf_files.build_id(copy)
        run = ask(program.pid, "py-symbols -json", "py-symbols", "set width 60", "py-symbols")
        executable = by_role(run.answers[0].document(), "executable")
        kept = "/proc/%d/exe" % program.pid
        assert executable["mapped_file"] == executable["debug"]["path"] == kept
        assert any(each.endswith("\nfile %s" % kept) for each in run.answers[0].document()["advice"])
        assert before != after
        assert executable["deleted"] and executable["replaced"]
        assert (executable["loaded_build_id"], executable["build_id"]) == (before, after)
        assert "replaced" in run.answers[1].stdout
        # What is no path, no command and no build id keeps to the terminal's width.
        advice = run.answers[3].stdout.split("What to do:\n")[1]
        assert advice.startswith("- ") and [
            line for line in advice.splitlines() if len(line) > 60 and not line.startswith("    ")
            and all(len(word) < 40 for word in line.split())] == []
        assert str(after) in run.answers[1].stdout and str(before) in run.answers[1].stdout
        copy.unlink()
        executable = by_role(ask(program.pid, "py-symbols -json").answers[0].document(), "executable")
        assert executable["deleted"] and not executable["replaced"] and executable["problem"] is not None
        assert executable["loaded_build_id"] == before and executable["file"] is None


def test_library_replaced_while_it_runs(interpreter: Interpreter, copy: Path, script: Path, tmp_path: Path) -> None:
    """An upgrade of libpython: gdb takes the new file for the old one, until it is told of what the kernel keeps."""
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib" / interpreter.image.name
    shutil.copy(interpreter.image, library)
    variables = {"PYTHONHOME": str(interpreter.prefix), "LD_LIBRARY_PATH": str(library.parent)}
    with processes.running([str(copy), str(script)], variables) as program:
        before = elf_files.build_id(library)
        # Code is at other places in this one.
        elf_files.compile_to(tmp_path / "new.so", "-shared", "-fPIC", "-g", source="int here(void) { return 1; }\n")
        os.replace(tmp_path / "new.so", library)
        after = elf_files.build_id(library)
        first = ask(program.pid, "py-symbols -json", "py-symbols -imports readlink -json").answers
        document = first[0].document()
        image = by_role(document, "interpreter")
        kept = image["mapped_file"]
        if kept is None:
            pytest.skip("the kernel lets this user have no file of map_files")
        known = "python print([o.filename for o in gdb.objfiles() if o.build_id in (%r, %r)])" % (before, after)
        libc = "python print(gdb.lookup_objfile('libc.so.6').is_valid())"
        use = "py-symbols -use %s" % kept
        told = ask(program.pid, known, use, known, use, known, "bt", libc, "py-symbols -json").answers
        alone = check_symbols(program.pid)
        assert image["file"] == str(library) and image["replaced"] and image["deleted"]
        assert (image["loaded_build_id"], image["build_id"]) == (before, after)
        assert elf_files.build_id(Path(kept)) == before
    # What is told is told of what runs.
    expected = debuginfo.has_dwarf(interpreter.image)
    assert (image["debug"]["status"] == "embedded") == expected and image["read_by_gdb"] is False
    assert image["evaluation_loop"]["size"] > 0
    assert str(library) in [each["path"] for each in first[1].document()["imports"]]
    for advice in (document["advice"], alone["advice"]):
        about, = [each for each in advice if str(library) in each]
        assert about.endswith("\n" + use) and str(before) in about
    # The program is the right one.
    assert not any("/exe" in each for each in document["advice"])
    assert told[1].stdout == told[3].stdout == "Loaded %s\n  for %s, build id %s\n" % (kept, library, before)
    assert told[0].stdout == "[%r]\n" % str(library) and told[2].stdout == told[4].stdout == "[%r]\n" % kept
    assert "Py_RunMain" in told[5].stdout or "Py_BytesMain" in told[5].stdout
    assert told[6].stdout == "True\n"
    mended = told[7].document()
    assert by_role(mended, "interpreter")["read_by_gdb"] is True
    assert [each for each in mended["advice"] if str(library) in each] == []


def test_without_pyelftools(interpreter: Interpreter, script: Path) -> None:
    """One line says so; the rest is as it was, and so are the other commands."""
    skip_in_another_root(interpreter)
    # A module in its place that can't be had.
    hide = "python import sys; sys.modules['elftools'] = None; import gdbext.elf.pyelftools as p; " \
           "p._environments = lambda: iter(())"
    with processes.running([str(interpreter.path), str(script)]) as program:
        run = gdb.run([hide, "py-symbols", "py-symbols -json", "py-threads"], mode="hidden", pid=program.pid)
    text, document = run.answers[1].stdout, run.answers[2].document()
    assert [line for line in text.splitlines() if "pyelftools" in line] == document["notes"]
    assert len(document["notes"]) == 1
    image = by_role(document, "interpreter")
    assert image["loaded_build_id"] == elf_files.build_id(interpreter.image)
    assert image["debug"] is None and image["build_id"] is None
    assert [answer.stderr for answer in run.answers] == [""] * 4 and "LWP" in run.answers[3].stdout


def test_use(interpreter: Interpreter, copy: Path, script: Path, tmp_path: Path) -> None:
    """A debug file that fits is loaded, from a folder too; one of another build, or none, is refused."""
    debug = tmp_path / "debug" / "of-python"
    elf_files.split(copy, debug, link=False)
    build_id = elf_files.build_id(debug)
    wrong = other_build(debug, tmp_path / "wrong.debug")
    folder = tmp_path / "several"
    folder.mkdir()
    shutil.copy(wrong, folder / "a")
    (folder / "text").write_text("nothing")
    os.mkfifo(folder / "fifo")
    with processes.running([str(copy), str(script)], {"PYTHONHOME": str(interpreter.prefix)}) as program:
        run = ask(program.pid, "py-symbols -json", "py-symbols -use %s" % wrong, "py-symbols -use %s" % folder,
                  "py-symbols -use %s" % (folder / "text"), "py-symbols -use /nonexistent", "py-symbols -use",
                  "py-symbols -use %s" % debug.parent, "py-symbols -json", "info symbol main")
        shutil.copy(debug, folder / "b")
        one = ask(program.pid, "py-symbols -use %s" % (folder / "b"), "py-symbols -use %s" % (folder / "b"),
                  "python print([o.filename for o in gdb.objfiles() if o.owner])")
    before, after = (by_role(run.answers[index].document(), "executable")["debug"] for index in (0, 7))
    assert before["status"] == "missing"
    assert (after["status"], after["how"], after["build_id"]) == ("separate", "loaded by gdb", build_id)
    assert after["path"] == str(debug)
    for answer in run.answers[1:6]:
        assert answer.stdout == "" and answer.stderr.count("\n") == 1 and answer.stderr.startswith("py-symbols: ")
    for answer in run.answers[1:3]:
        assert str(elf_files.build_id(wrong)) in answer.stderr and str(build_id) in answer.stderr
    assert "is not an ELF file" in run.answers[3].stderr
    assert run.answers[6].stdout == "Loaded %s\n  for %s, build id %s\n" % (debug, copy, build_id)
    assert one.answers[2].stdout.count(str(folder / "b")) == 1


def test_warns_once_of_a_core_and_another_binary(
        interpreter: Interpreter, copy: Path, script: Path, tmp_path: Path) -> None:
    """One line for all commands, on standard error; none where the binary is the right one."""
    reason = processes.no_kernel_core()
    if reason:
        pytest.skip(reason)
    with processes.running([str(copy), str(script)], {"PYTHONHOME": str(interpreter.prefix)}) as program:
        core = program.die_with_core()
        rebuilt = other_build(copy, tmp_path / "rebuilt")
        commands = ["py-threads -json", "py-bt-plus", "thread apply all -q py-bt-plus", "py-symbols -json"]
        wrong = gdb.run(commands, core=core, executable=rebuilt, variables=PYELFTOOLS)
        right = gdb.run(commands, core=core, executable=copy, variables=PYELFTOOLS)
    ids = elf_files.build_id(rebuilt), elf_files.build_id(copy)
    first, *rest = [answer.stderr for answer in wrong.answers]
    assert [answer.stderr for answer in right.answers] == [""] * 4 and rest == [""] * 3
    assert first == ("warning: %s is not what the core runs: it has build id %s, the core %s (see py-symbols)\n"
                     % (rebuilt, *ids))
    assert [answer.stdout for answer in wrong.answers][1:3] == [answer.stdout for answer in right.answers][1:3]
    executable = by_role(wrong.answers[3].document(), "executable")
    # The right one is where the core says.
    assert executable["mapped_file"] == str(copy)
    assert any(each.endswith("\nfile %s\ncore-file %s" % (copy, core))
               for each in wrong.answers[3].document()["advice"])
    assert executable["replaced"] and (executable["build_id"], executable["loaded_build_id"]) == ids
    assert not by_role(right.answers[3].document(), "executable")["replaced"]
    # What gdb was given says nothing of how the process ran.
    for answers in (wrong.answers, right.answers):
        described, = answers[3].document()["interpreters"]
        assert described["is_embedded"] is False


def test_libpython(interpreter: Interpreter, copy: Path, script: Path) -> None:
    """The one beside the binary is declined by auto-load, which is said with the line that helps; or loaded."""
    fitting = copy.with_name(copy.name + "-gdb.py")
    shutil.copy(interpreter.path.resolve().with_name(interpreter.path.resolve().name + "-gdb.py"), fitting)
    with processes.running([str(copy), str(script)], {"PYTHONHOME": str(interpreter.prefix)}) as program:
        declined = ask(program.pid, "py-symbols -json", "py-symbols", "py-symbols -load-libpython", "py-bt",
                       "py-symbols -json")
        line = declined.answers[0].document()["libpython"]["line"]
        allowed = ask(program.pid, "py-symbols -json", before=["-iex", line])
    libpython = declined.answers[0].document()["libpython"]
    # What gdb itself says on start.
    assert "auto-loading has been declined" in declined.preamble.stderr and str(fitting) in declined.preamble.stderr
    assert not libpython["loaded"] and libpython["declined"] == libpython["candidates"][0] == str(fitting)
    assert libpython["line"] in declined.preamble.stdout + declined.preamble.stderr
    if gdb.find().version >= "11":
        assert libpython["init_file"].endswith("/.gdbinit")
    assert libpython["line"] in declined.answers[1].stdout and libpython["init_file"] in declined.answers[1].stdout
    assert declined.answers[2].stdout == "Loaded %s\n" % fitting
    assert "Traceback (most recent call first)" in declined.answers[3].stdout
    after = declined.answers[4].document()["libpython"]
    assert after["loaded"] and after["declined"] is None
    assert allowed.answers[0].document()["libpython"]["loaded"] and "declined" not in allowed.preamble.stderr


def test_every_libpython_is_known(interpreter: Interpreter, script: Path) -> None:
    """That of each version: the classes in it have changed."""
    skip_in_another_root(interpreter)
    fitting = Path("%s-gdb.py" % program_path(interpreter))
    if not fitting.exists():
        pytest.skip("%s has no libpython.py beside it" % interpreter.id)
    with processes.running([str(interpreter.path), str(script)]) as program:
        run = ask(program.pid, "py-symbols -json", "source %s" % fitting, "py-symbols -json")
    assert [run.answers[index].document()["libpython"]["loaded"] for index in (0, 2)] == [False, True]


def test_imports(interpreter: Interpreter, tmp_path: Path) -> None:
    """The files whose relocations name a function, as readelf lists them; the module that each is or serves."""
    skip_in_another_root(interpreter)
    program_with_modules = tmp_path / "program.py"
    program_with_modules.write_text("import ssl, select, math\n" + PROGRAM)
    functions = ("poll", "SSL_read", "log2", "fopen", "no_such_function")
    with processes.running([str(interpreter.path), str(program_with_modules)]) as program:
        mapped = [path for path in program.mapped() if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
        run = ask(program.pid, *("py-symbols -json -imports %s" % name for name in functions),
                  "py-symbols -imports SSL_read", "py-symbols -imports no_such_function",
                  "py-symbols -json -imports fopen -limit 1")
        alone = check_symbols(program.pid, "-imports", "poll")
    relocations = {str(path): elf_files.run("readelf", "-rW", str(path)) for path in mapped}
    named = {}
    for name, answer in zip(functions, run.answers):
        document = answer.document()
        found = named[name] = {each["path"]: each for each in document["imports"]}
        assert document["function"] == name and document["notes"] == []
        expected = {path for path, listed in relocations.items() if re.search(r" %s(@\S+)? \+ 0$" % name, listed, re.M)}
        assert set(found) == expected
    assert named["no_such_function"] == {} and named["fopen"] and named["poll"]
    assert {each["path"]: each for each in alone["imports"]} == named["poll"] and alone["notes"] == []
    for path in named["poll"]:
        of_file, = check_symbols(path, "-imports", "poll")["imports"]
        assert of_file["by"] == named["poll"][path]["by"]
    assert "No mapped file imports no_such_function." in run.answers[-2].stdout
    first, more = run.answers[-1].document(), len(named["fopen"]) - 1
    assert len(first["imports"]) == 1 and first["notes"] == (
        ["%d more importers: -limit left them out." % more] if more > 1 else
        ["1 more importer: -limit left it out."] if more else [])
    ssl_module = [each for each in named["SSL_read"].values() if each["modules"] == ["_ssl"]]
    # In some builds _ssl calls the newer SSL_read_ex.
    for each in ssl_module:
        assert each["is_module"] and "PLT" in each["by"] or "GOT" in each["by"]
        assert each["path"] in run.answers[-3].stdout and "module _ssl" in run.answers[-3].stdout
    library = [each for path, each in named["fopen"].items() if "libcrypto" in path]
    for each in library:
        assert not each["is_module"] and "_ssl" in each["modules"]


def test_calls(interpreter: Interpreter, script: Path) -> None:
    """The places that objdump lists, with their functions; PLT entries themselves are none."""
    chosen(interpreter)
    with processes.running([str(interpreter.path), str(script)]) as program:
        base = int(next(line for line in Path("/proc/%d/maps" % program.pid).read_text().splitlines()
                        if line.endswith(str(interpreter.image))).split("-")[0], 16)
        run = ask(program.pid, "py-symbols -calls readlink -json", "py-symbols -calls readlink",
                  "py-symbols -calls no_such_function", "py-symbols -calls nanosleep -json")
    listed = elf_files.run("objdump", "-d", "--no-show-raw-insn", str(interpreter.image))
    expected, starts, function, start = {}, {}, "", 0
    for line in listed.splitlines():
        heading = re.match(r"([0-9a-f]+) <(.*)>:", line)
        if heading:
            function, start = heading.group(2), base + int(heading.group(1), 16)
        call = re.match(r" +([0-9a-f]+):\s+(?:call|jmp) .*<readlink(?:@plt|@GLIBC)", line)
        if call and not function.endswith("@plt"):
            expected[base + int(call.group(1), 16)] = function
            starts[base + int(call.group(1), 16)] = start
    calls = [each for each in run.answers[0].document()["calls"]
             if each["path"] == str(interpreter.image) and not each["loads"]]
    found = {int(each["address"], 16): each["function"] for each in calls}
    assert expected and set(found) == set(expected)
    assert {int(each["address"], 16): int(each["function_start"], 16) for each in calls} == starts
    for address, name in found.items():
        # What compilers append to a copy is left out.
        assert expected[address].split(".")[0] == name
        assert "0x%x  %s" % (address, name) in run.answers[1].stdout
    assert run.answers[2].stdout == "No call of no_such_function was found.\n"


def test_find_debug(tmp_path: Path) -> None:
    """gdb 15 and newer ask gdbext, if the user wants that: in a folder, and beside the base of an environment."""
    if int(gdb.find().version.split(".")[0]) < 15:
        pytest.skip("gdb %s asks nobody for debug files that it does not find" % gdb.find().version)
    (tmp_path / "bin").mkdir()
    program = elf_files.compile_to(tmp_path / "bin" / "python", "-g")
    build_id = elf_files.build_id(program)
    assert build_id is not None
    debug = tmp_path / "base" / "lib" / "debug" / ".build-id" / build_id[:2] / (build_id[2:] + ".debug")
    elf_files.split(program, debug, link=False)
    owners = "python print([o.filename for o in gdb.objfiles() if o.owner])"
    file = "file %s" % program
    hidden = ["-iex", "set debug-file-directory /nonexistent"]
    folders = "set gdbext debug-folders %s" % debug.parents[2]
    on, locals_ = "set gdbext find-debug on", "info scope sum"
    run = gdb.run([file, owners, folders, owners, file, owners, on, owners, on, owners, locals_,
                   "show gdbext find-debug", "set gdbext debug-folders", file, owners, folders, owners, file, owners],
                  before=hidden)
    found = [answer.stdout.count(str(debug)) for answer in run.answers if answer.command == owners]
    # Of what gdb has read already too, and once.
    assert found == [0, 0, 0, 1, 1, 0, 1, 1]
    assert "Symbol total is" in run.answers[10].stdout
    assert run.answers[11].stdout == "gdbext find-debug is on.\n"
    assert [answer.stderr for answer in run.answers if answer.command.startswith("set ")] == [""] * 5
    (tmp_path / "pyvenv.cfg").write_text("home = %s\n" % (tmp_path / "base" / "bin"))
    run = gdb.run([on, file, owners], before=hidden)
    assert str(debug) in run.answers[2].stdout


CHECK_SYMBOLS = gdb.REPOSITORY / "scripts" / "check_symbols"


def check_symbols(*arguments: object) -> Dict[str, Any]:
    """The script's document."""
    ended = subprocess.run([sys.executable, str(CHECK_SYMBOLS), *map(str, arguments), "-json"],
                           capture_output=True, text=True, check=True)
    assert ended.stderr == "" and ended.stdout.count("\n") == 1
    document: Dict[str, Any] = json.loads(ended.stdout)
    return document


def without_gdb(document: Dict[str, Any]) -> Any:
    """What has nothing to do with gdb."""
    layouts = [{**each, "layout": None, "exact": None} for each in document["interpreters"]]
    return layouts, [{**image, "read_by_gdb": None} for image in document["images"]]


def test_check_symbols(interpreter: Interpreter, script: Path) -> None:
    """Of a process, a core and a file: as py-symbols has it."""
    skip_in_another_root(interpreter)
    with processes.running([str(interpreter.path), str(script)]) as program:
        live = ask(program.pid, "py-symbols -all -json").answers[0].document()
        alone = check_symbols(program.pid, "-all")
        assert without_gdb(alone) == without_gdb(live)
        reason = processes.no_kernel_core()
        if reason is None:
            core = program.die_with_core()
            assert without_gdb(check_symbols(core, "-all")) == without_gdb(live)
    image, = check_symbols(interpreter.image)["images"]
    expected = by_role(live, "interpreter")
    assert {**image["debug"], "how": None} == {**expected["debug"], "how": None} or expected["debug"]["how"] is not None
    assert image["build_id"] == expected["build_id"]


def test_eu_unstrip_agrees(interpreter: Interpreter, script: Path) -> None:
    """It lists the build ids of what is mapped, of a process and of its core."""
    skip_in_another_root(interpreter)
    chosen(interpreter)
    reason = processes.no_kernel_core()
    if reason:
        pytest.skip(reason)

    def both(what: object, *arguments: str) -> Tuple[Dict[str, str], Dict[str, str]]:
        listed = elf_files.mapped_build_ids(*arguments)
        images = check_symbols(what, "-all")["images"]
        return listed, {image["path"]: image["loaded_build_id"] for image in images}

    with processes.running([str(interpreter.path), str(script)]) as program:
        try:
            live = both(program.pid, "-p", str(program.pid))
        except packages.NotAvailable as error:
            pytest.skip(str(error))
        core = program.die_with_core()
        dead = both(core, "--core=%s" % core)
    for expected, found in (live, dead):
        assert str(interpreter.image) in expected and found == expected


@pytest.mark.parametrize("option, status, described", [("-g", "embedded", True), ("-g1", "embedded", False),
                                                       ("-g0", "missing", None)])
def test_program_that_embeds(interpreter: Interpreter, tmp_path: Path, option: str, status: str,
                             described: Optional[bool]) -> None:
    """A C program of one's own, with all of its debug information, with lines only, and without any."""
    chosen(interpreter)
    try:
        program_path = embedding.build(tmp_path / "embed", [
            option, "-DLINKED", str(interpreter.libpython), "-Wl,-rpath,%s" % interpreter.image.parent, "-lpthread"])
    except embedding.CannotBuild as error:
        pytest.skip(str(error))
    listed = elf_files.run("readelf", "--debug-dump=info", str(program_path))
    assert ("DW_TAG_subprogram" in listed) == (status == "embedded")
    assert ("DW_TAG_formal_parameter" in listed) == bool(described)
    with processes.running([str(program_path), "run", "-", embedding.CODE],
                           {"PYTHONHOME": str(interpreter.prefix)}) as program:
        run = ask(program.pid, "py-symbols -json", "py-symbols")
    document = run.answers[0].document()
    image = by_role(document, "executable")
    assert image["path"] == str(program_path) and image["debug"]["status"] == status
    assert image["debug"]["locals"] is described
    interpreter_of_it, = document["interpreters"]
    assert interpreter_of_it["is_embedded"] is True and "embedded" in run.answers[1].stdout


def test_check_symbols_refuses(tmp_path: Path) -> None:
    """One line, and status 1."""
    (tmp_path / "text").write_text("no ELF file")
    os.mkfifo(tmp_path / "fifo")
    zombie = subprocess.Popen(["true"])
    try:
        # It has ended, and nobody has asked for its status.
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        said = {what: _refused(what) for what in (
            tmp_path / "text", tmp_path / "fifo", tmp_path, tmp_path / "nothing", "999999999", str(zombie.pid))}
    finally:
        zombie.wait()
    assert "has ended" in said[str(zombie.pid)]


def _refused(what: object) -> str:
    ended = subprocess.run([sys.executable, str(CHECK_SYMBOLS), str(what)], capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and ended.stdout == ""
    assert ended.stderr.startswith("check_symbols: ") and ended.stderr.count("\n") == 1
    return ended.stderr


def test_cores(interpreter: Interpreter, copy: Path, script: Path, tmp_path: Path) -> None:
    """Cut short; made without memory; with the binaries in a folder, by sysroot."""
    reason = processes.no_kernel_core()
    if reason:
        pytest.skip(reason)
    home = {"PYTHONHOME": str(interpreter.prefix)}
    with processes.running([str(copy), str(script)], home) as program:
        # What filters: no anonymous memory, no headers.
        Path("/proc/%d/coredump_filter" % program.pid).write_text("0x4")
        filtered = gdb.run(["py-symbols -json"], core=program.die_with_core(), executable=copy, variables=PYELFTOOLS)
    assert any("coredump_filter" in each for each in filtered.answers[0].document()["advice"])
    with processes.running([str(copy), str(script)], home) as program:
        mapped = program.mapped()
        core = program.die_with_core()
        cut = tmp_path / "cut"
        cut.write_bytes(core.read_bytes()[:-100_000])
        short = gdb.run(["py-symbols -json"], core=cut, executable=copy, variables=PYELFTOOLS)
        # The same tree, elsewhere; the place that the core tells of is empty.
        tree = tmp_path / "tree"
        for path in mapped:
            if path.is_file():
                place = Path("%s%s" % (tree, path))
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
        build_id = elf_files.build_id(copy)
        moved = Path("%s%s" % (tree, copy))
        assert moved.exists()
        copy.unlink()
        there = gdb.run(["py-symbols -json"], core=core, executable=moved, before=["-iex", "set sysroot %s" % tree],
                        variables=PYELFTOOLS)
        alone = check_symbols(core, "-sysroot", tree)
        absent = gdb.run(["py-symbols -json"], core=core, variables=PYELFTOOLS)
    advice = short.answers[0].document()["advice"]
    assert any("The core was cut" in each and "100000 bytes" in each for each in advice)
    document = there.answers[0].document()
    for image in document["images"]:
        assert image["file"] == "%s%s" % (tree, image["path"]), image
        assert image["build_id"] == image["loaded_build_id"] == elf_files.build_id(Path(image["file"]))
    assert by_role(document, "executable")["build_id"] == build_id
    assert without_gdb(alone) == without_gdb(document)
    assert [each for each in document["advice"] if "sysroot" in each or "core" in each] == []
    missing = by_role(absent.answers[0].document(), "executable")
    assert missing["file"] is None and missing["loaded_build_id"] == build_id
    assert any("set sysroot" in each for each in absent.answers[0].document()["advice"])


def test_core_of_a_library_that_is_gone(interpreter: Interpreter, copy: Path, script: Path, tmp_path: Path) -> None:
    """What a core was made without is taken from no other build's file, and from the right one wherever it is."""
    reason = processes.no_kernel_core()
    if reason:
        pytest.skip(reason)
    (tmp_path / "lib").mkdir()
    library, kept = tmp_path / "lib" / interpreter.image.name, tmp_path / "kept"
    shutil.copy(interpreter.image, library)
    variables = {"PYTHONHOME": str(interpreter.prefix), "LD_LIBRARY_PATH": str(library.parent)}
    with processes.running([str(copy), str(script)], variables) as program:
        core = program.die_with_core()
        build_id = elf_files.build_id(library)
        assert build_id is not None
        commands = ["py-bt-plus -json", "py-symbols -json"]
        before = gdb.run(commands, core=core, executable=copy, variables=PYELFTOOLS).answers
        os.rename(library, kept)
        gone = gdb.run(commands, core=core, executable=copy, variables=PYELFTOOLS).answers
        # The very same symbols, and other code: gdb itself reads this one.
        shutil.copy(other_build(kept, tmp_path / "other"), library)
        with library.open("r+b") as file:
            place = library.read_bytes().index(b"_PyRuntime\0")
            file.seek(place)
            file.write(b"_PyAnother\0")
        use = "py-symbols -use %s" % kept
        wrong = gdb.run([*commands, use, *commands], core=core, executable=copy, variables=PYELFTOOLS).answers
        # As debuginfod keeps what it has fetched.
        fetched = tmp_path / "cache" / build_id / "executable"
        fetched.parent.mkdir(parents=True)
        shutil.copy(kept, fetched)
        found = gdb.run(commands, core=core, executable=copy,
                        variables={**PYELFTOOLS, "DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache")}).answers
    frames = before[0].document()["frames"]
    assert [frame["function"] for frame in frames] == ["<module>"]
    for answers in (gone, wrong):
        assert "can't be read" in answers[0].stderr and str(build_id) in answers[0].stderr
        assert str(library) in answers[0].stderr and answers[0].stdout == ""
    assert wrong[2].stdout == "Loaded %s\n  for %s, build id %s\n" % (kept, library, build_id)
    assert wrong[3].document()["frames"] == found[0].document()["frames"] == frames
    image = by_role(found[1].document(), "interpreter")
    assert image["mapped_file"] == str(fetched) and image["replaced"]
    assert image["debug"]["status"] == by_role(before[1].document(), "interpreter")["debug"]["status"]


@pytest.mark.parametrize("how", ["pivot_root", "chroot"])
def test_another_root(interpreter: Interpreter, how: str) -> None:
    """The files are those of the process's root; gdb is told where that is."""
    chosen(interpreter)
    reason = containers.cannot()
    if reason:
        pytest.skip(reason)
    arguments = ["-u", "-c", "import os; os.write(1, b'ready\\n'); os.read(0, 1)"]
    with containers.running(interpreter, how, arguments, {}) as container:
        document = ask(container.pid, "py-symbols -json").answers[0].document()
        root = "/proc/%d/root" % container.pid
        own = ["-iex", "set sysroot %s" % root, "/proc/%d/exe" % container.pid]
        helped = ask(container.pid, "py-symbols -json", before=own).answers[0].document()
    image = by_role(document, "interpreter")
    assert image["build_id"] == image["loaded_build_id"] == elf_files.build_id(interpreter.image)
    described, = document["interpreters"]
    assert described["prefix"] == str(containers.INSTALLED) and described["is_embedded"] is False
    assert [each for each in helped["advice"] if "sysroot" in each] == []
