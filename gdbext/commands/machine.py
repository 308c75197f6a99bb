"""JSON documents as gdb's machine interface has results: by its own rules for names and values.

Source: gdb's documentation, "GDB/MI Output Syntax" and "GDB/MI Commands In Python".
"""

from typing import Any, Dict

# Fields whose names are those of the program's variables, which a result can't have as names.
_BY_NAME = ("locals",)


def result(document: Any) -> Any:
    """A document, or a part of one. What is null in it is left out, and the numbers and truth values are text.

    An object whose names are the program's own is a list of tuples with `name` and `value`.
    """
    if isinstance(document, dict):
        return _tuple(document)
    if isinstance(document, list):
        return [result(each) for each in document if each is not None]
    if isinstance(document, bool):
        return "true" if document else "false"
    return document


def _tuple(document: Dict[str, Any]) -> Dict[str, Any]:
    found = {}
    for name, value in document.items():
        if name in _BY_NAME and isinstance(value, dict):
            value = [{"name": variable, "value": text} for variable, text in value.items()]
        if value is not None:
            found[name] = result(value)
    return found
