# -*- coding: utf-8 -*-
"""A sub-interpreter made by the main thread and run by another one.

    python made_elsewhere.py TRUTH.json

Up to 3.12 the thread state that is made with an interpreter bears the id of the thread that made it,
and is used by whichever thread runs code there: the id is then wrong. Needs 3.8.
"""

import os
import sys
import threading

import common
from common import arrivals, arrive, chain, hold

try:
    import _interpreters as module  # 3.13
    ARGUMENTS = {"config": "legacy"}
except ImportError:
    import _xxsubinterpreters as module  # 3.8 to 3.12
    ARGUMENTS = {"isolated": False} if sys.version_info >= (3, 9) else {}

SOURCE = "import os\ndef inside():\n    os.read(%d, 1)\ninside()\n" % common.HOLD_FD
# What run_string() calls the file of its code.
FILE = "<script>" if sys.version_info >= (3, 14) else "<string>"
INSIDE = [{"function": "inside", "qualname": "inside", "file": FILE, "line": 3},
          {"function": "<module>", "qualname": "<module>", "file": FILE, "line": 4}]

chains = {}


def runner(interpreter):
    arrive("runner")
    chains.setdefault("runner", chain(sys._getframe())), module.run_string(interpreter, SOURCE)


def tell(path):
    """Wait for both, tell where they are."""
    common.settle(["main", "runner"])
    threads = [{"key": key, "ident": arrival.ident, "lwp": arrival.native_id, "frames": chains[key]}
               for key, arrival in arrivals.items()]
    frames = INSIDE if hasattr(common.or_die.__code__, "co_qualname") else [
        dict(frame, qualname=None) for frame in INSIDE]
    common.write(path, common.process(threads, inside=frames))
    os.write(1, b"ready\n")


def main():
    """Make the interpreter, have it run, wait for ever."""
    interpreter = module.create(**ARGUMENTS)
    threading.Thread(target=common.or_die(runner), args=(interpreter,), name="runner").start()
    threading.Thread(target=common.or_die(tell), args=(sys.argv[1],)).start()
    arrive("main")
    chains.setdefault("main", chain(sys._getframe())), hold()


if __name__ == "__main__":
    main()
