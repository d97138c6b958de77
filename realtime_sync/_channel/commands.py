"""What a command is called, and the ids by which it is known again."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from typing import Any

import attrs

from ..protocol._model import ClientEvent


__all__ = [
    "Command",
    "field_of",
    "identified",
    "kind_of",
    "new_event_id",
    "with_id",
]

Command = ClientEvent | Mapping[str, Any]
"""A client event, as an object or as a mapping in wire form."""


# A random start, then a count: as unique as a random id each, at a tenth of the cost.
_START = uuid.uuid4().hex[:16]
_numbers = itertools.count(1)


def new_event_id() -> str:
    """Return an id for a client event that no other one has."""
    return f"event_{_START}{next(_numbers):08x}"


def kind_of(event: Command) -> str:
    """Return the wire type of a client event."""
    if isinstance(event, Mapping):
        return str(event.get("type"))
    return str(getattr(event, "type", None))


def field_of(event: Command, name: str) -> Any:
    """Return a field of a client event, or None where it is absent, null or empty."""
    if isinstance(event, Mapping):
        return event.get(name) or None
    return getattr(event, name, None) or None


def identified(event: Command) -> Command:
    """
    Return a command with the ids that tell whether it arrived.

    These are the one by which errors name it, and that of the item that it creates.
    """
    changes: dict[str, Any] = {}
    if field_of(event, "event_id") is None:
        changes["event_id"] = new_event_id()
    item = field_of(event, "item")
    if item is not None and not field_of(item, "id"):
        changes["item"] = with_id(item)
    if isinstance(event, Mapping):
        return {**event, **changes}
    return attrs.evolve(event, **changes) if changes else event


def with_id(item: Any) -> Any:
    """Return an item, as object or mapping, with an id."""
    if field_of(item, "id") or not (isinstance(item, Mapping) or hasattr(item, "id")):
        return item
    prefix = "msg" if kind_of(item) == "message" else "item"
    item_id = f"{prefix}_{uuid.uuid4().hex[:24]}"
    if isinstance(item, Mapping):
        return {**item, "id": item_id}
    return attrs.evolve(item, id=item_id)
