"""The selected inferior's memory."""

import gdb

from ..cpython.memory import Memory, Unreadable


class InferiorMemory(Memory):
    """The selected inferior's memory through gdb: a live process, a core or a remote target alike."""

    def __init__(self) -> None:
        super().__init__()
        self._inferior = gdb.selected_inferior()

    def fetch(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes from the inferior. Raises Unreadable."""
        try:
            return self._inferior.read_memory(address, size).tobytes()
        except (gdb.error, OverflowError):
            # gdb.MemoryError, or since gdb 18 a plain gdb.error for what a core lacks.
            raise Unreadable(address, size) from None
