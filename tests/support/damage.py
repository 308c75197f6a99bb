"""Damaging a copy of a core: bytes at an address of the dead process, and where a thread state leads to frames."""

import shutil
import struct
from pathlib import Path
from typing import Any, Dict, List, Mapping

PT_LOAD = 1

# Runs inside gdb. Where each thread state keeps its innermost frame: the fields' addresses, outermost first.
HEADS = """python
import json
from gdbext.commands import model
found = []
for thread in model.current().threads():
    if thread.state is None:
        continue
    reader, state = thread.python.runtime.reader, thread.state.address
    has = lambda path: reader.has("PyThreadState", path)
    path = next(path for path in ("current_frame", "frame", "cframe") if has(path))
    fields = [state + reader.layout["PyThreadState"].offset(path)]
    if path == "cframe":
        fields.append(reader.memory.u64(fields[0]) + reader.layout["_PyCFrame"].offset("current_frame"))
    frames = [frame.address for frame in thread.frames()]
    found.append({"number": thread.native.number, "state": state, "size": reader.layout["PyThreadState"].size,
                  "fields": fields, "frames": frames})
print(json.dumps(found))
end"""


def copy(core: Path, target: Path, changes: Mapping[int, bytes]) -> Path:
    """A copy of a core with other bytes at some addresses."""
    shutil.copyfile(core, target)
    with open(target, "r+b") as file:
        header = file.read(64)
        (offset,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(offset)
        raw = file.read(size * count)
        segments = [struct.unpack_from("<IIQQQQQQ", raw, index * size) for index in range(count)]
        for address, data in changes.items():
            places = [file_offset + address - start
                      for kind, _flags, file_offset, start, _physical, file_size, _memory, _align in segments
                      if kind == PT_LOAD and start <= address and address + len(data) <= start + file_size]
            assert places, "the core does not hold %#x" % address
            file.seek(places[0])
            file.write(data)
    return target


def led_nowhere(heads: List[Dict[str, Any]]) -> Dict[int, bytes]:
    """No thread state leads to a frame: that of every other thread to where nothing is."""
    stray = (0x5A5A5A5A50).to_bytes(8, "little")
    return {head["fields"][0] if number % 2 else head["fields"][-1]: stray if number % 2 else bytes(8)
            for number, head in enumerate(heads)}


def exchanged(heads: List[Dict[str, Any]]) -> Dict[int, bytes]:
    """Every thread state leads to the frames of another thread."""
    busy = [head for head in heads if head["frames"]]
    return {head["fields"][-1]: other["frames"][0].to_bytes(8, "little")
            for head, other in zip(busy, busy[1:] + busy[:1])}


def erased(heads: List[Dict[str, Any]]) -> Dict[int, bytes]:
    """Nothing is left of the thread states: neither frames nor to whom they belong."""
    return {head["state"]: bytes(head["size"]) for head in heads}
