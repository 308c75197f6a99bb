"""py-leaks retained and export: against removing objects one by one, and read back, by DevTools too."""

import json
import os
import random
import stat
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Sequence, Set

import pytest

from tests.support import chromium, compare, gdb, heap_files, packages, processes, stripped
from tests.support.interpreters import Interpreter

# programs/leaking.py has handled so many requests.
REQUESTS = 50


@pytest.fixture
def program(interpreter: Interpreter) -> Iterator[processes.Program]:
    """A service that keeps its requests."""
    with processes.running_python(stripped.as_installed(interpreter), "leaking.py") as running:
        yield running


def ask(program: processes.Program, *commands: str) -> List[gdb.Answer]:
    """gdb's answers; nothing is on stderr."""
    answers = gdb.run(commands, mode="hidden", pid=program.pid).answers
    assert "".join(answer.stderr for answer in answers) == ""
    return answers


class Lines:
    """The lines of JSON, and what can be reached in them."""

    def __init__(self, path: Path) -> None:
        documents = [json.loads(line) for line in path.read_text("ascii").splitlines()]
        self.head = documents[0]
        self.roots: List[Dict[str, Any]] = [each for each in documents[1:] if "root" in each]
        self.objects: Dict[str, Dict[str, Any]] = {
            each["address"]: each for each in documents[1:] if "root" not in each}
        assert len(documents) == 1 + self.head["roots"] + self.head["objects"]
        self.held = {address for root in self.roots for address, _via in root["holds"]}

    def reached(self, held: Set[str], without: str = "") -> Set[str]:
        """What `held` leads to, when an object is not there."""
        found = held - {without}
        waiting = list(found)
        while waiting:
            for address, via in self.objects[waiting.pop()]["refers_to"]:
                if via != "interned" and address != without and address not in found:
                    found.add(address)
                    waiting.append(address)
        return found

    def bytes_of(self, addresses: Iterable[str]) -> int:
        """What these take of the heap."""
        return sum(self.objects[each]["bytes"] for each in addresses if self.objects[each]["on_heap"])

    def holder(self, address: str) -> List[Sequence[str]]:
        """(address, how) of what refers to an object."""
        return [(each["address"], via) for each in self.objects.values() for to, via in each["refers_to"]
                if to == address]


def test_retained_and_files(program: processes.Program, tmp_path: Path) -> None:
    """Every file has the same objects; sizes are what removing the object would free."""
    names = [tmp_path / name for name in ("heap.jsonl", "heap.heapsnapshot", "other")]
    retained, text, lines, snapshot, pyheap = ask(
        program, "py-leaks retained -json -limit 40", "py-leaks retained -limit 3",
        *("py-leaks export -json %s%s" % (option, name) for option, name in zip(("", "", "-format pyheap "), names)))
    assert sorted(os.listdir(tmp_path)) == ["heap.heapsnapshot", "heap.jsonl", "other"]
    assert all(stat.S_IMODE(name.stat().st_mode) == 0o600 for name in names)
    heap = Lines(names[0])
    answer = retained.document()
    everything = heap.reached(heap.held)
    assert everything == set(heap.objects)
    rows = {each["address"]: each for each in answer["retained"]}
    sizes = [each["retained"] for each in answer["retained"]]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == max(each["retained"] for each in heap.objects.values())
    seen = heap.holder("%#x" % program.truth["request"])
    assert [via for _address, via in seen] == ["[7]"]
    chosen = [*list(rows)[:2], seen[0][0], *random.Random(1).sample(sorted(heap.objects), 3)]
    for address in chosen:
        gone = everything - heap.reached(heap.held, address)
        assert heap.objects[address]["retained"] == heap.bytes_of(gone)
        if address in rows:
            assert rows[address]["objects"] == sum(heap.objects[each]["on_heap"] for each in gone)
    kept = everything - heap.reached(heap.held, seen[0][0])
    types = [heap.objects[each]["type"] for each in kept]
    assert types.count("__main__.Request") == REQUESTS <= types.count("builtins.str")
    assert answer["bytes"] == heap.bytes_of(heap.objects)
    assert {each["type"] for each in answer["types"]} <= {each["type"] for each in heap.objects.values()}
    assert text.stdout.splitlines()[1].split()[0] == "{:,}".format(sizes[0])
    assert "(%d more types)" % (len(answer["types"]) - 3) in text.stdout

    nodes = heap_files.read_snapshot(names[1])
    told = [each.document() for each in (lines, snapshot, pyheap)]
    assert [each["format"] for each in told] == ["jsonl", "heapsnapshot", "pyheap"]
    assert [each["bytes"] for each in told] == [name.stat().st_size for name in names]
    assert len(nodes) == 1 + len(heap.roots) + len(heap.objects)
    # What DevTools adds up is the heap.
    assert [node.size for node in nodes[1 + len(heap.roots):]] == [
        each["bytes"] if each["on_heap"] else 0 for each in heap.objects.values()]
    assert all(each["bytes"] for each in heap.objects.values())
    assert [len(node.edges) for node in nodes[1 + len(heap.roots):]] == [
        len(each["refers_to"]) for each in heap.objects.values()]
    assert [node.name for node in nodes[1:1 + len(heap.roots)]] == [root["root"] for root in heap.roots]
    places = {address: 1 + len(heap.roots) + index for index, address in enumerate(heap.objects)}
    request = places["%#x" % program.truth["request"]]
    assert nodes[request].name == "__main__.Request" and nodes[request].kind == "object"
    assert [(node.name, edge[:2]) for node in nodes for edge in node.edges if edge[2] == request] == [
        ("list", ("element", 7))]
    assert "handle" in {node.name for node in nodes if node.kind == "closure"}
    assert "/item/7" in {node.name for node in nodes if node.kind == "string"}

    other = heap_files.read_pyheap(names[2])
    assert list(map(hex, other.objects)) == list(heap.objects)
    for address, each in other.objects.items():
        line = heap.objects[hex(address)]
        assert line["type"] in (other.types[each.type], "builtins." + other.types[each.type])
        assert (each.size, [hex(held) for held in each.referents]) == (
            line["bytes"], [held for held, _via in line["refers_to"]])
        assert set(each.attributes.values()) <= set(each.referents)
    keeps = other.objects[int(seen[0][0], 16)]
    assert len(keeps.items) == REQUESTS and keeps.items[7] == program.truth["request"]
    assert {"list", "dict", "set", "tuple"} == set(other.well_known)
    (thread, alive, daemon, frames), = other.threads
    # The ident, where nothing has imported threading.
    assert thread == "MainThread" or int(thread, 16)
    assert (alive, daemon) == (True, False)
    assert [(Path(each[0]).name, each[2]) for each in frames] == [("leaking.py", "main"), ("leaking.py", "<module>")]
    assert frames[0][3]["child"] in other.objects and frames[0][1] > 0


def test_what_python_says(interpreter: Interpreter, tmp_path: Path) -> None:
    """Of threads, a module's frame, and sizes, those too of what is on no heap; no name makes a built-in type."""
    with processes.running_python(stripped.as_installed(interpreter), "exported.py") as program:
        ask(program, "py-leaks export %s" % (tmp_path / "heap.pyheap"))
        truth = program.truth
    heap = heap_files.read_pyheap(tmp_path / "heap.pyheap")
    assert heap.well_known == truth["containers"]
    assert sorted(list(each[:3]) for each in heap.threads) == sorted(truth["told"])
    worker, = (each for each in heap.threads if each.name == "worker")
    module, = (frame for frame in worker.frames if frame[0] == "/module.py")
    assert module[1:3] == (2, "<module>")
    assert {name: module[3].get(name) for name in truth["module"]} == truth["module"]
    sizes = {int(address): size for address, size in truth["sizes"].items() if int(address) in heap.objects}
    assert {address: heap.objects[address].size for address in sizes} == sizes and len(sizes) > 100
    for address, name in truth["called"]:
        each = heap.objects[address]
        assert each.items == [] and each.type not in heap.well_known.values() and heap.types[each.type] == name
    assert [heap.objects[address].text for address, _name in truth["called"][-2:]] == [
        "{'key': ['value']}", "<code object at %#x>" % truth["called"][-1][0]]


def test_devtools(interpreter: Interpreter, one_interpreter: Interpreter, program: processes.Program,
                  tmp_path: Path) -> None:
    """DevTools, in Chromium, counts the same, and comes to the same retained sizes and retainers."""
    if interpreter != one_interpreter:
        pytest.skip("DevTools takes seconds, and reads the file of %s, which is made in the same way"
                    % one_interpreter.id)
    try:
        chromium.find()
    except packages.NotAvailable as error:
        pytest.skip(str(error))
    file, lines = tmp_path / "heap.heapsnapshot", tmp_path / "heap.jsonl"
    ask(program, "py-leaks export %s" % file, "py-leaks export %s" % lines)
    heap = Lines(lines)
    with chromium.Chromium(tmp_path / "chromium", chromium.DEVTOOLS) as browser:
        browser.load_snapshot(file)
        answer = browser.run("""
            const classes = {}, found = snapshot.getAggregatesByClassKey(false, 'all');
            for (const key in found) classes[found[key].name] = [found[key].count, found[key].self, key];
            const requests = snapshot.createNodesProviderForClass(classes['__main__.Request'][2], {})
                .serializeItemsRange(0, 1000).items;
            const retainers = requests.map(each => snapshot.createRetainingEdgesProvider(each.nodeIndex)
                .serializeItemsRange(0, 10).items.map(edge => [edge.type, edge.name, edge.node.name]));
            const retained = [];
            for (const iterator = snapshot.allNodes(); iterator.hasNext(); iterator.next())
                retained.push(iterator.item().retainedSize());
            return {count: snapshot.nodeCount, total: snapshot.totalSize, classes, retained, retainers,
                    distance: requests[0].distance};""")
    assert answer["count"] == 1 + len(heap.roots) + len(heap.objects)
    assert answer["total"] == heap.bytes_of(heap.objects)
    assert answer["classes"]["__main__.Request"][0] == REQUESTS
    count = sum(each["type"] == "builtins.dict" for each in heap.objects.values())
    assert answer["classes"]["dict"][0] == count
    assert sorted(answer["retainers"]) == sorted([["element", str(index), "list"]] for index in range(REQUESTS))
    assert 3 < answer["distance"] < 20
    assert answer["retained"][1 + len(heap.roots):] == [each["retained"] for each in heap.objects.values()]


def test_refusals(one_interpreter: Interpreter, tmp_path: Path) -> None:
    """No file is written over unless told to, and nothing is left of one that can't be written."""
    there = tmp_path / "there.jsonl"
    there.write_text("mine")
    dangling = tmp_path / "link.jsonl"
    dangling.symlink_to(tmp_path / "nothing")
    with processes.running_python(stripped.as_installed(one_interpreter), "leaking.py") as program:
        for command, stdout, stderr in gdb.run(
                ["py-leaks export %s" % there, "py-leaks export %s" % dangling, "py-leaks export %s/heap" % tmp_path,
                 "py-leaks export %s/no/heap.jsonl" % tmp_path, "py-leaks export -format jsonl -force %s" % tmp_path,
                 "py-leaks export", "py-leaks retained extra", "py-leaks export -format what x"],
                mode="hidden", pid=program.pid).answers:
            assert stdout == "", command
            assert compare.one_line(stderr).startswith(" ".join(command.split()[:2])), (command, stderr)
        assert sorted(os.listdir(tmp_path)) == ["link.jsonl", "there.jsonl"] and there.read_text() == "mine"
        there.chmod(0o644)
        ask(program, "py-leaks export -force %s" % there)
        assert Lines(there).head["format"] == "gdbext heap" and stat.S_IMODE(there.stat().st_mode) == 0o600
        assert sorted(os.listdir(tmp_path)) == ["link.jsonl", "there.jsonl"]
