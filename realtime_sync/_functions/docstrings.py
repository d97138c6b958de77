"""
What a docstring says about parameters, in the three styles that are in use.

Google's ``Args:``, numpy's underlined ``Parameters`` and the field lists of reST. It
is no parser of markup: it finds the words for each name, and what stands before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import attrs


__all__ = ["Docstring", "parse_docstring"]

_PARAMETERS: Final = frozenset(
    {
        "args",
        "arguments",
        "attributes",
        "keyword args",
        "keyword arguments",
        "other parameters",
        "parameters",
        "params",
    }
)
_OTHERS: Final = frozenset(
    {
        "example",
        "examples",
        "note",
        "notes",
        "raises",
        "references",
        "return",
        "returns",
        "see also",
        "warning",
        "warnings",
        "warns",
        "yields",
    }
)
# "city: …", "city (str): …", "city : str" and "lat, lon : float"
_GOOGLE: Final = re.compile(r"\*{0,2}(\w+)\s*(?:\(.*?\))?\s*:\s*(.*)")
_NUMPY: Final = re.compile(r"([*\w]+(?:\s*,\s*[*\w]+)*)\s*(?::.*)?")
# ":param city: …", ":param str city: …" and ":returns: …"
_REST: Final = re.compile(r":(\w+)\s*([^:]*):\s*(.*)")
_REST_PARAMETERS: Final = frozenset(
    {"arg", "argument", "attr", "ivar", "key", "keyword", "param", "parameter", "var"}
)
# Kinds of sections that end where the indentation does; others at the next heading.
_INDENTED: Final = frozenset({"google", "google other", "rest"})


@attrs.frozen
class Docstring:
    """
    The parts of a docstring that matter to a caller.

    Attributes:
        summary: What stands before the first section.
        parameters: What is said of each parameter, in one line.
    """

    summary: str
    parameters: dict[str, str]


def parse_docstring(text: str) -> Docstring:
    """Take a docstring, already dedented, apart."""
    blocks = list(_blocks(text.expandtabs().splitlines()))
    parameters: dict[str, str] = {}
    for kind, lines in blocks:
        for names, words in _entries(kind, lines):
            parameters.update(dict.fromkeys(names, words))
    summary = "\n".join(line for kind, lines in blocks if not kind for line in lines)
    return Docstring(re.sub(r"\n{3,}", "\n\n", summary).strip(), parameters)


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Cut at the headings; "" is the kind of what is under none."""
    kind, block = "", list[str]()
    at = 0
    while at < len(lines):
        line = lines[at]
        found = _heading(lines, at)
        if found:
            yield kind, block
            kind, skipped = found
            block = [line] if kind == "rest" else []
            at += skipped
        elif kind in _INDENTED and line.strip() and not line.startswith(" "):
            yield kind, block
            kind, block = "", [line]
        else:
            block.append(line)
        at += 1
    yield kind, block


def _heading(lines: list[str], at: int) -> tuple[str, int] | None:
    """Return the kind of section that begins here, and how many lines to skip."""
    line = lines[at]
    word = line.strip().lower()
    following = lines[at + 1].strip() if at + 1 < len(lines) else ""
    if re.fullmatch(r"-{3,}|={3,}", following) and word in _PARAMETERS | _OTHERS:
        return ("numpy" if word in _PARAMETERS else "numpy other", 1)
    if line.startswith(" "):
        return None
    if word.endswith(":") and word[:-1] in _PARAMETERS | _OTHERS:
        return ("google" if word[:-1] in _PARAMETERS else "google other", 0)
    return ("rest", 0) if _REST.fullmatch(line) else None


def _entries(kind: str, lines: list[str]) -> Iterator[tuple[list[str], str]]:
    if kind == "rest":
        yield from _rest_entry(lines)
    elif kind in ("google", "numpy"):
        for head, body in _indented(lines):
            yield from (_google_entry if kind == "google" else _numpy_entry)(head, body)


def _indented(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each line of the least indentation with the lines below that are deeper."""
    filled = [line for line in lines if line.strip()]
    least = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    head, body = "", list[str]()
    for line in filled:
        if line[least] != " ":
            if head:
                yield head, body
            head, body = line.strip(), []
        else:
            body.append(line.strip())
    if head:
        yield head, body


def _google_entry(head: str, body: list[str]) -> Iterator[tuple[list[str], str]]:
    match = _GOOGLE.fullmatch(head)
    if match:
        yield [match[1]], " ".join([match[2], *body]).strip()


def _numpy_entry(head: str, body: list[str]) -> Iterator[tuple[list[str], str]]:
    match = _NUMPY.fullmatch(head)
    if match:
        names = [name.strip(" *") for name in match[1].split(",")]
        yield names, " ".join(body)


def _rest_entry(lines: list[str]) -> Iterator[tuple[list[str], str]]:
    match = _REST.fullmatch(lines[0])
    if match and match[1] in _REST_PARAMETERS and match[2].strip():
        name = match[2].split()[-1].lstrip("*")
        words = [match[3], *(line.strip() for line in lines[1:])]
        yield [name], " ".join(word for word in words if word)
