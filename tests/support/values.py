"""Asking gdb how it shows values of a program under test."""

import json
from pathlib import Path
from typing import List, Optional, Sequence

UNLIMITED = (None, None, None, None)

_SCRIPT = Path(__file__).with_name("tell_values.py")


def command(folder: Path, addresses: Sequence[int], limits: Sequence[Optional[int]] = UNLIMITED) -> str:
    """A gdb command that prints, as a JSON list, the texts of the values at these addresses."""
    asked = folder / ("asked-%s.json" % "-".join(map(str, limits)))
    asked.write_text(json.dumps({"addresses": list(addresses), "limits": list(limits)}))
    return "python exec(open(%r).read()); tell(%r)" % (str(_SCRIPT), str(asked))


def assert_same(cases: List[List[object]], texts: List[str]) -> None:
    """Each case's expected text is the one that was shown; a failure has the first ones that are not."""
    assert len(cases) == len(texts) > 0
    wrong = ["%s\n  expected %s\n  shown    %s" % (name, ascii(text)[:500], ascii(shown)[:500])
             for (name, _address, text), shown in zip(cases, texts) if text != shown]
    assert not wrong, "%d of %d values differ\n%s" % (len(wrong), len(cases), "\n".join(wrong[:20]))
