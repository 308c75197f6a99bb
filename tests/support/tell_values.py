"""Run by the Python within gdb, after gdbext's init.py: tells how values are shown, as JSON."""

import json

import gdb


def tell(path):
    """The file names addresses and limits; a limit of null is none. Prints a list of texts on one line."""
    from gdbext.commands import model
    from gdbext.cpython.values import Limits

    with open(path) as file:
        asked = json.load(file)
    values = model.current().pythons[0].runtime.values
    limits = Limits(*asked["limits"])
    gdb.write(json.dumps([values.text(address, limits) for address in asked["addresses"]]) + "\n")
