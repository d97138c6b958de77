"""A transport without a server, for tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .._waiting import Condition
from ..errors import ConnectionClosedError, RemoteProtocolError
from ..protocol._model import ClientEvent, ServerEvent
from ..protocol.codec import Dialect, decode_client_event, encode
from .frames import CLOSE, PING, PONG, TEXT, Frame, close_payload
from .interface import ConnectRequest, Transport


__all__ = ["FakeTransport"]

Message = ServerEvent | Mapping[str, Any] | bytes
Reply = Callable[[ClientEvent], Iterable[Message]]

_BROKEN = 1006
_BATCH = 1024  # frames; as many as a WebSocket hands out at once


class FakeTransport(Transport):
    """
    A transport whose server is the test: it feeds events and looks at what was sent.

    Pings and close frames are answered as a server does. All methods are thread-safe.

    Args:
        *events: What the server says first, as in `feed()`.
        reply: Is called with each event that the client sends, on the thread that sends
            it; what it returns is fed.
        headers: The headers of the answer to the upgrade.
        failure: What `connect()` raises, or None.
        answers: Whether pings and close frames are answered.
        dialect: In which dialect events are fed and read.

    Attributes:
        requests: What was asked for by `connect()`.
        frames: Every frame that was sent, control frames included.
        aborted: Whether `abort()` was called.
        released: Whether `release()` was called.
    """

    def __init__(
        self,
        *events: Message,
        reply: Reply | None = None,
        headers: Mapping[str, str] | None = None,
        failure: Exception | None = None,
        answers: bool = True,
        dialect: Dialect = "ga",
    ) -> None:
        self.requests: list[ConnectRequest] = []
        self.frames: list[Frame] = []
        self.aborted = False
        self.released = False
        self._reply = reply
        self._headers = dict(headers or {})
        self._connect_failure = failure
        self._answers = answers
        self._dialect = dialect
        self._changed = Condition()
        self._incoming: deque[Frame] = deque()
        self._unsent: list[Frame] = []
        self._failure: Exception | None = None
        self._closes = 0  # close frames of both sides
        self._stalled = False
        self.feed(*events)

    # For the test

    @property
    def sent(self) -> list[ClientEvent]:
        """The events that were sent, decoded, the first one first."""
        with self._changed.lock:
            frames = list(self.frames)
        return [
            decode_client_event(payload, self._dialect)
            for opcode, payload in frames
            if opcode == TEXT
        ]

    def feed(self, *events: Message) -> None:
        """
        Let the server say something.

        Args:
            *events: Server events, mappings in wire form, or the bytes of a message.
        """
        for event in events:
            payload = (
                event if isinstance(event, bytes) else encode(event, self._dialect)
            )
            self.feed_frame(TEXT, payload)

    def feed_frame(self, opcode: int, payload: bytes = b"") -> None:
        """Let the server send any frame, such as a ping."""
        with self._changed.lock:
            self._incoming.append((opcode, payload))
            self._closes += opcode == CLOSE
            self._changed.notify_all()

    def feed_close(self, code: int = 1000, reason: str = "") -> None:
        """Let the server close the connection."""
        self.feed_frame(CLOSE, close_payload(code, reason))

    def fail(self, failure: Exception | None = None) -> None:
        """
        Let the network break once all that was fed is received.

        Args:
            failure: What `receive()` and `send()` raise; None for a lost connection. A
                `RemoteProtocolError` is raised by `receive()` alone.
        """
        with self._changed.lock:
            self._failure = failure or _broken("the fake broke")
            self._changed.notify_all()

    def stall(self) -> None:
        """Let the server read nothing: `send()` blocks until `resume()`."""
        with self._changed.lock:
            self._stalled = True

    def resume(self) -> None:
        """Let the server read again."""
        with self._changed.lock:
            self._stalled = False
            self._changed.notify_all()

    def wait_sent(self, count: int, timeout: float = 5.0) -> list[ClientEvent]:
        """
        Return the events that were sent, once there are *count* of them.

        Raises:
            TimeoutError: There are fewer after *timeout* seconds.
        """
        if not self._changed.wait_for(lambda: self._count() >= count, timeout):
            raise TimeoutError(f"{self._count()} of {count} events were sent")
        return self.sent

    # For the connection

    def connect(self, request: ConnectRequest) -> Mapping[str, str]:
        """Note the request; return the headers, or raise the failure."""
        self.requests.append(request)
        if self._connect_failure is not None:
            raise self._connect_failure
        return self._headers

    def receive(self, timeout: float | None = None) -> list[Frame]:
        """Return what was fed; see `Transport.receive()`."""
        if not self._changed.wait_for(self._is_receivable, timeout):
            raise TimeoutError(f"nothing was fed for {timeout:g} s")
        with self._changed.lock:
            if self.aborted:
                raise _broken("aborted", "client")
            if not self._incoming:
                raise self._failure or _broken("the fake has hung up")
            return self._take()

    def send(self, frames: Sequence[Frame], timeout: float | None = None) -> None:
        """Keep *frames* for the test; see `Transport.send()`."""
        with self._changed.lock:
            self._unsent += frames
        if not self._changed.wait_for(self._is_sendable, timeout):
            raise TimeoutError(f"the fake took nothing for {timeout:g} s")
        with self._changed.lock:
            if self.aborted:
                raise _broken("aborted", "client")
            if not isinstance(self._failure, (RemoteProtocolError, type(None))):
                raise self._failure
            sent, self._unsent = self._unsent, []
            self.frames += sent
            self._changed.notify_all()
        for opcode, payload in sent:
            self._answer(opcode, payload)

    def try_send(self, frames: Sequence[Frame]) -> bool:
        """Keep *frames* for the test; see `Transport.try_send()`."""
        try:
            self.send(frames, 0.0)
        except Exception:  # the next `send()` raises it again
            return False
        return True

    def abort(self) -> None:
        """Wake who waits; see `Transport.abort()`."""
        with self._changed.lock:
            self.aborted = True
            self._changed.notify_all()

    def release(self) -> None:
        """Note that the transport is not used any more."""
        self.abort()
        self.released = True

    # Private

    def _answer(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT and self._reply is not None:
            self.feed(*self._reply(decode_client_event(payload, self._dialect)))
        elif opcode == PING and self._answers:
            self.feed_frame(PONG, payload)
        elif opcode == CLOSE and self._answers:
            with self._changed.lock:
                answered, self._closes = self._closes, self._closes + 1
                self._changed.notify_all()
            if not answered:
                self.feed_frame(CLOSE, payload)

    def _take(self) -> list[Frame]:
        count = min(_BATCH, len(self._incoming))
        return [self._incoming.popleft() for _ in range(count)]

    def _count(self) -> int:
        return sum(opcode == TEXT for opcode, _ in self.frames)

    def _is_receivable(self) -> bool:
        over = self.aborted or self._failure is not None or self._closes >= 2
        return over or bool(self._incoming)

    def _is_sendable(self) -> bool:
        return not self._stalled or self.aborted or self._failure is not None


def _broken(reason: str, initiated_by: Any = "network") -> ConnectionClosedError:
    return ConnectionClosedError(_BROKEN, reason, initiated_by=initiated_by)
