"""
What all wire classes share: a base, and the third state between null and absent.

On the wire a field can hold a value, be ``null`` or be absent, and the three mean
different things: ``"turn_detection": null`` turns it off, its absence leaves it alone.
Here they are a value, ``None`` and ``UNSET``.

Wire classes hold data and nothing else: rules and conversion live in the codec. They
may be shared between threads, since nothing changes them once they are made.
"""

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar

import attrs


# Wire modules leave out `from __future__ import annotations`: an annotation that is an
# object needs no namespace to resolve it, so that type hints go on working after a
# class was re-homed to the package's root.

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

Maybe: TypeAlias = T | Unset | None
"""A field that may be absent (``UNSET``) or null (``None``). Both are false."""


class _Nothing(Mapping[str, Any]):
    # One empty mapping serves all objects. `MappingProxyType({})` would do, but can be
    # neither pickled nor copied.
    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"

    def __reduce__(self) -> str:
        return "NOTHING"


NOTHING: Final[Mapping[str, Any]] = _Nothing()


_REPR_LIMIT: Final = 1024  # Azure guidelines, models-repr-length
_TEXT_LIMIT: Final = 256  # so that one long text does not push out the other fields
_JSON_TEXT_LIMIT: Final = 64  # raw JSON may hold audio as base64
_SECRET: Final = re.compile(r"secret|authorization|password|api.?key|(^|_)token$")


def hide(value: object) -> str:
    """Stand in for the value of a field that holds a secret."""
    return "<hidden>"


def _show(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes>"
    if isinstance(value, memoryview):
        return f"<{value.nbytes} bytes>"
    if isinstance(value, str) and len(value) > _TEXT_LIMIT:
        return f"{value[:_TEXT_LIMIT]!r}... <{len(value)} characters>"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_show, value))}]"
    if isinstance(value, Mapping):
        return show_json(value)
    return repr(value)


def show_json(value: object) -> str:
    """Return JSON for people: no long texts, which may be audio, and no secrets."""
    if isinstance(value, str) and len(value) > _JSON_TEXT_LIMIT:
        return f"<{len(value)} characters>"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(show_json, value))}]"
    if isinstance(value, Mapping):
        pairs = (
            f"{key!r}: {hide(item) if _SECRET.search(str(key)) else show_json(item)}"
            for key, item in value.items()
        )
        return f"{{{', '.join(pairs)}}}"
    return repr(value)


def _show_field(field: "attrs.Attribute[Any]", value: object) -> str:
    shown = field.repr(value) if callable(field.repr) else _show(value)
    return f"{field.name}={shown}"


# The bases are open and their leaves frozen, which attrs allows (the reverse it does
# not), so that the few hot leaves may stay open, see `ResponseOutputAudioDelta`.


@attrs.define(kw_only=True, repr=False, eq=False)
class Model:
    """
    The base of every class of the protocol.

    Models are compared by value, and can be copied, pickled and changed into others
    with ``attrs.evolve``. Their reprs hold at most 1,024 characters, and neither
    audio nor secrets.

    Attributes:
        extra: Fields that arrived and that this version has no attribute for, as
            decoded JSON. They are sent again when the object is encoded.

    """

    extra: Mapping[str, Any] = attrs.field(default=NOTHING)

    # One of each for all classes: writing them anew for each would make up a fifth of
    # the time that the import takes.

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = (field.name for field in attrs.fields(type(self)))
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __hash__(self) -> int:
        # Without `extra`, as JSON objects are not hashable.
        names = (field.name for field in attrs.fields(type(self)))
        values = (getattr(self, name) for name in names if name != "extra")
        return hash((type(self), *values))

    def __repr__(self) -> str:
        shown = (
            _show_field(field, value)
            for field in attrs.fields(type(self))
            if (value := getattr(self, field.name)) is not UNSET
            and value is not NOTHING
        )
        text = f"{type(self).__name__}({', '.join(shown)})"
        if len(text) > _REPR_LIMIT:
            text = f"{text[: _REPR_LIMIT - 4]}...)"
        return text

    def _repr_html_(self) -> str:
        from ._model_html import model_html

        return model_html(self)


class PayloadType:
    """The ``type`` of objects whose class does not fix it: their payload does."""

    def __get__(self, instance: Any, owner: object = None) -> str:
        return "" if instance is None else str(instance.payload.get("type", ""))


@attrs.frozen(kw_only=True, repr=False, eq=False)
class UnknownObject(Model):
    """
    A nested object whose ``type`` this version does not know.

    Its ``type`` is that of the payload, and empty if the payload has none.

    Attributes:
        payload: The whole object as decoded JSON.

    """

    type: ClassVar[PayloadType] = PayloadType()

    payload: Mapping[str, Any]


@attrs.define(kw_only=True, repr=False, eq=False)
class ClientEvent(Model):
    """
    The base of every event that a client sends.

    Attributes:
        event_id: The client's own id for this event. An `ErrorEvent` that the event
            causes names it.

    """

    type: ClassVar[str] = ""

    event_id: Maybe[str] = UNSET


@attrs.define(kw_only=True, repr=False, eq=False)
class ServerEvent(Model):
    """
    The base of every event that the server sends.

    Attributes:
        event_id: The server's id for this event.

    """

    type: ClassVar[str] = ""

    event_id: Maybe[str] = UNSET
