"""Objects whose reference count is more than all references to them: what C code has lost.

Each object's count is held against the references that objects have, read by their types. For what
is left unexplained, all other memory is searched for the object's address: C structures, the data of
libraries, stacks, registers, and what of an object's own structure its type does not tell of. What
nothing explains then, nothing will ever give back.
Facts: Include/object.h (Py_INCREF); Objects/unicodeobject.c (PyUnicode_InternInPlace).
"""

from array import array
from collections import Counter
from itertools import chain
from typing import Collection, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from ..cpython.buffers import Buffers
from ..cpython.gc_lists import GcLists
from ..cpython.heap_objects import HAVE_GC, Group, HeapType
from ..cpython.heap_walk import Report
from ..cpython.memory import Region
from ..cpython.objects import DICT_SUBCLASS, TYPE_SUBCLASS
from ..cpython.occurrences import Occurrence, Occurrences
from ..cpython.reader import READ_ERRORS
from ..cpython.referents import Kind
from ..cpython.runtime import Runtime
from .references import References

# An interpreter that has just started has thousands of interned strings.
_MIN_INTERNED = 500
# So many references to an object are not lost before there is one that is known.
_MANY = 1 << 20
_NOT_JUDGED = ("Types, code objects and dicts are not judged: in a free-threaded build their counts need not be whole "
               "in themselves.")
# Objects whose references are added up at one time.
_BATCH = 1 << 16


class Excess(NamedTuple):
    """An object with more references than are found.

    Of its `refcount`, `explained` are references of objects whose types tell of them; `searched`, words
    elsewhere that are its address: each may be one.
    """

    address: int
    type: str
    refcount: int
    explained: int
    searched: int

    @property
    def lost(self) -> int:
        """How many references nothing accounts for."""
        return self.refcount - self.explained - self.searched


class Counts(NamedTuple):
    """`excess`, most lost references first. `objects` were counted, and of `searched` of them not all references
    are those of objects that tell of them. `notes` are sentences."""

    excess: List[Excess]
    objects: int
    searched: int
    notes: List[str]


def find(runtime: Runtime, references: References, regions: Sequence[Region], stack_pointers: Collection[int],
         registers: Sequence[int], report: Report = lambda progress: None) -> Counts:
    """Compare all counts. `registers` are the values in the threads' registers, each as often as it is in one.

    Raises READ_ERRORS where the heap can't be found.
    """
    known = _Known(runtime, references, report)
    short = known.unexplained()
    found = Counter(each for each in registers if each in short)
    if short:
        occurrences = Occurrences(runtime, references.walk, regions, stack_pointers, known.listed, report)
        found.update(_Elsewhere(references, known.buffers).of(occurrences.of(set(short))))
    excess = []
    for address, (count, explained) in short.items():
        if count - explained > found[address] and _is_object(runtime, references, address, count, explained):
            excess.append(Excess(address, references.type_name(address), count, explained, found[address]))
    excess.sort(key=lambda each: (-each.lost, each.type, each.address))
    notes = list(references.walk.problems) + [_NOT_JUDGED] * runtime.layout.free_threaded
    return Counts(excess, known.objects, len(short), notes)


def _is_object(runtime: Runtime, references: References, address: int, count: int, explained: int) -> bool:
    """Whether there is an object indeed: what C code has in a block may look like one, but is in no list."""
    if runtime.layout.free_threaded:
        return True
    try:
        type_ = references.referents.type_of(address)
        linked = GcLists(runtime).is_linked(address) if type_ is not None and type_.flags & HAVE_GC else None
    except READ_ERRORS:
        return False
    # A tuple or dict need not be tracked, and a str is not.
    return linked or linked is None and (explained > 0 or count < _MANY)


class _Known:
    """The references that the types of objects tell of, and what these objects have as memory of their own."""

    def __init__(self, runtime: Runtime, references: References, report: Report) -> None:
        self._references = references
        self._report = report
        self._free_threaded = runtime.layout.free_threaded
        self._counted: "Counter[int]" = Counter()
        self._addresses, self._counts = array("Q"), array("q")
        self.buffers = Buffers(runtime, references.referents)
        # The objects that lie where the walk knows no blocks.
        self.listed: List[Tuple[int, HeapType]] = []
        # Dicts of strings that are keys of themselves, and what they refer to.
        self._of_themselves: Dict[int, List[int]] = {}
        self._read()

    @property
    def objects(self) -> int:
        """How many there are."""
        return len(self._addresses)

    def _read(self) -> None:
        walk, referents = self._references.walk, self._references.referents
        walk.report = self._report
        counts_of = walk.objects.counts
        waiting: List[int] = []
        for group in walk.groups():
            addresses = group.addresses()
            self._addresses.extend(addresses)
            self._counts.extend(counts_of(group) if self._is_kept_together(group.type) else [-1] * len(group))
            if walk.listed and len(group) == 1:
                self.listed.append((addresses[0], group.type))
            kind = referents.kind(group.type)
            if not kind.none:
                self.buffers.add(group)
                waiting += self._held(kind, group)
                if len(waiting) > _BATCH:
                    self._counted.update(waiting)
                    waiting = []
        self._counted.update(waiting)
        for address, held in self._of_themselves.items():
            # The references of the dict of interned strings are not counted (3.6 and later), and no object
            # refers to it.
            if self._counted[address]:
                self._counted.update(held)

    def _is_kept_together(self, type_: HeapType) -> bool:
        """Whether objects of a type have their whole count in themselves.

        Not types, code objects and dicts of free-threaded builds, of which each thread has a part (3.14, gh-124218).
        """
        return not self._free_threaded or not (
            type_.flags & (TYPE_SUBCLASS | DICT_SUBCLASS) or "code" in self._references.referents.names(type_))

    def _held(self, kind: Kind, group: Group) -> List[int]:
        """What the objects of a group refer to."""
        visit, addresses = kind.visit, group.addresses()
        if not group.type.flags & DICT_SUBCLASS:
            try:
                return list(chain.from_iterable(map(visit, addresses)))
            except READ_ERRORS:
                pass
        found: List[int] = []
        for address in addresses:
            try:
                held = visit(address)
            except READ_ERRORS:
                continue
            if len(held) >= 2 * _MIN_INTERNED and held[::2] == held[1::2]:
                self._of_themselves[address] = held
            else:
                found += held
        return found

    def unexplained(self) -> Dict[int, Tuple[int, int]]:
        """Of each object with more references than were found: its count, and how many were."""
        counted = self._counted
        get = counted.get
        return {address: (count, counted[address]) for address, count in zip(self._addresses, self._counts)
                if count > get(address, 0)}


class _Elsewhere:
    """Tells which occurrences of an address are references that have not been counted."""

    def __init__(self, references: References, buffers: Buffers) -> None:
        self._referents = references.referents
        self._buffers = buffers

    def of(self, occurrences: Iterator[Occurrence]) -> "Counter[int]":
        """How many there are of each target."""
        found = sorted(occurrences, key=lambda each: each.address)
        kept = self._buffers.outside([each.address for each in found])
        outside = [each for each, keep in zip(found, kept) if keep]
        counts: "Counter[int]" = Counter(each.target for each in outside if not each.holder)
        within: Dict[int, List[Occurrence]] = {}
        for each in outside:
            if each.holder:
                within.setdefault(each.holder, []).append(each)
        for holder, words in within.items():
            counts.update(self._of_object(holder, words))
        return counts

    def _of_object(self, holder: int, words: List[Occurrence]) -> "Counter[int]":
        """What an object's structure has besides the references that its type tells of."""
        type_ = words[0].type
        assert type_ is not None
        try:
            told = Counter(self._referents.of(holder))
        except READ_ERRORS:
            told = Counter()
        seen: "Counter[int]" = Counter(
            each.target for each in words if self._referents.may_hold(type_, holder, each.address - holder))
        return seen - told
