"""How much of a value is shown."""

from typing import NamedTuple, Optional


class Limits(NamedTuple):
    """What is shown of one value; None is all of it.

    `length`: characters of a str, bytes of a bytes object, digits of an int. `items`: of one container,
    attributes of one instance. `depth`: containers and instances within each other. `total`: characters
    of the whole, after which no container is given another item. An item may have half of what is left of it,
    the last one all: a large first item shall not hide the others.
    """

    length: Optional[int] = 200
    items: Optional[int] = 50
    depth: Optional[int] = 4
    total: Optional[int] = 8000


DEFAULT = Limits()
# Of each of many values that are read together, as the variables of all frames: some lines of a terminal.
LISTED = Limits(total=300)
UNLIMITED = Limits(None, None, None, None)
