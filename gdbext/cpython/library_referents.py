"""The references of what the standard library's own modules make, where no layout has the structures.

They lie at offsets that are the same in all releases, or in all those that a size tells from others. Offsets are in
bytes behind the object's head, unless they are said to be words of a module's state.
Facts: the tp_traverse and m_traverse functions of Modules/ and Python/context.c.
"""

from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from .heap_objects import HEAP_TYPE, HeapType
from .memory import Damaged
from .reader import READ_ERRORS
from .runtime import Runtime

if TYPE_CHECKING:
    from .referents import Referents, Visitor

# Types all of whose references are fields.
_FIELDS: Dict[str, Tuple[int, ...]] = {
    # Name and default; what it has cached is borrowed.
    "ContextVar": (0, 8), "_contextvars.ContextVar": (0, 8),
    # traps and flags, behind an mpd_context_t.
    "decimal.Context": (48, 56)}
# Metatypes, static up to 3.12: their types have a dict of a kind of its own, a StgDictObject. Its proto comes behind
# the dict, three sizes and an ffi_type (Modules/_ctypes/ctypes.h).
CTYPES = ("_ctypes.PyCStructType", "_ctypes.UnionType", "_ctypes.PyCPointerType", "_ctypes.PyCArrayType",
          "_ctypes.PyCSimpleType", "_ctypes.PyCFuncPtrType")
_PROTO = 48
# Of a lru_list_elem. The wrapper, which begins with one, has this size where the links are shown, and not what they
# have: up to 3.7.2 (bpo-35780).
_WRAPPER, _LINK = "functools._lru_cache_wrapper", "functools._lru_list_elem"
_LINK_NEXT, _LINK_KEY, _LINK_RESULT, _LINK_END = 8, 24, 32, 40
_OLD_WRAPPER = 128
# LINKCELLS: values of one piece of what itertools.tee() keeps.
_TEE_VALUES = 57
# Of a PyCapsule; the second came with 3.13 (gh-116417).
_CAPSULE_POINTER, _CAPSULE_TRAVERSE = 0, 32
# Items of an Element or a cache; callbacks; exceptions in one table.
_MAX_ITEMS, _MAX_CALLBACKS, _MAX_EXCEPTIONS = 1 << 24, 1 << 12, 1 << 10
# States of modules, by their size in bytes. 3.12's _asyncio: the word with the running loop, which is borrowed.
_ASYNCIO_STATE, _RUNNING_LOOP = 192, 152 // 8
# _decimal since 3.13: words with two tables of 4 words for each exception, of which the second says whether there is
# one more, and the last which.
_DECIMAL_STATE, _SIGNALS, _CONDITIONS = 240, 176 // 8, 184 // 8
_CONDITION = 4
# atexit up to 3.9: the callbacks and how many there are; each has three references.
_ATEXIT_STATE, _CALLBACK = 16, 3


class LibraryReferents:
    """Reads the references of some of the library's types, for `referents`, which read all others."""

    def __init__(self, runtime: Runtime, referents: "Referents", types: Dict[int, HeapType]) -> None:
        """`types` are those that are known so far."""
        self._runtime = runtime
        self._referents = referents
        self._windows = referents.windows
        self._types = types
        self._head = runtime.layout["PyObject"].size

    def offsets(self, name: str) -> Optional[List[int]]:
        """Where the instances of a type have their references, from where the object begins; None where that varies."""
        found = _FIELDS.get(name)
        if name == _LINK and any(self._is_old_wrapper(each) for each in self._types.values()):
            found = _LINK_KEY, _LINK_RESULT
        return None if found is None else [self._head + offset for offset in found]

    def visitor(self, name: str) -> "Optional[Visitor]":
        """What reads the references of the instances of a type, None for types that are not read here."""
        return {_WRAPPER: self._lru_cache, "PyCapsule": self._capsule, "itertools._tee_dataobject": self._tee_data,
                "xml.etree.ElementTree.Element": self._element}.get(name)

    def of_state(self, name: str, size: int, words: List[int]) -> List[int]:
        """What the state of a module, which is in `words`, has elsewhere. What it has borrowed, and what is no object,
        the words lose. Raises READ_ERRORS.
        """
        if (name, size) == ("_asyncio", _ASYNCIO_STATE):
            words[_RUNNING_LOOP] = 0
        elif (name, size) == ("_decimal", _DECIMAL_STATE):
            tables = words[_SIGNALS], words[_CONDITIONS]
            # In a free-threaded build an exception in a table is where an object has its type.
            words[_SIGNALS] = words[_CONDITIONS] = 0
            # The first condition is a signal too, and shown once.
            return [*self._exceptions(tables[0]), *self._exceptions(tables[1])[1:]]
        elif (name, size) == ("atexit", _ATEXIT_STATE):
            callbacks = self._windows.words(words[0], min(words[1] & (1 << 32) - 1, _MAX_CALLBACKS))
            return [held for callback in callbacks if callback
                    for held in self._windows.words(callback, _CALLBACK) if held]
        return []

    def _exceptions(self, table: int) -> List[int]:
        found: List[int] = []
        while table and len(found) < _MAX_EXCEPTIONS:
            _name, more, _flag, exception = self._windows.words(table + 8 * _CONDITION * len(found), _CONDITION)
            if not more:
                break
            found.append(exception)
        return found

    def proto(self, address: int, metatype: HeapType) -> List[int]:
        """What a type of ctypes is made of, where its metatype shows that (CDataType_traverse). Raises READ_ERRORS."""
        reader = self._runtime.reader
        own, plain = (reader.pointer(each, "PyTypeObject", "tp_traverse")
                      for each in (metatype.address, self._referents.metatype))
        namespace = reader.pointer(address, "PyTypeObject", "tp_dict")
        if own == plain or not namespace:
            return []
        type_ = self._referents.type_of(namespace)
        at = self._runtime.layout["PyDictObject"].size + _PROTO
        found = self._windows.word(namespace + at) if type_ is not None and type_.basic_size >= at + 8 else 0
        return [found] if found else []

    def _is_old_wrapper(self, type_: HeapType) -> bool:
        """Whether this is the type of an lru_cache's wrapper that shows its links, and not what they have."""
        return (type_.basic_size == self._head + _OLD_WRAPPER
                and self._runtime.objects.type_at(type_.address).name == _WRAPPER)

    def _lru_cache(self, address: int) -> List[int]:
        """The fields behind the first link, and from link to link what they have: these lie in a ring."""
        type_, head, word = self._referents.type_of(address), self._head, self._windows.word
        if type_ is None:
            raise Damaged(address, "no object")
        shown = self._is_old_wrapper(type_)
        found: List[int] = []
        # A ring that does not lead back is noticed as by Brent's algorithm.
        landmark, lap = 0, 1
        link = word(address + head + _LINK_NEXT)
        for step in range(_MAX_ITEMS):
            if not link or link == address:
                return found + self._referents.scan(address, type_, head + _LINK_END)
            if link == landmark:
                break
            if step == lap:
                landmark, lap = link, 2 * lap
            if shown:
                found.append(link)
            else:
                found += filter(None, (word(link + head + at) for at in (_LINK_KEY, _LINK_RESULT)))
                kind = self._referents.type_of(link)
                # Types of this kind are on the heap since 3.10.
                if kind is not None and kind.flags & HEAP_TYPE:
                    found.append(kind.address)
            link = word(link + head + _LINK_NEXT)
        raise Damaged(address, "cache without an end")

    def _tee_data(self, address: int) -> List[int]:
        """The iterator, the next piece, and the values that were read."""
        source, count, *values = self._windows.words(address + self._head, 3 + _TEE_VALUES)
        return list(filter(None, [source, *values[:1 + min(count & 0xFFFFFFFF, _TEE_VALUES)]]))

    def _capsule(self, address: int) -> List[int]:
        """What a capsule shows for its owner: in the library, the first of the structure that it points to."""
        at, type_ = address + self._head, self._referents.type_of(address)
        if type_ is None or type_.basic_size < self._head + _CAPSULE_TRAVERSE + 8 or (
                not self._windows.word(at + _CAPSULE_TRAVERSE)):
            return []
        try:
            held = self._windows.word(self._windows.word(at + _CAPSULE_POINTER))
        except READ_ERRORS:
            return []
        return [held] if self._referents.is_object(held) else []

    def _element(self, address: int) -> List[int]:
        """ElementObject and ElementObjectExtra (Modules/_elementtree.c); a text's lowest bit is a flag."""
        tag, text, tail, extra = self._windows.words(address + self._head, 4)
        found = [tag, text & ~1, tail & ~1]
        if extra:
            attributes, count, _allocated, children = self._windows.words(extra, 4)
            found.append(attributes)
            if count > _MAX_ITEMS:
                raise Damaged(address, "impossible Element")
            found += self._windows.words(children, count)
        return list(filter(None, found))
