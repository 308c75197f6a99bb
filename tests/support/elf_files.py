"""Small ELF files for tests, made by the compiler and binutils, and what readelf says of them."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Dict, Optional

from tests.support import packages

SOURCE = """
struct point { int x, y; };
static int sum(struct point *of) { int total = of->x + of->y; return total; }
int main(int argc, char **argv) { struct point here = { argc, 1 }; (void)argv; return sum(&here); }
"""

TOOLS = ("gcc", "strip", "objcopy", "readelf")


def missing_tools() -> str:
    """Why none can be made here; "" where they can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return "no %s: install gcc and binutils" % ", ".join(missing) if missing else ""


def compile_to(path: Path, *options: str, source: str = SOURCE) -> Path:
    """Compile a small program."""
    code = path.with_name(path.name + ".c")
    code.write_text(source)
    run("gcc", "-Wl,--build-id", *options, "-o", str(path), str(code))
    return path


def run(*command: str) -> str:
    """Run a tool; its output. Raises CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def split(path: Path, debug: Path, link: bool) -> Path:
    """Move the debug information of a file to another; with a .gnu_debuglink or without."""
    debug.parent.mkdir(parents=True, exist_ok=True)
    run("objcopy", "--only-keep-debug", str(path), str(debug))
    run("strip", "-g", str(path))
    if link:
        run("objcopy", "--add-gnu-debuglink=%s" % debug, str(path))
    return path


def build_id(path: Path) -> Optional[str]:
    """As readelf reads it."""
    match = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", str(path)))
    return match.group(1) if match else None


def sections(path: Path) -> str:
    """As readelf lists them."""
    return run("readelf", "-SW", str(path))


def dwz(*arguments: str) -> str:
    """Run dwz, that of Debian's package where none is installed. Raises packages.NotAvailable."""
    tool = shutil.which("dwz") or str(packages.debian("dwz") / "usr" / "bin" / "dwz")
    packages.needs(Path(tool), {})
    return run(tool, *arguments)


def mapped_build_ids(*arguments: str) -> Dict[str, str]:
    """What `eu-unstrip -n` lists for a core or a process: the build id of what is mapped, by path, links followed.

    Of Debian's package where none is installed. Raises packages.NotAvailable.
    """
    tool, variables = shutil.which("eu-unstrip"), {}
    if tool is None:
        folder = packages.debian("elfutils", "libdw1", "libelf1")
        tool, variables = str(folder / "usr" / "bin" / "eu-unstrip"), packages.library_path(folder)
    packages.needs(Path(tool), variables)
    listed = subprocess.run([tool, "-n", *arguments], check=True, capture_output=True, text=True,
                            env={**os.environ, **variables, "DEBUGINFOD_URLS": ""}).stdout
    found = {}
    for match in re.finditer(r"(?m)^0x[0-9a-f]+\+0x[0-9a-f]+ ([0-9a-f]+)@0x[0-9a-f]+ (\S+) \S+ (.*)$", listed):
        # The file, or where that is not told the module's name, which for the program is its path.
        path = next((each for each in match.group(2, 3) if each.startswith("/")), None)
        if path is not None:
            found[os.path.realpath(path)] = match.group(1)
    return found
