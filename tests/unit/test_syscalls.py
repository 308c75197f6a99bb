"""gdbext.analysis.syscalls: what a system call waits for, by its name and arguments."""

import struct
from typing import Any, Dict, Optional, Sequence

import pytest

from gdbext.analysis.syscalls import Call, describe, futex_timeout
from tests.unit.builder import FakeMemory

AT = 0x7000_0000
MINUS_1 = (1 << 64) - 1
GONE = 0xDEAD_0000


class Around:
    """A process with a few descriptors, at 100 s since its machine was started."""

    descriptors: Dict[int, str] = {
        3: "pipe 11", 7: "socket TCP 127.0.0.1:1 to 127.0.0.1:2", 9: "epoll of 2 descriptors"}

    def descriptor(self, number: int) -> Optional[str]:
        return self.descriptors.get(number)

    def lock_holders(self, number: int) -> Optional[str]:
        return "process 12 (other)" if number == 3 else None

    def process(self, pid: int) -> Optional[str]:
        return "child, sleeping" if pid == 44 else None

    def now(self, clock: int) -> Optional[float]:
        return {0: 1_000_000.0, 1: 100.0}.get(clock)


class Nothing(Around):
    """A core."""

    descriptors: Dict[int, str] = {}

    def lock_holders(self, number: int) -> Optional[str]:
        return None

    def process(self, pid: int) -> Optional[str]:
        return None

    def now(self, clock: int) -> Optional[float]:
        return None


def call(name: str, *arguments: Optional[int], data: bytes = b"", around: Optional[Around] = None) -> Call:
    """The description, with `data` in memory at AT."""
    memory = FakeMemory()
    memory.map(AT, data + bytes(4096))
    return describe(name, arguments, memory, around or Around())


def pollfds(*numbers: int) -> bytes:
    """An array of struct pollfd."""
    return b"".join(struct.pack("<iHH", number, 1, 0) for number in numbers)


def bits(*numbers: int) -> bytes:
    """An fd_set."""
    return sum(1 << number for number in numbers).to_bytes(128, "little")


def seconds(whole: int, part: int = 0) -> bytes:
    """A struct timespec or timeval."""
    return struct.pack("<qq", whole, part)


@pytest.mark.parametrize("name, arguments, data, expected", (
    ("read", (3,), b"", Call("io", "read on fd 3: pipe 11")),
    ("recvfrom", (7,), b"", Call("io", "recv on fd 7: socket TCP 127.0.0.1:1 to 127.0.0.1:2")),
    ("accept4", (5,), b"", Call("io", "accept on fd 5")),
    ("write", (None,), b"", Call("io", "write on a descriptor that is not known")),
    ("read", (0xFFFF_FFFF_0000_0003,), b"", Call("io", "read on fd 3: pipe 11")),
    ("flock", (3, 2), b"", Call("io", "flock on fd 3: pipe 11, locked by process 12 (other)")),
    ("flock", (5, 2), b"", Call("io", "flock on fd 5")),
    ("fcntl", (3, 7), b"", Call("io", "file lock (fcntl) on fd 3: pipe 11, locked by process 12 (other)")),
    ("fcntl", (3, 1), b"", Call("io", "fcntl on fd 3: pipe 11")),
    ("poll", (AT, 1, MINUS_1), pollfds(3), Call("io", "poll on fd 3: pipe 11")),
    ("poll", (AT, 2, 5000), pollfds(3, 5), Call("io", "poll on 2 descriptors (fd 3: pipe 11, fd 5)", True)),
    ("poll", (AT, 5, MINUS_1), pollfds(1, 2, 4, 5, 6),
     Call("io", "poll on 5 descriptors (fd 1, fd 2, fd 4 and 2 more)")),
    ("poll", (AT, 2, MINUS_1), pollfds(-1, 3), Call("io", "poll on fd 3: pipe 11")),
    ("poll", (GONE, 2, MINUS_1), b"", Call("io", "poll on 2 descriptors")),
    ("poll", (AT, 1 << 40, MINUS_1), b"", Call("io", f"poll on {1 << 40} descriptors")),
    ("poll", (0, 0, 1000), b"", Call("sleep", "sleep", True)),
    ("ppoll", (AT + 16, 1, AT), seconds(2, 500_000_000) + pollfds(3), Call("io", "poll on fd 3: pipe 11", True, 2.5)),
    ("ppoll", (AT, 1, 0), pollfds(3), Call("io", "poll on fd 3: pipe 11")),
    ("select", (8, AT, 0, 0, 0), bits(3, 7), Call(
        "io", "select on 2 descriptors (fd 3: pipe 11, fd 7: socket TCP 127.0.0.1:1 to 127.0.0.1:2)")),
    ("select", (4, AT, GONE, 0, 0), bits(3), Call("io", "select on fd 3: pipe 11")),
    ("select", (0, 0, 0, 0, AT), seconds(9, 250_000), Call("sleep", "sleep", True, 9.25)),
    ("pselect6", (0, 0, 0, 0, AT), seconds(9, 250_000_000), Call("sleep", "sleep", True, 9.25)),
    ("pselect6", (0, 0, 0, 0, GONE), b"", Call("sleep", "sleep", True)),
    ("epoll_wait", (9, AT, 10, MINUS_1), b"", Call("io", "epoll on fd 9: epoll of 2 descriptors")),
    ("epoll_pwait", (9, AT, 10, 500), b"", Call("io", "epoll on fd 9: epoll of 2 descriptors", True)),
    ("nanosleep", (AT, 0), seconds(3), Call("sleep", "sleep", True, 3.0)),
    ("clock_nanosleep", (1, 0, AT, 0), seconds(3), Call("sleep", "sleep", True, 3.0)),
    ("clock_nanosleep", (1, 1, AT, 0), seconds(103), Call("sleep", "sleep", True, 3.0)),
    ("clock_nanosleep", (0, 1, AT, 0), seconds(1_000_060), Call("sleep", "sleep", True, 60.0)),
    ("clock_nanosleep", (1, 1, AT, 0), seconds(99), Call("sleep", "sleep", True, 0.0)),
    ("clock_nanosleep", (77, 1, AT, 0), seconds(99), Call("sleep", "sleep", True, None)),
    ("clock_nanosleep", (None, None, None), b"", Call("sleep", "sleep", True)),
    ("wait4", (44, 0, 0, 0), b"", Call("child", "child process 44 (child, sleeping)")),
    ("wait4", (MINUS_1, 0, 0, 0), b"", Call("child", "any child process")),
    ("wait4", (0xFFFF_FFFF, 0, 0, 0), b"", Call("child", "any child process")),
    ("waitid", (1, 44), b"", Call("child", "child process 44 (child, sleeping)")),
    ("waitid", (0, 0), b"", Call("child", "any child process")),
    ("pause", (), b"", Call("native", "a signal")),
    ("msgrcv", (1,), b"", Call("native", "a System V message")),
    ("semtimedop", (1,), b"", Call("native", "a System V semaphore", None)),
    ("rt_sigtimedwait", (AT, 0, 0), (1 << 9 | 1 << 11).to_bytes(8, "little"),
     Call("native", "a signal: SIGUSR1, SIGUSR2")),
    ("rt_sigtimedwait", (AT, 0, AT + 8), (0x1F << 33).to_bytes(8, "little") + seconds(4),
     Call("native", "a signal: SIGRTMIN, signal 35, signal 36 and 2 more", True, 4.0)),
    ("rt_sigtimedwait", (GONE, 0, None), b"", Call("native", "a signal", None)),
    ("open", (AT, 0), b"/srv/fifo\0rest", Call("io", "open of /srv/fifo")),
    ("openat", (7, AT, 0), "caf\xe9".encode() + b"\xff", Call("io", "open of caf\xe9\udcff")),
    ("openat", (7, GONE, 0), b"", Call("io", "open of a file")),
    ("open", (None,), b"", Call("io", "open of a file")),
    ("connect", (3, AT, 16), struct.pack("<H", 2) + struct.pack(">H4B", 5432, 10, 1, 2, 3),
     Call("io", "connect to 10.1.2.3:5432 on fd 3: pipe 11")),
    ("connect", (5, AT, 28), struct.pack("<H", 10) + struct.pack(">HI16sI", 80, 0, bytes(15) + b"\1", 0),
     Call("io", "connect to [::1]:80 on fd 5")),
    ("connect", (5, AT, 110), struct.pack("<H", 1) + b"/run/db\0\xff", Call("io", "connect to /run/db on fd 5")),
    ("connect", (5, AT, 6), struct.pack("<H", 1) + b"\0abc", Call("io", "connect to @abc on fd 5")),
    ("connect", (5, AT, 16), struct.pack("<H", 16), Call("io", "connect on fd 5")),
    ("connect", (5, AT, 4), struct.pack("<HH", 2, 80), Call("io", "connect on fd 5")),
    ("connect", (5, AT, 1 << 40), b"", Call("io", "connect on fd 5")),
    ("connect", (5, GONE, 16), b"", Call("io", "connect on fd 5")),
    ("connect", (5, None, None), b"", Call("io", "connect on fd 5")),
    ("999", (), b"", Call("native", "system call 999", None)),
    # A call that is being restarted: poll's arguments are like no others.
    ("restart_syscall", (AT, 2, MINUS_1), pollfds(3, 5), Call("io", "poll on 2 descriptors (fd 3: pipe 11, fd 5)")),
    ("restart_syscall", (AT, AT + 64), seconds(3), Call(
        "native", "a system call that an earlier stop interrupted", None)),
    ("restart_syscall", (GONE, 1), b"", Call("native", "a system call that an earlier stop interrupted", None)),
    ("restart_syscall", (1, 0, AT), seconds(3), Call(
        "native", "a system call that an earlier stop interrupted", None)),
    ("restart_syscall", (AT, 1), struct.pack("<iHH", 3, 0, 0), Call(
        "native", "a system call that an earlier stop interrupted", None)),
))
def test_describe(name: str, arguments: Sequence[Optional[int]], data: bytes, expected: Call) -> None:
    assert call(name, *arguments, data=data) == expected


@pytest.mark.parametrize("name, arguments, data, expected", (
    ("read", (3,), b"", Call("io", "read on fd 3")),
    ("flock", (3, 2), b"", Call("io", "flock on fd 3")),
    ("wait4", (44,), b"", Call("child", "child process 44")),
    ("clock_nanosleep", (1, 1, AT, 0), seconds(103), Call("sleep", "sleep", True, None)),
    ("clock_nanosleep", (1, 0, AT, 0), seconds(103), Call("sleep", "sleep", True, 103.0)),
))
def test_of_a_core_less_is_known(name: str, arguments: Sequence[int], data: bytes, expected: Call) -> None:
    assert call(name, *arguments, data=data, around=Nothing()) == expected


WAIT, WAIT_BITSET, REALTIME = 0, 9, 256


@pytest.mark.parametrize("name, arguments, expected", (
    ("futex", (1, WAIT_BITSET | 128, 0, 0), (False, None)),
    ("futex", (1, WAIT_BITSET | 128, 0, AT), (True, 5.0)),
    ("futex", (1, WAIT_BITSET | 128 | REALTIME, 0, AT), (True, 0.0)),
    ("futex", (1, WAIT | 128, 0, AT), (True, 105.0)),
    ("futex", (1, WAIT_BITSET, 0, GONE), (True, None)),
    ("futex", (1, WAIT_BITSET, 0, None), (None, None)),
    ("futex", (1, None, 0, AT), (None, None)),
    ("restart_syscall", (1, 2, 3, 4), (True, None)),
))
def test_the_timeout_of_a_futex(name: str, arguments: Sequence[Optional[int]], expected: Any) -> None:
    memory = FakeMemory()
    memory.map(AT, seconds(105) + bytes(64))
    assert futex_timeout(name, arguments, memory, Around()) == expected
