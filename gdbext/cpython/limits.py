"""How much of a value is shown."""

from typing import NamedTuple, Optional


class Limits(NamedTuple):
    """What is shown of one value; None is all of it.

    `length`: characters of a str, bytes of a bytes object, digits of an int. `items`: of one container,
    attributes of one instance. `depth`: containers and instances within each other. `total`: characters
    of the whole, after which no container is given another item.
    """

    length: Optional[int] = 200
    items: Optional[int] = 50
    depth: Optional[int] = 4
    total: Optional[int] = 8000


DEFAULT = Limits()
UNLIMITED = Limits(None, None, None, None)
