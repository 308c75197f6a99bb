"""Maps files of its own making, whose names are no text."""

import mmap
import os
import sys

import common

folder = os.fsencode(sys.argv[2])
path = os.path.join(folder, b"data\xfe\n.bin")
with open(path, "wb") as file:
    file.write(b"x" * mmap.PAGESIZE)
with open(path, "r+b") as file:
    kept = mmap.mmap(file.fileno(), 0)
common.write(sys.argv[1], common.process([]))
os.write(1, b"ready\n")
common.hold()
