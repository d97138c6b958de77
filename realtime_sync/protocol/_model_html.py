"""How events and other objects of the protocol show themselves in a notebook."""

from collections.abc import Mapping
from typing import Any

import attrs

from ._markup import Html, tag
from ._model import NOTHING, UNSET, Model, UnknownObject, show_json


__all__ = ["FAINT", "model_html", "rows"]

FAINT = "opacity:.65"  # of the text's own colour: fits light and dark
_TABLE = "border-collapse:collapse;margin:0;font-size:inherit;width:auto"
_CELL = "text-align:left;vertical-align:top;padding:1px 12px 1px 0;border:0"
_WORDS = "white-space:pre-wrap;overflow-wrap:anywhere"
_TEXT_LIMIT = 2000  # characters


def model_html(model: Model) -> Html:
    """Return *model* as a table: its type, and its fields but for absent ones."""
    name = type(model).__name__
    wire_type = str(getattr(model, "type", "") or "")
    kind = tag("span", f" {wire_type}", style=FAINT)
    return tag("div", tag("b", name), kind, _fields(model), style="padding-left:6px")


def rows(pairs: Mapping[str, str]) -> Html:
    """Return a table of names and values; values may be HTML."""
    return tag(
        "table", *(_row(name, value) for name, value in pairs.items()), style=_TABLE
    )


def _row(name: str, value: str) -> Html:
    return tag(
        "tr",
        tag("td", name, style=f"{_CELL};{FAINT};white-space:nowrap"),
        tag("td", value, style=_CELL),
        style="background:transparent",
    )


def _fields(model: Model) -> Html:
    fields = {
        field.name: _shown(field, getattr(model, field.name))
        for field in attrs.fields(type(model))
        if getattr(model, field.name) is not UNSET
        and getattr(model, field.name) is not NOTHING
    }
    return rows(fields)


def _shown(field: "attrs.Attribute[Any]", value: object) -> str:
    # A field with a way of its own to be shown holds a secret, or many bytes.
    return str(field.repr(value)) if callable(field.repr) else _value(value)


def _value(value: object) -> str:
    if isinstance(value, UnknownObject):
        return show_json(value.payload)
    if isinstance(value, Model):
        name = type(value).__name__
        return tag("details", tag("summary", name), _fields(value))
    if isinstance(value, (list, tuple)) and any(isinstance(v, Model) for v in value):
        return tag("div", *(tag("div", _value(each)) for each in value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value):,} bytes"
    if isinstance(value, str):
        return tag("span", _cut(value), style=_WORDS)
    return _cut(show_json(value))


def _cut(text: str) -> str:
    if len(text) <= _TEXT_LIMIT:
        return text
    return f"{text[:_TEXT_LIMIT]}… ({len(text):,} characters)"
