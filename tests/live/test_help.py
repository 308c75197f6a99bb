"""gdb's own ways to learn of commands, for each that is registered: help, TAB, and the search for a word."""

import json
import re
from typing import Any, Dict, List, NamedTuple

import pytest

from tests.support import gdb

# What help, TAB and apropos answer is held against what the classes in gdb declare.
DECLARED = """
import json
from gdbext.commands.register import COMMANDS, FUNCTIONS
print(json.dumps([[{"name": each.NAME, "summary": each.SUMMARY, "usage": getattr(each, "USAGE", None),
                    "options": [option._asdict() for option in getattr(each, "OPTIONS", ())]}
                   for each in those] for those in (COMMANDS, FUNCTIONS)]))
"""
# An option that takes one of these has files completed.
FILES = ("FILE", "PATH")


class Asked(NamedTuple):
    """The commands and functions as they are declared, and what each line typed has printed."""

    commands: List[Dict[str, Any]]
    functions: List[Dict[str, Any]]
    printed: Dict[str, str]

    def completions(self, typed: str) -> List[str]:
        """What TAB offers behind what is typed: whole lines."""
        return self.printed["complete " + typed].splitlines()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """All questions of this file, to one gdb that has no process; none is an error."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "one.txt").write_text("")
    declared, = gdb.run(["python exec(%r)" % DECLARED]).answers
    commands, functions = json.loads(declared.stdout)
    lines = ["gdbext", "apropos gdbext", "apropos deadlock"]
    for each in commands:
        name = each["name"]
        lines += ["help %s" % name, "complete %s" % name[:-1], "complete %s -" % name]
        for option in each["options"]:
            typed = "complete %s -%s" % (name, option["name"])
            lines += [typed[:-1], typed + " "] + [typed + " on"] * (option["value"] in FILES)
    lines += ["help function %s" % each["name"] for each in functions]
    run = gdb.run([*lines, "complete py-leaks export on"], folder=folder)
    assert [answer for answer in run.answers if answer.stderr] == []
    return Asked(commands, functions, {answer.command: answer.stdout for answer in run.answers})


def test_help(asked: Asked) -> None:
    """What it does, in one sentence; how it is typed, with every option explained; an example that begins with it."""
    assert len(asked.commands) > 20
    for each in asked.commands:
        name, lines = each["name"], asked.printed["help " + each["name"]].splitlines()
        assert lines[0] == each["summary"] and lines[0].endswith("."), name
        if each["usage"] is None:
            continue
        assert lines[1] == "Usage: " + each["usage"].split("\n")[0]
        assert each["usage"].startswith(name) and re.search(r"(?m)^Example:\n  .*\b%s\b" % name, "\n".join(lines))
        for option in each["options"]:
            spelling = ("-%s %s" % (option["name"], option["value"])).rstrip()
            assert any(re.match("  %s +[A-Z]" % re.escape(spelling), line) for line in lines), (name, spelling)
            assert "-" + option["name"] in each["usage"], (name, option)
    for each in asked.functions:
        text = asked.printed["help function " + each["name"]]
        assert text.startswith(each["summary"].split("\n")[0]) and "Usage: " + each["usage"] in text


def test_completion(asked: Asked) -> None:
    """Of commands, of options, and of what options take."""
    for each in asked.commands:
        name, options = each["name"], each["options"]
        assert name in asked.completions(name[:-1])
        assert asked.completions("%s -" % name) == sorted("%s -%s" % (name, option["name"]) for option in options)
        for option in options:
            typed = "%s -%s" % (name, option["name"])
            assert typed in asked.completions(typed[:-1])
            assert all(line.startswith(typed[:-1]) for line in asked.completions(typed[:-1]))
            if option["value"] in FILES:
                assert asked.completions(typed + " on") == [typed + " one.txt"]
            elif option["value"]:
                assert asked.completions(typed + " ") == ["%s %s" % (typed, choice)
                                                          for choice in sorted(option["choices"])]
    assert asked.completions("py-leaks export on") == ["py-leaks export one.txt"]


def test_family(asked: Asked) -> None:
    """`help gdbext` has one line for each command and function, and so has `gdbext` alone; apropos finds them."""
    for text in (asked.printed["help gdbext"], asked.printed["gdbext"]):
        for each in asked.commands:
            line = "%s -- %s" % (each["name"], each["summary"])
            # Subcommands are listed by their prefix.
            if " " not in each["name"] and each["name"] != "gdbext":
                assert text.splitlines().count(line) == 1
        for each in asked.functions:
            assert sum(line.startswith(each["usage"] + " -- ") for line in text.splitlines()) == 1
    for each in asked.commands:
        assert each["name"] + " -- " in asked.printed["apropos gdbext"]
    for each in asked.functions:
        assert "function %s -- " % each["name"] in asked.printed["apropos gdbext"]
    assert "set gdbext repr-depth -- " in asked.printed["apropos gdbext"]
    assert {"py-locks", "gdbext dump"} <= {line.split(" -- ")[0]
                                           for line in asked.printed["apropos deadlock"].splitlines()}
