"""
From settings to an open transport: URL, headers, upgrade, and `session.created`.

All of it happens in the calling thread: no second thread touches the socket before the
server has said that the session is there.
"""

from __future__ import annotations

import logging
import platform
import ssl
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from .._deadline import Deadline
from .._logging import redact_headers, redact_text, redact_url
from .._secrets import SecretHeaders, hide_secrets, secrets_of
from .._version import VERSION
from .._wire.frames import read_close
from ..credentials import Credential, authorization_headers, handshake_hint
from ..endpoints import Endpoint
from ..errors import (
    ConnectError,
    ConnectionClosedError,
    DecodeError,
    HandshakeError,
    RemoteProtocolError,
    ServerError,
)
from ..protocol.codec import decode_server_event
from ..protocol.responses import ErrorDetails
from ..protocol.server_events import ErrorEvent, SessionCreated
from ..transport import CLOSE, TEXT, ConnectRequest, Frame, Transport


__all__ = ["USER_AGENT", "Opened", "Opening", "Redaction"]

logger = logging.getLogger("realtime_sync.opening")

USER_AGENT = (
    f"realtime-sync/{VERSION} Python/{platform.python_version()} ({platform.system()})"
)

_MOST_EARLY = 10_000  # frames before the session; a service sends none
_AWAY = frozenset({1001, 1011, 1012, 1013})  # RFC 6455, 7.4.1: it may soon be back

_Created = tuple[bytes, Sequence[Frame]]  # `session.created`, and what came with it


class Redaction:
    """
    Takes what was sent in headers out of what a server says: services echo keys.

    It is an object, and no `partial`, since tracebacks show what those hold.
    """

    __slots__ = ("_secrets",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._secrets = tuple(secrets_of(headers))

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return redact_text(text, self._secrets)

    def details(self, error: ErrorDetails) -> ErrorDetails:
        """Return the facts that are known of an error, without secrets."""
        found: dict[str, Any] = {
            name: self.text(value)
            for name in ("type", "code", "message", "param")
            if isinstance(value := getattr(error, name), str)
        }
        return ErrorDetails(**found, event_id=error.event_id)

    def close(self, payload: bytes) -> tuple[int, str]:
        """Return the code and the reason of a close frame, without secrets."""
        code, reason = read_close(payload)
        return code, self.text(reason)


@attrs.frozen(kw_only=True)
class Opened:
    """
    An open transport whose session exists.

    Attributes:
        transport: Nothing has been read from it but what stands here.
        created: The message with the `SessionCreated`.
        frames: What arrived with it, in order.
        client_request_id: The ``x-ms-client-request-id`` of the upgrade request.
        headers: The headers of the upgrade response, names in lower case.
        redaction: For what the server says.
    """

    transport: Transport
    created: bytes
    frames: Sequence[Frame]
    client_request_id: str
    headers: Mapping[str, str]
    redaction: Redaction = attrs.field(factory=lambda: Redaction({}))


@attrs.frozen(kw_only=True)
class Opening:
    """
    Everything that it takes to open a transport, as often as needed.

    Attributes are those of `RealtimeClient` of the same name.
    """

    endpoint: Endpoint
    credential: Credential | None = attrs.field(repr=False)
    scope: str | None
    headers: Mapping[str, str] = attrs.field(repr=False)
    user_agent: str | None
    proxy: str | None = attrs.field(repr=False)
    ssl_context: ssl.SSLContext | None
    max_message_bytes: int
    make_transport: Callable[[], Transport]

    def open(
        self,
        timeout: float | None,
        announce: Callable[[Transport], None] = lambda transport: None,
    ) -> Opened:
        """
        Open a transport, with a fresh token and a new request id.

        Args:
            timeout: Seconds for all of it.
            announce: Is told the transport before anything happens on it, so that
                another thread can abort it.

        Raises:
            ConnectError: No connection came about, or no session on it.
            TimeoutError: It took too long.
        """
        deadline = Deadline(timeout, "opening the connection")
        request_id = str(uuid.uuid4())
        headers = SecretHeaders(
            {
                "User-Agent": " ".join(filter(None, (self.user_agent, USER_AGENT))),
                "x-ms-client-request-id": request_id,
                **self.headers,
                **authorization_headers(
                    self.credential, self.endpoint, scope=self.scope
                ),
            }
        )
        redaction = Redaction(headers)
        transport = self.make_transport()
        announce(transport)
        try:
            answer = self._connect(transport, headers, deadline)
            created, frames = self._await_session(transport, deadline, redaction)
        except BaseException:
            transport.abort()
            transport.release()
            raise
        return Opened(
            transport=transport,
            created=created,
            frames=frames,
            client_request_id=request_id,
            headers=answer,
            redaction=redaction,
        )

    def _connect(
        self, transport: Transport, headers: Mapping[str, str], deadline: Deadline
    ) -> Mapping[str, str]:
        request = ConnectRequest(
            url=self.endpoint.url,
            headers=headers,
            proxy=self.proxy,
            ssl_context=self.ssl_context,
            timeout=deadline.remaining(),
            max_message_bytes=self.max_message_bytes,
        )
        logger.info(
            "opening %s with headers %s",
            redact_url(self.endpoint.url),
            redact_headers(headers),
            extra={"realtime_request": headers["x-ms-client-request-id"]},
        )
        try:
            return transport.connect(request)
        except HandshakeError as exc:
            hide_secrets(exc, secrets_of(headers))
            exc.hint = exc.hint or self._hint(exc)
            raise

    def _hint(self, exc: HandshakeError) -> str | None:
        if exc.status == 401 and self.credential is None:
            return "No credential was given: pass a key, or a TokenCredential."
        if exc.status == 410:
            return (
                f"{self.endpoint.host} had this and has it no more: check whether the "
                "model or the api_version was retired, and give their successors."
            )
        return handshake_hint(exc.status, exc.code, self.endpoint, self.scope)

    def _await_session(
        self, transport: Transport, deadline: Deadline, redaction: Redaction
    ) -> _Created:
        found = self._find_session(transport, deadline, redaction)
        if isinstance(found, ConnectError):
            raise found  # here, for tracebacks show locals, and there what arrived
        return found

    def _find_session(
        self, transport: Transport, deadline: Deadline, redaction: Redaction
    ) -> _Created | ConnectError:
        """
        Read up to `session.created`, which is the first event of every session.

        Returns:
            That, or why there is no session.
        """
        early: list[Frame] = []
        size = 0
        while True:
            try:
                frames = list(transport.receive(deadline.remaining()))
            except (ConnectionClosedError, RemoteProtocolError) as exc:
                raise ConnectError(
                    f"the connection was lost before the server made a session: {exc}"
                ) from exc
            for index, (opcode, payload) in enumerate(frames):
                if opcode == CLOSE:
                    return self._closed(*redaction.close(payload))
                if opcode == TEXT:
                    found = self._read(payload, redaction)
                    if isinstance(found, ConnectError):
                        return found
                    if found:
                        return payload, early + frames[index + 1 :]
                early.append((opcode, payload))
                size += len(payload)
            if size > self.max_message_bytes or len(early) > _MOST_EARLY:
                return ConnectError(
                    f"{self.endpoint.url} talks of everything but a session; check "
                    "that it is a server of the realtime API"
                )

    def _read(self, payload: bytes, redaction: Redaction) -> bool | ConnectError:
        """Tell whether a message creates the session, or why there will be none."""
        try:
            event = decode_server_event(payload, self.endpoint.dialect)
        except DecodeError as exc:
            words = redaction.text(str(exc))
            cause = DecodeError(words, path=exc.path)
            return _caused(
                f"{self.endpoint.url} does not speak this protocol: {words}", cause
            )
        if isinstance(event, ErrorEvent):
            error = ServerError(redaction.details(event.error))
            return _caused(f"the server refused the session: {error}", error)
        return isinstance(event, SessionCreated)

    def _closed(self, code: int, reason: str) -> ConnectError:
        what = f"the server closed the connection with code {code} before it made a "
        why = f": {reason.rstrip('.')}" if reason else ""
        return _caused(
            f"{what}session{why}; {self._remedy(code)}",
            ConnectionClosedError(code, reason, initiated_by="server"),
        )

    def _remedy(self, code: int) -> str:
        host, model = self.endpoint.host, self.endpoint.model or "the model"
        if code in _AWAY:
            return f"{host} may be busy or about to restart: try again later"
        return f"check that {host} serves {model}, and to this credential"


def _caused(message: str, cause: Exception) -> ConnectError:
    error = ConnectError(message)
    error.__cause__ = cause
    return error
