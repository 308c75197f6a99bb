"""Programs in another root, with namespaces of their own: what a container is to a debugger outside of it.

Made of this machine's own files: its folders are there as they are, and the interpreter and the programs
under test are in places that this machine does not have.
"""

import contextlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence

from tests.support import processes
from tests.support.interpreters import Interpreter

# Where the container has the interpreter's installation, and the programs.
INSTALLED, PROGRAMS = Path("/container/python"), Path("/container/programs")

# In a mount namespace of its own. $1: the new root, an empty folder; $2: how to enter it; $3 and so on:
# pairs of what is here and where it is to be there; after "--": what to run, in the current folder.
ENTER = r"""
set -eu
root=$1 how=$2; shift 2
mount -t tmpfs none "$root"
for each in /*; do
    if [ -L "$each" ]; then
        cp -P "$each" "$root$each"
    elif [ -d "$each" ]; then
        mkdir "$root$each"
        case $each in
            /proc) mount -t proc proc "$root/proc" ;;
            *) mount --rbind "$each" "$root$each" ;;
        esac
    fi
done
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then
        mkdir -p "$root$2"
    fi
    mount --bind "$1" "$root$2"
    shift 2
done
shift
if [ "$how" = pivot_root ]; then
    folder=$PWD
    mkdir "$root/old"
    cd "$root"
    pivot_root . old
    umount -l /old
    cd "$folder"
    exec "$@"
fi
exec chroot "$root" env --chdir="$PWD" "$@"
"""


class Container(NamedTuple):
    """A program in a container: the process that was started, and as this machine numbers it, the one inside."""

    program: processes.Program
    pid: int

    def lwps(self) -> Dict[int, int]:
        """This machine's number of each thread, by that which it has inside."""
        found = {}
        for lwp in processes.thread_ids(self.pid):
            try:
                status = Path("/proc/%d/task/%d/status" % (self.pid, lwp)).read_text()
            except FileNotFoundError:
                continue  # It has ended since.
            numbers = re.search(r"(?m)^NSpid:\s*(.*)$", status)
            assert numbers is not None, status
            found[int(numbers[1].split()[-1])] = lwp
        return found


def cannot() -> str:
    """Why no container can be made here; "" where one can."""
    missing = [tool for tool in ("unshare", "pivot_root", "mount", "chroot") if shutil.which(tool) is None]
    if missing:
        return "no %s" % ", ".join(missing)
    command = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "proc", "proc", "/proc"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else "no namespaces: %s" % (ended.stderr.strip() or "not as this user")


def variables(interpreter: Interpreter) -> Dict[str, str]:
    """What the interpreter needs to find its library at its place in a container."""
    return {"PYTHONHOME": str(INSTALLED), "LD_LIBRARY_PATH": str(INSTALLED / "lib")}


@contextlib.contextmanager
def running(interpreter: Interpreter, how: str, arguments: Sequence[str],
            binds: Dict[Path, Path]) -> Iterator[Container]:
    """An interpreter in a container, when it has said that it is ready; `how` is "pivot_root" or "chroot".

    A container has its own process ids as well; after a chroot these are the machine's. `binds` are files
    and folders of the machine, and what they cover or are called in the container.
    """
    assert not INSTALLED.parent.exists()
    pairs: List[str] = []
    for here, there in {interpreter.prefix: INSTALLED, processes.PROGRAMS: PROGRAMS, **binds}.items():
        pairs += [str(here), str(there)]
    python = INSTALLED / interpreter.path.relative_to(interpreter.prefix)
    namespaces = ["--mount", *(["--pid", "--fork", "--kill-child"] if how == "pivot_root" else [])]
    with tempfile.TemporaryDirectory(prefix="gdbext-root-") as root:
        command = ["unshare", *namespaces, "sh", "-c", ENTER, "enter", root, how, *pairs, "--",
                   "env", *("%s=%s" % pair for pair in variables(interpreter).items()), str(python), *arguments]
        with processes.running(command) as program:
            pid = program.pid
            if how == "pivot_root":
                pid, = map(int, Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split())
            yield Container(program, pid)
