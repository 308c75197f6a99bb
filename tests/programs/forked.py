# -*- coding: utf-8 -*-
"""A fork while another thread has the locks: the child waits for what no thread of its own will let go.

    python forked.py TRUTH.json

What the truth tells of is the child; the parent waits for its end.
"""

import os
import sys
import threading

import common

plain, owned = threading.Lock(), threading.RLock()


def child(path, holder):
    """Wait for the lock without an owner field, a second thread for the one that has it."""
    def waiter():
        common.arrive("owned", "lock")
        owned.acquire()

    def write():
        common.settle({"owned", "plain"})
        common.write(path, common.process(
            [{"key": key, "ident": arrival.ident, "lwp": arrival.native_id, "frames": []}
             for key, arrival in common.arrivals.items()],
            holder=holder, plain=hex(id(plain)), owned=hex(id(owned))))
        os.write(1, b"ready\n")

    # The first new thread has the stack of the one that is not here, and so its ident, until it ends.
    threading.Thread(target=common.or_die(write)).start()
    threading.Thread(target=waiter, name="owned").start()
    common.arrive("plain", "lock")
    plain.acquire()


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
    pid = os.fork()
    if not pid:
        child(sys.argv[1], thread.ident)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
