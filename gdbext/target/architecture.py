"""Registers as gdb and Linux name them, one entry an architecture, and what they tell. No gdb here.

Facts: Linux, arch/x86/entry/entry_64.S and arch/x86/kernel/signal.c; arch/arm64/kernel/signal.c, do_signal();
include/uapi/asm-generic/unistd.h. glibc, sysdeps/x86_64/nptl/tls.h and sysdeps/aarch64/nptl/tls.h. gdb's
manual, Standard Target Features.
"""

from typing import Callable, Dict, Mapping, NamedTuple, Optional, Tuple

# What the kernel may return for an error: the last page of addresses (include/linux/err.h).
MAX_ERRNO = 4095
# futex(2) returns a count of threads or an error, and there are at most so many threads (PID_MAX_LIMIT in
# include/linux/threads.h). As addresses these are too low for variables: executables begin at 4 MB.
MAX_FUTEX_RESULT = 4 << 20


class Architecture(NamedTuple):
    """Registers by gdb's names, and how a system call is told.

    `thread_pointers` are names for the same register, of which a target has one or none; `ident_is_below`
    says that pthread_self() is not the thread pointer itself but glibc's struct pthread, which ends there.
    `syscall_instruction` is what is executed to make a system call, where no register tells that one is
    being made; None where `syscall_number` is negative outside of one.
    """

    thread_pointers: Tuple[str, ...]
    ident_is_below: bool
    program_counter: str
    stack_pointer: str
    general: Tuple[str, ...]
    syscall_number: str
    argument: str
    syscall_instruction: Optional[bytes]
    syscall_names: Mapping[int, str]

    @property
    def control(self) -> Tuple[str, ...]:
        """The registers that tell which thread this is and what it waits for."""
        return self.thread_pointers + (
            self.program_counter, self.stack_pointer, self.syscall_number, self.argument)


class Syscall(NamedTuple):
    """The system call that a thread is in; `argument` is the first one, None where it is not known."""

    name: str
    argument: Optional[int]


# By what gdb.Architecture.name() returns. restart_syscall takes the place of a call that an earlier stop
# interrupted; its registers stay.
ARCHITECTURES: Dict[str, Architecture] = {
    "i386:x86-64": Architecture(
        thread_pointers=("fs_base",), ident_is_below=False, program_counter="rip", stack_pointer="rsp",
        general=("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp",
                 "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
        syscall_number="orig_rax", argument="rdi", syscall_instruction=None,
        syscall_names={202: "futex", 219: "restart_syscall"}),
    "aarch64": Architecture(
        # The first since gdb 13, for targets that have the feature org.gnu.gdb.aarch64.tls; QEMU's
        # stub calls it by its name in Arm's manual.
        thread_pointers=("tpidr", "TPIDR_EL0"), ident_is_below=True, program_counter="pc", stack_pointer="sp",
        general=tuple(f"x{number}" for number in range(31)),
        # svc #0
        syscall_number="x8", argument="x0", syscall_instruction=b"\x01\x00\x00\xd4",
        syscall_names={98: "futex", 128: "restart_syscall"}),
}


def syscall(architecture: Architecture, registers: Mapping[str, int],
            read: Callable[[int, int], Optional[bytes]]) -> Optional[Syscall]:
    """The system call that a stopped thread is in, None outside of one and where that is not known.

    `read` gives bytes of the inferior, None where it can't. On aarch64 Linux turns the program counter
    back to the instruction and puts the argument back where a call is to be restarted, before a debugger or
    a core sees the registers; so that is what a blocked thread looks like. Behind the instruction is one
    whose call the stop has ended, or any call of a target that is not Linux itself, such as QEMU's user mode.
    """
    number = registers.get(architecture.syscall_number)
    if number is None:
        return None
    name = architecture.syscall_names.get(number, str(number))
    argument = registers.get(architecture.argument)
    wanted = architecture.syscall_instruction
    if wanted is None:
        return None if number >> 63 else Syscall(name, argument)
    pc = registers.get(architecture.program_counter)
    if pc is None:
        return None
    if read(pc, len(wanted)) == wanted:
        return Syscall(name, argument)
    if read(pc - len(wanted), len(wanted)) == wanted:
        return Syscall(name, argument if name == "futex" and _is_no_futex_result(argument) else None)
    return None


def _is_no_futex_result(value: Optional[int]) -> bool:
    """Whether this can't be what a futex call returns, so that the register still has the call's argument."""
    return value is not None and MAX_FUTEX_RESULT < value < (1 << 64) - MAX_ERRNO
