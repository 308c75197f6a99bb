"""A service that keeps each request it has handled, without meaning to; and one object that is held in every way.

Told to go on ("more" on standard input), it handles more of them.
"""

import collections
import functools
import gc
import os
import sys

import common


class Request:
    def __init__(self, number):
        self.path = "/item/%d" % number
        self.body = b"x" * 600


class Held:
    pass


class Attribute:
    def __init__(self, value):
        self.value = value


class Slot:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Keeps:
    pass


def make_handler():
    seen = []

    def handler(request):
        seen.append(request)
        return len(request.body)
    return handler


ROUTES = {"/item": make_handler()}


def handle(numbers):
    for number in numbers:
        ROUTES["/item"](Request(number))


def function_with(default):
    def function(argument=default):
        return argument
    return function


def closure_over(value):
    def function():
        return value
    return function


HELD = Held()
HOLDERS = {}


def hold():
    """Objects that hold HELD, by how they do."""
    dictionary = Attribute(HELD)
    dictionary.__dict__
    error = ValueError(HELD)
    holders = {
        "['key']": {"key": HELD}, " key": {HELD: None}, "[2]": [None, None, HELD], "[1]": (None, HELD),
        ".value": Slot(HELD), ".__func__": staticmethod(HELD), ".func": functools.partial(print),
        " member": {HELD}, "[0]": collections.deque([HELD]), ".cell_contents": closure_over(HELD).__closure__[0],
        ".stop": slice(HELD), ".fget": property(HELD), ".__self__": Held.__repr__.__get__(HELD),
        "['other']": collections.OrderedDict(other=HELD),
    }
    Keeps.held = HELD
    return holders, [dictionary, error, function_with(HELD), Keeps]


@common.or_die
def measure():
    referrers = gc.get_referrers(HELD)
    own = {id(sys._getframe())}
    frames = set()
    for each in gc.get_objects():
        if type(each).__name__ == "frame":
            frames.add(id(each))
    handler = ROUTES["/item"]
    common.write(sys.argv[1], common.process(
        [{"lwp": os.getppid()}], pid=os.getppid(), held=id(HELD),
        holders={str(id(each)): via for via, each in HOLDERS[0].items()},
        referrers=sorted(set(map(id, referrers)) - own - frames), request=id(handler.__closure__[0].cell_contents[7]),
        attributes=[id(HOLDERS[1][0]), id(HOLDERS[1][0].__dict__)]))


def main():
    handle(range(50))
    HOLDERS[0], HOLDERS[1] = hold()
    gc.collect()
    gc.disable()
    child = os.fork()
    if not child:
        measure()
        os._exit(0)
    os.waitpid(child, 0)
    while True:
        os.write(1, b"ready\n")
        os.read(0, 5)
        handle(range(100))


main()
