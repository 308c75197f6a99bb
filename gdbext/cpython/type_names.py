"""What types are called in answers about the heap: `module.qualname`."""

from typing import Dict

from .reader import READ_ERRORS
from .runtime import Runtime

BUILTINS = "builtins."


class TypeNames:
    """The names of one runtime's types, each read once."""

    def __init__(self, runtime: Runtime) -> None:
        self._classes = runtime.values.classes
        self._known: Dict[int, str] = {}

    def of(self, address: int) -> str:
        """ "collections.deque" or "builtins.dict"; "type at 0x…" for one whose name can't be read. """
        found = self._known.get(address)
        if found is None:
            try:
                module, qualname = self._classes.name(self._classes.type(address))
                found = f"{module}.{qualname}" if qualname else ""
            except READ_ERRORS:
                found = ""
            found = self._known[address] = found or f"type at {address:#x}"
        return found
