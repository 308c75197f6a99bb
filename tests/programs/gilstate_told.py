# -*- coding: utf-8 -*-
"""What the threads of gilstate.c do in Python, and the truth about them."""

import sys

import common
import gilstate
import hosted

PLACES = ["with-frames-1", "with-frames-2", "with-frames-3", "nested"]

passed = {}  # key -> ident


def block(key):
    """Two frames, then a wait without the GIL."""
    def inner():
        hosted.block(key)
    inner()


def pass_by(key):
    """Leaves no frames behind, and makes the thread known to threading."""
    import _thread
    import threading
    passed[key] = _thread.get_ident()
    if key == "released-gil":
        threading.current_thread().name = "without frames"


def write(path):
    """The truth; the last two threads are not there yet."""
    import threading
    names = dict((thread.ident, thread.name) for thread in threading.enumerate())
    lwps = gilstate.started()
    key = "released-gil"
    hosted.write(path, frameless=[dict(key=key, ident=passed[key], lwp=lwps[key], name=names[passed[key]])],
                 native_threads=[lwps["left"], lwps["never"]])


def tell(path):
    """Wait for those with frames; tell; have C take the GIL for good."""
    common.settle(PLACES)
    common.arrive("main")
    hosted.chains.setdefault("main", common.chain(sys._getframe())), write(path), gilstate.take_gil()
