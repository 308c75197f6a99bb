"""The harness of damaged memory: what is taken for a wrong answer without a mark, and the lines of a command."""

import copy
from typing import Any, Callable, Dict, Tuple

import pytest

from tests.support import claims, usage

TARGET = {"target": {"layout": {"exact": True}}, "notes": []}
E = {"type": "KeyError", "module": "builtins", "message": "'x'", "exact": True, "address": "0x10", "problem": None,
     "traceback": [{"function": "f", "file": "f.py", "line": 3, "problem": None}], "suppress_context": False,
     "notes": [], "cause": None, "context": None}
HOLDER = {"number": 2, "evidence": "owner-field", "doubt": None}
FRAME = {"kind": "python", "function": "f", "qualname": "f", "file": "f.py", "line": 3, "address": "0x1",
         "found_by": "thread-state", "problem": None}
THREAD = {"lwp": 7, "ident": 70, "name": "one", "interpreter": 0, "gil": None, "state": "waiting", "frame": FRAME}
TRUTH: Dict[str, Dict[str, Any]] = {
    "py-threads -json": {**TARGET, "threads": [THREAD]},
    "py-bt-plus -json": {**TARGET, "frames": [FRAME, {**FRAME, "address": "0x2"}]},
    "py-exc -all -json": {**TARGET, "threads": [
        {"number": 1, "problem": None, "handling": [{**E, "context": E}], "raising": None}]},
    "py-locks -json": {**TARGET, "deadlocks": [{"threads": [70, 71]}], "possible_deadlocks": [], "locks": [
        {"address": "0x5", "kind": "rlock", "name": "m.lock", "detail": "RLock m.lock", "problem": None,
         "holder": HOLDER, "waiters": [{"number": 1}]}]},
    "py-leaks -json": {**TARGET, "partial": False, "types": [{"type": "builtins.dict", "count": 3, "bytes": 99}]},
}
Path = Tuple[Any, ...]


@pytest.mark.parametrize("line", claims.JUDGES)
def test_the_truth_is_right(line: str) -> None:
    assert list(claims.JUDGES[line](TRUTH[line], TRUTH[line])) == []


# What is another than it was, and what marks that.
@pytest.mark.parametrize("line, path, value, mark", [
    ("py-threads -json", ("threads", 0, "name"), "two", None),
    ("py-threads -json", ("threads", 0, "lwp"), 8, None),
    ("py-threads -json", ("threads", 0, "state"), "native", None),
    ("py-threads -json", ("threads", 0, "frame", "line"), 4, ("threads", 0, "frame", "problem")),
    ("py-bt-plus -json", ("frames", 1, "line"), 4, ("frames", 1, "problem")),
    ("py-bt-plus -json", ("frames", 1, "address"), "0x3", ("frames", 1, "problem")),
    ("py-bt-plus -json", ("frames",), [FRAME], ("notes",)),
    ("py-exc -all -json", ("threads", 0, "handling"), [], ("threads", 0, "problem")),
    ("py-exc -all -json", ("threads", 0, "raising"), E, ("threads", 0, "problem")),
    ("py-exc -all -json", ("threads", 0, "handling", 0, "message"), "y", ("threads", 0, "handling", 0, "exact")),
    ("py-exc -all -json", ("threads", 0, "handling", 0, "type"), "int", ("threads", 0, "handling", 0, "problem")),
    ("py-exc -all -json", ("threads", 0, "handling", 0, "context"), None, ("threads", 0, "handling", 0, "problem")),
    ("py-exc -all -json", ("threads", 0, "handling", 0, "traceback", 0, "line"), 5,
     ("threads", 0, "handling", 0, "traceback", 0, "problem")),
    ("py-locks -json", ("locks", 0, "holder", "number"), 3, ("locks", 0, "holder", "doubt")),
    ("py-locks -json", ("locks", 0, "waiters", 0, "number"), 3, ("locks", 0, "problem")),
    ("py-locks -json", ("locks", 0, "name"), "m.other", ("locks", 0, "problem")),
    ("py-locks -json", ("locks", 0, "address"), "0x6", ("locks", 0, "problem")),
    ("py-locks -json", ("deadlocks",), [], ("possible_deadlocks",)),
    ("py-leaks -json", ("types", 0, "count"), 4, ("partial",)),
])
def test_what_is_wrong_is_seen(line: str, path: Path, value: Any, mark: Path) -> None:
    answer = copy.deepcopy(TRUTH[line])
    judge: Callable = claims.JUDGES[line]
    change(answer, path, value)
    assert list(judge(TRUTH[line], answer))
    if mark is not None:
        # exact says it by being false; all others by being there.
        change(answer, mark, False if mark[-1] == "exact" else ["marked"])
        assert list(judge(TRUTH[line], answer)) == []
    answer = copy.deepcopy(TRUTH[line])
    change(answer, path, value)
    answer["target"]["layout"]["exact"] = False
    assert list(judge(TRUTH[line], answer)) == []


def change(document: Any, path: Path, value: Any) -> None:
    """Put another value where a path of keys and indices leads."""
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


def test_few_forms_have_every_word() -> None:
    forms = usage.forms("leaks [-limit N] [-sort count|bytes] [-json] [A B]")
    few = usage.few(forms)
    assert few[0] == ("leaks",)
    assert few[1:] == [("leaks", "-limit", "N", "-sort", "count", "A", "B"), ("leaks", "-sort", "bytes"),
                       ("leaks", "-json"), ("leaks", "-limit", "N", "-sort", "count", "-json", "A", "B"),
                       ("leaks", "-sort", "bytes", "-json")]
    assert usage.few([]) == []
