"""Loops over the inferior's data have limits with names: what leads from one structure to the next may lead nowhere."""

import ast
import functools
import re
from typing import Dict, FrozenSet, Iterator, List, Set, Tuple

import pytest

from gdbext.elf import types
from tests.unit.test_import_rules import PACKAGE, sources

# What reads the inferior or a file, by the name of the method; besides it what calls these, see reading().
READS = frozenset(("pointer", "integer", "read", "u64", "u32", "word", "c_string", "fetch", "previous", "older",
                   "get_DIE_from_attribute"))
# A method with such a name is taken for that of a container.
OF_CONTAINERS = frozenset(name for each in (list, dict, set, bytes, str) for name in dir(each))
# What puts something into a container.
PUTS = frozenset(("append", "appendleft", "extend", "add", "update", "setdefault"))
LIMIT = re.compile(r"_?MAX_[A-Z_]+")
READERS = ("cpython", "analysis", "layout", "elf", "target")

Functions = Dict[str, List[ast.FunctionDef]]


def called(node: ast.AST) -> Iterator[str]:
    """The names of the functions and methods that are called."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            if isinstance(each.func, ast.Attribute):
                yield each.func.attr
            elif isinstance(each.func, ast.Name):
                yield each.func.id


def names(node: ast.AST) -> Set[str]:
    """The variables in an expression."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def functions_of(trees: Tuple[ast.AST, ...]) -> Functions:
    """All functions, by name: which of several is called, the text does not say."""
    found: Functions = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node)
    return found


def reading(functions: Functions) -> FrozenSet[str]:
    """The names of what reads the inferior, through whichever helpers."""
    calls = {name: {each for node in nodes for each in called(node)} for name, nodes in functions.items()}
    found: Set[str] = set(READS)
    while True:
        more = {name for name, its in calls.items() if its & found} - found - OF_CONTAINERS
        if not more:
            return frozenset(found)
        found |= more


def leads_on(loop: ast.While, reads: FrozenSet[str]) -> bool:
    """Whether how often a loop is gone through depends on what it reads: what its test looks at is made of that."""
    made: Set[str] = set()

    def is_made(value: ast.AST) -> bool:
        return bool(reads & set(called(value)) or made & names(value))

    before = None
    while before != len(made):
        before = len(made)
        for node in ast.walk(loop):
            if isinstance(node, (ast.Assign, ast.AugAssign, ast.For)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if is_made(node.iter if isinstance(node, ast.For) else node.value):
                    made |= {name for target in targets for name in names(target)}
            elif (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PUTS
                    and any(map(is_made, node.args))):
                made |= names(node.func.value)
    if not isinstance(loop.test, ast.Constant):
        return is_made(loop.test)
    ends = list(ends_of(loop))
    return any(map(is_made, ends)) if ends else bool(reads & set(called(loop)))


def ends_of(loop: ast.While) -> Iterator[ast.expr]:
    """On what conditions a `while True` is left."""
    for node in ast.walk(loop):
        if isinstance(node, ast.If) and any(isinstance(each, (ast.Break, ast.Return)) for each in node.body):
            yield node.test


def counts(test: ast.expr) -> bool:
    """Whether this is `a < b` or `a > 0`: what is read is no more than was asked for."""
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Lt, ast.Gt))


def goes_once(loop: ast.While) -> bool:
    """Whether it looks up where it has been, and keeps that: it then ends with the memory that there is."""
    kept = {name for node in ast.walk(loop) for name in kept_by(node)}
    return any(isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn))
               and kept & names(node.comparators[0]) for each in loop.body for node in ast.walk(each))


def kept_by(node: ast.AST) -> Set[str]:
    """The containers that a statement or call puts something into, or takes it from."""
    if isinstance(node, (ast.Assign, ast.Delete)):
        return {name for target in node.targets if isinstance(target, ast.Subscript) for name in names(target.value)}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PUTS:
        return names(node.func.value)
    return set()


def limits(node: ast.AST) -> Set[str]:
    """The limits that are named."""
    return {name for name in names(node) if LIMIT.fullmatch(name)}


def unlimited(trees: Tuple[ast.AST, ...]) -> Iterator[Tuple[ast.AST, ast.While]]:
    """Each `while`, with its tree, that what it reads may keep going on, and that neither it nor its helpers limit."""
    functions = functions_of(trees)
    reads = reading(functions)
    limiting = {name for name in reads - READS for node in functions.get(name, ()) if limits(node)}
    # Of a generator those who go through it may have the limit.
    limited = {name for nodes in functions.values() for node in nodes if limits(node) for name in called(node)}
    generators = {loop for name in limited for node in functions.get(name, ()) for loop in ast.walk(node)
                  if isinstance(loop, ast.While) and any(isinstance(each, ast.Yield) for each in ast.walk(loop))}
    for tree in trees:
        for loop in ast.walk(tree):
            if (isinstance(loop, ast.While) and leads_on(loop, reads) and not counts(loop.test) and not limits(loop)
                    and not goes_once(loop) and not limiting & set(called(loop)) and loop not in generators):
                yield tree, loop


@functools.lru_cache(maxsize=None)
def modules() -> Dict[ast.AST, str]:
    """What reads the inferior: the trees of modules, and their names."""
    return {ast.parse(path.read_text(encoding="utf-8")): name for name, path in sources().items()
            if path.relative_to(PACKAGE).parts[0] in READERS}


def test_what_follows_pointers_names_its_limit() -> None:
    functions = functions_of(tuple(modules()))
    reads = reading(functions)
    following = [loop for tree in modules() for loop in ast.walk(tree)
                 if isinstance(loop, ast.While) and leads_on(loop, reads)]
    assert len(following) > 12
    assert {"_linked", "thread_states"} <= reads < set(functions) | READS
    assert ["%s, line %d" % (modules()[tree], loop.lineno) for tree, loop in unlimited(tuple(modules()))] == []


@pytest.mark.parametrize("loop, is_found", [
    ("while node:\n    node = reader.pointer(node, 'a', 'b')", True),
    ("while node:\n    node = following(node)", True),
    ("while node:\n    node = limited(node)", False),
    ("while True:\n    node = memory.u64(node)", True),
    ("while True:\n    node = memory.u64(node)\n    if not node:\n        break", True),
    ("while True:\n    told = memory.u64(node)\n    node = next(nodes)\n    if not node:\n        break", False),
    ("while True:\n    node = memory.u64(node)\n    if len(seen) > MAX_SEEN:\n        break", False),
    ("while waiting:\n    for each in following(waiting.pop()):\n        waiting.append(each)", True),
    ("while waiting:\n    held = following(waiting.pop())\n    waiting += held", True),
    ("while waiting:\n    for each in following(waiting.pop()):\n        if each not in seen:\n"
     "            waiting.append(each)", True),
    ("while waiting:\n    for each in following(waiting.pop()):\n        if each not in seen:\n"
     "            seen.add(each)\n            waiting.append(each)", False),
    ("while node in links:\n    node = following(node)", True),
    ("def walk(node):\n    while node:\n        node = following(node)\n        yield node", True),
    ("def walk(node):\n    while node:\n        node = following(node)\n        yield node\n"
     "def all_of(node):\n    return list(islice(walk(node), MAX_NODES))", False),
    ("while parents[node]:\n    told.append(following(node))\n    node = parents[node]", False),
    ("while at < end:\n    at += len(memory.read(at, 8))", False),
    ("while size > 0:\n    size -= len(memory.read(at, 8))", False),
    ("while waiting:\n    waiting.pop()", False)])
def test_which_loops_are_looked_at(loop: str, is_found: bool) -> None:
    helpers = ("def following(node):\n    return helper(node)\n\ndef helper(node):\n    return [memory.u64(node)]\n\n"
               "def limited(node):\n    return memory.u64(node) if node < MAX_NODE else 0\n\n")
    assert len(list(unlimited((ast.parse(helpers), ast.parse(loop))))) == is_found


def test_nothing_asks_gdb_for_an_objfile_by_name() -> None:
    """gdb 13's lookup_objfile() throws a C++ exception through Python at Ctrl-C: see target/types.py."""
    assert [name for tree, name in modules().items() if "lookup_objfile" in called(tree)] == []


def test_typedefs_that_form_a_ring() -> None:
    class Typedef:
        tag = "DW_TAG_typedef"
        attributes = {"DW_AT_type": 0}

        def get_DIE_from_attribute(self, name: str) -> "Typedef":
            return self

    assert types._strip(Typedef()) is None
