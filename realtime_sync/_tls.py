"""
TLS for two threads, one of which reads while the other one writes.

OpenSSL's connection object may be used by one thread at a time, and one that waits in
it keeps the others out; Python's own TLS socket has failed in many ways where this was
not heeded. So the object works on memory here, under a lock that is held for no longer
than it takes to encrypt or decrypt what is there, and never while waiting. It also
costs less: one receive call brings in many records, where OpenSSL on a socket makes two
for each.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Protocol


__all__ = ["Stream", "TlsStream"]

_PIECE = 64 * 1024  # bytes to receive, or to encrypt, at once


class Stream(Protocol):
    """What is used of a socket that does not block: a socket is one, and so is TLS."""

    def recv(self, size: int, /) -> bytes:
        """Return what is there, at most *size* bytes; empty at the end."""

    def recv_into(self, view: memoryview, /) -> int:
        """Receive into *view*; return how many bytes, 0 at the end."""

    def send(self, data: memoryview, /) -> int:
        """Send some of *data*; return how much."""


class TlsStream:
    """
    TLS on top of a stream, by the rules of a socket that does not block.

    All methods raise `BlockingIOError` where they would have to wait. Then `send()` has
    to be called again with the same data.

    Args:
        stream: What carries the encrypted bytes.
        context: Decides what is acceptable.
        hostname: Whom the certificate has to name.
        sock: The socket at the bottom.
    """

    def __init__(
        self,
        stream: Stream,
        context: ssl.SSLContext,
        hostname: str,
        sock: socket.socket,
    ) -> None:
        self._stream = stream
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=hostname
        )
        self._lock = threading.Lock()
        self._unsent = b""  # encrypted, and not yet taken by the stream
        self._encrypted = 0  # how much of the data at hand that is, before encryption

    def handshake(self) -> bool:
        """Go on with the handshake; return whether it is over."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            with contextlib.suppress(OSError):  # of a certificate, say, is worth more
                self._flush()
        return True

    def feed(self) -> None:
        """Receive what the handshake is waiting for."""
        self._put(self._stream.recv(_PIECE))

    def recv(self, size: int, /) -> bytes:
        """Return what is there, decrypted; empty at the end."""
        buffer = bytearray(size)
        return bytes(buffer[: self.recv_into(memoryview(buffer))])

    def recv_into(self, view: memoryview, /) -> int:
        """Decrypt into *view*, as much as there is; return how much, 0 at the end."""
        with self._lock:
            count = self._decrypt(view)
        if count is not None:
            return count
        data = self._stream.recv(_PIECE)
        with self._lock:
            self._put(data)
            count = self._decrypt(view)
            if self._outgoing.pending:  # the answer to an update of the keys
                with contextlib.suppress(OSError):  # the writer will notice
                    self._flush()
        if count is None:
            raise BlockingIOError("a part of a record")
        return count

    def send(self, data: memoryview, /) -> int:
        """Encrypt and send some of *data*; return how much, all of it sent."""
        with self._lock:
            self._encrypted = self._encrypted or self._encrypt(data[:_PIECE])
            self._flush()
            if self._unsent:
                raise BlockingIOError("the stream takes no more")
            sent, self._encrypted = self._encrypted, 0
            return sent

    # With the lock held

    def _put(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _decrypt(self, view: memoryview) -> int | None:
        """Decrypt record after record; None if not even one is there."""
        total = 0
        while total < len(view) and self._anything_left(total):
            try:
                # With a buffer it returns how much, whatever the stubs say.
                count: int = self._tls.read(len(view) - total, view[total:])  # type: ignore[assignment]
            except ssl.SSLWantReadError:
                break
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                count = 0
            if not count:
                self._end()
                return total
            total += count
        return total or None

    def _anything_left(self, total: int) -> bool:
        # Cheaper than an exception, but blind to an end that was seen before.
        return not total or bool(self._incoming.pending or self._tls.pending())

    def _end(self) -> None:
        """Let waiting for the socket be over too: TLS may end before its connection."""
        with contextlib.suppress(OSError):  # it may be shut already
            self._sock.shutdown(socket.SHUT_RD)

    def _encrypt(self, data: memoryview) -> int:
        done = 0
        while done < len(data):
            done += self._tls.write(data[done:])
        return done

    def _flush(self) -> None:
        """Send what is encrypted, as far as that is possible without waiting."""
        data = memoryview(self._unsent + self._outgoing.read())
        try:
            while data:
                data = data[self._stream.send(data) :]
        except BlockingIOError:
            pass  # the next call sends the rest
        self._unsent = bytes(data)
