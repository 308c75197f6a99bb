"""py-up-plus, py-down-plus, py-frame-plus: selecting a Python frame."""

from typing import TYPE_CHECKING, Any, Dict, Optional

from .command import JSON, STACK, Command, Option, refuse, write

if TYPE_CHECKING:
    from .model import Model
    from .selected import Selected


class _Select(Command):
    """Selects a Python frame and prints it; a thread without Python gets one line and no error."""

    CLASS = STACK
    OPTIONS = (JSON,)
    ARGUMENTS = (0, 1)

    def run(self, options: Dict[str, Any]) -> None:
        """Select and show."""
        from ..render import traceback
        from . import model, source

        words = options["arguments"]
        number = _number(self.NAME, words[0]) if words else None
        current = model.current()
        shown = self.select(current, number)
        threads = current.selected()
        found = None
        if options.get("registers") and shown is not None:
            from ..analysis.registers import registers

            shown = shown._replace(call=current.stack().python[shown.number])
            found = registers(shown.call)
        if options["json"]:
            more: Dict[str, Any] = {} if found is None else {"registers": traceback.registers_json(found)}
            write([traceback.frame_document(self.NAME, current.target(), threads, *(shown or (None, None)), **more)])
        elif shown is None:
            write([traceback.no_frame_text(threads)])
        else:
            write(list(traceback.call_text(*shown, source.current().line)))
            if found is not None:
                write(list(traceback.registers_text(shown.call, found)))

    def select(self, current: "Model", number: Optional[int]) -> "Optional[Selected]":
        """The frame that is selected now; `number` is the word that was typed. None where there is none."""
        from .selected import select, selected

        now = selected(current)
        if now is None:
            return None
        calls = current.stack().python
        wanted = self.wanted(1 if number is None else number, now.number, len(calls) - 1)
        return select(wanted, calls[wanted])

    def wanted(self, count: int, now: int, last: int) -> int:
        """The number of the frame that is `count` calls away from the one with the number `now`."""
        raise NotImplementedError


class Up(_Select):
    """Outwards."""

    NAME = "py-up-plus"
    SUMMARY = "Select the Python frame that called the selected one, or the one N calls further out."
    USAGE = "py-up-plus [N] [-json]"
    EXAMPLE = "py-up-plus 2"

    def wanted(self, count: int, now: int, last: int) -> int:
        """As far as there are frames, like gdb's up."""
        if now == last:
            refuse(f"{self.NAME}: no older Python frame: #{now} is the outermost one")
        return min(now + count, last)


class Down(_Select):
    """Inwards."""

    NAME = "py-down-plus"
    SUMMARY = "Select the Python frame that the selected one called, or the one N calls further in."
    USAGE = "py-down-plus [N] [-json]"
    EXAMPLE = "py-down-plus"

    def wanted(self, count: int, now: int, last: int) -> int:
        """As far as there are frames, like gdb's down."""
        if now == 0:
            refuse(f"{self.NAME}: no newer Python frame: #0 is the innermost one")
        return max(now - count, 0)


class Frame(_Select):
    """By number."""

    NAME = "py-frame-plus"
    SUMMARY = "Select the Python frame with a number, or print the selected one. #0 is the innermost."
    USAGE = "py-frame-plus [N] [-registers] [-json]"
    OPTIONS = (Option("registers", "Show what the registers of its evaluation loop hold, of which one is the frame."),
               JSON)
    EXAMPLE = "py-frame-plus 3"

    def select(self, current: "Model", number: Optional[int]) -> "Optional[Selected]":
        """The one with that number, or what is selected already."""
        from .selected import select, selected

        if number is None:
            return selected(current)
        calls = current.stack().python
        if not calls:
            return None
        if number >= len(calls):
            refuse(f"{self.NAME}: no Python frame #{number}: the outermost one is #{len(calls) - 1}")
        return select(number, calls[number])


def _number(command: str, word: str) -> int:
    if not (word.isascii() and word.isdigit()):
        refuse(f"{command}: {word!r} is no number of frames. See: help {command}")
    return int(word)
