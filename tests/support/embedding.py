"""Building programs that have CPython in them, loaded or linked: programs/embed.c and others in C."""

import json
import mmap
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List, Optional

from tests.support.interpreters import Interpreter
from tests.support.processes import PROGRAMS

# What linking with the static library needs.
QUESTION = """
import json, sysconfig
names = ("LIBPL", "LIBRARY", "MODLIBS", "LIBS", "SYSLIBS", "LINKFORSHARED", "INCLUDEPY", "CONFINCLUDEPY")
print(json.dumps({name: sysconfig.get_config_var(name) or "" for name in names}))
"""

# Python code for the program to run: its frames are below.
CODE = """\
import os
def inner():
    os.write(1, b"ready\\n"); os.read(0, 1)
def outer():
    inner()
outer()
"""
FRAMES = [("<string>", 3, "inner"), ("<string>", 5, "outer"), ("<string>", 6, "<module>")]


class CannotBuild(Exception):
    """The program can't be built here; the message says why."""


def compiler() -> str:
    """The C compiler. Raises CannotBuild."""
    path = shutil.which("cc") or shutil.which("gcc")
    if path is None:
        raise CannotBuild("no C compiler")
    return path


def build(output: Path, options: Optional[List[str]] = None, source: str = "embed.c") -> Path:
    """Compile a program; without options embed.c loads libpython by path. Raises CannotBuild."""
    output.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler(), "-o", str(output), str(PROGRAMS / source), *(options or []), "-ldl"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines() or [""]
        raise CannotBuild("the compiler says: %s (%s)" % ("; ".join(lines[:2]), shlex.join(command)))
    return output


def build_linked(output: Path, interpreter: Interpreter, source: str = "embed.c") -> Path:
    """With the shared libpython as a needed library. Raises CannotBuild."""
    library = interpreter.libpython
    if library is None:
        raise CannotBuild("%s has no shared libpython" % interpreter.id)
    headers = [] if source == "embed.c" else _headers(_ask(interpreter))
    options = ["-DLINKED", *headers, str(library), "-Wl,-rpath,%s" % library.parent, "-lpthread"]
    return build(output, options, source)


def _ask(interpreter: Interpreter) -> Dict[str, str]:
    asked = subprocess.run(
        [str(interpreter.path), "-I", "-c", QUESTION], capture_output=True, text=True, check=True)
    return json.loads(asked.stdout)


def _headers(told: Dict[str, str]) -> List[str]:
    """The options for a program that includes Python.h. Raises CannotBuild where there is none."""
    folders = list(dict.fromkeys([told["INCLUDEPY"], told["CONFINCLUDEPY"]]))
    if not (Path(folders[0]) / "Python.h").exists():
        raise CannotBuild("no Python.h in %s" % folders[0])
    return ["-I%s" % folder for folder in folders if folder]


def build_static(output: Path, interpreter: Interpreter, pie: bool, source: str = "embed.c") -> Path:
    """With the interpreter itself in the executable, which is stripped. Raises CannotBuild."""
    told = _ask(interpreter)
    names = [told["LIBRARY"]]
    # Debian's plain archive is for its own executable, which is no PIE.
    if pie:
        names.insert(0, Path(names[0]).stem + "-pic.a")
    archives = [Path(told["LIBPL"]) / name for name in names]
    archive = next((path for path in archives if path.suffix == ".a" and path.exists()), None)
    if archive is None:
        raise CannotBuild("%s comes without libpython.a" % interpreter.id)
    with open(archive, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b".gnu.lto_") >= 0:
            raise CannotBuild("linking the libpython.a of %s is compiling all of it: minutes" % interpreter.id)
    words = shlex.split("%(MODLIBS)s %(LIBS)s %(SYSLIBS)s %(LINKFORSHARED)s" % told)
    # A backslash that ends no line any more stands for the blank behind it, in Debian's since 3.13.
    words = [word for word in words if not word.isspace()]
    headers = [] if source == "embed.c" else _headers(told)
    options = ["-DLINKED", "-pie" if pie else "-no-pie", *(["-fPIE"] if pie else []), "-s", *headers,
               "-Wl,--export-dynamic", str(archive), *words, "-lm", "-lpthread", "-lutil"]
    return build(output, options, source)


def build_calling_extension(folder: Path, interpreter: Interpreter) -> Path:
    """The extension module of programs/nativeext.c, in a folder of its own. Raises CannotBuild."""
    folder.mkdir(parents=True, exist_ok=True)
    build(folder / "nativeext.so", ["-shared", "-fPIC", "-O1", *_headers(_ask(interpreter))], "nativeext.c")
    return folder


def build_losing_extension(folder: Path, interpreter: Interpreter) -> Path:
    """The extension module of programs/losing.c, in a folder of its own. Raises CannotBuild."""
    build(folder / "losing" / "losing.so", ["-shared", "-fPIC", "-O1", *_headers(_ask(interpreter))], "losing.c")
    return folder / "losing"


def build_extension(folder: Path, interpreter: Interpreter, name: str) -> Path:
    """The extension module of programs/NAME.c, for one interpreter; the folder to import it from.

    Raises CannotBuild.
    """
    # Free-threaded objects have a head of 32 bytes, and those of debug builds that list all objects (up to 3.7).
    large = interpreter.free_threaded or interpreter.debug and interpreter.minor < (3, 8)
    options = ["-DHEAD=%d" % (32 if large else 16)] + ["-DFREE_THREADED"] * interpreter.free_threaded
    build(folder / interpreter.id / (name + ".so"), ["-shared", "-fPIC", "-O0", *options], name + ".c")
    return folder / interpreter.id
