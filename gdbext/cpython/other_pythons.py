"""Pythons that are not CPython, recognised by their images, so that a refusal can name them.

Asked only where no CPython was found: a program of any other kind has none of these.
"""

import os
import re
from typing import Iterable, NamedTuple, Optional, Pattern, Tuple

from . import find
from .memory import Memory, Unreadable


class Kind(NamedTuple):
    """An implementation: what its images define or are called, and what in their data tells the version.

    One of `symbols` is enough, and where symbols can't be read or there are none, the file's name.
    """

    name: str
    symbols: Tuple[str, ...]
    file: Pattern[str]
    version: Optional[Pattern[bytes]] = None


# The first that fits is named. A virtual machine comes last: it also runs under another Python.
KINDS = (
    # rpython/translator/c/src/entrypoint.c. sys.version is a prebuilt string, so in writable data.
    Kind("PyPy", ("pypy_main_startup", "pypy_execute_source"), re.compile(r"(lib)?pypy[\d.]*(-c\.so.*)?"),
         re.compile(rb"\[PyPy (\d+\.\d+\.\d+[0-9a-z+-]*) with")),
    Kind("MicroPython", (), re.compile(r"micropython.*")),
    Kind("GraalPy", (), re.compile(r"graalpy.*|libpythonvm\.so")),
    Kind("RustPython", (), re.compile(r"rustpython.*")),
    # Which classes a virtual machine has loaded, its images do not tell.
    Kind("a Java virtual machine (Jython, if it runs Python)", ("JNI_CreateJavaVM",),
         re.compile(r"libjvm\.so")),
    Kind("a .NET runtime (IronPython, if it runs Python)", ("coreclr_initialize",),
         re.compile(r"libcoreclr\.so")),
)


class Other(NamedTuple):
    """An implementation that a process runs, and the image by which it was recognised."""

    kind: Kind
    version: Optional[str]
    image: find.Image

    @property
    def text(self) -> str:
        """ "PyPy 7.3.11". """
        return f"{self.kind.name} {self.version}" if self.version else self.kind.name


def recognise(images: Iterable[find.Image], memory: Memory) -> Optional[Other]:
    """Which other Python these images are of, None where it is none that gdbext knows of."""
    images = list(images)
    for kind in KINDS:
        found = [image for image in images if _is_of(image, kind)]
        # The launcher that bears the name has no data to tell the version.
        for image in found:
            version = find.text_in_data(image, memory, kind.version) if kind.version else None
            if version:
                return Other(kind, version, image)
        if found:
            return Other(kind, None, found[0])
    return None


def _is_of(image: find.Image, kind: Kind) -> bool:
    if kind.file.fullmatch(os.path.basename(image.path)):
        return True
    try:
        return any(image.symbol(name) is not None for name in kind.symbols)
    except Unreadable:
        return False
