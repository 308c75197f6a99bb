"""What forbids this user to look into processes of this machine."""

import os
from pathlib import Path
from typing import List, Optional

from . import advice
from .symbols import Report

# Linux, include/uapi/linux/capability.h.
_CAP_SYS_PTRACE = 19


def in_the_way(pid: Optional[int] = None) -> List[str]:
    """The reasons and below each what helps, a line each; empty where nothing is known to be in the way.

    With `pid`, why that process of this machine can't be looked into.
    """
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    try:
        scope = int(Path("/proc/sys/kernel/yama/ptrace_scope").read_text())
    except (OSError, ValueError):
        scope = 0
    try:
        # This folder is the user's also where the process is not dumpable, and the files in it are root's.
        is_own = os.stat(f"/proc/{pid}/task").st_uid == os.geteuid() if pid is not None else None
    except OSError:
        is_own = None
    reasons = advice.in_the_way(scope, int(status.get("Seccomp", "0")), os.geteuid() == 0,
                                bool(int(status.get("CapEff", "0"), 16) >> _CAP_SYS_PTRACE & 1), is_own)
    found = advice.advise(Report([], None, [], []), advice.Machine(in_the_way=reasons))
    return [line for each in found for line in each.text.splitlines()]
