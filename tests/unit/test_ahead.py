"""Memory that a thread reads ahead: what it gives, and what is left of the thread."""

import signal
import threading
from typing import Iterable, Iterator, List, Set, Tuple

import pytest

from gdbext.cpython.memory import Ranges
from gdbext.target import ahead

SIZE = 8


def whole(ranges: Ranges, room: memoryview) -> bool:
    """Memory in which each byte is the lowest one of its address, and of which the page at 0x1000 is missing."""
    data = [address + place & 0xFF for address, size in ranges for place in range(size)]
    room[:] = bytes(data)
    return not any(address >> 12 == 1 for address, _size in ranges)


def readers() -> List[threading.Thread]:
    """The threads that read."""
    return [thread for thread in threading.enumerate() if thread.name == "gdbext reader"]


def ended() -> bool:
    """Whether they end."""
    for thread in readers():
        thread.join(timeout=60)
    return not readers()


def test_all_in_their_order() -> None:
    """More requests than there are rooms, each with what is there."""
    requests: List[List[Tuple[int, int]]] = [[(number, 2), (number + 4, number % 3)] for number in range(100)]
    found = [(ranges, bytes(data)) for ranges, data in ahead.gathered(whole, requests, SIZE) if data is not None]
    assert found == [(ranges, bytes([number, number + 1, number + 4, number + 5][:2 + number % 3]))
                     for number, ranges in enumerate(requests)]
    assert ended()


def test_too_little_for_a_thread() -> None:
    """It is read as it is asked for, and no requests have no answers."""
    assert not list(ahead.gathered(whole, [], SIZE)) and not list(ahead.gathered(whole, [], SIZE, False))
    walk = ahead.gathered(whole, [[(1, 1)], [(0x1000, 1)], [(2, 2)]], SIZE, False)
    assert next(walk)[1] == b"\1" and not readers()
    assert next(walk)[1] is None and next(walk)[1] == b"\2\3" and not readers()


def test_what_can_not_be_read() -> None:
    """It is told, and the rest is read."""
    found = list(ahead.gathered(whole, [[(0, 1)], [(8, 1), (0x1000, 1)], [(3, 1)]], SIZE))
    assert [data is None for _ranges, data in found] == [False, True, False]


def test_what_is_given_stays_until_the_next() -> None:
    """However far the thread is ahead: here as far as it gets."""
    filled = threading.Semaphore(0)

    def gather(ranges: Ranges, room: memoryview) -> bool:
        done = whole(ranges, room)
        filled.release()
        return done

    for number, (_ranges, data) in enumerate(ahead.gathered(gather, [[(number, 4)] for number in range(50)], SIZE)):
        for _ in range(3 if not number else 1 if number < 48 else 0):
            assert filled.acquire(timeout=60)
        assert data is not None and data.tolist() == [number, number + 1, number + 2, number + 3]


def test_errors_are_raised() -> None:
    """Those of reading and of what is to be read, with nothing left out silently before."""
    def requests() -> Iterator[Ranges]:
        yield [(1, 1)]
        yield [(2, 1)]
        raise ZeroDivisionError

    def gather(ranges: Ranges, room: memoryview) -> bool:
        raise MemoryError

    walk = ahead.gathered(whole, requests(), SIZE)
    assert next(walk)[1] == b"\1" and next(walk)[1] == b"\2"
    with pytest.raises(ZeroDivisionError):
        next(walk)
    with pytest.raises(MemoryError):
        next(ahead.gathered(gather, [[(0, 1)], [(1, 1)]], SIZE))
    assert ended()


def test_closed_early() -> None:
    """The thread ends with whoever wanted it, as after a Ctrl-C."""
    walk = ahead.gathered(whole, ([(number, 1)] for number in range(1 << 40)), SIZE)
    next(walk)
    assert len(readers()) == 2
    walk.close()  # type: ignore[attr-defined]  # it is a generator
    assert ended()


def test_takes_no_signals() -> None:
    """They are for gdb's own thread, whose mask stays as it was."""
    masks: List[Set[int]] = []

    def gather(ranges: Ranges, room: memoryview) -> bool:
        masks.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
        return True

    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    list(ahead.gathered(gather, [[(0, 1)], [(1, 1)]], SIZE))
    assert {signal.SIGINT, signal.SIGCHLD, signal.SIGTERM} <= masks[0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_interrupted_when_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C that had to wait until the thread was there comes before all else."""
    real = signal.pthread_sigmask

    def mask(how: int, signals: Iterable[int]) -> Set["signal.Signals | int"]:
        before = real(how, signals)
        if how == signal.SIG_SETMASK:
            raise KeyboardInterrupt
        return before

    monkeypatch.setattr(signal, "pthread_sigmask", mask)
    with pytest.raises(KeyboardInterrupt):
        next(ahead.gathered(whole, [[(number, 1)] for number in range(10)], SIZE))
    assert ended()
