"""Single objects of the heap: those of a type, the biggest ones, and all about one of them."""

import heapq
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..cpython.gc_lists import GcLists
from ..cpython.heap_objects import HEAP_TYPE, Group
from ..cpython.heap_walk import HeapWalk, Report, group_of
from ..cpython.memory import Damaged, Region
from ..cpython.objects import TYPE_SUBCLASS
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Runtime
from ..cpython.sizes import Sizes
from ..cpython.tracked import FROZEN_BIT, Tracked
from ..cpython.type_names import BUILTINS, TypeNames
from .references import References

# References of one object that are told.
MAX_REFERENTS = 1000
# Names of types that a message proposes.
MAX_PROPOSED = 5


class Instance(NamedTuple):
    """An object, its type's name, and its size in bytes."""

    address: int
    type: str
    bytes: int


class Instances(NamedTuple):
    """Some objects of all that there are; `types` are the names of those that were counted."""

    instances: List[Instance]
    count: int  # type: ignore[assignment]  # a tuple's method
    bytes: int
    types: List[str]
    partial: bool


class NoSuchType(LookupError):
    """No object's type has the name; the message proposes others."""


class Referent(NamedTuple):
    """What an object refers to, and how."""

    address: int
    type: str
    via: str


class Details(NamedTuple):
    """All about one object. `generation` numbers the collector's lists, "permanent" after gc.freeze()."""

    address: int
    type: str
    bytes: Optional[int]
    refcount: int
    immortal: bool
    tracked: bool
    generation: Optional[str]
    referents: List[Referent]
    exact: bool


def matches(name: str, wanted: str) -> bool:
    """Whether a type's "module.qualname" is meant by what somebody typed: the end of it is enough."""
    return name == wanted or name == BUILTINS + wanted or name.endswith("." + wanted)


def instances(runtime: Runtime, regions: Sequence[Region], wanted: str, most: int,
              report: Report = lambda progress: None) -> Instances:
    """Up to `most` objects of the type called `wanted`, biggest first. Raises NoSuchType, READ_ERRORS."""
    names = TypeNames(runtime)
    chosen = _Biggest(runtime, names, most, lambda name: matches(name, wanted))
    partial = chosen.walk(HeapWalk(runtime, regions, report))
    if not chosen.types and not partial:
        near = sorted(name for name in chosen.others if wanted.lower() in name.lower())[:MAX_PROPOSED]
        raise NoSuchType(f"no object's type is called {wanted!r}"
                         + (f"; there are {', '.join(near)}" if near else ""))
    return Instances(chosen.result(), chosen.count, chosen.bytes, sorted(chosen.types), partial)


def biggest(runtime: Runtime, regions: Sequence[Region], most: int,
            report: Report = lambda progress: None) -> Instances:
    """The `most` biggest objects, biggest first. Raises READ_ERRORS."""
    chosen = _Biggest(runtime, TypeNames(runtime), most, lambda name: True)
    partial = chosen.walk(HeapWalk(runtime, regions, report))
    return Instances(chosen.result(), chosen.count, chosen.bytes, sorted(chosen.types), partial)


class _Biggest:
    """Keeps the biggest objects of the types that a test wants."""

    def __init__(self, runtime: Runtime, names: TypeNames, most: int, wants: Callable[[str], bool]) -> None:
        self._names = names
        self._sizes = Sizes(runtime)
        self._most = most
        self._wants = wants
        self._kept: List[Tuple[int, int, str]] = []
        self.count = self.bytes = 0
        self.types: Set[str] = set()
        self.others: Set[str] = set()

    def walk(self, walk: HeapWalk) -> bool:
        """Go through the heap; whether that was interrupted."""
        try:
            for group in walk.groups():
                self._take(group)
        except KeyboardInterrupt:
            return True
        return False

    def _take(self, group: Group) -> None:
        name = self._names.of(group.type.address)
        if not self._wants(name):
            self.others.add(name)
            return
        self.types.add(name)
        sizes = self._sizes.of(group)
        self.count += len(sizes)
        self.bytes += sum(sizes)
        kept, most = self._kept, self._most
        if len(kept) >= most and max(sizes) < kept[0][0]:
            return
        for size, address in zip(sizes, group.addresses()):
            if len(kept) < most:
                heapq.heappush(kept, (size, -address, name))
            elif (size, -address) > kept[0][:2]:
                heapq.heapreplace(kept, (size, -address, name))

    def result(self) -> List[Instance]:
        """The biggest first, of equal size the lowest address."""
        return [Instance(-address, name, size) for size, address, name in sorted(self._kept, reverse=True)]


def details(runtime: Runtime, references: References, address: int) -> Details:
    """All about the object at an address. Raises Damaged where there is none, READ_ERRORS."""
    referents = references.referents
    type_ = referents.type_of(address) if not address & 7 else None
    if type_ is None:
        raise Damaged(address, "no object")
    group = group_of(runtime, type_, address)
    sizes = Sizes(runtime)
    size = sizes.of(group)[0]
    # A static type has no collector's head, though other types do.
    static = type_.flags & TYPE_SUBCLASS and not runtime.reader.integer(
        address, "PyTypeObject", "tp_flags") & HEAP_TYPE
    tracked = type_.tracks and not static and Tracked(runtime).of(group)[0]
    count, immortal = references.walk.objects.count(address)
    ways: Dict[int, List[str]] = {}
    for via, held in references.links.of(address):
        ways.setdefault(held, []).append(via)
    found = []
    for held in referents.of(address)[:MAX_REFERENTS]:
        vias = ways.get(held, [])
        found.append(Referent(held, references.type_name(held), vias.pop(0) if vias else ""))
    return Details(address, references.names.of(type_.address), size if sizes.is_exact(type_) else None, count,
                   immortal, tracked, _generation(runtime, address) if tracked else None, found,
                   referents.kind(type_).exact)


def _generation(runtime: Runtime, address: int) -> Optional[str]:
    """Which of the collector's lists an object is in: "0" is the youngest; None where it is in none.

    Free-threaded builds have no generations, but a mark on each frozen object.
    """
    if runtime.layout.free_threaded:
        return "permanent" if runtime.reader.integer(address, "PyObject", "ob_gc_bits") & FROZEN_BIT else None
    lists = GcLists(runtime)
    try:
        heads = lists.heads()
        for number, head in enumerate(heads):
            try:
                if address in lists.members(head):
                    permanent = number == len(heads) - 1 and number > 2
                    return "permanent" if permanent else str(number)
            except READ_ERRORS:
                continue
    except READ_ERRORS:
        pass
    return None
