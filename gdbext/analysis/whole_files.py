"""Files that have their name only once they are whole."""

import contextlib
import os
from typing import BinaryIO, Iterator


@contextlib.contextmanager
def whole(path: str, force: bool, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its name at the end, and is gone if that is never reached.

    `force`: in the place of one that is there. Raises FileExistsError without, and OSError.
    """
    part = f"{path}.{os.getpid()}.part"
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            os.fchmod(descriptor, mode)
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
