"""What bench measures py-catch with: once told to, it raises exceptions, and writes how long one takes.

    python bench_raises.py ANSWER.json COUNT

An exception passes two frames until it is caught.
"""

import json
import os
import sys
import time


def fail():
    raise ValueError


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    os.write(1, b"ready\n")
    os.read(0, 1)
    clock, processor = time.perf_counter(), time.process_time()
    for _ in range(count):
        try:
            fail()
        except ValueError:
            pass
    taken = [(time.perf_counter() - clock) / count, (time.process_time() - processor) / count]
    with open(path, "w") as file:
        json.dump(taken, file)


main()
