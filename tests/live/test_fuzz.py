"""Every command on cores that are damaged at random: a fixed sample of what scripts/fuzz does by the thousand."""

from pathlib import Path

import pytest

from tests.support import fuzz
from tests.support.interpreters import Found

CASES = 6
COMMANDS = 6
SEED = "1"


@pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
def test_damage_at_random(found: Found, which: int, tmp_path: Path) -> None:
    """Each command ends with an answer or one line of error, in its time and memory."""
    if not found.interpreters:
        pytest.skip("no CPython that gdbext reads was found")
    tally = fuzz.run(fuzz.subject(found.interpreters[which], tmp_path), SEED, 0, CASES, COMMANDS)
    report = "\n".join(tally.report())
    print(report)
    assert tally.failures == {}, report
    assert tally.runs > CASES * (COMMANDS + 1)
    # One in two hundred is, in runs of 20,000; the census can't see an object whose type was written over.
    assert sum(count for line, count in tally.judged_wrong.items() if line != "py-leaks -json") < CASES / 2, report
