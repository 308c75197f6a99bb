"""Holds many lists, and before the first and after the last of them some exceptions.

    python many_errors.py TRUTH.json LISTS ERRORS
"""

import gc
import os
import sys

import common


def failed(number):
    try:
        raise ValueError(number)
    except ValueError as error:
        return error


def main():
    count, errors = map(int, sys.argv[2:])
    kept = [failed(number) for number in range(errors)]
    kept.append([[] for _ in range(count)])
    kept += [failed(number) for number in range(errors)]
    # One list of the collector has them all then, the oldest first.
    gc.collect()
    common.write(sys.argv[1], common.process([]))
    os.write(1, b"ready\n")
    common.hold()


if __name__ == "__main__":
    main()
