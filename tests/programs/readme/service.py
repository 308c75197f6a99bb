"""A worker that waits while it handles an exception."""

import threading


def charge(order):
    amount = order["amount"] * 100
    return amount


def handle(orders):
    for number, order in enumerate(orders):
        try:
            charge(order)
        except KeyError as error:
            raise Refused(f"order {number}") from error


class Refused(Exception):
    pass


def work():
    try:
        handle([{"amount": 1}, {"sum": 2}])
    except Refused:
        print("ready", flush=True)
        threading.Event().wait()


worker = threading.Thread(target=work, name="worker")
worker.start()
worker.join()
