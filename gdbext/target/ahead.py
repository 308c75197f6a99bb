"""Memory that a thread of its own reads, while what it has read before is looked at.

To read the memory of a large process takes as long as to look at it, and the kernel does not need Python for that.
"""

import signal
import threading
from itertools import chain, islice
from queue import SimpleQueue
from typing import Callable, Iterable, Iterator, Optional, Tuple, Union

from ..cpython.memory import Ranges, total

# Fills a room with what is in ranges; whether all of it could be read. gdb must not be asked by another thread.
Gather = Callable[[Ranges, memoryview], bool]

# Rooms: one that is looked at, one that is being filled, and one that waits.
_ROOMS = 3


def gathered(gather: Gather, requests: Iterable[Ranges], most: int
             ) -> Iterator[Tuple[Ranges, Optional[memoryview]]]:
    """As Memory.gathered() has it; raises what `requests` or `gather` raises.

    The thread ends with what it is reading, when this has ended or been closed. A single request needs none.
    """
    requests = iter(requests)
    first = list(islice(requests, 2))
    if len(first) < 2:
        for ranges in first:
            room = memoryview(bytearray(total(ranges)))
            yield ranges, room if gather(ranges, room) else None
        return
    empty: "SimpleQueue[Optional[memoryview]]" = SimpleQueue()
    full: "SimpleQueue[Union[Tuple[Ranges, memoryview, bool], BaseException, None]]" = SimpleQueue()

    def read() -> None:
        try:
            for ranges in chain(first, requests):
                room = empty.get()
                if room is None:
                    break
                full.put((ranges, room, gather(ranges, room[:total(ranges)])))
            full.put(None)
        except BaseException as error:
            full.put(error)

    for _ in range(_ROOMS):
        empty.put(memoryview(bytearray(most)))
    reader = threading.Thread(target=read, name="gdbext reader", daemon=True)
    try:
        # gdb's signals are for its own thread.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            reader.start()
        finally:
            # A Ctrl-C that has waited comes here.
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for found in iter(full.get, None):
            if isinstance(found, BaseException):
                raise found
            ranges, room, whole = found
            yield ranges, room[:total(ranges)] if whole else None
            empty.put(room)
    finally:
        # To wait for its end would be one more moment for a Ctrl-C, which is lost where a generator is closed.
        empty.put(None)
