"""Memory that threads of their own read, while what they have read before is looked at.

To read the memory of a large process takes as long as to look at it, and the kernel does not need Python for that.
"""

import mmap
import signal
import threading
from queue import SimpleQueue
from typing import Callable, Iterable, Iterator, List, Optional, Tuple, Union

from ..cpython.memory import Ranges, total

# Fills a room with what is in ranges; whether all of it could be read. gdb must not be asked by another thread.
Gather = Callable[[Ranges, memoryview], bool]
# The ranges of a request, the room that was taken for it, and what is in them; None after the last one.
_Found = Union[Tuple[Ranges, memoryview, Optional[memoryview]], BaseException, None]

# Bytes of a huge page, on x86-64 and most machines with aarch64.
_HUGE = 1 << 21

# Of what is looked at quickly, requests up to this size, two threads read: the kernel needs longer to find many small
# ranges than Python to look at them.
_SMALL = 1 << 16


def gathered(gather: Gather, requests: Iterable[Ranges], most: int, large: bool = True
             ) -> Iterator[Tuple[Ranges, Optional[memoryview]]]:
    """As Memory.gathered() has it; raises what `requests` or `gather` raises.

    The threads end with what they are reading, when this has ended or been closed. Without `large` there are none: to
    start one and to wake it time and again takes longer than to read some megabytes.
    """
    if not large:
        room, = _rooms(1, most)
        for ranges in requests:
            data = room[:total(ranges)]
            yield ranges, data if gather(ranges, data) else None
        return
    hands = 2 if most <= _SMALL else 1
    left, one_asks = iter(requests), threading.Lock()
    empty: "SimpleQueue[Optional[memoryview]]" = SimpleQueue()
    # What will be read, in the order of the requests.
    promised: "SimpleQueue[SimpleQueue[_Found]]" = SimpleQueue()

    def read() -> None:
        for room in iter(empty.get, None):
            answer: "SimpleQueue[_Found]" = SimpleQueue()
            try:
                with one_asks:
                    promised.put(answer)
                    ranges = next(left, None)
                if ranges is None:
                    answer.put(None)
                    break
                data = room[:total(ranges)]
                answer.put((ranges, room, data if gather(ranges, data) else None))
            except BaseException as error:
                answer.put(error)
                break

    # One is looked at, one waits, and each thread fills one.
    for room in _rooms(2 + hands, most):
        empty.put(room)
    try:
        # gdb's signals are for its own thread.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            for _ in range(hands):
                threading.Thread(target=read, name="gdbext reader", daemon=True).start()
        finally:
            # A Ctrl-C that has waited comes here.
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        while True:
            found = promised.get().get()
            if found is None:
                break
            if isinstance(found, BaseException):
                raise found
            ranges, room, data = found
            yield ranges, data
            empty.put(room)
    finally:
        # To wait for their end would be one more moment for a Ctrl-C, which is lost where a generator is closed.
        for _ in range(hands):
            empty.put(None)


def _rooms(number: int, size: int) -> List[memoryview]:
    """Rooms for what is read, of huge pages where they are large.

    A page that is touched for the first time costs more than what is read into it, on a virtual machine 10 times.
    """
    if number * size < _HUGE:
        return [memoryview(bytearray(size)) for _ in range(number)]
    pages = mmap.mmap(-1, -(-number * size // _HUGE) * _HUGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        pages.madvise(mmap.MADV_HUGEPAGE)
    except (AttributeError, OSError):
        # The kernel was made without them.
        pass
    return [memoryview(pages)[at:at + size] for at in range(0, number * size, size)]
