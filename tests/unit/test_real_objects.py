"""The same decoders on objects that an interpreter has made: what it says of them, and its memory."""

import json
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

import pytest

from gdbext.cpython.code import Codes
from gdbext.cpython.dicts import Dicts, Item
from gdbext.cpython.memory import Memory, Unreadable
from gdbext.cpython.objects import LONG_SUBCLASS, Objects
from gdbext.cpython.reader import Reader
from gdbext.layout.table import Table
from tests.support.interpreters import Interpreter
from tests.unit.builder import TABLES

MAKE = Path(__file__).with_name("make_objects.py")


class ProcessMemory(Memory):
    """The memory of a child."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        # Raises OSError where the kernel does not let one read a child.
        self._file = open(f"/proc/{pid}/mem", "rb", buffering=0)

    def fetch(self, address: int, size: int) -> bytes:
        try:
            self._file.seek(address)
            found = self._file.read(size)
        except (OSError, OverflowError, ValueError):
            found = b""
        if len(found) != size:
            raise Unreadable(address, size)
        return found

    def close(self) -> None:
        """Let go of the process."""
        self._file.close()


class Decoder:
    """All that is read of one interpreter's objects, as the program tells it."""

    def __init__(self, memory: Memory, table: Table) -> None:
        self.objects = Objects(Reader(memory, table.layout()))
        self.dicts = Dicts(self.objects)
        self.codes = Codes(self.objects)

    def decode(self, kind: str, address: int) -> Any:
        """The contents of an object."""
        objects = self.objects
        if kind == "text":
            return list(map(ord, objects.text(address)))
        if kind == "int":
            return str(objects.integer(address))
        if kind == "bytes":
            return objects.data(address).hex()
        if kind in ("tuple", "list"):
            return [objects.integer(item) for item in getattr(objects, kind + "_items")(address)]
        if kind == "dict":
            return self._pairs(self.dicts.items(address))
        if kind == "ends":
            items = list(self.dicts.items(address))
            return [len(items)] + self._pairs(items[:2] + items[-1:])
        if kind == "attributes":
            return self._pairs(self.dicts.attributes(address))
        assert kind == "code"
        code = self.codes.at(address)
        return [code.name, code.qualname, code.filename, code.line(-1)]

    def _pairs(self, items: Iterable[Item]) -> List[List[Any]]:
        return [[self._key(key), self.objects.integer(value)] for key, value in items]

    def _key(self, key: int) -> Any:
        is_int = self.objects.type_of(key).flags & LONG_SUBCLASS
        return self.objects.integer(key) if is_int else self.objects.text(key)


def table_of(interpreter: Interpreter) -> Optional[Table]:
    """The table of this very release, None where there is none."""
    return TABLES.get(interpreter.table)


@pytest.fixture(scope="module")
def answers(interpreter: Interpreter) -> Iterator[Dict[str, Tuple[Any, Any]]]:
    """What was told and what was decoded, by case; an error in place of what could not be decoded."""
    table = table_of(interpreter)
    if table is None:
        pytest.skip(f"there is no table of {interpreter.id}")
    with subprocess.Popen([str(interpreter.path), "-I", str(MAKE)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        try:
            cases = json.loads(process.stdout.readline())
            try:
                memory = ProcessMemory(process.pid)
            except OSError as error:
                pytest.skip(f"a child's memory can't be read: {error.strerror}")
            decoder = Decoder(memory, table)
            found = {}
            for case, kind, address, contents in cases:
                try:
                    decoded = decoder.decode(kind, address)
                except Exception as error:
                    decoded = error
                found[case] = contents, decoded
            memory.close()
            yield found
        finally:
            process.stdin.close()


def test_everything_is_decoded_as_the_interpreter_has_it(answers: Dict[str, Tuple[Any, Any]]) -> None:
    assert len(answers) > 70
    wrong = {case: decoded for case, (contents, decoded) in answers.items()
             if decoded != contents}
    assert wrong == {}
