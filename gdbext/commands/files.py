"""Files that commands write: they hold what the program held, so nobody else may read them."""

import contextlib
import os
from typing import BinaryIO, Iterator

from .command import Option, refuse

FORCE = Option("force", "Write over FILE if there is one.")


@contextlib.contextmanager
def written(command: str, path: str, force: bool) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its name once it is whole, and is gone if it never is.

    Refuses where `path` can't be written, or is there and may not be written over.
    """
    if os.path.isdir(path):
        refuse(f"{command}: {path} is a folder")
    if os.path.lexists(path) and not force:
        _refuse_to_replace(command, path)
    try:
        with _beside(path, force) as file:
            yield file
    except FileExistsError:
        _refuse_to_replace(command, path)
    except OSError as error:
        refuse(f"{command}: can't write {path}: {error.strerror or error}")


def _refuse_to_replace(command: str, path: str) -> None:
    refuse(f"{command}: {path} is there already: give another name, or -force to write over it")


@contextlib.contextmanager
def _beside(path: str, force: bool) -> Iterator[BinaryIO]:
    """Raises OSError."""
    part = f"{path}.{os.getpid()}.part"
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
        if force:
            os.replace(part, path)
            return
        try:
            # Fails where somebody has made a file of that name in the meantime.
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links.
            if os.path.lexists(path):
                raise FileExistsError(path) from None
            os.rename(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
