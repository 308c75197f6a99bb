"""gdbext.target.architecture: which system call a stopped thread is in, by its registers."""

from typing import Dict, Optional

import pytest

from gdbext.target.architecture import ARCHITECTURES, MAX_FUTEX_RESULT, Syscall, syscall

X86_64, AARCH64 = ARCHITECTURES["i386:x86-64"], ARCHITECTURES["aarch64"]
PC = 0x5500_A1EB8C
SVC, BRK, RET = b"\x01\x00\x00\xd4", b"\x00\x00\x20\xd4", b"\xc0\x03\x5f\xd6"
# asm-generic/unistd.h
READ, FUTEX, RESTART, TGKILL = 63, 98, 128, 131
GIL = 0x5500_001C0
# In an executable that is linked at a fixed address, Debian's python3.11 for arm64.
LOW_GIL = 0xA361BC


def no_memory(_address: int, _size: int) -> Optional[bytes]:
    """Code that can't be read."""
    return None


def on_aarch64(before: bytes, at: bytes, number: int, x0: int) -> Optional[Syscall]:
    """The system call of a thread with these instructions before and at its program counter."""
    code = {PC - 4: before, PC: at}
    return syscall(AARCH64, {"pc": PC, "x8": number, "x0": x0, "sp": 0}, lambda place, _size: code[place])


def error(number: int) -> int:
    """What the kernel returns for an error."""
    return (1 << 64) - number


@pytest.mark.parametrize("number, found", (
    (202, Syscall("futex", GIL)), (219, Syscall("restart_syscall", GIL)), (0, Syscall("0", GIL)),
    (98, Syscall("98", GIL)), ((1 << 64) - 1, None), ((1 << 64) - 514, None)))
def test_x86_64(number: int, found: Optional[Syscall]) -> None:
    assert syscall(X86_64, {"orig_rax": number, "rdi": GIL}, no_memory) == found


@pytest.mark.parametrize("number, name", ((FUTEX, "futex"), (RESTART, "restart_syscall"), (READ, "63")))
def test_a_call_that_is_to_be_restarted_on_aarch64(number: int, name: str) -> None:
    assert on_aarch64(RET, SVC, number, GIL) == Syscall(name, GIL)


@pytest.mark.parametrize("x0, argument", (
    (GIL, GIL), (LOW_GIL, LOW_GIL), (0, None), (3, None), (MAX_FUTEX_RESULT, None),
    (error(4), None), (error(4095), None), (error(4096), error(4096))))
def test_a_futex_call_behind_its_instruction_on_aarch64(x0: int, argument: Optional[int]) -> None:
    """A number is what the call has returned; an address is still the argument."""
    assert on_aarch64(SVC, RET, FUTEX, x0) == Syscall("futex", argument)


def test_another_call_behind_its_instruction_on_aarch64() -> None:
    # Of a file descriptor and a count of bytes nobody can say which it is.
    assert on_aarch64(SVC, RET, READ, 3) == Syscall("63", None)
    assert on_aarch64(SVC, RET, TGKILL, GIL) == Syscall("131", None)


@pytest.mark.parametrize("before, at", (
    (RET, BRK), (BRK, RET), (b"\x21\x00\x00\xd4", RET), (bytes(4), bytes(4))))
def test_no_call_on_aarch64(before: bytes, at: bytes) -> None:
    """x8 is any variable there: only the instruction makes it a number."""
    assert on_aarch64(before, at, FUTEX, GIL) is None


@pytest.mark.parametrize("registers", ({}, {"x8": FUTEX, "x0": GIL}, {"pc": PC, "x0": GIL}))
def test_registers_that_the_target_lacks(registers: Dict[str, int]) -> None:
    assert syscall(AARCH64, registers, lambda _place, _size: SVC) is None


def test_an_argument_that_the_target_lacks() -> None:
    assert syscall(AARCH64, {"pc": PC, "x8": FUTEX}, lambda _place, _size: SVC) == Syscall("futex", None)
    assert syscall(X86_64, {"orig_rax": 202}, no_memory) == Syscall("futex", None)


def test_code_that_cannot_be_read() -> None:
    assert syscall(AARCH64, {"pc": PC, "x8": FUTEX, "x0": GIL}, no_memory) is None


def test_a_program_counter_at_the_end_of_memory() -> None:
    assert syscall(AARCH64, {"pc": 0, "x8": FUTEX, "x0": GIL}, no_memory) is None


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_each_architecture_has(name: str) -> None:
    """What an analysis asks for by name, and registers that do not name one thing twice."""
    architecture = ARCHITECTURES[name]
    assert set(architecture.syscall_names.values()) == {"futex", "restart_syscall"}
    assert len(set(architecture.general)) == len(architecture.general) >= 15
    assert architecture.argument in architecture.general
    assert len(set(architecture.control)) == len(architecture.control)
