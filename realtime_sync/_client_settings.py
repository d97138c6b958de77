"""What the settings of a client may be; validators of attrs that name the remedy."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import attrs

from ._checks import check_count, not_this
from .protocol.sessions import RealtimeSession
from .reconnect import ReconnectPolicy


if TYPE_CHECKING:
    from .telemetry import Telemetry
    from .transport import Transport


__all__ = [
    "FUNCTIONS",
    "HEADERS",
    "MAKE_TRANSPORT",
    "RECONNECT",
    "SECONDS",
    "SECONDS_OR_NONE",
    "SESSION",
    "SIZE",
    "SSL_CONTEXT",
    "TELEMETRY",
    "TEXT",
    "ClientSettings",
    "Functions",
    "OtherSettings",
]

Functions: TypeAlias = "Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]]"


class OtherSettings(TypedDict, total=False):
    """The keyword arguments of `RealtimeClient` that no environment variable gives."""

    session: RealtimeSession | Mapping[str, Any] | None
    functions: Functions
    keep_audio: bool
    scope: str | None
    headers: Mapping[str, str]
    user_agent: str | None
    proxy: str | None
    ssl_context: ssl.SSLContext | None
    open_timeout: float | None
    close_timeout: float
    ping_interval: float | None
    ping_timeout: float | None
    reconnect: ReconnectPolicy | None
    max_queue: int
    max_message_bytes: int
    max_unread: int
    max_kept: int
    logging_enable: bool
    telemetry: Telemetry | None
    make_transport: Callable[[], Transport]


class ClientSettings(OtherSettings, total=False):
    """The keyword arguments of `RealtimeClient`."""

    model: str | None
    api_version: str | None


Validator: TypeAlias = "Callable[[Any, attrs.Attribute[Any], Any], None]"


def _that(fits: Callable[[Any], bool], expected: str) -> Validator:
    """Return a validator; the value itself is in no message: it may be a secret."""

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not fits(value):
            raise not_this(f"{attribute.name} is {expected}", value)

    return check


def _seconds(expected: str, *, optional: bool) -> Validator:
    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value is None and optional:
            return
        if isinstance(value, bool) or not isinstance(value, Real):
            raise not_this(f"{attribute.name} is {expected}", value)
        if not float(value) > 0:
            raise ValueError(f"{attribute.name} is {expected}, not {value}")

    return check


def _size(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    check_count(attribute.name, value, 1)


def _functions(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, Iterable):
        expected = "a list of functions, or a mapping of names to functions"
        raise not_this(f"{attribute.name} is {expected}", value)
    for each in value.values() if isinstance(value, Mapping) else value:
        if not callable(each):
            raise not_this(f"{attribute.name} holds functions", each)


def _are_headers(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(text, str) for pair in value.items() for text in pair
    )


SECONDS = _seconds("a number of seconds above 0", optional=False)
SECONDS_OR_NONE = _seconds(
    "a number of seconds above 0, or None for no limit", optional=True
)
SIZE: Validator = _size
TEXT = _that(lambda value: value is None or isinstance(value, str), "a str, or None")
SESSION = _that(
    lambda value: value is None or isinstance(value, (RealtimeSession, Mapping)),
    "a RealtimeSession or a mapping in wire form, or None",
)
FUNCTIONS: Validator = _functions
HEADERS = _that(_are_headers, "a mapping of str to str")
SSL_CONTEXT = _that(
    lambda value: value is None or isinstance(value, ssl.SSLContext),
    "an ssl.SSLContext, such as ssl.create_default_context(cafile='ca.pem'), or None",
)
RECONNECT = _that(
    lambda value: value is None or isinstance(value, ReconnectPolicy),
    "a ReconnectPolicy, or None to leave a lost connection lost",
)
# By what it does: importing its class brings the libraries that few programs need.
TELEMETRY = _that(
    lambda value: value is None or callable(getattr(value, "watch", None)),
    "a realtime_sync.Telemetry, or None",
)
MAKE_TRANSPORT = _that(callable, "a function that returns a Transport")
