"""Runs inside gdb: holds what numpy reads of references against what is read of one object after the other.

`python exec(open(...).read())`. Prints one JSON document: how much was compared, and what differs.
"""

import json
import random

from gdbext.analysis import reference_arrays, references
from gdbext.commands import model
from gdbext.cpython import heap_arrays, heap_walk, referent_arrays
from gdbext.cpython.reader import READ_ERRORS

# Objects whose paths and referrers are looked for, at random.
TARGETS = 6


def visited(kind, address):
    """What an object refers to."""
    try:
        return kind.visit(address)
    except READ_ERRORS:
        return []


def check():
    """All objects, and the answers for some."""
    current = model.current()
    arguments = current.pythons[0].runtime, current.memory.writable()
    heap_walk.LARGE = 0
    quick = references.References(*arguments)
    heap_arrays.numpy = lambda: None
    plain = references.References(*arguments)
    # By numpy however few there are, and in several pieces.
    referent_arrays.LEAST, references.NEAR, reference_arrays.MANY = 1, 0, 100
    addresses, reads, differing, compared = [], 0, [], 0
    for batch in reference_arrays.batches(quick.arrays, quick.walk.groups()):
        kind = plain.referents.kind(plain.referents.type_of(int(batch.addresses[0])))
        found = [[] for _ in batch.addresses]
        for holder, held in zip(batch.held.holders.tolist(), batch.held.held.tolist()):
            found[holder].append(held)
        for address, each in zip(batch.addresses.tolist(), found):
            addresses.append(address)
            expected = visited(kind, address)
            reads += len(expected)
            if each != expected:
                differing.append([hex(address), quick.type_name(address), expected[:9], each[:9]])
    paths = []
    for number, target in enumerate(random.Random(1).sample(sorted(addresses), TARGETS)):
        # One after the other as long as there are few, or never.
        reference_arrays.FEW = 0 if number % 2 else 64
        expected, got = ([each.paths(target, 1 + number % 3), each.referrers(target)] for each in (plain, quick))
        compared += len(got)
        if expected != got:
            paths.append([hex(target), str(expected)[:300], str(got)[:300]])
    return {"objects": len(addresses), "references": reads, "differing": differing[:9], "answers": compared,
            "paths": paths[:4]}


print(json.dumps(check()))
