"""About how much memory something takes that a server has sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._codec_unstructure import wire_fields
from ._model import UNSET, Model


__all__ = ["size_of"]

_OBJECT = 64  # bytes of a Python object besides what is in it


def size_of(value: Any) -> int:
    """Return about how many bytes *value* takes: a model object, or what is in one."""
    if value is UNSET or value is None:
        return 0
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return _OBJECT + len(value)
    if isinstance(value, Model):
        fields = (getattr(value, name) for name in wire_fields(type(value)))
        return _OBJECT + sum(map(size_of, fields)) + size_of(value.extra or None)
    if isinstance(value, Mapping):
        return _OBJECT + sum(map(size_of, (*value.keys(), *value.values())))
    if isinstance(value, (list, tuple)):
        return _OBJECT + sum(map(size_of, value))
    return _OBJECT
