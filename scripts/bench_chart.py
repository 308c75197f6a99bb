"""The chart of what scripts/bench has measured: a bar for each tool's median, a panel for each interpreter."""

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence
from xml.sax.saxutils import escape

WIDTH = 760
LEFT = 250  # of the bars; the labels are before it
RIGHT = 70  # beside the longest bar, for its figure
BAR, GAP = 15, 6
TITLE = 34  # over the bars of a panel
HEAD, FOOT = 44, 28

# Grey letters and lines that can be read on white and on black.
TEXT = "#808080"
OURS, GDB, OTHERS = "#2f81d7", "#b0b0b0", "#d98b3a"
STYLE = 'font-family="system-ui, sans-serif" font-size="12"'

# What is shown, in this order: a tool, its mode as in the JSON, and what it is called in the chart.
BARS = (
    ("py-bt", "symbols", "libpython.py, py-bt"),
    ("gdbext", "symbols", "gdbext, py-bt-plus"),
    ("gdbext", "off", "gdbext, symbols off"),
    ("gdb alone", "off", "gdb alone, symbols off"),
    ("pystack", None, "pystack remote"),
    ("py-spy", None, "py-spy dump"),
    ("gdbext all", "off", "gdbext, locals and native frames"),
    ("pystack all", None, "pystack, locals and native frames"),
    ("gdbext", "core", "gdbext on a core"),
    ("pystack", "core", "pystack core"),
)


class Bar(NamedTuple):
    """One bar; `seconds` None where there is no answer."""

    label: str
    seconds: Optional[float]
    colour: str


def svg(document: Mapping[str, Any]) -> str:
    """The chart as SVG, of the document that scripts/bench --json prints."""
    panels = [(f"CPython {each['python']}", _bars(each["results"])) for each in document["interpreters"]]
    longest = max((bar.seconds or 0.0 for _title, bars in panels for bar in bars), default=0.0) or 1.0
    height = HEAD + FOOT + sum(TITLE + len(bars) * (BAR + GAP) for _title, bars in panels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" {STYLE}>',
        _text(12, 26, f"All tracebacks of {_threads(document)} threads, from start to exit, milliseconds", "16"),
    ]
    top = HEAD
    for title, bars in panels:
        lines.append(_text(12, top + 22, title, "14"))
        top += TITLE
        for bar in bars:
            lines += _drawn(bar, top, longest)
            top += BAR + GAP
    lines += [_text(12, height - 10, _machine(document["versions"])), "</svg>"]
    return "\n".join(lines) + "\n"


def _bars(results: Sequence[Mapping[str, Any]]) -> List[Bar]:
    found: Dict[Any, Optional[float]] = {(each["tool"], each["mode"]): each["median"] for each in results}
    return [Bar(label, found[tool, mode], OURS if tool.startswith("gdbext") else GDB if tool == "gdb alone" else OTHERS)
            for tool, mode, label in BARS if (tool, mode) in found]


def _drawn(bar: Bar, top: int, longest: float) -> Iterator[str]:
    middle = top + BAR - 3
    yield _text(LEFT - 8, middle, bar.label, anchor="end")
    if bar.seconds is None:
        yield _text(LEFT, middle, "no answer")
        return
    width = bar.seconds / longest * (WIDTH - LEFT - RIGHT)
    yield f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{bar.colour}"/>'
    yield _text(LEFT + round(width) + 6, middle, f"{bar.seconds * 1000:.0f}")


def _text(x: int, y: int, text: str, size: str = "12", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" fill="{TEXT}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'


def _threads(document: Mapping[str, Any]) -> int:
    return document["interpreters"][0]["threads"] if document["interpreters"] else 0


def _machine(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
