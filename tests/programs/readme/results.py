"""Makes a folder as soon as it has read a line."""

import os
import sys


def make_folder(name, depth=3):
    os.mkdir(name)
    return depth


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    make_folder("results")
