"""Looks at the files behind a process: what py-symbols and scripts/check_symbols have in common.

It is given what is mapped, and knows nothing of how that was learned; it runs without gdb.
"""

import os
import re
from itertools import islice
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from ..analysis.advice import Machine, release_of
from ..analysis.symbols import (
    EXECUTABLE,
    EXTENSION,
    INTERPRETER,
    NOT_HERE,
    OTHER,
    Debug,
    Image,
    Importer,
    Interpreter,
    Loop,
    Report,
    order,
)
from ..cpython import evaluation, find, process
from ..cpython.memory import Memory, Unreadable
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Runtime
from ..elf import calls, pyelftools
from ..elf.core import Core
from ..elf.places import Places
from ..target import processes
from ..target.mapped import MappedImage

# An extension module by its name, where the file can't be asked.
_EXTENSION = re.compile(r"\.(?:cpython-\d+\S*|abi3)\.so$|/(?:lib-dynload|site-packages|dist-packages)/.*\.so$")
# What an extension module defines (PEP 489), among the names of its dynamic symbols.
_INIT = b"\0PyInit_"
MAX_NAMES = 16 << 20
MAX_LOOP = 1 << 20

# Options of CPython's configure that change what a debugger meets.
_CONFIGURED = re.compile(r"--(?:with-(?:lto|pydebug|tail-call-interp|trace-refs|computed-gotos|mimalloc)"
                         r"|without-(?:computed-gotos|pymalloc)|enable-(?:optimizations|experimental-jit|bolt)"
                         r"|disable-gil)(?:=[\w-]+)?")
_CONFIG_ARGUMENTS = re.compile(r"'CONFIG_ARGS':((?:\s*[\"'].*[\"'])+)")
MAX_CONFIGURATION = 1 << 20


class Subject(NamedTuple):
    """What is looked at: a process or a core, of which `core` is what its file itself holds.

    `locate` gives the path on this machine of a mapped image's file, None if it is not here; `kept` what the
    kernel has of it, though it may have been deleted since. `root` is the folder that has the process's file
    system below it, "" where that is this machine's. `executable` is the path of the program that was
    started, `executable_file` where that is here. `read_by_gdb` tells whether gdb has opened an image's file,
    and `debug_file_of_gdb` the separate debug file that it has read for it; None where no gdb runs.
    """

    memory: Memory
    images: List[MappedImage]
    locate: Callable[[MappedImage], Optional[str]]
    root: str
    places: Places
    executable: Optional[str]
    core: Optional[Core] = None
    executable_file: Optional[str] = None
    kept: Callable[[MappedImage], Optional[str]] = lambda image: None
    read_by_gdb: Callable[[MappedImage], Optional[bool]] = lambda image: None
    debug_file_of_gdb: Callable[[MappedImage], Optional[str]] = lambda image: None


def survey(subject: Subject, opened: List[process.Python], refusal: Optional[str], everything: bool) -> Report:
    """The answer. Without `everything`, only Python's images are looked into."""
    notes = []
    try:
        pyelftools.provide()
        has_pyelftools = True
    except pyelftools.Missing as error:
        notes.append(str(error))
        has_pyelftools = False
    runtimes = {candidate.image.path for candidate in find.search(subject.images, subject.memory).candidates}
    found = []
    for image in _once(subject.images):
        role = _role(image, runtimes, subject)
        if everything or role != OTHER or not opened:
            found.append(_image(subject, image, role, has_pyelftools))
        else:
            found.append(_mapped_only(subject, image, role))
    return Report([_interpreter(python, subject) for python in opened], refusal, order(found), notes)


def _once(images: Iterable[MappedImage]) -> List[MappedImage]:
    """Each file once, though it may be mapped several times."""
    found = {}
    for image in images:
        found.setdefault(image.path, image)
    return list(found.values())


def _role(image: MappedImage, runtimes: set, subject: Subject) -> str:
    if image.path in runtimes:
        return INTERPRETER
    if image.path == subject.executable:
        return EXECUTABLE
    return EXTENSION if _EXTENSION.search(image.path) else OTHER


def _loaded_build_id(subject: Subject, image: MappedImage) -> Optional[str]:
    """That of what is mapped. A core that does not hold it has none: gdb would read it from the file."""
    if subject.core is not None and not subject.core.holds(image.base):
        return None
    return image.build_id()


def loaded_build_ids(subject: Subject) -> List[Tuple[MappedImage, Optional[str]]]:
    """Every mapped file once, and the build id of what is mapped."""
    return [(image, _loaded_build_id(subject, image)) for image in _once(subject.images)]


def likely_images(subject: Subject) -> List[Tuple[MappedImage, Optional[str]]]:
    """The images of the interpreters, then the program that was started, with their build ids."""
    runtimes = {candidate.image.path for candidate in find.search(subject.images, subject.memory).candidates}
    found = [each for each in loaded_build_ids(subject) if each[0].path in runtimes | {subject.executable}]
    return sorted(found, key=lambda each: each[0].path not in runtimes)


def _mapped_only(subject: Subject, image: MappedImage, role: str) -> Image:
    return Image(image.path, None, None, _loaded_build_id(subject, image), role, image.deleted, None, None)


def _image(subject: Subject, image: MappedImage, role: str, has_pyelftools: bool) -> Image:
    mapped = _mapped_only(subject, image, role)
    file = subject.locate(image)
    if not has_pyelftools:
        return mapped._replace(file=file, problem=NOT_HERE if file is None else None)

    def look(path: str) -> File:
        return look_into(Path(path), subject.places, _loop_code(image, subject.memory), loaded)

    loaded = subject.debug_file_of_gdb(image)
    found = look(file) if file is not None else File(None, NOT_HERE, None, None, False)
    mapped = mapped._replace(file=file, build_id=found.build_id, problem=found.problem)
    if file is None or not _is_mapped(image, found.build_id, mapped.loaded_build_id):
        mapped = mapped._replace(mapped_file=_file_of_mapped(subject, image, mapped.loaded_build_id))
        if mapped.mapped_file is not None:
            found = look(mapped.mapped_file)
        elif file is not None:
            # What it tells is not of what runs.
            problem = f"its build id is {found.build_id}" if mapped.is_of_another_build else "it is not what is mapped"
            found = found._replace(debug=Debug("mismatch", file, found.build_id, problem=problem), loop=None)
    is_read = subject.read_by_gdb(image)
    if is_read and found.debug is not None and found.debug.status == "separate":
        is_read = loaded is not None
    if found.is_extension and role == OTHER:
        role = EXTENSION
    return mapped._replace(role=role, debug=found.debug, loop=found.loop, read_by_gdb=is_read)


def _is_mapped(image: MappedImage, build_id: Optional[str], loaded_build_id: Optional[str]) -> bool:
    """Whether the file in an image's place is what is mapped, by build ids where both have one."""
    return build_id == loaded_build_id if build_id and loaded_build_id else not image.deleted


def _file_of_mapped(subject: Subject, image: MappedImage, build_id: Optional[str]) -> Optional[str]:
    """A file that is what is mapped, where that in its place is not; None if there is none.

    There has to be pyelftools. It is what the kernel keeps of a live process; of a core, the file as the core names
    it, or one that has been put under its build id.
    """
    from ..elf.image import Image as ElfFile
    from ..elf.image import ImageError

    kept = subject.kept(image)
    if kept is not None or build_id is None:
        return kept
    for path in subject.places.files(below_root(subject.root, image.path), build_id):
        try:
            with ElfFile(path) as file:
                if file.build_id() == build_id:
                    return str(path)
        except ImageError:
            continue
    return None


def _loop_code(image: MappedImage, memory: Memory) -> bytes:
    """The code of the evaluation loop's largest part, b"" where there is none."""
    ranges = evaluation.loop_ranges(image)
    if not ranges:
        return b""
    start, end = max(ranges, key=lambda each: each[1] - each[0])
    try:
        return memory.read(start, min(end - start, MAX_LOOP))
    except Unreadable:
        return b""


class File(NamedTuple):
    """What a file tells of itself."""

    build_id: Optional[str]
    problem: Optional[str]
    debug: Optional[Debug]
    loop: Optional[Loop]
    is_extension: bool


def look_into(path: Path, places: Places, loop_code: bytes = b"", loaded: Optional[str] = None) -> File:
    """An ELF file and its debug file, which is `loaded` where gdb has read one. There has to be pyelftools.

    A file that can't be read is told of.
    """
    from ..elf import debug_file
    from ..elf.image import Image as ElfFile
    from ..elf.image import ImageError

    build_id = None
    try:
        with ElfFile(path) as file:
            build_id = file.build_id()
            missing = file.missing_bytes()
            problem = f"truncated: {missing} bytes are missing" if missing else None
            if file.bits != 64 or file.order != "little":
                problem = f"{file.bits}-bit {file.order}-endian: gdbext reads 64-bit little-endian processes"
            names = file.contents(".dynstr", MAX_NAMES) or b""
            found = debug_file.find(file, places, Path(loaded) if loaded else None)
            debug, loop = _debug(file, found, places, loop_code)
            if not file.sections():
                problem = problem or "no section headers"
            return File(build_id, problem, debug, loop, _INIT in names)
    except ImageError as error:
        text = str(error)
        return File(build_id, text[len(f"{path}: "):] if text.startswith(f"{path}: ") else text, None, None, False)


def _debug(file, found, places: Places, loop_code: bytes) -> Tuple[Debug, Optional[Loop]]:  # type: ignore[no-untyped-def]
    """The debug information as data, and how the evaluation loop was compiled. Raises ImageError."""
    from contextlib import ExitStack

    from ..elf import debug_file, debug_info, evaluation_loop, split_dwarf
    from ..elf.image import Image as ElfFile
    from ..elf.image import ImageError

    debug = Debug(found.status, str(found.path) if found.path else None, found.build_id, found.how, found.problem,
                  found.symbols, found.compression)
    with ExitStack() as stack:
        described = None
        if found.status == debug_file.EMBEDDED:
            described = file
        elif found.status == debug_file.SEPARATE:
            described = stack.enter_context(ElfFile(found.path))
        if described is not None:
            shared = debug_file.supplement(described, places)
            common = None
            if shared is not None:
                debug = debug._replace(supplement=shared.name,
                                       supplement_path=str(shared.path) if shared.path else None)
                common = stack.enter_context(ElfFile(shared.path)) if shared.path else None
            told, rest = None, None
            try:
                if described.is_locked(".debug_info"):
                    debug = debug._replace(problem=f"compressed with {found.compression}, not looked into: this "
                                                   "Python can't unpack it")
                elif debug_info.is_split(described):
                    split = split_dwarf.find(described, places, file.path)
                    if split is not None:
                        debug = debug._replace(
                            split=[str(path) for path in ([split.package] if split.package else split.found)],
                            split_missing=[str(path) for path in split.missing])
                        rest = stack.enter_context(ElfFile(split.first)) if split.first else None
                told = debug_info.compilation(described, common, rest)
            except ImageError as error:
                debug = debug._replace(problem=str(error))
            if told is not None:
                debug = debug._replace(locals=told.locals, compilers=told.compilers, lto=told.lto,
                                       optimisation=told.optimisation, profile=told.profile)
        loop = evaluation_loop.of(file, described if described is not file else None, loop_code)
    return debug, Loop(*loop) if loop is not None else None


def _interpreter(python: process.Python, subject: Subject) -> Interpreter:
    candidate = python.runtime.candidate
    if candidate.globals is not None:
        how = "static variables of its exported functions"
    elif candidate.runtime_size is None:
        how = "the cookie of its debug offsets"
    else:
        how = "_PyRuntime in its dynamic symbols"
    source = python.runtime.layout.source
    layout = {"dwarf": "its own DWARF", "table": f"table of {source.table}"}.get(
        source.kind, f"table of {source.table} and its own offsets")
    executable, prefix, base = (_of_sys(python, name) for name in ("executable", "prefix", "base_prefix"))
    return Interpreter(
        python.version, python.path, python.identity.debug, python.identity.free_threaded, how, layout,
        python.exact, executable, prefix, base, _of_sys(python, "frozen", text=False) is not None,
        _is_embedded(executable, subject), _configured(base or prefix, python, subject))


def base_programs(pythons: List[process.Python]) -> List[str]:
    """Where the interpreters' own programs are installed, of which that of a virtual environment may be a copy."""
    found = []
    for python in pythons:
        prefix = _of_sys(python, "base_prefix")
        if prefix:
            found.append(f"{prefix}/bin/python{'.'.join(python.version.split('.')[:2])}")
    return found


def _of_sys(python: process.Python, name: str, text: bool = True) -> Optional[str]:
    """An attribute of sys; without `text` whether it is there: "" then."""
    runtime = python.runtime
    try:
        main = runtime.interpreters()[-1]
        address = runtime.dicts.get(runtime.reader.pointer(main.address, "PyInterpreterState", "sysdict"), name)
        if not address:
            return None
        return runtime.objects.text(address) if text else ""
    except READ_ERRORS:
        return None


def below_root(root: str, path: str) -> str:
    """Where a path of the process is on this machine."""
    from ..analysis.sources import below

    return below(root, path) if root else path


def _is_embedded(executable: Optional[str], subject: Subject) -> Optional[bool]:
    """Whether another program than sys.executable runs it; None where these files are not here."""
    if subject.executable is None or executable is None:
        return None
    if not executable:
        return True
    path = os.path.realpath(below_root(subject.root, executable))
    # A core's program by the name that the core has for it: gdb may have been given another file.
    if path == os.path.realpath(below_root(subject.root, subject.executable)):
        return False
    program = os.path.realpath(subject.executable_file or below_root(subject.root, subject.executable))
    if path == program:
        return False
    try:
        return not os.path.samefile(path, program)
    except OSError:
        return None


def _configured(prefix: Optional[str], python: process.Python, subject: Subject) -> Optional[List[str]]:
    """What its sysconfig says it was configured with (Lib/sysconfig.py), None where that file is not here."""
    if not prefix:
        return None
    version = ".".join(python.version.split(".")[:2])
    folder = Path(below_root(subject.root, f"{prefix}/lib/python{version}"))
    flags = ("d" if python.identity.debug else "") + ("t" if python.identity.free_threaded else "")
    try:
        files = sorted(folder.glob(f"_sysconfigdata_{flags}*.py"))
        # Of several builds in one folder, that whose name has no other build's flags.
        for file in files:
            if not flags and re.match(r"_sysconfigdata_[dtm]*[dt][dtm]*_", file.name):
                continue
            with file.open(encoding="utf-8", errors="replace") as stream:
                match = _CONFIG_ARGUMENTS.search(stream.read(MAX_CONFIGURATION))
            if match is not None:
                text = re.sub(r"[\"']\s*\n\s*[\"']", "", match.group(1))
                return list(dict.fromkeys(_CONFIGURED.findall(text)))
    except OSError:
        return None
    return None


def files_of_process(pid: int) -> Tuple[str, Callable[[MappedImage], Optional[str]],
                                        Callable[[MappedImage], Optional[str]]]:
    """Of a process of this machine: the folder that is its root, "" for this machine's own, what finds files,
    and what finds those that have lost their names.

    The kernel names mapped files as this process sees them, but for those of another mount namespace.
    """
    try:
        same = os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
        link = os.readlink(f"/proc/{pid}/root")
    except OSError:
        same, link = True, "/"
    root = f"/proc/{pid}/root" if not same else link.rstrip("/")

    def locate(image: MappedImage) -> Optional[str]:
        path = image.path
        if not same:
            # After a chroot in a mount namespace of its own, paths count from that namespace's root.
            inside = path[len(link):] if link != "/" and path.startswith(link + "/") else path
            path = below_root(root, inside)
        return path if os.path.exists(path) else None

    return root, locate, lambda image: processes.kept_file(pid, image.base)


def machine(subject: Subject, report: Report, pid: Optional[int], core: Optional[str]) -> Machine:
    """What is known of the target's machine, for advice. Whoever runs in gdb adds gdb's settings."""
    cut = lacks = filtered = 0
    if subject.core is not None:
        cut = subject.core.missing
        if not cut:
            files = {mapping.start for mapping in subject.core.mappings}
            # Files that are shared are left out by every filter in use.
            lacks = sum(each.size - each.held for each in subject.core.lacks() if each.address not in files)
            filtered = sum(not subject.core.holds(image.base) for image in _once(subject.images))
    # A core may come from another machine: that this one has its files shows that it does not.
    here = pid is not None or bool(subject.root) or any(
        image.build_id and image.build_id == image.loaded_build_id for image in report.images if image.is_python)
    return Machine(release=release(subject.root) if here else None, pid=pid, core=core, root=subject.root,
                   servers=os.environ.get("DEBUGINFOD_URLS", ""), cut=cut, lacks=lacks, filtered=filtered,
                   executable=subject.executable)


def release(root: str) -> Optional[Dict[str, str]]:
    """The os-release(5) of a root, None where it has none."""
    for name in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(below_root(root, name), encoding="utf-8", errors="replace") as file:
                return dict(release_of(file.read(MAX_CONFIGURATION)))
        except OSError:
            continue
    return None


def importers(subject: Subject, pythons: List[process.Python], function: str) -> Tuple[List[Importer], List[str]]:
    """The mapped files that import a C function, and why others could not be asked. There has to be pyelftools."""
    from ..elf.image import Image as ElfFile
    from ..elf.image import ImageError
    from ..elf.imports import imported

    modules = _modules_by_file(pythons)
    found, needed, notes = {}, {}, []
    for image, loaded in loaded_build_ids(subject):
        try:
            file = file_to_read(subject, image, loaded)
            if file is None:
                notes.append(f"{image.path}: what is mapped is no file that is here")
                continue
            with ElfFile(Path(file)) as elf:
                needed[image.path] = elf.needed()
                how = imported(elf, function)
        except ImageError as error:
            notes.append(str(error))
            continue
        if how is not None:
            found[image.path] = how.by, [slot + image.bias for slot in how.slots]
    return [Importer(path, by, slots, path in modules, modules.get(path) or _modules_that_need(path, needed, modules))
            for path, (by, slots) in sorted(found.items(), key=lambda each: (each[0] not in modules, each[0]))], notes


def file_to_read(subject: Subject, image: MappedImage, build_id: Optional[str]) -> Optional[str]:
    """A file that is what is mapped, None where there is none. There has to be pyelftools."""
    from ..elf.image import Image as ElfFile
    from ..elf.image import ImageError

    file = subject.locate(image)
    if file is not None:
        try:
            with ElfFile(Path(file)) as elf:
                found = elf.build_id()
            if _is_mapped(image, found, build_id):
                return file
        except ImageError:
            pass
    return _file_of_mapped(subject, image, build_id)


def _modules_that_need(path: str, needed: Dict[str, List[str]], modules: Dict[str, List[str]]) -> List[str]:
    """The modules whose files ask for a library, or for one that asks for it, and so on."""
    reached, names = {path}, {os.path.basename(path)}
    while True:
        more = {each for each, libraries in needed.items() if each not in reached
                and any(name == library or name.startswith(library + ".") for name in names for library in libraries)}
        if not more:
            break
        reached |= more
        names = {os.path.basename(each) for each in more}
    return sorted(name for each in reached for name in modules.get(each, ()))


# Modules of one interpreter: the largest programs have some ten thousand.
MAX_MODULES = 100_000


def _modules_by_file(pythons: List[process.Python]) -> Dict[str, List[str]]:
    """The names in sys.modules by their `__file__`, of all interpreters; links followed, as the kernel names files."""
    found: Dict[str, List[str]] = {}
    for python in pythons:
        runtime = python.runtime
        try:
            interpreters = runtime.interpreters()
        except READ_ERRORS:
            continue
        for interpreter in interpreters:
            try:
                items = islice(runtime.dicts.items(runtime.modules(interpreter)), MAX_MODULES)
                for key, module in items:
                    _add_module(runtime, key, module, found)
            except READ_ERRORS:
                continue
    return found


def _add_module(runtime: Runtime, key: int, module: int, found: Dict[str, List[str]]) -> None:
    try:
        runtime.objects.expect_exactly(module, "module")
        namespace = runtime.reader.pointer(module, "PyModuleObject", "md_dict")
        place = runtime.dicts.get(namespace, "__file__") if namespace else None
        path = runtime.objects.text(place) if place else ""
        name = runtime.objects.text(key)
    except READ_ERRORS:
        return
    if path.endswith(".so"):
        for each in {path, os.path.realpath(path)}:
            if name not in found.setdefault(each, []):
                found[each].append(name)


# Bytes of code of one image.
MAX_CODE = 256 << 20
# Sections that hold procedure linkage tables.
_LINKAGE = re.compile(r"\.i?plt(?:\.\w+)?$")


def call_sites(subject: Subject, importer: Importer) -> Iterator[Tuple[MappedImage, calls.Site]]:
    """What looks like a call in an image; a disassembly of x86-64 has to confirm it.

    There has to be pyelftools. Raises ImageError where the image's file can't be read any more.
    """
    from ..elf.image import Image as ElfFile

    image = next(image for image in subject.images if image.path == importer.path)
    file = file_to_read(subject, image, _loaded_build_id(subject, image))
    if file is None:
        return
    with ElfFile(Path(file)) as elf:
        machine = elf.machine
        linkage = [(image.bias + section["sh_addr"], image.bias + section["sh_addr"] + section["sh_size"])
                   for name, section in elf.sections().items() if _LINKAGE.match(name)]
    if machine not in calls.MACHINES:
        return
    for start, end in image.code:
        try:
            code = subject.memory.read(start, min(end - start, MAX_CODE))
        except Unreadable:
            continue
        yield from ((image, site) for site in calls.candidates(machine, code, start, set(importer.slots), linkage))
