"""gdbext.elf.dynamic: symbols of mapped images, made by the test and of real libraries."""

import struct
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

import pytest

from gdbext.cpython.memory import PAGE, Memory, Unreadable
from gdbext.elf.dynamic import MAX_LOADED, Image, Loaded, NoSymbols, NotAnImage, Symbol
from tests.support.interpreters import Interpreter
from tests.unit.builder import FakeMemory

BASE = 0x7F12_3456_0000
EXEC, DYN = 2, 3
OBJECT, FUNC = 1, 2
UNDEFINED, TEXT, ABSOLUTE = 0, 1, 0xFFF1


class Made(NamedTuple):
    """A symbol to put into an image; `value` as it is linked."""

    name: str
    value: int
    size: int
    section: int = TEXT
    kind: int = OBJECT


SYMBOLS = [Made("printf", 0, 0, UNDEFINED), Made("_PyRuntime", 0x5678, 166688), Made("Py_Version", 0x1234, 4),
           Made("main", 0x400, 9)]


def sysv(name: str) -> int:
    """The hash of the System V ABI, from its text."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        if high:
            value ^= high >> 24
        value &= ~high
    return value


def gnu(name: str) -> int:
    """The hash of DT_GNU_HASH: Bernstein's."""
    value = 5381
    for byte in name.encode():
        value = (value << 5) + value + byte & 0xFFFFFFFF
    return value


def hash_table(symbols: Sequence[Made], buckets: int) -> bytes:
    """DT_HASH of these symbols, the first of which has index 1."""
    heads, chain = [0] * buckets, [0] * (len(symbols) + 1)
    for index, symbol in enumerate(symbols, 1):
        bucket = sysv(symbol.name) % buckets
        chain[index], heads[bucket] = heads[bucket], index
    return struct.pack(f"<{2 + buckets + len(chain)}I", buckets, len(chain), *heads, *chain)


def gnu_hash_table(symbols: List[Made], buckets: int, bloom: int = 2) -> Tuple[bytes, List[Made]]:
    """DT_GNU_HASH, and the symbols in the order that it demands: undefined ones, then by bucket."""
    undefined = [symbol for symbol in symbols if symbol.section == UNDEFINED]
    defined = sorted((symbol for symbol in symbols if symbol.section != UNDEFINED),
                     key=lambda symbol: gnu(symbol.name) % buckets)
    first = 1 + len(undefined)
    heads, chain = [0] * buckets, []
    for index, symbol in enumerate(defined):
        bucket = gnu(symbol.name) % buckets
        last = index + 1 == len(defined) or gnu(defined[index + 1].name) % buckets != bucket
        heads[bucket] = heads[bucket] or first + index
        chain.append(gnu(symbol.name) & ~1 | last)
    raw = struct.pack("<IIII", buckets, first, bloom, 6) + b"\xff" * (8 * bloom)
    return raw + struct.pack(f"<{buckets + len(chain)}I", *heads, *chain), undefined + defined


def note(kind: int, name: bytes, contents: bytes) -> bytes:
    """One note, padded to four bytes."""
    def padded(raw: bytes) -> bytes:
        return raw + bytes(-len(raw) % 4)

    return struct.pack("<III", len(name), len(contents), kind) + padded(name) + padded(contents)


def build(symbols: Sequence[Made] = SYMBOLS, kind: int = DYN, linked: int = 0, hashes: str = "gnu",
          relocated: bool = True, notes: bytes = b"", buckets: int = 3, mapped: int = BASE,
          extra_dynamic: Sequence[Tuple[int, int]] = ()) -> bytes:
    """An image of one page and a writable one, as mapped at `mapped`. `linked` is its link-time base."""
    symbols = list(symbols)
    gnu_raw, symbols = gnu_hash_table(symbols, buckets) if "gnu" in hashes else (b"", symbols)
    sysv_raw = hash_table(symbols, buckets) if "sysv" in hashes else b""
    strings = b"\0" + b"".join(symbol.name.encode() + b"\0" for symbol in symbols)
    table, at = bytes(24), 1
    for symbol in symbols:
        table += struct.pack("<IBBHQQ", at, 0x10 | symbol.kind, 0, symbol.section, symbol.value, symbol.size)
        at += len(symbol.name.encode()) + 1
    pieces = {"notes": notes, "symtab": table, "strtab": strings, "gnu": gnu_raw, "sysv": sysv_raw}
    places, position = {}, 64 + 56 * 4
    for name, raw in pieces.items():
        position = -(-position // 8) * 8
        places[name] = position
        position += len(raw)
    bias = mapped - linked if relocated else 0
    dynamic = [(5, places["strtab"]), (6, places["symtab"])]
    dynamic += [(0x6FFFFEF5, places["gnu"])] if gnu_raw else []
    dynamic += [(4, places["sysv"])] if sysv_raw else []
    raw_dynamic = b"".join(struct.pack("<QQ", tag, linked + value + bias) for tag, value in dynamic)
    raw_dynamic += b"".join(struct.pack("<QQ", *entry) for entry in extra_dynamic) + bytes(16)
    places["dynamic"] = -(-position // 8) * 8
    headers = [(1, 5, 0, linked, PAGE), (1, 6, PAGE, linked + PAGE, 0x800),
               (2, 6, places["dynamic"], linked + places["dynamic"], len(raw_dynamic)),
               (4, 4, places["notes"], linked + places["notes"], len(notes))]
    image = bytearray(2 * PAGE)
    image[:64] = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", kind, 62, 1, linked, 64, 0, 0, 64, 56, len(headers), 64, 0, 0)
    for index, (type_, flags, offset, address, size) in enumerate(headers):
        image[64 + 56 * index:64 + 56 * (index + 1)] = struct.pack(
            "<IIQQQQQQ", type_, flags, offset, address, address, size, size, 8)
    for name, raw in dict(pieces, dynamic=raw_dynamic).items():
        assert places[name] + len(raw) <= PAGE
        image[places[name]:places[name] + len(raw)] = raw
    return bytes(image)


def mapped(raw: bytes, base: int = BASE) -> Image:
    """The image in a memory."""
    memory = FakeMemory()
    memory.map(base, raw)
    return Image(memory, base)


WAYS = [(hashes, relocated) for hashes in ("gnu", "sysv", "gnu+sysv") for relocated in (True, False)]


@pytest.mark.parametrize("hashes, relocated", WAYS)
@pytest.mark.parametrize("buckets", (1, 3, 17))
def test_a_library(hashes: str, relocated: bool, buckets: int) -> None:
    image = mapped(build(hashes=hashes, relocated=relocated, buckets=buckets))
    for symbol in SYMBOLS[1:]:
        assert image.symbol(symbol.name) == Symbol(BASE + symbol.value, symbol.size)
    for name in ("printf", "nothing", "", "_PyRuntim", "_PyRuntime2", "_pyRuntime"):
        assert image.symbol(name) is None
    assert image.machine == 62 and image.bias == BASE


@pytest.mark.parametrize("hashes", ("gnu", "sysv"))
def test_an_executable_at_a_fixed_address(hashes: str) -> None:
    linked = 0x40_0000
    symbols = [Made("_PyRuntime", 0xA0_0000, 672), Made("main", 0x40_1000, 20)]
    image = mapped(build(symbols, EXEC, linked, hashes, mapped=linked), linked)
    assert image.bias == 0
    assert image.symbol("_PyRuntime") == Symbol(0xA0_0000, 672)
    assert image.symbol("main") == Symbol(0x40_1000, 20)


@pytest.mark.parametrize("relocated", (True, False))
def test_a_library_that_is_not_linked_at_zero(relocated: bool) -> None:
    linked = 0x10_0000
    image = mapped(build([Made("x", linked + 0x123, 8)], DYN, linked, relocated=relocated))
    assert image.bias == BASE - linked
    assert image.symbol("x") == Symbol(BASE + 0x123, 8)


@pytest.mark.parametrize("hashes", ("gnu", "sysv"))
def test_many_symbols_in_few_buckets(hashes: str) -> None:
    symbols = [Made(f"symbol_{index}", 0x1000 + index, index) for index in range(60)]
    image = mapped(build(symbols, hashes=hashes, buckets=2))
    for symbol in symbols:
        assert image.symbol(symbol.name) == Symbol(BASE + symbol.value, symbol.size)
    assert image.symbol("symbol_60") is None


@pytest.mark.parametrize("hashes, relocated", WAYS)
@pytest.mark.parametrize("buckets", (1, 3, 17))
def test_which_function_an_address_is_in(hashes: str, relocated: bool, buckets: int) -> None:
    functions = [Made("printf", 0, 0, UNDEFINED)] + [Made(f"f{n}", 0x100 * n, 0x80, kind=FUNC) for n in range(1, 7)]
    image = mapped(build([*functions, Made("data", 0x380, 0x80)], hashes=hashes, relocated=relocated, buckets=buckets))
    for n in range(1, 7):
        assert image.function_at(BASE + 0x100 * n) == image.function_at(BASE + 0x100 * n + 0x7F) == f"f{n}"
        assert image.function_at(BASE + 0x100 * n + 0x80) is None
    assert image.function_at(BASE) is None and image.function_at(BASE + 0x390) is None
    assert mapped(build(functions[:1], hashes=hashes, buckets=buckets)).function_at(BASE) is None


def test_names_beyond_ascii() -> None:
    assert mapped(build([Made("имя", 1, 2)])).symbol("имя") == Symbol(BASE + 1, 2)


def test_names_with_the_same_hash() -> None:
    # Ab and BA have one GNU hash; so have all words put together from them.
    symbols = [Made("Ab", 0x10, 1), Made("BA", 0x20, 2), Made("AbAb", 0x30, 3), Made("BABA", 0x40, 4)]
    assert gnu("Ab") == gnu("BA")
    image = mapped(build(symbols))
    assert [image.symbol(symbol.name) for symbol in symbols] == [
        Symbol(BASE + symbol.value, symbol.size) for symbol in symbols]
    assert image.symbol("AbBA") is None


def test_segments() -> None:
    image = mapped(build())
    [writable] = image.writable()
    assert (writable.address, writable.memory_size) == (BASE + PAGE, 0x800)


# Build ids.

IDENTITY = bytes(range(20))


@pytest.mark.parametrize("notes", (
    note(3, b"GNU\0", IDENTITY),
    note(1, b"GNU\0", bytes(16)) + note(3, b"GNU\0", IDENTITY),
    note(3, b"other\0", bytes(5)) + note(3, b"GNU\0", IDENTITY),
))
def test_a_build_id(notes: bytes) -> None:
    assert mapped(build(notes=notes)).build_id() == IDENTITY.hex()


@pytest.mark.parametrize("notes", (
    b"", b"\0" * 8, b"\0" * 64, note(1, b"GNU\0", IDENTITY), note(3, b"Go\0\0", IDENTITY),
    note(3, b"GNU\0", IDENTITY)[:-4], struct.pack("<III", 4, 1 << 31, 3) + b"GNU\0",
    struct.pack("<III", 0xFFFFFFFF, 20, 3) + b"GNU\0" + IDENTITY))
def test_no_build_id(notes: bytes) -> None:
    assert mapped(build(notes=notes)).build_id() is None


# Damage.


@pytest.mark.parametrize("start", (
    bytes(64), b"\x7fELF\x01\x01" + bytes(58), b"\x7fELF\x02\x02" + bytes(58), b"MZ" + bytes(62)))
def test_what_is_no_image(start: bytes) -> None:
    with pytest.raises(NotAnImage):
        mapped(start + bytes(PAGE))


@pytest.mark.parametrize("at, raw", ((54, struct.pack("<HH", 32, 4)), (54, struct.pack("<HH", 56, 60000))))
def test_damaged_headers(at: int, raw: bytes) -> None:
    image = bytearray(build())
    image[at:at + len(raw)] = raw
    with pytest.raises(NotAnImage):
        mapped(bytes(image))


def test_headers_that_are_not_mapped() -> None:
    image = bytearray(build())
    image[32:40] = struct.pack("<Q", 1 << 40)
    with pytest.raises(Unreadable):
        mapped(bytes(image))
    with pytest.raises(Unreadable):
        Image(FakeMemory(), BASE)


def test_an_image_without_a_dynamic_section() -> None:
    image = bytearray(build())
    at = 64 + 56 * 2
    image[at:at + 4] = struct.pack("<I", 0)
    assert mapped(bytes(image)).symbol("main") is None


def test_an_image_without_hash_tables() -> None:
    assert mapped(build(hashes="none")).symbol("main") is None


@pytest.mark.parametrize("hashes", ("gnu", "sysv"))
def test_hash_tables_without_buckets(hashes: str) -> None:
    raw = build(hashes=hashes, buckets=1)
    memory = FakeMemory()
    data = memory.map(BASE, raw)
    image = Image(memory, BASE)
    assert image.symbol("main") is not None
    tag = {"gnu": 0x6FFFFEF5, "sysv": 4}[hashes]
    table = image._entries()[tag] - BASE
    data[table:table + 4] = bytes(4)
    memory.clear()
    assert image.symbol("main") is None


def test_a_chain_that_leads_into_itself_ends() -> None:
    symbols = [Made("a", 1, 1), Made("b", 2, 2)]
    memory = FakeMemory()
    data = memory.map(BASE, build(symbols, hashes="sysv", buckets=1))
    image = Image(memory, BASE)
    table = image._entries()[4] - BASE
    # One bucket, then the chains of three symbols: the first real one leads to itself.
    data[table + 8:table + 24] = struct.pack("<IIII", 1, 0, 1, 1)
    memory.clear()
    assert image.symbol("b") is None
    assert image.symbol("a") == Symbol(BASE + 1, 1)


def test_tables_that_a_core_does_not_hold() -> None:
    # gdb gives zeros for these.
    memory = FakeMemory()
    data = memory.map(BASE, build())
    image = Image(memory, BASE)
    for tag in (5, 6):
        at = image._entries()[tag] - BASE
        data[at:at + 100] = bytes(100)
    memory.clear()
    with pytest.raises(NoSymbols):
        image.symbol("main")


def test_tables_that_cannot_be_read() -> None:
    memory = FakeMemory()
    memory.map(BASE, build())
    image = Image(memory, BASE)
    image._entries()
    memory.make_unreadable(BASE, PAGE)
    with pytest.raises(Unreadable):
        image.symbol("main")


# Real libraries.


# What the dynamic linker has loaded.

LINKER = 0x7F00_0000_0000
DT_DEBUG = 21


def linked(*images: Tuple[int, bytes], last: int = 0) -> Tuple[FakeMemory, Image]:
    """An executable with a list of (bias, path) in memory; `last` is where the list leads behind its end."""
    memory = FakeMemory()
    memory.map(BASE, build(extra_dynamic=[(DT_DEBUG, LINKER)]))
    # struct r_debug, then a struct link_map and its name for each.
    raw = struct.pack("<QQ", 1, LINKER + 0x100 if images else last)
    for index, (bias, path) in enumerate(images):
        place = LINKER + 0x100 * (index + 1)
        after = place + 0x100 if index + 1 < len(images) else last
        raw = raw.ljust(place - LINKER, b"\0")
        raw += struct.pack("<QQQQQ", bias, place + 0x80, 0, after, 0).ljust(0x80, b"\0") + path + b"\0"
    memory.map(LINKER, raw.ljust(PAGE, b"\0"))
    return memory, Image(memory, BASE)


def test_what_the_dynamic_linker_has_loaded() -> None:
    images = (BASE, b""), (0x5000, b"/lib/libc.so.6"), (0x7000, "/tmp/ä.so".encode())
    _memory, executable = linked(*images)
    assert list(executable.loaded()) == [Loaded(*image) for image in images]


def test_nothing_is_loaded_yet_or_ever() -> None:
    assert list(linked()[1].loaded()) == []
    # The dynamic linker has not come to setting DT_DEBUG; a static program has none.
    assert list(mapped(build(extra_dynamic=[(DT_DEBUG, 0)])).loaded()) == []
    assert list(mapped(build()).loaded()) == []


def test_a_damaged_list_of_what_is_loaded() -> None:
    images = (BASE, b""), (0x5000, b"/lib/libc.so.6")
    assert len(list(linked(*images, last=LINKER + 0x100)[1].loaded())) == MAX_LOADED
    loaded = linked(*images, last=0x1000)[1].loaded()
    assert [next(loaded), next(loaded)] == [Loaded(*image) for image in images]
    with pytest.raises(Unreadable):
        next(loaded)


def test_the_machine_of_an_image() -> None:
    raw = bytearray(build())
    raw[18:20] = struct.pack("<H", 183)
    image = mapped(bytes(raw))
    assert image.machine == 183
    # Of that too, symbols are read alike.
    assert image.symbol("main") == Symbol(BASE + 0x400, 9)


class FileMemory(Memory):
    """The PT_LOADs of a file, mapped."""

    def __init__(self, path: Path, headers: List[Tuple[int, int, int, int]], bias: int) -> None:
        super().__init__()
        self._raw = path.read_bytes()
        self._headers = headers
        self._bias = bias

    def fetch(self, address: int, size: int) -> bytes:
        for virtual, file_size, memory_size, offset in self._headers:
            start = self._bias + virtual - virtual % PAGE
            end = self._bias + -(-(virtual + memory_size) // PAGE) * PAGE
            if start <= address and address + size <= end:
                at = offset - virtual % PAGE + address - start
                found = self._raw[at:at + size]
                # What lies behind the file's part is zero.
                kept = max(0, self._bias + virtual + file_size - address)
                return found[:kept] + bytes(size - len(found[:kept]))
        raise Unreadable(address, size)


def libraries() -> List[Path]:
    """The C library that this Python has mapped."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        found = {line.split()[-1] for line in maps if "/libc.so" in line or "/libc-2" in line
                 or "/libm.so" in line}
    return sorted(map(Path, found))


def check(path: Path) -> None:
    """Every symbol that pyelftools finds defined, and the build id."""
    elffile = pytest.importorskip("elftools.elf.elffile", reason="compares with pyelftools")
    with path.open("rb") as file:
        elf = elffile.ELFFile(file)
        fixed = elf["e_type"] == "ET_EXEC"
        loads = [(segment["p_vaddr"], segment["p_filesz"], segment["p_memsz"], segment["p_offset"])
                 for segment in elf.iter_segments("PT_LOAD")]
        defined: Dict[str, Set[Tuple[int, int]]] = {}
        undefined: Set[str] = set()
        for symbol in elf.get_section_by_name(".dynsym").iter_symbols():
            if symbol["st_shndx"] == "SHN_UNDEF":
                undefined.add(symbol.name)
            # A symbol that is no address: those that name a version, and those of each thread.
            elif symbol["st_shndx"] != "SHN_ABS" and symbol["st_info"]["type"] != "STT_TLS":
                defined.setdefault(symbol.name, set()).add((symbol["st_value"], symbol["st_size"]))
        notes = elf.get_section_by_name(".note.gnu.build-id")
        identity: Optional[str] = next(iter(notes.iter_notes()))["n_desc"] if notes else None
    bias = 0 if fixed else BASE
    image = Image(FileMemory(path, loads, bias), bias + min(load[0] for load in loads))
    assert len(defined) > 100
    for name, places in defined.items():
        found = image.symbol(name)
        assert found is not None and (found.address - bias, found.size) in places, name
    for name in undefined - defined.keys():
        assert image.symbol(name) is None
    assert image.build_id() == identity


@pytest.mark.parametrize("path", libraries(), ids=lambda path: path.name)
def test_every_symbol_of_a_system_library(path: Path) -> None:
    check(path)


def test_every_symbol_of_an_interpreter(interpreter: Interpreter) -> None:
    check(interpreter.image)
