"""Fixtures of the tests that run gdb."""

import os
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from tests.support import embedding, packages, stripped
from tests.support import gdb as gdb_runner
from tests.support import installed as installing
from tests.support.interpreters import Found, Interpreter
from tests.support.stripped import Launch
from tests.support.subject import Subject


@pytest.fixture(autouse=True)
def _needs_gdb(gdb: gdb_runner.Gdb) -> None:
    """Every test here needs gdb."""


@pytest.fixture(scope="session")
def launch(interpreter: Interpreter, mode: str, request: pytest.FixtureRequest) -> Launch:
    """How to start the interpreter for a mode: as installed, or its stripped copy."""
    if mode == "stripped":
        folder: Path = request.getfixturevalue("stripped_folder")
        return stripped.stripped(interpreter, folder)
    return stripped.as_installed(interpreter)


@pytest.fixture(scope="session")
def make_subject(launch: Launch, mode: str) -> Iterator[Callable[..., Subject]]:
    """Makes subjects of programs; they end with the interpreter's turn."""
    made = []

    def make(script: str, *arguments: str) -> Subject:
        made.append(Subject(launch, mode, script, *arguments))
        return made[-1]

    yield make
    for subject in made:
        subject.close()


@pytest.fixture(scope="session")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that loads libpython by path."""
    try:
        return embedding.build(tmp_path_factory.mktemp("embed") / "embed")
    except embedding.CannotBuild as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def installed(found: Found, tmp_path_factory: pytest.TempPathFactory) -> List[str]:
    """The command `gdbext` in an environment of its own, which tests that run side by side share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    try:
        return installing.once(found.interpreters, folder / "installed")
    except packages.NotAvailable as error:
        pytest.skip(str(error))
