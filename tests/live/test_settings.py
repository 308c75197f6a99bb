"""`gdbext`, `set gdbext`, `show gdbext`: gdb treats them as its own."""

import re
from typing import List

import pytest

import gdbext
from tests.support import gdb

NAMES = ("colour", "repr-depth", "repr-items", "repr-length", "repr-listed")


def answers(*commands: str) -> List[str]:
    """What each command prints; none of them complains."""
    run = gdb.run(commands)
    for answer in run.answers:
        assert answer.stderr == "", answer
    # On gdb 15 and newer there are settings for debug files as well, which test_symbols.py has.
    return [re.sub(r"(?m)^gdbext (?:find-debug|debug-folders) is .*\n", "", answer.stdout) for answer in run.answers]


@pytest.fixture(scope="module")
def defaults() -> List[str]:
    """`show gdbext` before anything was set."""
    shown, = answers("show gdbext")
    return shown.splitlines()


def test_show(defaults: List[str]) -> None:
    assert [line.split()[1] for line in defaults] == list(NAMES)
    assert defaults[0] == "gdbext colour is auto."
    assert all(line.rstrip(".").split()[-1].isdigit() for line in defaults[1:])


def test_set() -> None:
    *before, shown = answers(
        "set gdbext repr-depth 7", "set gdbext repr-items 0", "set gdbext repr-length unlimited",
        "set gdbext repr-listed 1", "set gdbext colour on", "show gdbext")
    assert before == ["", "", "", "", ""]
    assert shown == ("gdbext colour is on.\ngdbext repr-depth is 7.\ngdbext repr-items is 0.\n"
                     "gdbext repr-length is unlimited.\ngdbext repr-listed is 1.\n")


def test_with(defaults: List[str]) -> None:
    """`with` sets for the time of one command."""
    during, after = answers("with gdbext repr-items 3 -- show gdbext repr-items", "show gdbext repr-items")
    assert during == "gdbext repr-items is 3.\n"
    assert after == defaults[NAMES.index("repr-items")] + "\n"


def test_loading_again_keeps_them() -> None:
    assert answers("set gdbext repr-items 3", "source %s" % gdb.INIT, "show gdbext repr-items")[-1] == (
        "gdbext repr-items is 3.\n")


def test_limits_follow() -> None:
    """What the commands read of them."""
    limits = ("python from gdbext.commands import settings; "
              "print(tuple(settings.limits()), tuple(settings.limits_listed()))")
    *_before, shown, unlimited, listed = answers(
        "set gdbext repr-depth 2", "set gdbext repr-items 30000", "set gdbext repr-length 5",
        "set gdbext repr-listed 70", limits,
        "with gdbext repr-depth unlimited -- with gdbext repr-items unlimited -- %s" % limits,
        "with gdbext repr-listed unlimited -- %s" % limits)
    assert shown == "(5, 30000, 2, 30000) (5, 30000, 2, 70)\n"
    assert unlimited == "(5, None, None, None) (5, None, None, None)\n"
    assert listed == "(5, 30000, 2, 30000) (5, 30000, 2, None)\n"


@pytest.mark.parametrize("name, value", [("repr-items", "many"), ("repr-items", "-5"), ("colour", "loud")])
def test_bad_values(name: str, value: str, defaults: List[str]) -> None:
    bad, after = gdb.run(["set gdbext %s %s" % (name, value), "show gdbext %s" % name]).answers
    assert bad.stdout == "" and bad.stderr.count("\n") == 1
    assert after.stdout == defaults[NAMES.index(name)] + "\n"


def test_help() -> None:
    settings, one = answers("help set gdbext", "help set gdbext repr-depth")
    for name in NAMES:
        assert "set gdbext %s -- Set " % name in settings
    assert one.startswith("Set how many containers") and "unlimited" in one


def test_version() -> None:
    found = gdb.find()
    text, document = answers("gdbext version", "gdbext version -json")
    assert text == "gdbext %s, gdb %s, Python %s within gdb\n" % (gdbext.__version__, found.version, found.python)
    assert '"command": "gdbext version"' in document and document.count("\n") == 1
