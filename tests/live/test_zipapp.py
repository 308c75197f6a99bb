"""Source that lies in a ZIP file: programs/zipped.py runs as a zipapp, and tells how its own Python prints an error."""

import zipfile
from pathlib import Path

from tests.support import gdb, processes, stripped
from tests.support.interpreters import Interpreter


def test_source_of_a_zipapp(interpreter: Interpreter, tmp_path: Path) -> None:
    """Live, and from a core; without the archive there is no source."""
    app = tmp_path / "app.pyz"
    app.write_bytes(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(app, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.write(processes.PROGRAMS / "zipped.py", "__main__.py")
        for name in ("common.py", "places.py", "zipped_module.py"):
            archive.write(processes.PROGRAMS / name, name)
    with processes.running_python(stripped.as_installed(interpreter), str(app)) as program:
        truth, executable = program.truth, program.executable
        command = "py-exc %#x" % truth["address"]
        core = gdb.gcore(program.pid, tmp_path / "core")
        live, frames = gdb.run([command, "py-bt-plus"], mode="hidden", pid=program.pid).answers
    dead, = gdb.run([command], mode="hidden", core=core, executable=executable).answers
    assert str(app) + "/zipped_module.py" in truth["text"] and "    raise ValueError(" in truth["text"]
    assert live.stdout == dead.stdout == truth["text"]
    assert "common.hold()" in frames.stdout
    app.unlink()
    bare, = gdb.run([command], mode="hidden", core=core, executable=executable).answers
    core.unlink()
    assert bare.stderr == "" and bare.stdout.splitlines()[-1] == truth["text"].splitlines()[-1]
    assert "raise ValueError(" not in bare.stdout
