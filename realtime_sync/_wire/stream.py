"""
What carries bytes: a socket that does not block, or TLS upon one (`tls`).

Sending has two steps, so that an exception which strikes between any two instructions,
as Ctrl-C does on the main thread, neither tears what is sent nor sends it twice.
`put()` takes bytes over, all or none of them. `flush()` lets them go; it may be
interrupted anywhere, and goes on with what is left when it is called again, by
whichever thread.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Protocol


__all__ = ["SocketStream", "Stream"]


_NOTHING = memoryview(b"")


class Stream(Protocol):
    """
    Bytes from and to the other side.

    One thread may receive while another one sends. Nothing blocks: where it would have
    to, `BlockingIOError` is raised.
    """

    def recv(self, size: int, /) -> bytes:
        """Return what is there, at most *size* bytes; empty at the end."""

    def recv_into(self, view: memoryview, /) -> int:
        """Receive into *view*; return how many bytes, 0 at the end."""

    def put(self, pieces: Iterable[bytes], /) -> None:
        """Take *pieces* over, to be sent behind what has not left yet."""

    def flush(self) -> None:
        """Send all that has not left yet; return when it has."""


class SocketStream:
    """
    A socket as a stream.

    Args:
        sock: A socket that does not block.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.recv, self.recv_into = sock.recv, sock.recv_into
        self._send = sock.send
        # The bytes at hand, how many of them each call has sent, and what follows them.
        # All three are replaced by one assignment; and the lists grow by one call into
        # C, in which nothing can strike between the effect and the note of it.
        self._unsent: tuple[memoryview, list[int], list[bytes]]
        self._unsent = (_NOTHING, [], [])

    def put(self, pieces: Iterable[bytes], /) -> None:
        """Take *pieces* over; see `Stream.put()`."""
        self._unsent[2].extend(pieces)

    def flush(self) -> None:
        """Send all that has not left yet; see `Stream.flush()`."""
        data, counts, waiting = self._unsent
        if waiting:
            # Never as bytes by a name: it may hold a key, and tracebacks show locals.
            data = memoryview(b"".join((data[sum(counts) :], *waiting)))
            counts = []
            self._unsent = (data, counts, [])
        while (sent := sum(counts)) < len(data):
            counts.extend(map(self._send, (data[sent:],)))
        self._unsent = (_NOTHING, [], self._unsent[2])  # nor keep it in memory
