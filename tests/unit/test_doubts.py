"""gdbext.cpython.hashes and doubts: strings, tables of lines and places that were damaged."""

import sys
from pathlib import Path
from typing import Optional, Tuple

import pytest

from gdbext.cpython.doubts import MAX_LINE
from gdbext.cpython.frames import Frame
from gdbext.cpython.hashes import siphash
from gdbext.cpython.objects import Objects
from gdbext.cpython.reader import Reader
from gdbext.cpython.runtime import Runtime
from tests.unit.builder import IDS, TABLES
from tests.unit.made_process import Call, MadeProcess, Place

# Of the vectors that SipHash's authors publish.
KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)


def test_siphash() -> None:
    assert siphash(bytes(range(15)), KEY, 2, 4) == 0xA129CA6149BE45E5
    assert siphash(b"", KEY, 2, 4) == 0x726FDB47DD0E0E31
    assert siphash(b"", KEY, 1, 3) == 0xABAC0158050FC4DC


class Hashed:
    """A made process in one frame, whose strings keep hashes of a key of its own."""

    def __init__(self, name: str, kind: Tuple[int, int], filename: str = "/made/up.py") -> None:
        self.made = made = MadeProcess(TABLES[name])
        self.kind = kind
        self.objects = Objects(Reader(made.memory, made.builder.layout))
        self._text = made.builder.text
        made.builder.text = self.text  # type: ignore[method-assign]
        secret = made.builder.allocate(24, 0)
        made.builder.write(secret, b"".join(each.to_bytes(8, "little") for each in KEY))
        made.symbols["_Py_HashSecret"] = Place(secret, 24)
        self.state = made.add_thread(made.add_interpreter(), [Call("имя_1", filename)])

    def text(self, value: str, type_: Optional[int] = None) -> int:
        """As the builder's, with its hash."""
        address = self._text(value, type_)
        data = self.objects.characters(address)
        found = siphash(data, KEY, *self.kind) if data else 0
        self.made.builder.write(address + self.made.builder.layout["PyASCIIObject"].offset("hash"),
                                found.to_bytes(8, "little"))
        return address

    def runtime(self) -> Runtime:
        """The process, read anew."""
        self.made.memory.clear()
        return self.made.open()[0].runtime

    def frame(self) -> Frame:
        """Its frame."""
        return next(self.runtime().frames.walk(self.state))

    def pointer(self, field: str) -> int:
        """What a field of the frame's code refers to."""
        code = self.frame().code
        assert code is not None
        return self.objects.reader.pointer(code.address, "PyCodeObject", field)

    def change(self, text: int) -> None:
        """Another first character."""
        data = self.objects._characters(text)[0]
        self.made.builder.write(data, bytes([self.made.memory.read(data, 1)[0] ^ 1]))

    def forget_hash(self, text: int) -> None:
        """As if nobody had asked for it."""
        self.made.builder.write(text + self.made.builder.layout["PyASCIIObject"].offset("hash"), b"\xff" * 8)

    @property
    def lines(self) -> str:
        """The field with the table of lines."""
        return "co_lnotab" if self.made.version < (3, 10) else "co_linetable"


@pytest.fixture(params=[(name, kind) for name in IDS for kind in ((1, 3), (2, 4))], ids=str)
def hashed(request: pytest.FixtureRequest) -> Hashed:
    """A process of each table and with each kind of hash: who builds it may choose."""
    return Hashed(*request.param)


def test_a_str_that_has_not_its_hash(hashed: Hashed) -> None:
    assert hashed.frame().doubts == ()
    for field, part in (("co_name", "function"), ("co_filename", "file")):
        text = hashed.pointer(field)
        hashed.change(text)
        assert hashed.frame().doubts == (part,)
        hashed.change(text)
    if hashed.made.version >= (3, 11):
        hashed.change(hashed.pointer("co_qualname"))
        assert hashed.frame().doubts == ("qualname",)


def test_without_the_key_nothing_is_said(hashed: Hashed) -> None:
    hashed.made.builder.write(hashed.made.symbols["_Py_HashSecret"].address, bytes(16))
    hashed.change(hashed.pointer("co_filename"))
    assert hashed.frame().doubts == ()
    del hashed.made.symbols["_Py_HashSecret"]
    assert hashed.frame().doubts == ()


def test_the_name_of_a_thread_that_has_not_its_hash(hashed: Hashed) -> None:
    b, main = hashed.made.builder, hashed.made.interpreters[0]
    name = b.text("worker")
    thread = b.instance("Thread", {"_name": name})
    hashed.made.add_module(main, "threading", {"_active": b.dict([(b.int(77), thread)], "general", 5)})
    for expected in ({77: "worker"}, {}):
        runtime = hashed.runtime()
        assert runtime.thread_names(runtime.interpreters()[0]) == expected
        hashed.change(name)


def test_a_table_of_lines_that_is_not_that_of_the_code(hashed: Hashed) -> None:
    b, table = hashed.made.builder, hashed.pointer(hashed.lines)
    start = table + b.layout["PyBytesObject"].offset("ob_sval")
    good = hashed.made.memory.read(start, 4)
    # In each form the first byte says how much code the first entry is of; of what it says after it, this is not text.
    for byte in (good[0] ^ 1, good[0] ^ 2 if hashed.made.version >= (3, 10) else 200):
        b.write(start, bytes([byte]))
        assert hashed.frame().doubts == ("line",)
    b.write(start, good)
    assert hashed.frame().doubts == ()


def test_a_place_outside_of_the_code(hashed: Hashed) -> None:
    frame = hashed.frame()
    for offset in (-4, 3, 4000):
        assert frame._replace(offset=offset).doubts == ("line",)
    for offset in (-2, -1, 0, 14):
        assert frame._replace(offset=offset).doubts == ()


@pytest.mark.parametrize("name", IDS)
def test_a_path_that_is_nearly_its_modules(name: str, tmp_path: Path) -> None:
    """Up to 3.12 the name of a code object's file has no hash as a rule."""
    up, xp, far, longer = (str(tmp_path / each) for each in ("up.py", "xp.py", "other_up.py", "made_up_.py"))
    for file in (up, far):
        Path(file).touch()
    struct = "PyFrameObject" if TABLES[name].name.version < (3, 11) else "_PyInterpreterFrame"
    for of_code, of_module, doubts in ((up, up, ()), (xp, up, ("file",)), (up, xp, ()), (longer, far, ("file",)),
                                       (far.replace("other_up.py", "pther_up.pz"), far, ()), ("/else/where", up, ())):
        hashed = Hashed(name, (2, 4), of_code)
        b, frame = hashed.made.builder, hashed.frame()
        b.set(frame.address, struct, "f_globals", b.namespace({"__file__": b.text(of_module)}))
        # Equal strings are one.
        hashed.forget_hash(hashed.pointer("co_filename"))
        assert hashed.frame().doubts == doubts, (of_code, of_module)
    # Another file that is there, as one that the module executes.
    Path(xp).touch()
    hashed = Hashed(name, (2, 4), xp)
    b, frame = hashed.made.builder, hashed.frame()
    b.set(frame.address, struct, "f_globals", b.namespace({"__file__": b.text(up)}))
    hashed.forget_hash(hashed.pointer("co_filename"))
    assert hashed.frame().doubts == ()


def test_a_table_of_lines_with_another_hash(hashed: Hashed) -> None:
    """What was compiled and not loaded has one; and each bytes object has a null after its last byte."""
    b, table = hashed.made.builder, hashed.pointer(hashed.lines)
    start = table + b.layout["PyBytesObject"].offset("ob_sval")
    data = hashed.objects.data(table)
    for right, doubts in ((True, ()), (False, ("line",))):
        found = siphash(data, KEY, *hashed.kind) ^ (not right)
        b.write(table + b.layout["PyBytesObject"].offset("ob_shash"), found.to_bytes(8, "little"))
        assert hashed.frame().doubts == doubts
    b.write(table + b.layout["PyBytesObject"].offset("ob_shash"), b"\xff" * 8)
    assert hashed.frame().doubts == ()
    b.write(start + len(data), b"\1")
    assert hashed.frame().doubts == ("line",)


def test_a_table_of_lines_that_was_left_empty(hashed: Hashed) -> None:
    b = hashed.made.builder
    code = hashed.frame().code
    assert code is not None
    b.set(code.address, "PyCodeObject", hashed.lines, b.bytes(b""))
    assert hashed.frame().doubts == ()


def test_a_first_line_that_can_not_be(hashed: Hashed) -> None:
    """Half of a pointer, and a negative number; up to 3.9 the frame has it too."""
    b, code = hashed.made.builder, hashed.frame().code
    assert code is not None
    for line in (0x7F8F_D73F, 0xFFFF_FFF0, MAX_LINE + 1):
        b.set(code.address, "PyCodeObject", "co_firstlineno", line)
        assert hashed.frame().doubts == ("line",)
    b.set(code.address, "PyCodeObject", "co_firstlineno", code.first_line + 1000)
    assert hashed.frame().doubts == (("line",) if hashed.made.version < (3, 10) else ())


def test_counts_beside_the_first_line(hashed: Hashed) -> None:
    """A word that was written over it was written over one of these too, since 3.11."""
    b, code = hashed.made.builder, hashed.frame().code
    assert code is not None
    if hashed.made.version < (3, 11):
        assert not hashed.objects.reader.has("PyCodeObject", "co_nlocalsplus")
        return
    for field in ("co_nlocalsplus", *(["co_stacksize", "co_framesize"] if hashed.made.version >= (3, 12) else [])):
        before = hashed.objects.reader.integer(code.address, "PyCodeObject", field)
        b.set(code.address, "PyCodeObject", field, before + 1)
        assert hashed.frame().doubts == ("line",), field
        b.set(code.address, "PyCodeObject", field, before)
        assert hashed.frame().doubts == ()


def test_the_line_that_a_frame_object_keeps(hashed: Hashed) -> None:
    """That of the code, or one that was traced; a frame that never runs, as those of Cython, has any."""
    b, frame = hashed.made.builder, hashed.frame()
    assert frame.code is not None
    if hashed.made.version >= (3, 11):
        assert not hashed.objects.reader.has("PyFrameObject", "f_lasti")
        return
    first, line = frame.code.first_line, frame.line
    assert line is not None
    for kept, doubts in ((first, ()), (line, ()), (line + 3000, ("line",)), (-5, ("line",))):
        b.set(frame.address, "PyFrameObject", "f_lineno", kept & (1 << 32) - 1)
        assert hashed.frame().doubts == doubts, kept
    b.set(frame.address, "PyFrameObject", "f_lasti", (1 << 32) - 1)
    assert hashed.frame().doubts == ()


def test_no_path_has_a_null() -> None:
    hashed = Hashed("3.8.18", (2, 4), "/made\0up.py")
    assert hashed.frame().doubts == ()
    hashed.forget_hash(hashed.pointer("co_filename"))
    assert hashed.frame().doubts == ("file",)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python hashes in another way than 3.11 and later")
def test_real_code_has_whole_lines() -> None:
    """Every code object of some modules that are there anyway."""
    import argparse
    import types

    from gdbext.cpython.lines import is_whole_locations

    def codes(code: types.CodeType) -> list:
        return [code] + [each for const in code.co_consts if isinstance(const, types.CodeType)
                         for each in codes(const)]

    assert argparse.__file__
    with open(argparse.__file__, encoding="utf-8") as file:
        found = codes(compile(file.read(), argparse.__file__, "exec"))
    assert len(found) > 50
    for code in found:
        assert is_whole_locations(code.co_linetable, len(code.co_code))
        assert not is_whole_locations(code.co_linetable, len(code.co_code) + 2)
        assert not is_whole_locations(code.co_linetable + b"\x80", len(code.co_code))
