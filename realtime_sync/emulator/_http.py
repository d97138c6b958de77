"""HTTP with a body on the port of the WebSocket, which websockets itself refuses."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from ._carrier import EmulatorConnection


__all__ = ["HttpConnection", "HttpRequest", "json_response"]

logger = logging.getLogger("realtime_sync.emulator")

_LONGEST = 1024 * 1024  # bytes of a request: an SDP offer has some thousand
_GET = b"GET "


@frozen(kw_only=True)
class HttpRequest:
    """
    A request that is no upgrade.

    Attributes:
        method: Such as ``POST``.
        path: The path with its query.
        headers: The headers.
        body: The body.
    """

    method: str
    path: str
    headers: Headers
    body: bytes

    @property
    def upgrade(self) -> Request:
        """The same as the upgrade request that it is not, without its body."""
        return Request(self.path, self.headers)


Answer = Callable[[HttpRequest], Response]


class HttpConnection(EmulatorConnection):
    """
    A connection that serves one HTTP request, where it begins with another verb than
    GET.

    Args:
        args: For websockets.
        answer: Answers such a request; called on the connection's own thread.
        options: For websockets.
    """

    def __init__(self, *args: Any, answer: Answer, **options: Any) -> None:
        self._answer = answer
        self._early = b""
        protocol = args[1] if len(args) > 1 else options["protocol"]
        self._upgrade = protocol.receive_data
        # Before the thread starts that reads: whatever the version of websockets, it
        # hands what it read to the protocol here.
        protocol.receive_data = self._receive
        super().__init__(*args, **options)

    def _receive(self, data: bytes) -> None:
        self._early += data
        if self._early[:4] == _GET[: len(self._early)]:
            if len(self._early) >= len(_GET):
                self.protocol.receive_data = self._upgrade  # type: ignore[method-assign]
                self._upgrade(self._early)
            return
        if self._is_complete():
            self._respond()

    def _is_complete(self) -> bool:
        if len(self._early) > _LONGEST:
            return True
        head, end, body = self._early.partition(b"\r\n\r\n")
        return bool(end) and len(body) >= _content_length(head)

    def _respond(self) -> None:
        response = self._response()
        self._early = b""
        with contextlib.suppress(OSError):  # who asked has gone
            self.socket.sendall(response.serialize())
        # The client closes, for it knows the length; or it has itself closed.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def _response(self) -> Response:
        try:
            request = _parse(self._early)
        except (ValueError, http.client.HTTPException):
            return json_response(400, {"error": {"message": "Malformed request."}})
        try:
            return self._answer(request)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return json_response(500, {"error": {"message": "It failed."}})


def json_response(
    status: int,
    body: Mapping[str, Any] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """
    Return a response that ends its connection.

    Args:
        status: The HTTP status.
        body: The JSON object that is the body; bytes, as they are; None for no body.
        headers: Further headers.
    """
    data = json.dumps(body).encode() if isinstance(body, Mapping) else body or b""
    kind = {"Content-Type": "application/json"} if isinstance(body, Mapping) else {}
    return Response(
        status,
        http.client.responses.get(status, ""),
        Headers(
            {
                **kind,
                "Content-Length": str(len(data)),
                "Connection": "close",
                **(headers or {}),
            }
        ),
        data,
    )


def _content_length(head: bytes) -> int:
    try:
        return int(_headers(head.partition(b"\r\n")[2]).get("Content-Length", "0"))
    except (ValueError, http.client.HTTPException):
        return 0


def _parse(data: bytes) -> HttpRequest:
    if len(data) > _LONGEST:
        raise ValueError("the request is too long")
    head, _, body = data.partition(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")
    method, path, _version = line.decode("ascii").split(" ")
    headers = _headers(fields)
    return HttpRequest(
        method=method,
        path=path,
        headers=headers,
        body=body[: _content_length(head)],
    )


def _headers(fields: bytes) -> Headers:
    parsed = http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n"))
    headers = Headers()
    for name, value in parsed.items():
        headers[name] = value
    return headers
