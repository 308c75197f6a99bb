"""Values of many kinds."""

import collections
import dataclasses
import sys


@dataclasses.dataclass
class Order:
    number: int
    lines: list


class Worker:
    def __init__(self, name):
        self.name = name
        self.jobs = [Order(0, ["a", "b"]), Order(1, ["a", "b"])]


class Stack(list):
    pass


class Config:
    def __init__(self):
        self.options = {"option_%d" % number: "value " * number for number in range(40)}
        self.parent = None
        self.path = "/etc/app/config.toml"


def look():
    worker, stack, config = Worker("w-1"), Stack([1, 2]), Config()
    stack.label = "todo"
    return serve(worker, stack, config, list(range(10 ** 5)))


def serve(worker, stack, config, numbers):
    text = "x" * 10000
    counts = collections.Counter("abracadabra")
    deep = [[[[[[1]]]]]]
    print("ready", flush=True)
    sys.stdin.readline()
    return text, counts, deep


look()
