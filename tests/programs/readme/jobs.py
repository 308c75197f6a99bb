"""A queue of jobs: a worker dies of a job, and so nobody says of that job that it is done."""

import queue
import threading


def work(jobs):
    while True:
        number = jobs.get()
        total = 100 / number
        jobs.task_done()
        del number, total


threading.excepthook = lambda what: None  # it has been in the log for weeks
jobs = queue.Queue()
workers = [threading.Thread(target=work, args=(jobs,), name="worker", daemon=True) for _ in range(2)]
for number in (4, 0, 5):
    jobs.put(number)
for worker in workers:
    worker.start()
print("ready", flush=True)
jobs.join()
