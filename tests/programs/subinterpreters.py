# -*- coding: utf-8 -*-
"""Several interpreters in one process, each with a thread of its own and one that came from outside.

    python subinterpreters.py TRUTH.json

An operating system's thread that runs code in a sub-interpreter has two thread states: one in each.

Each thread tells its own frames, then blocks on the same line: sys._current_frames() mixes up the
frames of such a thread's two states, and crashes where interpreters have their own allocators.
"""

import functools
import json
import os
import sys
import threading

import common
from common import arrivals, arrive, chain, hold

# What runs in each sub-interpreter. It writes its own truth.
SOURCE = """
import os, sys, threading
sys.path.insert(0, {folder!r})
import common

chains = {{}}

def inside():
    common.arrive("inside")
    chains.setdefault("inside", common.chain(sys._getframe())), common.hold()

def outside():
    common.arrive("outside")
    chains.setdefault("outside", common.chain(sys._getframe())), common.hold()

def tell():
    common.settle(["outside", "inside"])
    names = dict((thread.ident, thread.name) for thread in threading.enumerate())
    common.write({path!r}, [
        dict(key={key!r} + " " + key, ident=arrival.ident, lwp=arrival.native_id,
             name=names.get(arrival.ident), frames=chains[key])
        for key, arrival in common.arrivals.items()])

threading.Thread(target=inside, name={key!r} + " inside").start()
threading.Thread(target=common.or_die(tell)).start()
outside()
"""

chains = {}  # key -> frames in this interpreter
numbers = {}  # key -> the sub-interpreter's id, None where it has none


def makers():
    """For each sub-interpreter: what to call it, and what makes it, giving its id and what runs code in it.

    It has to be made by the thread that runs it: up to 3.12 the thread state that is made with an
    interpreter bears the id of the maker's thread, whoever uses it.
    """
    try:
        import _interpreters as module  # 3.13
        kinds = {"legacy": {"config": "legacy"}, "isolated": {"config": "isolated"}}
    except ImportError:
        try:
            import _xxsubinterpreters as module  # 3.8 to 3.12
        except ImportError:
            import _testcapi
            # Ids came with 3.7; the first sub-interpreter gets 1.
            number = 1 if sys.version_info >= (3, 7) else None
            return {"legacy": lambda: (number, _testcapi.run_in_subinterp)}
        if sys.version_info >= (3, 12):  # the first with a GIL for each
            kinds = {"legacy": {"isolated": False}, "isolated": {"isolated": True}}
        elif sys.version_info >= (3, 9):  # an isolated one can't start threads
            kinds = {"legacy": {"isolated": False}}
        else:
            kinds = {"legacy": {}}

    def make(arguments):
        interpreter = module.create(**arguments)
        return int(interpreter), functools.partial(module.run_string, interpreter)

    return {key: functools.partial(make, arguments) for key, arguments in kinds.items()}


def enter(key, make, path):
    source = SOURCE.format(key=key, path=path, folder=os.path.dirname(os.path.abspath(__file__)))
    numbers[key], run = make()
    arrive(key)
    chains.setdefault(key, chain(sys._getframe())), run(source)


def tell(path):
    """Fill the sub-interpreters, gather their truths, add this interpreter's, say so."""
    threads = []
    for key, make in makers().items():
        part = os.path.abspath("%s.%s" % (path, key))
        arguments = (key, make, part)
        threading.Thread(target=common.or_die(enter), args=arguments, name="enters " + key).start()
        common.wait_for(lambda: os.path.exists(part), lambda: "not written: " + part)
        with open(part) as file:
            threads += [dict(thread, interpreter=numbers[key]) for thread in json.load(file)]
    common.settle(["main"])
    names = dict((thread.ident, thread.name) for thread in threading.enumerate())
    threads += [
        dict(key=key, ident=arrival.ident, lwp=arrival.native_id, name=names[arrival.ident], interpreter=0,
             frames=chains[key])
        for key, arrival in arrivals.items()]
    common.write(path, common.process(threads))
    os.write(1, b"ready\n")


def main():
    """Start everything, then wait for ever."""
    threading.Thread(target=common.or_die(tell), args=(sys.argv[1],)).start()
    arrive("main")
    chains.setdefault("main", chain(sys._getframe())), hold()


if __name__ == "__main__":
    main()
