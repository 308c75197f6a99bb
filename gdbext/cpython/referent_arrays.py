"""The references of many objects at one time, read with numpy where the Python that runs this has it.

The same as referents.py reads of one object after the other, which says why they are these, and which reads
here too what has no shape that is known, or is not all there.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

from .heap import make_room
from .memory import Memory, Region, Unreadable
from .reader import READ_ERRORS
from .referents import AT, DICT, INLINE, LIST, SAME, SET, TAGGED, TUPLE, TWO_WORDS, Kind, Part, Referents

# Bytes of memory that are read at one time.
_PIECE = 1 << 20
# Pieces that are kept: 128 MB. References lead all over the heap, but those of many objects are read by place.
_MAX_PIECES = 1 << 7
# Of fewer objects numpy takes longer.
LEAST = 16


class Held(NamedTuple):
    """References: for each, in order, the number of the object that has it, and the address of what it refers to."""

    holders: Any
    held: Any


class _Pieces:
    """The words of memory that there is, as arrays; addresses and counts are arrays of uint64."""

    def __init__(self, np: Any, memory: Memory, regions: Sequence[Region]) -> None:
        self.np = np
        self._memory = memory
        bounds = sorted((at, min(at + _PIECE, end)) for region in regions for start, end in region.parts
                        for at in range(-(-start // 8) * 8, end, _PIECE))
        self._starts = np.array([start for start, _end in bounds], dtype=np.uint64)
        self._ends = np.array([end for _start, end in bounds], dtype=np.uint64)
        self._kept: Dict[int, Any] = {}

    def _piece(self, number: int) -> Any:
        """The words of a piece, None where they can't be read."""
        found = self._kept.get(number)
        if found is None:
            make_room(self._kept, _MAX_PIECES)
            start, end = int(self._starts[number]), int(self._ends[number])
            room = bytearray((end - start) // 8 * 8)
            try:
                self._memory.gather([(start, len(room))], memoryview(room))
            except Unreadable:
                return None
            found = self._kept[number] = self.np.frombuffer(room, dtype=self.np.uint64)
        return found

    def _places(self, addresses: Any, sizes: Any) -> Tuple[Any, Any, Any]:
        """(number of the piece, index of the first word in it, whether it has that many bytes from there on)."""
        np = self.np
        if not len(self._starts):
            nothing = np.zeros(len(addresses), dtype=np.intp)
            return nothing, nothing, np.zeros(len(addresses), dtype=bool)
        numbers = np.searchsorted(self._starts, addresses, side="right") - 1
        known = numbers >= 0
        numbers[~known] = 0
        left = self._ends[numbers] - addresses
        there = known & (addresses < self._ends[numbers]) & (sizes <= left) & (addresses & np.uint64(7) == 0)
        return numbers, ((addresses - self._starts[numbers]) >> np.uint64(3)).astype(np.intp), there

    def _by_piece(self, numbers: Any, there: Any) -> Any:
        """(the words of a piece, which of the places are in it); of those that can't be read `there` is cleared."""
        np = self.np
        chosen = np.flatnonzero(there)
        of_chosen = numbers[chosen]
        if len(of_chosen) and (of_chosen[1:] < of_chosen[:-1]).any():
            order = np.argsort(of_chosen, kind="stable")
            chosen, of_chosen = chosen[order], of_chosen[order]
        ends = [*(np.flatnonzero(of_chosen[1:] != of_chosen[:-1]) + 1).tolist(), len(of_chosen)]
        start = 0
        for end in ends if len(of_chosen) else ():
            words = self._piece(int(of_chosen[start]))
            if words is None:
                there[chosen[start:end]] = False
            else:
                yield words, chosen[start:end]
            start = end

    def rows(self, addresses: Any, offsets: Sequence[int]) -> Tuple[Any, Any]:
        """The words at offsets in bytes of each address, a row each; and of which addresses they are there."""
        np = self.np
        least = min(offsets)
        numbers, first, there = self._places(
            addresses + np.uint64(least & (1 << 64) - 1), np.uint64(max(offsets) - least + 8))
        columns = np.array([offset - least >> 3 for offset in offsets], dtype=np.intp)
        found = np.zeros((len(addresses), len(offsets)), dtype=np.uint64)
        for words, chosen in self._by_piece(numbers, there):
            found[chosen] = words[first[chosen][:, None] + columns]
        return found, there

    def ragged(self, addresses: Any, counts: Any) -> Tuple[Any, Any, Any]:
        """`counts` words from each address on, one after the other: (numbers of the addresses, words, there)."""
        np = self.np
        there = counts < np.uint64(_PIECE)
        numbers, first, fits = self._places(addresses, np.where(there, counts, np.uint64(0)) << np.uint64(3))
        there &= fits
        lengths = np.where(there, counts, np.uint64(0)).astype(np.intp)
        begins = np.cumsum(lengths) - lengths
        found = np.zeros(int(lengths.sum()), dtype=np.uint64)
        for words, chosen in self._by_piece(numbers, there):
            taken = lengths[chosen]
            within = np.arange(int(taken.sum())) - np.repeat(np.cumsum(taken) - taken, taken)
            found[np.repeat(begins[chosen], taken) + within] = words[np.repeat(first[chosen], taken) + within]
        return np.repeat(np.arange(len(addresses)), lengths), found, there | (counts == 0)


class ReferentArrays:
    """Reads the references of many objects of one type."""

    def __init__(self, np: Any, referents: Referents, memory: Memory, regions: Sequence[Region]) -> None:
        """`regions` is the memory of the heap."""
        self.np = np
        self.referents = referents
        self._pieces = _Pieces(np, memory, regions)
        self._readers: Dict[str, Callable[[Part, Any, Any], Held]] = {
            SAME: self._same, AT: self._at, TUPLE: self._tuple, LIST: self._list, SET: self._set, DICT: self._dict,
            INLINE: self._inline, TAGGED: self._tagged, TWO_WORDS: self._two_words}

    def of(self, kind: Kind, addresses: Any) -> Held:
        """The references of the objects at addresses, an array of uint64, whose type's are read in one way."""
        np = self.np
        if kind.none or len(addresses) < LEAST or not all(part.shape for part in kind.parts):
            return self._singly(kind, addresses, range(len(addresses)))
        # Those of which something is not there, or not as it ought to be.
        odd = np.zeros(len(addresses), dtype=bool)
        parts = [self._readers[part.shape](part, addresses, odd) for part in kind.parts]
        if odd.any():
            parts = [Held(part.holders[~odd[part.holders]], part.held[~odd[part.holders]]) for part in parts]
            parts.append(self._singly(kind, addresses, np.flatnonzero(odd).tolist()))
        return self._joined(parts)

    def _joined(self, parts: List[Held]) -> Held:
        """In the order of the objects, and of each in that of the parts."""
        if len(parts) == 1:
            return parts[0]
        np = self.np
        holders, held = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
        order = np.argsort(holders, kind="stable")
        return Held(holders[order], held[order])

    def _singly(self, kind: Kind, addresses: Any, numbers: Sequence[int]) -> Held:
        """Those of some of the objects, read one after the other."""
        np = self.np
        holders: List[int] = []
        held: List[int] = []
        for number in () if kind.none else numbers:
            try:
                found = kind.visit(int(addresses[number]))
            except READ_ERRORS:
                continue
            holders += [number] * len(found)
            held += found
        return Held(np.array(holders, dtype=np.intp), np.array(held, dtype=np.uint64))

    # Readers of one part. They mark in `odd` what they leave to _singly().

    def _same(self, part: Part, addresses: Any, odd: Any) -> Held:
        np = self.np
        return Held(np.arange(len(addresses)), np.full(len(addresses), part.arguments[0], dtype=np.uint64))

    def _at(self, part: Part, addresses: Any, odd: Any) -> Held:
        words = self._rows(addresses, part.arguments, odd)
        set_ = words != 0
        return Held(self.np.nonzero(set_)[0], words[set_])

    def _rows(self, addresses: Any, offsets: Sequence[int], odd: Any) -> Any:
        words, there = self._pieces.rows(addresses, offsets)
        odd |= ~there
        return words

    def _items(self, addresses: Any, counts: Any, odd: Any) -> Held:
        """As many words from each address on, those left out that are 0."""
        numbers, words, there = self._pieces.ragged(addresses, counts)
        odd |= ~there
        set_ = words != 0
        return Held(numbers[set_], words[set_])

    def _of_some(self, read: Callable[..., Held], chosen: Any, odd: Any, *columns: Any) -> Held:
        """What is read of chosen ones only, whose columns are passed on."""
        numbers = self.np.flatnonzero(chosen)
        of_chosen = self.np.zeros(len(numbers), dtype=bool)
        found = read(*(column[numbers] for column in columns), of_chosen)
        odd[numbers[of_chosen]] = True
        return Held(numbers[found.holders], found.held)

    def _tuple(self, part: Part, addresses: Any, odd: Any) -> Held:
        referents = self.referents
        counts = self._rows(addresses, (referents.size_at,), odd)[:, 0]
        return self._items(addresses + self.np.uint64(referents.tuple_at), counts, odd)

    def _list(self, part: Part, addresses: Any, odd: Any) -> Held:
        words = self._rows(addresses, (self.referents.list_at, self.referents.size_at), odd)
        return self._items(words[:, 0], self.np.where(words[:, 0] != 0, words[:, 1], self.np.uint64(0)), odd)

    def _set(self, part: Part, addresses: Any, odd: Any) -> Held:
        words = self._rows(addresses, self.referents.set_at, odd)
        return self._of_some(self._tables, words[:, 0] != 0, odd, words[:, 1], words[:, 2])

    def _tables(self, tables: Any, masks: Any, odd: Any) -> Held:
        np = self.np
        step, key, hash_ = self.referents.set_words
        odd |= masks >= np.uint64(_PIECE)
        numbers, words, there = self._pieces.ragged(
            tables, np.where(odd, np.uint64(0), (masks + np.uint64(1)) * np.uint64(step)))
        odd |= ~there
        entries = words.reshape(-1, step)
        used = (entries[:, key] != 0) & (entries[:, hash_] != np.uint64((1 << 64) - 1))
        return Held(numbers[::step][used], entries[used, key])

    def _dict(self, part: Part, addresses: Any, odd: Any) -> Held:
        words = self._rows(addresses, (self.referents.keys_at, self.referents.values_at), odd)
        keys, values = words[:, 0], words[:, 1]
        return self._joined([
            self._of_some(self._entries, ~odd & (values == 0), odd, keys),
            self._of_some(self._split, values != 0, odd, keys, values)])

    def _split(self, keys: Any, values: Any, odd: Any) -> Held:
        referents = self.referents
        counts = self._rows(keys, (referents.count_at,), odd)[:, 0]
        return self._items(values + self.np.uint64(referents.values_offset), counts, odd)

    def _entries(self, keys: Any, odd: Any) -> Held:
        np, referents = self.np, self.referents
        words = self._rows(keys, (referents.dict_size_at, referents.count_at), odd)
        sizes, counts = words[:, 0], words[:, 1]
        behind = keys + np.uint64(referents.indices_at)
        if referents.logged:
            starts = behind + (np.uint64(1) << np.minimum(sizes >> np.uint64(8) & np.uint64(0xFF), np.uint64(40)))
            plain = sizes >> np.uint64(16) & np.uint64(0xFF) == 0
            return self._joined([
                self._of_some(self._pairs(layout), plain == (number == 0), odd, starts, counts)
                for number, layout in enumerate(referents.entry_words)])
        widths = np.where(sizes <= np.uint64(0xFF), 1, np.where(sizes <= np.uint64(0xFFFF), 2, 4)).astype(np.uint64)
        return self._pairs(referents.entry_words[0])(behind + widths * sizes, counts, odd)

    def _pairs(self, layout: Tuple[int, int, int]) -> Callable[[Any, Any, Any], Held]:
        """Reads the keys and values of entries of that many words, of which these are key and value."""
        np = self.np
        step, key, value = layout

        def read(starts: Any, counts: Any, odd: Any) -> Held:
            odd |= counts >= np.uint64(_PIECE)
            numbers, words, there = self._pieces.ragged(starts, np.where(odd, np.uint64(0), counts * np.uint64(step)))
            odd |= ~there
            entries = words.reshape(-1, step)
            used = entries[:, value] != 0
            return Held(np.repeat(numbers[::step][used], 2), entries[used][:, [key, value]].reshape(-1))
        return read

    def _inline(self, part: Part, addresses: Any, odd: Any) -> Held:
        np, referents = self.np, self.referents
        behind, = part.arguments
        words = self._rows(addresses, (referents.managed_at, *((behind,) if behind else ())), odd)
        dicts = np.flatnonzero(words[:, 0])
        own = Held(dicts, words[dicts, 0])
        if not behind:
            return own
        counts = np.where((words[:, 0] == 0) & (words[:, 1] >> np.uint64(24) & np.uint64(0xFF) != 0),
                          words[:, 1] & np.uint64(0xFF), np.uint64(0))
        return self._joined([own, self._items(addresses + np.uint64(behind + referents.values_offset), counts, odd)])

    def _tagged(self, part: Part, addresses: Any, odd: Any) -> Held:
        np = self.np
        words = self._rows(addresses, (self.referents.managed_at,), odd)[:, 0]
        tagged = words & np.uint64(1) != 0
        dicts = np.flatnonzero(~tagged & (words != 0))
        return self._joined([Held(dicts, words[dicts]),
                             self._shared(part.arguments[0], words + np.uint64(1), tagged, odd)])

    def _two_words(self, part: Part, addresses: Any, odd: Any) -> Held:
        referents = self.referents
        words = self._rows(addresses, (referents.managed_at, referents.managed_values_at), odd)
        dicts = self.np.flatnonzero((words[:, 1] == 0) & (words[:, 0] != 0))
        return self._joined([Held(dicts, words[dicts, 0]),
                             self._shared(part.arguments[0], words[:, 1], words[:, 1] != 0, odd)])

    def _shared(self, type_: int, values: Any, chosen: Any, odd: Any) -> Held:
        """The values of those instances of a type that are chosen, by the keys that they share."""
        np = self.np
        try:
            count = self.referents.shared_count(type_)
        except READ_ERRORS:
            odd |= chosen
            count = 0
        return self._items(values + np.uint64(self.referents.values_offset),
                           np.where(chosen, np.uint64(count), np.uint64(0)), odd)
