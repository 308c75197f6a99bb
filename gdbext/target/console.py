"""What gdb's own commands print, where it has no API."""

import os

import gdb


def output(command: str) -> str:
    """The text that a command of gdb prints. Raises gdb.error.

    File names are bytes: those that are no text in gdb's host character set have surrogates in their place, as
    everywhere in Python.
    """
    try:
        return str(gdb.execute(command, to_string=True))
    except UnicodeDecodeError as error:
        return os.fsdecode(error.object)
