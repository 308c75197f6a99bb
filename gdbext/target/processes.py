"""Other processes of the machine that gdb runs on: the children of a live inferior, through /proc.

A child's memory may be read by whoever may attach to its parent.
"""

import os
import re
from typing import Dict, List, Optional, Tuple

from ..cpython.memory import Memory, Unreadable
from ..elf import dynamic
from .mapped import MappedImage

# Descendants that are looked at. A supervisor of more has them all alike.
MAX_DESCENDANTS = 64

_MAPPING = re.compile(r"(?m)^([0-9a-f]+)-[0-9a-f]+ \S+ 0+ \S+ \d+ +(/.*?)( \(deleted\))?$")


class ProcessMemory(Memory):
    """The memory of a process of this machine, stopped or running."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._path = f"/proc/{pid}/mem"

    def fetch(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises Unreadable, also where the process is gone or another user's."""
        try:
            with open(self._path, "rb", buffering=0) as file:
                data = os.pread(file.fileno(), size, address)
        except (OSError, OverflowError):
            data = b""
        if len(data) != size:
            raise Unreadable(address, size)
        return data


def is_traced_here(pid: int) -> bool:
    """Whether a pid is that of a process of this machine and gdb its tracer.

    A core and a remote target have pids too, which may be anybody's here.
    """
    found = re.search(r"(?m)^TracerPid:\s*(\d+)$", _text(pid, "status"))
    return found is not None and int(found.group(1)) == os.getpid()


def pointers(pid: int, lwp: int) -> Optional[Tuple[int, int]]:
    """The stack pointer and the program counter of a stopped thread of a process, None where the kernel does not tell.

    gdb asks its unwinders for a frame before it gives a register: that reads debug information, 3 ms for a thread.
    """
    # "running", or the number of a system call and its arguments, or -1, and then these two (proc(5)).
    words = _text(pid, f"task/{lwp}/syscall").split()
    try:
        return (int(words[-2], 16), int(words[-1], 16)) if len(words) > 2 else None
    except ValueError:
        return None


def descendants(pid: int) -> List[int]:
    """The children of a process, and theirs, nearest first. Empty where the kernel does not tell."""
    found: Dict[int, None] = {}
    parents = [pid]
    for parent in parents:
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
        except OSError:
            continue
        for task in tasks:
            for child in map(int, _text(parent, f"task/{task}/children").split()):
                if len(found) >= MAX_DESCENDANTS:
                    return list(found)
                if child not in found:
                    found[child] = None
                    parents.append(child)
    return list(found)


def images_of(pid: int, memory: ProcessMemory) -> List[MappedImage]:
    """The images that are mapped into a process. Empty where it is gone, or may not be looked at."""
    found = []
    for start, path, deleted in _MAPPING.findall(_text(pid, "maps")):
        try:
            found.append(MappedImage(path, dynamic.Image(memory, int(start, 16)), bool(deleted)))
        except (dynamic.NotAnImage, Unreadable):
            continue
    return found


def has_memory(pid: int) -> bool:
    """Whether a process has any: none is left when it has ended, though its parent has not waited for it."""
    return "\nVmSize:" in _text(pid, "status")


def kept_file(pid: int, base: int) -> Optional[str]:
    """Where the kernel has the file that is mapped from an address on, also if it was deleted or replaced.

    None where this process may not open it: but for the program's own that is root's right (proc(5), map_files).
    """
    found = re.search(rf"(?m)^0*{base:x}-([0-9a-f]+) .*?(/.*)$", _text(pid, "maps"))
    if found is None:
        return None
    exe, mapped = f"/proc/{pid}/exe", f"/proc/{pid}/map_files/{base:x}-{int(found.group(1), 16):x}"
    try:
        if os.readlink(exe) == found.group(2):
            return exe
    except OSError:
        pass
    return mapped if os.access(mapped, os.R_OK) else None


def _text(pid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
