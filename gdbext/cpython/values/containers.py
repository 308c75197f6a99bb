"""list, tuple, dict, set, deque and what wraps them.

Facts: Objects/listobject.c, tupleobject.c, dictobject.c, setobject.c, odictobject.c, rangeobject.c,
sliceobject.c, descrobject.c; Modules/_collectionsmodule.c.
"""

from itertools import islice
from typing import Callable, Dict, Iterator, Tuple

from ..dicts import Item
from ..memory import Damaged
from ..objects import MAX_COUNT, MAX_ITEMS, Objects, Type
from .rendering import Handler, NotKnown, Rendering
from .text import escaped

# struct _odictnode (Objects/odictobject.c), the same in every version: key, hash, next, prev.
_ODICT_NEXT = 16

# Items of an OrderedDict's table that are passed over in search of the next one in its order: half a second.
_MAX_PASSED = 200_000

# Slots of a set's table that are looked at between two items: more than any real table has empty in a row.
_SET_CHUNK = 256

# Set entries that are looked at, all in all.
_MAX_SLOTS = 1 << 26


def _list(show: Rendering, address: int, type_: Type) -> str:
    def body() -> str:
        reader = show.reading.reader
        count = show.reading.objects.list_count(address)
        start = reader.pointer(address, "PyListObject", "ob_item")
        return f"[{show.joined(show.texts(show.pointers(start, count)), count)}]"

    return show.container(address, type_, "[...]", body)


def tuple_items(show: Rendering, address: int) -> Tuple[Iterator[int], int]:
    """The items of a tuple, and how many there are."""
    count = show.reading.objects.count(address)
    start = address + show.reading.reader.layout["PyTupleObject"].offset("ob_item")
    return show.pointers(start, count), count


def _tuple(show: Rendering, address: int, type_: Type) -> str:
    def body() -> str:
        items, count = tuple_items(show, address)
        comma = "," if count == 1 else ""
        return f"({show.joined(show.texts(items), count)}{comma})"

    return show.container(address, type_, "(...)", body)


def pairs(show: Rendering, items: Iterator[Item]) -> Iterator[str]:
    """`key: value` of each item."""
    for key, value in items:
        yield f"{show.text(key)}: {show.text(value)}"


def dict_body(show: Rendering, address: int) -> str:
    """The items of a dict, without braces."""
    count = dict_size(show, address)
    return show.joined(pairs(show, show.reading.dicts.items(address)), count)


def dict_size(show: Rendering, address: int) -> int:
    """How many items a dict has."""
    return show.reading.reader.integer(address, "PyDictObject", "ma_used", signed=True)


def _dict(show: Rendering, address: int, type_: Type) -> str:
    return show.container(address, type_, "{...}", lambda: f"{{{dict_body(show, address)}}}")


def _defaultdict(show: Rendering, address: int, type_: Type) -> str:
    reader = show.reading.reader
    factory = reader.pointer(address, "defdictobject", "default_factory")
    name = "defaultdict" if show.is_36 else show.short_name(type_)
    return f"{name}({show.text(factory) if factory else 'None'}, {_dict(show, address, type_)})"


def set_items(show: Rendering, address: int) -> Iterator[int]:
    """The items of a set, in the order of its table."""
    reader = show.reading.reader
    mask = reader.integer(address, "PySetObject", "mask", signed=True)
    if not 0 <= mask < MAX_COUNT or mask & (mask + 1):
        raise Damaged(address, f"set with a table of {mask + 1}")
    table = reader.pointer(address, "PySetObject", "table")
    entry = reader.layout["setentry"]
    key_at, hash_at = entry.offset("key") // 8, entry.offset("hash") // 8
    words = entry.size // 8
    left = reader.integer(address, "PySetObject", "used", signed=True)
    for begin in range(0, min(mask + 1, _MAX_SLOTS), _SET_CHUNK):
        count = min(_SET_CHUNK, mask + 1 - begin)
        raw = show.reading.objects.pointers(table + begin * entry.size, count * words)
        for key, hash_ in zip(raw[key_at::words], raw[hash_at::words]):
            # A deleted entry has a hash of -1, which no object has.
            if key and hash_ != 0xFFFF_FFFF_FFFF_FFFF:
                yield key
                left -= 1
                if left <= 0:
                    return


def _set_body(show: Rendering, address: int) -> str:
    count = show.reading.reader.integer(address, "PySetObject", "used", signed=True)
    return show.joined(show.texts(set_items(show, address)), count)


def _set(show: Rendering, address: int, type_: Type) -> str:
    name = escaped(type_.name)

    def body() -> str:
        shown = _set_body(show, address)
        if not shown:
            return f"{name}()"
        return f"{{{shown}}}" if name == "set" else f"{name}({{{shown}}})"

    return show.container(address, type_, f"{name}(...)", body)


def deque_items(objects: Objects, address: int) -> Iterator[int]:
    """The items of a deque, and then what lies behind them: its size says how many are its own."""
    reader = objects.reader
    offset, size = reader.layout["block"].field("data")
    block = reader.pointer(address, "dequeobject", "leftblock")
    index = reader.integer(address, "dequeobject", "leftindex", signed=True)
    if not 0 <= index <= size // 8:
        raise Damaged(address, f"deque that begins at {index}")
    for _ in range(MAX_ITEMS):
        yield from objects.pointers(block + offset + 8 * index, size // 8 - index)
        block = reader.pointer(block, "block", "rightlink")
        index = 0
    raise Damaged(address, "deque without an end")


def _deque(show: Rendering, address: int, type_: Type) -> str:
    def body() -> str:
        count = show.reading.objects.count(address)
        limit = show.reading.reader.integer(address, "dequeobject", "maxlen", signed=True)
        shown = show.joined(show.texts(islice(deque_items(show.reading.objects, address), count)), count)
        maximum = f", maxlen={limit}" if limit >= 0 else ""
        name = "deque" if show.is_36 else show.short_name(type_)
        return f"{name}([{shown}]{maximum})"

    return show.container(address, type_, "[...]", body)


def _range(show: Rendering, address: int, _type: Type) -> str:
    start, stop, step = (show.text(show.reading.reader.pointer(address, "rangeobject", name))
                         for name in ("start", "stop", "step"))
    return f"range({start}, {stop})" if step == "1" else f"range({start}, {stop}, {step})"


def _slice(show: Rendering, address: int, _type: Type) -> str:
    start, stop, step = (show.text(show.reading.reader.pointer(address, "PySliceObject", name))
                         for name in ("start", "stop", "step"))
    return f"slice({start}, {stop}, {step})"


def _mappingproxy(show: Rendering, address: int, _type: Type) -> str:
    return f"mappingproxy({show.text(show.reading.reader.pointer(address, 'mappingproxyobject', 'mapping'))})"


def _plain_dict_body(show: Rendering, address: int) -> str:
    """As dict_body(), for what is laid out as a dict without being derived from it."""
    reader = show.reading.reader
    keys = reader.pointer(address, "PyDictObject", "ma_keys")
    return show.joined(pairs(show, show.reading.dicts.entries(keys, None)), dict_size(show, address))


def _frozendict(show: Rendering, address: int, type_: Type) -> str:
    name = show.short_name(type_)

    def body() -> str:
        shown = _plain_dict_body(show, address)
        return f"{name}({{{shown}}})" if shown else f"{name}()"

    return show.container(address, type_, f"{name}({{...}})", body)


def _ordered_items(show: Rendering, address: int) -> Iterator[Item]:
    """The items of an OrderedDict in its order, which move_to_end() makes another one than that of the table."""
    memory = show.reading.memory
    table = show.reading.dicts.items(address)
    passed: Dict[int, int] = {}
    node = show.reading.reader.pointer(address, "PyODictObject", "od_first")
    while node:
        key = memory.u64(node)
        while key not in passed:
            other, value = next(table, (0, 0))
            if not other:
                raise Damaged(node, "key that the dict has not")
            passed[other] = value
            if len(passed) > _MAX_PASSED:
                raise NotKnown()
        yield key, passed.pop(key)
        node = memory.u64(node + _ODICT_NEXT)


def _ordered_dict(show: Rendering, address: int, type_: Type) -> str:
    name = show.short_name(type_)
    count = dict_size(show, address)

    def body() -> str:
        if not count:
            return f"{name}()"
        items = _ordered_items(show, address)
        # 3.12 (gh-101446) made it that of a dict.
        if show.reading.reader.has("PyTypeObject", "tp_watched"):
            return f"{name}({{{show.joined(pairs(show, items), count)}}})"
        return f"{name}([{show.joined((f'({show.text(key)}, {show.text(value)})' for key, value in items), count)}])"

    return show.container(address, type_, "...", body)


def _view(select: Callable[[Rendering, Item], str]) -> Handler:
    def handler(show: Rendering, address: int, type_: Type) -> str:
        def body() -> str:
            of = show.reading.memory.u64(address + show.reading.reader.layout["PyObject"].size)
            texts = (select(show, item) for item in show.reading.dicts.items(of))
            return f"{show.short_name(type_)}([{show.joined(texts, dict_size(show, of))}])"

        return show.container(address, type_, "...", body)

    return handler


_dict_keys = _view(lambda show, item: show.text(item[0]))
_dict_values = _view(lambda show, item: show.text(item[1]))
_dict_items = _view(lambda show, item: f"({show.text(item[0])}, {show.text(item[1])})")


HANDLERS: Dict[str, Handler] = {
    "list": _list,
    "tuple": _tuple,
    "dict": _dict,
    "set": _set,
    "frozenset": _set,
    "collections.defaultdict": _defaultdict,
    "collections.deque": _deque,
    "range": _range,
    "slice": _slice,
    "mappingproxy": _mappingproxy,
    "frozendict": _frozendict,
    "collections.OrderedDict": _ordered_dict,
    "dict_keys": _dict_keys,
    "dict_values": _dict_values,
    "dict_items": _dict_items,
}
