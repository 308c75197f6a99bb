"""What all commands share: how one is declared, its options, its help, its errors."""

import locale
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import gdb

# The classes of gdb's commands under which `help` lists ours.
STACK = gdb.COMMAND_STACK
STATUS = gdb.COMMAND_STATUS


class Option(NamedTuple):
    """An option of a command: `-name`, or `-name VALUE` where `value` names what it takes, a whole number."""

    name: str
    help: str
    value: str = ""


JSON = Option("json", "Print one JSON document, on one line.")


class Command(gdb.Command):
    """A command of gdbext.

    A subclass declares NAME, CLASS, SUMMARY, USAGE, OPTIONS and EXAMPLE, and defines run(). The
    help that gdb shows is made of these; the class's own docstring is for whoever reads the code.
    """

    NAME: str
    CLASS: int
    SUMMARY: str
    USAGE: str
    OPTIONS: Tuple[Option, ...]
    EXAMPLE: str

    def __init__(self) -> None:
        # gdb takes the help from __doc__ when the command is created.
        self.__doc__ = self.help()
        super().__init__(self.NAME, self.CLASS)

    @classmethod
    def help(cls) -> str:
        """The text of `help NAME`."""
        width = max(len(_spelling(option)) for option in cls.OPTIONS)
        options = [f"  {_spelling(option):<{width}}  {option.help}" for option in cls.OPTIONS]
        return "\n".join([cls.SUMMARY, f"Usage: {cls.USAGE}", "", "Options:"] + options
                         + ["", "Example:", f"  {cls.EXAMPLE}"])

    def run(self, options: Dict[str, Any]) -> None:
        """Answer. `options` has every option by name: a bool, or a number or None where it takes a value."""
        raise NotImplementedError

    def invoke(self, arguments: str, from_tty: bool) -> None:
        """Called by gdb. Raises gdb.GdbError with the reason and the remedy."""
        from ..cpython.process import NoPython
        from ..cpython.reader import READ_ERRORS
        from ..render.text import printable
        from ..target.stop import NoInferior

        options = parse(self.NAME, self.OPTIONS, gdb.string_to_argv(arguments))
        try:
            self.run(options)
        except NoInferior:
            raise gdb.GdbError(f"{self.NAME}: no process and no core. "
                               "Attach to a process (attach PID) or open a core (core-file FILE).") from None
        except (NoPython,) + READ_ERRORS as error:
            # The names of mapped files are in it, and those are the inferior's.
            raise gdb.GdbError(f"{self.NAME}: {printable(str(error))}") from None

    def complete(self, text: str, word: Optional[str]) -> Sequence[str]:
        """The options that begin with what was typed. gdb splits words at "-", so it is left out.

        gdb asks twice, first without a word, to learn where words end.
        """
        last = text.rpartition(" ")[2]
        if word is None or not last.startswith("-"):
            return []
        return [option.name for option in self.OPTIONS if option.name.startswith(word)]


def _spelling(option: Option) -> str:
    return f"-{option.name} {option.value}".rstrip()


def parse(command: str, options: Sequence[Option], arguments: List[str]) -> Dict[str, Any]:
    """The options as typed, names cut short where that is unambiguous. Raises gdb.GdbError."""
    found: Dict[str, Any] = {option.name: None if option.value else False for option in options}
    words = iter(arguments)
    for word in words:
        if word == "--":
            word = next(words, "")
            if not word:
                break
        elif word.startswith("-"):
            option = _match(command, options, word[1:].lstrip("-"))
            found[option.name] = _number(command, option, next(words, None)) if option.value else True
            continue
        raise gdb.GdbError(f"{command}: unexpected argument {word!r}. See: help {command}")
    return found


def _match(command: str, options: Sequence[Option], name: str) -> Option:
    exact = [option for option in options if option.name == name]
    matches = exact or [option for option in options if name and option.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise gdb.GdbError(f"{command}: -{name} is ambiguous: "
                           + ", ".join("-" + option.name for option in matches))
    raise gdb.GdbError(f"{command}: no option -{name}. It has "
                       + ", ".join("-" + option.name for option in options))


def _number(command: str, option: Option, text: Any) -> int:
    try:
        number = int(text)
    except (TypeError, ValueError):
        number = 0
    if number <= 0:
        raise gdb.GdbError(f"{command}: -{option.name} takes a number greater than 0")
    return number


def write(lines: Sequence[str]) -> None:
    """Print lines; characters that gdb's host character set lacks are written as escapes."""
    # gdb 12 and newer tell; before, gdb too takes the locale's unless it was told otherwise.
    charset = gdb.host_charset() if hasattr(gdb, "host_charset") else locale.getpreferredencoding(False)
    text = "".join(line + "\n" for line in lines)
    gdb.write(text.encode(charset, "backslashreplace").decode(charset))
