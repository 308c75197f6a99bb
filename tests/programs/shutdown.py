# -*- coding: utf-8 -*-
"""The interpreter shuts down, and waits for a thread that does not end.

    python shutdown.py TRUTH.json
"""

import os
import sys
import threading

import common


def worker(path):
    """Write the truth once the main thread waits; stay."""
    common.settle({"main"})
    common.arrive("worker")
    common.write(path, common.process(
        [{"key": key, "ident": arrival.ident, "lwp": arrival.native_id} for key, arrival in common.arrivals.items()]))
    os.write(1, b"ready\n")
    common.hold()


if __name__ == "__main__":
    threading.Thread(target=common.or_die(worker), args=(sys.argv[1],), name="worker").start()
    common.arrive("main", "lock")
