"""Makes a value of each literal in a file, writes what repr() gives for it, and waits.

    python literals.py TRUTH.json LITERALS.json

Runs on CPython 3.6 to 3.15. TRUTH.json has "values": a list of [literal, address, text].
"""

import json
import os
import sys

import common


def main():
    """Tell, then wait for ever."""
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    with open(sys.argv[2]) as file:
        literals = json.load(file)
    values = [eval(literal, {"inf": float("inf"), "nan": float("nan")}) for literal in literals]
    told = [[literal, id(value), repr(value)] for literal, value in zip(literals, values)]
    common.write(sys.argv[1], common.process([{"lwp": os.getpid()}], values=told))
    os.write(1, b"ready\n")
    common.hold()


if __name__ == "__main__":
    main()
