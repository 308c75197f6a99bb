"""README.rst: every session with gdb and every shell block in it is run, and prints what is written there."""

from typing import List

import pytest

from tests.support import packages, readme
from tests.support.interpreters import Found

SCENES = readme.scenes(readme.README.read_text(encoding="utf-8"))


@pytest.mark.parametrize("scene", SCENES, ids=[each.name for each in SCENES])
def test_scene(scene: readme.Scene, found: Found, request: pytest.FixtureRequest) -> None:
    """All commands of the blocks about one process. `scripts/readme` writes what they print into README.rst."""
    def command() -> List[str]:
        installed: List[str] = request.getfixturevalue("installed")
        return installed

    try:
        different = [line for printed in readme.play(scene, found.interpreters, command)
                     for line in readme.differences(printed)]
    except (readme.NotHere, packages.NotAvailable) as reason:
        pytest.skip(str(reason))
    assert not different, "\n".join(different)
