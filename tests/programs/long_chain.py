# -*- coding: utf-8 -*-
"""A chain of threads, each of which holds a lock and waits for the next one's: no ring.

    python long_chain.py TRUTH.json LENGTH

The main thread holds the last lock, and waits for nobody.
"""

import os
import sys
import threading

import common


def main():
    """Build the chain from its end; say "ready"."""
    path, length = sys.argv[1], int(sys.argv[2])
    threading.stack_size(128 << 10)
    locks = [threading.Lock() for _ in range(length + 1)]
    taken = threading.Semaphore(0)

    def link(number):
        mine, following = locks[number], locks[number + 1]
        with mine:
            taken.release()
            common.arrive(number, "lock")
            with following:
                raise AssertionError

    with locks[length]:
        for number in range(length - 1, -1, -1):
            threading.Thread(target=link, args=(number,), name="link %d" % number).start()
        for _ in range(length):
            taken.acquire()
        common.settle(set(range(length)))
        common.write(path, common.process(
            [{"key": number, "ident": common.arrivals[number].ident, "lwp": common.arrivals[number].native_id}
             for number in range(length)], locks=[hex(id(lock)) for lock in locks], main=threading.get_ident()))
        os.write(1, b"ready\n")
        common.hold()


if __name__ == "__main__":
    main()
