"""Copies of interpreters without any symbols or debug information, as `strip -s` leaves them."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Dict, NamedTuple, Optional

from tests.support.interpreters import Interpreter


class Launch(NamedTuple):
    """How to start an interpreter: its executable, variables for it, and the image it then runs.

    With a root, the paths are as the interpreter sees them.
    """

    path: Path
    variables: Dict[str, str]
    image: Path
    root: Optional[Path] = None


def as_installed(interpreter: Interpreter) -> Launch:
    """The interpreter as it is."""
    return Launch(interpreter.path, {}, interpreter.image, interpreter.root)


def stripped(interpreter: Interpreter, folder: Path) -> Launch:
    """Copies under `folder` of the executable, libpython and the extension modules, stripped.

    The modules too: their DWARF describes the interpreter's structures as well as libpython's does.
    """
    home = folder / interpreter.id
    executable = home / "bin" / interpreter.path.name
    modules = home / "modules"
    variables = {"PYTHONHOME": str(interpreter.prefix), "PYTHONPATH": str(modules)}
    image = executable
    if interpreter.libpython is not None:
        image = home / "lib" / interpreter.libpython.name
        # Wins over RPATH and RUNPATH alike: the loader takes it for the library of that soname.
        variables["LD_PRELOAD"] = str(image)
    if not home.exists():
        for part in (executable.parent, image.parent, modules):
            part.mkdir(parents=True, exist_ok=True)
        strip(interpreter.path, executable)
        if interpreter.libpython is not None:
            strip(interpreter.libpython, image)
        for module in sorted(interpreter.dynload.glob("*.so")) if interpreter.dynload else ():
            strip(module, modules / module.name)
    return Launch(executable, variables, image)


def strip(source: Path, target: Path) -> None:
    """Write a stripped copy that can be executed."""
    subprocess.run(["strip", "-s", "-o", str(target), str(source)], check=True)
    os.chmod(target, 0o755)


def missing_tool() -> str:
    """Why nothing can be stripped here; "" where it can."""
    return "" if shutil.which("strip") else "no strip: install binutils"
