# -*- coding: utf-8 -*-
"""What runs in the interpreters of own_gil.c: each tells its own part, the main one gathers them."""

import json
import os
import sys

import common
import hosted

KEYS = ["waits-own", "busy-own", "busy-given"]


def part(path, key):
    return "%s.%s" % (path, key)


def write_part(path, key, interpreter, busy_lines=None):
    common.arrive(key)
    hosted.chains[key] = common.chain(sys._getframe(1))
    thread, = hosted.told(interpreter)
    common.write(part(path, key), dict(thread, busy_lines=busy_lines))


def block(path, key, interpreter):
    """Waits for ever."""
    write_part(path, key, interpreter), os.read(0, 1)


def compute(path, key, interpreter):
    """Computes for ever, and never waits for anything."""
    first = compute.__code__.co_firstlineno
    write_part(path, key, interpreter, list(range(first + 4, first + 7)))
    number = 0
    while True:
        number = (number + 1) % 1000


def gather(path):
    """The truth of all interpreters."""
    parts = []
    for key in KEYS:
        common.wait_for(lambda: os.path.exists(part(path, key)), lambda: "not told: %s" % key)
        with open(part(path, key)) as file:
            parts.append(json.load(file))
    for thread in parts:
        if not thread["busy_lines"]:
            common.wait_for(lambda: common.is_settled(thread["lwp"], "read"),
                            lambda: "not blocked: %s" % thread)
    common.write(path, common.process(hosted.told() + parts))
    os.write(1, b"ready\n")


def tell(path, key, interpreter):
    """Gather, then wait for ever."""
    common.arrive(key)
    hosted.chains.setdefault(key, common.chain(sys._getframe())), gather(path), os.read(0, 1)
