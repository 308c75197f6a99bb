"""Which tests one worker of pytest-xdist runs together: those of one file with one interpreter.

They share the programs under test and what gdb said of them. Imported where pytest-xdist is there.
"""

import re
from typing import Any, Iterable

import pytest
from xdist.scheduler import LoadScopeScheduling


def scope_of(node_id: str, interpreters: Iterable[str]) -> str:
    """The file of a test, and the id of its interpreter if it has one.

    >>> scope_of("tests/live/test_gil.py::test_it[hidden-3.11.7]", ["3.11.7", "3.12.1"])
    'tests/live/test_gil.py 3.11.7'
    """
    path, _, rest = node_id.partition("::")
    # An id may begin with another: 3.11.2 and 3.11.2-debian.
    for name in sorted(interpreters, key=len, reverse=True):
        if re.search(r"(?<![^\[-])%s(?![^\]-])" % re.escape(name), rest):
            return "%s %s" % (path, name)
    return path


class Scheduler(LoadScopeScheduling):
    """Hands out the tests scope by scope, the largest first."""

    def __init__(self, config: pytest.Config, log: Any, interpreters: Iterable[str]):
        super().__init__(config, log)
        self._interpreters = list(interpreters)

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid, self._interpreters)
