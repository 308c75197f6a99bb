# -*- coding: utf-8 -*-
"""A process that stays in Py_Finalize: a finalizer that blocks while modules are torn down.

    python finalizing.py TRUTH.json

By then sys.modules is empty, and this module's globals are gone.
"""

import os
import sys

import common


class Blocks:
    """Its finalizer needs no globals: they are None by then."""

    def __del__(self, read=os.read, write=os.write, fd=common.HOLD_FD):
        write(1, b"ready\n")
        read(fd, 1)


def main():
    """Write what will be true, and end."""
    code = Blocks.__del__.__code__
    frame = {"function": "__del__", "qualname": getattr(code, "co_qualname", None),
             "file": code.co_filename, "line": code.co_firstlineno + 2}
    common.arrive("main")
    arrival = common.arrivals["main"]
    thread = {"key": "main", "ident": arrival.ident, "lwp": arrival.native_id, "frames": [frame]}
    common.write(sys.argv[1], common.process([thread]))


if __name__ == "__main__":
    kept = Blocks()
    main()
