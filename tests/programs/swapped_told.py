# -*- coding: utf-8 -*-
"""What the threads of swapped.c do in Python, and the truth about them."""

import os
import sys

import common
import hosted
import swapped

PLACES = ["adopted", "inner", "borrower", "lender"]


def block(key):
    """Through a C function."""
    sorted([1], key=lambda _: hosted.block(key))


def call(key, function):
    """Through another one, which a thread state does not come back from."""
    sorted([1], key=lambda _: leave(key, function))


def leave(key, function):
    common.arrive(key, "pause")
    hosted.chains.setdefault(key, common.chain(sys._getframe())), function()


def swap(key):
    call(key, swapped.swap)


def lend(key):
    call(key, swapped.lend)


def tell(path):
    """Of the thread with two states the inner one's frames come first."""
    common.settle(PLACES)
    chains = hosted.chains
    chains["swapped"] = chains.pop("inner") + chains["swapped"]
    truths = [{"key": key, "lwp": common.arrivals[key].native_id, "frames": frames, "busy_lines": None}
              for key, frames in chains.items()]
    common.write(path, common.process(truths, native_threads=[os.getpid()]))
    os.write(1, b"ready\n")
