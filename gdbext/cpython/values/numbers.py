"""int, bool, float, complex.

Facts: Objects/longobject.c, Objects/floatobject.c, Objects/complexobject.c.
"""

import struct
from typing import Dict, Optional

from ..objects import Type
from .rendering import Handler, Rendering
from .text import cut

# Up to here str() is quick, and allowed: Python refuses at 640 digits at the earliest (str_digits_check_threshold
# in sys.int_info).
_DIRECT_BITS = 2000

_LOG10_OF_2 = 0.30102999566398119521


def decimal(value: int, length: Optional[int] = None) -> str:
    """An int in decimal digits, however many; `length` of them at the most, and then how many more there are."""
    sign = "-" if value < 0 else ""
    value = abs(value)
    if length is None or value.bit_length() <= _DIRECT_BITS:
        digits = _digits(value)
        count = len(digits)
        length = count if length is None else length
    else:
        count = _count_digits(value)
        digits = _digits(value // 10 ** max(count - length, 0))
    return cut(sign + digits[:length], length, count)


def _count_digits(value: int) -> int:
    """How many decimal digits a positive number has."""
    count = int(value.bit_length() * _LOG10_OF_2)
    power = 10 ** count
    while power <= value:
        count += 1
        power *= 10
    return count


def _digits(value: int) -> str:
    """What str() gives, which may refuse a long one. Halves it: str() takes time in the square of the digits."""
    if value.bit_length() <= _DIRECT_BITS:
        return str(value)
    half = int(value.bit_length() * _LOG10_OF_2) // 2
    high, low = divmod(value, 10 ** half)
    return _digits(high) + _digits(low).rjust(half, "0")


def _int(show: Rendering, address: int, _type: Type) -> str:
    return decimal(show.reading.objects.integer(address), show.limits.length)


def _bool(show: Rendering, address: int, _type: Type) -> str:
    return repr(bool(show.reading.objects.integer(address)))


def double(show: Rendering, address: int, name: str, path: str) -> float:
    """A field that is a C double. Raises READ_ERRORS."""
    at = address + show.reading.reader.layout[name].offset(path)
    return float(struct.unpack("<d", show.reading.memory.read(at, 8))[0])


def _float(show: Rendering, address: int, _type: Type) -> str:
    return repr(double(show, address, "PyFloatObject", "ob_fval"))


def _complex(show: Rendering, address: int, _type: Type) -> str:
    return repr(complex(double(show, address, "PyComplexObject", "cval.real"),
                        double(show, address, "PyComplexObject", "cval.imag")))


HANDLERS: Dict[str, Handler] = {"int": _int, "bool": _bool, "float": _float, "complex": _complex}
