"""Python values as repr() shows them, read from memory.

A value is shown as the repr() of its type shows it where that is C code of CPython or one of the
standard library's functions that are known here. For all else, the repr() would be the result of
code that only the process itself can run; such a value, and every instance whose repr() tells
nothing of it, is shown as `<module.Class at 0x...: name=value, ...>`, which is nobody's repr().
A class derived from a built-in type has its contents before its attributes: `<app.Stack at 0x...:
[1, 2], name='x'>`; without attributes of its own it is shown as repr() does, `[1, 2]`.

What is cut is said, with how much of it there is: `'aaaa'... 96 more`, `[0, 1, ... 8 more]`; what lies
deeper than wanted is `<list at 0x...: too deep>`. A value that contains itself ends as repr() has it.
"""

from typing import List, NamedTuple, Optional

from ..classes import Classes, Name
from ..code import Codes
from ..dicts import Dicts
from ..limits import DEFAULT, UNLIMITED, Limits
from ..objects import Objects
from .rendering import Attribute, Rendering
from .shapes import Shapes

__all__ = ["DEFAULT", "UNLIMITED", "Attribute", "Limits", "Named", "Repr", "Values"]


class Named(NamedTuple):
    """A type: its address and its name."""

    address: int
    name: Name


class Repr(NamedTuple):
    """What repr() gives; where that would run code for a part of it (`needs_code`), that part is shown otherwise.

    `is_whole`: all of it could be read.
    """

    text: str
    needs_code: bool
    is_whole: bool


class Values:
    """Reads values of one interpreter, Python 3.`minor`. Keeps what it learns of types for as long as it lives.

    Where `minor` is None, characters are those of the Python that this runs in.
    """

    def __init__(self, objects: Objects, dicts: Dicts, codes: Codes, minor: Optional[int] = None) -> None:
        self.classes = Classes(objects, dicts)
        self._shapes = Shapes(objects, dicts, codes, self.classes, minor)

    def text(self, address: int, limits: Limits = DEFAULT) -> str:
        """The repr() of the object at `address`; printable characters only.

        Raises none of READ_ERRORS: what can't be read is `<unreadable at 0x...>` in its place.
        """
        return Rendering(self._shapes, limits).text(address)

    def repr(self, address: int) -> Repr:
        """The repr() of the object at `address`, however long; printable characters only. Raises no READ_ERRORS."""
        rendering = Rendering(self._shapes, UNLIMITED, as_repr=True)
        text = rendering.text(address)
        return Repr(text, rendering.needs_code, rendering.is_whole)

    def attributes(self, address: int) -> List[Attribute]:
        """The variables of an instance: its `__dict__`, then its `__slots__` that are set, inherited ones too.

        Names that are no str are left out. Raises Unreadable, Damaged, MissingField.
        """
        return list(self._shapes.attributes(address))

    def type_of(self, address: int) -> Named:
        """The type of an object. Raises Unreadable, Damaged, MissingField."""
        type_ = self._shapes.type_of(address)
        return Named(type_.address, self.classes.name(type_))

    def type_name(self, type_: int) -> str:
        """The name of the type object at `type_`, with its module unless that is builtins, as `<class '...'>` has it.

        Raises Unreadable, Damaged, MissingField.
        """
        return self.classes.name(self.classes.type(type_)).full
