"""
The HTTP side of the opening: the socket that websocket-client is given for the upgrade,
and what a server says when it refuses.

websocket-client writes the request and checks the answer. It reads byte by byte with no
deadline, follows redirects with all headers, keeps one cookie jar for the process and
can be told to print what it sends. So it never sees the headers that are secret, nor
any answer but 101: `UpgradeSocket` adds the ones and keeps the others.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from .._deadline import Deadline
from ..errors import AuthenticationError, ConnectError, HandshakeError
from .line import Line
from .proxies import Hidden


__all__ = ["UpgradeSocket", "bad_header", "refusal"]

_LONGEST_HEAD = 64 * 1024  # bytes of status line and headers
_LONGEST_BODY = 64 * 1024  # bytes of the body of a refusal that are read
_SHOWN_BODY = 4096  # characters of it that an exception holds
_BODY_TIMEOUT = 5.0  # seconds; some servers announce no length and do not hang up

# What the support of Azure and of OpenAI asks for.
_REQUEST_IDS = (
    "apim-request-id",
    "x-ms-client-request-id",
    "x-ms-request-id",
    "x-request-id",
)


class UpgradeSocket:
    """
    As much of a socket as websocket-client uses for the upgrade.

    Args:
        line: A line that is connected to the server.
        headers: What is sent with the request, besides the headers of the upgrade.

    Attributes:
        error: What went wrong here, for websocket-client does not hand it on as it is.
    """

    def __init__(self, line: Line, headers: Mapping[str, str]) -> None:
        self.error: BaseException | None = None
        self._line = line
        self._extra = Hidden(_lines(headers))
        self._has_host = any(name.lower() == "host" for name in headers)
        self._request = Hidden()
        self._answer = b""
        self._head_read = False

    def send(self, data: bytes) -> int:
        """Keep the request; it leaves with the first call of `recv()`."""
        dropped = (b"cookie:", b"host:") if self._has_host else (b"cookie:",)
        lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(dropped)]
        self._request = Hidden(b"\r\n".join([*kept, self._extra]))
        return len(data)

    def recv(self, size: int) -> bytes:
        """Return the next bytes of an answer with 101; other answers are raised."""
        if not self._head_read:
            try:
                self._line.sendall(self._request)
                self._read_head()
            except BaseException as exc:
                self.error = exc
                raise
        data, self._answer = self._answer[:size], self._answer[size:]
        return data

    def rest(self) -> bytes:
        """Return what arrived behind the answer: the first frames."""
        return self._answer

    def gettimeout(self) -> float:
        """Say that the socket does not block, so that it is only used as it is."""
        return 0.0

    def close(self) -> None:
        """Leave it to the line, which owns the socket."""

    def _read_head(self) -> None:
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            try:
                data = self._line.recv(_LONGEST_HEAD)
            except ConnectionError as exc:
                self._line.ensure_wanted()
                raise ConnectError(_no_answer(received)) from exc
            received += data
            if not data:
                raise ConnectError(_no_answer(received)) from EOFError()
            if len(received) > _LONGEST_HEAD:
                raise ConnectError("the server's answer has headers without end")
        status = received.split(b" ", 2)[1:2]
        if not received.startswith(b"HTTP/1.") or status != [b"101"]:
            refused = _read_refusal(self._line, received)
            data = received = b""  # services echo keys, and tracebacks show locals
            raise refused
        lines = received[:end].split(b"\r\n")
        # websocket-client would send the cookies of one connection with all others.
        kept = [line for line in lines if not line.lower().startswith(b"set-cookie:")]
        self._answer = b"\r\n".join(kept) + received[end:]
        self._head_read = True


def _no_answer(received: bytes) -> str:
    if received:
        return "the server hung up amid its answer to the upgrade"
    return (
        "the server hung up instead of answering the upgrade; check that the address "
        "begins with wss:// where the server expects TLS"
    )


def bad_header(headers: Mapping[str, str]) -> str | None:
    """Return the name of a header that would not end up as one line, if any."""
    for name, value in headers.items():
        if not name.strip() or any(each in name + value for each in "\r\n\0"):
            return name
    return None


def _lines(headers: Mapping[str, str]) -> bytes:
    """Return *headers* as they are sent, and the empty line that ends a request."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return ("".join(lines) + "\r\n").encode()


class _Replay(io.RawIOBase):
    """What has been read of an answer, and then the line."""

    def __init__(self, line: Line, received: bytes) -> None:
        self._line = line
        self._received = received

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        data = self._received[:size] or self._line.recv(size)
        self._received = self._received[size:]
        buffer[: len(data)] = data
        return len(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def _read_refusal(line: Line, received: bytes) -> ConnectError:
    """Read the rest of an answer that is not 101, and return what it means."""
    import http.client

    line.step = "reading the server's refusal"
    left = line.deadline.remaining()
    line.deadline = Deadline(
        min(_BODY_TIMEOUT, _BODY_TIMEOUT if left is None else left)
    )
    response = http.client.HTTPResponse(_Replay(line, received))  # type: ignore[arg-type]
    # Closed here: the collector may close what is under it first, and then complain.
    with contextlib.closing(response):
        try:
            response.begin()
        except (http.client.HTTPException, OSError, ValueError) as exc:
            error = ConnectError(
                "the server does not answer in HTTP; check the host, the port and "
                "whether the address has to begin with ws:// or wss://"
            )
            error.__cause__ = exc
            return error
        headers = {name.lower(): value for name, value in response.getheaders()}
        return refusal(response.status, headers, _read_body(response))


def _read_body(response: Any) -> bytes:
    import http.client

    body = b""
    # What is there of it is all that is wanted.
    with contextlib.suppress(
        http.client.HTTPException, OSError, ValueError, ConnectError
    ):
        while len(body) < _LONGEST_BODY:
            data = response.read1(_LONGEST_BODY - len(body))
            if not data:
                break
            body += data
    return body


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> HandshakeError:
    """
    Return the error that an answer of the service stands for.

    Args:
        status: The HTTP status, which is no success.
        headers: Those of the answer, by their names in lower case.
        body: The body of the answer, or its beginning.
    """
    text = body.decode("utf-8", "replace")
    code, message = _service_error(text)
    kind = AuthenticationError if status in (401, 403) else HandshakeError
    return kind(
        status,
        code=code,
        message=message,
        body=text[:_SHOWN_BODY],
        request_ids={name: headers[name] for name in _REQUEST_IDS if name in headers},
        retry_after=_retry_after(headers),
        hint=_redirect_hint(status, headers.get("location")),
    )


def _service_error(text: str) -> tuple[str | None, str | None]:
    """Return the code and the message of a body like {"error": {"code", "message"}}."""
    try:
        error = json.loads(text)
        if isinstance(error, dict):
            error = error.get("error", error)
    except (ValueError, RecursionError):
        return None, None
    if isinstance(error, str):
        return None, error
    if not isinstance(error, dict):
        return None, None
    code, message = error.get("code") or error.get("type"), error.get("message")
    return (
        code if isinstance(code, str) else None,
        message if isinstance(message, str) else None,
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait, which come in three spellings."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (milliseconds := _number(headers.get(name))) is not None:
            return milliseconds / 1000
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None or value is None:
        return seconds
    from email.utils import parsedate_to_datetime  # it takes a while

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _redirect_hint(status: int, location: str | None) -> str | None:
    if not 300 <= status < 400 or location is None:
        return None
    follow = "Use that address as the endpoint if you trust it"
    try:
        parts = urlsplit(location)
        place = urlunsplit(
            (parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")
        )
        if not parts.netloc:
            place = f"the path {parts.path or '/'} of the same server"
            follow = "Give the endpoint that path if you trust it"
    except ValueError:
        place = "an address that is none"
    return (
        f"It points to {place}; redirects are not followed, for they would take the "
        f"credential elsewhere. {follow}"
    )
