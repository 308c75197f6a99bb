"""Advice: for each thing that is true, and for nothing else."""

from typing import Any, List, Optional

import pytest

from gdbext.analysis import advice
from gdbext.analysis.advice import Machine, advise
from gdbext.analysis.symbols import EXECUTABLE, INTERPRETER, NOT_HERE, Debug, Image, Report

ID, OTHER_ID = "ab" * 20, "cd" * 20


def image(path: str = "/usr/bin/python3.11", role: str = INTERPRETER, status: str = "embedded", **more: Any) -> Image:
    """One about which nothing is to be said, but for what a test changes."""
    made = Image(path, path, ID, ID, role, False, None, Debug(status, path, ID, locals=True), None, True)
    return made._replace(**more)


def said(machine: Machine, *images: Image) -> List[str]:
    """All of it."""
    return [each.text for each in advise(Report([], None, list(images), []), machine)]


def test_nothing_is_wrong() -> None:
    assert said(Machine(pid=1), image()) == []
    assert said(Machine(core="core"), image()) == []


@pytest.mark.parametrize("release, path, command", [
    ("ID=debian\nVERSION_CODENAME=bookworm", "/usr/bin/python3.11",
     "apt install python3.11-dbg=$(dpkg-query -Wf '${Version}' python3.11-minimal)"),
    ("ID=ubuntu\nID_LIKE=debian", "/usr/lib/x86_64-linux-gnu/libpython3.12.so.1.0",
     "apt install python3.12-dbg=$(dpkg-query -Wf '${Version}' libpython3.12)"),
    ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_CODENAME=vera\nUBUNTU_CODENAME=jammy", "/usr/bin/uwsgi",
     "apt install --install-recommends debian-goodies; find-dbgsym-packages /usr/bin/uwsgi   "
     "(with \"deb http://ddebs.ubuntu.com jammy main universe\" in /etc/apt/sources.list, after apt update)"),
    ("ID=debian\nVERSION_CODENAME=bookworm", "/usr/bin/uwsgi",
     "apt install --install-recommends debian-goodies; find-dbgsym-packages /usr/bin/uwsgi   "
     "(with \"deb http://deb.debian.org/debian-debug bookworm-debug main\" in /etc/apt/sources.list, "
     "after apt update)"),
    ("ID=fedora", "/usr/lib64/libpython3.12.so.1.0",
     "dnf --enablerepo='*debug*' install /usr/lib/debug/.build-id/%s/%s.debug" % (ID[:2], ID[2:])),
    ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"", "/usr/bin/python3.9",
     "dnf --enablerepo='*debug*' install /usr/lib/debug/.build-id/%s/%s.debug" % (ID[:2], ID[2:])),
    ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"", "/usr/bin/python3.11",
     "zypper install -C 'debuginfo(build-id)=%s'" % ID),
    ("ID=arch", "/usr/bin/python3.12",
     "DEBUGINFOD_URLS=https://debuginfod.archlinux.org debuginfod-find debuginfo %s" % ID),
    ("ID=alpine", "/usr/bin/python3.11", 'apk add "$(apk info -qW /usr/bin/python3.11)-dbg"'),
    ("ID=debian", "/usr/local/bin/python3.11", "py-symbols -use /path/to/%s.debug" % ID),
    ("", "/root/.pyenv/bin/python3.11", "py-symbols -use /path/to/%s.debug" % ID),
])
def test_packages(release: str, path: str, command: str) -> None:
    """Which package has it, as the target's distribution has it."""
    text, = said(Machine(pid=1, release=advice.release_of(release)), image(path, status="missing"))
    why, *commands = text.split("\n")
    assert commands[0] == command and path in why and ID in why


def test_no_other_distribution() -> None:
    """Of one that is not known, and of none, there is no command."""
    for release in ({"ID": "nonesuch"}, None):
        text, = said(Machine(pid=1, release=release), image(status="missing"))
        assert "\n" not in text


def test_debuginfod_off() -> None:
    """Only where it is configured, and off."""
    missing = image(status="missing")
    configured = Machine(pid=1, servers="https://here", debuginfod="off", program="/bin/p")
    assert any("set debuginfod enabled on\nfile /bin/p" in each for each in said(configured, missing))
    for machine in (configured._replace(debuginfod="on"), configured._replace(servers=""),
                    configured._replace(debuginfod=None)):
        assert not any("set debuginfod" in each for each in said(machine, missing))
    assert said(configured, image()) == []


PROGRAM, LIBRARY = "/usr/bin/python3.11", "/usr/lib/libpython3.11.so.1.0"


def test_packages_after_an_upgrade() -> None:
    """What is installed is another build by now: only what goes by the build id helps."""
    debian, fedora = map(advice.release_of, ("ID=debian", "ID=fedora"))
    old = image(status="missing", loaded_build_id=OTHER_ID, read_by_gdb=False)
    for release, command in ((debian, "debuginfod-find debuginfo %s" % OTHER_ID),
                             (fedora, "/usr/lib/debug/.build-id/cd/%s.debug" % OTHER_ID[2:])):
        _replaced, missing = said(Machine(pid=1, release=release), old)
        assert missing.split("\n")[1].endswith(command) and "apt" not in missing


def test_servers_of_others() -> None:
    """What others have made of a distribution may have packages of its own, which its debuginfod does not know."""
    for release, server in (("ID=rocky\nID_LIKE='rhel centos fedora'", None), ("ID=kali\nID_LIKE=debian", None),
                            ("ID=fedora", "fedoraproject"), ("ID=linuxmint\nID_LIKE='ubuntu debian'", "ubuntu"),
                            ("ID=opensuse-leap\nID_LIKE='suse opensuse'", "opensuse")):
        text, = said(Machine(pid=1, release=advice.release_of(release)), image(status="missing"))
        assert ("DEBUGINFOD_URLS=" in text) == (server is not None) and (server or "") in text


def test_wrong_binary() -> None:
    """For a core the right one has to be found, or is known; a process has it still."""
    wrong = image(loaded_build_id=OTHER_ID, read_by_gdb=False)
    text, = said(Machine(core="/tmp/core", executable=PROGRAM), wrong)
    assert OTHER_ID in text and text.endswith("\nfile /path/to/python3.11\ncore-file /tmp/core")
    text, = said(Machine(core="/tmp/core", executable=PROGRAM), wrong._replace(mapped_file="/right"))
    assert text.endswith("\nfile /right\ncore-file /tmp/core")
    text, = said(Machine(pid=7, executable=PROGRAM), wrong)
    assert OTHER_ID in text and text.endswith("\nfile /proc/7/exe")


def test_sysroot_of_another_machine() -> None:
    """What gdb finds there is not what the process of this machine runs."""
    program = image(PROGRAM, EXECUTABLE, read_by_gdb=False)
    texts = said(Machine(pid=7, executable=PROGRAM, sysroot="/srv/tree"), program)
    assert any("below /srv/tree" in text and text.endswith("\nset sysroot /\nfile /proc/7/exe") for text in texts)
    assert not any("sysroot" in text for text in said(Machine(pid=7, executable=PROGRAM), program))


def test_wrong_library() -> None:
    """The program is the right one: to name that again would not help."""
    wrong = image(LIBRARY, loaded_build_id=OTHER_ID, read_by_gdb=False)
    program = image(PROGRAM, EXECUTABLE)
    text, = said(Machine(pid=7, executable=PROGRAM), program, wrong._replace(mapped_file="/proc/7/map_files/1-2"))
    assert text.endswith("\npy-symbols -use /proc/7/map_files/1-2") and "exe" not in text
    text, = said(Machine(pid=7, executable=PROGRAM), program, wrong)
    assert text.endswith("\npy-symbols -use /path/to/%s.debug" % OTHER_ID)
    text, = said(Machine(core="/tmp/core", executable=PROGRAM), program, wrong)
    assert text.endswith("\npy-symbols -use /path/to/libpython3.11.so.1.0")
    # gdb has read what is mapped, from another place.
    for machine in (Machine(pid=7, executable=PROGRAM), Machine(core="/tmp/core", executable=PROGRAM)):
        assert said(machine, program, wrong._replace(read_by_gdb=True)) == []


def test_deleted() -> None:
    gone = image(role=EXECUTABLE, deleted=True, file=None, build_id=None, problem=NOT_HERE, debug=None)
    text, = said(Machine(pid=7, executable=PROGRAM), gone)
    assert text.endswith("\nfile /proc/7/exe")
    assert said(Machine(pid=7), image(role=EXECUTABLE, deleted=True)) == []


def test_container() -> None:
    """Where gdb has not read the files that are in the process's root."""
    unread = image(read_by_gdb=False)
    machine = Machine(pid=7, root="/proc/7/root")
    assert "set sysroot /proc/7/root\nfile /proc/7/exe" in said(machine, unread)[0]
    assert not any("sysroot" in each for each in said(machine._replace(sysroot="/proc/7/root/"), unread))
    assert not any("sysroot" in each for each in said(machine, image()))
    assert not any("sysroot" in each for each in said(machine._replace(root=""), unread))
    text, = said(Machine(core="core"), image(problem=NOT_HERE, debug=None, file=None, read_by_gdb=None))
    assert "set sysroot /path/to/tree\nfile /path/to/tree/usr/bin/python3.11\ncore-file core" in text


def test_cores() -> None:
    assert "100 bytes" in said(Machine(core="core", cut=100), image())[0]
    text, = said(Machine(core="core", lacks=4096, filtered=2), image())
    assert "4096 bytes" in text and "2 images" in text and "echo 0x33 > /proc/self/coredump_filter" in text


def test_lines_only_and_not_read() -> None:
    lines = image(debug=Debug("embedded", "/usr/bin/python3.11", ID, locals=False))
    assert said(Machine(pid=1), lines)[0].endswith("\npy-bt-plus")
    separate = image(read_by_gdb=False, debug=Debug("separate", "/debug/file", ID, locals=True))
    assert said(Machine(pid=1), separate)[0].endswith("\npy-symbols -use /debug/file")


@pytest.mark.parametrize("scope, seccomp, is_root, may_trace, is_own, reasons", [
    (0, 0, True, True, None, []), (1, 0, True, True, None, []), (3, 0, True, True, None, [advice.SCOPE_NONE]),
    (1, 0, False, False, None, [advice.SCOPE_ROOT]), (0, 2, False, False, True, [advice.SECCOMP]),
    (1, 2, False, False, True, [advice.SCOPE_ROOT, advice.SECCOMP]), (0, 0, False, False, None, [advice.OTHER_USER]),
    (0, 0, True, False, None, [advice.CAPABILITY]), (1, 2, False, False, False, [advice.OTHER_USER]),
    (0, 0, False, False, True, [advice.NOT_DUMPABLE])])
def test_in_the_way(scope: int, seccomp: int, is_root: bool, may_trace: bool, is_own: Optional[bool],
                    reasons: List[str]) -> None:
    assert advice.in_the_way(scope, seccomp, is_root, may_trace, is_own) == reasons
    found = said(Machine(in_the_way=reasons))
    assert [each.split("\n")[0] for each in found] == reasons
    # The kernel has to be booted anew for that one.
    assert all("\n" in each for each in found) == (reasons != [advice.SCOPE_NONE])


def test_core_without_its_program() -> None:
    """gdb finds libraries by the program."""
    machine = Machine(core="/tmp/core", executable=PROGRAM)
    text, = said(machine, image(PROGRAM, EXECUTABLE, read_by_gdb=False), image(LIBRARY, read_by_gdb=False))
    assert text.endswith("\nfile %s\ncore-file /tmp/core" % PROGRAM)
    text, = said(machine._replace(program=PROGRAM), image(LIBRARY, read_by_gdb=False))
    assert text.endswith("\nsharedlibrary")


def test_release_of() -> None:
    """os-release(5): comments, quotes, and what is damaged."""
    text = "# comment\nID=debian\nNAME=\"A \\\"b\\\"\"\nBROKEN=\"x\n\nID_LIKE='x y'\n"
    assert advice.release_of(text) == {"ID": "debian", "NAME": 'A "b"', "ID_LIKE": "x y"}
