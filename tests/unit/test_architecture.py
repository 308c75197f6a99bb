"""gdbext.target.architecture: which system call a stopped thread is in, by its registers."""

from typing import Dict, Optional

import pytest

from gdbext.target.architecture import ARCHITECTURES, MAX_FUTEX_RESULT, NO_SYSCALL, Syscall, syscall

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


def first(name: str, argument: Optional[int]) -> Syscall:
    """A call of which only the first argument is known, if that."""
    return Syscall(name, (argument, None, None, None, None, None))


def on_aarch64(before: bytes, at: bytes, number: int, x0: int) -> Optional[Syscall]:
    """The system call of a thread with these instructions before and at its program counter."""
    code = {PC - 4: before, PC: at}
    return syscall(AARCH64, {"pc": PC, "x8": number, "x0": x0, "sp": 0}, lambda place, _size: code.get(place))


def error(number: int) -> int:
    """What the kernel returns for an error."""
    return (1 << 64) - number


@pytest.mark.parametrize("number, found", (
    (202, first("futex", GIL)), (219, first("restart_syscall", GIL)), (0, first("read", GIL)),
    (98, first("98", GIL)), ((1 << 64) - 1, NO_SYSCALL), ((1 << 64) - 514, NO_SYSCALL)))
def test_x86_64(number: int, found: Syscall) -> None:
    assert syscall(X86_64, {"orig_rax": number, "rdi": GIL}, no_memory) == found


@pytest.mark.parametrize("number, name", ((FUTEX, "futex"), (RESTART, "restart_syscall"), (READ, "read"), (999, "999")))
def test_a_call_that_is_to_be_restarted_on_aarch64(number: int, name: str) -> None:
    assert on_aarch64(RET, SVC, number, GIL) == first(name, GIL)


@pytest.mark.parametrize("x0, argument", (
    (GIL, GIL), (LOW_GIL, LOW_GIL), (0, None), (3, None), (MAX_FUTEX_RESULT, None),
    (error(4), None), (error(4095), None), (error(4096), error(4096))))
def test_a_futex_call_behind_its_instruction_on_aarch64(x0: int, argument: Optional[int]) -> None:
    """A number is what the call has returned; an address is still the argument."""
    assert on_aarch64(SVC, RET, FUTEX, x0) == first("futex", argument)


def test_another_call_behind_its_instruction_on_aarch64() -> None:
    # Of a file descriptor and a count of bytes nobody can say which it is.
    assert on_aarch64(SVC, RET, READ, 3) == first("read", None)
    assert on_aarch64(SVC, RET, TGKILL, GIL) == first("tgkill", None)


@pytest.mark.parametrize("before, at", (
    (RET, BRK), (BRK, RET), (b"\x21\x00\x00\xd4", RET), (bytes(4), bytes(4))))
def test_no_call_on_aarch64(before: bytes, at: bytes) -> None:
    """x8 is any variable there: only the instruction makes it a number."""
    assert on_aarch64(before, at, FUTEX, GIL) == NO_SYSCALL


@pytest.mark.parametrize("registers", ({}, {"x8": FUTEX, "x0": GIL}, {"pc": PC, "x0": GIL}))
def test_registers_that_the_target_lacks(registers: Dict[str, int]) -> None:
    assert syscall(AARCH64, registers, lambda _place, _size: SVC) is None


def test_an_argument_that_the_target_lacks() -> None:
    assert syscall(AARCH64, {"pc": PC, "x8": FUTEX}, lambda _place, _size: SVC) == first("futex", None)
    assert syscall(X86_64, {"orig_rax": 202}, no_memory) == first("futex", None)


def test_all_arguments() -> None:
    x86_64 = dict(zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), range(6)), orig_rax=202)
    assert syscall(X86_64, x86_64, no_memory) == Syscall("futex", (0, 1, 2, 3, 4, 5))
    aarch64 = {"pc": PC, "x8": FUTEX, **{f"x{number}": GIL + number for number in range(6)}}
    found = Syscall("futex", tuple(GIL + number for number in range(6)))
    assert syscall(AARCH64, aarch64, lambda _place, _size: SVC) == found
    # Behind the instruction, only the first one has been written over.
    aarch64["x0"] = 1
    assert syscall(AARCH64, aarch64, lambda place, _size: SVC if place == PC - 4 else RET) == (
         Syscall("futex", (None, *found.arguments[1:])))


# mov $230,%eax; xor %edi,%edi; syscall    and    mov x8, #115; svc #0
@pytest.mark.parametrize("architecture, number, code, found", (
    ("i386:x86-64", 219, b"\xb8\xe6\0\0\0\x31\xff\x0f\x05", "clock_nanosleep"),
    ("i386:x86-64", 219, b"\xb8\xca\0\0\0\x0f\x05", "futex"),
    ("i386:x86-64", 219, b"\xb8\x17\x01\0\0\x0f\x05", "restart_syscall"),
    ("i386:x86-64", 219, b"\x48\x89\xf8\x0f\x05", "restart_syscall"),
    ("i386:x86-64", 219, b"\xb8\xca\0\0\0\x90\x90", "restart_syscall"),
    ("i386:x86-64", 7, b"\xb8\xca\0\0\0\x0f\x05", "poll"),
    ("aarch64", RESTART, b"\x68\x0e\x80\xd2" + SVC, "clock_nanosleep"),
    ("aarch64", RESTART, b"\x48\x0c\x80\x52\x00\x00\x80\xd2" + SVC, "futex"),
    ("aarch64", RESTART, RET + SVC, "restart_syscall")))
def test_which_call_is_restarted(architecture: str, number: int, code: bytes, found: str) -> None:
    """It is the one whose number the code has loaded."""
    described = ARCHITECTURES[architecture]
    memory = bytes(64) + code + bytes(64)
    end = 64 + len(code)

    def read(address: int, size: int) -> bytes:
        at = address - PC + end
        return memory[at:at + size]

    registers = {described.syscall_number: number, described.program_counter: PC}
    assert syscall(described, registers, read).name == found
    if architecture == "aarch64":
        # Turned back to the instruction.
        assert syscall(described, {**registers, "pc": PC - 4}, read).name == found


def test_code_that_cannot_be_read() -> None:
    assert syscall(AARCH64, {"pc": PC, "x8": FUTEX, "x0": GIL}, no_memory) is None


def test_a_program_counter_at_the_end_of_memory() -> None:
    assert syscall(AARCH64, {"pc": 0, "x8": FUTEX, "x0": GIL}, no_memory) is None


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_each_architecture_has(name: str) -> None:
    """What an analysis asks for by name, and registers that do not name one thing twice."""
    architecture = ARCHITECTURES[name]
    assert {"futex", "restart_syscall", "read", "pselect6", "epoll_pwait", "clock_nanosleep", "wait4", "flock",
            "recvfrom", "sendmsg"} < set(architecture.syscall_names.values())
    assert len(set(architecture.syscall_names.values())) == len(architecture.syscall_names)
    assert len(set(architecture.general)) == len(architecture.general) >= 15
    assert len(architecture.arguments) == 6 and set(architecture.arguments) <= set(architecture.general)
    assert len(set(architecture.control)) == len(architecture.control)
