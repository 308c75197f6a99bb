"""For gdb to source: stop a running process again and again, and say each time what py-locks says.

Environment: STOPS_PID, STOPS_COUNT, STOPS_SEED.
"""

import os
import random
import time

import gdb

MOST_SECONDS = 0.02  # between two stops


def main() -> None:
    """Attach, ask, detach."""
    pid = os.environ["STOPS_PID"]
    moments = random.Random(int(os.environ["STOPS_SEED"]))
    for _ in range(int(os.environ["STOPS_COUNT"])):
        gdb.execute("attach %s" % pid, to_string=True)
        gdb.execute("py-locks -json")
        gdb.execute("detach", to_string=True)
        time.sleep(moments.random() * MOST_SECONDS)


main()
