"""
How messages travel: one WebSocket, used by two threads.

`Transport` is what a connection needs. `WebSocketTransport` is the one for servers, and
`FakeTransport` the one for tests without a server.

Of websocket-client, which this module alone imports, the upgrade is used. The rest of
it does not fit a client whose one thread reads while another writes: it hands out the
socket only after the connection is made (so that neither a deadline nor another thread
could end the making), lets two threads into one TLS object, and takes several times
as long to read a frame. The modules of `_wire` do these parts.
"""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from ._deadline import Deadline
from ._wire.fake import FakeTransport
from ._wire.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    FrameWriter,
    close_payload,
)
from ._wire.interface import ConnectRequest, Transport
from ._wire.line import Line, Poller, show_address
from ._wire.opening_errors import opening_errors
from ._wire.proxies import choose_proxy
from ._wire.stream import Stream
from ._wire.upgrade import UpgradeSocket, bad_header
from .errors import ConnectError, ConnectionClosedError


__all__ = [
    "BINARY",
    "CLOSE",
    "PING",
    "PONG",
    "TEXT",
    "ConnectRequest",
    "FakeTransport",
    "Frame",
    "Transport",
    "WebSocketTransport",
    "close_payload",
]

_BROKEN = 1006  # RFC 6455, 7.4.1: no close frame arrived

# What sockets and TLS raise on an open connection.
_FOREIGN = (OSError, ValueError, AttributeError)

# No extension and no subprotocol is asked for, so the server may not announce any.
_AGREED = {"sec-websocket-extensions", "sec-websocket-protocol"}


class WebSocketTransport(Transport):
    """A WebSocket to a server, over ws or wss."""

    _reader: FrameReader
    _stream: Stream
    _readable: Poller
    _writable: Poller

    def __init__(self) -> None:
        self._line = Line()
        self._open = False
        self._dialled = False
        self._writer = FrameWriter()
        self._dry = False  # whether the last read left nothing behind

    def connect(self, request: ConnectRequest) -> Mapping[str, str]:
        """Connect; see `Transport.connect()`."""
        if self._dialled:
            raise RuntimeError("a transport connects once; make another one")
        self._dialled = True
        line = self._line
        try:
            headers, received = _open(line, request)
        except BaseException:
            line.release()
            raise
        self._reader = FrameReader(request.max_message_bytes, received)
        self._stream = line.stream
        self._readable = Poller(line.sock, write=False)
        self._writable = Poller(line.sock, write=True)
        self._open = True
        return headers

    def receive(self, timeout: float | None = None) -> list[Frame]:
        """Return what has arrived; see `Transport.receive()`."""
        self._ensure_usable()
        reader = self._reader
        frames = reader.take()
        if frames:
            return frames
        deadline = Deadline(timeout, "receiving")
        while not frames:
            # After a read that took less than it could the next would be in vain.
            if self._dry:
                self._readable.wait(_left(deadline))
            if self._fill():
                frames = reader.take()
            else:
                deadline.remaining()
        return frames

    def send(self, frames: Sequence[Frame], timeout: float | None = None) -> None:
        """Send *frames*; see `Transport.send()`."""
        self._ensure_usable()
        deadline = Deadline(timeout, "sending")
        try:
            for piece in self._writer.encode(frames):
                self._stream.put((piece,))
                self._flush(deadline)
            if not frames:
                self._flush(deadline)
        except Exception:
            # Half a frame may have left, and the other half never will.
            self.abort()
            raise

    def try_send(self, frames: Sequence[Frame]) -> bool:
        """Send *frames* if that takes no waiting; see `Transport.try_send()`."""
        self._stream.put((b"".join(self._writer.encode(frames)),))
        try:
            self._stream.flush()
        except _FOREIGN:  # the network is slow, or gone; `send()` tells which
            return False
        return True

    def abort(self) -> None:
        """End the connection at once; see `Transport.abort()`."""
        self._line.abort()

    def release(self) -> None:
        """Close the socket; see `Transport.release()`."""
        self._line.release()

    def _fill(self) -> bool:
        """Receive once; return whether anything was there."""
        room = self._reader.room()
        try:
            count = self._stream.recv_into(room)
        except BlockingIOError:
            self._dry = True
            return False
        except _FOREIGN as exc:
            raise self._closed(exc) from exc
        if not count:
            raise self._closed("the server hung up without a close frame")
        self._dry = count < len(room)
        self._reader.filled(count)
        return True

    def _flush(self, deadline: Deadline) -> None:
        while True:
            try:
                return self._stream.flush()
            except BlockingIOError:
                self._writable.wait(deadline.remaining())
                self.took_at = monotonic()
            except _FOREIGN as exc:
                raise self._closed(exc) from exc

    def _ensure_usable(self) -> None:
        if not self._open:
            raise RuntimeError("call connect() first; it has to succeed")
        if self._line.aborted:
            raise self._closed("")

    def _closed(self, why: object) -> ConnectionClosedError:
        if self._line.aborted:
            return ConnectionClosedError(_BROKEN, "aborted", initiated_by="client")
        return ConnectionClosedError(_BROKEN, str(why), initiated_by="network")


def _left(deadline: Deadline) -> float | None:
    return deadline.left()


def _open(line: Line, request: ConnectRequest) -> tuple[Mapping[str, str], bytes]:
    """Return the headers of the answer, and what has arrived behind it."""
    secure, host, port = _parse(request.url)
    if bad := bad_header(request.headers):
        raise ValueError(
            f"the value of the header {bad!r} holds a line break; strip the key or the "
            "token that was read from a file"
        )
    proxy = choose_proxy(request.url, request.proxy)
    line.deadline = Deadline(request.timeout, "connecting")
    with opening_errors(line, show_address(host, port)):
        line.ensure_wanted()
        if proxy:
            proxy.tunnel(line, host, port, lambda: _context(request))
        else:
            line.connect(host, port)
        if secure:
            line.secure(_context(request), host)
        return _upgrade(line, request)


def _parse(url: str) -> tuple[bool, str, int]:
    """Return whether *url* asks for TLS, its host and its port."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(
            "the URL of a transport begins with ws:// or wss:// and a host"
        )
    secure = parts.scheme == "wss"
    return secure, parts.hostname, parts.port or (443 if secure else 80)


def _context(request: ConnectRequest) -> ssl.SSLContext:
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
    return request.ssl_context or _default_context(*map(os.environ.get, names))


@functools.lru_cache(maxsize=2)
def _default_context(*_environment: str | None) -> ssl.SSLContext:
    # One for all connections: it holds every certificate that the system trusts, which
    # takes a megabyte and tens of milliseconds.
    return ssl.create_default_context()


def _upgrade(line: Line, request: ConnectRequest) -> tuple[Mapping[str, str], bytes]:
    import websocket  # here, for it takes a tenth of a second

    line.step = "waiting for the answer to the upgrade"
    sock = UpgradeSocket(line, request.headers)
    client: Any = websocket.WebSocket(enable_multithread=False)
    failure: Exception | None = None
    try:
        client.connect(request.url, socket=sock, suppress_origin=True, redirect_limit=0)
    except Exception as exc:
        failure = exc
    if sock.error is not None:
        raise sock.error  # rather than what websocket-client makes of it
    headers: Mapping[str, str] = client.getheaders() or {}
    if (
        failure is not None
        or client.getstatus() != 101
        or not _AGREED.isdisjoint(headers)
    ):
        raise ConnectError(
            "the server's answer to the upgrade is not one to this request; something "
            "between this program and the server may have made it"
        ) from failure
    return headers, sock.rest()
