"""The memory that lists, dicts, sets and deques have for what they refer to, besides their own structure."""

from array import array
from bisect import bisect_left
from typing import Iterator, List, Sequence

from .heap_objects import Group
from .memory import Unreadable
from .objects import DICT_SUBCLASS, LIST_SUBCLASS
from .reader import READ_ERRORS
from .referents import Referents
from .runtime import Runtime

# Blocks of one deque, nodes of one OrderedDict that are followed.
MAX_LINKS = 1 << 24


class Buffers:
    """Collects where the buffers of many objects are; what lies in one is a reference that its owner tells of.

    The keys that dicts share are not among them: they belong to none of these.
    """

    def __init__(self, runtime: Runtime, referents: Referents) -> None:
        self._referents = referents
        self._layout = runtime.layout
        self._word = referents.windows.word
        self._starts, self._ends = array("Q"), array("Q")

    def add(self, group: Group) -> None:
        """Note those of a group of objects."""
        flags = group.type.flags
        if flags & LIST_SUBCLASS:
            struct = self._layout["PyListObject"]
            for start, count in zip(group.column(struct.offset("ob_item")), group.column(struct.offset("allocated"))):
                if start:
                    self._add(start, start + 8 * count)
        elif flags & DICT_SUBCLASS:
            self._of_dicts(group)
        else:
            names = self._referents.names(group.type)
            if "set" in names or "frozenset" in names:
                table, entry = self._layout["PySetObject"], self._layout["setentry"]
                for start, mask in zip(group.column(table.offset("table")), group.column(table.offset("mask"))):
                    self._add(start, start + entry.size * (mask + 1))
            elif "collections.deque" in names:
                self._of_deques(group)

    def _add(self, start: int, end: int) -> None:
        if start < end < 1 << 63:
            self._starts.append(start)
            self._ends.append(end)

    def _of_dicts(self, group: Group) -> None:
        struct = self._layout["PyDictObject"]
        split_at = self._referents.values_offset
        for keys, values in zip(group.column(struct.offset("ma_keys")), group.column(struct.offset("ma_values"))):
            try:
                start, end, room = self._referents.table(keys)
            except READ_ERRORS:
                continue
            if values:
                self._add(values + split_at, values + split_at + 8 * room)
            else:
                self._add(start, end)
        if "collections.OrderedDict" in self._referents.names(group.type):
            first = self._layout["PyODictObject"].offset("od_first")
            for address in group.addresses():
                # struct _odictnode: key, hash, next, prev.
                for node in self._linked(address + first, 16):
                    self._add(node, node + 8)

    def _of_deques(self, group: Group) -> None:
        struct, block = self._layout["dequeobject"], self._layout["block"]
        left, right = struct.offset("leftblock"), struct.offset("rightblock")
        for address, last in zip(group.addresses(), group.column(right)):
            for each in self._linked(address + left, block.offset("rightlink")):
                self._add(each, each + block.size)
                if each == last:
                    # Its link is not set.
                    break

    def _linked(self, at: int, following: int) -> Iterator[int]:
        """What a pointer leads to, and so on, until there is none or one that can't be read."""
        try:
            address = self._word(at)
            for _ in range(MAX_LINKS):
                if not address or address & 7:
                    return
                yield address
                address = self._word(address + following)
        except Unreadable:
            return

    def outside(self, addresses: Sequence[int]) -> List[bool]:
        """Which of some addresses, lowest first, are in none of the buffers."""
        found = [True] * len(addresses)
        count = len(addresses)
        if not count:
            return found
        for start, end in zip(self._starts, self._ends):
            index = bisect_left(addresses, start)
            while index < count and addresses[index] < end:
                found[index] = False
                index += 1
        return found
