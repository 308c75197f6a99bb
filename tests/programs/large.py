"""Much of everything that is walked: objects, threads, and a linked list.

    python large.py TRUTH.json OBJECTS THREADS DEPTH
"""

import os
import sys
import threading

import common


class Node(object):
    """Of a linked list."""

    def __init__(self, next):
        self.next = next


def linked(depth):
    """The last node and the first."""
    last = node = Node(None)
    for _ in range(depth - 1):
        node = Node(node)
    return last, node


def wait(lock):
    with lock:
        pass


def main(objects, threads, depth):
    kept = [(index, str(index)) for index in range(objects // 2)]
    last, first = linked(depth)
    threading.stack_size(128 << 10)
    lock = threading.Lock()
    with lock:
        for index in range(threads):
            threading.Thread(target=wait, args=(lock,), daemon=True).start()
        common.write(sys.argv[1], common.process([], objects=[id(first), id(last), id(kept)]))
        os.write(1, b"ready\n")
        os.read(0, 1)
    os._exit(0)


main(*map(int, sys.argv[2:]))
