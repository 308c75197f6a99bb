# -*- coding: utf-8 -*-
"""What programs tell of themselves when something else runs Python: C code, a server, a frozen program.

Each thread tells its own frames, then blocks on the same line.
"""

import sys
import threading

import common
from common import arrivals, arrive, chain, hold

PR_SET_PTRACER = 0x59616D61

chains = {}  # key -> frames


def let_attach():
    """Let any process of the user attach: Yama's permission is not inherited from the parent."""
    import ctypes  # not where it is not needed: an interpreter with its own GIL can't have it
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)


def block(key):
    """Say where this thread is, and stay there."""
    arrive(key)
    chains.setdefault(key, chain(sys._getframe())), hold()


def told(interpreter=0):
    """What the threads of this interpreter have said, as a truth has it."""
    names = dict((thread.ident, thread.name) for thread in threading.enumerate())
    return [
        dict(key=key, ident=arrival.ident, lwp=arrival.native_id, name=names.get(arrival.ident),
             interpreter=interpreter, frames=chains[key], busy_lines=None)
        for key, arrival in arrivals.items()]


def write(path, **more):
    """Write what all threads have said."""
    common.write(path, common.process(told(), **more))
