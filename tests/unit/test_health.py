"""The code itself: what ruff and mypy have to say of it, as pyproject.toml and setup.cfg set them."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

ROOT = Path(__file__).resolve().parents[2]


COMMANDS = (["ruff", "check", "--quiet", "--output-format", "concise"], ["mypy", "--no-error-summary"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_nothing_to_say(command: List[str]) -> None:
    if importlib.util.find_spec(command[0]) is None:
        pytest.skip("%s is not installed" % command[0])
    ended = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
    assert not ended.returncode and not ended.stdout, ended.stdout
