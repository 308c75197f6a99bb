"""What is known of the files behind a process, as data: images, their debug information, the interpreters."""

from typing import List, NamedTuple, Optional

# What an image is to Python.
INTERPRETER, EXECUTABLE, EXTENSION, OTHER = "interpreter", "executable", "extension", "other"

# The problem of an image whose file is not there.
NOT_HERE = "the file is not here"


class Debug(NamedTuple):
    """The debug information of an image's file.

    `status` is "embedded", "separate", "missing" or "mismatch"; `path` and `build_id` are those of the file
    that has it, or for "mismatch" of the one that is of another build, and `problem` says how that shows.
    `supplement` is the file that dwz has put common parts into, `supplement_path` where it is. `locals` is
    False where only functions and lines are described (-g1), None where that is not known; `symbols` tells
    of names of functions (.symtab). `split` are the files that have the DWARF of units compiled with
    -gsplit-dwarf, `split_missing` those of them that are not there; None where nothing is split.
    """

    status: str
    path: Optional[str] = None
    build_id: Optional[str] = None
    how: Optional[str] = None
    problem: Optional[str] = None
    symbols: bool = False
    compression: Optional[str] = None
    supplement: Optional[str] = None
    supplement_path: Optional[str] = None
    locals: Optional[bool] = None
    compilers: List[str] = []
    optimisation: str = ""
    lto: bool = False
    profile: bool = False
    split: Optional[List[str]] = None
    split_missing: Optional[List[str]] = None


class Loop(NamedTuple):
    """How the evaluation loop was compiled; each None where that does not show. `size` is in bytes."""

    dispatch: Optional[str]
    split: Optional[bool]
    jit: Optional[bool]
    lto: Optional[bool]
    size: int


class Image(NamedTuple):
    """A mapped file: `path` as the process names it, `file` where that is on this machine, None if nowhere.

    `build_id` is the file's, `loaded_build_id` that of what is mapped. Where the file is not what is mapped,
    `mapped_file` is one that is, None where there is none. `problem` says why the file could not be looked
    into. `debug` and `loop` are those of what is mapped; `debug` is None where nothing could be looked into,
    or was not because there is no pyelftools. `read_by_gdb` tells whether gdb has read debug information for
    it, None where no gdb runs.
    """

    path: str
    file: Optional[str]
    build_id: Optional[str]
    loaded_build_id: Optional[str]
    role: str
    deleted: bool
    problem: Optional[str]
    debug: Optional[Debug]
    loop: Optional[Loop] = None
    read_by_gdb: Optional[bool] = None
    mapped_file: Optional[str] = None

    @property
    def is_python(self) -> bool:
        """Whether it is the interpreter, the program that runs it, or an extension module."""
        return self.role != OTHER

    @property
    def is_of_another_build(self) -> bool:
        """Whether the file is not what is mapped: replaced, or of another machine."""
        return bool(self.build_id and self.loaded_build_id and self.build_id != self.loaded_build_id)


class Interpreter(NamedTuple):
    """A CPython of the process, as it describes itself.

    `runtime` says how it was found, `layout` how it is read. `configured` are options of its configure that
    matter here, None where they are not known. `is_embedded` is None where it can't be told.
    """

    version: str
    path: str
    debug_build: bool
    free_threaded: bool
    runtime: str
    layout: str
    exact: bool
    executable: Optional[str]
    prefix: Optional[str]
    base_prefix: Optional[str]
    is_frozen: bool
    is_embedded: Optional[bool]
    configured: Optional[List[str]]

    @property
    def is_virtual(self) -> bool:
        """Whether it runs in a virtual environment."""
        return bool(self.prefix and self.base_prefix and self.prefix != self.base_prefix)


class Importer(NamedTuple):
    """A mapped file that imports a C function, and how: "PLT" (called), "GOT", "data" (its address is kept).

    `slots` are the addresses in memory of the entries that the dynamic linker has filled; `modules`
    are the Python modules that the file is, or if it is a library, those that need it.
    """

    path: str
    by: List[str]
    slots: List[int]
    is_module: bool
    modules: List[str]


class Call(NamedTuple):
    """A place in the code that calls an imported function, or where `loads` that loads its address.

    `function` is the one that it is in, None where that has no name, and `function_start` where that one
    begins, None where that is not known: an address.
    """

    path: str
    address: int
    function: Optional[str]
    function_start: Optional[int]
    loads: bool
    modules: List[str]


class Report(NamedTuple):
    """All of it. `refusal` says why no interpreter can be read; `notes` what could not be looked into."""

    interpreters: List[Interpreter]
    refusal: Optional[str]
    images: List[Image]
    notes: List[str]


def order(images: List[Image]) -> List[Image]:
    """Python's images first, the interpreter before all, then by path."""
    ranks = {INTERPRETER: 0, EXECUTABLE: 1, EXTENSION: 2, OTHER: 3}
    return sorted(images, key=lambda image: (ranks[image.role], image.path))
