"""gdbext.layout: the tables that are shipped, their names, and the order in which layouts are tried."""

import json
from pathlib import Path
from typing import List, Optional, Tuple

import pytest

from gdbext.cpython.memory import Unreadable
from gdbext.layout import choose, table
from gdbext.layout import debug_offsets as offsets
from gdbext.layout.layout import Layout, MissingField, Source, Struct
from tests.unit.builder import IDS, TABLES
from tests.unit.made_process import debug_offsets

RUNTIME = 0x5000
# e_machine (System V ABI).
X86_64, AARCH64 = 62, 183


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
          memory: bytes = b"", dwarf: Optional[choose.LoadStruct] = None,
          machine: int = X86_64) -> List[Tuple[str, Optional[str]]]:
    """(kind, table) of each layout."""

    def read(address: int, count: int) -> bytes:
        if address != RUNTIME or count > len(memory):
            raise Unreadable(address, count)
        return memory[:count]

    return [(layout.source.kind, layout.source.table)
            for layout in choose.candidates(
                runtime, size, hexversion, debug, machine, read, dwarf)]


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


def test_a_table_made_from_the_very_file_comes_before_its_dwarf() -> None:
    made = TABLES["3.11.7"]
    assert made.build_id and TABLES["3.12.1d"].build_id is None
    asked = []

    def dwarf(name: str) -> Optional[Struct]:
        asked.append(name)
        return made.struct(name)

    def found(build_id: Optional[str]) -> List[Tuple[str, Optional[str]]]:
        layouts = choose.candidates(RUNTIME, made.runtime_size, made.hexversion, False, X86_64,
                                    lambda address, size: b"", dwarf, build_id=build_id)
        return [next((layout.source.kind, layout.source.table) for layout in layouts)]

    assert found(made.build_id) == [("table", "3.11.7")] and not asked
    for other in ("00" * 20, None, TABLES["3.11.2"].build_id[::-1]):
        assert found(other) == [("dwarf", None)]


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


def test_of_a_minor_with_tables_of_the_other_kind_only_neighbours_of_the_kind_are_tried(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """With the offsets in the order of the minor: it is the same with and without the GIL."""
    made = TABLES["3.13.15t"]
    monkeypatch.setenv(table.HIDDEN_VARIABLE, "3.13.15t")
    memory = debug_offsets(made)
    found = tried(RUNTIME, made.runtime_size, made.hexversion, memory=memory + bytes(1000))
    assert found == [("table+debug-offsets", "3.14.8t"), ("table+debug-offsets", "3.15.0t")]


def test_of_other_minors_only_what_they_agree_about_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no offset tells, and changed once from one minor to the next, may have changed again."""
    made = TABLES["3.13.15"]
    hidden = [name for name, other in TABLES.items() if other.name.version == (3, 13) and name != "3.13.15t"]
    monkeypatch.setenv(table.HIDDEN_VARIABLE, ",".join(hidden))
    memory = debug_offsets(made) + bytes(1000)
    layouts = list(choose.candidates(RUNTIME, made.runtime_size, made.hexversion, False, X86_64,
                                     lambda address, size: memory[:size], None))
    others = [other for name, other in TABLES.items()
              if other.name.version > (3, 13) and not other.name.free_threaded]
    assert len(layouts) == len(others) and {layout.source.version for layout in layouts} == {(3, 14), (3, 15)}
    lost = 0
    for layout in layouts:
        for name in TABLES[layout.source.table].structs:
            if not offsets.tells(name) and name != "_PyThreadStateImpl":
                whole, kept = TABLES[layout.source.table].struct(name).fields, layout[name].fields
                for path, field in whole.items():
                    same = all(other.struct(name).fields.get(path) == field
                               for other in others if other.struct(name))
                    assert (path in kept) == same, (name, path)
                    lost += not same
    assert lost


def test_a_table_of_the_other_kind_is_never_tried() -> None:
    for made in TABLES.values():
        if made.struct("_Py_DebugOffsets"):
            for size, hexversion in ((made.runtime_size, made.hexversion), (1, made.hexversion + 0x0100)):
                found = tried(RUNTIME, size, hexversion, memory=debug_offsets(made) + bytes(1000))
                assert found and {TABLES[name].name.free_threaded for _kind, name in found} == {
                    made.name.free_threaded}


# Of another processor.


@pytest.mark.parametrize("made", TABLES.values(), ids=IDS)
def test_on_another_processor_fields_are_kept_up_to_the_first_mutex(made: table.Table) -> None:
    """pthread_mutex_t has 40 bytes on x86-64 and 48 on aarch64, which moves all that follows."""
    here, there = made.layout(), made.layout(AARCH64)
    assert made.machine == X86_64 and made.layout(X86_64).source == there.source
    cut = set()
    for name in made.structs:
        whole, kept = here[name].fields, there[name].fields
        dropped = {path: field for path, field in whole.items() if path not in kept}
        assert kept == {path: field for path, field in whole.items() if path not in dropped}
        mutexes = [field[0] for path, field in whole.items() if path.split(".")[-1] in (
            "mutex", "switch_mutex") and field[1] == 40]
        if mutexes:
            cut.add(name)
            assert min(field[0] for field in dropped.values()) == min(mutexes)
            assert max(field[0] for field in kept.values()) < min(mutexes)
        else:
            assert not dropped, name
    if made.name.version < (3, 7):
        assert cut == set()
    else:
        holder = "_PyRuntimeState" if made.name.version < (3, 12) else "PyInterpreterState"
        assert cut == {"_gil_runtime_state", holder}


def test_tables_of_the_processor_come_first(tmp_path: Path) -> None:
    """One of another processor is the last choice, whatever its release, and is not taken as it is."""
    for name, machine in (("3.11.2", "x86_64"), ("3.11.7", "aarch64")):
        text = (Path(table.DIRECTORY) / f"{name}.json").read_text()
        if machine == "aarch64":
            text = text.replace("x86_64", machine).replace(",40]", ",48]")  # its mutexes
        (tmp_path / f"{name}.json").write_text(text)

    def found(machine: int, hexversion: int) -> List[Tuple[Optional[str], bool]]:
        """The tables in the order in which they are tried, and whether all their fields are."""
        layouts = choose.candidates(RUNTIME, 166688, hexversion, False, machine, lambda address, size: b"",
                                    None, str(tmp_path))
        return [(layout.source.table, layout.has("_PyRuntimeState", "gilstate")) for layout in layouts]

    for hexversion in (0x030B02F0, 0x030B07F0):
        assert found(X86_64, hexversion) == [("3.11.2", True), ("3.11.7", False)]
        assert found(AARCH64, hexversion) == [("3.11.7", True), ("3.11.2", False)]
