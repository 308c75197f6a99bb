"""A sub-interpreter's thread state whose id is not that of the thread that runs it."""

import pytest

from tests.support import compare, gdb, processes
from tests.support.interpreters import Interpreter
from tests.support.stripped import Launch

# Before, interpreters could be made and run in one step only.
MADE_AND_RUN = (3, 8)


@pytest.mark.parametrize("mode", ["hidden"], scope="session")
def test_not_given_to_another_thread(interpreter: Interpreter, launch: Launch, mode: str) -> None:
    """Its frames are shown, but not as those of the thread that only made the interpreter."""
    if interpreter.minor < MADE_AND_RUN:
        pytest.skip("%s makes and runs an interpreter in one thread only" % interpreter.id)
    with processes.running_python(launch, "made_elsewhere.py") as program:
        truth = program.truth
        processes.wait_until_told(program)
        run = gdb.run(["py-threads -json", "thread apply all -q py-bt-plus -json"],
                      mode=mode, pid=program.pid)
    threads = run.answers[0].document()
    inside = [thread for thread in threads["threads"] if thread["interpreter"] == 1]
    innermost = truth["inside"][0]
    assert [compare.frame_line(thread["frame"]) for thread in inside] == [compare.frame_line(innermost)]
    lwps = {thread["key"]: thread["lwp"] for thread in truth["threads"]}
    # The right thread, or none where that can't be told.
    assert inside[0]["lwp"] in (lwps["runner"], None)
    got = compare.frames_by_lwp(run.answers[1].documents(), threads)
    expected = {thread["lwp"]: [compare.frame_line(frame) for frame in thread["frames"]]
                for thread in truth["threads"]}
    if inside[0]["lwp"] is not None:
        expected[lwps["runner"]][:0] = [compare.frame_line(frame) for frame in truth["inside"]]
    compare.assert_same(expected, {lwp: list(map(compare.frame_line, frames)) for lwp, frames in got.items()},
                        "tracebacks")
