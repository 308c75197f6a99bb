# -*- coding: utf-8 -*-
"""A process that crashes in one of several ways once it is told to; it tells where it will.

    python crashes.py TRUTH.json WAY FOLDER

FOLDER holds the extension module `crashing`, built of crashing.c. It crashes when standard input has a line.
"""

import ctypes
import os
import sys
import threading

import common

ways = {}


def way(function):
    """A way to crash: the function's last line does."""
    ways[function.__name__] = function
    return function


@way
def null_pointer():
    ctypes.string_at(0)


class Finalized:
    """Aborts when it is finalized."""

    def __del__(self):
        os.abort()


@way
def abort_in_finalizer():
    Finalized()


@way
def fatal_error():
    report = ctypes.PyDLL(None).Py_FatalError
    report.argtypes = [ctypes.c_char_p]
    report(b"as the test has it")


@way
def assertion():
    import crashing
    crashing.fail_assertion()


@way
def while_raising():
    import crashing
    try:
        {}["handled"]
    except KeyError:
        crashing.fault_while_raising()


@way
def without_gil():
    import crashing
    crashing.fault_without_gil()


@way
def stack_overflow():
    import crashing
    crashing.overflow()


def main():
    path, name, folder = sys.argv[1:]
    sys.path.insert(0, folder)
    function = ways[name]
    code = function.__code__
    # Imports are done, so that no line of importlib is the innermost one.
    import crashing  # noqa: F401
    thread = threading.Thread(target=common.hold, name="bystander", daemon=True)
    thread.start()
    common.write(path, common.process([], name=name, file=code.co_filename, first_line=code.co_firstlineno))
    os.write(1, b"ready\n")
    os.read(0, 1)
    function()


if __name__ == "__main__":
    main()
