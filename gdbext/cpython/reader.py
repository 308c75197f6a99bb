"""Fields of C structures: a memory and a layout together."""

from ..layout.layout import Layout, MissingField
from .memory import Damaged, Memory, Unreadable

# Everything that may go wrong with one object of the inferior. It costs that object, never more.
READ_ERRORS = (Unreadable, Damaged, MissingField)


class Reader:
    """Reads fields by name: the one place where an offset meets an address."""

    def __init__(self, memory: Memory, layout: Layout) -> None:
        self.memory = memory
        self.layout = layout

    def pointer(self, address: int, struct: str, *paths: str) -> int:
        """A field of pointer size, by the first of its names that this build has.

        Raises MissingField, Unreadable.
        """
        return self.memory.u64(address + self.layout[struct].field(*paths)[0])

    def integer(self, address: int, struct: str, *paths: str, signed: bool = False) -> int:
        """An integer or bit field of any size. Raises MissingField, Unreadable."""
        field = self.layout[struct].field(*paths)
        value = self.memory.integer(address + field[0], field[1], signed)
        if len(field) == 4:
            value = (value >> field[2]) & ((1 << field[3]) - 1)
        return value

    def has(self, struct: str, path: str) -> bool:
        """Whether this build has the field."""
        return self.layout.has(struct, path)
