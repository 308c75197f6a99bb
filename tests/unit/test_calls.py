"""Calls of imported functions in machine code: of x86-64 as objdump lists them, of aarch64 word by word."""

import platform
import re
import struct
from pathlib import Path
from typing import List

import pytest

from gdbext.elf.calls import Site, candidates
from gdbext.elf.image import Image
from gdbext.elf.imports import imported
from tests.support.elf_files import compile_to, missing_tools, run

SOURCE = """
#include <unistd.h>
void *kept;
int plain(void) { return close(3) + 1; }
int last(int fd) { return close(fd); }
int twice(int fd) { int one = close(fd); return one + close(fd + 1); }
void keep(void) { kept = (void *)close; }
int other(int fd) { return dup(fd); }
"""


@pytest.mark.parametrize("options", [("-fplt",), ("-fno-plt",), ("-fplt", "-fcf-protection", "-Wl,-z,now")])
def test_x86_64(tmp_path: Path, options: List[str]) -> None:
    """Through the linkage table or without, as the last of a function too; a load of the address is told apart."""
    reason = missing_tools() or ("" if platform.machine() == "x86_64" else "this is %s" % platform.machine())
    if reason:
        pytest.skip(reason)
    path = compile_to(tmp_path / "made.so", "-shared", "-fPIC", "-O2", *options, source=SOURCE)
    with Image(path) as image:
        how = imported(image, "close")
        assert how is not None
        sections = [(name, each) for name, each in image.sections().items() if name.startswith((".plt", ".text"))]
        # From the first to the last, with what is between them, as they are mapped.
        start = min(each["sh_addr"] for _name, each in sections)
        end = max(each["sh_addr"] + each["sh_size"] for _name, each in sections)
        code = path.read_bytes()[start:end]
        linkage = [(each["sh_addr"], each["sh_addr"] + each["sh_size"])
                   for name, each in sections if name.startswith(".plt")]
        found = candidates("x86_64", code, start, how.slots, linkage)
    expected, section = set(), ""
    for line in run("objdump", "-d", "--no-show-raw-insn", str(path)).splitlines():
        heading = re.match(r"Disassembly of section (\S+):", line)
        section = heading.group(1) if heading else section
        match = re.match(r" +([0-9a-f]+):\s+(?:bnd )?(call|jmp|mov)q? .*<close(?:@plt|@GLIBC|@)", line)
        if match and section == ".text":
            expected.add(Site(int(match.group(1), 16), match.group(2) == "mov"))
    assert set(found) == expected
    # plain, last, twice two times, keep; without the table some compilers load the address once for both.
    assert len(expected) >= 4 and any(site.loads for site in expected)


START, SLOT = 0x41E000, 0x930008
# adrp x16, 0x930000; ldr x17, [x16, #8]; add x16, x16, #8; br x17, as at START.
ENTRY = [0xD0002890, 0xF9400611, 0x91002210, 0xD61F0220]
NOTHING, BTI_C, RETURN = 0xD503201F, 0xD503245F, 0xD65F03C0


def branch(word: int, distance: int) -> int:
    """b or bl, by so many instructions."""
    return word | distance & 0x3FFFFFF


def of_words(words: List[int], linkage: int) -> List[Site]:
    """What is found; the first `linkage` words are the linkage table."""
    return candidates("aarch64", struct.pack("<%dI" % len(words), *words), START, [SLOT],
                      [(START, START + 4 * linkage)])


def at(index: int, loads: bool = False) -> Site:
    """The word of that number."""
    return Site(START + 4 * index, loads)


def test_aarch64_through_the_linkage_table() -> None:
    """bl, and b as the last of a function; an entry for another slot is not meant, nor its neighbour's page."""
    other = [ENTRY[0], ENTRY[1] + (1 << 10), *ENTRY[2:]]
    code = [branch(0x94000000, -8), branch(0x94000000, -5), branch(0x14000000, -10), RETURN]
    assert of_words([*ENTRY, *other, *code], 8) == [at(8), at(10)]
    assert of_words([*other, *ENTRY, *code], 8) == [at(9)]


def test_aarch64_with_branch_targets() -> None:
    """An entry begins with `bti c` where branches have to have targets (-mbranch-protection)."""
    assert of_words([BTI_C, *ENTRY, NOTHING, branch(0x94000000, -6), RETURN], 6) == [at(6)]


def test_aarch64_without_the_linkage_table() -> None:
    """adrp and ldr of any registers, with others between them, then blr or br; else the address was loaded."""
    load = [0xD0002880, 0x52800021, 0xF9400402]     # adrp x0, page; mov w1, #1; ldr x2, [x0, #8]
    assert of_words([*load, 0x52800060, 0xD63F0040], 0) == [at(4)]     # mov w0, #3; blr x2
    assert of_words([*load, 0xD61F0040], 0) == [at(3)]                 # br x2
    assert of_words([*load, 0xF9000003, 0xD63F0060], 0) == [at(2, loads=True)]     # str x3, [x0]; blr x3
    assert of_words([*load, 0xAA0303E2, 0xD63F0040], 0) == [at(2, loads=True)]     # mov x2, x3; blr x2
    assert of_words([load[0], 0xAA0303E0, load[2], 0xD63F0040], 0) == []           # mov x0, x3
    assert of_words(load[1:], 0) == of_words(load[:2], 0) == []
