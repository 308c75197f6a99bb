"""gdbext.cpython.other_pythons: implementations that are not CPython, told from their images."""

from typing import List

import pytest

from gdbext.cpython import other_pythons, process
from tests.unit.builder import TABLES, FakeMemory
from tests.unit.made_process import FakeImage, MadeProcess, Place

DATA = 0x60_0000
VERSION = b"3.9.16 (7.3.11+dfsg, Dec 30 2024)\n[PyPy 7.3.11 with GCC 12.2.0]"


@pytest.fixture
def memory() -> FakeMemory:
    """PyPy's prebuilt strings, among other things."""
    made = FakeMemory()
    made.map(DATA, bytearray(b"\1" * 500 + VERSION + b"\0" * (0x1000 - 500 - len(VERSION))))
    return made


def refusal(images: List[FakeImage], memory: FakeMemory) -> str:
    """What is said of a process with these images."""
    with pytest.raises(process.NotPython) as error:
        process.open_all(images, memory, lambda image: None)
    assert "\n" not in str(error.value)
    return str(error.value)


def libpypy(path: str = "/x/libpypy3.9-c.so", readable: bool = True) -> FakeImage:
    """PyPy's library, under any name."""
    return FakeImage(path, {"pypy_main_startup": Place(0x1000, 8)}, [(DATA, 0x1000)], readable)


@pytest.mark.parametrize("path", ("/x/libpypy3.9-c.so", "/opt/service"))
def test_pypy_with_its_version(memory: FakeMemory, path: str) -> None:
    # The executable has no data of its own to tell.
    message = refusal([FakeImage("/x/bin/pypy3"), libpypy(path), FakeImage("/libc.so.6")], memory)
    assert message.startswith("this is PyPy 7.3.11, which gdbext does not read: it reads CPython 3.6 to 3.")
    assert path in message


def test_pypy_in_a_core_without_its_files(memory: FakeMemory) -> None:
    assert refusal([FakeImage("/x/bin/pypy3", readable=False), libpypy(readable=False)], memory).startswith(
        "this is PyPy 7.3.11,")


def test_pypy_whose_data_does_not_tell_the_version(memory: FakeMemory) -> None:
    assert refusal([FakeImage("/x/bin/pypy3.10")], memory).startswith("this is PyPy, which gdbext")


@pytest.mark.parametrize("path, name", (
    ("/usr/bin/micropython", "MicroPython"), ("/usr/bin/micropython-dev", "MicroPython"),
    ("/opt/graalpy/lib/libpythonvm.so", "GraalPy"), ("/opt/graalpy/bin/graalpy", "GraalPy"),
    ("/usr/bin/rustpython", "RustPython"),
    ("/usr/lib/jvm/lib/server/libjvm.so", "a Java virtual machine (Jython, if it runs Python)"),
    ("/usr/lib/dotnet/libcoreclr.so", "a .NET runtime (IronPython, if it runs Python)")))
def test_by_the_name_of_a_file(memory: FakeMemory, path: str, name: str) -> None:
    message = refusal([FakeImage("/x/bin/start"), FakeImage(path)], memory)
    assert message.startswith("this is %s, which" % name)


@pytest.mark.parametrize("symbol, name", (
    ("pypy_execute_source", "PyPy"), ("JNI_CreateJavaVM", "a Java"), ("coreclr_initialize", "a .NET")))
def test_by_a_symbol(memory: FakeMemory, symbol: str, name: str) -> None:
    assert refusal([FakeImage("/x", {symbol: Place(0x1000, 8)})], memory).startswith("this is %s" % name)


@pytest.mark.parametrize("path", (
    "/usr/bin/cat", "/home/pypy/bin/cat", "/x/libpython3.11.so.1.0", "/x/mypypy3", "/x/pypy3-helper",
    "/x/libjvm.so.d/cat", "/x/libjava.so"))
def test_others_are_not_taken_for_one(memory: FakeMemory, path: str) -> None:
    assert other_pythons.recognise([FakeImage(path)], memory) is None
    assert refusal([FakeImage(path)], memory).startswith("no CPython here: none of 1 mapped images")


def test_cpython_is_read_whatever_is_there_beside_it(memory: FakeMemory) -> None:
    made = MadeProcess(TABLES["3.11.7"])
    made.add_thread(made.add_interpreter())
    images = [FakeImage("/x/bin/pypy3"), FakeImage("/x/libjvm.so"), made.image()]
    [python] = process.open_all(images, made.memory, lambda image: None)
    assert python.version == "3.11.7"


def test_an_idle_libpython_in_pypy_is_not_what_is_named() -> None:
    made = MadeProcess(TABLES["3.11.7"])
    assert refusal([FakeImage("/x/bin/pypy3"), made.image()], made.memory).startswith("this is PyPy,")


def test_what_a_search_finds_has_names() -> None:
    made = MadeProcess(TABLES["3.11.7"])
    assert process.named([FakeImage("/libc.so"), made.image()], made.memory) == [
        "Python 3.11.7 in %s" % made.path]
