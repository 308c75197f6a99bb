"""A service hands C code a pointer that is none."""

import ctypes
import sys


def name_of(record):
    return ctypes.string_at(record)


def serve(request):
    try:
        request["record"]
    except KeyError:
        name_of(0)


print("ready", flush=True)
sys.stdin.readline()
serve({"id": 7})
