"""Runs inside gdb: holds gdbext's view of the heap, object by object, against what the program told.

`python exec(open(...).read())` with TRUTH, a path, defined. Prints one JSON document of differences.
"""

import json
from collections import Counter

from gdbext.commands import model
from gdbext.cpython.heap_objects import HAVE_GC
from gdbext.cpython.heap_walk import HeapWalk
from gdbext.cpython.objects import INLINE_VALUES, MANAGED_DICT, TYPE_SUBCLASS
from gdbext.cpython.reader import READ_ERRORS
from gdbext.cpython.referents import Referents
from gdbext.cpython.sizes import Sizes
from gdbext.cpython.type_names import TypeNames

# What objects own without showing it to the collector: keys and names; a function's module, a slot's...
OWNED = ("builtins.str", "builtins.int")
# What the states of modules hold that these do not show: it can be part of no cycle. By the modules' names.
STATES_OWN = {"_random": ("builtins.wrapper_descriptor",), "_pickle": ("builtins.type",),
              "binascii": ("builtins.type",), "_datetime": ("datetime.datetime",)}
# And what other types own without showing it; struct sequences, in earlier releases, their hidden fields. That of
# sqlite3's types is borrowed: a cache's connection, a connection's exceptions. It is found by searching, and said to be
# a guess.
OTHERS_OWN = {"_io.BytesIO": ("builtins.bytes",), "_json.Scanner": ("builtins.dict",),
              "_thread._local": ("builtins.builtin_function_or_method",),
              "builtins.StgDict": ("builtins.tuple", "_ctypes.PyCSimpleType", "builtins.NoneType"),
              "os.stat_result": ("builtins.float",), "sqlite3.Cache": ("sqlite3.Connection", "sqlite3.Node"),
              "sqlite3.Connection": ("builtins.type",)}
TYPES_OWN = ("builtins.tuple",)
# Code is known to the collector in free-threaded builds, but shows it the constants only.
CODES_OWN = ("builtins.tuple", "builtins.bytes")


def running(runtime):
    """The frames of calls that have not ended: they go on in the child that measures."""
    frames = set()
    for interpreter in runtime.interpreters():
        for state in runtime.thread_states(interpreter).states:
            for frame in runtime.frames.walk(state.address):
                frames.add(frame.address)
                if runtime.layout.find("_PyInterpreterFrame"):
                    frames.add(runtime.reader.pointer(frame.address, "_PyInterpreterFrame", "frame_obj"))
    return frames


def module_name(runtime, address):
    """__name__, as a module has it in itself."""
    return runtime.objects.text(runtime.reader.pointer(address, "PyModuleObject", "md_name"))


def check(path):
    """What differs, a few of each kind."""
    with open(path) as file:
        truth = json.load(file)
    current = model.current()
    runtime = current.pythons[0].runtime
    walk = HeapWalk(runtime, current.memory.writable())
    sizes, names = Sizes(runtime), TypeNames(runtime)
    found = {}
    twice = []
    for group in walk.groups():
        name, all_sizes = names.of(group.type.address), sizes.of(group)
        exact = sizes.is_exact(group.type)
        for address, size in zip(group.addresses(), all_sizes):
            if address in found:
                twice.append(hex(address))
            found[address] = (name, size if exact else None)
    referents = Referents(runtime, walk.objects)

    def name_of(address):
        try:
            type_ = referents.type_of(address)
        except READ_ERRORS:
            type_ = None
        return names.of(type_.address) if type_ is not None else "no object"

    by_instances = {}
    for address, _name, _size, _tracked, told in truth["objects"]:
        type_ = referents.type_of(address) if address in found else None
        if type_ is not None and type_.flags & INLINE_VALUES:
            for each in referents.of(address):
                if name_of(each) == "builtins.dict" and each not in told:
                    by_instances[each] = told
    frames = running(runtime)
    missing, types, wrong, edges = [], [], [], []
    for address, name, size, _tracked, told in truth["objects"]:
        got = found.get(address)
        if got is None:
            missing.append([hex(address), name])
        elif got[0] != name:
            types.append([hex(address), name, got[0]])
        elif got[1] not in (size, None):
            wrong.append([hex(address), name, size, got[1]])
        elif got:
            type_ = referents.type_of(address)
            if type_.flags & HAVE_GC and address not in frames:
                answered = referents.of(address)
                # The values within an instance that has a dict are shown by one of the two (gh-130327).
                within = by_instances.get(address, ())
                if type_.flags & MANAGED_DICT and type_.flags & INLINE_VALUES:
                    within = [dict_ for dict_ in answered if dict_ in by_instances]
                if type_.flags & MANAGED_DICT and Counter(told) - Counter(answered):
                    # See Referents._inline.
                    answered += [value for _key, value in runtime.dicts.attributes(address) if value in told]
                lacking = Counter(told) - Counter(answered)
                besides = [name_of(each) for each in Counter(answered) - Counter(told) if each not in within]
                owned = OWNED + (TYPES_OWN if type_.flags & TYPE_SUBCLASS else ())
                owned += CODES_OWN if name == "builtins.code" else ()
                if name == "builtins.module":
                    owned += STATES_OWN.get(module_name(runtime, address), ())
                for base in runtime.values.classes.order(runtime.objects.type_of(address)):
                    owned += OTHERS_OWN.get(names.of(base.address), ())
                besides = [each for each in besides if each not in owned]
                # A guess may be wrong by chance where an object's type comes last in its head.
                guessed = runtime.layout.free_threaded and not referents.kind(type_).exact
                if lacking or besides and not guessed:
                    edges.append([hex(address), name, [hex(each) + " " + name_of(each) for each in lacking], besides])
    return {"referents": edges[:20], "missing": missing[:20], "types": types[:20], "sizes": wrong[:20],
            "twice": twice[:20], "compared": len(truth["objects"]), "problems": walk.problems, "blocks": walk.blocks}


print(json.dumps(check(TRUTH)))  # noqa: F821
