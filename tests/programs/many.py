"""Holds a number of tuples and of strings."""

import os
import sys

count = int(sys.argv[2])
kept = [(index, str(index)) for index in range(count)]
os.write(1, b"ready\n")
os.read(0, 1)
