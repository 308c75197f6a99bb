"""What Graphviz makes of a graph: its nodes with their labels and its edges, read back from the SVG."""

import shutil
import subprocess
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple
from xml.etree import ElementTree

import pytest

TIMEOUT = 60
_SVG = "{http://www.w3.org/2000/svg}"


class Drawing(NamedTuple):
    """Labels and colours of nodes by their names, and the (from, to, colour) of edges."""

    label: str
    nodes: Dict[str, Tuple[str, str]]
    edges: List[Tuple[str, str, str]]


def path() -> Optional[str]:
    """Where dot is, None where Graphviz is not installed."""
    return shutil.which("dot")


def draw(lines: Iterable[str]) -> Drawing:
    """Feed a graph to dot, which must take it without a word. Skips the test where there is no Graphviz."""
    dot = path()
    if dot is None:
        pytest.skip("Graphviz is not installed, which would draw the graph")
    ended = subprocess.run([dot, "-Tsvg"], input="\n".join(lines).encode(), capture_output=True, timeout=TIMEOUT,
                           check=False)
    assert (ended.returncode, ended.stderr) == (0, b""), ended.stderr
    graph = ElementTree.fromstring(ended.stdout).find(_SVG + "g")
    assert graph is not None
    nodes, edges = {}, []
    for part in graph.iter(_SVG + "g"):
        title = part.findtext(_SVG + "title") or ""
        if part.get("class") == "node":
            shape = part.find(_SVG + "polygon")
            shape = shape if shape is not None else part.find(_SVG + "ellipse")
            assert shape is not None
            nodes[title] = _text(part), shape.get("stroke", "")
        elif part.get("class") == "edge":
            line = part.find(_SVG + "path")
            assert line is not None
            begin, _arrow, end = title.partition("->")
            edges.append((begin, end, line.get("stroke", "")))
    return Drawing(_text(graph), nodes, edges)


def _text(part: ElementTree.Element) -> str:
    """The lines of a label. Spaces are drawn as what no renderer of SVG leaves out."""
    return "\n".join(line.text or "" for line in part.findall(_SVG + "text")).replace("\xa0", " ")
