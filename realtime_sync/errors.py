"""
Every exception that this library raises on its own behalf.

::

    RealtimeError
    ├── ConnectError                    no connection came about
    │   └── HandshakeError              the server refused the upgrade by HTTP
    │       └── AuthenticationError     … with 401 or 403
    ├── ConnectionClosed                the connection ended
    │   ├── ConnectionClosedOK          … as it should
    │   └── ConnectionClosedError       … as it should not
    │       └── SessionExpired          … because the session reached its age limit
    ├── ConnectionLost                  the connection broke and is opened again
    ├── ProtocolError                   somebody broke the rules of the protocol
    │   ├── LocalProtocolError          this side did
    │   └── RemoteProtocolError         the other side did
    │       └── DecodeError             … with a message that cannot be decoded
    ├── ServerError                     the server refused a command
    ├── ResponseError                   a response failed
    ├── ControlError                    the server refused a request of the control API
    ├── WebhookError                    a webhook is not what it should be
    ├── RecordingError                  a file is no recording, or is damaged
    └── SendQueueFull                   the send queue stayed full (also a `queue.Full`)

Timeouts are `TimeoutError`, bad arguments `ValueError` or `TypeError`, and misuse of
the lifecycle is `RuntimeError`.
"""

from __future__ import annotations

import queue
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from ._shown import Shown


if TYPE_CHECKING:
    from .protocol.responses import ErrorDetails, Response


__all__ = [
    "AuthenticationError",
    "ConnectError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "ConnectionLost",
    "ControlError",
    "DecodeError",
    "HandshakeError",
    "LocalProtocolError",
    "ProtocolError",
    "RealtimeError",
    "RemoteProtocolError",
    "ResponseError",
    "SendQueueFull",
    "ServerError",
    "SessionExpired",
    "WebhookError",
]

_NO_IDS: Mapping[str, str] = MappingProxyType({})


class RealtimeError(Shown, Exception):
    """The base of every exception that this library raises on its own behalf."""

    def __reduce__(self) -> tuple[object, ...]:
        # By default it would be called with `args`, which not all of them take.
        return _revive, (type(self), self.args), self.__dict__


def _revive(kind: type[RealtimeError], args: tuple[object, ...]) -> RealtimeError:
    """Return an exception that comes from another process."""
    exc = kind.__new__(kind)
    exc.args = args
    return exc


class ConnectError(RealtimeError):
    """No connection came about: name resolution, TCP, proxy, TLS or the upgrade."""


class HandshakeError(ConnectError):
    """
    The server answered the upgrade with something else than 101.

    Attributes:
        status: The HTTP status.
        code: The service's own code from the body, or None.
        message: The service's own message from the body, or None.
        body: The body as text, at most a few thousand characters of it.
        request_ids: The headers that support asks for, by name.
        retry_after: The seconds that the server asks to wait, or None.
        hint: What to look at, in a sentence, or None.
    """

    def __init__(
        self,
        status: int,
        *,
        code: str | None = None,
        message: str | None = None,
        body: str = "",
        request_ids: Mapping[str, str] = _NO_IDS,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.body = body
        self.request_ids = dict(request_ids)
        self.retry_after = retry_after
        self.hint = hint

    def __str__(self) -> str:
        parts = [f"the server refused the connection with HTTP {self.status}"]
        parts += [self.code] if self.code else []
        parts += [self.message] if self.message else []
        parts += [f"retry after {self.retry_after:g} s"] if self.retry_after else []
        parts += [f"{name} {value}" for name, value in self.request_ids.items()]
        text = "; ".join(parts)
        return f"{text}. {self.hint}" if self.hint else text


class AuthenticationError(HandshakeError):
    """The server did not accept the credential (HTTP 401 or 403)."""


class ConnectionClosed(RealtimeError):
    """
    The connection ended, and with it everything that waited on it.

    Attributes:
        code: The close code (RFC 6455, 7.4): 1005 when the close frame had none,
            1006 when no close frame arrived.
        reason: The reason that came with the code.
        initiated_by: Who began the close: "client", "server", or "network" when the
            connection broke.
    """

    def __init__(
        self,
        code: int,
        reason: str = "",
        *,
        initiated_by: Literal["client", "server", "network"],
    ) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.initiated_by = initiated_by

    def __str__(self) -> str:
        who = {
            "client": "this side closed the connection",
            "server": "the server closed the connection",
            "network": "the connection broke",
        }[self.initiated_by]
        text = f"{who} with code {self.code}"
        return f"{text}: {self.reason}" if self.reason else text


class ConnectionClosedOK(ConnectionClosed):
    """The connection was closed as it should be: by `close()`, or with code 1000."""


class ConnectionClosedError(ConnectionClosed):
    """The connection broke, or the server ended it with another code than 1000."""


class SessionExpired(ConnectionClosedError):
    """The session reached the age limit of the service; connect again to go on."""


class ConnectionLost(RealtimeError):
    """
    The connection was lost and is opened again, but what was waited for is gone.

    Nothing is wrong with the next command: it waits until the connection is back.

    Attributes:
        cause: How the connection was lost.
    """

    def __init__(self, cause: ConnectionClosed) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return f"this was lost with the connection ({self.cause}); ask for it again"


class ProtocolError(RealtimeError):
    """Somebody broke the rules of the protocol; the subclass says who."""


class LocalProtocolError(ProtocolError):
    """The client tried something that the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """
    The other side sent something that the protocol does not allow.

    Attributes:
        close_code: The close code to answer it with (RFC 6455, 7.4).
    """

    def __init__(self, message: str, *, close_code: int = 1002) -> None:
        super().__init__(message)
        self.close_code = close_code


class DecodeError(RemoteProtocolError):
    """
    A message could not be decoded to an event.

    Attributes:
        path: Where in the message the fault is, such as ``$.item.content[0]``.
        payload: The message as it arrived, cut to a few thousand bytes.
    """

    def __init__(self, message: str, *, path: str = "$", payload: bytes = b"") -> None:
        super().__init__(message)
        self.path = path
        self.payload = payload


class ServerError(RealtimeError):
    """
    The server refused a command; the session goes on.

    Attributes:
        type: The kind of error, such as ``invalid_request_error``.
        code: The service's code, or None.
        message: The service's words.
        param: The parameter that the error is about, or None.
        event_id: The id of the client event that caused it, or None.
    """

    def __init__(self, error: ErrorDetails) -> None:
        super().__init__(error)
        self.error = error
        self.type = error.type or None
        self.code = error.code or None
        self.message = error.message or ""
        self.param = error.param or None
        self.event_id = error.event_id or None

    def __str__(self) -> str:
        facts = {"code": self.code, "param": self.param, "event_id": self.event_id}
        known = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
        words = self.message or self.type or "the server refused the command"
        text = f"{words} ({known})" if known else words
        renamed = self.code == "unknown_parameter" and _ga_path(self.param or "")
        return f"{text}; use {renamed}, its place in this protocol" if renamed else text


def _ga_path(param: str) -> str | None:
    from .protocol.preview import ga_path  # here, for it imports this module

    return ga_path(param)


class ResponseError(RealtimeError):
    """
    A response failed, or is not complete though its caller insisted on that.

    Attributes:
        response: The `Response` as the server's ``response.done`` had it.
    """

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response

    def __str__(self) -> str:
        details = self.response.status_details
        error = details.error if details else None
        words = (error.message or error.code or error.type) if error else None
        words = words or (details.reason if details else None)
        status = self.response.status or "unknown"
        text = f"response {self.response.id or '?'} ended with status {status}"
        return f"{text}: {words}" if words else text


class ControlError(RealtimeError):
    """
    The server refused a request of the control API.

    Attributes:
        status: The HTTP status.
        code: The service's own code, or None.
        message: The service's own message, or None.
        body: The body as text, at most a few thousand characters of it.
        request_ids: The headers that support asks for, by name.
        retry_after: The seconds that the server asks to wait, or None.
        hint: What to look at, in a sentence, or None.
    """

    def __init__(self, refusal: HandshakeError) -> None:
        super().__init__(refusal)
        self.status = refusal.status
        self.code = refusal.code
        self.message = refusal.message
        self.body = refusal.body
        self.request_ids = refusal.request_ids
        self.retry_after = refusal.retry_after
        self.hint = refusal.hint

    def __str__(self) -> str:
        return str(self.args[0]).replace("the connection", "the request", 1)


class WebhookError(RealtimeError):
    """A webhook is not signed by its secret, is too old, or has no known form."""


class SendQueueFull(RealtimeError, queue.Full):
    """The send queue stayed full for the whole timeout; nothing was queued."""
