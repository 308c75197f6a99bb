"""What gdb itself knows of files: the program, where debug files are, and for which images it has read any."""

import os
import re
import select
import sys
from pathlib import Path
from typing import Iterable, Iterator, List, NamedTuple, Optional

import gdb

from ..elf.places import Places, fetched_by_debuginfod
from . import console, sources
from .mapped import MappedImage
from .types import objfile, objfile_of, objfiles_by_path


class Mismatch(NamedTuple):
    """A file that gdb has read for an image of another build."""

    file: str
    build_id: str
    loaded_build_id: str


def program() -> Optional[str]:
    """The file that gdb takes for the program, None where it was given none."""
    return gdb.current_progspace().filename


def debug_directories() -> List[str]:
    """The folders of debug files (`set debug-file-directory`)."""
    return [path for path in (gdb.parameter("debug-file-directory") or "").split(":") if path]


def files_of(path: str, build_id: str) -> Iterator[str]:
    """Where the file may be that a core has by this path and build id: what gdb has read, then where it may lie."""
    read = objfile("", build_id)
    if read is not None:
        yield read.filename or ""
    root = sources.sysroot() or ""
    places = Places([Path(each) for each in debug_directories()], fetched_by_debuginfod(os.environ), root)
    yield from map(str, places.files(f"{root}{path}", build_id))
    if root:
        yield path


def debuginfod() -> Optional[str]:
    """Whether gdb asks debuginfod: "on", "off", "ask"; None before gdb 12, and where it was built without."""
    try:
        return gdb.parameter("debuginfod enabled")
    except RuntimeError:
        return None


def has_read(path: str, build_id: Optional[str]) -> bool:
    """Whether gdb has opened an image's file."""
    return objfile(path, build_id) is not None


def debug_file(path: str, build_id: Optional[str]) -> Optional[str]:
    """The separate debug file that gdb has read for an image, None where it has read none."""
    found = objfile(path, build_id)
    return next((other.filename for other in gdb.objfiles() if found is not None and other.owner == found), None)


def mismatches(images: Iterable[MappedImage], executable: Optional[MappedImage]) -> Iterator[Mismatch]:
    """The files that gdb has read, the program first, which are not what is mapped. gdb itself does not compare."""
    own, read = program(), objfiles_by_path()
    for image in sorted(images, key=lambda image: image is not executable):
        path = own if image is executable and own is not None else image.path
        found = read.get(path)
        if found is None:
            continue
        loaded = image.build_id()
        if found.build_id and loaded and found.build_id != loaded:
            yield Mismatch(found.filename or path, found.build_id, loaded)


def add_debug_file(image: MappedImage, path: str, file: Optional[str]) -> None:
    """Have gdb read a debug file for an image, whose build id the caller has compared. Raises gdb.error.

    `file` is one that is what is mapped, None where there is none. Of an image for which gdb has read no file, or
    that of another build, it is read first: code is unwound by it.
    """
    found = objfile(image.path, image.build_id())
    if found is None:
        _drop_library(image.path)
        gdb.execute(f"add-symbol-file {_quoted(file or path)} -o {image.bias:#x}", to_string=True)
        found = objfile(image.path, image.build_id())
    has = (found.filename if found is not None else path, debug_file(image.path, image.build_id()))
    if found is not None and not {path, os.path.realpath(path)} & set(has):
        found.add_separate_debug_file(path)


def _drop_library(path: str) -> None:
    """Have gdb drop what it has read for a library. It can drop all of them only."""
    wrong = objfile_of(path)
    if wrong is None:
        return
    others = [each.filename for each in gdb.objfiles() if each.filename and each.owner is None and each != wrong]
    gdb.execute("nosharedlibrary", to_string=True)
    for name in others:
        # What is no library matches none.
        gdb.execute(f"sharedlibrary {_pattern(os.path.basename(name))}$", to_string=True)


def _pattern(text: str) -> str:
    """A text as a regular expression of any kind, for gdb's own kinds differ."""
    return "".join(each if each.isalnum() or each in "_-" else "\\^" if each == "^" else f"[{each}]" for each in text)


def _quoted(path: str) -> str:
    """A path as one word of a command."""
    return '"%s"' % re.sub(r'(["\\])', r"\\\1", path)


def has_libpython() -> bool:
    """Whether CPython's own libpython.py is loaded: auto-loading runs it as part of __main__."""
    modules = [sys.modules.get(name) for name in ("__main__", "libpython")]
    return any(hasattr(module, "PyObjectPtr") and hasattr(module, "PyFrameObjectPtr") for module in modules)


def auto_load_folders() -> List[str]:
    """The folders below which gdb looks for scripts by a program's path (`auto-load scripts-directory`)."""
    # gdb keeps its own folder of data beside, and has the same two variables in that setting.
    variables = {"$debugdir": gdb.parameter("debug-file-directory") or "", "$datadir": gdb.PYTHONDIR.rpartition("/")[0]}
    text = gdb.parameter("auto-load scripts-directory") or ""
    for name, value in variables.items():
        text = text.replace(name, value)
    return [folder for folder in text.split(":") if folder]


def declines(script: str) -> bool:
    """Whether gdb has declined to auto-load a script."""
    for line in console.output("info auto-load python-scripts").splitlines():
        answer, _space, name = line.partition(" ")
        if answer == "No" and os.path.realpath(name.strip()) == os.path.realpath(script):
            return True
    return False


def source(script: str) -> None:
    """Run a script of gdb's Python. Raises gdb.error."""
    gdb.execute(f"source {script}")


# What a terminal gives at most as one line.
_MAX_ANSWER = 4096


def confirmed(question: str) -> bool:
    """The user's answer; yes without a terminal to ask at, and with `set confirm off`, as for gdb's own questions."""
    if not gdb.parameter("confirm") or not sys.stdin.isatty():
        return True
    gdb.write(f"{question} (y or n) ")
    gdb.flush()
    # input() would hear of Ctrl-C after RET only. Nothing is typed ahead into a question of this kind.
    select.select([0], [], [])
    answer = os.read(0, _MAX_ANSWER)
    if not answer.endswith(b"\n"):
        # The end of the input, Ctrl-D.
        gdb.write("\n")
    return answer.strip().lower() in (b"y", b"yes")


def has_fixed_places() -> bool:
    """Whether the inferior's instructions are all of one size, and so at multiples of it."""
    return gdb.selected_inferior().architecture().name() == "aarch64"


def instructions(start: int, end: int) -> List[int]:
    """Where instructions begin in a range of code, by gdb's disassembler. Raises gdb.error."""
    return [each["addr"] for each in gdb.selected_inferior().architecture().disassemble(start, end - 1)]
