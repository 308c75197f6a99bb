# -*- coding: utf-8 -*-
"""Two live runtimes in one process: this one, and one in a second libpython that a thread of this one starts.

    python two_runtimes.py TRUTH.json SECOND_LIBPYTHON ITS_PREFIX

The thread that starts the second one is in both; the second has a thread of its own too.
"""

import ctypes
import json
import os
import sys
import threading

import common
import hosted

# What runs in the second runtime. Extension modules there would take the first one's functions.
SOURCE = """
import sys
sys.path[:] = [{folder!r}] + [path for path in sys.path if "dynload" not in path]
import threading
import common, hosted

def inside():
    hosted.block("inside")

def tell():
    common.settle(["inside", "enters"])
    common.write({path!r}, hosted.told())

threading.Thread(target=inside, name="inside").start()
threading.Thread(target=common.or_die(tell)).start()
hosted.block("enters")
"""


def enter(path, library, prefix):
    """Start the second runtime in this thread, which has this runtime's frames too."""
    # Its own symbols before those of the first one.
    second = ctypes.CDLL(library, mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
    os.environ["PYTHONHOME"] = prefix
    # What is installed may import extension modules.
    if hasattr(second, "Py_NoSiteFlag"):  # up to 3.14
        ctypes.c_int.in_dll(second, "Py_NoSiteFlag").value = 1
    second.Py_InitializeEx(0)
    source = SOURCE.format(folder=os.path.dirname(os.path.abspath(__file__)), path=path).encode()
    common.arrive("enters")
    run = second.PyRun_SimpleStringFlags
    hosted.chains.setdefault("enters", common.chain(sys._getframe())), run(source, None)


def tell(path):
    """Gather both truths."""
    part = os.path.abspath(path + ".second")
    arguments = (part, sys.argv[2], sys.argv[3])
    threading.Thread(target=common.or_die(enter), args=arguments, name="enters").start()
    common.wait_for(lambda: os.path.exists(part), lambda: "the second runtime has not told")
    with open(part) as file:
        second = json.load(file)
    common.settle(["main"])
    threads = [dict(thread, runtime="first") for thread in hosted.told()]
    common.write(path, common.process(threads + [dict(thread, runtime="second") for thread in second]))
    os.write(1, b"ready\n")


def main():
    """Start everything, then wait for ever."""
    threading.Thread(target=common.or_die(tell), args=(sys.argv[1],)).start()
    hosted.block("main")


if __name__ == "__main__":
    main()
