"""The chart of scripts/bench: each tool that was measured has its bar, as long as its time, and no answer has none."""

import sys
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import bench_chart

SVG = "{http://www.w3.org/2000/svg}"


def test_bars() -> None:
    document = {"versions": {"gdb": "13 <&>"}, "interpreters": [{"python": "3.12.1", "threads": 14, "results": [
        {"tool": "gdbext", "mode": "off", "median": 0.1}, {"tool": "pystack", "mode": None, "median": 0.4},
        {"tool": "py-bt", "mode": "symbols", "median": None}, {"tool": "gdbext", "mode": "readnever", "median": 0.2}]}]}
    drawing = xml.etree.ElementTree.fromstring(bench_chart.svg(document))
    ours, theirs = (float(bar.get("width") or 0) for bar in drawing.iter(SVG + "rect"))
    assert abs(theirs / ours - 4) < 0.01 and theirs <= bench_chart.WIDTH
    texts = [text.text for text in drawing.iter(SVG + "text")]
    assert texts[1:] == ["CPython 3.12.1", "libpython.py, py-bt", "no answer", "gdbext, symbols off", "100",
                         "pystack remote", "400", "gdb 13 <&>"]
    assert "14 threads" in (texts[0] or "")
