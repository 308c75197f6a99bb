"""gdbext.layout: the tables that are shipped, their names, and the order in which layouts are tried."""

import json
from pathlib import Path
from typing import List, Optional, Tuple

import pytest

from gdbext.cpython.memory import Unreadable
from gdbext.layout import choose, table
from gdbext.layout.layout import Layout, MissingField, Source, Struct
from tests.unit.builder import IDS, TABLES
from tests.unit.made_process import debug_offsets

RUNTIME = 0x5000


@pytest.mark.parametrize("text, expected", (
    ("3.11.7", ((3, 11), 7, False, False)),
    ("3.11.2d", ((3, 11), 2, True, False)),
    ("3.13.0t", ((3, 13), 0, False, True)),
    ("3.14.8td", ((3, 14), 8, True, True)),
    ("3.15.0b2", ((3, 15), 0, False, False)),
    ("3.13.0rc1t", ((3, 13), 0, False, True)),
))
def test_names(text: str, expected: Tuple) -> None:
    assert table.parse_name(text) == (text,) + expected


@pytest.mark.parametrize("text", ("", "3", "3.11", "3.11.", "3.11.7.1", "a.b.c", "3.x.1", "3.11.d", "README",
                                  "d", "t"))
def test_what_is_no_name(text: str) -> None:
    assert table.parse_name(text) is None


def write_tables(directory: Path, *names: str) -> None:
    """Tables that have nothing but their heads."""
    for name in names:
        (directory / f"{name}.json").write_text(json.dumps(
            {"hexversion": "0x030b00f0", "runtime_size": 1, "structs": {}}))


def test_tables_are_listed_oldest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tables(tmp_path, "3.10.13", "3.9.2", "3.9.18", "3.9.2d")
    (tmp_path / "README.md").write_text("no table")
    (tmp_path / "other.json").write_text("{}")
    assert [name.text for name in table.names(str(tmp_path))] == ["3.9.2", "3.9.2d", "3.9.18", "3.10.13"]
    monkeypatch.setenv(table.HIDDEN_VARIABLE, "3.9.2, 3.10.13,3.7.1")
    assert [name.text for name in table.names(str(tmp_path))] == ["3.9.2d", "3.9.18"]


@pytest.mark.parametrize("contents", ("", "{", "{}", "[]",
                                      '{"hexversion": "x", "runtime_size": 1, "structs": {}}'))
def test_a_damaged_table_is_an_error(tmp_path: Path, contents: str) -> None:
    (tmp_path / "3.11.1.json").write_text(contents)
    [name] = table.names(str(tmp_path))
    with pytest.raises((ValueError, LookupError, TypeError)):
        table.load(name, str(tmp_path))


@pytest.mark.parametrize("made", TABLES.values(), ids=IDS)
def test_a_shipped_table_agrees_with_its_name(made: table.Table) -> None:
    version, micro = choose.release(made.hexversion)
    assert (version, micro) == (made.name.version, made.name.micro)
    assert (made.runtime_size is None) == (version < (3, 7))
    if made.runtime_size is not None:
        assert made.struct("_PyRuntimeState").size == made.runtime_size


@pytest.mark.parametrize("made", TABLES.values(), ids=IDS)
def test_the_fields_of_a_shipped_table_lie_within_their_structures(made: table.Table) -> None:
    for name in made.structs:
        struct = made.struct(name)
        for path, field in struct.fields.items():
            assert 0 <= field[0] and field[0] + field[1] <= struct.size, (name, path)
            if len(field) == 4:
                assert 0 <= field[2] and 0 < field[3] and field[2] + field[3] <= 8 * field[1], (name, path)
            else:
                assert len(field) == 2, (name, path)


@pytest.mark.parametrize("made", TABLES.values(), ids=IDS)
def test_a_layout_of_a_table(made: table.Table) -> None:
    layout = made.layout()
    assert layout.source == Source("table", made.name.text, made.name.version, made.hexversion,
                                   made.runtime_size, made.name.debug, made.machine)
    assert layout.find("no such structure") is None
    with pytest.raises(MissingField, match="no structure"):
        layout["no such structure"]
    assert layout.has("PyObject", "ob_type") and not layout.has("PyObject", "ob_typo")
    assert not layout.has("no such structure", "ob_type")
    assert layout["PyObject"] is layout.find("PyObject")
    assert "ob_type" in layout["PyObject"] and layout["PyObject"].offset("nothing", "ob_type") > 0
    assert layout.free_threaded == made.name.free_threaded


def test_a_structure_can_be_replaced_and_taken_away() -> None:
    layout = TABLES["3.11.7"].layout()
    other = Struct("lockobject", 1, {})
    layout.replace("lockobject", other)
    assert layout["lockobject"] is other
    layout.replace("lockobject", None)
    assert layout.find("lockobject") is None and not layout.has("lockobject", "locked")


def test_a_layout_with_ob_tid_is_free_threaded() -> None:
    structs = {"PyObject": Struct("PyObject", 32, {"ob_tid": (0, 8), "ob_type": (24, 8)})}
    assert Layout(Source("table"), structs.get).free_threaded


def test_release() -> None:
    assert choose.release(0x030B07F0) == ((3, 11), 7)
    assert choose.release(0x030D00A3) == ((3, 13), 0)


# Which layouts are tried, in which order.


def tried(runtime: Optional[int], size: Optional[int], hexversion: Optional[int], debug: bool = False,
          memory: bytes = b"", dwarf: Optional[choose.LoadStruct] = None) -> List[Tuple[str, Optional[str]]]:
    """(kind, table) of each layout."""

    def read(address: int, count: int) -> bytes:
        if address != RUNTIME or count > len(memory):
            raise Unreadable(address, count)
        return memory[:count]

    return [(layout.source.kind, layout.source.table)
            for layout in choose.candidates(runtime, size, hexversion, debug, read, dwarf)]


def test_the_exact_table_comes_first() -> None:
    for made in TABLES.values():
        if made.name.version < (3, 11):
            continue
        found = tried(RUNTIME, made.runtime_size, made.hexversion, made.name.debug, debug_offsets(made) if (
            made.struct("_Py_DebugOffsets")) else b"")
        assert found[0] == ("table", made.name.text)
        assert all(TABLES[name].name.version == made.name.version for _kind, name in found)


def test_a_release_without_a_table_gets_the_nearest_one() -> None:
    assert tried(RUNTIME, 166688, 0x030B08F0)[0] == ("table", "3.11.7")
    assert tried(RUNTIME, 166688, 0x030B03F0)[0] == ("table", "3.11.2")
    assert tried(RUNTIME, 166688, 0x030B03F0, True)[0] == ("table", "3.11.2d")


def test_without_a_version_all_that_fit_are_tried_those_of_the_same_size_first() -> None:
    found = tried(RUNTIME, TABLES["3.8.18"].runtime_size, None)
    assert {found[0][1], found[1][1]} == {"3.8.18", "3.8.18d"}
    assert {name for _kind, name in found} == {
        name for name, made in TABLES.items() if (3, 7) <= made.name.version < (3, 11)}
    assert {name for _kind, name in tried(None, None, None)} == {"3.6.15", "3.6.15d"}


def test_dwarf_comes_before_all_tables() -> None:
    dwarf = TABLES["3.11.7"].struct
    found = tried(RUNTIME, 166688, 0x030B07F0, dwarf=dwarf)
    assert found[:2] == [("dwarf", None), ("table", "3.11.7")]
    # Types that tell nothing of CPython are none.
    assert tried(RUNTIME, 166688, 0x030B07F0, dwarf=lambda name: None)[0] == ("table", "3.11.7")


def test_a_release_with_debug_offsets_is_brought_into_line() -> None:
    made = TABLES["3.13.5"]
    found = tried(RUNTIME, made.runtime_size, made.hexversion + 0x0100, memory=debug_offsets(made))
    assert found[0] == ("table+debug-offsets", "3.13.5")
    # Without the cookie a table of another release is not believed at all.
    assert tried(RUNTIME, 1, made.hexversion + 0x0100, memory=bytes(1000)) == []


def test_a_runtime_of_3_13_that_cannot_be_read_raises() -> None:
    with pytest.raises(Unreadable):
        tried(RUNTIME, 1, 0x030D05F0)


def test_a_minor_without_tables_takes_its_neighbours_offsets() -> None:
    made = TABLES["3.13.15"]
    found = tried(RUNTIME, 1, 0x031000F0, memory=debug_offsets(made) + bytes(1000))
    assert found and all(kind == "table+debug-offsets" for kind, _name in found)
    assert tried(RUNTIME, 1, 0x031000F0, memory=bytes(2000)) == []
