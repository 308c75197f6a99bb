"""What all commands share: how one is declared, its options, its help, its errors."""

import glob
import locale
import os
import shlex
from contextlib import contextmanager
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    NamedTuple,
    NoReturn,
    Optional,
    Sequence,
    Set,
    Tuple,
)

import gdb

if TYPE_CHECKING:
    from ..render.theme import Theme

NO_INFERIOR = "no process and no core. Attach to a process (attach PID) or open a core (core-file FILE)."

# The classes of gdb's commands under which `help` lists ours.
STACK = gdb.COMMAND_STACK
STATUS = gdb.COMMAND_STATUS
SUPPORT = gdb.COMMAND_SUPPORT
DATA = gdb.COMMAND_DATA


class Option(NamedTuple):
    """An option of a command: `-name`, or `-name VALUE` where `value` names what it takes.

    That is a whole number, or text where `text` is set, or one of `choices` where there are any. With a `plain`
    one the output is for a program, and has no colours.
    """

    name: str
    help: str
    value: str = ""
    text: bool = False
    choices: Tuple[str, ...] = ()
    plain: bool = False


# Ends every help, so that `apropos gdbext` finds it.
OTHERS = "The other commands: help gdbext"

# What options take that are names of files.
_FILES = ("FILE", "PATH")

JSON = Option("json", "Print one JSON document, on one line.", plain=True)

# gdb's styles for the parts of a theme, in its order; the first that a gdb has.
_STYLES = (("filename",), ("function",), ("line-number", "address"), ("variable",), ("title",), ("highlight",),
           ("metadata",))


class Command(gdb.Command):
    """A command of gdbext.

    A subclass declares NAME, CLASS, SUMMARY, USAGE, OPTIONS and EXAMPLE, and defines run(). The
    help that gdb shows is made of these; the class's own docstring is for whoever reads the code.
    ARGUMENTS says how many words may come besides options, at least and at most; with EXPRESSION,
    all that follows the options is taken as it was typed. A PREFIX has commands of its own under
    its name, and runs itself where none of them is meant.
    """

    NAME: str
    CLASS: int
    SUMMARY: str
    USAGE: str
    OPTIONS: Tuple[Option, ...]
    EXAMPLE: str
    ARGUMENTS: Tuple[int, int] = (0, 0)
    EXPRESSION = False
    PREFIX = False

    def __init__(self) -> None:
        # gdb takes the help from __doc__ when the command is created.
        self.__doc__ = self.help()
        super().__init__(self.NAME, self.CLASS, prefix=self.PREFIX)

    @classmethod
    def help(cls) -> str:
        """The text of `help NAME`."""
        width = max((len(_spelling(option)) for option in cls.OPTIONS), default=0)
        options = [f"  {_spelling(option):<{width}}  {option.help}" for option in cls.OPTIONS]
        return "\n".join([cls.SUMMARY, f"Usage: {cls.USAGE}"] + (["", "Options:"] + options if options else [])
                         + ["", "Example:", f"  {cls.EXAMPLE}", "", OTHERS])

    def run(self, options: Dict[str, Any]) -> None:
        """Answer.

        `options` has every option by name, a bool, or its value or None where it takes one; and
        "arguments", the list of words besides them, or "expression", the text after them.
        """
        raise NotImplementedError

    def invoke(self, arguments: str, from_tty: bool) -> None:
        """Called by gdb. Raises gdb.GdbError with the reason and the remedy."""
        from ..cpython.process import NoPython
        from ..cpython.reader import READ_ERRORS
        from ..render import theme
        from ..render.text import printable, visible
        from ..target.stop import NoInferior

        options = self._parse(arguments)
        try:
            with _selection_stays(), theme.using(self._theme(options, from_tty)):
                self.run(options)
        except gdb.GdbError as error:
            raise gdb.GdbError(visible(str(error))) from None
        except NoInferior:
            raise gdb.GdbError(f"{self.NAME}: {NO_INFERIOR}") from None
        except (NoPython, gdb.error) + READ_ERRORS as error:
            # The names of mapped files are in it, and those are the inferior's.
            raise gdb.GdbError(f"{self.NAME}: {printable(str(error))}") from None

    def _theme(self, options: Dict[str, Any], from_tty: bool) -> "Theme":
        """Plain for what a program reads, as the user wants it for a person."""
        from ..render import theme
        from ..target import host
        from .settings import colour

        if any(option.plain and options[option.name] for option in self.OPTIONS):
            return theme.PLAIN
        wanted = colour()
        if wanted == "off" or wanted == "auto" and not (from_tty and host.shows_styles()):
            return theme.PLAIN
        return theme.Theme(*(host.style(*names) for names in _STYLES))

    def _parse(self, text: str) -> Dict[str, Any]:
        if self.EXPRESSION:
            options, rest = _leading_options(text)
            found, _none = parse(self.NAME, self.OPTIONS, options)
            return {**found, "expression": rest}
        found, words = parse(self.NAME, self.OPTIONS, gdb.string_to_argv(text))
        least, most = self.ARGUMENTS
        if len(words) > most:
            raise gdb.GdbError(f"{self.NAME}: unexpected argument {words[most]!r}. See: help {self.NAME}")
        if len(words) < least:
            raise gdb.GdbError(f"{self.NAME}: an argument is missing. Usage: {self.USAGE}")
        return {**found, "arguments": words}

    def complete(self, text: str, word: Optional[str]) -> Any:
        """What may follow what was typed, from where gdb lets the last word begin: behind the last "-".

        gdb asks twice, first without a word, to learn where words end.
        """
        words = text.split(" ")
        if words[-1].startswith("-"):
            typed = words[-1].lstrip("-")
            return [] if word is None else [option.name[len(typed) - len(word):] for option in self.OPTIONS
                                            if option.name.startswith(typed)]
        before = [option for option in self.OPTIONS if option.value and words[-2:-1] == ["-" + option.name]]
        if before and before[0].value in _FILES:
            return complete_file(words[-1], word)
        if before:
            return [] if word is None else [choice for choice in before[0].choices if choice.startswith(word)]
        return self.complete_argument(text, word)

    def complete_argument(self, text: str, word: Optional[str]) -> Any:
        """What may follow besides options, as gdb.Command.complete() gives it."""
        return []


@contextmanager
def _selection_stays() -> Iterator[None]:
    """Ctrl-C leaves that thread and that frame selected which were."""
    try:
        yield
    except KeyboardInterrupt:
        from ..target.threads import put_selection_back

        put_selection_back()
        raise


def complete_file(typed: str, word: Optional[str]) -> List[str]:
    """The files whose names begin as typed, of which `word` is the end; nothing without a word.

    gdb.COMPLETE_FILENAME would take an option before it for a part of the name.
    """
    if word is None:
        return []
    path = os.path.expanduser(typed)
    found = sorted(glob.glob(glob.escape(path) + "*"))
    if len(found) == 1 and os.path.isdir(found[0]):
        # After the only answer comes a space, behind which the folder's files can't be asked for.
        found = sorted(glob.glob(glob.escape(found[0]) + "/*")) or found
    return [word + each[len(path):] + ("/" if os.path.isdir(each) else "") for each in found]


class Function(gdb.Function):
    """A convenience function, `$NAME`, for expressions and conditions of breakpoints.

    A subclass declares NAME, USAGE and SUMMARY, and defines answer(). Where there is no answer, NOTHING is
    it: an error in a condition would stop the inferior at every hit.
    """

    NAME: str
    USAGE: str
    SUMMARY: str
    NOTHING: Any = ""

    def __init__(self) -> None:
        self.__doc__ = f"{self.SUMMARY}\nUsage: {self.USAGE}\n\n{OTHERS}"
        super().__init__(self.NAME)

    def invoke(self, *arguments: gdb.Value) -> Any:
        """Called by gdb."""
        from ..cpython.process import NoPython
        from ..cpython.reader import READ_ERRORS
        from ..target.stop import NoInferior

        plain = list(map(_plain, arguments))
        try:
            with _selection_stays():
                answer = self.answer(*plain)
        except (NoInferior, NoPython, gdb.error, gdb.GdbError) + READ_ERRORS:
            answer = self.nothing(*plain)
        return _gdb_string(answer) if isinstance(answer, str) else answer

    def nothing(self, *arguments: Any) -> Any:
        """What there is in the place of an answer."""
        return self.NOTHING

    def answer(self, *arguments: Any) -> Any:
        """A str or a number; arguments are that too."""
        raise NotImplementedError


def _plain(value: gdb.Value) -> Any:
    """A string or number of gdb's as Python's."""
    code = value.type.strip_typedefs().code
    if code in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_PTR):
        return value.string()
    return float(value) if code == gdb.TYPE_CODE_FLT else int(value)


# Where gdb keeps the text that a function has given last.
_TEXT = "_gdbext_text"

# How many bytes of the stack are searched for one that is 0: next to always one of the first dozen is.
_STACK = 512


def _gdb_string(text: str) -> gdb.Value:
    """A string as gdb has those of C, for which gdb never calls malloc() in the inferior.

    That is what it does with a str, and with a value that lies nowhere, as soon as an operator needs the address
    of the string (value_coerce_to_target() in gdb's valops.c). A part of a convenience variable can't be had an
    address of: gdb tells an error instead. The empty string has one, a byte of the stack, and is equal to no number.
    """
    if not text:
        try:
            return _empty_string()
        except gdb.error:
            pass  # No process.
    charset = gdb.target_charset() if hasattr(gdb, "target_charset") else locale.getpreferredencoding(False)
    raw = text.encode(charset, "backslashreplace") + b"\0"
    gdb.set_convenience_variable(_TEXT, gdb.Value(raw, gdb.lookup_type("char").array(len(raw) - 1).array(0)))
    return gdb.parse_and_eval(f"${_TEXT}[0]")


def _empty_string() -> gdb.Value:
    """A char[1] on the stack that is "". Raises gdb.error."""
    place = int(gdb.selected_frame().read_register("sp"))
    zero = bytes(gdb.selected_inferior().read_memory(place, _STACK)).find(b"\0")
    if zero < 0:
        raise gdb.error("no byte of the stack is 0")
    value = gdb.Value(place + zero).cast(gdb.lookup_type("char").array(0).pointer()).dereference()
    value.fetch_lazy()
    return value


def add_machine_command(name: str, command: str) -> None:
    """Have gdb's machine interface answer `-NAME` by a command's JSON document. Nothing before gdb 12, which can't."""
    if not hasattr(gdb, "MICommand"):
        return

    class MachineCommand(gdb.MICommand):
        """Gives the document as a result record: see machine.result()."""

        def invoke(self, arguments: List[str]) -> Dict[str, Any]:
            """Called by gdb. Raises gdb.GdbError, of which gdb makes an error record."""
            import json

            from .machine import result

            text, problem = capture(" ".join([command, "-json", *map(shlex.quote, arguments)]))
            if problem is not None:
                raise gdb.GdbError(problem)
            return result(json.loads(text))

    MachineCommand("-" + name)


class SetPrefix(gdb.Command):
    """`set NAME`, under which settings are set."""

    def __init__(self, name: str, help: str) -> None:
        self.__doc__ = help
        self._name = f"set {name}"
        super().__init__(self._name, SUPPORT, prefix=True)

    def invoke(self, arguments: str, from_tty: bool) -> None:
        """Without the name of a setting: which ones there are. Called by gdb."""
        gdb.execute(f"help {self._name}")


class ShowPrefix(gdb.Command):
    """`show NAME`, which shows the settings."""

    def __init__(self, name: str, help: str) -> None:
        self.__doc__ = help
        self._name = name
        super().__init__(f"show {name}", SUPPORT, prefix=True)

    def invoke(self, arguments: str, from_tty: bool) -> None:
        """Without the name of a setting: all of them. Called by gdb."""
        for name in sorted(Parameter.names):
            if name.startswith(self._name + " "):
                gdb.execute(f"show {name}")


class Parameter(gdb.Parameter):
    """A setting of gdbext, of one of gdb's kinds; `choices` are those of an enumeration."""

    # Those there are.
    names: Set[str] = set()

    def __init__(self, name: str, what: str, more: str, kind: int, *choices: Sequence[str]) -> None:
        self.set_doc = f"Set {what}."
        self.show_doc = f"Show {what}."
        self.__doc__ = f"{more}\nThe other settings: help set gdbext".lstrip()
        self._name = name
        self.names.add(name)
        super().__init__(name, SUPPORT, kind, *choices)

    def get_set_string(self) -> str:
        """What `set` prints: nothing. gdb 10 and 11 would print the help. Called by gdb."""
        return ""

    def get_show_string(self, value: str) -> str:
        """What `show` prints. Called by gdb."""
        return f"{self._name} is {value or 'not set'}."


class Limit(Parameter):
    """A setting that is a number, or unlimited."""

    def __init__(self, name: str, what: str, more: str, default: Optional[int]) -> None:
        super().__init__(name, what, f'{more} "unlimited" is no limit.', gdb.PARAM_ZUINTEGER_UNLIMITED)
        self.value = -1 if default is None else default

    @property
    def number(self) -> Optional[int]:
        """What it is set to, None for unlimited."""
        # Which gdb versions tell as -1 or as None.
        return None if self.value is None or self.value < 0 else int(self.value)

    def get_show_string(self, value: str) -> str:
        """What `show` prints. Called by gdb."""
        return f"{self._name} is {'unlimited' if self.number is None else self.number}."


class Choice(Parameter):
    """A setting that is one of some words, the first of which is the default."""

    def __init__(self, name: str, what: str, more: str, choices: Sequence[str], value: Optional[str]) -> None:
        super().__init__(name, what, more, gdb.PARAM_ENUM, list(choices))
        self.value = value or choices[0]


class Setting(Parameter):
    """A setting that is on or off, or with `text` any text; `then` is called when it was set."""

    def __init__(self, name: str, what: str, more: str, value: Any, then: Callable[[], None],
                 text: bool = False) -> None:
        super().__init__(name, what, more, gdb.PARAM_OPTIONAL_FILENAME if text else gdb.PARAM_BOOLEAN)
        self.value = value
        self._then = then

    def get_set_string(self) -> str:
        """Called by gdb, after it has set the value."""
        self._then()
        return super().get_set_string()


def _spelling(option: Option) -> str:
    return f"-{option.name} {option.value}".rstrip()


def parse(command: str, options: Sequence[Option], arguments: List[str]) -> Tuple[Dict[str, Any], List[str]]:
    """The options as typed, names cut short where that is unambiguous, and the other words.

    Raises gdb.GdbError.
    """
    found: Dict[str, Any] = {option.name: None if option.value else False for option in options}
    others = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            others.extend(words)
        elif word.startswith("-"):
            option = _match(command, options, word[1:].lstrip("-"))
            found[option.name] = _value(command, option, next(words, None)) if option.value else True
        else:
            others.append(word)
    return found, others


def _leading_options(text: str) -> Tuple[List[str], str]:
    """The options that a command's text begins with, which take no values, and all that follows them."""
    options = []
    rest = text.strip()
    while rest.startswith("-"):
        word, _space, rest = rest.partition(" ")
        rest = rest.lstrip()
        if word == "--":
            break
        options.append(word)
    return options, rest


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


def _value(command: str, option: Option, word: Optional[str]) -> Any:
    if option.choices:
        if word not in option.choices:
            raise gdb.GdbError(f"{command}: -{option.name} takes one of {', '.join(option.choices)}")
        return word
    if option.text:
        if not word:
            raise gdb.GdbError(f"{command}: -{option.name} takes {option.value}")
        return word
    try:
        number = int(word or "")
    except ValueError:
        number = 0
    if number <= 0:
        raise gdb.GdbError(f"{command}: -{option.name} takes a number greater than 0")
    return number


# What a command raises that can't be run as it was typed.
Refused = gdb.GdbError


def refuse(message: str) -> NoReturn:
    """Raises gdb.GdbError: the command can't be run as it was typed."""
    raise gdb.GdbError(message)


# How many characters are printed in one go: between two of them, Ctrl-C gets through.
_PIECE = 1 << 14


def write(lines: Sequence[str]) -> None:
    """Print lines; characters that gdb's host character set lacks are written as escapes."""
    from ..render.text import safe

    # gdb 12 and newer tell; before, gdb too takes the locale's unless it was told otherwise.
    charset = gdb.host_charset() if hasattr(gdb, "host_charset") else locale.getpreferredencoding(False)
    text = "".join(safe(line) + "\n" for line in lines)
    text = text.encode(charset, "backslashreplace").decode(charset)
    if _captured is not None:
        _captured.append(text)
        return
    start = 0
    while start < len(text):
        # Not within a line, as long as one fits: what changes colours may stand there.
        end = text.rfind("\n", start, start + _PIECE) + 1 or start + _PIECE
        gdb.write(text[start:end])
        start = end


def complain(line: str) -> None:
    """Print one line to gdb's standard error: a JSON document stays alone on standard output."""
    from ..render.text import printable

    gdb.write(f"{printable(line)}\n", gdb.STDERR)


def warn(line: str) -> None:
    """Print one line of warning."""
    complain(f"warning: {line}")


# What write() is given while a command is captured.
_captured: Optional[List[str]] = None


def capture(command: str, number: Optional[int] = None) -> Tuple[str, Optional[str]]:
    """What a command of gdbext prints, for the thread of that number if there is one; and why it failed, or None."""
    global _captured
    # gdb's own way, to_string, gives records instead under the machine interface of newer gdbs.
    _captured = []
    try:
        gdb.execute(_for_thread(command, number))
        return "".join(_captured), None
    except gdb.error as error:
        return "", str(error)
    finally:
        _captured = None


def execute(command: str, number: Optional[int] = None) -> bool:
    """Run a command, for the thread of that number if there is one. If it fails, say why; gives whether it did not."""
    from ..render import theme

    try:
        # Whoever typed the one at the terminal has typed this one too.
        gdb.execute(_for_thread(command, number), not theme.is_plain())
    except gdb.error as error:
        complain(str(error))
        return False
    return True


def _for_thread(command: str, number: Optional[int]) -> str:
    # It puts the selection back.
    return command if number is None else f"thread apply {number} -q {command}"


def end(status: int) -> None:
    """End gdb. What it debugs goes on as when a person ends gdb."""
    gdb.execute(f"quit {status}")
