# -*- coding: utf-8 -*-
"""Threads of every kind while the interpreter shuts down, classes called as built-in types are, a module's frame.

    python exported.py TRUTH.json
"""

import _frozen_importlib
import os
import sys
import threading

import common

CONTAINERS = {"dict": dict, "list": list, "set": set, "tuple": tuple}


def called(name, *bases):
    """A class that says that it is the built-in one."""
    return type(name, bases, {"__module__": "builtins"})


# Derived ones and others; the last two have a text to compare.
CALLED = [called(name, base)() for name, base in CONTAINERS.items()]
CALLED += [called(name)() for name in ("dict", "list", "set", "tuple", "float", "function")]
CALLED += [called("dict", dict)(key=["value"]), called("code")()]
# Py_TPFLAGS_HEAPTYPE.
HEAP_TYPE = 1 << 9


def data_of_the_interpreter():
    """Objects, some of which are on no heap."""
    found = [None, True, Ellipsis, 5, "", "x", b"", b"x", (), type, object, int, dict, OSError, int.__add__, CALLED[0]]
    for each in vars(_frozen_importlib).values():
        code = getattr(each, "__code__", None)
        if code is not None:
            found += [code, code.co_names, code.co_consts, code.co_name]
    return found


def size(value):
    """That of 3.11 and 3.12 counts what other objects have in front of them, and static types do not."""
    if isinstance(value, type) and not value.__flags__ & HEAP_TYPE:
        return type.__sizeof__(value)
    return sys.getsizeof(value)


def worker(path):
    """Once the main thread waits, a module runs, which writes the truth and stays."""
    common.settle({"main"})
    common.arrive("worker")
    kept = data_of_the_interpreter()
    names = {"__name__": "module", "tell": tell, "path": path, "kept": kept, "hold": common.hold}
    exec(compile("tell(globals())\nhold()", "/module.py", "exec"), names)


def tell(names):
    """Write the truth."""
    common.write(names["path"], common.process(
        [{"key": key, "ident": arrival.ident, "lwp": arrival.native_id} for key, arrival in common.arrivals.items()],
        told=[[each.name, each.is_alive(), each.daemon] for each in threading.enumerate()],
        module={name: id(value) for name, value in names.items()},
        sizes={str(id(each)): size(each) for each in names["kept"]},
        containers={name: id(type_) for name, type_ in CONTAINERS.items()},
        called=[[id(each), type(each).__name__] for each in CALLED]))
    os.write(1, b"ready\n")


if __name__ == "__main__":
    threading.Thread(target=common.hold, name="daemon", daemon=True).start()
    threading.Thread(target=common.or_die(worker), args=(sys.argv[1],), name="worker").start()
    common.arrive("main", "lock")
