"""Prices of orders: looked at in the middle of it."""

import collections
import time


class Order:
    vat = 0.19

    def __init__(self, number, *items):
        self.number = number
        self.items = list(items)
        self._state = "open"

    @property
    def state(self):
        return self._state


class Worker:
    def __init__(self):
        self.queue = collections.deque([Order(7, ("tea", 2)), Order(8)])
        self.limits = {"tea": 10, b"raw": None}

    def price(self, order, currency="EUR"):
        attempts = 1
        print("ready", flush=True)
        time.sleep(3600)
        return attempts

    def run(self):
        cheapest = sorted(self.queue, key=self.price)
        return cheapest


Worker().run()
