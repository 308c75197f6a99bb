# -*- coding: utf-8 -*-
"""A small warehouse service with a bug: two workers take the same two locks in opposite order.

For scripts/demo. Says on standard output which worker holds what, then "stalled" once both hang.
Runs on CPython 3.6 and newer.
"""

import queue
import threading


class Warehouse:
    """Orders and stock, each behind a lock of its own."""

    def __init__(self):
        self.orders_lock = threading.Lock()
        self.stock_lock = threading.Lock()
        self.open_orders = {1041: ("bolt M8", 200)}
        self.stock = {"bolt M8": 150}
        # What happens once in a million requests has to happen now: each worker goes for
        # its second lock only when both have their first.
        self.both_have_one = threading.Barrier(2)
        self.progress = queue.Queue()

    def ship(self, number):
        """Send out an order: orders first, then stock."""
        with self.orders_lock:
            article, count = self.open_orders[number]
            self.both_have_one.wait()
            self.progress.put("shipping: has the lock of the orders, goes for that of the stock")
            self.take_from_stock(article, count)
            del self.open_orders[number]

    def take_from_stock(self, article, count):
        """Lower what is on the shelf."""
        with self.stock_lock:
            self.stock[article] -= count

    def receive(self, article, count):
        """Take in a delivery: stock first, then orders."""
        with self.stock_lock:
            self.stock[article] += count
            self.both_have_one.wait()
            self.progress.put("receiving: has the lock of the stock, goes for that of the orders")
            self.release_orders(article)

    def release_orders(self, article):
        """Find the orders that can be sent now."""
        with self.orders_lock:
            return [number for number, order in self.open_orders.items() if order[0] == article]


def work(jobs):
    """What every worker does: one job after the other."""
    for job, arguments in iter(jobs.get, None):
        job(*arguments)


def start_worker(name, job, *arguments):
    """Start a worker that has one job waiting."""
    jobs = queue.Queue()
    jobs.put((job, arguments))
    worker = threading.Thread(target=work, args=(jobs,), name=name, daemon=True)
    worker.start()
    return worker


def allow_gdb():
    """Let any process of this user attach, where the Yama module leaves that to ancestors."""
    try:
        import ctypes
    except ImportError:  # built without libffi, or Debian's python3-minimal
        return
    pr_set_ptracer, anybody = 0x59616D61, ctypes.c_ulong(-1)
    ctypes.CDLL(None).prctl(pr_set_ptracer, anybody, 0, 0, 0)


def main():
    """Run the service. It hangs."""
    allow_gdb()
    warehouse = Warehouse()
    workers = [
        start_worker("shipping", warehouse.ship, 1041),
        start_worker("receiving", warehouse.receive, "bolt M8", 500),
    ]
    for _ in workers:
        print(warehouse.progress.get(), flush=True)
    print("stalled", flush=True)
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
