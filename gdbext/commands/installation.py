"""Whether what was loaded may have been written by somebody else: it runs with the rights of whoever runs gdb."""

import os
import stat
from typing import Iterator, Optional


def open_to_others(package: str) -> Optional[str]:
    """Which part of the installation other users can write to, in words; None where only this one and root can.

    `package` is the folder of the package, without symbolic links. Who may write to a folder can put files of his own
    into the place of those in it, and of those above it, unless that is sticky, as /tmp is (inode(7)). In the package
    and beside it, where Python looks for modules, new files do harm too.
    """
    beside = os.path.dirname(package)
    trusted = {0, os.geteuid()}
    sudo = os.environ.get("SUDO_UID", "")
    if sudo.isdigit():
        # Whose clone root uses through sudo, as git has it too.
        trusted.add(int(sudo))
    for path in _paths(package):
        try:
            found = os.stat(path)
        except OSError:
            continue
        if found.st_uid not in trusted:
            return f"{path} belongs to another user, {_user(found.st_uid)}, whose code runs here with your rights"
        by_others = found.st_mode & stat.S_IWOTH or found.st_mode & stat.S_IWGRP and _has_others(found)
        is_above = beside.startswith(path) and path != beside
        if by_others and not (is_above and found.st_mode & stat.S_ISVTX):
            return f"{path} can be written to by others, whose code then runs here with your rights"
    return None


def _paths(package: str) -> Iterator[str]:
    """The package with all in it, and the folders that it is in."""
    for folder, _folders, names in os.walk(package):
        yield folder
        yield from (os.path.join(folder, name) for name in names)
    while package != os.path.dirname(package):
        package = os.path.dirname(package)
        yield package


def _has_others(found: os.stat_result) -> bool:
    """Whether the group has members besides the owner: many systems give each user a group of his own."""
    import grp
    import pwd

    if found.st_gid == 0:
        return False
    try:
        owner = pwd.getpwuid(found.st_uid)
        members = set(grp.getgrgid(found.st_gid).gr_mem) - {owner.pw_name}
    except KeyError:
        return True
    return bool(members) or owner.pw_gid != found.st_gid


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"number {number}"
