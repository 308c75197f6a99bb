"""A report whose SQL function, called back by SQLite, waits to open a pipe that nobody writes to."""

import functools
import os
import sqlite3


def price(article):
    return input_of(article)["price"]


def input_of(article):
    print("ready", flush=True)
    with open("prices") as prices:
        return {"price": float(prices.read()), "article": article}


def total(sum_, article):
    return sum_ + price(article)


def report():
    articles = ["tea", "coffee"]
    connection = sqlite3.connect(":memory:")
    connection.create_function("total", 1, lambda article: functools.reduce(total, articles, 0))
    connection.execute("select total('all')").fetchall()


os.mkfifo("prices")
report()
