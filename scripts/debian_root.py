"""Folders that hold a Debian system to test in: made by debootstrap, with packages and CPythons built there.

A step that is done leaves a stamp that says what was done; one that was interrupted, or that asks for
something else now, is done again. All commands run in a mount and a process namespace of their own:
whatever happens, no mount and no process of theirs stays.

Needs root's rights, debootstrap and a Debian mirror, which is the one that this machine's apt uses.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.interpreters import enter

SCRIPTS = Path("/usr/share/debootstrap/scripts")
# Serves for suites that are newer than the debootstrap.
NEWEST_SCRIPT = "sid"

APT_SETTINGS = """\
// A mirror may be a snapshot, older than its files' validity. Signatures are checked all the same.
Acquire::Check-Valid-Until "false";
Acquire::Retries "3";
// Root in its own namespace may not become _apt everywhere.
APT::Sandbox::User "root";
APT::Install-Recommends "false";
"""

# What apt-get source and a build of CPython need.
BUILD_PACKAGES = ("dpkg-dev", "gcc", "libc6-dev", "libffi-dev", "libssl-dev", "make", "xz-utils",
                  "zlib1g-dev")
SOURCES = "/usr/src/gdbext"
# Its wheels have CPython 3.14.9 and 3.15.1; see unpack_python().
FROZEN = "freeze-core==0.8.1"
# Compilers at a time.
JOBS = 2

# What a command there may know of this machine: how to reach the network.
PASSED_ON = re.compile(r"(?i)(https?|ftp|no|all)_proxy\Z|PIP_(INDEX_URL|EXTRA_INDEX_URL|DEFAULT_TIMEOUT)\Z")
# The certificates that this machine trusts, where it puts others beside Debian's.
CERTIFICATES = "/etc/ssl/this-machine.crt"


# The beginning of a command of which nothing stays when it ends, or whoever runs it, by whatever signal.
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child")


class NotToBeHad(Exception):
    """Something that has to come from elsewhere does not; the message says what and why."""


class Failed(Exception):
    """A command failed that had all it needs; the message says which, and its last words."""


def mirror() -> str:
    """The address of the Debian mirror that apt uses here. Raises NotToBeHad."""
    if shutil.which("apt-get") is None:
        raise NotToBeHad("no apt here to name a mirror of Debian")
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(ORIGIN)",
         "Created-By: Packages", "Component: main"], capture_output=True, text=True, check=False)
    for line in told.stdout.splitlines():
        address, release, origin = line.split(" ", 2)
        # Before the first `apt-get update` the origin is not known.
        if release.partition("-")[1:] in (("", ""), ("-", "updates")) and (
                origin == "Debian" or "$" in origin and address.rstrip("/").endswith("/debian")):
            return address
    raise NotToBeHad("apt's configuration here names no mirror of Debian")


def forbidden() -> Optional[str]:
    """Why this machine lets nobody make or enter a root; None where it does."""
    if os.geteuid() != 0:
        return "needs root's rights (debootstrap, chroot)"
    if shutil.which("unshare") is None:
        return "no unshare"
    allowed = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-c", "mount -t proc proc /proc"],
        capture_output=True, check=False)
    return None if allowed.returncode == 0 else "namespaces are not allowed here"


def missing_tool() -> Optional[str]:
    """What is not installed that making a root needs; None where all is."""
    absent = [tool for tool in ("chroot", "debootstrap", "setpriv") if shutil.which(tool) is None]
    return "no %s" % " and no ".join(absent) if absent else None


def last_words(text: str) -> str:
    """The line that says best why a command failed: apt's first error, else the last line."""
    errors = re.findall(r"(?m)^E: (.*)", text)
    # Hosts and addresses in it say nothing to the reader.
    line = errors[0] if errors else (text.strip().splitlines() or ["no message"])[-1]
    return re.sub(r"\w+://\S*/|\s*\[IP: .*?\]", "", line)


class Root:
    """One Debian system in a folder; where nothing may be made, all of it has to be there."""

    def __init__(self, cache: Path, suite: str, may_make: bool = True):
        self.suite = suite
        self._may_make = may_make
        self.path = cache / suite
        self._stamps = cache / (suite + ".steps")

    def step(self, name: str, content: object, action: Callable[[], None]) -> None:
        """Do it, unless the stamp says that exactly this has been done. Raises NotToBeHad."""
        stamp = self._stamps / name
        if stamp.exists() and stamp.read_text() == repr(content):
            return
        if not self._may_make:
            raise NotToBeHad("is not built: %s" % name)
        stamp.unlink(missing_ok=True)
        print("matrix: %s: %s" % (self.suite, name), flush=True)
        action()
        self._stamps.mkdir(parents=True, exist_ok=True)
        stamp.write_text(repr(content))

    def command(self, arguments: Sequence[str]) -> List[str]:
        """The command that runs it there; what it starts ends with it."""
        return [*ENDS_WITH_US, *enter(self.path, Path("/dev")), *arguments]

    def environment(self, variables: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
        """The environment for commands there: nothing of this machine's but the way to the network."""
        passed = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
        if (self.path / CERTIFICATES.lstrip("/")).exists():
            passed["PIP_CERT"] = CERTIFICATES
        return {**passed, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
                **(variables or {})}

    def run(self, *arguments: str, fetches: bool = False) -> str:
        """Run a command there, from its root folder. Raises Failed; NotToBeHad if it `fetches` something."""
        return _run(self.command(arguments), self.environment(), fetches)

    def make(self, packages: Sequence[str]) -> None:
        """The system, with packages and what they need. Raises NotToBeHad, Failed."""
        self.step("system", self.suite, self._bootstrap)
        # What is installed stays: more packages for one cell are no reason to install again for another.
        self.step("apt", (APT_SETTINGS, CERTIFICATES), self._configure_apt)
        self.step("packages " + packages[0], list(packages), lambda: self._install(packages))

    def _bootstrap(self) -> None:
        address = mirror()
        script = SCRIPTS / (self.suite if (SCRIPTS / self.suite).exists() else NEWEST_SCRIPT)
        if self.path.exists():
            subprocess.run(["rm", "-rf", "--one-file-system", str(self.path)], check=True)
        shutil.rmtree(self._stamps, ignore_errors=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _run([*ENDS_WITH_US, "--mount-proc", "debootstrap", "--variant=minbase", self.suite, str(self.path), address,
              str(script)], {**os.environ, "LC_ALL": "C.UTF-8"}, fetches=True)

    def _configure_apt(self) -> None:
        apt = self.path / "etc/apt"
        (apt / "apt.conf.d/90gdbext").write_text(APT_SETTINGS)
        for old in (apt / "sources.list.d").iterdir():
            old.unlink()
        (apt / "sources.list").write_text(
            "".join("%s %s %s main\n" % (kind, mirror(), self.suite) for kind in ("deb", "deb-src")))
        shutil.copyfile("/etc/resolv.conf", self.path / "etc/resolv.conf")
        certificates = os.environ.get("PIP_CERT") or "/etc/ssl/certs/ca-certificates.crt"
        if os.path.exists(certificates):
            target = self.path / CERTIFICATES.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(certificates, target)

    def _install(self, packages: Sequence[str]) -> None:
        # dpkg goes on where it was interrupted.
        self.run("dpkg", "--configure", "--pending")
        self.run("apt-get", "-q", "update", fetches=True)
        self.run("apt-get", "-q", "install", "--yes", "--download-only", *packages, fetches=True)
        self.run("apt-get", "-q", "install", "--yes", *packages)

    def build_python(self, minor: int, name: str, options: Sequence[str], flags: str) -> Path:
        """A CPython from Debian's source, configured with options, as /opt/NAME there.

        Gives its folder of executables, below the root. Raises NotToBeHad, Failed.
        """
        package = "python3.%d" % minor
        build = "%s/build-%s" % (SOURCES, name)
        prefix = "/opt/" + name

        def fetch() -> None:
            _remove(self.path, SOURCES + "/" + package)
            self._shell('mkdir -p "$1"; cd "$1"; apt-get -q --download-only source --only-source "$2"',
                        SOURCES, package, fetches=True)
            self._shell('cd "$1"; dpkg-source -x "$2"_*.dsc "$2"', SOURCES, package)

        def compile_it() -> None:
            _remove(self.path, build)
            _remove(self.path, prefix)
            self._shell(
                'build=$1 source=$2 prefix=$3 flags=$4; shift 4; mkdir -p "$build"; cd "$build";'
                '"$source/configure" --prefix="$prefix" --without-ensurepip --disable-test-modules'
                '    CFLAGS="$flags" "$@";'
                'nice make -j%d; make install' % JOBS,
                build, "%s/%s" % (SOURCES, package), prefix, flags, *options)
            # 200 MB, which nobody needs again: what was compiled has its DWARF with it.
            _remove(self.path, build)

        self.step("packages for building", BUILD_PACKAGES, lambda: self._install(BUILD_PACKAGES))
        self.step("source of " + package, package, fetch)
        self.step("build of " + name, (minor, options, flags), compile_it)
        return self.path / prefix.lstrip("/") / "bin"

    def unpack_python(self, minor: int, name: str) -> Path:
        """A CPython without the GIL from a wheel of PyPI's, as /opt/NAME there.

        freeze_core brings a program that executables are made from: all of CPython, linked statically as it is
        for manylinux and stripped, and its extension modules. Its main() runs a frozen application; it is
        changed to Python's own. The modules written in Python are those of Debian's package of that minor
        version. Gives its folder of executables, below the root. Raises NotToBeHad, Failed.
        """
        debian, python = "python3.%d" % minor, "python3.%dt" % minor
        prefix = "/opt/" + name
        home = self.path / prefix.lstrip("/")

        def unpack() -> None:
            _remove(self.path, prefix)
            wheel = home / "wheel"
            _run([sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps",
                  "--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.%d" % minor,
                  "--abi", "cp3%dt" % minor, "--platform", "manylinux2014_x86_64", "--dest", str(wheel), FROZEN],
                 dict(os.environ), fetches=True)
            shutil.unpack_archive(str(next(wheel.iterdir())), str(wheel), "zip")
            library, headers = home / "lib" / python, home / "include" / python
            shutil.copytree(self.path / "usr/lib" / debian, library, ignore=shutil.ignore_patterns(
                "__pycache__", "lib-dynload", "config-*", "_sysconfigdata*", "sitecustomize.py"))
            shutil.move(str(wheel / "freeze_core/lib"), str(library / "lib-dynload"))
            # What these are linked to; they look for it beside them, and so would not find it from a copy.
            shutil.move(str(wheel / "freeze_core.libs"), str(home / "lib"))
            (self.path / "etc/ld.so.conf.d" / (name + ".conf")).write_text(prefix + "/lib/freeze_core.libs\n")
            self.run("ldconfig")
            (library / "_sysconfigdata_t_linux_x86_64-linux-gnu.py").write_text("build_time_vars = %r\n" % {
                "Py_GIL_DISABLED": 1, "DESTSHARED": "%s/lib/%s/lib-dynload" % (prefix, python)})
            shutil.copytree(self.path / "usr/include" / debian, headers)
            (headers / "pyconfig.h").write_text(
                "#include <x86_64-linux-gnu/%s/pyconfig.h>\n#define Py_GIL_DISABLED 1\n" % debian)
            (home / "bin").mkdir()
            shutil.move(str(next(wheel.glob("freeze_core/bases/console-*"))), str(home / "bin" / python))
            shutil.rmtree(wheel)
            self._run_python_instead("%s/bin/%s" % (prefix, python))

        self.step("unpacked " + name, (minor, FROZEN), unpack)
        return home / "bin"

    def _run_python_instead(self, program: str) -> None:
        """Have a program that CPython is linked into run Py_BytesMain() where it would run its main()."""
        symbols = dict(re.findall(r"(?m)^([0-9a-f]+) T (main|Py_BytesMain)$", self.run("nm", "-D", program)))
        addresses = {symbol: int(address, 16).to_bytes(4, "little") for address, symbol in symbols.items()}
        path = self.path / program.lstrip("/")
        code = path.read_bytes()
        # mov $main,%rdi, of the program's start.
        before, after = (b"\x48\xc7\xc7" + addresses.get(symbol, b"") for symbol in ("main", "Py_BytesMain"))
        if len(before) != len(after) or code.count(before) != 1:
            raise Failed("%s does not start as expected" % program)
        path.write_bytes(code.replace(before, after))
        path.chmod(0o755)

    def _shell(self, script: str, *arguments: str, fetches: bool = False) -> None:
        self.run("sh", "-euc", script, "sh", *arguments, fetches=fetches)


def _remove(root: Path, path: str) -> None:
    shutil.rmtree(root / path.lstrip("/"), ignore_errors=True)


def _run(command: Sequence[str], environment: Mapping[str, str], fetches: bool) -> str:
    ended = subprocess.run(
        command, env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if ended.returncode != 0:
        kind = NotToBeHad if fetches else Failed
        raise kind(last_words(ended.stdout))
    return ended.stdout
