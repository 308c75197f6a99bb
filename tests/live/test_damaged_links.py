"""Damage in glibc's own memory, by which gdb tells of threads that never were."""

import json
import struct
from pathlib import Path
from typing import Any, Dict, List

from tests.support import fuzz, gdb
from tests.support.damage_at_random import DamagedCore
from tests.support.interpreters import Interpreter

# Bytes that glibc's struct pthread has up to and with its `tid`.
MAX_BEFORE_TID = 1024


def asked(core: Path, executable: Path) -> Dict[str, Any]:
    """What py-threads tells of a core."""
    [answer] = gdb.run(["py-threads -json"], core=core, executable=executable, mode="hidden").answers
    told: Dict[str, Any] = json.loads(answer.stdout)
    return told


def test_threads_are_not_made_up(one_interpreter: Interpreter, tmp_path: Path) -> None:
    target = fuzz.subject(one_interpreter, tmp_path)
    executable = target.interpreter.path
    before = asked(target.core, executable)
    assert before["notes"] == []
    threads: List[Dict[str, Any]] = before["threads"]
    core = DamagedCore(target.core)
    try:
        # libthread_db takes a thread's number from here, and tells gdb of one that never was.
        changed = 0
        for thread in threads:
            block = core.read(thread["ident"], MAX_BEFORE_TID)
            at = block.find(struct.pack("<i", thread["lwp"]))
            if at >= 0:
                core.write(thread["ident"] + at, struct.pack("<i", 1234567))
                changed += 1
        assert changed == len(threads)
        after = asked(target.core, executable)
        assert {each["lwp"] for each in after["threads"]} == {each["lwp"] for each in threads}
    finally:
        core.close()
