"""The JSON documents of all commands: what they start with, and how they are written."""

import json
from typing import Any, Dict


def document(command: str, target: Dict[str, Any], answer: Dict[str, Any]) -> str:
    """One document on one line. Only ASCII, so that no character set between here and the reader matters."""
    return json.dumps({"command": command, "target": target, **answer}, separators=(", ", ": "))
