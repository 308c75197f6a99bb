"""All ways in which a command may be typed, by its USAGE: a command that is registered is tested by that alone.

Usage is words, -options and PLACEHOLDERS. What stands in [...] may be left out; | stands between alternatives.
"""

import itertools
import re
from typing import Iterable, List, Mapping, Sequence, Tuple

_TOKEN = re.compile(r"(\s*)(\[|\]|\||[^\s\[\]|]+)")
# The same after an option and alone: the FILE of -file and that of an export.
_PLACEHOLDER = re.compile(r"\$?[A-Z]+")

# As typed, word by word.
Form = Tuple[str, ...]
_Tokens = List[Tuple[str, str]]


class Unknown(Exception):
    """USAGE has a placeholder for which nobody has said what may stand there."""


def forms(usage: str) -> List[Form]:
    """Every form that USAGE allows, on any of its lines; the first of each line is the shortest. Raises ValueError."""
    found: List[Form] = []
    for line in usage.split("\n"):
        tokens = _TOKEN.findall(line.strip())
        found += _alternatives(tokens)
        if tokens:
            raise ValueError("%r: unbalanced" % line)
    return list(dict.fromkeys(found))


def _alternatives(tokens: _Tokens) -> List[Form]:
    """The forms up to the end or to a "]"; takes those tokens away."""
    found: List[Form] = []
    parts: List[List[Form]] = []
    while tokens and tokens[0][1] != "]":
        space, token = tokens.pop(0)
        if token == "[":
            parts.append([(), *_alternatives(tokens)])
            if not tokens:
                raise ValueError("a [ without ]")
            tokens.pop(0)
        elif token != "|":
            # ",END" belongs to the word before it.
            parts.append([(token if space or not parts else "\b" + token,)])
        elif not space and parts:
            # Of one word: count|bytes.
            parts[-1].append((tokens.pop(0)[1],))
        else:
            found += _joined(parts)
            parts = []
    return found + _joined(parts)


def _joined(parts: Sequence[Sequence[Form]]) -> List[Form]:
    return [tuple(itertools.chain.from_iterable(choice)) for choice in itertools.product(*parts)]


def few(all_forms: Iterable[Form]) -> List[Form]:
    """As few of them as have every word once, the shortest first, then the fullest; and each of these with -json."""
    every = sorted(all_forms, key=len)
    plain = [form for form in every if "-json" not in form]
    json = {frozenset(form): form for form in every if "-json" in form}
    kept: List[Form] = plain[:1]
    seen = set(itertools.chain.from_iterable(kept))
    while not seen.issuperset(itertools.chain.from_iterable(plain)):
        kept.append(max(plain, key=lambda form: (len(set(form) - seen), -len(form))))
        seen.update(kept[-1])
    with_json = (frozenset((*form, "-json")) for form in kept)
    return kept + [json[form] for form in with_json if form in json]


def placeholders(form: Form) -> List[str]:
    """The words that stand for something."""
    return [word for word in form if _PLACEHOLDER.fullmatch(word.lstrip("\b,"))]


def typed(form: Form, words: Mapping[str, str]) -> str:
    """The line to type, with words in the place of placeholders. Raises Unknown."""
    line = ""
    for word in form:
        name = word.lstrip("\b,")
        if _PLACEHOLDER.fullmatch(name):
            if name not in words:
                raise Unknown("tests/support/usage.py: nobody says what may stand for %s in %r" % (
                    name, " ".join(form)))
            word = word[:-len(name)] + words[name]
        line += word[1:] if word.startswith("\b") else " " + word
    return line[1:]
