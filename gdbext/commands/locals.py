"""py-locals-plus: the variables of the selected Python frame."""

from typing import Any, Dict

from .command import JSON, STACK, Command, write


class Locals(Command):
    """Prints or dumps them; of a module's frame what the module has bound."""

    NAME = "py-locals-plus"
    CLASS = STACK
    SUMMARY = "Print the arguments and local variables of the selected Python frame."
    USAGE = "py-locals-plus [-json]"
    OPTIONS = (JSON,)
    EXAMPLE = "py-locals-plus"

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for the selected frame; a thread without Python gets one line and no error."""
        from ..analysis.bindings import Bindings, bindings, module_bindings
        from ..render import traceback
        from . import model, settings
        from .selected import selected, value_text

        current = model.current()
        threads = current.selected()
        chosen = selected(current)
        found = Bindings([])
        if chosen is not None:
            runtime, frame, text_of = chosen.call.python.runtime, chosen.call.frame, value_text(listed=True)
            found = (module_bindings(runtime, frame, text_of, settings.limits().items)
                     or bindings(runtime, frame, text_of))
        if options["json"]:
            write([traceback.frame_document(
                self.NAME, current.target(), threads, *(chosen or (None, None)),
                locals=traceback.bindings_json(found) if chosen is not None else None, more=found.more)])
        elif chosen is None:
            write([traceback.no_frame_text(threads)])
        else:
            write(list(traceback.bindings_text(found)) or ["No locals."])
