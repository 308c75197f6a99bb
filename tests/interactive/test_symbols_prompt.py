"""py-symbols at a prompt: its question, and TAB for files."""

import shutil
from pathlib import Path
from typing import Iterator, List

import pytest

from tests.support import gdb as gdb_runner
from tests.support import processes
from tests.support.interpreters import Interpreter
from tests.support.prompt import Prompt

QUESTION = "(y or n) "
# What tells that libpython.py is loaded.
SCRIPT = "class PyObjectPtr: pass\nclass PyFrameObjectPtr: pass\nprint('it runs')\n"


@pytest.fixture
def prompts(interpreter: Interpreter, gdb: gdb_runner.Gdb, tmp_path: Path) -> Iterator[List[Prompt]]:
    """Two of gdb's, attached to one process after the other, with a script beside the program that fits."""
    if interpreter.libpython is None or interpreter.minor != (3, 11):
        pytest.skip("the same for all interpreters: done with one")
    (tmp_path / "bin").mkdir()
    copy = tmp_path / "bin" / "python"
    shutil.copy(interpreter.path, copy)
    copy.with_name("python-gdb.py").write_text(SCRIPT)
    command = [str(copy), "-uc", "import os; os.write(1, b'ready\\n'); os.read(0, 1)"]
    home = {"PYTHONHOME": str(interpreter.prefix)}
    with processes.running(command, home) as first, processes.running(command, home) as second:
        made = [Prompt(program.pid, tmp_path) for program in (first, second)]
        yield made
        for each in made:
            each.close()


def test_question(prompts: List[Prompt], tmp_path: Path) -> None:
    """Nothing is run unless the answer is yes, or the user wants to be asked nothing."""
    asked, unasked = prompts
    script = str(tmp_path / "bin" / "python-gdb.py")
    for answer in ("n", "", "no", "maybe"):
        asked.send("py-symbols -load-libpython")
        asked.expect("Run %s in gdb's Python? %s" % (script, QUESTION))
        asked.send(answer)
        assert asked.answer().endswith("Not loaded.\n")
    asked.send("py-symbols -load-libpython")
    asked.expect(QUESTION)
    asked.interrupt()
    assert "Traceback" not in asked.answer() and "it runs" not in asked.ask("echo \\n")
    asked.send("py-symbols -load-libpython")
    asked.expect(QUESTION)
    asked.type("\x04")
    assert asked.answer().endswith("Not loaded.\n")
    asked.send("py-symbols -load-libpython")
    asked.expect(QUESTION)
    asked.send("y")
    assert asked.answer().endswith("it runs\nLoaded %s\n" % script)
    assert asked.ask("py-symbols -load-libpython") == "libpython.py is loaded.\n"
    unasked.ask("set confirm off")
    assert unasked.ask("py-symbols -load-libpython") == "it runs\nLoaded %s\n" % script


def test_tab_completes_files(prompts: List[Prompt], tmp_path: Path) -> None:
    (tmp_path / "debug-files").mkdir()
    (tmp_path / "debug-files" / "one-file.debug").write_text("")
    prompts[0].type("py-symbols -use debug-f\t")
    prompts[0].expect("debug-files/one-file.debug")
    prompts[0].send("")
    assert "is not an ELF file" in prompts[0].answer()
