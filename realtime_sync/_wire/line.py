"""
The line to a server: name resolution, TCP and TLS within one deadline, and its end.

A socket does not block from its first moment on, so that the deadline holds whatever
the other side does, and another thread can end everything at any time: it shuts the
socket down, which wakes whoever waits for it. The file descriptor stays open until all
threads have left, for its number would be given to somebody else.

Nothing is made or looked up at import, so that gevent may replace threads and sockets
later.
"""

from __future__ import annotations

import contextlib
import errno
import math
import queue
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .._deadline import Deadline
from .._waiting import start_thread
from ..errors import ConnectError
from .stream import SocketStream, Stream
from .tls import TlsStream


__all__ = ["Line", "Poller", "show_address"]

_IN_PROGRESS = (
    errno.EINPROGRESS,
    errno.EWOULDBLOCK,
    getattr(errno, "WSAEWOULDBLOCK", 0),
)
# A dead peer is noticed by TCP after a minute of silence, or of data not acknowledged,
# as a second line of defence behind the pings of WebSocket.
_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": 30,  # seconds; the names are those of Linux, and the next of macOS
    "TCP_KEEPALIVE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 60_000,  # ms
}
_LONGEST_WAIT = 86_400.0  # seconds; the system takes no more than some weeks
# Only Linux wakes those who wait for a connect that is in progress.
_CONNECT_SLICE = 0.25

T = TypeVar("T")
Address = tuple[int, Any]  # a family and what connect() takes


class Poller:
    """
    Waits until a socket has something to read, or room to write; for one thread.

    Args:
        sock: The socket.
        write: Whether to wait for room to write.
    """

    def __init__(self, sock: socket.socket, *, write: bool) -> None:
        self._sock = sock
        self._write = write
        self._poll = None
        if hasattr(select, "poll"):  # not on Windows
            self._poll = select.poll()
            self._poll.register(sock, select.POLLOUT if write else select.POLLIN)

    def wait(self, timeout: float | None) -> None:
        """Return when the socket is ready or has failed, or after *timeout* seconds."""
        if timeout is not None:
            timeout = min(timeout, _LONGEST_WAIT)  # whoever waits looks at the time
        if self._poll is not None:
            self._poll.poll(None if timeout is None else math.ceil(timeout * 1000))
        elif self._write:
            select.select((), (self._sock,), (self._sock,), timeout)
        else:
            select.select((self._sock,), (), (), timeout)


class Line:
    """
    A connection to one server, from the resolution of its name to its release.

    One thread opens it. `abort()` may be called by any thread at any time.

    Attributes:
        sock: The socket, once there is one. It does not block.
        stream: What to read and to write: the socket, or TLS upon it.
        deadline: Bounds everything that blocks here.
        step: What the opening is busy with, for messages.
        aborted: Whether `abort()` was called.
    """

    sock: socket.socket
    stream: Stream
    deadline: Deadline

    def __init__(self) -> None:
        self.deadline = Deadline(None)
        self.step = "starting"
        self.aborted = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._answers: queue.SimpleQueue[Any] | None = None

    # Opening, on one thread

    def connect(self, host: str, port: int) -> None:
        """
        Resolve *host* and connect to the first of its addresses that answers.

        Raises:
            ConnectError: It was aborted.
            OSError: It failed.
            TimeoutError: The deadline has passed.
        """
        addresses = self.resolve(host, port)
        self.step = f"connecting to {show_address(host, port)}"
        failure: OSError = OSError(errno.EADDRNOTAVAIL, "the name has no address")
        for index, address in enumerate(addresses):
            try:
                return self._connect_to(address, shares=len(addresses) - index)
            except OSError as exc:
                failure = exc
                self.deadline.remaining()
        raise failure

    def resolve(self, host: str, port: int) -> list[Address]:
        """
        Return the addresses of *host*.

        A resolver cannot be interrupted, so a thread of its own waits for it. When that
        takes longer than the deadline the thread is left behind: it ends when the
        system's resolver gives up.

        Raises:
            ConnectError: It was aborted.
            OSError: There are none.
            TimeoutError: The deadline has passed.
        """
        with contextlib.suppress(socket.gaierror):
            return _look_up(host, port, socket.AI_NUMERICHOST)
        self.step = f"looking up {host}"
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._lock:
            self._answers = answers
        self.ensure_wanted()

        def look_up() -> None:
            try:
                answers.put(_look_up(host, port))
            except Exception as exc:
                answers.put(exc)

        # A daemon: the interpreter does not wait for the system's resolver.
        name = f"realtime_sync resolver {host}"
        resolver = threading.Thread(target=look_up, name=name, daemon=True)
        start_thread(resolver)
        answer = self._await_answer(answers)
        resolver.join()
        if isinstance(answer, Exception):
            raise answer
        addresses: list[Address] = answer
        return addresses

    def secure(self, context: ssl.SSLContext, hostname: str) -> None:
        """
        Put TLS upon the stream.

        Raises:
            ConnectError: It was aborted.
            OSError: It failed; `ssl.SSLError` says how.
            TimeoutError: The deadline has passed.
        """
        self.step = f"waiting for the TLS handshake with {hostname}"
        stream = TlsStream(self.stream, context, hostname, self.sock)
        while not stream.handshake():
            self._until(stream.feed, write=False)
        self.stream = stream

    def recv(self, size: int) -> bytes:
        """Return at most *size* bytes as soon as there are any; empty at the end."""
        return self._until(lambda: self.stream.recv(size), write=False)

    def sendall(self, data: bytes) -> None:
        """Send all of *data*."""
        self.stream.put((data,))
        self._until(self.stream.flush, write=True)

    def ensure_wanted(self) -> None:
        """
        Check that nobody has aborted the line.

        Raises:
            ConnectError: Somebody has.
        """
        if self.aborted:
            raise ConnectError("the connection was aborted while it was being opened")

    # For any thread

    def abort(self) -> None:
        """Wake whoever waits for the line, now or later, and let no more through."""
        with self._lock:
            self.aborted = True
            if self._answers is not None:
                self._answers.put(None)
            if self._socket is not None:
                with contextlib.suppress(OSError):  # it is not connected (any more)
                    self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Close the socket; nobody may be using it any more."""
        with self._lock:
            self.aborted = True
            if self._socket is not None:
                self._socket.close()

    # Private

    def _connect_to(self, address: Address, *, shares: int) -> None:
        family, target = address
        sock = socket.socket(family, socket.SOCK_STREAM)
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = self.sock = sock
            self.stream = SocketStream(sock)
        self.ensure_wanted()
        _set_options(sock)
        code = sock.connect_ex(target)
        if code in _IN_PROGRESS:
            left = self.deadline.remaining()
            share = Deadline(None if left is None else left / shares, self.step)
            code = self._await_connect(share)
        if code:
            raise OSError(code, f"{errno.errorcode.get(code, code)}")

    def _await_connect(self, share: Deadline) -> int:
        poller = Poller(self.sock, write=True)
        while True:
            left = share.remaining()
            poller.wait(_CONNECT_SLICE if left is None else min(left, _CONNECT_SLICE))
            self.ensure_wanted()
            code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code or _is_connected(self.sock):
                return code

    def _await_answer(self, answers: queue.SimpleQueue[Any]) -> Any:
        try:
            answer = answers.get(timeout=self.deadline.remaining())
        except queue.Empty:
            raise self.deadline.error() from None
        self.ensure_wanted()
        return answer

    def _until(self, attempt: Callable[[], T], *, write: bool) -> T:
        """Call *attempt* until it does not have to wait."""
        while True:
            self.ensure_wanted()
            left = self.deadline.remaining()
            try:
                result = attempt()
            except BlockingIOError:
                Poller(self.sock, write=write).wait(left)
            else:
                self.ensure_wanted()  # at once, for the end may be of our own making
                return result


def show_address(host: str, port: int) -> str:
    """Return *host* and *port* as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]


def _set_options(sock: socket.socket) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if hasattr(socket, name):
            # Some systems know a name and refuse it nevertheless.
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
