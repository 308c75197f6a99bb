"""Small ELF files for tests, made by the compiler and binutils, and what readelf says of them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Optional

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
