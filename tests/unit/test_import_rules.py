"""Who may import whom, as the design has it: data flows one way, and few know gdb or pyelftools."""

import ast
import importlib
import subprocess
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set

import pytest

from tests.support.interpreters import Found

PACKAGE = Path(__file__).resolve().parents[2] / "gdbext"

# Package of gdbext → the packages of gdbext that it may import, besides itself.
MAY_IMPORT: Dict[str, Set[str]] = {
    "init": {"commands"},
    "commands": {"render", "analysis", "cpython", "elf", "target"},
    # An answer is made of the model's classes; rendering one reads no memory.
    "render": {"analysis", "cpython"},
    "analysis": {"cpython"},
    "cpython": {"layout"},
    "layout": set(),
    # Fields are named alike, whoever reads the DWARF: by layout's rules.
    "elf": {"layout"},
    # It implements cpython's Memory.
    "target": {"cpython", "elf", "layout"},
    # The shell's command has gdb run the commands; it looks at files itself, and says what it finds in analysis' words.
    "cli": {"analysis", "cpython", "elf"},
    "__main__": {"cli"},
}
# A module of one package may be all that another may import.
ONLY: Dict[str, Set[str]] = {"target": {"gdbext.cpython.memory"}}

# Modules that may import gdb, besides those in target/.
WITH_GDB = {"gdbext.init", "gdbext.commands.command"}

# Packages that run under plain Python.
PLAIN = ("cpython", "layout", "analysis", "render", "elf", "cli")

OLDEST_PYTHON = (3, 9)


class Import(NamedTuple):
    """One import: which module has it, on which line, and what it imports ("a.b" or a name in it)."""

    module: str
    line: int
    name: str

    @property
    def where(self) -> str:
        """For a message."""
        return "%s, line %d, imports %s" % (self.module, self.line, self.name)


def sources() -> Dict[str, Path]:
    """Module name → file, of all of gdbext."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("gdbext", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(module: str, path: Path) -> Iterator[Import]:
    """Every import of a module, also those within functions; relative ones resolved."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[:len(package.split(".")) - node.level + 1]
                base = ".".join(parts + ([node.module] if node.module else []))
            for alias in node.names:
                yield Import(module, node.lineno, "%s.%s" % (base, alias.name))


def all_imports() -> List[Import]:
    """Every import in gdbext."""
    return [each for module, path in sources().items() for each in imports(module, path)]


def package_of(name: str) -> str:
    """ "cpython" for "gdbext.cpython.frames"; "" for gdbext itself and what is not gdbext's."""
    parts = name.split(".")
    return parts[1] if parts[0] == "gdbext" and len(parts) > 1 else ""


def test_imports_are_seen() -> None:
    """The walk finds what there is: imports of all kinds, in several packages."""
    found = {(each.module, each.name) for each in all_imports()}
    assert ("gdbext.init", "gdbext.commands.register") in found
    assert any(module.startswith("gdbext.cpython.") and name.startswith("gdbext.layout.")
               for module, name in found)
    assert any(module.startswith("gdbext.target.") and name == "gdb" for module, name in found)


def test_every_package_has_rules() -> None:
    """A new package needs a place in the design first."""
    assert {package_of(module) for module in sources()} - {""} <= set(MAY_IMPORT)


def test_who_imports_whom() -> None:
    """Only what MAY_IMPORT allows; nothing but init.py imports commands."""
    names = set(sources())
    wrong = []
    for each in all_imports():
        importer, imported = package_of(each.module), package_of(each.name)
        if each.name.split(".")[0] != "gdbext" or imported == importer:
            continue
        if not imported or "gdbext." + imported not in names:
            continue  # a name that gdbext/__init__.py defines, such as its version
        if imported not in MAY_IMPORT.get(importer, set()):
            wrong.append(each.where)
    assert not wrong, "\n".join(wrong)


def test_target_knows_only_memory_of_the_model() -> None:
    """target/ implements cpython's Memory, and knows no more of cpython/."""
    wrong = [each.where for each in all_imports()
             if package_of(each.module) == "target" and package_of(each.name) == "cpython"
             and not any(each.name.startswith(allowed) for allowed in ONLY["target"])]
    assert not wrong, "\n".join(wrong)


def test_who_knows_gdb() -> None:
    """target/, commands/command.py and init.py."""
    wrong = [each.where for each in all_imports() if each.name.split(".")[0] == "gdb"
             and package_of(each.module) != "target" and each.module not in WITH_GDB]
    assert not wrong, "\n".join(wrong)


def test_who_knows_pyelftools() -> None:
    """elf/ only."""
    wrong = [each.where for each in all_imports() if each.name.split(".")[0] == "elftools"
             and package_of(each.module) != "elf"]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", PLAIN)
def test_runs_under_plain_python(package: str) -> None:
    """Every module can be imported without gdb."""
    modules = [name for name in sources() if package_of(name) == package]
    assert modules
    for name in modules:
        importlib.import_module(name)


def test_oldest_python(found: Found) -> None:
    """The oldest Python that a gdb may have can compile all of it."""
    fitting = [each for each in found.interpreters if each.minor >= OLDEST_PYTHON]
    if not fitting:
        pytest.skip("there is no Python 3.9 or newer to try")
    oldest = min(fitting, key=lambda each: each.version_info)
    code = "import sys\nfor path in sys.argv[1:]:\n    compile(open(path, 'rb').read(), path, 'exec')\n"
    ended = subprocess.run([str(oldest.path), "-I", "-c", code, *map(str, sources().values())],
                           capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
