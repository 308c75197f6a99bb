"""An aarch64 CPython: Debian's, under QEMU's user mode, read through its gdb stub.

The stub tells neither what is mapped nor pthread_t, and its threads have no debug information: all that
gdbext knows of this machine is at work.
"""

from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Set

import pytest
from elftools.elf.elffile import ELFFile

from tests.support import aarch64, compare, gdb, processes
from tests.support.packages import NotAvailable

# Host system calls of x86-64: QEMU makes a guest's calls by its own. pause() is ppoll() on aarch64.
FUTEX, PPOLL = "202", "271"
ARCHITECTURE = "python print(gdb.selected_frame().architecture().name())"
TRACEBACKS = "thread apply all -q py-bt-plus -json"
NATIVE = "thread apply all -q py-bt-plus -native -json"
CALLS = "py-symbols -calls read -json"
COMMANDS = ["py-threads -json", "py-threads", TRACEBACKS, ARCHITECTURE, NATIVE, CALLS]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dict[str, Any]]:
    """The truth of programs/gil.py and gdb's answers, from a stop in which all is blocked."""
    try:
        emulated = aarch64.find()
    except NotAvailable as error:
        pytest.skip(str(error))
    with aarch64.session(emulated, "gil.py", COMMANDS, tmp_path_factory.mktemp("aarch64")) as session:
        program = session.program
        lwps = {thread["key"]: thread["lwp"] for thread in program.truth["threads"]}
        waiters = [key for key in lwps if key.startswith("waiter")]

        def waits_for_the_gil(key: str) -> Callable[[], bool]:
            def check() -> bool:
                call = processes.system_call(program.pid, lwps[key])
                # With a timeout, the switch interval. QEMU's own locks have none.
                return call[0] == FUTEX and int(call[4], 16) != 0
            return check

        processes.wait_for(lambda: processes.system_call(program.pid, lwps["holder"])[0] == PPOLL,
                           "the holder in pause()")
        program.write(b"." * len(waiters))
        for key in waiters:
            processes.wait_for(waits_for_the_gil(key), "%s waiting for the GIL" % key)
        answers = session.interrupt(len(COMMANDS))
        yield {"truth": program.truth, "answers": dict(zip(COMMANDS, answers)), "python": emulated.python}


def documents(stopped: Dict[str, Any], command: str) -> List[Mapping[str, Any]]:
    """The JSON that a command printed."""
    answer: gdb.Answer = stopped["answers"][command]
    return list(answer.documents())


def test_it_is_aarch64(stopped: Dict[str, Any]) -> None:
    assert stopped["answers"][ARCHITECTURE].stdout == "aarch64\n"


def test_threads(stopped: Dict[str, Any]) -> None:
    """Idents, states and frames are what the threads told of themselves."""
    [document] = documents(stopped, "py-threads -json")
    truth, got = compare.by_lwp(stopped["truth"]["threads"]), compare.by_lwp(document["threads"])
    assert {lwp: thread["ident"] for lwp, thread in got.items()} == {
        lwp: thread["ident"] for lwp, thread in truth.items()}
    assert {thread["state"] for thread in got.values()} == {"waiting"}
    compare.assert_same(
        {lwp: [compare.frame_line(thread["frames"][0])] for lwp, thread in truth.items()},
        {lwp: [compare.frame_line(thread["frame"])] for lwp, thread in got.items()}, "threads")


def test_gil(stopped: Dict[str, Any]) -> None:
    """By the address that a futex call was given, on either side of its instruction."""
    [document] = documents(stopped, "py-threads -json")
    truth = compare.by_lwp(stopped["truth"]["threads"])
    got = compare.by_lwp(document["threads"])
    assert {truth[lwp]["key"]: thread["gil"] for lwp, thread in got.items()} == {
        "main": None, "bystander": None, "holder": "holds",
        "waiter-0": "waits", "waiter-1": "waits", "waiter-2": "waits"}
    [holder] = [thread["ident"] for thread in truth.values() if thread["key"] == "holder"]
    assert {thread["waiting_on"]["owner"] for thread in got.values() if thread["gil"] == "waits"} == {holder}


def test_tracebacks(stopped: Dict[str, Any]) -> None:
    [threads] = documents(stopped, "py-threads -json")
    compare.assert_tracebacks(
        {**stopped["truth"], "native_threads": []}, documents(stopped, TRACEBACKS), threads)


def test_native_frames(stopped: Dict[str, Any]) -> None:
    """Unwound with the tables of this machine's images; each Python frame is in the place of its run."""
    [threads] = documents(stopped, "py-threads -json")
    found = documents(stopped, NATIVE)
    python = [{**document, "frames": [frame for frame in document["frames"] if frame["kind"] == "python"]}
              for document in found]
    compare.assert_tracebacks({**stopped["truth"], "native_threads": []}, python, threads)
    assert all(frame["placed"] and frame["found_by"] == "thread-state"
               for document in python for frame in document["frames"])
    for document in found:
        assert document["notes"] == []
        assert document["frames"][0]["kind"] == "native" and document["frames"][-1]["kind"] == "native"


def test_a_table_of_another_machine_is_not_exact(stopped: Dict[str, Any]) -> None:
    [document] = documents(stopped, "py-threads -json")
    assert document["target"]["layout"]["source"] != "dwarf"
    assert document["target"]["layout"]["exact"] is False
    assert "not made for this build" in stopped["answers"]["py-threads"].stdout


def calls_by_the_linkage_table(path: Path, name: str) -> Set[int]:
    """Where a program that is linked to fixed addresses calls a function, by the order of its linkage table."""
    with open(path, "rb") as file:
        elf = ELFFile(file)
        relocations = elf.get_section_by_name(".rela.plt")
        symbols = elf.get_section(relocations["sh_link"])
        names = [symbols.get_symbol(each["r_info_sym"]).name for each in relocations.iter_relocations()]
        linkage, text = elf.get_section_by_name(".plt"), elf.get_section_by_name(".text")
        # A header, then entries of one size.
        size = 24 if linkage["sh_size"] == 32 + 24 * len(names) else 16
        entry = linkage["sh_addr"] + 32 + size * names.index(name)
        code, start = text.data(), text["sh_addr"]
    found = set()
    for at in range(0, len(code) - 3, 4):
        word = int.from_bytes(code[at:at + 4], "little")
        if word >> 26 in (0b000101, 0b100101):
            distance = word & (1 << 26) - 1
            if start + at + 4 * (distance - (1 << 26) * (distance >> 25)) == entry:
                found.add(start + at)
    return found


def test_calls(stopped: Dict[str, Any]) -> None:
    """As the program's own linkage table has them; of functions without names where they begin."""
    [document] = documents(stopped, CALLS)
    found = {int(each["address"], 16): each for each in document["calls"]
             if each["path"].endswith("/" + stopped["python"].name)}
    expected = calls_by_the_linkage_table(stopped["python"], "read")
    assert expected and {address for address, each in found.items() if not each["loads"]} == expected
    for address, each in found.items():
        assert each["function"] is None or each["function"].isidentifier()
        assert int(each["function_start"], 16) <= address
