"""For gdb to source: run lines, and tell after each what it has changed of the process and of gdb.

Environment: UNCHANGED, a JSON document with `pid`, `lwp` (of the thread to select), `lines`, and `trace`: where strace
writes what gdb asks the kernel for meanwhile, null without strace. Prints a JSON document: `differences` has for each
line the names of what differs.
"""

import contextlib
import json
import mmap
import os
import re
import signal
import subprocess

import gdb

# Not SigQ, which counts for all processes of the user, nor VmRSS, which the kernel changes as it likes.
_FIELDS = re.compile(r"(?m)^(State|SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt|TracerPid|VmSize|VmData|VmStk|Threads|"
                     r"\w+ctxt_switches):.*$")
TRACED = ("ptrace", "kill", "tkill", "tgkill", "process_vm_writev", "write", "pwrite64", "pwritev")
# What gdb shows of registers, and what only it computes.
_REGISTERS = ("general", "float", "vector")


def memory(pid):
    """What is in each writable mapping, by its line in /proc/PID/maps.

    Of a private one by its pages: those that the process has written to, which are its own, and are not all zeros. What
    was only reserved is not read, nor is a file's page that is as in the file.
    """
    found = {}
    with open("/proc/%d/maps" % pid, errors="surrogateescape") as maps, \
            open("/proc/%d/mem" % pid, "rb", buffering=0) as file, \
            open("/proc/%d/pagemap" % pid, "rb", buffering=0) as pagemap:
        for line in maps:
            start, end = (int(each, 16) for each in line.split()[0].split("-"))
            found[line] = None
            if line.split()[1] == "rw-s":
                found[line] = {start: b"".join(_readable(file, start, end))}
            elif line.split()[1].startswith("rw"):
                found[line] = {at: data for at, data in _own(file, pagemap, start, end) if data.strip(b"\0")}
    return found


# Of a page's 64 bits in /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst) the highest eight: for each value
# whether it says that the page is there, or swapped out, and is not a file's.
_IS_OWN = bytes(bool(each & 0xC0) and not each & 0x20 for each in range(256))


def _own(file, pagemap, start, end):
    """The pages of a private mapping that are the process's own: their addresses, and what is in them."""
    pagemap.seek(start // mmap.PAGESIZE * 8)
    pages = pagemap.read((end - start) // mmap.PAGESIZE * 8)[7::8].translate(_IS_OWN)
    for run in re.finditer(b"\1+", pages):
        data = b"".join(_readable(file, *(start + each * mmap.PAGESIZE for each in run.span())))
        yield from ((start + run.start() * mmap.PAGESIZE + offset, data[offset:offset + mmap.PAGESIZE])
                    for offset in range(0, len(data), mmap.PAGESIZE))


def _readable(file, start, end):
    """What can be read of a mapping: since glibc 2.42 the guard pages of a thread's stack lie within one."""
    while start < end:
        file.seek(start)
        try:
            data = file.read(end - start)
        except OSError:
            data = b""
        yield data
        start += len(data) or mmap.PAGESIZE


def threads(pid):
    """What the kernel tells of each thread: state, signals, how often it has run, the system call that it is in."""
    found = {}
    for task in sorted(os.listdir("/proc/%d/task" % pid)):
        for name in ("status", "syscall"):
            with open("/proc/%d/task/%s/%s" % (pid, task, name)) as file:
                text = file.read()
            found[task, name] = [each.group(0) for each in _FIELDS.finditer(text)] if name == "status" else text
    return found


def descriptors(pid):
    """Which files the process has open, and where it is in each."""
    found = {}
    for number in os.listdir("/proc/%d/fd" % pid):
        with open("/proc/%d/fdinfo/%s" % (pid, number)) as file:
            found[number] = os.readlink("/proc/%d/fd/%s" % (pid, number)), file.read()
    return found


def registers():
    """The registers of all threads. Selects other threads; selection() does not see it."""
    thread, level = selection()
    found = {}
    for each in gdb.selected_inferior().threads():
        each.switch()
        frame = gdb.newest_frame()
        for group in _REGISTERS:
            for register in frame.architecture().registers(group):
                with contextlib.suppress(gdb.error):
                    found[each.num, register.name] = str(frame.read_register(register.name))
    next(each for each in gdb.selected_inferior().threads() if each.num == thread).switch()
    gdb.execute("frame %d" % level, to_string=True)
    return found


def selection():
    """The selected thread, and the number of the selected frame."""
    # gdb 10's frames have no level().
    level, frame = 0, gdb.selected_frame()
    while frame.newer() is not None:
        level, frame = level + 1, frame.newer()
    return gdb.selected_thread().num, level


# $_pyfile() and its like have to keep their last answer in one of gdb's variables, which "show" lists.
_OWN_VARIABLE = re.compile(r"\$_gdbext_text = .*\n")


def settings():
    """All of gdb's settings, signals' handling, breakpoints and displays."""
    return [_OWN_VARIABLE.sub("", gdb.execute(command, to_string=True)) for command in (
        "show", "info signals", "info breakpoints", "info display", "info inferiors", "info auto-load")]


@contextlib.contextmanager
def traced(path):
    """Meanwhile strace looks at gdb. gdb can't be started by it: it would have no children to try ptrace(2) with."""
    if path is None:
        yield
        return
    with subprocess.Popen(["strace", "-f", "-y", "-o", path, "-e", "signal=none", "-e", "trace=" + ",".join(TRACED),
                           "-p", str(os.getpid())], stderr=subprocess.PIPE) as strace:
        # It says that it has attached.
        strace.stderr.readline()
        yield
        strace.send_signal(signal.SIGINT)


def main():
    """All lines."""
    given = json.loads(os.environ["UNCHANGED"])
    pid = given["pid"]
    next(each for each in gdb.selected_inferior().threads() if each.ptid[1] == given["lwp"]).switch()
    # Seconds for a hundred lines, and for the others a second for one: those are looked at once, before and after all.
    looks = {"memory": lambda: memory(pid), "threads": lambda: threads(pid), "selection": selection}
    slow = {"descriptors": lambda: descriptors(pid), "registers": registers, "settings": settings}
    differences = {}
    first = {name: look() for name, look in slow.items()}
    before = {name: look() for name, look in looks.items()}
    errors = {}
    with traced(given["trace"]):
        for line in given["lines"]:
            try:
                gdb.execute(line, to_string=True)
            except gdb.error as error:
                errors[line] = str(error)
            after = {name: look() for name, look in looks.items()}
            found = [name for name in looks if after[name] != before[name]]
            if found:
                differences[line] = found
                before = after
    last = {name: look() for name, look in slow.items()}
    differences["all lines"] = [name for name in slow if first[name] != last[name]]
    looked_at = {name: len(value) for name, value in {**before, **last}.items()}
    looked_at["pages"] = sum(len(pages) for pages in before["memory"].values() if pages)
    print(json.dumps({"differences": differences, "errors": errors, "looked_at": looked_at}))


main()
