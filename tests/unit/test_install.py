"""The block that `gdbext install` writes: in whatever init file there is, once, and out again."""

import os
from pathlib import Path

import pytest

from gdbext.analysis import libpython
from gdbext.cli import Failed, init_file, install

INIT = "/opt/a folder/gdbext/init.py"
OTHERS = ["", "set pagination off\n", "set pagination off", "# >>> other >>>\nsource /x.py\n# <<< other <<<\n"]


@pytest.mark.parametrize("text", OTHERS)
def test_there_and_back(text: str) -> None:
    """What else is in the file stays as it is; a second time changes nothing."""
    once = install.with_block(text, INIT)
    assert once.count("source %s\n" % INIT) == 1 and once.startswith(text)
    assert install.with_block(once, INIT) == once
    back = install.without_block(once)
    assert back == (text if text.endswith("\n") or not text else text + "\n")
    assert install.sourced(once) == INIT and install.sourced(text) is None


def test_older_block() -> None:
    """One that names another place is put right where it stands."""
    old = "set width 0\n" + install.block("/old/gdbext/init.py") + "set height 0\n"
    assert install.with_block(old, INIT) == "set width 0\n" + install.block(INIT) + "set height 0\n"


def test_line_of_the_user() -> None:
    """Who has written the line by hand needs no block; who loads another copy does."""
    line = "  source %s\n" % init_file()
    assert install.with_block(line, init_file()) == line
    assert install.block(init_file()) in install.with_block("source /old/gdbext/init.py\n", init_file())


def test_strange_path() -> None:
    """A path that an init file can't name."""
    with pytest.raises(Failed, match="can't be told to load"):
        install.block("/opt/a\nfolder/gdbext/init.py")


def test_files(tmp_path: Path) -> None:
    """The mode and a link stay, the text before is kept, nothing else is left beside."""
    real, link = tmp_path / "dotfiles" / "gdbinit", tmp_path / ".gdbinit"
    real.parent.mkdir()
    real.write_bytes(b"set width 0\r\n# \xff\n")
    real.chmod(0o640)
    link.symlink_to(real)
    old = install.read(str(link))
    install.write(str(link), old, install.with_block(old, INIT))
    assert link.is_symlink() and real.stat().st_mode & 0o777 == 0o640
    backup = real.with_name("gdbinit" + install.BACKUP)
    assert backup.read_bytes() == b"set width 0\r\n# \xff\n" and backup.stat().st_mode & 0o777 == 0o640
    assert real.read_bytes() == b"set width 0\r\n# \xff\n" + install.block(INIT).encode()
    assert sorted(os.listdir(real.parent)) == ["gdbinit", "gdbinit" + install.BACKUP]


def test_new_file(tmp_path: Path) -> None:
    """A file that did not exist is made with its folders, and removed when it would be empty."""
    path = tmp_path / ".config" / "gdb" / "gdbinit"
    install.write(str(path), None, install.with_block(None, INIT))
    assert path.read_text() == install.block(INIT)
    install.write(str(path), path.read_text(), install.without_block(path.read_text()))
    assert not path.exists()


def test_no_room(tmp_path: Path) -> None:
    """One that can't be written says so, and stays as it was."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match="Not a directory|File exists"):
        install.write(str(tmp_path / "file" / "gdbinit"), None, "source x\n")
    with pytest.raises(Failed, match="Is a directory"):
        install.read(str(tmp_path))


@pytest.mark.parametrize("major, there, wanted", [
    (10, ["plain", "newer"], "plain"), (10, [], "plain"), (13, ["plain", "newer"], "newer"), (13, ["newer"], "newer"),
    (13, ["plain"], "plain"), (13, [], "plain")])
def test_which_file(tmp_path: Path, major: int, there: "list[str]", wanted: str) -> None:
    """What gdb 11 and newer read; where there is none, the one that hides no other."""
    paths = {"plain": tmp_path / ".gdbinit", "newer": tmp_path / ".config" / "gdb" / "gdbinit"}
    for name in there:
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        paths[name].write_text("")
    assert libpython.init_file(str(tmp_path), None, major) == str(paths[wanted])
