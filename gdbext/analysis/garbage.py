"""What the collector has not collected: cycles that nothing outside refers to, gc.garbage, and why it rests.

As the collector does it: of each tracked object's reference count those references are taken away that
tracked objects have; what is left with more than none, and all that leads from there, is reachable.
Facts: Modules/gcmodule.c (deduce_unreachable), Python/gc.c; InternalDocs/garbage_collector.md.
"""

from itertools import chain
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..cpython.gc_lists import GcLists
from ..cpython.heap_objects import HeapType
from ..cpython.heap_walk import Progress, Report
from ..cpython.memory import Region
from ..cpython.objects import TYPE_SUBCLASS
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Runtime
from ..cpython.tracked import FROZEN_BIT, TrackedObjects
from .references import References

_STEP = 8192
# The flags of gc.set_debug() that keep what was collected.
_DEBUG_SAVEALL = 32
_NOT_JUDGED = ("Classes, code objects and namespaces of functions count as reachable: in a free-threaded build their "
               "counts need not be whole in themselves.")


class Collector(NamedTuple):
    """What the collector is set to; None for what can't be read. Numbers of objects, but for `thresholds`."""

    enabled: Optional[bool]
    collecting: Optional[bool]
    thresholds: List[int]
    counts: List[int]
    frozen: int
    keeps_all: bool


class Cycle(NamedTuple):
    """Objects that refer to each other: addresses, their types with how many of each, and those with `__del__`."""

    addresses: List[int]
    types: Dict[str, int]
    finalized: List[str]


class Garbage(NamedTuple):
    """`kept` are the objects in gc.garbage; `cycles`, the biggest first; `hanging`, what only these refer to.

    `not_followed` counts objects whose references are a guess: what they refer to counts as reachable.
    """

    collector: Collector
    kept: List[Tuple[int, str]]
    cycles: List[Cycle]
    hanging: List[int]
    tracked: int
    not_followed: int
    partial: bool
    problems: List[str]


def find(runtime: Runtime, references: References, regions: Sequence[Region],
         report: Report = lambda progress: None) -> Garbage:
    """Look for garbage. Raises READ_ERRORS where the objects that the collector tracks can't be found."""
    lists = GcLists(runtime)
    generations = lists.generations()
    kept = _kept(lists, runtime, references)
    tracked = TrackedObjects(runtime, regions, report)
    free_threaded = runtime.layout.free_threaded
    try:
        search = _Unreachable(references, tracked, _held_elsewhere(runtime, references) if free_threaded else None,
                              report)
        cycles, hanging = search.cycles()
        partial = False
    except KeyboardInterrupt:
        return Garbage(_collector(runtime, lists, generations, None), kept, [], [], 0, 0, True, tracked.problems)
    return Garbage(_collector(runtime, lists, generations, _frozen(runtime, search.addresses)), kept, cycles,
                   hanging, len(search.addresses), search.not_followed, partial,
                   tracked.problems + [_NOT_JUDGED] * free_threaded)


def _held_elsewhere(runtime: Runtime, references: References) -> Callable[[int, HeapType], Iterable[int]]:
    """What of a free-threaded build is taken to be reachable when an object is met: its count need not tell.

    Of types, code objects and the namespaces of functions each thread has a part of the count (3.14, gh-124218).
    References from the stacks of threads to functions, methods and others are not counted at all (gh-117376).
    """
    namespaces = [runtime.layout["PyFunctionObject"].offset(name) for name in ("func_globals", "func_builtins")]
    names, word = references.referents.names, references.referents.windows.word

    def held(address: int, type_: HeapType) -> Iterable[int]:
        if type_.flags & TYPE_SUBCLASS or "code" in names(type_):
            return [address]
        return [word(address + at) for at in namespaces] if "function" in names(type_) else ()
    return held


class _Unreachable:
    """The tracked objects that nothing else refers to."""

    def __init__(self, references: References, tracked: TrackedObjects,
                 elsewhere: Optional[Callable[[int, HeapType], Iterable[int]]], report: Report) -> None:
        """`elsewhere` tells of objects that are reachable whatever their counts say; then roots' are too."""
        self._references = references
        self._referents = referents = references.referents
        self.not_followed = 0
        count = references.walk.objects.count
        left: Dict[int, int] = {}
        # An immortal object is never garbage; one whose count can't be read is not called garbage.
        for address in chain.from_iterable(tracked.of_types(lambda _type: True)):
            try:
                number, immortal = count(address)
            except READ_ERRORS:
                number, immortal = -1, False
            # Without a reference it is being freed at this very moment, and about to be taken out of its list.
            if number or elsewhere is not None:
                left[address] = -1 if immortal else number
        self.addresses = list(left)
        reachable = [held for root in references.roots() for held, _via in root.holds] if elsewhere else []
        for done, address in enumerate(left):
            if not done % _STEP:
                report(Progress(done, 0))
            try:
                type_ = referents.type_of(address)
                if type_ is None:
                    continue
                kind = referents.kind(type_)
                held = kind.visit(address)
                if elsewhere is not None:
                    reachable += elsewhere(address, type_)
            except READ_ERRORS:
                continue
            if kind.exact:
                for each in held:
                    if left.get(each, -1) > 0:
                        left[each] -= 1
            else:
                self.not_followed += 1
                for each in held:
                    if each in left:
                        left[each] = -1
        for address in reachable:
            if address in left:
                left[address] = -1
        waiting = [address for address, number in left.items() if number]
        for address in waiting:
            del left[address]
        while waiting:
            for each in self._held(waiting.pop()):
                if each in left:
                    del left[each]
                    waiting.append(each)
        self._left = left

    def _held(self, address: int) -> List[int]:
        try:
            return self._referents.of(address)
        except READ_ERRORS:
            return []

    def cycles(self) -> Tuple[List[Cycle], List[int]]:
        """The cycles, and the objects that are in none."""
        cycles, hanging = [], []
        for component in self._components():
            if len(component) == 1 and component[0] not in self._held(component[0]):
                hanging += component
            else:
                cycles.append(self._cycle(component))
        return sorted(cycles, key=lambda cycle: (-len(cycle.addresses), cycle.addresses)), sorted(hanging)

    def _components(self) -> Iterator[List[int]]:
        """The strongly connected components of what is left (Tarjan's algorithm, without recursion)."""
        left = self._left
        numbers: Dict[int, int] = {}
        lowest: Dict[int, int] = {}
        stack: List[int] = []
        on_stack = set()
        for start in left:
            if start in numbers:
                continue
            numbers[start] = lowest[start] = len(numbers)
            stack.append(start)
            on_stack.add(start)
            work = [(start, iter(self._held(start)))]
            while work:
                node, following = work[-1]
                for each in following:
                    if each not in left:
                        continue
                    if each not in numbers:
                        numbers[each] = lowest[each] = len(numbers)
                        stack.append(each)
                        on_stack.add(each)
                        work.append((each, iter(self._held(each))))
                        break
                    if each in on_stack:
                        lowest[node] = min(lowest[node], numbers[each])
                else:
                    work.pop()
                    if work:
                        above = work[-1][0]
                        lowest[above] = min(lowest[above], lowest[node])
                    if lowest[node] == numbers[node]:
                        component: List[int] = []
                        while not component or component[-1] != node:
                            component.append(stack.pop())
                            on_stack.discard(component[-1])
                        yield component

    def _cycle(self, addresses: List[int]) -> Cycle:
        types: Dict[str, int] = {}
        finalized: Dict[str, None] = {}
        for address in addresses:
            name = self._references.type_name(address)
            types[name] = types.get(name, 0) + 1
            if name not in finalized and self._references.has_finalizer(address):
                finalized[name] = None
        return Cycle(sorted(addresses), types, sorted(finalized))


def _kept(lists: GcLists, runtime: Runtime, references: References) -> List[Tuple[int, str]]:
    """The objects in gc.garbage."""
    found: List[Tuple[int, str]] = []
    try:
        kept = [runtime.reader.pointer(owner, struct, "gc.garbage") for owner, struct in lists.states()]
        if not kept:
            # 3.6 has it in a static variable, and in the module's namespace, where that is imported.
            for interpreter in runtime.interpreters():
                namespace = runtime.module_dict(interpreter, "gc")
                if namespace:
                    kept.append(runtime.dicts.get(namespace, "garbage") or 0)
        for each in kept:
            for address in runtime.objects.list_items(each) if each else ():
                found.append((address, references.type_name(address)))
    except READ_ERRORS:
        pass
    return found


def _frozen(runtime: Runtime, addresses: List[int]) -> Optional[int]:
    """How many of a free-threaded build's objects gc.freeze() has hidden from the collector."""
    if not runtime.layout.free_threaded:
        return None
    reader = runtime.reader
    return sum(bool(reader.integer(address, "PyObject", "ob_gc_bits") & FROZEN_BIT) for address in addresses)


def _collector(runtime: Runtime, lists: GcLists, heads: List[int], frozen: Optional[int]) -> Collector:
    """The collector's settings, those of the main interpreter."""
    reader, layout = runtime.reader, runtime.layout
    enabled = collecting = None
    debug = 0
    for owner, struct in lists.states()[-1:]:
        for name in ("enabled", "collecting", "debug"):
            try:
                value = reader.integer(owner, struct, f"gc.{name}")
            except READ_ERRORS:
                continue
            if name == "enabled":
                enabled = bool(value)
            elif name == "collecting":
                collecting = bool(value)
            else:
                debug = value
    thresholds, counts = [], []
    generation = layout["gc_generation"]
    permanent = layout.has("PyInterpreterState", "gc.permanent_generation") or layout.has(
        "_PyRuntimeState", "gc.permanent_generation")
    # One list of lists for each interpreter; the main one is the last.
    own = heads[-(4 if permanent else 3):]
    for head in own[:3]:
        try:
            thresholds.append(reader.integer(head, "gc_generation", "threshold", signed=True))
            counts.append(reader.integer(head, "gc_generation", "count", signed=True))
        except READ_ERRORS:
            continue
    if frozen is None and permanent and len(own) == 4 and generation.size and not layout.free_threaded:
        try:
            frozen = sum(1 for _ in lists.members(own[3]))
        except READ_ERRORS:
            pass
    return Collector(enabled, collecting, thresholds, counts, frozen or 0, bool(debug & _DEBUG_SAVEALL))
