# -*- coding: utf-8 -*-
"""Names, texts, paths and exceptions that a terminal would act upon, or that are ten million characters long.

    python hostile.py TRUTH.json
"""

import collections
import os
import sys
import threading
import types

import common

LONG = 10000000
# A title, a cleared screen, another line, an end of a C string, another direction, half a character, an 8-bit escape.
EVIL = "\x1b]0;owned\x07\x1b[2J\n\r\t\0\u202e\u2066\ud800\x9b31m\x7f\u2028\"\\'`$(id)<b>&|{}"
LONGER = EVIL + "x" * LONG
# Types and threads take no surrogates, types no NUL either.
NAME = EVIL.replace("\ud800", "")


def renamed(function, name, file):
    """The function, with other names in its code."""
    code = function.__code__
    if hasattr(code, "replace"):
        more = {"co_qualname": name} if hasattr(code, "co_qualname") else {}
        code = code.replace(co_name=name, co_filename=file, **more)
    else:
        code = types.CodeType(
            code.co_argcount, code.co_kwonlyargcount, code.co_nlocals, code.co_stacksize, code.co_flags, code.co_code,
            code.co_consts, code.co_names, code.co_varnames, file, name, code.co_firstlineno, code.co_lnotab,
            code.co_freevars, code.co_cellvars)
    made = types.FunctionType(code, function.__globals__, name, function.__defaults__, function.__closure__)
    made.__qualname__ = name
    return made


Evil = type(NAME.replace("\0", ""), (Exception,), {"__module__": EVIL})


class Holder(object):
    """Has an attribute for a lock, and other things."""


class _Handle(object):
    """Of a file of this name."""


holder = Holder()
lock = threading.Lock()
setattr(holder, NAME, lock)
module = types.ModuleType("evil")
module.__name__ = EVIL
sys.modules[NAME] = module
queue = collections.deque([LONGER, EVIL])
bottom = threading.Lock()
bottom.acquire()


def fail():
    try:
        {}[EVIL]
    except KeyError as cause:
        raise Evil(LONGER, EVIL, 1) from cause


def waits(evil, account):
    local = {EVIL: evil, LONGER: [LONGER, EVIL.encode("utf-8", "surrogatepass"), Evil]}
    vars(local[LONGER][2]).get(EVIL)
    try:
        fail()
    except Evil as error:
        if hasattr(error, "__notes__") or sys.version_info >= (3, 11):
            error.add_note(LONGER)
        tell(error, local)
        with evil.__dict__[NAME]:
            return local


def tell(error, local):
    common.write(sys.argv[1], common.process([{"key": "evil", "lwp": common.Arrival("").native_id}], objects=[
        id(holder), id(local), id(error)]))
    os.write(1, b"ready\n")


def holds(evil):
    with evil.__dict__[NAME]:
        started.set()
        bottom.acquire()


started = threading.Event()
threading.Thread(target=renamed(holds, EVIL, EVIL), args=(holder,), name=LONGER, daemon=True).start()
started.wait()
fail = renamed(fail, EVIL, "/" + EVIL)
threading.Thread(target=renamed(waits, LONGER, LONGER), args=(holder, LONGER), name=EVIL, daemon=True).start()
bottom.acquire()
