# -*- coding: utf-8 -*-
"""Holds objects of all kinds, and tells of every one on its heap where it is, its type and its size.

The truth comes from a forked child, whose heap is what the parent's stays: nothing is measured here.
"""

import array
import collections
import decimal
import functools
import gc
import io
import os
import struct
import sys
import time

import common


class Slots(object):
    __slots__ = ("first", "second", "__weakref__")


class Plain(object):
    def __init__(self, number):
        self.number = number
        self.text = "text %d" % number


class Text(str):
    pass


class Number(int):
    pass


class Mapping(dict):
    pass


class Sequence(list):
    pass


class Blob(bytes):
    pass


class Pair(tuple):
    pass


# Larger than what pymalloc takes care of.
Wide = type("Wide", (), {"__slots__": tuple("slot%d" % index for index in range(100))})


def generator(count):
    for index in range(count):
        yield index


def closure(value):
    def inner():
        return value
    return inner


def made():
    """Some of everything that has a size of its own."""
    found = [Slots() for _ in range(101)] + [Plain(index) for index in range(203)]
    found += [Text("x" * index) for index in range(103)] + [Number(7 ** index) for index in range(104)]
    found += [Mapping(key=index) for index in range(105)] + [Sequence([index]) for index in range(106)]
    found += [Blob(b"b" * (400 + 3 * index)) for index in range(107)] + [Pair((index,)) for index in range(108)]
    found += [Wide() for _ in range(109)]
    # malloc gives each of them a mapping of its own, unless it has learned that such are freed soon.
    found += [Blob(b"z" * (200000 + index)) for index in range(5)] + [bytes(1 << 21)]
    found += [{number: number} for number in range(300, 400)] + [{index: index for index in range(size)}
                                                                for size in range(60)]
    found += [dict.fromkeys("abcdefghijkl"[:size]) for size in range(12)] + [set(range(size)) for size in range(60)]
    found += [frozenset(range(size)) for size in range(60)] + [list(range(size)) for size in range(150)]
    found += [tuple(range(size)) for size in range(150)] + [u"\u00e9" * size for size in range(90)]
    found += [u"\u4e2d" * size for size in range(90)] + [u"\U0001f600" * size for size in range(90)]
    found += ["a" * size for size in range(600)] + [2 ** bits for bits in range(300)] + [0.5 * n for n in range(50)]
    found += [bytearray(size) for size in range(50)] + [collections.deque(range(40 * size)) for size in range(9)]
    found += [collections.OrderedDict((index, index) for index in range(size)) for size in range(30)]
    found += [array.array("i", range(size)) for size in range(50)] + [struct.Struct("i" * size) for size in range(1, 5)]
    found += [decimal.Decimal(10) ** power + 1 for power in range(70)] + [io.BytesIO(b"q" * size) for size in range(9)]
    found += [generator(index) for index in range(20)] + [closure(index) for index in range(40)]
    found += [complex(1, index) for index in range(10)] + [slice(index) for index in range(10)]
    found += [functools.partial(int, index) for index in range(10)] + [memoryview(b"abc") for _ in range(5)]
    started = [generator(3) for _ in range(10)]
    for each in started:
        next(each)
    text = u"\u00e9\u00e9 with a copy in UTF-8"
    text.encode("ascii", "ignore")
    found += [os.stat(os.devnull), time.localtime(0)]
    open(os.devnull, u"r").close()
    gone = [Plain(index) for index in range(500)]
    del gone[::2]
    return [found, started, text, gone, open(os.devnull, "rb")]


def name_of(type_):
    module = type_.__module__
    return "%s.%s" % (module, type_.__qualname__) if isinstance(module, str) else type_.__qualname__


RANGES = []


def images():
    """The ranges of memory of executables and libraries, by their program headers: their own data is in them."""
    found = []
    with open("/proc/self/maps") as maps:
        lines = [line.split(None, 5) for line in maps]
    for fields in lines:
        if len(fields) == 6 and fields[5].startswith("/") and int(fields[2], 16) == 0:
            with open(fields[5].strip(), "rb") as file:
                head = file.read(64)
                if head[:5] != b"\x7fELF\x02":
                    continue
                kind, offset, count = struct.unpack_from("<H14xQ16xH", head, 16)
                file.seek(offset)
                headers = file.read(56 * count)
            base = 0 if kind == 2 else int(fields[0].split("-")[0], 16)
            for index in range(count):
                kind, address, size = struct.unpack_from("<I12xQ16xQ", headers, 56 * index)
                if kind == 1:
                    found.append((base + address, base + address + size))
    return found


@common.or_die
def measure():
    """Write the truth. Runs in the child, and makes nothing that the collector tracks without setting it apart."""
    if hasattr(gc, "unfreeze"):
        # The collector's own list leaves frozen objects out, such as 3.12 has from its start.
        gc.unfreeze()
    tracked = gc.get_objects()
    blocks = sys.getallocatedblocks()
    counts, objects, waiting = {}, [], list(tracked)
    listed = set(map(id, tracked))
    seen = set(map(id, (tracked, counts, objects, waiting, listed, sys._getframe())))
    for each in tracked:
        numbers = counts.setdefault(name_of(type(each)), [0, 0])
        numbers[0] += 1
        numbers[1] += sys.getsizeof(each)
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        for start, end in RANGES:
            if start <= id(each) < end:
                break
        else:
            # The size first: BytesIO does not count a buffer that somebody else holds too.
            row = [id(each), name_of(type(each)), sys.getsizeof(each), id(each) in listed]
            objects.append(row + [sorted(map(id, gc.get_referents(each)))])
        waiting.extend(gc.get_referents(each))
    del each
    common.write(sys.argv[1], common.process(
        [{"lwp": os.getppid()}], pid=os.getppid(), tracked=counts, blocks=blocks, objects=objects))


def nothing():
    pass


def library():
    """Modules of the standard library, and objects of theirs that are at work."""
    # What these modules would do in the child would make it differ.
    os.register_at_fork = lambda **_functions: None
    import argparse
    import asyncio
    import concurrent.futures
    import configparser
    import ctypes
    import datetime
    import email.message
    import email.parser
    import fractions
    import http.server
    import itertools
    import logging
    import operator
    import queue
    import random
    import re
    import socket
    import tempfile
    import unittest
    import xml.etree.ElementTree
    import zipfile

    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    # Not every build has these.
    optional = []
    try:
        import sqlite3
        rows = sqlite3.connect(":memory:").execute("select 1 union select 2")
        optional += [rows, next(rows)]
        import ssl
        optional.append(ssl.create_default_context())
    except ImportError:
        pass
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int)
    settings = configparser.ConfigParser()
    settings.read_string(u"[section]\nkey = value\n")
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    future.add_done_callback(print)

    async def wait():
        await future

    task = loop.create_task(wait())
    loop.call_soon(loop.stop)
    loop.run_forever()
    log = logging.getLogger("heap")
    log.addHandler(logging.StreamHandler())
    log.warning
    tree = xml.etree.ElementTree.fromstring("<a><b c='d'>e</b>f<g/><h/><i/><j/><k/></a>")
    message = email.parser.Parser().parsestr("Subject: text\n\nbody")
    match = re.match("(a)(b)?", "ab")
    array_type = ctypes.c_int * 3
    later = queue.Queue()
    later.put([1])
    cached = functools.lru_cache(maxsize=3)(closure)
    for each in range(5):
        cached(each)
    # To ask for its size makes a type of the links ready that has not been.
    for link in [link for each in gc.get_referents(cached) if isinstance(each, dict) for link in each.values()]:
        sys.getsizeof(link)
    return [server, cached, optional, parser, settings, loop, future, task, log, tree, list(tree), message,
            match, match.re.finditer("abab"), array_type(1, 2, 3), ctypes.pointer(ctypes.c_int(3)), later,
            ctypes.CFUNCTYPE(None)(lambda: None), datetime.datetime.now(), datetime.timezone.utc,
            fractions.Fraction(1, 3), itertools.count(), itertools.cycle([[1]]), itertools.groupby([[1]], len),
            itertools.islice([[1]], 1), itertools.tee([[1]]), itertools.product([[1]], [2]),
            itertools.permutations([[1], 2, 3], 2), itertools.combinations([[1], 2, 3], 2),
            operator.itemgetter("a", "b"),
            operator.attrgetter("a.b"), operator.methodcaller("f", [1], key=[2]), random.Random(1), socket.socketpair(),
            tempfile.SpooledTemporaryFile(), unittest.TestCase("run"),
            concurrent.futures.Future(), zipfile.ZipInfo("name"), functools.lru_cache()(len), email.message.Message(),
            collections.ChainMap({"a": [1]}), collections.Counter("aab"), collections.namedtuple("Point", "x y")(1, [2]),
            iter([1]), iter({1: 2}), iter({1}), reversed([1]), enumerate([[1]]), zip([[1]], [[2]]), map(len, [[1]]),
            filter(None, [[1]]), {1: [2]}.items(), classmethod(len), staticmethod(len), super(Number, Number(1)),
            type(re)("module"), [].append, len, object.__repr__, Exception([1])]


def main():
    kept = made()
    if "library" in sys.argv:
        kept.append(library())
    # In the child, free-threaded 3.14 and later look for this module, whose name is kept from then on.
    kept.append(sys.intern("_contextvars"))
    # What runs often gets a cache of its instructions (3.8 to 3.10).
    for _ in range(2000):
        name_of(int)
    # Before the fork: opening files leaves things in caches.
    RANGES.extend(images())
    # A name that only the cache of types' attributes holds would go as soon as the parent, waiting, looks
    # another up that falls on its place.
    getattr(sys, "_clear_internal_caches", getattr(sys, "_clear_type_cache", nothing))()
    gc.collect()
    gc.disable()
    if "frozen" in sys.argv and hasattr(gc, "freeze"):
        gc.freeze()
    if "threading" in sys.modules:
        # In the child it would make new locks.
        sys.modules["threading"]._after_fork.__code__ = nothing.__code__
    child = os.fork()
    if not child:
        measure()
        os._exit(0)
    os.waitpid(child, 0)
    if not os.path.exists(sys.argv[1]):
        os._exit(1)
    os.write(1, b"ready\n")
    os.read(common.HOLD_FD, 1)
    return kept


main()
