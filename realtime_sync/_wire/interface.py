"""What a connection needs of the way to its server."""

from __future__ import annotations

import abc
import ssl
from collections.abc import Mapping, Sequence

import attrs

from .frames import Frame


__all__ = ["ConnectRequest", "Transport"]


@attrs.frozen(kw_only=True)
class ConnectRequest:
    """
    What to connect to, and how.

    Attributes:
        url: A ws or wss URL.
        headers: What is sent with the upgrade, the credential among it.
        proxy: The address of a proxy, such as ``http://user:password@host:port`` or
            ``socks5h://host:port``; empty for none; None to do as the environment says
            (``https_proxy``, ``http_proxy``, ``all_proxy``, ``no_proxy``).
        ssl_context: Decides which certificates are accepted; None for what the system
            trusts.
        timeout: Seconds for name resolution, TCP, proxy, TLS and upgrade together, or
            None.
        max_message_bytes: The largest message that is accepted, in bytes.
    """

    url: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    proxy: str | None = attrs.field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = None
    timeout: float | None = None
    max_message_bytes: int = 16 * 1024 * 1024


class Transport(abc.ABC):
    """
    Carries whole messages and control frames between this program and a server.

    One thread calls `connect()`. Then one thread at a time may call `receive()` and
    another one `send()` or `try_send()`, both at once. `abort()` may be called by any
    thread at any time. A transport is opened once.

    Sending may be interrupted anywhere by an exception from outside, such as
    `KeyboardInterrupt` on the main thread. Then each frame has been taken over or not,
    as a whole, and the next call goes on with what has not left yet.

    Attributes:
        took_at: When a network that was full last took bytes of a `send()`, on the
            clock of `monotonic()`; a transport that does not know leaves it.
    """

    took_at = float("-inf")

    @abc.abstractmethod
    def connect(self, request: ConnectRequest) -> Mapping[str, str]:
        """
        Connect; return the headers of the server's answer, names in lower case.

        Raises:
            AuthenticationError: The server did not accept the credential.
            HandshakeError: The server refused for another reason.
            ConnectError: There is no way to the server, or `abort()` was called.
            TimeoutError: It took too long.
            ValueError: The request itself is wrong.
        """

    @abc.abstractmethod
    def receive(self, timeout: float | None = None) -> list[Frame]:
        """
        Wait for at least one message or control frame; return those that are there.

        Fragments are put together. Text has not been checked to be UTF-8. After a close
        frame nothing more is returned.

        Args:
            timeout: Seconds, or None. Nothing is lost when they are over: call again.

        Raises:
            ConnectionClosedError: The connection broke (1006).
            RemoteProtocolError: The server broke the rules of WebSocket, or sent a
                message that is too large; `close_code` says which.
            TimeoutError: Nothing arrived.
        """

    @abc.abstractmethod
    def send(self, frames: Sequence[Frame], timeout: float | None = None) -> None:
        """
        Send *frames*, in few pieces, behind what was taken over before.

        Args:
            frames: Messages and control frames, in order; none, to send the rest of
                what was taken over.
            timeout: Seconds, or None.

        Raises:
            ConnectionClosedError: The connection broke (1006).
            TimeoutError: The server did not take the bytes. As a part of them may have
                been sent, the transport is of no further use, and says so.
        """

    @abc.abstractmethod
    def try_send(self, frames: Sequence[Frame]) -> bool:
        """
        Take all of *frames* over, and send what can be sent without waiting.

        Args:
            frames: Messages and control frames, in order.

        Returns:
            Whether everything has left. Otherwise the network is slow, or gone: the
            next `send()` sends the rest, or raises what has happened.
        """

    @abc.abstractmethod
    def abort(self) -> None:
        """
        End the connection at once, without a closing handshake; wake who waits for it.

        It may be called again, and at any time, `connect()` included.
        """

    @abc.abstractmethod
    def release(self) -> None:
        """Give the resources back, once no thread uses the transport; idempotent."""
