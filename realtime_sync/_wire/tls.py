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
from collections.abc import Iterable

from .stream import Stream


__all__ = ["TlsStream"]

_PIECE = 64 * 1024  # bytes to receive at once
_NOTHING = memoryview(b"")


class TlsStream:
    """
    TLS on top of a stream, by the same rules as what is below; see `Stream`.

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
        self._ended = False  # whether TLS has told so
        # The bytes that are encrypted next, and what follows them; replaced at once.
        self._unsent: tuple[memoryview, list[bytes]] = (_NOTHING, [])

    def handshake(self) -> bool:
        """Go on with the handshake; return whether it is over."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            with contextlib.suppress(OSError):  # of a certificate, say, is worth more
                self.flush()
        return True

    def feed(self) -> None:
        """Receive what the handshake is waiting for."""
        self._put_in(self._stream.recv(_PIECE))

    def recv(self, size: int, /) -> bytes:
        """Return what is there, decrypted; empty at the end."""
        buffer = bytearray(size)
        return bytes(buffer[: self.recv_into(memoryview(buffer))])

    def recv_into(self, view: memoryview, /) -> int:
        """Decrypt into *view*, as much as there is; see `Stream.recv_into()`."""
        with self._lock:
            count = self._decrypt(view) if self._may_have_more() else None
        if count is not None:
            return count
        data = self._stream.recv(_PIECE)
        with self._lock:
            self._put_in(data)
            count = self._decrypt(view)
        if count is None:
            raise BlockingIOError("a part of a record")
        return count

    def put(self, pieces: Iterable[bytes], /) -> None:
        """Take *pieces* over; see `Stream.put()`."""
        self._unsent[1].extend(pieces)

    def flush(self) -> None:
        """Encrypt and send all that has not left yet; see `Stream.flush()`."""
        # Python 3.10 looks for Ctrl-C just before an exception leaves a `with`, and if
        # it came, does not leave it: the lock would stay locked.
        with self._lock:
            failure = self._flushed()
        if failure is not None:
            raise failure

    # With the lock held

    def _flushed(self) -> OSError | None:
        """Encrypt and send; return why not all of it has left."""
        try:
            self._settle()
            data, waiting = self._unsent
            if waiting:
                data = memoryview(b"".join((data, *waiting)))
                self._unsent = (data, [])
            if data:
                self._tls.write(data)
                self._settle()
            self._stream.flush()
        except OSError as exc:
            return exc
        return None

    def _put_in(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _decrypt(self, view: memoryview) -> int | None:
        """Decrypt record after record; None if not even one is there."""
        self._settle()
        count = self._read(view)
        if self._outgoing.pending:  # the answer to an update of the keys
            self._pass_on()
            with contextlib.suppress(OSError):  # the writer will notice
                self._stream.flush()
        return count

    def _read(self, view: memoryview) -> int | None:
        total = 0
        while total < len(view) and (not total or self._may_have_more()):
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

    def _may_have_more(self) -> bool:
        """Tell whether there is anything to decrypt; cheaper than an exception."""
        return bool(self._incoming.pending or self._tls.pending() or self._ended)

    def _end(self) -> None:
        """Let waiting for the socket be over too: TLS may end before its connection."""
        self._ended = True
        with contextlib.suppress(OSError):  # it may be shut already
            self._sock.shutdown(socket.SHUT_RD)

    def _settle(self) -> None:
        """
        Pass on what is encrypted, and be done with the bytes at hand.

        What is there to be passed on is these bytes, and all of them: memory takes
        everything, and nothing else is ever left there. Whether `write()` returned says
        less, as it may raise what Ctrl-C makes of it after its work is done.
        """
        if self._outgoing.pending:
            self._unsent = (_NOTHING, self._unsent[1])
            self._pass_on()

    def _pass_on(self) -> None:
        self._stream.put(map(self._outgoing.read, (-1,)))
