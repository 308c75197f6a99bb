"""What a system call waits for: which descriptors, for how long, for whom.

Facts: the manual pages of the calls in section 2; include/uapi/asm-generic/poll.h, include/linux/types.h.
"""

from typing import List, NamedTuple, Optional, Protocol, Sequence, Set, Tuple

from ..cpython.memory import Memory, Unreadable

# Descriptors of one poll or select that are named; more are counted.
MAX_NAMED = 3
# FD_SETSIZE, and the most that poll is believed to have.
MAX_SELECT = 1024
MAX_POLL = 1 << 16
# POLLREMOVE is the highest of them.
_MAX_POLL_EVENTS = 1 << 14

_DESCRIPTOR_FIRST = {
    "read": "read", "readv": "read", "pread64": "read", "preadv": "read", "recvfrom": "recv", "recvmsg": "recv",
    "recvmmsg": "recv", "write": "write", "writev": "write", "pwrite64": "write", "pwritev": "write",
    "sendto": "send", "sendmsg": "send", "sendmmsg": "send", "accept": "accept", "accept4": "accept",
    "fsync": "fsync", "fdatasync": "fdatasync", "flock": "flock", "ioctl": "ioctl",
    "sendfile": "sendfile", "splice": "splice", "copy_file_range": "copy_file_range",
    "io_uring_enter": "io_uring_enter",
}
_UNNAMED = {
    "semop": "a System V semaphore", "semtimedop": "a System V semaphore", "msgrcv": "a System V message",
    "msgsnd": "room in a System V message queue", "mq_timedreceive": "a POSIX message",
    "mq_timedsend": "room in a POSIX message queue", "io_getevents": "asynchronous I/O",
    "pause": "a signal", "rt_sigsuspend": "a signal", "getrandom": "random numbers",
}
# fcntl(2): F_SETLKW, F_OFD_SETLKW.
_LOCKING = (7, 38)

# The longest path, PATH_MAX, and address of a socket, struct sockaddr_storage: bytes.
MAX_PATH = 4096
MAX_SOCKET_ADDRESS = 128
# Signals in a sigset_t.
SIGNALS = 64

# clock_nanosleep(2) and futex(2).
CLOCK_REALTIME, CLOCK_MONOTONIC = 0, 1
_TIMER_ABSTIME = 1
_FUTEX_COMMAND, _FUTEX_CLOCK_REALTIME = 0x7F, 0x100
_RELATIVE_FUTEX = 0


# Whether a wait ends by itself, and in how many seconds; None for what is not known.
Timeout = Tuple[Optional[bool], Optional[float]]


class Surroundings(Protocol):
    """What is known of the process besides its memory; of a core and of a remote target, nothing."""

    def descriptor(self, number: int) -> Optional[str]:
        """What a file descriptor is, in words."""

    def lock_holders(self, number: int) -> Optional[str]:
        """Who holds a lock on the file of this descriptor, in words."""

    def process(self, pid: int) -> Optional[str]:
        """What is known of another process, in words."""

    def now(self, clock: int) -> Optional[float]:
        """The time of one of the process's clocks in seconds, where that is known."""


class Call(NamedTuple):
    """What a thread in a system call waits for.

    `kind` is as in JSON: "sleep", "io", "child" or "native". `timed` says that it ends by itself, and `left`
    in how many seconds, None where that is not known. `timed` is None where not even that is known.
    """

    kind: str
    detail: str
    timed: Optional[bool] = False
    left: Optional[float] = None


def describe(name: str, arguments: Sequence[Optional[int]], memory: Memory, around: Surroundings) -> Call:
    """What a system call waits for, by its name and arguments."""
    values = list(arguments) + [None] * (6 - len(arguments))
    if name in _DESCRIPTOR_FIRST:
        return Call("io", f"{_DESCRIPTOR_FIRST[name]} on {_described(values[0], around)}" + (
            _holders(values[0], around) if name == "flock" else ""))
    if name == "fcntl":
        if values[1] in _LOCKING:
            return Call("io", f"file lock (fcntl) on {_described(values[0], around)}" + _holders(values[0], around))
        return Call("io", f"fcntl on {_described(values[0], around)}")
    if name == "connect":
        to = _socket_address(values[1], values[2], memory)
        return Call("io", f"connect {f'to {to} ' if to else ''}on {_described(values[0], around)}")
    if name in ("open", "openat"):
        path = _path(values[0] if name == "open" else values[1], memory)
        return Call("io", f"open of {path or 'a file'}")
    if name == "rt_sigtimedwait":
        return Call("native", _signals(values[0], memory), *_time(values[2], memory))
    if name in ("poll", "ppoll"):
        return _poll(name, values, memory, around)
    if name in ("select", "pselect6"):
        return _select(name, values, memory, around)
    if name in ("epoll_wait", "epoll_pwait", "epoll_pwait2"):
        timed, left = (_time(values[3], memory) if name == "epoll_pwait2" else _milliseconds(values[3]))
        return Call("io", f"epoll on {_described(values[0], around)}", timed, left)
    if name in ("nanosleep", "clock_nanosleep"):
        return _sleep(name, values, memory, around)
    if name in ("wait4", "waitid"):
        return _child(name, values, around)
    if name == "restart_syscall":
        if _may_be_poll(values, memory):
            return _poll("poll", values, memory, around)
        return Call("native", "a system call that an earlier stop interrupted", None)
    if name in ("semtimedop", "mq_timedreceive", "mq_timedsend", "io_getevents"):
        return Call("native", _UNNAMED[name], None)
    if name in _UNNAMED:
        return Call("native", _UNNAMED[name])
    return Call("native", f"system call {name}", None)


def futex_timeout(name: str, arguments: Sequence[Optional[int]], memory: Memory,
                  around: Surroundings) -> Timeout:
    """Whether a futex call ends by itself, and in how many seconds, as far as that is known."""
    if name != "futex":
        return True, None
    command, pointer = arguments[1], arguments[3]
    if command is None or pointer is None:
        return None, None
    if not pointer:
        return False, None
    _timed, value = _time(pointer, memory)
    if value is None or command & _FUTEX_COMMAND == _RELATIVE_FUTEX:
        return True, value
    return True, _until(value, CLOCK_REALTIME if command & _FUTEX_CLOCK_REALTIME else CLOCK_MONOTONIC, around)


def _described(number: Optional[int], around: Surroundings) -> str:
    if number is None:
        return "a descriptor that is not known"
    number = _signed(number)
    text = around.descriptor(number)
    return f"fd {number}" + (f": {text}" if text else "")


def _holders(number: Optional[int], around: Surroundings) -> str:
    text = around.lock_holders(_signed(number)) if number is not None else None
    return f", locked by {text}" if text else ""


def _signed(value: int) -> int:
    """A C int in a register."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _milliseconds(value: Optional[int]) -> Timeout:
    if value is None:
        return None, None
    value = _signed(value)
    # How long it has waited already, the call does not tell.
    return value >= 0, None


def _time(pointer: Optional[int], memory: Memory, unit: float = 1e9) -> Timeout:
    """A struct timespec, or timeval where the unit is a million: seconds and parts of one."""
    if pointer is None:
        return None, None
    if pointer == 0:
        return False, None
    try:
        return True, memory.integer(pointer, 8, signed=True) + memory.integer(pointer + 8, 8, signed=True) / unit
    except Unreadable:
        return True, None


def _path(pointer: Optional[int], memory: Memory) -> Optional[str]:
    """A path as the caller gave it, None where it can't be read."""
    try:
        return memory.c_string(pointer, MAX_PATH).decode("utf-8", "surrogateescape") if pointer else None
    except Unreadable:
        return None


def _socket_address(pointer: Optional[int], size: Optional[int], memory: Memory) -> Optional[str]:
    """A struct sockaddr of the internet or of this machine (ip(7), ipv6(7), unix(7)), None for any other."""
    import socket

    if not pointer or size is None or not 2 < size <= MAX_SOCKET_ADDRESS:
        return None
    try:
        raw = memory.read(pointer, size)
    except Unreadable:
        return None
    family = int.from_bytes(raw[:2], "little")
    port = int.from_bytes(raw[2:4], "big")
    if family == socket.AF_INET and size >= 8:
        return f"{socket.inet_ntop(socket.AF_INET, raw[4:8])}:{port}"
    if family == socket.AF_INET6 and size >= 24:
        return f"[{socket.inet_ntop(socket.AF_INET6, raw[8:24])}]:{port}"
    if family == socket.AF_UNIX:
        # An abstract address begins with a null byte, and has no end but the size.
        path = b"@" + raw[3:] if not raw[2] else raw[2:].partition(b"\0")[0]
        return path.decode("utf-8", "surrogateescape")
    return None


def _signals(pointer: Optional[int], memory: Memory) -> str:
    """A sigset_t by the names of its signals."""
    import signal

    try:
        bits = memory.u64(pointer) if pointer else 0
    except Unreadable:
        bits = 0
    names = {each.value: each.name for each in signal.Signals}
    found = [names.get(number, f"signal {number}") for number in range(1, SIGNALS + 1) if bits >> number - 1 & 1]
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return f"a signal: {', '.join(found[:MAX_NAMED])}{more}" if found else "a signal"


def _until(deadline: float, clock: int, around: Surroundings) -> Optional[float]:
    now = around.now(clock)
    return None if now is None else max(0.0, deadline - now)


def _many(numbers: List[int], around: Surroundings) -> str:
    """ "2 descriptors: fd 5: pipe, fd 7: socket ...". """
    named = ", ".join(_described(number, around) for number in numbers[:MAX_NAMED])
    if len(numbers) == 1:
        return named
    more = f" and {len(numbers) - MAX_NAMED} more" if len(numbers) > MAX_NAMED else ""
    return f"{len(numbers)} descriptors" + (f" ({named}{more})" if named else "")


def _poll(name: str, values: Sequence[Optional[int]], memory: Memory, around: Surroundings) -> Call:
    timed, left = _time(values[2], memory) if name == "ppoll" else _milliseconds(values[2])
    array, count = values[0], values[1]
    if count == 0:
        return Call("sleep", "sleep", timed, left)
    numbers: List[int] = []
    if array is not None and count is not None and count <= MAX_POLL:
        try:
            # struct pollfd has 8 bytes, the descriptor first.
            numbers = [memory.integer(array + 8 * index, 4, signed=True) for index in range(count)]
        except Unreadable:
            numbers = []
    what = _many([number for number in numbers if number >= 0], around) if numbers else (
        "descriptors" if count is None else f"{count} descriptors")
    return Call("io", f"poll on {what}", timed, left)


def _may_be_poll(values: Sequence[Optional[int]], memory: Memory) -> bool:
    """Whether the arguments of a call that is being restarted are poll's, and so none of a sleep or futex.

    A C library may make calls where the number is no constant of the code (glibc 2.41).
    """
    array, count = values[0], values[1]
    if not array or not count or count > MAX_SELECT:
        return False
    try:
        for index in range(count):
            number = memory.integer(array + 8 * index, 4, signed=True)
            events = memory.integer(array + 8 * index + 4, 2)
            if not -1 <= number < MAX_POLL or not 0 < events < _MAX_POLL_EVENTS:
                return False
    except Unreadable:
        return False
    return True


def _select(name: str, values: Sequence[Optional[int]], memory: Memory, around: Surroundings) -> Call:
    # Linux counts the time that is left down in the caller's structure.
    timed, left = _time(values[4], memory, 1e9 if name == "pselect6" else 1e6)
    if values[0] == 0:
        return Call("sleep", "sleep", timed, left)
    numbers: Set[int] = set()
    for pointer in values[1:4]:
        if pointer and values[0] is not None and values[0] <= MAX_SELECT:
            try:
                bits = memory.integer(pointer, -(-values[0] // 64) * 8)
            except Unreadable:
                continue
            numbers.update(number for number in range(values[0]) if bits >> number & 1)
    what = _many(sorted(numbers), around) if numbers else "descriptors"
    return Call("io", f"select on {what}", timed, left)


def _sleep(name: str, values: Sequence[Optional[int]], memory: Memory, around: Surroundings) -> Call:
    if name == "nanosleep":
        return Call("sleep", "sleep", True, _time(values[0], memory)[1])
    clock, flags = values[0], values[1]
    _timed, value = _time(values[2], memory)
    if value is None or clock is None or flags is None:
        return Call("sleep", "sleep", True)
    if flags & _TIMER_ABSTIME:
        return Call("sleep", "sleep", True, _until(value, _signed(clock), around))
    return Call("sleep", "sleep", True, value)


def _child(name: str, values: Sequence[Optional[int]], around: Surroundings) -> Call:
    # wait4(pid, ...); waitid(idtype, id, ...) where P_PID is 1.
    pid = values[0] if name == "wait4" else values[1] if values[0] == 1 else None
    return Call("child", child(_signed(pid) if pid is not None else None, around))


def child(pid: Optional[int], around: Surroundings) -> str:
    """ "child process 44 (python3, sleeping)", "any child process". """
    if pid is None or pid <= 0:
        return "any child process"
    text = around.process(pid)
    return f"child process {pid}" + (f" ({text})" if text else "")
