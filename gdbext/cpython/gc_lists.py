"""The lists of objects that the garbage collector tracks: every container, exceptions and frames among them.

Facts: Modules/gcmodule.c (up to 3.12), Python/gc.c, Include/internal/pycore_gc.h, Include/objimpl.h (3.6-3.7).
"""

from typing import Iterator, List, Optional, Tuple

from ..layout.layout import MissingField
from .memory import Damaged
from .reader import READ_ERRORS
from .runtime import Runtime

# Objects in one list. Each takes at least 32 bytes, so that this is 8 GB of them.
MAX_OBJECTS = 1 << 28

# Flags in a link to the next object: the collector's own during a collection (3.8), and of 3.14.0 to 3.14.4
# the space that an object is in. Not 7: a list's head may lie at a multiple of 4 (Debian's 3.13).
_LINK_MASK = ~3


class GcLists:
    """Walks the lists of one runtime. What a collection has set aside while it runs is in none of them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        # Why objects may be missing from what objects() gave: one sentence for each list.
        self.problems: List[str] = []

    def heads(self) -> List[int]:
        """The addresses of the lists' heads, youngest generation first, the permanent one (gc.freeze()) last.

        Raises MissingField for a free-threaded build, which has no such lists, Unreadable, Damaged.
        """
        if self._runtime.layout.free_threaded:
            raise MissingField("free-threaded builds keep no lists of their objects")
        return self.generations()

    def generations(self) -> List[int]:
        """The addresses of the generations, which begin with these heads; free-threaded builds have them too.

        Raises MissingField, Unreadable, Damaged.
        """
        runtime = self._runtime
        layout, candidate = runtime.layout, runtime.candidate
        size = layout["gc_generation"].size
        if candidate.globals:
            # 3.6: the first of three, which a variable points to.
            symbol = candidate.image.symbol("_PyGC_generation0")
            if symbol is None:
                raise MissingField("this build of CPython does not say where its generations are")
            first = runtime.memory.u64(symbol.address)
            return [first + index * size for index in range(3)]
        return [head for owner, struct in self.states() for head in self._of(owner, struct, size)]

    def states(self) -> List[Tuple[int, str]]:
        """Where the collector's state is, `gc` of a struct: in the runtime (3.7, 3.8), or in each interpreter.

        Nowhere in 3.6, where it is in static variables. Raises Unreadable, Damaged.
        """
        runtime, candidate = self._runtime, self._runtime.candidate
        if candidate.runtime is None:
            return []
        if runtime.layout.has("_PyRuntimeState", "gc.generations"):
            return [(candidate.runtime, "_PyRuntimeState")]
        return [(interpreter.address, "PyInterpreterState") for interpreter in runtime.interpreters()]

    def is_collecting(self) -> bool:
        """Whether a collection runs, as far as that is known; never raises READ_ERRORS."""
        reader = self._runtime.reader
        try:
            return any(reader.integer(owner, struct, "gc.collecting") for owner, struct in self.states()
                       if reader.has(struct, "gc.collecting"))
        except READ_ERRORS:
            return False

    def _of(self, owner: int, struct: str, size: int) -> List[int]:
        fields = self._runtime.layout[struct]
        found = []
        # 3.14.0 to 3.14.4 (gh-126491) have a young and two old ones instead.
        for path in ("gc.generations", "gc.young", "gc.old", "gc.permanent_generation"):
            if path in fields:
                start, length = fields.field(path)[:2]
                found += [owner + start + at for at in range(0, length - size + 1, size)]
        if len(found) < 2:
            raise MissingField(f"{struct} has no generations")
        return found

    def objects(self) -> Iterator[int]:
        """The addresses of all tracked objects; `problems` says which lists were cut short.

        Raises what heads() raises.
        """
        self.problems = []
        for head in self.heads():
            try:
                yield from self.members(head)
            except READ_ERRORS as error:
                self.problems.append(str(error))

    def members(self, head: int) -> Iterator[int]:
        """The addresses of one list's objects. Raises Unreadable, Damaged where the list breaks off."""
        u64 = self._runtime.memory.u64
        struct = self._runtime.layout["PyGC_Head"]
        following, size = struct.offset("_gc_next", "gc.gc_next"), struct.size
        # A list that leads back into itself but not to its head is noticed as by Brent's algorithm.
        landmark, steps, lap = 0, 0, 1
        address = u64(head + following) & _LINK_MASK
        for _ in range(MAX_OBJECTS):
            if address == head:
                return
            if address == landmark or not address:
                break
            yield address + size
            steps += 1
            if steps == lap:
                landmark, steps, lap = address, 0, 2 * lap
            address = u64(address + following) & _LINK_MASK
        raise Damaged(head, "list of objects without an end")

    def is_linked(self, address: int) -> Optional[bool]:
        """Whether an object with a collector's head is in a list: the next one's head leads back to it.

        None for one that is not tracked. Raises Unreadable.
        """
        u64 = self._runtime.memory.u64
        struct = self._runtime.layout["PyGC_Head"]
        following, before = struct.offset("_gc_next", "gc.gc_next"), struct.offset("_gc_prev", "gc.gc_prev")
        head = address - struct.size
        following_head = u64(head + following) & _LINK_MASK
        return u64(following_head + before) & _LINK_MASK == head if following_head else None
