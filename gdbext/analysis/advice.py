"""What to do about missing symbols: for each thing that is true here, why, and the exact command.

Facts: each distribution's documentation of its debug packages and debuginfod; gdb's documentation, "Separate
Debug Files", "Files"; core(5) for coredump_filter; ptrace(2) for ptrace_scope.
"""

import re
import shlex
from typing import Iterator, List, Mapping, NamedTuple, Optional, Sequence

from .symbols import EXECUTABLE, INTERPRETER, NOT_HERE, Image, Report

# Images that one piece of advice names.
MAX_NAMED = 3

# Where a distribution's debuginfod is, by ID in os-release(5), and those of which others, by their ID_LIKE, have
# the very packages.
_SERVERS = {
    "debian": "https://debuginfod.debian.net", "ubuntu": "https://debuginfod.ubuntu.com",
    "fedora": "https://debuginfod.fedoraproject.org", "centos": "https://debuginfod.centos.org",
    "opensuse": "https://debuginfod.opensuse.org", "arch": "https://debuginfod.archlinux.org",
}
_SERVE_OTHERS = ("ubuntu", "opensuse", "arch")

# A coredump_filter with private and shared anonymous memory, and the headers of ELF files.
ALL_THAT_IS_NEEDED = 0x33


class Advice(NamedTuple):
    """A reason, and the commands of gdb or of a shell that mend it."""

    why: str
    commands: List[str]

    @property
    def text(self) -> str:
        """The reason, and each command on a line of its own."""
        return "\n".join([self.why, *self.commands])


class Machine(NamedTuple):
    """What is known of the target's machine and of gdb.

    `release` is the target's os-release(5), None where that is not here; `pid` of a live process, `core` the
    path of a core. `root` is where the process's files are, "" for this machine's own. `debuginfod` is gdb's
    setting, `servers` the URLs that are configured. `cut` is how many bytes the core lacks at its end,
    `lacks` how many bytes of memory that the process had written it was made without, `filtered` how many
    images' headers. `executable` is the program that was started, as the process names it, and `program` the
    file that gdb has for it. `in_the_way` are the reasons why no process may be looked into.
    """

    release: Optional[Mapping[str, str]] = None
    pid: Optional[int] = None
    core: Optional[str] = None
    root: str = ""
    sysroot: str = ""
    debuginfod: Optional[str] = None
    servers: str = ""
    cut: int = 0
    lacks: int = 0
    filtered: int = 0
    executable: Optional[str] = None
    program: Optional[str] = None
    in_the_way: Sequence[str] = ()


def release_of(text: str) -> Mapping[str, str]:
    """os-release(5): NAME=VALUE lines as a shell takes them."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            try:
                found[name.strip()] = "".join(shlex.split(value))
            except ValueError:
                continue
    return found


def advise(report: Report, machine: Machine) -> List[Advice]:
    """All that is true here, what costs most first."""
    return [*_not_allowed(machine), *_wrong_files(report, machine), *_container(report, machine), *_core(machine),
            *_missing(report, machine), *_lines_only(report), *_not_read(report, machine)]


def _names(images: Sequence[Image]) -> str:
    more = f" and {len(images) - MAX_NAMED} more" if len(images) > MAX_NAMED else ""
    return ", ".join(image.path for image in images[:MAX_NAMED]) + more


def _not_allowed(machine: Machine) -> Iterator[Advice]:
    yield from (Advice(reason, _REMEDIES.get(reason, [])) for reason in machine.in_the_way)


# Why a process may not be looked into, and what helps (ptrace(2)).
SCOPE_ROOT = "kernel.yama.ptrace_scope leaves looking into processes to their parents and to root."
SCOPE_NONE = "kernel.yama.ptrace_scope is 3, which forbids it to everybody until the machine is booted again."
SECCOMP = "System calls are filtered (seccomp), as in a container, which has to be started with:"
CAPABILITY = "This is root without CAP_SYS_PTRACE, as in a container, which has to be started with:"
OTHER_USER = "The process is another user's."
NOT_DUMPABLE = "The process is not dumpable: it has changed its user, or asked for that by prctl(PR_SET_DUMPABLE)."
_REMEDIES = {
    SCOPE_ROOT: ["sudo gdb", "sudo sysctl kernel.yama.ptrace_scope=0"],
    SECCOMP: ["--cap-add=SYS_PTRACE --security-opt seccomp=unconfined"],
    CAPABILITY: ["--cap-add=SYS_PTRACE"],
    OTHER_USER: ["sudo gdb"],
    NOT_DUMPABLE: ["sudo gdb"],
}


def in_the_way(scope: int, seccomp: int, is_root: bool, may_trace: bool, is_own: Optional[bool] = None) -> List[str]:
    """All of a machine that may forbid this process to look into another one.

    `scope` is kernel.yama.ptrace_scope, `seccomp` this process's Seccomp in /proc/self/status, `may_trace`
    whether it has CAP_SYS_PTRACE. `is_own` tells whether a certain process that can't be looked into is of the
    same user, None where none is asked about.
    """
    if scope == 3:
        return [SCOPE_NONE]
    if may_trace:
        return []
    if is_root:
        return [CAPABILITY]
    if is_own is False:
        return [OTHER_USER]
    found = [reason for reason, there in ((SCOPE_ROOT, scope), (SECCOMP, seccomp == 2)) if there]
    return found or [NOT_DUMPABLE if is_own else OTHER_USER]


def _wrong_files(report: Report, machine: Machine) -> Iterator[Advice]:
    """The core's binary is another one, or an upgrade has replaced what runs."""
    # gdb may have read another file than the one in its place, the right one.
    wrong = sorted((image for image in report.images if image.is_of_another_build and not image.read_by_gdb),
                   key=lambda image: image.path != machine.executable)
    if wrong and machine.core is not None:
        right = wrong[0].mapped_file
        what = "A file of that build is here:" if right else f"Get the file of build id {_id(wrong[0])}, then:"
        file = right or f"/path/to/{wrong[0].path.rpartition('/')[2]}"
        yield Advice(f"{_names(wrong)}: not the build that the core is of. {what}",
                     _read_instead(wrong[0], file, machine))
    elif wrong:
        yield Advice(f"{_names(wrong)}: replaced since the process has started. What runs is of build id "
                     f"{_id(wrong[0])}" + (f" and {len(wrong) - 1} more" if len(wrong) > 1 else "") +
                     ", of which gdb has to be told:", _files_of_process(wrong, machine))
    gone = [image for image in report.images if image.deleted and not image.is_of_another_build
            and image.problem is not None and image.is_python]
    if gone and machine.pid is not None:
        yield Advice(f"{_names(gone)}: deleted, and only the process still has it.", _files_of_process(gone, machine))


def _read_instead(image: Image, file: str, machine: Machine) -> List[str]:
    """Have gdb take a file for an image. It finds libraries by the program, and reads a core with it."""
    if image.path != machine.executable:
        return [f"py-symbols -use {file}"]
    return [f"file {file}"] + ([f"core-file {machine.core}"] if machine.core is not None else [])


def _files_of_process(images: Sequence[Image], machine: Machine) -> List[str]:
    """The kernel keeps what is mapped as long as the process runs."""
    commands = []
    for image in images[:MAX_NAMED]:
        file = image.mapped_file or (f"/proc/{machine.pid}/exe" if image.path == machine.executable else None)
        commands += _read_instead(image, file, machine) if file is not None else [_use(image)]
    return commands


def _use(image: Image) -> str:
    return f"py-symbols -use /path/to/{_id(image)}.debug"


def _container(report: Report, machine: Machine) -> Iterator[Advice]:
    """The files are in another root, and gdb looks for them in its own."""
    if machine.pid is not None and machine.sysroot.rstrip("/") != machine.root.rstrip("/") and any(
            image.read_by_gdb is False or image.is_of_another_build for image in report.images if image.is_python):
        yield Advice("The process is in another root (container, chroot), where gdb does not look for its files."
                     if machine.root else
                     f"gdb looks for files below {machine.sysroot} (sysroot), but the process has this root.",
                     [f"set sysroot {machine.root or '/'}", f"file /proc/{machine.pid}/exe"])
    elif machine.core is not None and not machine.sysroot:
        absent = [image for image in report.images if image.problem == NOT_HERE and image.is_python]
        if absent:
            yield Advice(f"{_names(absent)}: not on this machine. With a copy of the tree that the core was made in:",
                         ["set sysroot /path/to/tree", f"file /path/to/tree{absent[0].path}",
                          f"core-file {machine.core}"])


def _core(machine: Machine) -> Iterator[Advice]:
    if machine.cut:
        yield Advice(f"The core was cut: {machine.cut} bytes are missing at its end, as of a full disk or a limit. "
                     "Before the next one:", ["ulimit -c unlimited"])
    if machine.lacks or machine.filtered:
        what = [f"{machine.lacks} bytes that the process could write to"] if machine.lacks else []
        what += [f"the ELF headers of {machine.filtered} images"] if machine.filtered else []
        yield Advice(f"The core was made without {' and '.join(what)} (coredump_filter). Before the next one, in the "
                     "shell that starts the process:", [f"echo {ALL_THAT_IS_NEEDED:#x} > /proc/self/coredump_filter"])


def _missing(report: Report, machine: Machine) -> Iterator[Advice]:
    missing = [image for image in report.images if image.role in (EXECUTABLE, INTERPRETER)
               and image.debug is not None and image.debug.status in ("missing", "mismatch")]
    if not missing:
        return
    commands = list(_package(missing[0], machine))
    if machine.servers and machine.debuginfod == "off":
        yield Advice(f"debuginfod is off in gdb, though DEBUGINFOD_URLS names {machine.servers}:",
                     ["set debuginfod enabled on", f"file {machine.program}" if machine.program else "sharedlibrary"])
    yield Advice(f"No debug information for {_names(missing)}, build id {_id(missing[0])}. gdbext does without; gdb's "
                 "own commands and libpython.py need it." + (" One of:" if len(commands) > 1 else ""), commands)


def _id(image: Image) -> str:
    return image.loaded_build_id or image.build_id or "unknown"


def _package(image: Image, machine: Machine) -> Iterator[str]:
    """How the target's distribution has the debug file of an image."""
    release = machine.release or {}
    like = release.get("ID_LIKE", "").split()
    families = [release.get("ID", ""), *like]
    build_id, path = _id(image), image.path
    # What is under these was not installed by the distribution's packages.
    own = path.startswith(("/usr/local/", "/opt/", "/home/", "/root/", "/srv/")) or not path.startswith(
        ("/usr/", "/lib", "/bin/"))
    if own:
        yield _use(image)
        return
    is_known = build_id != "unknown"
    family = next((each for each in families if each in _BY_FILE or each in _BY_BUILD_ID and is_known), None)
    if family in _BY_BUILD_ID:
        yield _BY_BUILD_ID[family].format(first=build_id[:2], rest=build_id[2:])
    elif family is not None and not (image.deleted or image.is_of_another_build):
        # A package that is installed has other files by now than those that are mapped, where these were replaced.
        yield _of_debian(path, family, release) if family in _ARCHIVES else _BY_FILE[family].format(path=path)
    server = next((_SERVERS[each] for each in [families[0], *(each for each in like if each in _SERVE_OTHERS)]
                   if each in _SERVERS), None)
    if server is not None and is_known:
        yield f"DEBUGINFOD_URLS={server} debuginfod-find debuginfo {build_id}"


def _of_debian(path: str, family: str, release: Mapping[str, str]) -> str:
    """The package with a file's debug file, of the version that is installed: of any other it is of no use."""
    match = _INTERPRETER_OF_DEBIAN.search(path)
    if match is not None:
        library, name = match.groups()
        package = f"lib{name}" if library else f"{name}-minimal"
        return f"apt install {name}-dbg=$(dpkg-query -Wf '${{Version}}' {package})"
    # What others have made of Ubuntu or Debian tells of both names.
    codename = release.get(f"{family.upper()}_CODENAME") or release.get("VERSION_CODENAME") or "CODENAME"
    # find-dbgsym-packages looks into apt's lists, which have debug packages only with an archive of their own, by
    # means of packages that its own recommends.
    return (f"apt install --install-recommends debian-goodies; find-dbgsym-packages {path}   (with "
            f"\"deb {_ARCHIVES[family].format(codename=codename)}\" in /etc/apt/sources.list, after apt update)")


# By ID or ID_LIKE in os-release(5). Debian's and Ubuntu's archives of debug packages:
_ARCHIVES = {
    "ubuntu": "http://ddebs.ubuntu.com {codename} main universe",
    "debian": "http://deb.debian.org/debian-debug {codename}-debug main",
}
# Debian and Ubuntu have the debug files of their interpreters in packages of their own.
_INTERPRETER_OF_DEBIAN = re.compile(r"/(lib)?(python3\.\d+)(?:\.so[.\d]*)?$")
# What finds the package by the file that is installed; and by the build id, whatever is installed.
_BY_FILE = {**_ARCHIVES, "alpine": 'apk add "$(apk info -qW {path})-dbg"'}
_BY_BUILD_ID = {
    **dict.fromkeys(("fedora", "rhel", "centos"),
                    "dnf --enablerepo='*debug*' install /usr/lib/debug/.build-id/{first}/{rest}.debug"),
    **dict.fromkeys(("suse", "opensuse"), "zypper install -C 'debuginfo(build-id)={first}{rest}'"),
}


def _lines_only(report: Report) -> Iterator[Advice]:
    images = [image for image in report.images if image.role == INTERPRETER
              and image.debug is not None and image.debug.locals is False]
    if images:
        yield Advice(f"{_names(images)} was compiled with -g1, so gdb has no locals and libpython.py prints no "
                     "frames: py-bt-plus does.", ["py-bt-plus"])


def _not_read(report: Report, machine: Machine) -> Iterator[Advice]:
    images = [image for image in report.images if image.is_python and image.read_by_gdb is False
              and image.debug is not None and image.debug.status in ("embedded", "separate")
              and not image.is_of_another_build and not image.deleted]
    if not images:
        return
    program = next((image.file for image in report.images if image.path == machine.executable), None)
    first = images[0].debug
    if machine.program is None and program is not None:
        # It looks for libraries as the program asks for them.
        commands = [f"file {program}"] + ([f"core-file {machine.core}"] if machine.core is not None else [])
    elif first is not None and first.status == "separate":
        commands = [f"py-symbols -use {first.path}"]
    elif images[0].path == machine.executable:
        commands = [f"file {images[0].file}"]
    else:
        commands = ["sharedlibrary"]
    yield Advice(f"gdb has not read the debug information that there is for {_names(images)}.", commands)
