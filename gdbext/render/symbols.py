"""What is known of the files behind a process."""

import os
import textwrap
from itertools import groupby
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..analysis.libpython import LibPython
from ..analysis.symbols import INTERPRETER, Call, Debug, Image, Importer, Interpreter, Loop, Report
from .document import document as _document
from .text import left_out, printable, width

# Of a build id, the digits that a table shows; no two files of one machine have them in common.
DIGITS = 12
# Files that one message names.
MAX_NAMED = 3
# Modules that are named of those that need one library.
MAX_MODULES = 8
# Columns of what is prose; a path or a command is never broken.
WIDTH, LEAST_WIDTH = 78, 30
_HEADINGS = ("debug", "locals", "build id", "file")


class Host(NamedTuple):
    """The gdb that asks, None where none does, and its Python."""

    gdb: Optional[str]
    python: str


def text(report: Report, libpython: Optional[LibPython], everything: bool,
         advice: List[str], columns: Optional[int] = None, limit: Optional[int] = None) -> Iterator[str]:
    """The interpreters, a table of `limit` images with what is odd of each below it, notes, then what to do.

    `libpython` is None where no gdb runs that could have loaded it; `columns` are those of the terminal, None
    where there is none.
    """
    images = {image.path: image for image in report.images}
    room = WIDTH if columns is None else max(LEAST_WIDTH, min(WIDTH, columns))
    for interpreter in report.interpreters:
        yield from _interpreter(interpreter, images.get(interpreter.path), room)
        yield ""
    if report.refusal:
        yield printable(report.refusal)
        yield ""
    shown = [image for image in report.images if everything or image.is_python or not report.interpreters]
    yield from table(shown[:limit])
    yield from left_out(len(shown), limit, "image")
    left = len(report.images) - len(shown)
    if left:
        yield f"{left} more, which are not Python's: -all shows them"
    yield from (printable(note) for note in report.notes)
    if libpython is not None:
        yield ""
        yield from _libpython(libpython)
    if advice:
        yield ""
        yield "What to do:"
        for each in advice:
            first, *more = each.split("\n")
            yield from textwrap.wrap(printable(first), room, initial_indent="- ", subsequent_indent="  ",
                                     break_long_words=False, break_on_hyphens=False)
            yield from (f"    {printable(line)}" for line in more)


def _interpreter(interpreter: Interpreter, image: Optional[Image], room: int) -> Iterator[str]:
    kind = ", ".join(word for word, there in (
        ("debug build", interpreter.debug_build), ("free-threaded", interpreter.free_threaded),
        ("frozen", interpreter.is_frozen), ("embedded in another program", interpreter.is_embedded)) if there)
    yield f"Python {printable(interpreter.version)}{', ' if kind else ''}{kind}"
    yield f"  {'image':<11} {printable(interpreter.path)}"
    yield f"  {'found by':<11} {interpreter.runtime}"
    yield f"  {'layout':<11} {interpreter.layout}{', exact' if interpreter.exact else ', not of this very build'}"
    if image is not None and image.debug is not None:
        compiled = _compiled(image.debug)
        if compiled:
            yield from textwrap.wrap(printable(compiled), room, initial_indent=f"  {'compiled':<11} ",
                                     subsequent_indent=" " * 14, break_long_words=False, break_on_hyphens=False)
    if image is not None and image.loop is not None:
        yield f"  {'eval loop':<11} {_loop(image.loop)}"
    if interpreter.configured:
        yield f"  {'configured':<11} {printable(' '.join(interpreter.configured))}"
    if interpreter.executable is not None:
        yield f"  {'executable':<11} {printable(interpreter.executable) or '(none)'}"
    if interpreter.prefix is not None:
        of = f" (virtual environment of {interpreter.base_prefix})" if interpreter.is_virtual else ""
        yield f"  {'prefix':<11} {printable(interpreter.prefix + of)}"


def _libpython(libpython: LibPython) -> Iterator[str]:
    if libpython.loaded:
        yield "libpython.py is loaded."
    elif libpython.declined is not None:
        yield "libpython.py is not loaded: gdb declined to auto-load the one that fits."
        yield "  now: py-symbols -load-libpython"
        yield f"  always: this line in {printable(libpython.init_file or '')}"
        yield f"    {printable(libpython.line or '')}"
    elif libpython.candidates:
        yield "libpython.py is not loaded. To load it: py-symbols -load-libpython"
        yield f"    {printable(libpython.candidates[0])}"
    else:
        yield "libpython.py is not loaded, and none that fits is here."


def used(image: str, build_id: str, path: str) -> Iterator[str]:
    """What was loaded."""
    yield f"Loaded {printable(path)}"
    yield f"  for {printable(image)}, build id {build_id}"


def unusable(named: str, found: List[Tuple[str, Optional[str], Optional[str]]],
             images: List[Tuple[str, Optional[str]]]) -> str:
    """Why nothing of what the user named was loaded: both build ids. One line."""
    broken = [f"{path} {problem}" for path, _build_id, problem in found if problem]
    others = [f"{path} has build id {build_id or 'none'}" for path, build_id, problem in found if not problem]
    said = "; ".join((broken + others)[:MAX_NAMED]) or f"{named} holds no debug file"
    if broken and not others:
        return said
    wanted = "; ".join(f"{path} is of {build_id or 'none'}" for path, build_id in images[:MAX_NAMED])
    return f"{said}, which no image of this process has: {wanted}"


def importers_text(function: str, importers: List[Importer], notes: List[str]) -> Iterator[str]:
    """The files that import a function, each with how and with its Python modules."""
    if not importers:
        yield f"No mapped file imports {printable(function)}."
    for importer in importers:
        yield f"{', '.join(importer.by):<8}  {printable(importer.path)}"
        if importer.is_module:
            yield f"          module {printable(', '.join(importer.modules))}"
        elif importer.modules:
            more = f" and {len(importer.modules) - MAX_MODULES} more" if len(importer.modules) > MAX_MODULES else ""
            yield f"          needed by {printable(', '.join(importer.modules[:MAX_MODULES]))}{more}"
    yield from (printable(note) for note in notes)


def importers_document(target: Dict[str, Any], function: str, importers: List[Importer], notes: List[str]) -> str:
    """The JSON document of py-symbols -imports."""
    return _document("py-symbols", target, {
        "function": function, "imports": [{**importer._asdict(), "slots": [f"{slot:#x}" for slot in importer.slots]}
                                          for importer in importers], "notes": notes})


def calls_text(function: str, calls: List[Call], notes: List[str]) -> Iterator[str]:
    """The places that call a function, by file."""
    if not calls:
        yield f"No call of {printable(function)} was found."
    for path, group in groupby(calls, key=lambda call: call.path):
        modules: List[str] = []
        for call in group:
            if not modules:
                modules = call.modules[:MAX_MODULES] or ["-"]
                yield f"{printable(path)} ({printable(', '.join(modules))})"
            yield f"  {call.address:#x}  {_function(call)}{' (loads its address)' if call.loads else ''}"
    yield from (printable(note) for note in notes)


def _function(call: Call) -> str:
    if call.function is not None:
        return printable(call.function)
    return "in a function without a name" + (
        f" at {call.function_start:#x}" if call.function_start is not None else "")


def calls_document(target: Dict[str, Any], function: str, calls: List[Call], notes: List[str]) -> str:
    """The JSON document of py-symbols -calls."""
    return _document("py-symbols", target, {
        "function": function, "calls": [{
            **call._asdict(), "address": f"{call.address:#x}",
            "function_start": f"{call.function_start:#x}" if call.function_start is not None else None}
            for call in calls], "notes": notes})


def _compiled(debug: Debug) -> str:
    words = [", ".join(debug.compilers[:2]), debug.optimisation, "LTO" if debug.lto else "",
             "profile (PGO)" if debug.profile else ""]
    return ", ".join(word for word in words if word)


def _loop(loop: Loop) -> str:
    words = [loop.dispatch or "dispatch not known"]
    if loop.split:
        words.append("part of it split off (.cold)")
    if loop.jit:
        words.append("JIT")
    if loop.lto:
        words.append("LTO")
    return ", ".join(words)


def table(images: List[Image]) -> Iterator[str]:
    """A row for each image, below the folder that it is in."""
    if not images:
        return
    rows = [(_status(image), _locals(image), (image.loaded_build_id or image.build_id or "none")[:DIGITS],
             printable(os.path.basename(image.path))) for image in images]
    widths = [max(width(row[index]) for row in [_HEADINGS, *rows]) for index in range(3)]
    yield _row(_HEADINGS, widths)
    for folder, group in groupby(zip(images, rows), key=lambda each: os.path.dirname(each[0].path)):
        yield printable(folder) + "/"
        for image, row in group:
            yield _row(row, widths)
            yield from (f"    {printable(line)}" for line in details(image))


def _row(cells: Any, widths: List[int]) -> str:
    return "  ".join([cell + " " * (room - width(cell)) for cell, room in zip(cells, widths)] + [cells[-1]]).rstrip()


def _status(image: Image) -> str:
    if image.debug is not None:
        return image.debug.status
    return "?" if image.problem else "-"


def _locals(image: Image) -> str:
    known = image.debug.locals if image.debug is not None else None
    return "-" if known is None else "yes" if known else "no"


def details(image: Image) -> Iterator[str]:
    """What is to be said of one image besides its row."""
    debug = image.debug
    if image.problem:
        yield image.problem
    if image.is_of_another_build:
        yield f"the file is of another build: it has build id {image.build_id}, mapped is {image.loaded_build_id}"
    elif image.deleted:
        same = image.build_id is not None and image.build_id == image.loaded_build_id
        yield "the file that is mapped was deleted" + (", and one of the same build is there" if same else "")
    if image.file is not None and image.file != image.path and not image.file.startswith("/proc/"):
        yield f"file {image.file}"
    if image.mapped_file is not None:
        yield f"what is mapped is {image.mapped_file}"
    if debug is None:
        return
    if debug.status == "separate":
        yield f"{debug.path} ({debug.how})"
    if debug.status == "mismatch" and debug.path != image.file:
        yield f"{debug.path}: {debug.problem}"
    elif debug.problem and debug.status != "mismatch":
        yield debug.problem
    if debug.compression and not debug.problem:
        yield f"compressed ({debug.compression})"
    if debug.supplement:
        yield f"with {debug.supplement_path or debug.supplement + ' (dwz), which is missing'}"
    if debug.split is not None and debug.split_missing is not None:
        yield from _split(debug.split, debug.split_missing)
    if debug.locals is False:
        yield "functions and lines only (-g1): no locals, no types"
    if debug.status == "missing" and debug.symbols and image.role == INTERPRETER:
        yield "names of functions only (.symtab)"
    if debug.status in ("embedded", "separate") and image.read_by_gdb is False:
        yield "gdb has not read it"


def _split(found: List[str], missing: List[str]) -> Iterator[str]:
    if not missing:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield f"split (-gsplit-dwarf), with {found[0]}{more}"
    else:
        yield (f"split (-gsplit-dwarf): of {len(found) + len(missing)} files {len(missing)} are missing, "
               f"as {missing[0]}")


# JSON.


def document(target: Optional[Dict[str, Any]], report: Report, host: Host, libpython: LibPython,
             everything: bool, advice: List[str], limit: Optional[int] = None) -> str:
    """The JSON document of py-symbols, with `limit` images at the most."""
    shown = [image for image in report.images if everything or image.is_python or not report.interpreters]
    return _document("py-symbols", target, {  # type: ignore[arg-type]
        "gdb": {"version": host.gdb, "python": host.python},
        "libpython": libpython._asdict(),
        "interpreters": [{**interpreter._asdict(), "virtual": interpreter.is_virtual}
                         for interpreter in report.interpreters],
        "refusal": report.refusal,
        "images": [_image_json(image) for image in shown[:limit]],
        "images_not_shown": len(report.images) - len(shown[:limit]),
        "notes": report.notes,
        "advice": advice,
    })


def _image_json(image: Image) -> Dict[str, Any]:
    return {
        "path": image.path,
        "file": image.file,
        "build_id": image.build_id,
        "loaded_build_id": image.loaded_build_id,
        "python": image.is_python,
        "role": image.role,
        "deleted": image.deleted,
        "replaced": image.is_of_another_build,
        "mapped_file": image.mapped_file,
        "problem": image.problem,
        "read_by_gdb": image.read_by_gdb,
        "debug": image.debug._asdict() if image.debug is not None else None,
        "evaluation_loop": image.loop._asdict() if image.loop is not None else None,
    }
