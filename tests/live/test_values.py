"""Values are shown as repr() shows them, or in gdbext's own form where that would need code of the process.

programs/values.py makes some of every type.
"""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from tests.support import processes, values
from tests.support.subject import WAYS, Subject

pytestmark = pytest.mark.parametrize("mode, where", WAYS, scope="session")

# Small enough to cut most of what the program makes.
SMALL = (10, 3, 2, 500)


@pytest.fixture(scope="session")
def subject(make_subject: Callable[..., Subject]) -> Subject:
    """The program, for one interpreter and mode."""
    return make_subject("values.py")


@pytest.fixture
def answers(subject: Subject, where: str, tmp_path: Path) -> Dict[str, Any]:
    """One run of gdb for all tests: the cases, their texts without limits, and with small ones."""
    reason = processes.no_kernel_core() if where == "kernel core" else None
    if reason:
        pytest.skip(reason)
    if where not in subject.answers:
        cases = subject.place(where).truth["values"]
        addresses = [address for _name, address, _text in cases]
        run = subject.run(where, [values.command(tmp_path, addresses, limits)
                                  for limits in (values.UNLIMITED, SMALL)])
        for answer in run.answers:
            assert answer.stderr == ""
        subject.answers[where] = {
            "cases": cases, "all": json.loads(run.answers[0].stdout), "small": json.loads(run.answers[1].stdout)}
    return subject.answers[where]


def test_every_value(answers: Dict[str, Any]) -> None:
    """Without limits."""
    assert len(answers["cases"]) > 600
    values.assert_same(answers["cases"], answers["all"])


def test_limits(answers: Dict[str, Any]) -> None:
    """What is not cut is the same; what is cut says so."""
    cut: List[str] = []
    for (name, _address, text), shown in zip(answers["cases"], answers["small"]):
        if shown == text:
            continue
        cut.append(name)
        assert " more" in shown or "too deep>" in shown, name
    assert {"str 15", "int of many digits", "bytes 6", "list 3", "dict 3", "sixty levels", "dynamic"} <= set(cut)
    assert not set(cut) & {"list 0", "list 1", "tuple 1", "bool 0", "int 0", "enum 0", "plain object"}
