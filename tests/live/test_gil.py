"""Who holds the GIL and who waits for it, where both are known: programs/gil.py."""

import re
from pathlib import Path
from typing import Callable, Iterator

import pytest

from tests.support import compare, gdb, processes
from tests.support.stripped import Launch

PAUSE, FUTEX = "34", "202"  # system calls of x86-64

pytestmark = pytest.mark.parametrize("mode", ["symbols", "hidden"], scope="session")


@pytest.fixture(scope="module")
def program(launch: Launch) -> Iterator[processes.Program]:
    """The program, its waiters waiting; a free-threaded interpreter has to be told to have a GIL."""
    launch = launch._replace(variables={**launch.variables, "PYTHON_GIL": "1"})
    with processes.running_python(launch, "gil.py") as program:
        lwps = {thread["key"]: thread["lwp"] for thread in program.truth["threads"]}

        def blocked(key: str, call: str) -> Callable[[], bool]:
            return lambda: processes.system_call(program.pid, lwps[key])[0] == call

        processes.wait_for(blocked("holder", PAUSE), "the holder in pause()")
        waiters = [key for key in lwps if key.startswith("waiter")]
        program.write(b"." * len(waiters))
        for key in waiters:
            processes.wait_for(blocked(key, FUTEX), "%s waiting for the GIL" % key)
        yield program


@pytest.mark.parametrize("where", ["live", "gcore"])
def test_gil(program: processes.Program, mode: str, where: str, tmp_path: Path) -> None:
    """One holds, those that want it wait for it and say for whom, the others do neither."""
    truth = compare.by_lwp(program.truth["threads"])
    keys = {thread["key"]: thread for thread in truth.values()}
    if where == "live":
        run = gdb.run(["py-threads -json", "py-threads"], mode=mode, pid=program.pid)
    else:
        core = gdb.gcore(program.pid, tmp_path / "core")
        run = gdb.run(["py-threads -json", "py-threads"], mode=mode, core=core, executable=program.executable)
        core.unlink()
    document, text = run.answers[0].document(), run.answers[1].stdout
    got = compare.by_lwp(document["threads"])
    roles = {truth[lwp]["key"]: thread["gil"] for lwp, thread in got.items()}
    assert roles == {"main": None, "bystander": None, "holder": "holds",
                     "waiter-0": "waits", "waiter-1": "waits", "waiter-2": "waits"}
    for thread in got.values():
        if thread["gil"] == "waits":
            waiting_on = thread["waiting_on"]
            assert waiting_on["kind"] == "gil"
            assert waiting_on["owner"] == keys["holder"]["ident"]
            assert int(waiting_on["address"], 16) > 0
            assert thread["state"] == "waiting"
        elif thread["gil"] == "holds":
            # It is in a system call; what matters is that it is not said to wait for the GIL.
            assert thread["waiting_on"] is None or thread["waiting_on"]["kind"] != "gil"
    compare.assert_same(
        {lwp: [compare.frame_line(thread["frames"][0])] for lwp, thread in truth.items()},
        {lwp: [compare.frame_line(thread["frame"])] for lwp, thread in got.items()}, "threads")
    assert len(re.findall(r"(?m)^\*? +\d+ .*  holds  ", text)) == 1
    assert len(re.findall(r"(?m)^\*? +\d+ .*  waits  ", text)) == 3
    assert text.count("waits for the GIL, held by thread") == 3
