"""DWARF that the compiler has put into files of its own (-gsplit-dwarf): which these are, and whether they are there.

Facts: DWARF 5, 3.1.2, 7.3.2 and 7.3.5, and the GNU extensions to DWARF 4 that it comes from; gdb's documentation,
"Debug Fission".
"""

import os
from pathlib import Path
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple

from .image import Image, ImageError, guarded
from .places import Places

# Units that are looked at. CPython has some two hundred.
MAX_UNITS = 4096
# Bytes of a .dwo's only unit within which its ID is: in the header, before DWARF 5 among the first attributes.
MAX_BEFORE_ID = 4096
_INFO = ".debug_info.dwo"


class Split(NamedTuple):
    """The files with the DWARF of a program's units: those that are there, and those that are not.

    `package` is the .dwp that has all of them, None where there is none.
    """

    found: List[Path]
    missing: List[Path]
    package: Optional[Path]

    @property
    def first(self) -> Optional[Path]:
        """One of the files, None where none is there."""
        return self.package or (self.found[0] if self.found else None)


def find(image: Image, places: Places, program: Path) -> Optional[Split]:
    """The files of an image that has DWARF, which may be the debug file of `program`; None where it is not split.

    Raises ImageError.
    """
    units = guarded(image.path, lambda: list(_units(image)))
    if not units:
        return None
    for path in dict.fromkeys((program, image.path)):
        package = Path(f"{path}.dwp")
        if _has_info(package, b""):
            return Split([], [], package)
    found, missing = [], []
    for path, identity in units:
        below = Path(f"{places.root}{path}")
        there = next((each for each in dict.fromkeys((below, path)) if _has_info(each, identity)), None)
        if there is not None:
            found.append(there)
        else:
            missing.append(path)
    return Split(found, missing, None)


def _units(image: Image) -> Iterator[Tuple[Path, bytes]]:
    """The .dwo of each unit that has one, and the ID by which that is known."""
    dwarf = image.elf.get_dwarf_info(relocate_dwarf_sections=False)
    for _count, unit in zip(range(MAX_UNITS), dwarf.iter_CUs()):
        attributes = unit.get_top_DIE().attributes
        name = _text(attributes, "DW_AT_dwo_name") or _text(attributes, "DW_AT_GNU_dwo_name")
        if not name:
            continue
        identity = attributes.get("DW_AT_GNU_dwo_id")
        number = identity.value if identity is not None else unit.header.get("dwo_id")
        yield (Path(os.path.join(_text(attributes, "DW_AT_comp_dir"), name)),
               number.to_bytes(8, image.order) if number is not None else b"")


def _text(attributes: Any, name: str) -> str:
    found = attributes.get(name)
    return os.fsdecode(found.value) if found is not None and isinstance(found.value, bytes) else ""


def _has_info(path: Path, identity: bytes) -> bool:
    """Whether a file has DWARF of that ID."""
    try:
        with Image(path) as image:
            info = image.contents(_INFO, MAX_BEFORE_ID)
            return info is not None and identity in info
    except ImageError:
        return False
