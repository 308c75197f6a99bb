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
    from ..analysis.whole_files import whole

    if os.path.isdir(path):
        refuse(f"{command}: {path} is a folder")
    if os.path.lexists(path) and not force:
        _refuse_to_replace(command, path)
    try:
        with whole(path, force) as file:
            yield file
    except FileExistsError:
        _refuse_to_replace(command, path)
    except OSError as error:
        refuse(f"{command}: can't write {path}: {error.strerror or error}")


def _refuse_to_replace(command: str, path: str) -> None:
    refuse(f"{command}: {path} is there already: give another name, or -force to write over it")
