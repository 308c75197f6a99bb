"""Lines to type that together have every command that is registered, and every option of each."""

import functools
import json
import re
from pathlib import Path
from typing import AbstractSet, Any, Dict, List, Mapping

from tests.support import gdb, usage

_ASK = """python
import json
from gdbext.commands.register import COMMANDS, FUNCTIONS
print(json.dumps([{each.NAME: getattr(each, "USAGE", each.NAME) for each in all_} for all_ in (COMMANDS, FUNCTIONS)]))
end"""

# Breakpoints, debug files, scripts of others and letting the process go are the purpose of lines with one of these.
CHANGES = frozenset(("py-catch", "-use", "-load-libpython", "-detach"))


@functools.lru_cache(maxsize=None)
def usages() -> List[Dict[str, str]]:
    """The USAGE of each command, and of each convenience function, by name."""
    run = gdb.run(["python exec(%r)" % "\n".join(_ASK.split("\n")[1:-1])])
    found: List[Dict[str, str]] = json.loads(run.answers[0].stdout)
    return found


def words(truth: Mapping[str, Any], folder: Path) -> Dict[str, str]:
    """What stands for what in USAGE, for a process of small.py, in its thread "deep"; `folder` may be written to."""
    return {
        "N": "3", "START": "1", "END": "9999", "ADDRESS": hex(truth["objects"][0]), "TYPE": "KeyError",
        "NAME": "account",
        "A": "account", "B": "account", "FUNCTION": "read", "PATH": str(folder), "FILE": str(folder / "written"),
        "$REGISTER": "$rdi", "OTHERWISE": "7"}


def call(usage_: str, meant: Mapping[str, str]) -> str:
    """A line that asks a convenience function."""
    shortest = re.sub(r" *\[.*\]", "", usage_)
    return "output " + re.sub("[A-Z]{2,}", lambda name: meant[name[0]], shortest)


def few(usage_: str, without: AbstractSet[str]) -> List[usage.Form]:
    """Some forms that together have every option of a command's USAGE, but for those with one of these words."""
    return usage.few(form for form in usage.forms(usage_) if without.isdisjoint(form))


def lines(truth: Mapping[str, Any], folder: Path, without: AbstractSet[str] = CHANGES) -> List[str]:
    """Each command as it is, with all options, as many at once as may be, and these with -json; then each function.

    A file is written once, and with -json refused for being there. `without`: no lines with one of these words.
    """
    commands, functions = usages()
    meant = words(truth, folder)
    forms = [form for each in commands.values() for form in few(each, without)]
    found = [usage.typed(form, {**meant, "FILE": "%s%s.jsonl" % (meant["FILE"], "".join(form).replace("-json", ""))})
             for form in forms]
    return found + [call(each, meant) for each in functions.values()]
