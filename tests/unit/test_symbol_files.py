"""Debug information of files, as strip, objcopy and the compiler leave them, against what readelf says."""

import contextlib
import importlib.util
import os
import random
import shutil
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from subprocess import CalledProcessError
from typing import Callable, Iterator, List, Tuple

import elftools
import pytest

from gdbext.commands import survey
from gdbext.elf import debug_file, debug_info
from gdbext.elf.core import Core, CoreError
from gdbext.elf.image import Image, ImageError, guarded
from gdbext.elf.places import Places, by_build_id, fetched_by_debuginfod
from tests.support import elf_files, packages
from tests.support.elf_files import compile_to, run

# Mutated files that are read, and the seconds that one may take: a hang would take all of them.
MUTATIONS = 10_000
MOST_SECONDS = 2


@pytest.fixture(autouse=True)
def _needs_tools() -> None:
    reason = elf_files.missing_tools()
    if reason:
        pytest.skip(reason)


def look(path: Path, *directories: Path, fetched: List[Path] = []) -> survey.File:  # noqa: B006
    """What is known of a file; its build id is what readelf reads."""
    found = survey.look_into(path, Places(directories, fetched))
    assert found.build_id == elf_files.build_id(path)
    return found


def test_embedded(tmp_path: Path) -> None:
    """-g -O2: all is there, and so are the compiler's options."""
    found = look(compile_to(tmp_path / "program", "-g", "-O2"))
    assert found.problem is None and found.debug is not None
    assert found.debug.status == "embedded" and found.debug.path == str(tmp_path / "program")
    assert found.debug.locals is True
    assert found.debug.optimisation == "-O2" and not found.debug.lto and not found.debug.profile
    version = run("gcc", "-dumpfullversion").strip()
    assert len(found.debug.compilers) == 1 and version in found.debug.compilers[0]


@pytest.mark.parametrize("option", ["-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5", "-gdwarf64"])
def test_versions_of_dwarf(tmp_path: Path, option: str) -> None:
    """Their compile units begin differently."""
    try:
        program = compile_to(tmp_path / "program", "-g", option, "-O0")
    except CalledProcessError:
        pytest.skip("gcc %s knows no %s" % (run("gcc", "-dumpfullversion").strip(), option))
    found = look(program)
    assert found.debug is not None and found.debug.locals is True and found.debug.optimisation == "-O0"


@pytest.mark.parametrize("option", ["-gdwarf-4", "-gdwarf-5"])
def test_lines_only(tmp_path: Path, option: str) -> None:
    """-g1 has functions and lines, and nothing of variables."""
    path = compile_to(tmp_path / "program", option, "-g1")
    found = look(path)
    assert found.debug is not None and found.debug.status == "embedded"
    assert found.debug.locals is False
    assert "DW_TAG_formal_parameter" not in run("readelf", "--debug-dump=info", str(path))


def test_lto(tmp_path: Path) -> None:
    """The option that the compiler has recorded."""
    found = look(compile_to(tmp_path / "program", "-g", "-O2", "-flto"))
    assert found.debug is not None and found.debug.lto


def test_none(tmp_path: Path) -> None:
    """-g0 leaves names of functions; strip -s nothing."""
    path = compile_to(tmp_path / "program", "-g0")
    found = look(path)
    assert found.debug is not None and found.debug.status == "missing" and found.debug.symbols
    assert found.debug.locals is None and found.debug.path is None
    run("strip", "-s", str(path))
    found = look(path)
    assert found.debug is not None and found.debug.status == "missing" and not found.debug.symbols


def test_strip_debug(tmp_path: Path) -> None:
    """strip -g leaves .symtab."""
    path = compile_to(tmp_path / "program", "-g")
    run("strip", "-g", str(path))
    found = look(path)
    assert found.debug is not None and found.debug.status == "missing" and found.debug.symbols


@pytest.mark.parametrize("place", ["beside", ".debug", "directory"])
def test_debug_link(tmp_path: Path, place: str) -> None:
    """A file with the name and the checksum of .gnu_debuglink, in each of the places where gdb looks."""
    folder, directory = tmp_path / "bin", tmp_path / "debug"
    folder.mkdir()
    path = compile_to(folder / "program", "-g", "-Wl,--build-id=none")
    debug = {"beside": folder, ".debug": folder / ".debug", "directory": Path("%s%s" % (directory, folder))}[place]
    elf_files.split(path, debug / "program.debug", link=True)
    found = look(path, directory)
    assert found.debug is not None and found.debug.status == "separate"
    assert found.debug.path == str(debug / "program.debug") and found.debug.locals is True
    # Through a link, the folder is that of the file itself.
    (tmp_path / "link").symlink_to(path)
    assert look(tmp_path / "link", directory).debug == found.debug


def test_wrong_checksum(tmp_path: Path) -> None:
    """A debug file of another build is refused, and named."""
    path = compile_to(tmp_path / "program", "-g", "-Wl,--build-id=none")
    elf_files.split(path, tmp_path / "program.debug", link=True)
    other = compile_to(tmp_path / "other", "-g", "-O3", "-Wl,--build-id=none")
    shutil.copy(other, tmp_path / "program.debug")
    found = look(path)
    assert found.debug is not None and found.debug.status == "mismatch"
    assert found.debug.path == str(tmp_path / "program.debug")
    assert found.debug.problem is not None and "checksum" in found.debug.problem


def test_build_id_folder(tmp_path: Path) -> None:
    """DIRECTORY/.build-id/xx/yyyy.debug; one of another build there is refused."""
    path = compile_to(tmp_path / "program", "-g")
    build_id = elf_files.build_id(path)
    assert build_id is not None
    debug = by_build_id(tmp_path / "debug", build_id)
    assert str(debug) == "%s/debug/.build-id/%s/%s.debug" % (tmp_path, build_id[:2], build_id[2:])
    elf_files.split(path, debug, link=False)
    found = look(path, tmp_path / "nowhere", tmp_path / "debug")
    assert found.debug is not None and found.debug.status == "separate" and found.debug.path == str(debug)
    assert found.debug.build_id == build_id == elf_files.build_id(debug)
    other = compile_to(tmp_path / "other", "-g", "-O3")
    shutil.copy(other, debug)
    found = look(path, tmp_path / "debug")
    assert found.debug is not None and found.debug.status == "mismatch"
    assert found.debug.build_id == elf_files.build_id(other)


def test_fetched_by_debuginfod(tmp_path: Path) -> None:
    """CACHE/BUILD-ID/debuginfo."""
    path = compile_to(tmp_path / "program", "-g")
    build_id = elf_files.build_id(path)
    elf_files.split(path, tmp_path / "cache" / "debuginfod_client" / str(build_id) / "debuginfo", link=False)
    for environment in ({"XDG_CACHE_HOME": str(tmp_path / "cache")},
                        {"DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache" / "debuginfod_client")}):
        found = look(path, fetched=fetched_by_debuginfod(environment))
        assert found.debug is not None and found.debug.status == "separate"
        assert found.debug.how == "fetched by debuginfod"


@pytest.mark.parametrize("how", ["zlib", "zlib-gnu"])
def test_compressed(tmp_path: Path, how: str) -> None:
    """Sections that are flagged, or with the older names."""
    plain = compile_to(tmp_path / "plain", "-g")
    path = tmp_path / "compressed"
    run("objcopy", "--compress-debug-sections=%s" % how, str(plain), str(path))
    found = look(path)
    assert found.debug is not None and found.debug.status == "embedded"
    assert (".zdebug_info" in elf_files.sections(path)) == (how == "zlib-gnu")
    if found.debug.compression is None:
        # binutils leaves what would not be smaller.
        listed = [line for line in elf_files.sections(path).splitlines() if ".debug_info" in line]
        assert listed and not listed[0].split("]")[1].split()[6].startswith("C")
    else:
        assert found.debug.compression == how
    assert found.debug.locals is True and found.debug.optimisation == "-O0"


def test_unpacked_as_objcopy_does(tmp_path: Path) -> None:
    """The contents of compressed sections are those before."""
    source = elf_files.SOURCE + "".join(
        "int function_%d(int x) { int y = x * %d; return y; }\n" % (index, index) for index in range(200))
    plain = compile_to(tmp_path / "plain", "-g", source=source)
    for how in ("zlib", "zlib-gnu"):
        path = tmp_path / how
        run("objcopy", "--compress-debug-sections=%s" % how, str(plain), str(path))
        with Image(plain) as before, Image(path) as after:
            name = ".zdebug_info" if how == "zlib-gnu" else ".debug_info"
            assert after.compression(name) == how
            assert after.contents(name) == before.contents(".debug_info")


@pytest.fixture
def zstd(tmp_path: Path) -> Path:
    """A program with debug information that is compressed so."""
    path = compile_to(tmp_path / "plain", "-g", source=elf_files.SOURCE + "".join(
        "int function_%d(int x) { int y = x * %d; return y; }\n" % (index, index) for index in range(200)))
    try:
        run("objcopy", "--compress-debug-sections=zstd", str(path), str(tmp_path / "zstd"))
    except subprocess.CalledProcessError:
        pytest.skip("this objcopy does not compress with zstd")
    return tmp_path / "zstd"


def test_zstd_that_can_not_be_unpacked(zstd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.14, without a package of PyPI's: it is said."""
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    found = look(zstd)
    assert found.problem is None and found.debug is not None
    assert (found.debug.status, found.debug.compression, found.debug.locals) == ("embedded", "zstd", None)
    assert str(found.debug.problem).startswith("compressed with zstd, not looked into")


def test_zstd(zstd: Path, tmp_path: Path) -> None:
    """With either of the two modules, the contents are those before."""
    if not any(importlib.util.find_spec(name) for name in ("compression", "zstandard")):
        pytest.skip("this Python has neither compression.zstd (3.14) nor zstandard")
    with Image(tmp_path / "plain") as before, Image(zstd) as after:
        assert after.compression(".debug_info") == "zstd"
        assert after.contents(".debug_info") == before.contents(".debug_info")
        assert after.contents(".debug_info", 100) == before.contents(".debug_info", 100)
    found = look(zstd)
    assert found.debug is not None and found.debug.locals is True and found.debug.problem is None


@pytest.mark.parametrize("option", ["-gdwarf-4", "-gdwarf-5"])
def test_split(tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """-gsplit-dwarf: the rest is in .dwo files, of which one may be missing or of another compilation."""
    # gcc writes them beside the program only since gcc 11.
    monkeypatch.chdir(tmp_path)
    second = tmp_path / "second.c"
    second.write_text("int second(int argument) { int local = argument * 2; return local; }\n")
    path = compile_to(tmp_path / "program", option, "-gsplit-dwarf", "-O2", str(second))
    files = sorted(tmp_path.glob("*.dwo"))
    assert len(files) == 2
    listed = run("readelf", "--debug-dump=info", "--debug-dump=no-follow-links", str(path))
    # Older readelfs do not follow the forms of DWARF 5 to the names.
    assert all(each.name.encode() in path.read_bytes() for each in files)
    assert "DW_TAG_formal_parameter" not in listed.split(".dwo section")[0]
    found = look(path).debug
    assert found is not None and found.status == "embedded" and found.locals is True
    assert sorted(found.split or []) == [str(each) for each in files] and found.split_missing == []
    assert found.optimisation == "-O2"
    # Another compilation's has another ID.
    kept = files[0].read_bytes()
    shutil.copy(files[1], files[0])
    found = look(path).debug
    assert found is not None and (found.split, found.split_missing) == ([str(files[1])], [str(files[0])])
    assert found.locals is True
    for each in files:
        each.unlink()
    found = look(path).debug
    assert found is not None and found.split == [] and sorted(found.split_missing or []) == list(map(str, files))
    assert found.locals is None and found.problem is None
    # All of them in one file, beside the program.
    (tmp_path / "program.dwp").write_bytes(kept)
    found = look(path).debug
    assert found is not None and (found.split, found.split_missing) == ([str(tmp_path / "program.dwp")], [])
    assert found.locals is True


def test_supplement(tmp_path: Path) -> None:
    """.gnu_debugaltlink, as dwz writes it: a path and a build id."""
    path = compile_to(tmp_path / "program", "-g")
    common = compile_to(tmp_path / "common", "-g", "-O3")
    build_id = elf_files.build_id(common)
    assert build_id is not None
    (tmp_path / "link").write_bytes(b"common\0" + bytes.fromhex(build_id))
    run("objcopy", "--add-section", ".gnu_debugaltlink=%s" % (tmp_path / "link"), str(path))
    found = look(path)
    assert found.debug is not None and found.debug.supplement == "common"
    assert found.debug.supplement_path == str(common)
    assert found.debug.optimisation == "-O0, -O3"
    # One of another build is not it.
    compile_to(tmp_path / "common", "-g", "-O1")
    assert look(path).debug._replace(optimisation="") == found.debug._replace(  # type: ignore[union-attr]
        optimisation="", supplement_path=None)


@pytest.mark.parametrize("separate", [False, True])
def test_dwz(tmp_path: Path, separate: bool) -> None:
    """What dwz itself makes of two files with common types: of programs, and of their debug files."""
    (tmp_path / "common.h").write_text("struct point { int x, y; };\n" + "".join(
        "struct kind_%d { int first; struct point all[%d]; };\n" % (index, index + 1) for index in range(100)))
    source = '#include "%s"\n' % (tmp_path / "common.h") + "".join(
        "int function_%d(struct kind_%d *of) { int x = of->first; return x + of->all[0].x; }\n" % (index, index)
        for index in range(100)) + "int main(void) { return %d; }\n"
    programs = [compile_to(tmp_path / name, "-g", "-O2", source=source % number)
                for number, name in enumerate(("one", "two"))]
    files = [path.with_suffix(".debug") for path in programs] if separate else programs
    if separate:
        for path, debug in zip(programs, files):
            elf_files.split(path, debug, link=False)
    common = tmp_path / "common" / "types.debug"
    common.parent.mkdir()
    try:
        elf_files.dwz("-m", str(common), "-M", str(common), *map(str, files))
    except packages.NotAvailable as error:
        pytest.skip(str(error))
    assert ".debug_info" in elf_files.sections(common)
    for path, debug in zip(programs, files):
        assert ".gnu_debugaltlink" in elf_files.sections(debug)
        if separate:
            # dwz has changed the file: its checksum is that of now.
            run("objcopy", "--add-gnu-debuglink=%s" % debug, str(path))
        found = look(path)
        assert found.debug is not None and found.debug.status == ("separate" if separate else "embedded")
        assert found.debug.path == str(debug)
        assert found.debug.supplement == found.debug.supplement_path == str(common)
        assert found.debug.locals is True and found.debug.optimisation == "-O2"
        with Image(debug) as image:
            named = image.supplement()
        assert named is not None and named.build_id == elf_files.build_id(common)
        # readelf follows the link by itself, and complains where it can't.
        assert "types.debug" in run("readelf", "--debug-dump=links", str(debug))
    common.unlink()
    found = look(programs[0])
    assert found.debug is not None and found.debug.supplement == str(common) and found.debug.supplement_path is None


# Bad input.


def complaint(path: Path) -> str:
    """What is said of a file that can't be read: one line."""
    found = survey.look_into(path, Places(()))
    assert found.problem is not None and "\n" not in found.problem
    return found.problem


def test_no_elf_file(tmp_path: Path) -> None:
    """Text, nothing, a folder, a FIFO, a path that is none."""
    (tmp_path / "text").write_text("#!/bin/sh\n")
    (tmp_path / "empty").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    assert complaint(tmp_path / "text") == complaint(tmp_path / "empty") == "not an ELF file"
    assert complaint(tmp_path / "fifo") == complaint(tmp_path) == "no regular file"
    assert complaint(tmp_path / "nothing") == "No such file or directory"
    assert "null" in complaint(Path("a\0b"))


def test_other_machines(tmp_path: Path) -> None:
    """They are told of, with what they have; gdbext does not read their processes."""
    path = tmp_path / "program.o"
    code = tmp_path / "program.c"
    code.write_text(elf_files.SOURCE)
    run("gcc", "-m32", "-g", "-c", "-o", str(path), str(code))
    assert complaint(path).startswith("32-bit little-endian")
    raw = bytearray(64)
    raw[:7] = b"\x7fELF\x02\x02\x01"
    raw[16:20] = struct.pack(">HH", 2, 22)
    (tmp_path / "big").write_bytes(raw)
    assert complaint(tmp_path / "big").startswith("64-bit big-endian")


def test_truncated_anywhere(tmp_path: Path) -> None:
    """At the boundary of each section: that it is said, and the build id as long as that is there."""
    path = compile_to(tmp_path / "program", "-g")
    build_id = elf_files.build_id(path)
    data = path.read_bytes()
    with Image(path) as image:
        sections = list(image.sections().values())
        note = image.sections()[".note.gnu.build-id"]
        after_note = note["sh_offset"] + note["sh_size"]
    boundaries = {section["sh_offset"] + extra for section in sections for extra in (0, section["sh_size"])
                  if section["sh_type"] != "SHT_NOBITS"}
    cut = tmp_path / "cut"
    for boundary in sorted(boundaries):
        for end in (boundary - 1, boundary, boundary + 1):
            if not 0 <= end < len(data):
                continue
            cut.write_bytes(data[:end])
            found = survey.look_into(cut, Places(()))
            assert found.problem is not None, end
            if end >= after_note:
                assert found.build_id == build_id and "truncated: %d bytes" % (len(data) - end) in found.problem


def test_without_section_headers(tmp_path: Path) -> None:
    """As sstrip leaves a file: the build id is found by segments."""
    path = compile_to(tmp_path / "program", "-g")
    build_id = elf_files.build_id(path)
    data = bytearray(path.read_bytes())
    data[40:48] = bytes(8)
    data[58:64] = bytes(6)
    path.write_bytes(data)
    found = survey.look_into(path, Places(()))
    assert found.build_id == build_id and found.problem == "no section headers"
    assert found.debug is not None and found.debug.status == "missing"


def test_no_permission(tmp_path: Path) -> None:
    """Another user's file."""
    path = compile_to(tmp_path / "program", "-g")
    path.chmod(0)
    if os.access(path, os.R_OK):
        # root reads everything: asked as somebody else, who has opened the folders before.
        code = ("import os, sys; sys.path[:0] = sys.argv[2:]\n"
                "from pathlib import Path\n"
                "from gdbext.commands import survey\nfrom gdbext.elf.places import Places\n"
                "import gdbext.elf.debug_file, gdbext.elf.debug_info, gdbext.elf.evaluation_loop, contextlib\n"
                "os.chdir(os.path.dirname(sys.argv[1])); os.setgid(65534); os.setuid(65534)\n"
                "print(survey.look_into(Path(os.path.basename(sys.argv[1])), Places(())).problem)")
        said = run(sys.executable, "-c", code, str(path), *sys.path).strip()
    else:
        said = complaint(path)
    assert said == "Permission denied"


def mutated(data: bytes, choose: random.Random) -> bytes:
    """Some bytes changed, of headers more often than of the rest; or the file cut."""
    changed = bytearray(data)
    for _ in range(choose.randint(1, 6)):
        spot = choose.random()
        if spot < 0.4:
            at = choose.randrange(64)
        elif spot < 0.7:
            at = len(changed) - 1 - choose.randrange(min(len(changed), 64 * 12))
        else:
            at = choose.randrange(len(changed))
        changed[at % len(changed)] = choose.choice((0, 1, 0x7F, 0x80, 0xFF, choose.randrange(256)))
    return bytes(changed[:choose.randrange(len(changed))] if choose.random() < 0.1 else changed)


@contextlib.contextmanager
def in_memory() -> Iterator[Tuple[Path, Callable[[bytes], None]]]:
    """A file without a disk below it, and what gives it contents: thousands of them would take a disk minutes."""
    descriptor = os.memfd_create("mutated")

    def write(data: bytes) -> None:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, data, 0)

    try:
        yield Path("/proc/%d/fd/%d" % (os.getpid(), descriptor)), write
    finally:
        os.close(descriptor)


def small_file(folder: Path) -> Path:
    """An ELF file with little besides what is looked at, so that mutations meet it."""
    code = folder / "small.c"
    code.write_text("int _PyEval_EvalFrameDefault(int x) { return x; }\n")
    path = folder / "small.so"
    run("gcc", "-g", "-Os", "-shared", "-nostdlib", "-fno-asynchronous-unwind-tables", "-Wl,--build-id=md5",
        "-Wl,-z,noseparate-code", "-Wl,--hash-style=gnu", "-o", str(path), str(code))
    (folder / "alt").write_bytes(b"common\0" + bytes(range(20)))
    (folder / "link").write_bytes(b"small.debug\0" + bytes(4))
    run("objcopy", "--add-section", ".gnu_debugaltlink=%s" % (folder / "alt"),
        "--add-section", ".gnu_debuglink=%s" % (folder / "link"), "--compress-debug-sections=zlib",
        *("--remove-section=%s" % name for name in (".comment", ".debug_line", ".debug_aranges", ".eh_frame")),
        str(path))
    return path


def test_mutated_files(tmp_path: Path) -> None:
    """Whatever a file holds, it costs a line and no time: no exception gets out."""
    data = small_file(tmp_path).read_bytes()
    choose = random.Random(0)
    problems = worst = 0.0
    with in_memory() as (path, write):
        for _ in range(MUTATIONS):
            write(mutated(data, choose))
            start = time.process_time()
            found = survey.look_into(path, Places((tmp_path,)))
            worst = max(worst, time.process_time() - start)
            problems += found.problem is not None
    assert worst < MOST_SECONDS
    # Most were damaged where it shows; without that, nothing would have been tried.
    assert MUTATIONS // 20 < problems < MUTATIONS


def test_own_mistakes_are_no_damage() -> None:
    """What our code raises gets out; what a parser raises that it called is the file's fault."""
    for package, expected in (("gdbext.elf", AttributeError), ("elftools.elf", ImageError)):
        with pytest.raises(expected):
            guarded(Path("file"), lambda package=package: eval("None.nothing", {"__package__": package}))


def test_mutated_cores(tmp_path: Path) -> None:
    """A core's headers and notes too."""
    notes = b""
    for kind, payload in ((3, bytes(56) + b"program" + bytes(73)),
                          (6, struct.pack("<QQQQ", 3, 0x400040, 0, 0)),
                          (0x46494C45, struct.pack("<5Q", 1, 4096, 0x400000, 0x401000, 0) + b"/bin/program\0")):
        payload += bytes(-len(payload) % 4)
        notes += struct.pack("<III", 5, len(payload), kind) + b"CORE\0\0\0\0" + payload
    start = 64 + 2 * 56
    data = (b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
            + struct.pack("<IIQQQQQQ", 4, 0, start, 0, 0, len(notes), 0, 4)
            + struct.pack("<IIQQQQQQ", 1, 6, start + len(notes), 0x400000, 0, 64, 4096, 1) + notes + bytes(range(64)))
    path = tmp_path / "core"
    path.write_bytes(data)
    with Core(path) as core:
        assert core.arguments.endswith("program") and core.program_headers == 0x400040
        assert core.mappings[0].path == "/bin/program" and core.missing == 0
        assert core.read(0x400001, 3) == b"\1\2\3" and core.read(0x40003F, 2) is None
        assert [segment.address for segment in core.lacks()] == [0x400000]
    choose = random.Random(0)
    refused = 0
    with in_memory() as (mutation, write):
        for _ in range(MUTATIONS // 4):
            write(mutated(data, choose))
            try:
                with Core(mutation) as core:
                    core.read(0x400000, 64)
                    core.lacks()
            except CoreError:
                refused += 1
    assert 0 < refused < MUTATIONS // 4


def test_a_file_that_grows_when_unpacked(tmp_path: Path) -> None:
    """No more is unpacked than was asked for."""
    path = compile_to(tmp_path / "program", "-g0")
    bomb = zlib.compress(bytes(64 << 20), 9)
    (tmp_path / "bomb").write_bytes(b"ZLIB" + (1 << 40).to_bytes(8, "big") + bomb)
    run("objcopy", "--add-section", ".zdebug_info=%s" % (tmp_path / "bomb"), str(path))
    with Image(path) as image:
        contents = image.contents(".zdebug_info", 1000)
        assert contents == bytes(1000)


def test_readelf_agrees(tmp_path: Path) -> None:
    """On files of this machine: build id and whether there is DWARF."""
    for path in map(Path, filter(None, map(shutil.which, elf_files.TOOLS))):
        found = look(path)
        assert found.debug is not None
        assert (found.debug.status == "embedded") == (".debug_info" in elf_files.sections(path))


def test_compilation_without_dwarf(tmp_path: Path) -> None:
    with Image(compile_to(tmp_path / "program", "-g0")) as image:
        assert debug_info.compilation(image) is None


def test_a_file_is_not_its_own_debug_file(tmp_path: Path) -> None:
    """A .gnu_debuglink with the file's own name."""
    path = compile_to(tmp_path / "program", "-g0")
    (tmp_path / "link").write_bytes(b"program\0" + bytes(4))
    run("objcopy", "--add-section", ".gnu_debuglink=%s" % (tmp_path / "link"), str(path))
    found = look(path)
    assert found.debug is not None and found.debug.status == debug_file.MISSING
    with pytest.raises(ImageError, match="not an ELF file"):
        Image(tmp_path / "link")


def test_pyelftools_for_a_newer_python(tmp_path: Path) -> None:
    """One that this Python finds and cannot compile is as good as none, which is one line."""
    package = tmp_path / "elftools" / "elf"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "elffile.py").write_text("newer syntax\n")
    code = ("import sys; sys.path[:0] = sys.argv[1:]\n"
            "from gdbext.elf import pyelftools\n"
            "pyelftools._environments = lambda: iter(%s)\n"
            "try:\n    pyelftools.provide()\n    import elftools; print(elftools.__file__)\n"
            "except pyelftools.Missing as missing:\n    print(missing)")
    repository = str(Path(survey.__file__).parents[2])
    version = "%d.%d" % sys.version_info[:2]
    said = run(sys.executable, "-c", code % "()", str(tmp_path), repository)
    assert said.count("\n") == 1 and "Python %s cannot run its pyelftools" % version in said
    # That of the project's environment is taken instead.
    installed = Path(elftools.__file__)
    where = "[pyelftools.Path(%r)]" % str(installed.parents[1])
    assert run(sys.executable, "-c", code % where, str(tmp_path), repository).strip() == str(installed)
