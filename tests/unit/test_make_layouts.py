"""scripts/make_layouts: C types from DWARF and from headers, and the tables that it writes."""

import importlib.util
import json
import re
import shutil
import subprocess
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

pytest.importorskip("elftools", reason="the script needs pyelftools")

from gdbext.elf.image import Image, ImageError
from gdbext.elf.types import find_definitions, members
from gdbext.layout.schema import STRUCTS, Wanted, flatten

ROOT = Path(__file__).resolve().parents[2]
TABLES = sorted((ROOT / "gdbext" / "layout" / "tables").glob("*.json"))

loader = SourceFileLoader("make_layouts", str(ROOT / "scripts" / "make_layouts"))
make_layouts = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_layouts", loader))
loader.exec_module(make_layouts)

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def installations():
    """Folders of pyenv's interpreters of which there is a table, by version."""
    folders = (Path.home() / ".pyenv" / "versions").glob("3.*")
    return {folder.name: folder for folder in folders if any(path.stem == folder.name for path in TABLES)}


def headers_of(folder):
    return next(folder.glob("include/python3*"))


INSTALLATIONS = installations()
each_installation = pytest.mark.parametrize("version", [
    pytest.param(version, id=version) for version in sorted(INSTALLATIONS)
] or [pytest.param("", marks=pytest.mark.skip(reason="no interpreter of pyenv here has a table"))])


def table_of(version):
    return json.loads((ROOT / "gdbext" / "layout" / "tables" / f"{version}.json").read_text())


def plain(table):
    """A table as it is once written and read."""
    return json.loads(make_layouts.to_json(table))


@pytest.fixture
def compile_c(tmp_path):
    """Compile C text; returns the path of the object file."""
    def compile_(text, *flags, name="one"):
        source, target = tmp_path / f"{name}.c", tmp_path / f"{name}.o"
        source.write_text(text)
        options = ["-c", "-fno-eliminate-unused-debug-types", *(flags or ("-g",))]
        subprocess.run(["cc", *options, "-o", str(target), str(source)], check=True, cwd=tmp_path)
        return target
    return compile_


def fields_of(path, name):
    with Image(path) as image:
        (found,) = find_definitions(image.elf.get_dwarf_info(), [name])[name]
        return found.size, flatten(found.die, members)


SHAPES = """
typedef struct opaque opaque;
typedef struct {
    char first;
    const volatile struct { int inner; union { long both; char byte; }; } nested;
    opaque *pointer;
    short several[3][2];
    enum { ONE } choice;
    struct { long last; } tail[1];
    long flexible[];
} shapes;
typedef shapes again;
"""

BITS = """
struct bits {
    long before;
    unsigned char small;
    unsigned int one : 1;
    unsigned int three : 3;
    unsigned int : 4;
    unsigned int wide : 17;
    unsigned char narrow : 2;
    unsigned long huge : 40;
};
union either { unsigned int low : 3; long all; };
"""
# What gdb 13 says of the same type on x86_64: `ptype /o struct bits`.
BITS_FIELDS = {
    "before": (0, 8), "small": (8, 1), "one": (8, 4, 8, 1), "three": (8, 4, 9, 3), "wide": (12, 4, 0, 17),
    "narrow": (14, 1, 1, 2), "huge": (16, 8, 0, 40),
}


class TestTypes:
    def test_members_have_their_offsets_and_sizes(self, compile_c):
        size, fields = fields_of(compile_c(SHAPES), "again")
        assert size == 56
        assert fields == {
            "first": (0, 1), "nested": (8, 16), "nested.inner": (8, 4), "nested.both": (16, 8),
            "nested.byte": (16, 1), "pointer": (24, 8), "several": (32, 12), "choice": (44, 4),
            "tail": (48, 8), "flexible": (56, 0),
        }

    @pytest.mark.parametrize("flags", [("-g", "-gdwarf-3", "-gstrict-dwarf"), ("-g", "-gdwarf-4"),
                                       ("-g", "-gdwarf-5"), ("-g", "-gdwarf-5", "-gz")])
    def test_bit_fields_are_the_same_in_all_versions_of_dwarf(self, compile_c, flags):
        path = compile_c(BITS, *flags)
        assert fields_of(path, "struct bits")[1] == BITS_FIELDS
        assert fields_of(path, "union either")[1] == {"low": (0, 4, 0, 3), "all": (0, 8)}

    def test_a_declaration_is_no_definition(self, compile_c):
        with Image(compile_c(SHAPES)) as image:
            assert find_definitions(image.elf.get_dwarf_info(), ["struct opaque", "opaque", "absent"]) == {}


class TestOneShape:
    WANTED = {"block": Wanted(("struct BLOCK", "block"), None, "_collections")}

    @pytest.fixture
    def linked(self, compile_c, tmp_path):
        """A program of which two sources have a `block`, and one of them is _collections."""
        objects = [compile_c("typedef struct { long a; } block; block one;", name="arena"),
                   compile_c("typedef struct { char b; } block; block two;", name="_collectionsmodule")]
        target = tmp_path / "both.so"
        subprocess.run(["cc", "-shared", "-o", str(target), *map(str, objects)], check=True)
        return target

    def test_a_module_structure_comes_from_its_module(self, linked):
        with Image(linked) as image:
            found = make_layouts.structures_of(image.elf.get_dwarf_info(), self.WANTED)
        assert found == {"block": {"size": 1, "fields": {"b": (0, 1)}}}

    def test_modules_of_the_same_build_only(self, linked, tmp_path, capsys):
        folder = tmp_path / "lib-dynload"
        folder.mkdir()
        shutil.copy(linked, folder / "_collections.cpython-311-x86_64-linux-gnu.so")
        known = {key: {} for key in STRUCTS if key != "block"}
        made = make_layouts.structures_of_modules(folder, "", known, [])
        assert made == {"block": {"size": 1, "fields": {"b": (0, 1)}}}
        assert make_layouts.structures_of_modules(folder, "d", known, []) == {}
        assert capsys.readouterr().err == ""
        subprocess.run(["strip", *map(str, folder.iterdir())], check=True)
        assert make_layouts.structures_of_modules(folder, "", known, []) == {}
        assert "no DWARF, so without block" in capsys.readouterr().err

    @pytest.mark.parametrize("library, found", [
        ("3.11", "lib/python3.11/lib-dynload"), ("3.13t", "lib64/python3.13t/lib-dynload"), ("3.12", None),
    ])
    def test_modules_lie_beside_the_interpreter(self, tmp_path, library, found):
        for folder in ("bin", "lib/python3.11/lib-dynload", "lib64/python3.13t/lib-dynload"):
            (tmp_path / "usr" / folder).mkdir(parents=True)
        folder = make_layouts.modules_folder(tmp_path / "usr" / "bin" / "python3", library)
        assert folder == (tmp_path / "usr" / found if found else None)

    def test_two_shapes_of_one_name_are_refused(self, linked):
        with Image(linked) as image, pytest.raises(make_layouts.LayoutError, match="arena.c.*_collections"):
            make_layouts.structures_of(image.elf.get_dwarf_info(), {"block": Wanted(("block",))})

    @pytest.mark.parametrize("source, module, is_it", [
        ("./Modules/_collectionsmodule.c", "_collections", True),
        ("/build/Modules/_decimal/_decimal.c", "_decimal", True),
        ("/build/Modules/_multiprocessing/semaphore.c", "_multiprocessing", True),
        ("Python/pyarena.c", "_collections", False),
        ("./Modules/_threadmodule_extra.c", "_thread", False),
    ])
    def test_source_of_a_module(self, source, module, is_it):
        assert make_layouts.is_source_of(source, module) is is_it


class TestImage:
    @pytest.fixture
    def stripped(self, compile_c, tmp_path):
        """A library with a build id, stripped, and its debug file."""
        library, debug = tmp_path / "lib" / "libit.so", tmp_path / "libit.debug"
        library.parent.mkdir()
        compiled = compile_c("unsigned int Py_Version = 0x030b07f0; int buffer[10];", "-g", "-fPIC")
        subprocess.run(["cc", "-shared", "-Wl,--build-id", "-o", str(library), str(compiled)], check=True)
        subprocess.run(["objcopy", "--only-keep-debug", str(library), str(debug)], check=True)
        subprocess.run(["strip", str(library)], check=True)
        return library, debug

    def test_symbols_and_data_of_a_stripped_library(self, stripped):
        with Image(stripped[0]) as image:
            assert not image.has_dwarf and image.is_library
            assert image.symbol("buffer").size == 40
            assert image.symbol("printf") is None
            assert image.read(image.symbol("Py_Version").address, 4) == (0x030B07F0).to_bytes(4, "little")
            assert image.read(image.symbol("buffer").address, 4) is None
            assert make_layouts.version_of(stripped[0], image).text == "3.11.7"

    def test_a_debug_file_has_symbols_but_no_data(self, stripped):
        with Image(stripped[1]) as image:
            assert image.has_dwarf
            assert image.symbol("buffer").size == 40
            assert image.read(image.symbol("Py_Version").address, 4) is None

    def test_debug_file_by_build_id(self, stripped, tmp_path):
        library, debug = stripped
        with Image(library) as image:
            assert image.debug_file([tmp_path / "debug"]) is None
            build_id = image.build_id()
            target = tmp_path / "debug" / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"
            target.parent.mkdir(parents=True)
            debug.rename(target)
            assert image.debug_file([tmp_path / "other", tmp_path / "debug"]) == target

    def test_debug_file_by_link_unless_it_is_of_another_build(self, stripped):
        library, debug = stripped
        subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", str(library)], check=True)
        with Image(library) as image:
            target = library.parent / ".debug" / debug.name
            target.parent.mkdir()
            debug.rename(target)
            assert image.debug_file([]) == target
            target.write_bytes(target.read_bytes() + b"\0")
            assert image.debug_file([]) is None

    def test_what_is_no_elf_file(self, tmp_path):
        path = tmp_path / "text"
        path.write_text("#!/bin/sh\n")
        with pytest.raises(ImageError, match="not an ELF file"):
            Image(path)
        with pytest.raises(ImageError, match="No such file"):
            Image(tmp_path / "absent")


class TestVersion:
    @pytest.mark.parametrize("text, number", [
        ("3.6.15", 0x03060FF0), ("3.11.7", 0x030B07F0), ("3.14.0rc1", 0x030E00C1), ("3.15.0a3", 0x030F00A3),
    ])
    def test_text_and_number(self, text, number):
        assert make_layouts.Version.from_text(text) == (text, number)
        assert make_layouts.Version.from_hex(number) == (text, number)

    def test_a_build_from_a_repository(self):
        assert make_layouts.Version.from_text("3.9.2+").text == "3.9.2"

    @pytest.mark.parametrize("text", ["3.11", "2.7.18", "3.11.x", ""])
    def test_what_is_no_version(self, text):
        with pytest.raises(make_layouts.LayoutError, match="no version of Python 3"):
            make_layouts.Version.from_text(text)


class TestDifferences:
    OLD = {"runtime_size": 10, "structs": {
        "PyObject": {"size": 16, "fields": {"ob_refcnt": [0, 8], "ob_type": [8, 8]}},
        "PyTryBlock": {"size": 4, "fields": {}},
    }}
    NEW = {"runtime_size": 20, "structs": {
        "PyObject": {"size": 24, "fields": {"new": [0, 8], "new.inner": [0, 4], "ob_refcnt": [8, 8],
                                            "ob_type": [16, 8]}},
        "PyMutex": {"size": 1, "fields": {}},
    }}

    def test_added_removed_and_moved(self):
        assert list(make_layouts.differences(self.OLD, self.NEW)) == [
            "_PyRuntime: 10 -> 20 bytes",
            "- PyTryBlock",
            "  PyObject: 16 -> 24 bytes; +new; +8: ob_refcnt ob_type",
            "+ PyMutex",
        ]

    def test_none(self):
        assert list(make_layouts.differences(self.OLD, self.OLD)) == []


class TestErrors:
    """Each is one line that says what to do."""

    def run(self, capsys, *arguments):
        assert make_layouts.main([str(argument) for argument in (*arguments, "--print")]) == 1
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1
        return captured.err

    def library(self, path, text):
        command = ["cc", "-xc", "-shared", "-Wl,--build-id", "-o", str(path), "-"]
        subprocess.run(command, input=text, text=True, check=True)
        return path

    def test_not_a_python(self, capsys, tmp_path):
        path = self.library(tmp_path / "libother.so", "int other;")
        assert "not a Python" in self.run(capsys, path)

    def test_no_dwarf(self, capsys, tmp_path):
        path = self.library(tmp_path / "libpython3.11.so", "int Py_GetVersion, Py_Version = 0x030b07f0;")
        assert "--debug-directory" in self.run(capsys, path)

    def test_version_not_known(self, capsys, tmp_path):
        path = self.library(tmp_path / "libpython3.8.so", "char *Py_GetVersion() { return \"what\"; }")
        assert "--version 3.X.Y" in self.run(capsys, path)

    def test_no_headers(self, capsys, tmp_path):
        assert "no Python.h" in self.run(capsys, "--headers", tmp_path)

    def test_no_base(self, capsys, tmp_path):
        assert "no such table" in self.run(capsys, "--headers", tmp_path, "--base", "3.11.99")


class TestHeaders:
    """The header method against DWARF of the same interpreter, which the shipped table was made from."""

    @each_installation
    def test_headers_agree_with_dwarf(self, version):
        made = plain(make_layouts.table_of_headers(headers_of(INSTALLATIONS[version]), False, False, None))
        table = table_of(version)
        shared = made["structs"].keys() & table["structs"].keys()
        assert len(shared) >= 50
        assert {key: made["structs"][key] for key in shared} == {key: table["structs"][key] for key in shared}
        assert made["runtime_size"] == table["runtime_size"]
        assert made["hexversion"] == table["hexversion"]

    @each_installation
    def test_shifting_a_structure_is_what_compiling_it_gives(self, version):
        headers = headers_of(INSTALLATIONS[version])
        release = plain(make_layouts.table_of_headers(headers, False, False, None))["structs"]
        debug = plain(make_layouts.table_of_headers(headers, True, False, None))["structs"]
        objects = {key for key, struct in release.items()
                   if any(name.endswith("ob_base") and offset == 0
                          for name, (offset, *_) in struct["fields"].items())}
        derived = make_layouts.derive({key: release[key] for key in objects | {"PyObject"}},
                                      {"PyObject": debug["PyObject"]})
        assert len(derived) >= 25
        assert derived == {key: debug[key] for key in derived}

    @each_installation
    def test_a_base_gives_what_headers_lack(self, version):
        release = table_of(version)
        made = plain(make_layouts.table_of_headers(headers_of(INSTALLATIONS[version]), True, False, release))
        assert made["structs"].keys() >= release["structs"].keys()
        assert "dequeobject" in made["made_from"]["derived"] and made["made_from"]["base"] == version
        trace_refs = re.match(r"3\.[67]\.", version) is not None
        growth = made["structs"]["PyObject"]["size"] - release["structs"]["PyObject"]["size"]
        assert growth == (16 if trace_refs else 0)
        for key, field in (("dequeobject", "leftblock"), ("defdictobject", "default_factory")):
            before, after = (table["structs"][key]["fields"][field] for table in (release, made))
            assert after[0] - before[0] == growth

    @each_installation
    def test_a_base_of_another_version_is_refused(self, version):
        base = dict(table_of(version), python="3.5.0")
        with pytest.raises(make_layouts.LayoutError, match="release table"):
            make_layouts.table_of_headers(headers_of(INSTALLATIONS[version]), True, False, base)


class TestTables:
    """The tables that are shipped."""

    @pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
    def test_table(self, path):
        table = json.loads(path.read_text())
        assert make_layouts.table_name(table) == path.stem
        assert make_layouts.to_json(table) == path.read_text()
        assert f"{make_layouts.Version.from_text(table['python']).hex:#010x}" == table["hexversion"]
        assert list(table["structs"]) == [key for key in STRUCTS if key in table["structs"]]
        # 3.6 had no _PyRuntime.
        runtime = table["structs"].get("_PyRuntimeState")
        assert table["runtime_size"] == (runtime["size"] if runtime else None)
        assert str(ROOT) not in path.read_text() and "/" not in json.dumps(table["made_from"])
        for key, struct in table["structs"].items():
            for name, (offset, size, *bits) in struct["fields"].items():
                assert 0 <= offset and offset + size <= struct["size"] or size == 0, (key, name)
                assert not bits or bits[0] + bits[1] <= size * 8, (key, name)

    @pytest.mark.skipif(not INSTALLATIONS, reason="no interpreter of pyenv here has a table")
    def test_the_script_makes_the_same_table_again(self, capsys):
        # The smallest one, and the one whose version nothing but the library itself tells.
        version = min(INSTALLATIONS, key=lambda text: [int(part) for part in text.split(".")])
        library = next(INSTALLATIONS[version].glob("lib/libpython3*.so.1.0"))
        assert make_layouts.main(["--print", str(library)]) == 0
        assert json.loads(capsys.readouterr().out) == table_of(version)

    def test_written_where_told(self, tmp_path, capsys):
        """Compared with the tables that gdbext has, and with those that are there."""
        shipped = json.loads(TABLES[0].read_text())
        version, micro = shipped["python"].rsplit(".", 1)
        nearest = shipped["python"]
        for more in (0, 90, 91):
            later = {**shipped, "python": f"{version}.{int(micro) + more}",
                     "hexversion": hex(int(shipped["hexversion"], 16) + (more << 8))}
            name = make_layouts.table_name(later)
            make_layouts.deliver(later, make_layouts.parse(["--output", str(tmp_path), "x"]))
            assert (tmp_path / f"{name}.json").read_text() == make_layouts.to_json(later)
            assert f"from {nearest}: no difference" in capsys.readouterr().out
            nearest = later["python"]
