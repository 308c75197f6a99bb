"""gdbext and gdbext version: the list of the commands, and what runs here."""

from typing import Any, Dict

from .command import JSON, SUPPORT, Command, write


class Gdbext(Command):
    """The prefix of gdbext's own commands; its help names all the others."""

    NAME = "gdbext"
    CLASS = SUPPORT
    SUMMARY = "Look into Python programs that hang, leak or have crashed."
    OPTIONS = ()
    PREFIX = True

    @classmethod
    def help(cls) -> str:
        """The text of `help gdbext`."""
        from .register import COMMANDS, FUNCTIONS

        family = [f"{command.NAME} -- {command.SUMMARY}" for command in COMMANDS if " " not in command.NAME]
        functions = [f"{function.USAGE} -- {function.SUMMARY.splitlines()[0]}" for function in FUNCTIONS]
        return "\n".join([cls.SUMMARY, "", *family[1:], "", "For expressions and conditions of breakpoints:", "",
                          *functions, "", "Its settings: help set gdbext"])

    def run(self, options: Dict[str, Any]) -> None:
        """Without a subcommand: what help says."""
        write(self.help().split("\n"))


class Version(Command):
    """Prints what a report of a problem has to name."""

    NAME = "gdbext version"
    CLASS = SUPPORT
    SUMMARY = "Print the versions of gdbext, of gdb, and of the Python within gdb."
    USAGE = "gdbext version [-json]"
    OPTIONS = (JSON,)
    EXAMPLE = "gdbext version"

    def run(self, options: Dict[str, Any]) -> None:
        """Print them; there need be no inferior."""
        from .. import __version__
        from ..render import versions
        from ..target import host

        found = host.versions()
        make = versions.document if options["json"] else versions.text
        write([make(__version__, found.gdb, found.python)])
