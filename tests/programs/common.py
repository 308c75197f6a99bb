# -*- coding: utf-8 -*-
"""What the programs under test share: going to a place, knowing that all are there, telling it.

Runs on CPython 3.6 to 3.15, in sub-interpreters too.
"""

import json
import os
import re

from places import (DEADLINE, HOLD_FD, LONG, SYSCALLS, Arrival, apart, arrivals, arrive, chain, ends_late, hold,
                    is_settled, or_die, process, settle, unsettled, wait_for)


def marked(file):
    """The lines of a program that end with "# @ MARK", by their marks."""
    with open(os.path.abspath(file), encoding="utf-8") as lines:
        return {found[1]: number for number, text in enumerate(lines, 1)
                for found in [re.search(r"# @ (.*)$", text)] if found}


def write(path, truth):
    """Write a truth so that whoever sees the file sees all of it."""
    with open(path + ".part", "w") as file:
        json.dump(truth, file)
    os.rename(path + ".part", path)
