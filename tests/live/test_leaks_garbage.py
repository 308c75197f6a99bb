"""py-leaks garbage finds what the collector itself would, and says why it does not run."""

from tests.support import gdb, processes, stripped
from tests.support.interpreters import Interpreter


def test_garbage(interpreter: Interpreter) -> None:
    """The very objects that a collection of the same heap finds."""
    with processes.running_python(stripped.as_installed(interpreter), "garbage.py") as program:
        answer, text = gdb.run(["py-leaks garbage -json", "py-leaks garbage -limit 5"], mode="hidden",
                               pid=program.pid).answers
        truth = program.truth
    assert answer.stderr == text.stderr == ""
    document = answer.document()
    found = {int(address, 16) for cycle in document["cycles"] for address in cycle}
    found |= {int(address, 16) for address in document["hanging"]}
    # Instances have dicts of their own up to 3.10, which hang off cycles or are part of them.
    assert found == set(truth["garbage"])
    assert [int(each["address"], 16) for each in document["garbage"]] == truth["kept"]
    collector = document["collector"]
    assert collector["thresholds"][0] == 901
    assert collector["enabled"] is (None if interpreter.minor == (3, 6) else False)
    with_del = [types for types, finalized in zip(document["cycle_types"], document["finalized"])
                if finalized == ["__main__.Finalized"]]
    assert len(with_del) == 20 and all(types["__main__.Finalized"] == 2 for types in with_del)
    assert "garbage that is not yet collected" in text.stdout
