"""Hangs: two threads in a deadlock, one that waits in a handler, and the main thread for all of them."""

import os
import sys
import threading

from common import arrive, or_die, settle, write

first, second = threading.Lock(), threading.Lock()
both, never = threading.Barrier(2), threading.Event()


def one_way():
    wanted = "by the other one"
    with first:
        both.wait()
        arrive("one", "lock")
        with second:
            return wanted


def other_way():
    wanted = "by the other one"
    with second:
        both.wait()
        arrive("other", "lock")
        with first:
            return wanted


def in_handler():
    try:
        raise KeyError("the reason")
    except KeyError:
        arrive("handler", "lock")
        never.wait()


workers = [threading.Thread(target=or_die(work), daemon=True) for work in (one_way, other_way, in_handler)]
for worker in workers:
    worker.start()
settle(["one", "other", "handler"])
write(sys.argv[1], {"idents": [threading.get_ident()] + [worker.ident for worker in workers],
                    "waiting": ["one_way", "other_way", "in_handler"]})
os.write(1, b"ready\n")
for worker in workers:
    worker.join()
