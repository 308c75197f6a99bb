"""pyelftools for the Python within gdb, which has packages of its own and seldom this one.

Whoever imports a module of this package that needs pyelftools calls provide() before.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Iterator

# Where the package lies: with pyelftools beside it where pip has installed both.
_BESIDE = Path(__file__).resolve().parents[2]
# The project's own environment, as scripts/test makes it.
_VENV = _BESIDE / ".venv"


class Missing(Exception):
    """There is no pyelftools for this Python; the message says what to do, in one line."""


def provide() -> None:
    """Have `import elftools` work, without another change to where this Python finds packages. Raises Missing."""
    if _works():
        return
    version = "%d.%d" % sys.version_info[:2]
    for folder in _environments():
        if _load(folder):
            return
    has = "cannot run its pyelftools" if _is_installed() else "has no pyelftools"
    raise Missing(f"Files on disk were not looked into: Python {version} {has} (package pyelftools, "
                  "python3-pyelftools)")


def _environments() -> Iterator[Path]:
    """Where packages are: beside this one; in the environment, for this Python first, for others' may do."""
    yield _BESIDE
    own = _VENV / "lib" / ("python%d.%d" % sys.version_info[:2]) / "site-packages"
    yield own
    yield from sorted(folder for folder in _VENV.glob("lib/python3*/site-packages") if folder != own)


def _load(folder: Path) -> bool:
    """Import pyelftools from a folder, which does not become one where all else is looked for too."""
    package = folder / "elftools"
    spec = importlib.util.spec_from_file_location(
        "elftools", package / "__init__.py", submodule_search_locations=[str(package)])
    if spec is None or spec.loader is None or not package.is_dir():
        return False
    module = importlib.util.module_from_spec(spec)
    sys.modules["elftools"] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, OSError):
        pass
    return _works()


def _works() -> bool:
    """Whether what the rest needs can be imported: a pyelftools may want a newer Python than this one."""
    try:
        importlib.import_module("elftools.elf.elffile")
        return True
    except (ImportError, SyntaxError, OSError):
        for name in [name for name, module in sys.modules.items()
                     if name.partition(".")[0] == "elftools" and module is not None]:
            del sys.modules[name]
        return False


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("elftools") is not None
    except (ImportError, ValueError):
        # ValueError: None in sys.modules.
        return False
