"""What surrounds a live process, through /proc of the machine that gdb runs on: descriptors, locks, processes.

Facts: proc(5): fd, fdinfo, net/tcp, net/unix, locks.
"""

import os
import re
import time
from typing import Dict, List, Optional

# Lines of one table of sockets that are read; a host with more of them has them named by inode.
MAX_SOCKETS = 100_000

_KINDS = {"tcp": "TCP", "tcp6": "TCP", "udp": "UDP", "udp6": "UDP"}
_TCP_LISTEN = 0x0A
_NAMED = re.compile(r"^(socket|pipe|anon_inode):\[?(.*?)\]?$")


class Live:
    """The surroundings of a process of this machine. All methods give None for what the kernel does not tell."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._proc = f"/proc/{pid}"
        self._sockets: Optional[Dict[str, str]] = None

    def descriptor(self, number: int) -> Optional[str]:
        """What a file descriptor is: a path, "pipe 123", "socket 127.0.0.1:5432", "epoll of 3 descriptors"."""
        try:
            link = os.readlink(f"{self._proc}/fd/{number}")
        except OSError:
            return None
        match = _NAMED.match(link)
        if match is None:
            return link
        kind, name = match.groups()
        if kind == "socket":
            return self._socket(name)
        if kind == "pipe":
            return f"pipe {name}"
        if name == "eventpoll":
            count = self._text(f"fdinfo/{number}").count("\ntfd:")
            return f"epoll of {count} descriptor{'' if count == 1 else 's'}"
        return name

    def lock_holders(self, number: int) -> Optional[str]:
        """The processes that hold a lock on the file of this descriptor: "process 12 (name)"."""
        try:
            status = os.stat(f"{self._proc}/fd/{number}")
        except OSError:
            return None
        place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        pids: List[int] = []
        try:
            with open("/proc/locks", encoding="ascii", errors="replace") as file:
                for line in file:
                    words = line.split()
                    if "->" not in words and len(words) > 5 and words[5] == place and words[4].isdigit():
                        pids.append(int(words[4]))
        except OSError:
            return None
        return ", ".join(map(self._named, dict.fromkeys(pids))) or None

    def _named(self, pid: int) -> str:
        text = "this process itself" if pid == self._pid else self.process(pid)
        return f"process {pid}" + (f" ({text})" if text else "")

    def process(self, pid: int) -> Optional[str]:
        """Name and state of another process: "sleep, sleeping". A pid of another namespace says nothing here."""
        try:
            if os.readlink(f"{self._proc}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                return None
        except OSError:
            return None
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
        except OSError:
            return "which is gone"
        name = re.search(r"(?m)^Name:\t(.*)$", text)
        state = re.search(r"(?m)^State:\t\S+ \((.*)\)$", text)
        return ", ".join(match.group(1) for match in (name, state) if match) or None

    def now(self, clock: int) -> Optional[float]:
        """The time of one of this machine's clocks, in seconds."""
        try:
            return time.clock_gettime(clock)
        except OSError:
            return None

    def _text(self, name: str) -> str:
        try:
            with open(f"{self._proc}/{name}", encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except OSError:
            return ""

    def _socket(self, inode: str) -> str:
        if self._sockets is None:
            # Of the network namespace that the process is in.
            self._sockets = {}
            for name in _KINDS:
                self._sockets.update(self._internet(name))
            self._sockets.update(self._unix())
        found = self._sockets.get(inode)
        return f"socket {found}" if found else f"socket {inode}"

    def _lines(self, name: str) -> List[List[str]]:
        return [line.split() for line in self._text(f"net/{name}").splitlines()[1:MAX_SOCKETS]]

    def _internet(self, name: str) -> Dict[str, str]:
        found = {}
        for words in self._lines(name):
            try:
                local, remote, state, inode = words[1], words[2], int(words[3], 16), words[9]
                if state == _TCP_LISTEN and _KINDS[name] == "TCP":
                    text = f"TCP, listening at {_address(local)}"
                elif remote.endswith(":0000"):
                    text = f"{_KINDS[name]} {_address(local)}, not connected"
                else:
                    text = f"{_KINDS[name]} {_address(local)} to {_address(remote)}"
            except (IndexError, ValueError, OSError):
                continue
            found[inode] = text
        return found

    def _unix(self) -> Dict[str, str]:
        found = {}
        for words in self._lines("unix"):
            if len(words) > 6:
                found[words[6]] = f"unix {words[7]}" if len(words) > 7 else f"unix {words[6]}"
        return found


def _address(text: str) -> str:
    """An address of /proc/net: words in the machine's order of bytes, in hex, and the port."""
    import socket

    host, _colon, port = text.partition(":")
    raw = b"".join(int(host[at:at + 8], 16).to_bytes(4, "little") for at in range(0, len(host), 8))
    if len(raw) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, raw)}:{int(port, 16)}"
    shown = socket.inet_ntop(socket.AF_INET6, raw)
    return f"{shown[7:]}:{int(port, 16)}" if shown.startswith("::ffff:") else f"[{shown}]:{int(port, 16)}"
