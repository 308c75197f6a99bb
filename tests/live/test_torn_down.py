"""An interpreter that is being torn down: what is left of it is read: programs/finalizing.py."""

import pytest

from tests.support import compare, gdb, processes
from tests.support.stripped import Launch


@pytest.mark.parametrize("mode", ["symbols", "hidden"], scope="session")
def test_finalizing(launch: Launch, mode: str) -> None:
    """A finalizer that runs when sys.modules is already empty still has its traceback."""
    with processes.running_python(launch, "finalizing.py") as program:
        truth, = program.truth["threads"]
        processes.wait_for(lambda: processes.system_call(program.pid, program.pid)[0] == "0", "in read()")
        run = gdb.run(["py-bt-plus -json", "py-threads -json", "py-bt-plus"], mode=mode, pid=program.pid)
    traceback, threads, text = run.answers
    assert list(map(compare.frame_line, traceback.document()["frames"])) == [
        compare.frame_line(frame) for frame in truth["frames"]]
    thread, = threads.document()["threads"]
    assert thread["lwp"] == truth["lwp"] and thread["ident"] == truth["ident"]
    assert compare.text_frames(text.stdout.split("\n")) == [
        (frame["file"], frame["line"], frame["function"]) for frame in truth["frames"]]
