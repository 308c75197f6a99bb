"""What stands around the answers of several commands that are given in one go."""

from typing import Any, Dict, List

from . import theme
from .document import document as _document
from .text import printable


def title(target: Dict[str, Any]) -> str:
    """What was looked at: "Process 123: CPython 3.11.2 in /usr/bin/python3.11"."""
    what = f"Process {target['pid']}" if target["core"] is None else f"Core {printable(target['core'])}"
    found = [f"CPython {each['python']} in {printable(each['image'])}" for each in target["runtimes"]]
    return f"{what}: {', '.join(found)}"


def section(subject: str) -> str:
    """The line above one command's answer."""
    return theme.title(f"--- {subject} ---")


def document(target: Dict[str, Any], answers: Dict[str, Any], problems: List[str]) -> str:
    """The JSON document: those of the commands by their names, without what is the same in all of them."""
    return _document("gdbext dump", target, {**{name: _without_head(each) for name, each in answers.items()},
                                             "problems": problems})


def _without_head(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_without_head(each) for each in answer]
    if answer is None:
        return None
    return {name: value for name, value in answer.items() if name not in ("command", "target")}
