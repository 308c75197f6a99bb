"""What every test session does first: find the interpreters and gdb, say so, hand them out to tests.

Environment: GDBEXT_PYTHONS (paths, replaces the search), GDBEXT_REQUIRE (what must be there, see
tests/support/interpreters.py), GDB (the gdb to use).
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, List, Optional

import pytest

from tests.support import gdb as gdb_runner
from tests.support import interpreters, stripped

if TYPE_CHECKING:
    from tests.support.parallel import Scheduler


def pytest_addoption(parser: pytest.Parser) -> None:
    """--python PATH, repeatable; --each-python."""
    parser.addoption(
        "--python", action="append", default=[], metavar="PATH",
        help="test with this interpreter instead of all that are found (repeatable)")
    parser.addoption(
        "--each-python", action="store_true",
        help="only the tests that run once with each interpreter, for systems where the others have run")


FOUND = pytest.StashKey[interpreters.Found]()


def pytest_configure(config: pytest.Config) -> None:
    """Find the interpreters; fail where a required one is missing."""
    try:
        found = interpreters.find(config.getoption("--python"))
    except interpreters.NotUsable as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[FOUND] = found
    required = os.environ.get(interpreters.REQUIRE_VARIABLE, "")
    missing = interpreters.missing(required, found.interpreters)
    if missing:
        raise pytest.UsageError("%s: not found: %s" % (interpreters.REQUIRE_VARIABLE, ", ".join(missing)))
    if required:
        # Who requires interpreters requires the tests that run them.
        try:
            gdb_runner.find()
        except gdb_runner.NoGdb as error:
            raise pytest.UsageError(str(error)) from error


def pytest_report_header(config: pytest.Config) -> List[str]:
    """Which gdb and interpreters there are, and what is left out for which reason."""
    try:
        lines = ["gdb: {0.path} {0.version}, its Python {0.python}".format(gdb_runner.find())]
    except gdb_runner.NoGdb as error:
        lines = ["gdb: %s" % error]
    found = config.stash[FOUND]
    lines += ["python: %s %s" % (each.id, each.path) for each in found.interpreters] or ["python: none found"]
    reasons = {}
    for path, reason in found.left_out:
        reasons.setdefault((path.parent, reason), []).append(path.name)
    lines += ["left out: %s/{%s}: %s" % (folder, ",".join(names), reason)
              for (folder, reason), names in reasons.items()]
    return lines


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `interpreter` runs once with each."""
    if "interpreter" in metafunc.fixturenames:
        found = metafunc.config.stash[FOUND].interpreters
        if found:
            metafunc.parametrize("interpreter", found, ids=[each.id for each in found], scope="session")
        else:
            reason = pytest.mark.skip(reason="no CPython that gdbext reads was found")
            metafunc.parametrize("interpreter", [pytest.param(None, marks=reason)], scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """With --each-python, leave the other tests out."""
    if config.getoption("each_python"):
        kept: List[pytest.Item] = []
        others: List[pytest.Item] = []
        for item in items:
            (kept if "interpreter" in getattr(item, "fixturenames", ()) else others).append(item)
        config.hook.pytest_deselected(items=others)
        items[:] = kept


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "Optional[Scheduler]":
    """With pytest-xdist and `-n N`: what tests with one interpreter share is made once."""
    if config.getoption("dist") != "load":
        return None  # who asks for another distribution gets that
    from tests.support.parallel import Scheduler  # pytest-xdist need not be there
    return Scheduler(config, log, [each.id for each in config.stash[FOUND].interpreters])


@pytest.fixture(scope="session")
def found(pytestconfig: pytest.Config) -> interpreters.Found:
    """All interpreters, for a test that chooses among them."""
    return pytestconfig.stash[FOUND]


@pytest.fixture(scope="session")
def one_interpreter(found: interpreters.Found) -> interpreters.Interpreter:
    """One for all, for a test of what does not differ between them."""
    if not found.interpreters:
        pytest.skip("no CPython that gdbext reads was found")
    return found.interpreters[-1]


@pytest.fixture(scope="session")
def gdb() -> gdb_runner.Gdb:
    """The gdb to use; without one the test is skipped."""
    try:
        return gdb_runner.find()
    except gdb_runner.NoGdb as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def stripped_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where stripped copies lie during the session."""
    reason = stripped.missing_tool()
    if reason:
        pytest.skip(reason)
    yield tmp_path_factory.mktemp("stripped")
