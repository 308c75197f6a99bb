"""Registers as gdb and Linux name them, one entry an architecture, and what they tell. No gdb here.

Facts: Linux, arch/x86/entry/entry_64.S and arch/x86/kernel/signal.c; arch/arm64/kernel/signal.c, do_signal();
arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h. System V ABI, AMD64 supplement,
figures 3.4 and 3.36; DWARF and Procedure Call Standard for the Arm 64-bit Architecture. glibc,
sysdeps/x86_64/nptl/tls.h and sysdeps/aarch64/nptl/tls.h. gdb's manual, Standard Target Features.
"""

from typing import Callable, Dict, Mapping, NamedTuple, Optional, Tuple

# What the kernel may return for an error: the last page of addresses (include/linux/err.h).
MAX_ERRNO = 4095
# futex(2) returns a count of threads or an error, and there are at most so many threads (PID_MAX_LIMIT in
# include/linux/threads.h). As addresses these are too low for variables: executables begin at 4 MB.
MAX_FUTEX_RESULT = 4 << 20
# Where code loads the number of a system call before it makes it: bytes before the instruction.
NUMBER_REACH = 32

RESTART = "restart_syscall"


class Architecture(NamedTuple):
    """Registers by gdb's names, and how a system call is told.

    `thread_pointers` are names for the same register, of which a target has one or none; `ident_is_below`
    says that pthread_self() is not the thread pointer itself but glibc's struct pthread, which ends there.
    `syscall_instruction` is what is executed to make a system call; `number_is_minus_outside` that the
    register with its number is negative outside of one, so that nobody has to look for the instruction.
    `loaded_number` gives the number that the code right before the instruction has loaded. `dwarf` has
    registers in the order of DWARF's numbers, and `callee_saved` those that a function gives back as they were.
    """

    thread_pointers: Tuple[str, ...]
    ident_is_below: bool
    program_counter: str
    stack_pointer: str
    general: Tuple[str, ...]
    syscall_number: str
    arguments: Tuple[str, ...]
    syscall_instruction: bytes
    number_is_minus_outside: bool
    syscall_names: Mapping[int, str]
    loaded_number: Callable[[bytes], Optional[int]]
    dwarf: Tuple[str, ...]
    callee_saved: Tuple[str, ...]

    @property
    def control(self) -> Tuple[str, ...]:
        """The registers that tell which thread this is and what it waits for."""
        return self.thread_pointers + (
            self.program_counter, self.stack_pointer, self.syscall_number) + self.arguments


class Syscall(NamedTuple):
    """The system call that a thread is in; an argument is None where it is not known."""

    name: str
    arguments: Tuple[Optional[int], ...]


# What a thread is in that is in no system call.
NO_SYSCALL = Syscall("", ())


def _loaded_on_x86_64(code: bytes) -> Optional[int]:
    """The last mov $number,%eax of the bytes before a syscall instruction."""
    for at in range(len(code) - 5, -1, -1):
        if code[at] == 0xB8 and code[at + 3:at + 5] == b"\0\0":
            return int.from_bytes(code[at + 1:at + 5], "little")
    return None


def _loaded_on_aarch64(code: bytes) -> Optional[int]:
    """The last mov x8, #number (or w8) of the instructions before an svc."""
    for at in range(len(code) - 4, -1, -4):
        word = int.from_bytes(code[at:at + 4], "little")
        if word & 0x7FE0001F == 0x52800008:
            return word >> 5 & 0xFFFF
    return None


# The calls in which a thread may stand for long. The names are the same everywhere.
_X86_64 = {
    0: "read", 1: "write", 2: "open", 7: "poll", 16: "ioctl", 17: "pread64", 18: "pwrite64", 19: "readv",
    20: "writev", 23: "select", 24: "sched_yield", 34: "pause", 35: "nanosleep", 40: "sendfile",
    42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg", 61: "wait4",
    65: "semop", 69: "msgsnd", 70: "msgrcv", 72: "fcntl", 73: "flock", 74: "fsync", 75: "fdatasync",
    128: "rt_sigtimedwait", 130: "rt_sigsuspend", 202: "futex", 208: "io_getevents", 219: RESTART,
    220: "semtimedop", 230: "clock_nanosleep", 232: "epoll_wait", 234: "tgkill", 242: "mq_timedsend",
    243: "mq_timedreceive", 247: "waitid", 257: "openat", 270: "pselect6", 271: "ppoll", 275: "splice",
    281: "epoll_pwait", 288: "accept4", 295: "preadv", 296: "pwritev", 299: "recvmmsg", 307: "sendmmsg",
    318: "getrandom", 326: "copy_file_range", 426: "io_uring_enter", 441: "epoll_pwait2",
    449: "futex_waitv", 455: "futex_wait",
}
_GENERIC = {
    4: "io_getevents", 22: "epoll_pwait", 25: "fcntl", 29: "ioctl", 32: "flock", 56: "openat", 63: "read",
    64: "write", 65: "readv", 66: "writev", 67: "pread64", 68: "pwrite64", 69: "preadv", 70: "pwritev",
    71: "sendfile", 72: "pselect6", 73: "ppoll", 76: "splice", 82: "fsync", 83: "fdatasync", 95: "waitid",
    98: "futex", 101: "nanosleep", 115: "clock_nanosleep", 124: "sched_yield", 128: RESTART,
    131: "tgkill", 133: "rt_sigsuspend", 137: "rt_sigtimedwait", 182: "mq_timedsend",
    183: "mq_timedreceive", 188: "msgrcv", 189: "msgsnd", 192: "semtimedop", 193: "semop", 202: "accept",
    203: "connect", 206: "sendto", 207: "recvfrom", 211: "sendmsg", 212: "recvmsg", 242: "accept4",
    243: "recvmmsg", 260: "wait4", 269: "sendmmsg", 278: "getrandom", 285: "copy_file_range",
    426: "io_uring_enter", 441: "epoll_pwait2", 449: "futex_waitv", 455: "futex_wait",
}

# By what gdb.Architecture.name() returns.
ARCHITECTURES: Dict[str, Architecture] = {
    "i386:x86-64": Architecture(
        thread_pointers=("fs_base",), ident_is_below=False, program_counter="rip", stack_pointer="rsp",
        general=("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp",
                 "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
        syscall_number="orig_rax", arguments=("rdi", "rsi", "rdx", "r10", "r8", "r9"),
        syscall_instruction=b"\x0f\x05", number_is_minus_outside=True,
        syscall_names=_X86_64, loaded_number=_loaded_on_x86_64,
        dwarf=("rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
               "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
        callee_saved=("rbx", "rbp", "r12", "r13", "r14", "r15")),
    "aarch64": Architecture(
        # The first since gdb 13, for targets that have the feature org.gnu.gdb.aarch64.tls; QEMU's
        # stub calls it by its name in Arm's manual.
        thread_pointers=("tpidr", "TPIDR_EL0"), ident_is_below=True, program_counter="pc", stack_pointer="sp",
        general=tuple(f"x{number}" for number in range(31)),
        # svc #0
        syscall_number="x8", arguments=tuple(f"x{number}" for number in range(6)),
        syscall_instruction=b"\x01\x00\x00\xd4", number_is_minus_outside=False,
        syscall_names=_GENERIC, loaded_number=_loaded_on_aarch64,
        dwarf=tuple(f"x{number}" for number in range(31)) + ("sp",),
        callee_saved=tuple(f"x{number}" for number in range(19, 30))),
}


def syscall(architecture: Architecture, registers: Mapping[str, int],
            read: Callable[[int, int], Optional[bytes]]) -> Optional[Syscall]:
    """The system call that a stopped thread is in: NO_SYSCALL outside of one, None where that is not known.

    `read` gives bytes of the inferior, None where it can't. On aarch64 Linux turns the program counter
    back to the instruction and puts the argument back where a call is to be restarted, before a debugger or
    a core sees the registers; so that is what a blocked thread looks like. Behind the instruction is one
    whose call the stop has ended, or any call of a target that is not Linux itself, such as QEMU's user mode.

    restart_syscall takes the place of a call with a timeout that an earlier stop interrupted. Its
    registers stay; which call it was is in the code that made it.
    """
    number = registers.get(architecture.syscall_number)
    if number is None:
        return None
    pc = registers.get(architecture.program_counter)
    found = tuple(registers.get(name) for name in architecture.arguments)
    if architecture.number_is_minus_outside:
        if number >> 63:
            return NO_SYSCALL
        return Syscall(_name(architecture, number, pc, read), found)
    instruction = architecture.syscall_instruction
    if pc is None:
        return None
    at, before = read(pc, len(instruction)), read(pc - len(instruction), len(instruction))
    if at == instruction:
        return Syscall(_name(architecture, number, pc + len(instruction), read), found)
    if before == instruction:
        name = _name(architecture, number, pc, read)
        if name != "futex" or not _is_no_futex_result(found[0]):
            found = (None, *found[1:])
        return Syscall(name, found)
    return None if at is None or before is None else NO_SYSCALL


def _name(architecture: Architecture, number: int, after: Optional[int],
          read: Callable[[int, int], Optional[bytes]]) -> str:
    """The name of a call, its number where there is no name; `after` is the address behind its instruction."""
    name = architecture.syscall_names.get(number, str(number))
    if name != RESTART or after is None:
        return name
    size = len(architecture.syscall_instruction)
    code = read(after - size - NUMBER_REACH, NUMBER_REACH + size)
    if code is None or not code.endswith(architecture.syscall_instruction):
        return name
    loaded = architecture.loaded_number(code[:-size])
    return architecture.syscall_names.get(loaded, name) if loaded is not None else name


def _is_no_futex_result(value: Optional[int]) -> bool:
    """Whether this can't be what a futex call returns, so that the register still has the call's argument."""
    return value is not None and MAX_FUTEX_RESULT < value < (1 << 64) - MAX_ERRNO
