"""
`BrowserSocket`: a WebSocket on the socket of a request that a WSGI server answers.

The server's thread that runs the view receives; one other thread sends. Frames are made
and read by wsproto. Nothing is received before it is asked for, so that a browser that
sends too much fills its own buffers and not this process; and nothing is compressed,
for audio does not get smaller, and a compressed message may be a bomb.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    TextMessage,
)
from wsproto.utilities import (
    LocalProtocolError,
    RemoteProtocolError,
    generate_accept_token,
)

from ._codes import CloseCode, SessionEnd
from ._limits import Allowance


__all__ = [
    "BrowserGone",
    "BrowserSocket",
    "Frame",
    "Reply",
    "find_socket",
    "refuse",
    "size_in_bytes",
]

Frame = str | bytes | Event
"""What is sent: a text or binary message, or a control frame."""

Reply = Callable[[Frame], object]
"""Takes what has to be sent in answer to what was received."""

_RECEIVE_BYTES = 65_536
_PING_INTERVAL = 20.0  # seconds of silence after which a browser has to give an answer


class BrowserGone(Exception):
    """The browser closed the socket, or is not there any more."""


def find_socket(environ: Mapping[str, Any]) -> tuple[socket.socket, str] | None:
    """
    Return the socket of a request, and the kind of its server.

    Returns:
        The socket with "werkzeug", "gunicorn" or "gevent"; None where the server does
        not hand it out, as waitress does not.
    """
    for kind in ("werkzeug", "gunicorn"):
        if f"{kind}.socket" in environ:
            return environ[f"{kind}.socket"], kind
    if str(environ.get("SERVER_SOFTWARE", "")).startswith("gevent"):
        reader = getattr(environ["wsgi.input"], "rfile", None)
        raw = getattr(reader, "raw", None)
        if raw is not None:
            return raw._sock, "gevent"
    return None


def refuse(sock: socket.socket, key: str, end: SessionEnd) -> None:
    """
    Upgrade a request only to say why it gets no session, and wait for nothing.

    Whoever asks need not be logged in, and the thread is the server's. The close goes
    with the answer to the upgrade, in one piece: so it is there before the browser can
    send anything, and what it sends to a socket that is gone resets what it has read.

    Args:
        sock: The socket of the request.
        key: The request's ``Sec-WebSocket-Key``.
        end: What to say.
    """
    close = CloseConnection(code=end.code, reason=end.reason)
    data = _upgrade(key) + Connection(ConnectionType.SERVER).send(close)
    with contextlib.suppress(OSError):
        sock.setblocking(False)
        sock.send(data)  # there is room for it: it is the first that is sent
        # What came already must not make the end of the socket a reset, which may
        # overtake the close. There is more only from who does not wait for an answer.
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            sock.recv(_RECEIVE_BYTES)
    _shut_down(sock)


def size_in_bytes(data: str | bytes | bytearray) -> int:
    """Return how many bytes of a message *data* is."""
    if isinstance(data, str) and not data.isascii():
        return len(data.encode())
    return len(data)


class BrowserSocket:
    """
    A WebSocket with a browser, from its upgrade on.

    One thread calls `receive()`, one other `send()`; `abort()` is for any. Both use one
    non-blocking socket: each try is made with a lock, for TLS must not be used by two
    threads at once, and waiting is done outside of it.

    Args:
        sock: The socket of the request.
        key: The request's ``Sec-WebSocket-Key``.
        allowance: Pays for what is received, whole messages or not.
        max_message_bytes: Of a received message.
        send_timeout: Seconds in which some of a message has to be taken.
    """

    def __init__(
        self,
        sock: socket.socket,
        key: str,
        *,
        allowance: Allowance,
        max_message_bytes: int,
        send_timeout: float,
    ) -> None:
        self._sock = sock
        self._allowance = allowance
        self._max_message_bytes = max_message_bytes
        self._send_timeout = send_timeout
        self._lock = threading.Lock()
        self._protocol = Connection(ConnectionType.SERVER)
        self._message = bytearray()  # what there is of one that comes in parts
        self._heard_at = time.monotonic()
        self._pinged = False
        self._gone: BrowserGone | None = None
        sock.setblocking(False)
        self._write(_upgrade(key))

    # On the thread that receives

    def receive(self, timeout: float, reply: Reply) -> list[str | bytes]:
        """
        Return the messages that have arrived, or none after *timeout* seconds.

        Args:
            timeout: Seconds to wait.
            reply: Is given control frames to be sent.

        Raises:
            BrowserGone: There will be none any more.
            SessionEnd: The browser breaks the rules.
        """
        if self._gone is not None:
            raise self._gone
        data = self._read(timeout)
        if data is None:
            self._check_silence(reply)
            return []
        if not data:
            raise BrowserGone("the connection was cut")
        self._heard_at = time.monotonic()
        self._pinged = False
        return list(self._messages(self._parse(data), reply))

    def _messages(self, events: list[Event], reply: Reply) -> Iterator[str | bytes]:
        for event in events:
            if isinstance(event, CloseConnection):
                reply(event.response())
                # Next time: what came before it is still wanted.
                self._gone = BrowserGone(f"it closed with {int(event.code)}")
                return
            message = self._take(event, reply)
            if message is not None:
                yield message

    def _parse(self, data: bytes) -> list[Event]:
        try:
            with self._lock:
                self._protocol.receive_data(data)
                return list(self._protocol.events())
        except RemoteProtocolError as exc:
            hint = exc.event_hint
            utf8 = getattr(hint, "code", None) == CloseCode.BAD_DATA
            code = CloseCode.BAD_DATA if utf8 else CloseCode.PROTOCOL_ERROR
            raise SessionEnd(code, "that is no WebSocket message") from exc

    def _take(self, event: Event, reply: Reply) -> str | bytes | None:
        if isinstance(event, (TextMessage, BytesMessage)):
            # A part may be of a frame that has not arrived whole: it is paid once.
            size = size_in_bytes(event.data)
            self._allowance.pay(size, messages=int(event.frame_finished))
            return self._take_part(event, size)
        self._allowance.pay(len(getattr(event, "payload", b"")))
        if isinstance(event, Ping):
            reply(event.response())
        return None

    def _take_part(self, event: Message[Any], size: int) -> str | bytes | None:
        if len(self._message) + size > self._max_message_bytes:
            words = f"a message has at most {self._max_message_bytes} bytes"
            raise SessionEnd(CloseCode.TOO_BIG, words)
        text = isinstance(event.data, str)
        self._message += event.data.encode() if text else event.data
        if not event.message_finished:
            return None
        message, self._message = self._message, bytearray()
        return message.decode() if text else bytes(message)

    def _check_silence(self, reply: Reply) -> None:
        """Ask a browser that was silent for a sign of life, and give up without one."""
        silence = time.monotonic() - self._heard_at
        if silence > 2 * _PING_INTERVAL:
            raise BrowserGone("it did not answer a ping")
        if silence > _PING_INTERVAL and not self._pinged:
            self._pinged = True
            reply(Ping())

    def wait_closed(self, timeout: float) -> None:
        """Wait for the browser's close; what else it sends is dropped."""
        deadline = time.monotonic() + timeout
        with contextlib.suppress(BrowserGone, SessionEnd, LocalProtocolError):
            while (left := deadline - time.monotonic()) > 0:
                data = self._read(left)
                if not data or any(map(_is_close, self._parse(data))):
                    return

    # On the thread that sends

    def send(self, frame: Frame) -> None:
        """
        Send a message or a control frame; block while the browser does not read.

        Raises:
            BrowserGone: It is gone, or took nothing for as long as it may.
        """
        event = frame
        if isinstance(frame, str):
            event = TextMessage(data=frame)
        elif isinstance(frame, bytes):
            event = BytesMessage(data=frame)
        try:
            with self._lock:
                data = self._protocol.send(event)  # type: ignore[arg-type]
        except LocalProtocolError as exc:
            raise BrowserGone("a close went before") from exc
        self._write(data)

    # On any thread

    def abort(self) -> None:
        """End the connection at once; whoever reads or writes is woken."""
        _shut_down(self._sock)

    # Private

    def _read(self, timeout: float) -> bytes | None:
        """Return what there is, nothing at the end, None if nothing came in time."""
        for attempt in (1, 2):
            try:
                with self._lock:
                    return self._sock.recv(_RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                if attempt == 1 and not _wait(self._sock, timeout, write=False):
                    return None
            except ssl.SSLWantWriteError:
                _wait(self._sock, timeout, write=True)
            except OSError as exc:
                raise BrowserGone("the connection was cut") from exc
        return None

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                with self._lock:
                    sent = self._sock.send(rest)
            except (BlockingIOError, ssl.SSLWantWriteError):
                if not _wait(self._sock, self._send_timeout, write=True):
                    raise BrowserGone("it does not read") from None
            except ssl.SSLWantReadError:
                _wait(self._sock, 0.05, write=False)
            except OSError as exc:
                raise BrowserGone("the connection was cut") from exc
            else:
                rest = rest[sent:]


def _shut_down(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not close(): the server still holds the socket, and closes it itself. And in
        # both directions, for gunicorn waits for the end of what it could receive.
        sock.shutdown(socket.SHUT_RDWR)


def _is_close(event: Event) -> bool:
    return isinstance(event, CloseConnection)


def _upgrade(key: str) -> bytes:
    return (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + generate_accept_token(key.encode()) + b"\r\n\r\n"
    )


def _wait(sock: socket.socket, timeout: float, *, write: bool) -> bool:
    """Wait until the socket can be read or written; tell whether it can."""
    if not hasattr(select, "poll"):  # Windows
        reading, writing = ([], [sock]) if write else ([sock], [])
        return any(select.select(reading, writing, [], timeout))
    # Not select(): a server may well hold more than 1,024 descriptors.
    poll = select.poll()
    poll.register(sock, select.POLLOUT if write else select.POLLIN)
    return bool(poll.poll(timeout * 1000))
