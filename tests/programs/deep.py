"""Recurses as deep as its second argument says, in a thread, and waits there for its standard input to end."""

import os
import sys
import threading

DEPTH = int(sys.argv[2])
# Up to 3.10 a Python call takes about half a kilobyte of the C stack.
STACK = 1 << 30


def descend(levels):
    """Call itself until `levels` is 0."""
    if levels == 0:
        os.write(1, b"ready\n")
        os.read(0, 1)
    else:
        descend(levels - 1)


sys.setrecursionlimit(DEPTH + 1000)
threading.stack_size(STACK)
thread = threading.Thread(target=descend, args=(DEPTH,), name="deep")
thread.start()
thread.join()
