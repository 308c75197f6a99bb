"""Holds a number of tuples and of strings, and tells where the last string is."""

import os
import sys

import common

count = int(sys.argv[2])
kept = [(index, str(index)) for index in range(count)]
common.write(sys.argv[1], common.process([], last=id(kept[-1][1])))
os.write(1, b"ready\n")
os.read(0, 1)
