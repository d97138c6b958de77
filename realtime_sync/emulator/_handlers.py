"""The threads that serve connections, and the sockets that they may hang on."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection
from typing import Any


__all__ = ["Handlers"]


class Handlers:
    """
    Knows who serves which connection. Thread-safe.

    Args:
        handle: Serves a connection from its first byte to its last; called with the
            socket and the address of the client.
        tls: What to serve wss with; None for ws.
        open_timeout: Seconds that the TLS handshake may take.
    """

    def __init__(
        self,
        handle: Callable[[socket.socket, Any], None],
        *,
        tls: ssl.SSLContext | None = None,
        open_timeout: float | None = None,
    ) -> None:
        self._handle = handle
        self._tls = tls
        self._open_timeout = open_timeout
        self._lock = threading.Lock()
        self._sockets: dict[threading.Thread, socket.socket] = {}
        self._is_closed = False

    def __call__(self, sock: socket.socket, address: Any) -> None:
        """Serve a connection, on the thread that was started for it."""
        thread = threading.current_thread()
        with self._lock:
            self._sockets[thread] = sock
            if self._is_closed:
                sock.close()  # and on: only whoever handles it forgets the thread
        try:
            if self._tls is not None:
                sock = self._secure(thread, sock, self._tls)
            self._handle(sock, address)
        finally:
            with self._lock:
                del self._sockets[thread]

    def _secure(
        self, thread: threading.Thread, sock: socket.socket, tls: ssl.SSLContext
    ) -> socket.socket:
        """
        Return the socket after the TLS handshake, or closed if that failed.

        Here and not where the server listens: a client that is gone by now makes even
        the wrapping of its socket fail, and nobody would be let in any more.
        """
        with contextlib.suppress(OSError, ValueError):
            sock = tls.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
            with self._lock:
                self._sockets[thread] = sock
            sock.settimeout(self._open_timeout)
            sock.do_handshake()
            sock.settimeout(None)
            return sock
        sock.close()
        return sock

    def close(self) -> None:
        """Serve no more connections."""
        with self._lock:
            self._is_closed = True

    def abort(self, spared: Collection[threading.Thread] = ()) -> None:
        """Cut the connections of all threads but those that are *spared*."""
        with self._lock:
            self._abort(spared)

    def _abort(self, spared: Collection[threading.Thread]) -> None:
        for thread, sock in self._sockets.items():
            if thread not in spared:
                # Not the method of a TLS socket: another thread may be in it.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def join(self, timeout: float | None = None) -> None:
        """Wait until all threads have left, or *timeout* seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            threads = list(self._sockets)
        for thread in threads:
            if thread is not threading.current_thread():
                left = None if deadline is None else deadline - time.monotonic()
                thread.join(left if left is None else max(0.0, left))
