"""py-print-plus: the value of a name in the selected Python frame, or of any object."""

import re
from typing import Any, Dict, List, Optional

from .command import JSON, STACK, Command, refuse, write

# A path of names before the one that is being typed: "self.queue" of "self.queue.le".
_PATH = re.compile(r"(?:^|[\s\[(])((?:[\w$]+(?:\[[^\]]*\])?\.)*)(\w*)$")


class Print(Command):
    """Looks names up as Python does, and runs nothing."""

    NAME = "py-print-plus"
    CLASS = STACK
    SUMMARY = "Print the value of a Python name, with attributes and items, or of the object at an address."
    USAGE = "py-print-plus [-json] NAME|ADDRESS|$REGISTER"
    OPTIONS = (JSON,)
    EXAMPLE = "py-print-plus self.queue[0]['key']"
    EXPRESSION = True

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for the selected frame; a thread without Python gets one line and no error."""
        from ..analysis.names import OBJECT, Names, NotFound
        from ..render import traceback, variables
        from ..render.text import printable
        from . import model
        from .selected import convenience, selected, value_text

        expression = options["expression"]
        if not expression:
            refuse(f"{self.NAME}: an argument is missing. Usage: {self.USAGE}")
        current = model.current()
        threads = current.selected()
        chosen = selected(current)
        runtime = chosen.call.python.runtime if chosen is not None else current.pythons[0].runtime
        try:
            found = Names(runtime).find(chosen.call.frame if chosen is not None else None, expression, convenience)
        except NotFound as error:
            refuse(f"{self.NAME}: {printable(str(error))}")
        value = value_text()(runtime, found.address)
        if options["json"]:
            write([traceback.frame_document(
                self.NAME, current.target(), threads, *(chosen or (None, None)),
                expression=expression, scope=found.scope, address=f"{found.address:#x}",
                type=runtime.values.type_of(found.address).name.full, value=value)])
        else:
            write([variables.value_text(None if found.scope == OBJECT else found.scope, expression, value)])

    def complete_argument(self, text: str, word: Optional[str]) -> Any:
        """Names of the selected frame, and after a dot those of attributes. gdb's word has the dots in it."""
        match = _PATH.search(text)
        if word is None or match is None:
            return []
        path, begun = match.groups()
        # Where words end is gdb's to say: at an opening bracket, but not at a dot.
        before = word[:len(word) - len(begun)]
        return [before + name for name in self._names(path[:-1]) if name.startswith(begun)]

    def _names(self, path: str) -> List[str]:
        """The attributes of what a path leads to, or the names of the frame. Nothing where there is no answer."""
        from ..analysis.names import Names, NotFound
        from ..cpython.process import NoPython
        from ..cpython.reader import READ_ERRORS
        from ..target.stop import NoInferior
        from . import model
        from .command import Refused
        from .selected import convenience, selected

        try:
            chosen = selected(model.current())
            if chosen is None:
                return []
            names = Names(chosen.call.python.runtime)
            if not path:
                return [name for name in names.names(chosen.call.frame) if name.isidentifier()]
            found = names.find(chosen.call.frame, path, convenience)
            return [name for name in names.attributes(found.address) if name.isidentifier()]
        except (NoInferior, NoPython, NotFound, Refused) + READ_ERRORS:
            return []
