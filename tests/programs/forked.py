# -*- coding: utf-8 -*-
"""A fork while another thread has the locks: the child waits for what no thread of its own will let go.

    python forked.py TRUTH.json

What the truth tells of is the child, which ends with the parent; the parent waits for its end.
"""

import os
import sys
import threading

import common

LINES = common.marked(__file__)
plain, owned = threading.Lock(), threading.RLock()


def child(path, holder, parent):
    """Wait for the lock without an owner field, a second thread for the one that has it."""
    def waiter():
        common.arrive("owned", "lock")
        owned.acquire()  # @ owned

    def watch():
        common.arrive("watcher", "any read")
        os.read(parent, 1)
        os._exit(0)

    def write():
        common.settle({"owned", "plain", "watcher"})
        common.write(path, common.process(
            [{"key": key, "ident": arrival.ident, "lwp": arrival.native_id, "line": LINES.get(key)}
             for key, arrival in common.arrivals.items()],
            holder=holder, plain=hex(id(plain)), owned=hex(id(owned))))
        os.write(1, b"ready\n")

    # The first new thread has the stack of the one that is not here, and so its ident, until it ends.
    threading.Thread(target=common.or_die(write)).start()
    threading.Thread(target=watch, name="watcher").start()
    threading.Thread(target=waiter, name="owned").start()
    common.arrive("plain", "lock")
    plain.acquire()  # @ plain


def main():
    """Have a thread take the locks; fork."""
    taken = threading.Event()

    def holder():
        with plain, owned:
            taken.set()
            common.hold()

    thread = threading.Thread(target=holder)
    thread.start()
    taken.wait()
    parent, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(writer)
        child(sys.argv[1], thread.ident, parent)
    os.waitpid(pid, 0)
    os._exit(0)


if __name__ == "__main__":
    main()
