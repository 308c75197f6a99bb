"""Readers and a writer share a cache; a report that fails between acquire() and release() leaves it locked."""

import queue
import threading


class ReadersWriters:
    """Many may read at a time, or one may write."""

    def __init__(self):
        self.mutex = threading.Lock()
        self.readers = 0

    def start_reading(self):
        self.mutex.acquire()
        self.readers += 1
        self.mutex.release()


class Report:
    """One of the readers."""

    def __init__(self, cache):
        self.cache = cache

    def build(self, sections):
        self.cache.mutex.acquire()
        try:
            sections.append(sections[0].title())
            self.cache.mutex.release()
        except AttributeError:
            sections.clear()  # and the mutex stays locked
        jobs.get()


def write():
    with rw.mutex:
        rw.readers = 0


rw = ReadersWriters()
jobs = queue.Queue(10)
report = threading.Thread(target=Report(rw).build, args=([None],), name="report")
report.start()
while not rw.mutex.locked():
    pass
writer = threading.Thread(target=write, name="writer")
writer.start()
print("ready", flush=True)
report.join()
