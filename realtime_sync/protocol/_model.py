"""
What all wire classes share: a base, and the third state between null and absent.

On the wire a field can hold a value, be ``null`` or be absent, and the three mean
different things: ``"turn_detection": null`` turns it off, its absence leaves it alone.
Here they are a value, ``None`` and ``UNSET``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, TypeVar, Union

import attrs


__all__ = [
    "UNSET",
    "ClientEvent",
    "Maybe",
    "Model",
    "ServerEvent",
    "UnknownObject",
    "Unset",
]


class Unset(enum.Enum):
    """The type of ``UNSET``. It has one member, so type checkers narrow by it."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Absent on the wire: never sent, false in conditions, left out of reprs."""

T = TypeVar("T")

Maybe = Union[T, None, Unset]
"""A field that may be absent (``UNSET``) or null (``None``). Both are false."""

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_REPR_LIMIT: Final = 1024  # Azure guidelines, models-repr-length


def _show(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    return repr(value)


@attrs.frozen(kw_only=True, repr=False)
class Model:
    """
    The base of every class of the protocol.

    Attributes:
        extra: Fields that arrived and that this version has no attribute for, as
            decoded JSON. They are sent again when the object is encoded.
    """

    extra: Mapping[str, Any] = NOTHING

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={_show(value)}"
            for field in attrs.fields(type(self))
            if (value := getattr(self, field.name)) is not UNSET
            and not (field.name == "extra" and not value)
        )
        text = f"{type(self).__name__}({', '.join(shown)})"
        if len(text) > _REPR_LIMIT:
            text = f"{text[: _REPR_LIMIT - 4]}...)"
        return text


@attrs.frozen(kw_only=True, repr=False)
class UnknownObject(Model):
    """
    A nested object whose ``type`` this version does not know.

    Attributes:
        payload: The whole object as decoded JSON.
    """

    payload: Mapping[str, Any]


@attrs.frozen(kw_only=True, repr=False)
class ClientEvent(Model):
    """
    The base of every event that a client sends.

    Attributes:
        event_id: The client's own id for this event. An `ErrorEvent` that the event
            causes names it.
    """

    type: ClassVar[str] = ""

    event_id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ServerEvent(Model):
    """
    The base of every event that the server sends.

    Attributes:
        event_id: The server's id for this event.
    """

    type: ClassVar[str] = ""

    event_id: Maybe[str] = UNSET
