"""Thousands of numbers, texts and nested containers in one process are all shown as repr() shows them."""

import json
import unicodedata
from pathlib import Path
from typing import Any, List

import pytest

from tests.support import gdb, processes, stripped, values
from tests.support.interpreters import Interpreter

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed")
st = hypothesis.strategies

# How many of each kind.
EACH = 700


def is_settled(character: str) -> bool:
    """Whether no Python since 3.6 disagrees with another on what the character is: none that came later."""
    category = unicodedata.category(character)
    return category == unicodedata.ucd_3_2_0.category(character) and category != "Cn"


CHARACTERS = st.characters(blacklist_categories=()).filter(is_settled)
NUMBERS = st.one_of(st.integers(), st.integers(-2 ** 70, 2 ** 70), st.integers(0, 2 ** 3000))
FLOATS = st.floats()
TEXTS = st.text(CHARACTERS)
LEAVES = st.one_of(st.none(), st.booleans(), st.just(...), NUMBERS, FLOATS,
                   st.complex_numbers(allow_nan=False, allow_infinity=False), TEXTS, st.binary())
HASHABLE = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.binary(), st.tuples(NUMBERS, TEXTS))
NESTED = st.recursive(LEAVES, lambda inner: st.one_of(
    st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(HASHABLE, inner), st.sets(HASHABLE),
    st.frozensets(HASHABLE)), max_leaves=40)


def made(strategy: Any) -> List[Any]:
    """Some of what a strategy makes; the same at each run, so that a failure can be looked into."""
    found: List[Any] = []

    @hypothesis.settings(
        max_examples=EACH, derandomize=True, database=None, deadline=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


@pytest.fixture(scope="session")
def literals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Literals of all kinds of values, in ASCII."""
    found = [ascii(value) for strategy in (NUMBERS, FLOATS, TEXTS, st.binary(), NESTED) for value in made(strategy)]
    path = tmp_path_factory.mktemp("literals") / "literals.json"
    path.write_text(json.dumps(found))
    return path


def test_values_made_at_random(interpreter: Interpreter, literals: Path, tmp_path: Path) -> None:
    """All equal, without symbols."""
    launch = stripped.as_installed(interpreter)
    with processes.running_python(launch, "literals.py", str(literals)) as program:
        processes.wait_until_told(program)
        cases = program.truth["values"]
        answer, = gdb.run([values.command(tmp_path, [address for _name, address, _text in cases])],
                          mode="hidden", pid=program.pid).answers
    assert answer.stderr == "" and len(cases) > 4 * EACH
    values.assert_same(cases, json.loads(answer.stdout))
