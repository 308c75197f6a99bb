"""Thousands of numbers, texts and nested containers in one process are all shown as repr() shows them."""

import contextlib
import io
import json
import subprocess
from pathlib import Path
from typing import Any, List

import pytest

from gdbext.cpython.values.characters import text_repr
from tests.support import gdb, processes, stripped, values
from tests.support.interpreters import Interpreter

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed")
st = hypothesis.strategies

# How many of each kind.
EACH = 300

# repr() of every character there is; lone surrogates are always escaped.
EVERY_CHARACTER = """import hashlib
text = "".join(map(chr, range(0xd800))) + "".join(map(chr, range(0xe000, 0x110000)))
print(hashlib.sha256({}.encode("utf-8")).hexdigest())"""

CHARACTERS = st.characters(blacklist_categories=())
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
    # Those on which Pythons disagree, for each has the Unicode of its time; also beside quotes and backslashes.
    since = json.loads((gdb.REPOSITORY / "gdbext/cpython/values/characters.json").read_text())
    disputed = [chr(code) for ranges in since.values() for first, last in ranges
                for code in (first - 1, first, last, last + 1)]
    disputed += ["'\\" + "".join(disputed), '\\u0378"' + "".join(disputed) + "'"]
    found = [ascii(value) for value in disputed]
    found += [ascii(value) for strategy in (NUMBERS, FLOATS, TEXTS, st.binary(), NESTED) for value in made(strategy)]
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


def test_every_character(interpreter: Interpreter) -> None:
    """It is known of each whether this version shows or escapes it."""
    if interpreter.root is not None:
        pytest.skip("the interpreters of another root run in it alone")
    theirs = subprocess.run([str(interpreter.path), "-S", "-E", "-c", EVERY_CHARACTER.format("repr(text)")], check=True,
                            capture_output=True, text=True)
    ours = io.StringIO()
    with contextlib.redirect_stdout(ours):
        exec(EVERY_CHARACTER.format("text_repr(text, %d)" % interpreter.minor[1]), {"text_repr": text_repr})
    assert theirs.stdout == ours.getvalue()
