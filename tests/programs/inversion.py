# -*- coding: utf-8 -*-
"""C code that keeps the GIL waits for a pthread mutex, whose owner waits for the GIL: nobody goes on.

    python inversion.py TRUTH.json LIBRARY

LIBRARY is built of inversion.c. Writes the truth, says "ready", and then hangs as a whole.
"""

import ctypes
import os
import sys
import threading

import common

LINES = common.marked(__file__)
ROOM = 64  # a pthread_mutex_t has 40 bytes, a sem_t 32


def thread(key):
    """What is true of the calling thread."""
    return {"key": key, "ident": threading.get_ident(), "name": threading.current_thread().name,
            "line": LINES.get(key), "lwp": int(os.readlink("/proc/thread-self").rpartition("/")[2])}


def main():
    """One thread takes the mutex and then wants the GIL back; another one waits for the mutex and keeps the GIL.

    A third one only wants the GIL.
    """
    path, library = sys.argv[1:]
    mutex, semaphore = ctypes.create_string_buffer(ROOM), ctypes.create_string_buffer(ROOM)
    keeps, lets_go = ctypes.PyDLL(library), ctypes.CDLL(library)
    lets_go.prepare(semaphore)
    taken, told = threading.Event(), threading.Event()
    threads = []

    def owner():
        lets_go.take(mutex)
        threads.append(thread("owner"))
        taken.set()
        lets_go.wait_until_told(semaphore)  # @ owner

    def bystander():
        threads.append(thread("bystander"))
        lets_go.wait_until_told(semaphore)  # @ bystander

    def keeper():
        taken.wait()
        threads.append(thread("keeper"))
        told.wait()
        # Who waits for the GIL wakes up this often to ask for it: from now on, hardly ever.
        sys.setswitchinterval(1000)
        keeps.tell_and_take(semaphore, 2, mutex)  # @ keeper

    workers = [threading.Thread(target=function, name=function.__name__) for function in (owner, bystander, keeper)]
    for worker in workers:
        worker.start()
    common.wait_for(lambda: len(threads) == len(workers), lambda: "threads are missing")
    threads.append(thread("main"))
    common.write(path, common.process(
        threads, mutex=hex(ctypes.addressof(mutex)), semaphore=hex(ctypes.addressof(semaphore))))
    os.write(1, b"ready\n")
    told.set()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
