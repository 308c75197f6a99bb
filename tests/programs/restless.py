# -*- coding: utf-8 -*-
"""Never stands still: objects come and go, dicts grow, frames and threads begin and end, exceptions pass, it forks.

    python restless.py TRUTH.json [brief]

With "brief" it does each of these once and ends, after a fork whose child runs another interpreter.
"""

import gc
import os
import subprocess
import sys
import threading
import time

import common


class Thing(object):
    def __init__(self, other):
        self.other = other


def allocate():
    kept = [Thing(None)]
    for index in range(300):
        kept.append(Thing(kept[-1]))
        kept.append(("text %d" % index) * 9)
    del kept[::2]
    gc.collect(0)


def resize():
    grown = {}
    for index in range(2000):
        grown[index] = str(index)
    for index in range(0, 2000, 2):
        del grown[index]


def descend(depth=60):
    return descend(depth - 1) + 1 if depth else 0


def generate():
    def numbers(count):
        if count:
            yield count
            for number in numbers(count - 1):
                yield number
    return sum(numbers(30))


def fail():
    try:
        try:
            descend(5)
            {}["missing"]
        except KeyError as error:
            raise ValueError("failed") from error
    except ValueError:
        return sorted([3, 1, 2], key=lambda number: -number)


def start():
    threads = [threading.Thread(target=descend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fork():
    subprocess.Popen([sys.executable, "-S", "-c", "import threading"]).wait()


DOES = (allocate, resize, descend, generate, fail, start)


@common.or_die
def work(does):
    while True:
        does()


def forever(path):
    common.write(path, common.process([], objects=[id(DOES)]))
    for does in DOES:
        threading.Thread(target=work, args=(does,), daemon=True).start()
    os.write(1, b"ready\n")
    while True:
        fork()
        time.sleep(0.05)


def once():
    for does in DOES:
        does()
    child = os.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, "-S", "-c", "import threading"])
    os.waitpid(child, 0)


if sys.argv[2:]:
    once()
else:
    forever(sys.argv[1])
