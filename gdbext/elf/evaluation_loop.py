"""How the evaluation loop of a CPython was compiled, by its code and the names in its symbol tables.

Facts: Python/ceval.c and ceval_macros.h (USE_COMPUTED_GOTOS, _Py_TAIL_CALL_INTERP), Python/jit.c;
Intel SDM 2, JMP (FF /4).
"""

import re
from typing import NamedTuple, Optional

from .image import Image

LOOP = "_PyEval_EvalFrameDefault"

# `jmp *%reg` and `jmp *table(,%reg,8)`: with computed gotos every instruction of CPython's has one at its end,
# more than a hundred; a switch has one for all of them, and compilers add a few.
_INDIRECT_JUMP = re.compile(rb"\xff[\xe0-\xe7]|\xff\x24.", re.DOTALL)
MANY_JUMPS = 60
# A whole loop has 30 KB and more; what is left of one that was split or made of tail calls a few hundred bytes.
MIN_WHOLE = 16 << 10
MAX_LOOP = 1 << 20
MAX_NAMES = 64 << 20
# Functions of Python/jit.c, of which link-time optimisation leaves one or the other.
_JIT = re.compile(rb"(?<!\w)(?:_PyJIT_Compile|jit_error)(?!\w)")


class EvaluationLoop(NamedTuple):
    """How the loop was compiled; each None where that does not show.

    `dispatch` is "computed gotos", "one jump for all" (a switch, or computed gotos that -O0 and -Og have merged) or
    "tail calls"; `split` tells of code that the compiler moved to a
    part of its own (.cold); `jit` whether there is a just-in-time compiler. `size` is in bytes.
    """

    dispatch: Optional[str]
    split: Optional[bool]
    jit: Optional[bool]
    lto: Optional[bool]
    size: int


def of(image: Image, debug: Optional[Image] = None, part: bytes = b"") -> Optional[EvaluationLoop]:
    """The loop that a file defines, None where it has none. Raises ImageError.

    `debug` is its debug file; `part` the code of its largest function, where that is known, for GCC 16
    keeps nearly all of the loop in a part without an exported name.
    """
    symbol = image.symbol(LOOP)
    if symbol is None:
        return None
    names = b"".join(each.contents(".strtab", MAX_NAMES) or b"" for each in (image, debug) if each is not None)
    whole = symbol.size >= MIN_WHOLE
    dispatch = None
    if b"_TAIL_CALL_" in names:
        dispatch = "tail calls"
    elif whole and image.machine == "x86_64":
        code = image.read(symbol.address, min(symbol.size, MAX_LOOP)) or b""
        jumps = len(_INDIRECT_JUMP.findall(code))
        dispatch = "computed gotos" if jumps >= MANY_JUMPS else "one jump for all" if code else None
    elif not whole and len(part) >= MIN_WHOLE and len(_INDIRECT_JUMP.findall(part)) >= MANY_JUMPS:
        dispatch = "computed gotos"
    # Names of local functions are in .symtab only.
    split: Optional[bool] = (LOOP + ".cold").encode() in names if names else None
    return EvaluationLoop(
        dispatch,
        True if dispatch == "computed gotos" and not whole else split,
        _JIT.search(names) is not None if names else None,
        b".lto_priv" in names if names else None,
        symbol.size)
