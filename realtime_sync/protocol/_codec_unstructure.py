"""
From model objects to JSON-ready dictionaries.

It goes by the values and not by the annotations, since a mapping in wire form is
accepted wherever a model object is, at any depth.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Any, Final

import attrs

from ._codec_base64 import to_base64
from ._model import UNSET, Model, UnknownObject
from .client_events import UnknownClientEvent
from .server_events import UnknownEvent


__all__ = ["Word", "class_tag", "to_wire", "wire_fields"]

_AS_THEY_ARE: Final = frozenset({str, int, bool, type(None)})
_fields: Final[dict[type, tuple[str, ...]]] = {}
_Payload = (UnknownObject, UnknownEvent, UnknownClientEvent)


class Word(dict[str, Any]):
    """The payload of an `UnknownObject` that was a mere string on the wire."""


def class_tag(cls: type) -> str:
    """Return the wire ``type`` that *cls* fixes, or "" if it fixes none."""
    tag = getattr(cls, "type", "")
    return tag if isinstance(tag, str) else ""


def wire_fields(cls: type[Model]) -> tuple[str, ...]:
    """Return the names of the fields that *cls* has on the wire, in order."""
    names = _fields.get(cls)
    if names is None:
        every = (field.name for field in attrs.fields(cls))
        names = _fields[cls] = tuple(name for name in every if name != "extra")
    return names


def to_wire(value: Any) -> Any:
    """
    Turn a model object, or a value inside one, into plain JSON types.

    Raises:
        TypeError: If there is a value in it that JSON has no form for.
        ValueError: If there is a number in it that is not finite.
    """
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Model):
        return _from_model(value)
    if isinstance(value, Mapping):
        return _from_mapping(value)
    if isinstance(value, (list, tuple)):
        return [to_wire(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return to_base64(value)
    return _from_scalar(value)


def _from_model(model: Model) -> Any:
    if isinstance(model, _Payload):
        if type(model.payload) is Word:
            return model.payload["type"]
        wire = _from_mapping(model.payload)
        names: tuple[str, ...] = wire_fields(type(model))[:-1]  # all but the payload
    else:
        tag = class_tag(type(model))
        wire = {"type": tag} if tag else {}
        names = wire_fields(type(model))
    for name in names:
        value = getattr(model, name)
        if value is not UNSET:
            wire[name] = to_wire(value)
    if model.extra:
        _overlay(wire, model.extra)
    return wire


def _overlay(wire: dict[str, Any], extra: Mapping[str, Any]) -> None:
    # Among the extra fields is the `type` of an object that arrived with another one
    # than its class has: UNSET, if it had none.
    for name, value in extra.items():
        if value is UNSET:
            wire.pop(name, None)
        else:
            wire[name] = to_wire(value)


def _from_mapping(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        _key(key): to_wire(value)
        for key, value in mapping.items()
        if value is not UNSET
    }


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the names of fields are strings, not {key!r}")
    return key if type(key) is str else str(to_wire(key))


def _from_scalar(value: object) -> str | int | float | None:
    # Subclasses as well, such as enumerations of strings and the numbers of numpy.
    if isinstance(value, enum.Enum) and value is not UNSET:
        plain: str | int | float | None = to_wire(value.value)
        return plain
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"JSON has no number {value!r}")
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    raise TypeError(
        f"{type(value).__name__} has no form in JSON: pass model objects, mappings, "
        "sequences, strings, numbers, booleans, None or bytes"
    )
