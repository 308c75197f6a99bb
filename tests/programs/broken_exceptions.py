# -*- coding: utf-8 -*-
"""A process that has damaged exceptions of its own: fields that hold what can't be there.

    python broken_exceptions.py TRUTH.json
"""

import ctypes
import gc
import os
import sys

import common

# PyBaseExceptionObject and PyTracebackObject (Include/cpython/pyerrors.h, traceback.h), offsets in bytes.
HEAD = object.__basicsize__
ARGS = HEAD + 8
TRACEBACK = HEAD + (24 if sys.version_info >= (3, 11) else 16)
CONTEXT, CAUSE = TRACEBACK + 8, TRACEBACK + 16
TB_NEXT, TB_FRAME = HEAD, HEAD + 8

UNMAPPED = 0x1000

kept = []


def keep(thing):
    """Its address; it is never freed."""
    kept.append(thing)
    return id(thing)


def raised(depth=2):
    try:
        fail(depth)
    except ValueError as error:
        return error


def fail(depth):
    if depth:
        fail(depth - 1)
    raise ValueError("it was whole")


def poke(address, value):
    """Put a word into memory."""
    ctypes.c_size_t.from_address(address).value = value


def damaged(offset, value):
    """The address of an exception with a wrong field."""
    error = raised()
    poke(id(error) + offset, value)
    return keep(error)


def damaged_traceback(index, offset, value):
    """The address of an exception whose traceback has a wrong field; `value` may be the entry's own address."""
    error = raised()
    entry = error.__traceback__
    for _ in range(index):
        entry = entry.tb_next
    poke(id(entry) + offset, id(entry) if value is None else value)
    return keep(error)


def main():
    # It would follow the damaged fields.
    gc.disable()
    good = raised()
    a_list, a_text = [1, 2], "a text"
    cases = {
        "no exception": keep(a_list),
        "a type": keep(ValueError),
        "not mapped": UNMAPPED,
        "args not set": damaged(ARGS, 0),
        "args not mapped": damaged(ARGS, UNMAPPED),
        "args no tuple": damaged(ARGS, keep(a_list)),
        "traceback not mapped": damaged(TRACEBACK, UNMAPPED),
        "traceback a text": damaged(TRACEBACK, keep(a_text)),
        "cause no exception": damaged(CAUSE, keep(a_text)),
        "context not mapped": damaged(CONTEXT, UNMAPPED),
        "frame freed": damaged_traceback(1, TB_FRAME, UNMAPPED),
        "frame another object": damaged_traceback(2, TB_FRAME, keep([a_text])),
        "traceback leads to itself": damaged_traceback(1, TB_NEXT, None),
        "traceback breaks off": damaged_traceback(0, TB_NEXT, UNMAPPED),
        "good": keep(good),
    }
    common.write(sys.argv[1], common.process([], cases=cases))
    os.write(1, b"ready\n")
    common.hold()


if __name__ == "__main__":
    main()
