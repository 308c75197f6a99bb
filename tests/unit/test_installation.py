"""Who else can write to what is loaded."""

import os
from pathlib import Path

import pytest

from gdbext.commands import installation

NOBODY = 65534


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An installation that is nobody else's, if the folder for temporary files is not."""
    folder = tmp_path / "above" / "beside" / "gdbext"
    (folder / "layout").mkdir(parents=True)
    (folder / "layout" / "table.json").write_text("{}")
    for path in (folder, *folder.rglob("*"), *list(folder.parents)[:3]):
        path.chmod(0o700)
    before = installation.open_to_others(str(folder))
    if before is not None:
        pytest.skip("temporary files are not safe here: %s" % before)
    return folder


@pytest.mark.parametrize("part", [".", "layout", "layout/table.json", "..", "../.."])
def test_what_others_may_write_to(package: Path, part: str) -> None:
    """The package, what is in it, and the folders that it is in."""
    path = package / part
    path.chmod(path.stat().st_mode | 0o002)
    assert installation.open_to_others(str(package)) == (
        "%s can be written to by others, whose code then runs here with your rights" % path.resolve())


def test_sticky_folders(package: Path) -> None:
    """As /tmp is: what is in it can't be replaced; but beside the package Python looks for modules."""
    (package / "../..").chmod(0o1777)
    assert installation.open_to_others(str(package)) is None
    (package / "..").chmod(0o1777)
    assert str(package.parent) in str(installation.open_to_others(str(package)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_owners_and_groups(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's clone; root through sudo; a group of others."""
    monkeypatch.delenv("SUDO_UID", raising=False)
    table = package / "layout" / "table.json"
    os.chown(table, NOBODY, -1)
    assert "%s belongs to another user" % table in str(installation.open_to_others(str(package)))
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    assert installation.open_to_others(str(package)) is None
    table.chmod(0o660)
    assert installation.open_to_others(str(package)) is None
    os.chown(table, 0, 54321)
    assert "%s can be written to by others" % table in str(installation.open_to_others(str(package)))
