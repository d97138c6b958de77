"""What the settings of a client may be; validators of attrs that name the remedy."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from ._checks import Check, Kind, Range, not_this
from .protocol.sessions import RealtimeSession
from .reconnect import ReconnectPolicy


if TYPE_CHECKING:
    from .telemetry import Telemetry
    from .transport import Transport


__all__ = [
    "FUNCTIONS",
    "HEADERS",
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


class _Functions(Check):
    def check(self, name: str, value: object) -> None:
        if not isinstance(value, Iterable):
            expected = "a list of functions, or a mapping of names to functions"
            raise not_this(f"{name} is {expected}", value)
        for each in value.values() if isinstance(value, Mapping) else value:
            if not callable(each):
                raise not_this(f"{name} holds functions", each)


class _Headers(Check):
    def check(self, name: str, value: object) -> None:
        fits = isinstance(value, Mapping) and all(
            isinstance(text, str) for pair in value.items() for text in pair
        )
        if not fits:
            raise not_this(f"{name} is a mapping of str to str", value)


class _Telemetry(Check):
    # By what it does: importing its class brings the libraries that few programs need.
    def check(self, name: str, value: object) -> None:
        if value is not None and not callable(getattr(value, "watch", None)):
            raise not_this(f"{name} is a realtime_sync.Telemetry or None", value)


FUNCTIONS = _Functions()
HEADERS = _Headers()
RECONNECT = Kind(ReconnectPolicy, "a ReconnectPolicy", or_none=True)
SECONDS = Range(0, is_above=True, unit="seconds")
SECONDS_OR_NONE = Range(0, is_above=True, or_none=True, unit="seconds")
SESSION = Kind(
    (RealtimeSession, Mapping),
    "a RealtimeSession, a mapping in wire form,",
    or_none=True,
)
SIZE = Range(1, is_whole=True, unit="bytes")
SSL_CONTEXT = Kind(
    ssl.SSLContext,
    "an ssl.SSLContext, such as ssl.create_default_context(cafile='ca.pem'),",
    or_none=True,
)
TELEMETRY = _Telemetry()
TEXT = Kind(str, "a str", or_none=True)
