"""Python that others run: PyInstaller's executables, Debian's uwsgi, gunicorn's workers under load."""

import contextlib
import http.client
import json
import os
import re
import socket
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

import pytest

from tests.support import compare, gdb, packages, processes
from tests.support.interpreters import Found, Interpreter

QUESTIONS = ["py-threads -json", "thread apply all -q py-bt-plus -json"]

# What PyInstaller 6 and gunicorn run on.
OLDEST, NEWEST = (3, 10), (3, 13)

# Of uwsgi.
WORKER_THREADS = 4
# The most requests that one test sends.
MOST_REQUESTS = 20000
# Looks of gdb at a process that serves requests; each has an even chance to meet the application.
LEAST_LOOKS, MOST_LOOKS = 3, 20


def interpreter_for(found: Found, shared: bool) -> Interpreter:
    """The newest one that can be used; without one the test is skipped."""
    fitting = [each for each in found.interpreters
               if OLDEST <= each.minor <= NEWEST and not each.debug and not each.free_threaded
               and (each.libpython is not None or not shared)]
    if not fitting:
        pytest.skip("no CPython 3.%d to 3.%d%s" % (OLDEST[1], NEWEST[1], " with a shared libpython" * shared))
    return max(fitting, key=lambda each: each.version_info)


def asked(pid: int) -> List[Any]:
    """py-threads' document, and the tracebacks."""
    threads, tracebacks = gdb.run(QUESTIONS, pid=pid, mode="hidden").answers
    assert not threads.stderr and not tracebacks.stderr
    return [threads.document(), tracebacks.documents()]


# --- PyInstaller -----------------------------------------------------------------------------

@contextlib.contextmanager
def frozen(found: Found, kind: str, folder: Path) -> Iterator[processes.Program]:
    """The frozen program at its place; what it has unpacked is gone afterwards."""
    interpreter = interpreter_for(found, shared=True)
    try:
        python = packages.venv(interpreter, "pyinstaller>=6,<7")
        executable = packages.frozen(
            python, processes.PROGRAMS / "frozen.py",
            [processes.PROGRAMS / name for name in ("common.py", "places.py", "hosted.py")], kind)
    except packages.NotAvailable as error:
        pytest.skip(str(error))
    with processes.running([str(executable), "truth.json"], {"TMPDIR": str(folder)}) as program:
        try:
            yield program
        finally:
            program.write(b"x")
            program.wait_until_gone()


def assert_told(program: processes.Program, pid: int) -> None:
    """gdbext's answer about a process of the program is the program's own."""
    truth = {**program.truth, "native_threads": []}
    assert truth["pid"] == pid and len(truth["threads"]) == 3
    processes.wait_for(lambda: processes.system_call(pid, pid)[0] == "0", "in read()")
    threads, tracebacks = asked(pid)
    assert threads["target"]["python"] == truth["python"]
    compare.assert_threads(truth, threads)
    compare.assert_tracebacks(truth, tracebacks, threads)


def test_onedir(found: Found, tmp_path: Path) -> None:
    """A folder with an executable, which loads the libpython beside it."""
    with frozen(found, "onedir", tmp_path) as program:
        assert_told(program, program.pid)


def test_onefile(found: Found, tmp_path: Path) -> None:
    """A file that unpacks itself and starts itself again: attached to the first, gdbext names the second."""
    with frozen(found, "onefile", tmp_path) as program:
        child = program.truth["pid"]
        assert child != program.pid
        run = gdb.run(["py-threads", "py-bt-plus -json"], pid=program.pid, mode="hidden")
        for answer in run.answers:
            assert answer.stdout == ""
            message = compare.one_line(answer.stderr)
            assert "no CPython here" in message
            assert re.search(r"; child process %d runs Python %s in %s/\S*libpython\S+$" % (
                child, re.escape(program.truth["python"]), re.escape(str(tmp_path))), message), message
        assert_told(program, child)


# --- WSGI servers ----------------------------------------------------------------------------

class Unix(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: str, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Called when the request is sent."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Server(NamedTuple):
    """A server of wsgi_app.py, and how to connect to it."""

    program: processes.Program
    connect: Callable[[], http.client.HTTPConnection]

    def get(self, path: str) -> str:
        """The answer to one request."""
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            text = answer.read().decode()
        assert answer.status == 200, "%s: %d %s\n%s" % (path, answer.status, text, self.program.errors())
        return text

    @contextlib.contextmanager
    def blocked(self, keys: List[str]) -> Iterator[None]:
        """Requests that stay in the application until the connection's end."""
        with contextlib.ExitStack() as stack:
            for key in keys:
                connection = self.connect()
                stack.callback(connection.close)
                connection.request("GET", "/block/" + key)
            yield

    def truth(self, blocked: int, named: int) -> Dict[str, Any]:
        """What the worker tells when so many requests are blocked and so many threads have names."""
        self.get("/tell/%d/%d" % (blocked, named))
        return json.loads((self.program.folder / "truth.json").read_text())


def waits(pid: int, tid: int) -> bool:
    """Whether a thread waits in a system call."""
    return processes.system_call(pid, tid)[0] != "running"


def children(pid: int) -> List[int]:
    """The child processes of a process's main thread."""
    return [int(child) for child in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


@contextlib.contextmanager
def running(command: List[str], variables: Dict[str, str],
            connect: Callable[[processes.Program], http.client.HTTPConnection]) -> Iterator[Server]:
    """A server that has said it is ready. Its workers are ended before it, or they would live on."""
    started = {"PYTHONPATH": str(processes.PROGRAMS), "TRUTH": "truth.json", **variables}
    with processes.running(command, started) as program:
        try:
            yield Server(program, lambda: connect(program))
        finally:
            end(program)


def end(program: processes.Program) -> None:
    """Kill the server, then its workers, which are nobody else's."""
    workers = children(program.pid)
    program.kill()
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, 9)
    for worker in workers:
        processes.wait_for(lambda worker=worker: gone(worker), "the end of worker %d" % worker)


def gone(pid: int) -> bool:
    """Whether a process has ended, though perhaps nobody has asked for its exit code yet."""
    try:
        return Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def part_of(truth: Dict[str, Any], threads: Dict[str, Any], tracebacks: List[Dict[str, Any]]) -> None:
    """The threads that the truth has frames of are as it says; more may be listed."""
    lwps = {thread["lwp"] for thread in truth["threads"]}
    some = {**threads, "threads": [each for each in threads["threads"] if each["lwp"] in lwps]}
    numbers = {each["number"] for each in some["threads"]}
    compare.assert_threads({**truth, "native_threads": []}, some)
    compare.assert_tracebacks({**truth, "native_threads": []},
                              [each for each in tracebacks if each["number"] in numbers], threads)


@pytest.fixture
def uwsgi() -> Iterator[Server]:
    """Debian's uwsgi with its plugin for Python: a master, a worker with four threads."""
    try:
        root = packages.debian("uwsgi-core", "uwsgi-plugin-python3", "libpcre3", "libyajl2")
        variables = packages.library_path(root)
        executable = root / "usr/bin/uwsgi-core"
        plugin, = root.glob("usr/lib/uwsgi/plugins/python3*_plugin.so")
        for file in (executable, plugin):
            packages.needs(file, variables)
    except packages.NotAvailable as error:
        pytest.skip(str(error))
    name = plugin.name.partition("_")[0]
    options = ["--plugins-dir", str(plugin.parent), "--plugin", name, "--http-socket", "socket", "--master",
               "--processes", "1", "--threads", str(WORKER_THREADS), "--need-app", "--wsgi", "uwsgi_app"]
    command = ["sh", "-c", 'exec "$0" "$@" 3>&1', str(executable), *options]
    with running(command, variables,
                 lambda program: Unix(str(program.folder / "socket"), processes.TIMEOUT)) as server:
        yield server


def test_uwsgi(uwsgi: Server) -> None:
    """The worker's requests are shown; its idle threads are Python's without frames, as is the master's."""
    with uwsgi.blocked(["first", "second"]):
        truth = uwsgi.truth(2, WORKER_THREADS)
        worker = truth["pid"]
        assert worker in children(uwsgi.program.pid)
        processes.wait_for(lambda: all(waits(worker, lwp) for lwp in truth["lwps"]), "all threads idle")
        threads, tracebacks = asked(worker)
        of_master, master_tracebacks = asked(uwsgi.program.pid)
    assert [len(thread["frames"]) for thread in truth["threads"]] == [2, 2]
    part_of(truth, threads, tracebacks)
    got = compare.by_lwp(threads["threads"])
    assert sorted(got) == truth["lwps"]
    busy = {thread["lwp"] for thread in truth["threads"]}
    idle = [thread for lwp, thread in got.items() if lwp not in busy and thread["state"] != "native"]
    assert got[truth["teller"]] in idle and len(idle) == WORKER_THREADS - 2
    for thread in idle:
        assert (thread["frame"], thread["gil"]) == (None, None)
        assert thread["name"] == truth["names"].get(str(thread["ident"]))
    main = compare.by_lwp(of_master["threads"])[uwsgi.program.pid]
    assert main["ident"] is not None and main["frame"] is None
    assert not any(each["frames"] for each in master_tracebacks)


class Load:
    """A client on the loopback that sends one request after the other, a bounded number of them."""

    def __init__(self, server: Server):
        self._server = server
        self._stop = threading.Event()
        self._failed: Optional[BaseException] = None
        self.answered = 0
        self._thread = threading.Thread(target=self._send, daemon=True)

    def _send(self) -> None:
        try:
            while not self._stop.is_set() and self.answered < MOST_REQUESTS:
                self._server.get("/busy")
                self.answered += 1
        except BaseException as error:  # told by __exit__
            self._failed = error

    def __enter__(self) -> "Load":
        self._thread.start()
        self.goes_on(5)
        return self

    def goes_on(self, more: int) -> None:
        """Wait until so many more requests have been answered."""
        wanted = self.answered + more
        processes.wait_for(lambda: self._failed or self.answered >= wanted, "%d more answers" % more)
        assert self._failed is None, self._failed

    def __exit__(self, *_exception: Any) -> None:
        self._stop.set()
        self._thread.join(processes.TIMEOUT)
        assert self._failed is None, self._failed


def in_application(answer: List[Any]) -> bool:
    """Whether a thread was met in the function that /busy runs."""
    return any(frame["function"] == "busy" for traceback in answer[1] for frame in traceback["frames"])


@pytest.fixture
def gunicorn(found: Found) -> Iterator[Server]:
    """gunicorn with one worker of four threads."""
    try:
        python = packages.venv(interpreter_for(found, shared=False), "gunicorn>=23,<28")
    except packages.NotAvailable as error:
        pytest.skip(str(error))
    command = [str(python), "-m", "gunicorn", "-c", str(processes.PROGRAMS / "gunicorn_settings.py"),
               "wsgi_app:application"]
    with running(command, {}, lambda program: http.client.HTTPConnection(
            "127.0.0.1", int((program.folder / "port").read_text()), processes.TIMEOUT)) as server:
        yield server


def test_gunicorn_under_load(gunicorn: Server) -> None:
    """A worker that serves requests: the blocked ones are exact, the serving one is where it can be.

    It goes on when gdb has let go of it.
    """
    with gunicorn.blocked(["first", "second"]):
        with Load(gunicorn) as load:
            # The main thread, two that are blocked, and one that serves.
            truth = gunicorn.truth(2, 4)
            worker = truth["pid"]
            assert worker in children(gunicorn.program.pid)
            seen = []
            # On a busy machine the client has most of the time, and few looks meet the application.
            while len(seen) < LEAST_LOOKS or not any(map(in_application, seen)) and len(seen) < MOST_LOOKS:
                before = load.answered
                threads, tracebacks = asked(worker)
                load.goes_on(5)
                assert load.answered > before
                part_of(truth, threads, tracebacks)
                seen.append([threads, tracebacks])
    assert any(map(in_application, seen)), "no request was seen in the application"
    for threads, tracebacks in seen:
        got = compare.by_lwp(threads["threads"])
        frames = compare.frames_by_lwp(tracebacks, threads)
        assert not {thread["lwp"] for thread in truth["threads"]} - set(got)
        assert {str(thread["ident"]): thread["name"] for thread in got.values()
                if str(thread["ident"]) in truth["names"]} == truth["names"]
        # The main thread is the one that accepts; each of the others is one of the pool.
        assert got[worker]["name"] == "MainThread" and frames[worker][-1]["function"] == "_run_module_as_main"
        for lwp, thread in got.items():
            assert lwp == worker or frames[lwp][-1]["function"] == "_bootstrap"
            position = [frame["function"] for frame in frames[lwp]].index("busy") if any(
                frame["function"] == "busy" for frame in frames[lwp]) else None
            if position is None:
                continue
            told = truth["busy"].get(str(thread["ident"])) or next(iter(truth["busy"].values()))
            inner, outer = frames[lwp][position], frames[lwp][position + 1:]
            assert inner["line"] in truth["busy_lines"]
            assert list(map(compare.frame_line, outer)) == list(map(compare.frame_line, told[1:]))


def test_gunicorn_arbiter(gunicorn: Server) -> None:
    """The arbiter is a Python itself, and is shown as one: its children are not mentioned."""
    assert int(gunicorn.get("/pid")) in children(gunicorn.program.pid)
    threads, tracebacks = asked(gunicorn.program.pid)
    main = compare.by_lwp(threads["threads"])[gunicorn.program.pid]
    assert main["name"] == "MainThread"
    frames = compare.frames_by_lwp(tracebacks, threads)[gunicorn.program.pid]
    functions = [frame["function"] for frame in frames]
    assert "run" in functions and functions[-1] == "_run_module_as_main"
    assert any(frame["file"].endswith("gunicorn/arbiter.py") for frame in frames)
