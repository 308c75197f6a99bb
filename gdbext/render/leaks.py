"""What is on the heap, as lines of text and as JSON."""

import re
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ..cpython.type_names import BUILTINS
from .document import document
from .text import counted, cut, printable, width

if TYPE_CHECKING:
    # 8 ms, which the census does not need.
    from ..analysis.census import Census, Row
    from ..analysis.garbage import Garbage
    from ..analysis.heap_objects import Details, Instance, Instances
    from ..analysis.references import Chain, Paths, Referrer
    from ..analysis.snapshots import Change, Snapshot

# What no walk over the heap can count.
_NOT_IN_IT = ("Not in it: what the interpreter and its libraries have as data of their own "
              "(built-in types, None, small ints), and memory that no object accounts for.")


def ordered(rows: Sequence["Row"], by: str) -> List["Row"]:
    """Rows by "bytes" or "count", biggest first, or by "type"; then by name."""
    if by == "type":
        return sorted(rows)
    return sorted(rows, key=lambda row: (-getattr(row, by), row.type))


def type_text(name: str) -> str:
    """A type's name for people: "dict", not "builtins.dict"."""
    return printable(name[len(BUILTINS):] if name.startswith(BUILTINS) else name)


def census_text(census: "Census", rows: Sequence["Row"], limit: int, seconds: float, paused: Optional[float],
                notes: Sequence[str]) -> Iterator[str]:
    """A table of `limit` rows, the totals, how they came about, and the notes.

    `paused`: for how many seconds the process was held up, if it goes on.
    """
    cells = [("Count", "Bytes", "Type")]
    cells += [(f"{row.count:,}", f"{row.bytes:,}", type_text(row.type)) for row in rows[:limit]]
    rest = rows[limit:]
    if rest:
        cells.append((f"{sum(row.count for row in rest):,}", f"{sum(row.bytes for row in rest):,}",
                      f"({len(rest)} more types)"))
    yield from table(cells)
    partial = "PARTIAL, interrupted: " if census.partial else ""
    way = f", found in {census.how}," if census.how else ""
    yield f"{partial}{census.objects:,} objects, {census.bytes:,} bytes{way} in {seconds:.1f} s."
    if paused is not None:
        yield f"The process stood still for {paused:.2f} s while its memory was copied, and goes on."
    yield _NOT_IN_IT
    yield from notes


def table(rows: Sequence[Sequence[str]], columns: Optional[int] = None) -> Iterator[str]:
    """Rows of cells, columns of numbers aligned to the right.

    The last column is as wide as it is, or cut where the terminal's `columns` end.
    """
    aligned = list(zip(*rows))[:-1]
    widths = [max(map(width, column)) for column in aligned]
    numbers = [column[-1][:1] in "+-0123456789" and column[-1][:2] != "0x" for column in aligned]
    for row in rows:
        cells = [" " * (room - width(cell)) + cell if number else cell + " " * (room - width(cell))
                 for cell, room, number in zip(row, widths, numbers)]
        yield with_value("  ".join(cells) + "  ", row[-1], columns)


# A value gets so many columns at least, though they be more than there are.
_LEAST_OF_VALUE = 20


def with_value(before: str, value: str, columns: Optional[int]) -> str:
    """A line that ends with a value, which is cut where the terminal's columns end."""
    if columns is not None:
        value = cut(value, max(columns - width(before), _LEAST_OF_VALUE))
    return (before + value).rstrip()


def census_document(target: Dict[str, Any], census: "Census", rows: Sequence["Row"],
                    paused: Optional[float] = None) -> str:
    """The same as one JSON document; totals are those of all types."""
    return document("py-leaks", target, {
        "types": [{"type": row.type, "count": row.count, "bytes": row.bytes} for row in rows],
        "objects": census.objects,
        "bytes": census.bytes,
        "blocks": census.blocks,
        "counted_from": census.how,
        "notes": census.notes,
        "partial": census.partial,
        "paused": paused,
    })


# Snapshots.

def snapshot_text(name: str, snapshot: "Snapshot") -> Iterator[str]:
    """One line."""
    partial = "PARTIAL, interrupted: " if snapshot.partial else ""
    yield (f"{partial}snapshot {printable(name)!r} of {printable(snapshot.what)}: "
           f"{snapshot.objects:,} objects, {snapshot.bytes:,} bytes")


def snapshot_document(target: Dict[str, Any], name: str, snapshot: "Snapshot") -> str:
    """The same as one JSON document."""
    return document("py-leaks snapshot", target, {
        "name": name, "objects": snapshot.objects, "bytes": snapshot.bytes, "partial": snapshot.partial})


def ordered_changes(changes: Sequence["Change"], by: str) -> List["Change"]:
    """By growth in "bytes" or "count", biggest first, or by "type"."""
    if by == "type":
        return sorted(changes, key=lambda change: change.type)
    return sorted(changes, key=lambda change: (-getattr(change, by), change.type))


def diff_text(before: "Snapshot", after: "Snapshot", changes: Sequence["Change"], limit: int) -> Iterator[str]:
    """A table of the types that differ, then the totals."""
    if changes:
        several = changes[0].new is None
        yield from table([("Count", "Bytes", "Type") if several else ("Count", "Bytes", "New", "Gone", "Type")] + [
            (f"{change.count:+,}", f"{change.bytes:+,}", *(() if several else (f"{change.new:,}", f"{change.gone:,}")),
             type_text(change.type)) for change in changes[:limit]])
        if len(changes) > limit:
            yield f"({len(changes) - limit} more types differ)"
    yield (f"{after.objects - before.objects:+,} objects, {after.bytes - before.bytes:+,} bytes: "
           f"from {before.objects:,} in {printable(before.what)} to {after.objects:,} in {printable(after.what)}.")
    for each in (before, after):
        if each.partial:
            yield f"PARTIAL: the snapshot of {printable(each.what)} was interrupted."


def diff_document(target: Dict[str, Any], before: "Snapshot", after: "Snapshot", changes: Sequence["Change"]) -> str:
    """The same as one JSON document."""
    return document("py-leaks diff", target, {
        "types": [{"type": change.type, "count": change.count, "bytes": change.bytes,
                   "new": change.new, "gone": change.gone} for change in changes],
        "objects": after.objects - before.objects,
        "bytes": after.bytes - before.bytes,
        "partial": before.partial or after.partial,
    })


def new_text(rows: Sequence[Tuple[int, str, str]], count: int, columns: Optional[int]) -> Iterator[str]:
    """New objects: address, type, repr."""
    for address, name, text in rows:
        yield with_value(f"{address:#x}  {type_text(name)}  ", text, columns)
    yield f"{count:,} new objects" + (f", {len(rows):,} shown" if len(rows) < count else "")


def new_document(target: Dict[str, Any], rows: Sequence[Tuple[int, str, str]], count: int) -> str:
    """The same as one JSON document."""
    return document("py-leaks diff", target, {
        "new": [{"address": hex(address), "type": name, "repr": text or None} for address, name, text in rows],
        "count": count})


# Objects.

def instances_text(found: "Instances", rows: Sequence[Tuple["Instance", str]], columns: Optional[int]) -> Iterator[str]:
    """Objects, one a line, then how many there are."""
    one = len(found.types) == 1
    heading = ("Address", "Bytes", "Value") if one else ("Address", "Bytes", "Type", "Value")
    yield from table([heading] + [
        (f"{each.address:#x}", f"{each.bytes:,}", *(() if one else (type_text(each.type),)), text)
        for each, text in rows], columns)
    partial = "PARTIAL, interrupted: " if found.partial else ""
    of = f" of {type_text(found.types[0])}" if one else ""
    shown = f"; the {len(rows):,} biggest are shown" if len(rows) < found.count else ""
    yield f"{partial}{counted(found.count, 'object')}{of}, {found.bytes:,} bytes{shown}"


def instances_document(command: str, target: Dict[str, Any], found: "Instances",
                       rows: Sequence[Tuple["Instance", str]]) -> str:
    """The same as one JSON document."""
    return document(command, target, {
        "objects": [{"address": hex(each.address), "type": each.type, "bytes": each.bytes, "repr": text}
                    for each, text in rows],
        "count": found.count, "bytes": found.bytes, "partial": found.partial})


def details_text(found: "Details", text: str, limit: int) -> Iterator[str]:
    """All about one object."""
    yield f"{type_text(found.type)} at {found.address:#x}: {text}"
    size = "unknown" if found.bytes is None else f"{found.bytes:,} bytes"
    count = "immortal" if found.immortal else f"{found.refcount:,}"
    if found.generation is not None:
        collector = f"tracked, generation {found.generation}"
    else:
        collector = "tracked" if found.tracked else "not tracked"
    yield f"size {size}, reference count {count}, collector: {collector}"
    if found.referents:
        guess = "" if found.exact else " (found by searching its structure: a guess)"
        yield f"refers to {counted(len(found.referents), 'object')}{guess}:"
        yield from table([(f"  {each.address:#x}", f"{type_text(each.type)} {printable(each.via.strip())}".rstrip())
                          for each in found.referents[:limit]])
        if len(found.referents) > limit:
            yield f"  ({len(found.referents) - limit:,} more)"


def details_document(target: Dict[str, Any], found: "Details", text: str) -> str:
    """The same as one JSON document."""
    return document("py-leaks show", target, {
        "address": hex(found.address), "type": found.type, "bytes": found.bytes, "refcount": found.refcount,
        "immortal": found.immortal, "tracked": found.tracked, "generation": found.generation, "repr": text,
        "exact": found.exact,
        "referents": [{"address": hex(each.address), "type": each.type, "via": each.via.strip()}
                      for each in found.referents]})


# References.

def referrers_text(rows: Sequence[Tuple["Referrer", str]], count: int, partial: bool,
                   columns: Optional[int]) -> Iterator[str]:
    """What refers to an object, one a line."""
    for each, text in rows:
        if each.what is not None:
            yield f"{each.address:#x}  {printable(each.what)}: {printable(each.via) or 'itself'}"
        else:
            guess = "" if each.exact else " (a guess)"
            yield with_value(f"{each.address:#x}  {type_text(each.type)} {printable(each.via.strip())}{guess}  ", text,
                             columns)
    yield ("PARTIAL, interrupted: " if partial else "") + counted(count, "reference") + (
        f", {len(rows):,} shown" if len(rows) < count else "")


def referrers_document(target: Dict[str, Any], rows: Sequence[Tuple["Referrer", str]], count: int,
                       partial: bool) -> str:
    """The same as one JSON document."""
    return document("py-leaks referrers", target, {
        "referrers": [{"address": hex(each.address), "type": each.type or None, "root": each.what,
                       "via": each.via.strip(), "exact": each.exact, "repr": text or None} for each, text in rows],
        "count": count, "partial": partial})


_DICT, _NAME = ".__dict__", re.compile(r"\['([^\W\d]\w*)'\]")


def chain_text(chain: "Chain") -> str:
    """A chain as a person would write it: an attribute for a key of the namespace that `__dict__` is."""
    parts = [printable(chain.root)]
    for step in chain.steps:
        name = _NAME.fullmatch(step.via)
        if name and parts[-1] == _DICT:
            parts[-1] = "." + name.group(1)
        else:
            parts.append(printable(step.via) if step.via else "")
    return "".join(parts)


def path_text(found: "Paths") -> Iterator[str]:
    """Each chain on one line, then its objects."""
    for chain in found.chains:
        yield chain_text(chain)
        yield from table([(f"  {step.address:#x}", f"{type_text(step.type)} {printable(step.via.strip())}".rstrip())
                          for step in chain.steps])
    if found.unreached:
        yield found.unreached
    elif not found.chains and not found.partial:
        yield "No chain was found."
    if found.partial:
        yield f"PARTIAL, interrupted after {found.reached:,} objects."


def path_document(target: Dict[str, Any], found: "Paths") -> str:
    """The shortest chain as "path", and all as "paths"."""
    paths = [{"root": chain.root, "text": chain_text(chain), "steps": [
        {"address": hex(step.address), "type": step.type, "via": step.via.strip() or chain.root}
        for step in chain.steps]} for chain in found.chains]
    return document("py-leaks path", target, {
        "path": paths[0]["steps"] if paths else [], "paths": paths, "unreached": found.unreached,
        "partial": found.partial})


# Garbage.

def garbage_text(found: "Garbage", limit: int) -> Iterator[str]:
    """The collector's settings, then the cycles, one a line."""
    collector = found.collector
    state = {True: "enabled", False: "DISABLED", None: "enabled or not, which can't be read"}[collector.enabled]
    thresholds = ", ".join(map(str, collector.thresholds))
    yield (f"The collector is {state}" + (f", its thresholds are {thresholds}" if thresholds else "")
           + f"; counted so far: {', '.join(map(str, collector.counts))}.")
    if collector.collecting:
        yield "A collection is going on: what it has set aside is not in its lists."
    if collector.frozen:
        yield f"{collector.frozen:,} objects are frozen (gc.freeze()) and never looked at."
    if collector.keeps_all:
        yield "gc.DEBUG_SAVEALL is set: all that is collected is kept in gc.garbage."
    if found.kept:
        yield f"gc.garbage has {counted(len(found.kept), 'object')}: " + ", ".join(
            f"{address:#x} {type_text(name)}" for address, name in found.kept[:limit])
    if found.partial:
        yield "PARTIAL: the search for cycles was interrupted."
        return
    count = sum(len(cycle.addresses) for cycle in found.cycles) + len(found.hanging)
    yield (f"{count:,} of {found.tracked:,} tracked objects are garbage that is not yet collected: "
           f"{counted(len(found.cycles), 'cycle')}, and {counted(len(found.hanging), 'object')} that only these refer "
           "to.")
    for cycle in found.cycles[:limit]:
        types = ", ".join(f"{type_text(name)} ({number:,})" if number > 1 else type_text(name)
                          for name, number in sorted(cycle.types.items(), key=lambda each: (-each[1], each[0])))
        finalized = f", with __del__: {', '.join(map(type_text, cycle.finalized))}" if cycle.finalized else ""
        yield f"  {cycle.addresses[0]:#x}  {counted(len(cycle.addresses), 'object')}: {types}{finalized}"
    if len(found.cycles) > limit:
        yield f"  ({len(found.cycles) - limit:,} more)"
    if found.not_followed:
        yield (f"What {found.not_followed:,} objects of extension modules refer to counts as reachable: "
               "their references are a guess.")
    yield from found.problems


def garbage_document(target: Dict[str, Any], found: "Garbage") -> str:
    """The same as one JSON document."""
    collector = found.collector
    return document("py-leaks garbage", target, {
        "garbage": [{"address": hex(address), "type": name} for address, name in found.kept],
        "cycles": [[hex(address) for address in cycle.addresses] for cycle in found.cycles],
        "cycle_types": [cycle.types for cycle in found.cycles],
        "finalized": [cycle.finalized for cycle in found.cycles],
        "hanging": list(map(hex, found.hanging)),
        "collector": {"enabled": collector.enabled, "collecting": collector.collecting,
                      "thresholds": collector.thresholds, "counts": collector.counts, "frozen": collector.frozen,
                      "saveall": collector.keeps_all},
        "tracked": found.tracked, "not_followed": found.not_followed, "partial": found.partial,
        "notes": found.problems})
