# -*- coding: utf-8 -*-
"""A program to be frozen into an executable: two threads beside the main one.

    frozen TRUTH.json

Ends when a byte comes in, so that a launcher above it can tidy up.
"""

import os
import sys
import threading

import common
import hosted

WORKERS = ["first", "second"]


def work(key):
    def inner():
        hosted.block(key)
    inner()


def main():
    """Start everything; tell; wait."""
    hosted.let_attach()
    for key in WORKERS:
        threading.Thread(target=work, args=(key,), name="worker " + key).start()
    common.settle(WORKERS)
    common.arrive("main")
    # On one line, for this is where it waits.
    hosted.chains.setdefault("main", common.chain(sys._getframe())), tell(), os.read(0, 1)
    os._exit(0)


def tell():
    hosted.write(sys.argv[1])
    os.write(1, b"ready\n")


if __name__ == "__main__":
    main()
