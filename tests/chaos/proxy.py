"""
A TCP proxy that does to a connection what a bad network does to it.

It knows as much of what passes as it takes to strike between two events: frames of a
WebSocket, or records of TLS where it cannot look inside. Number 0 is the first unit of
each direction, which is the HTTP head or the first record of the TLS handshake.
"""

from __future__ import annotations

import collections
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from typing import Literal

import attrs


__all__ = ["KINDS", "Direction", "Kind", "Proxy", "Trouble"]

Kind = Literal["corrupt", "dead", "fin", "reset", "split", "stall", "trickle"]
Direction = Literal["up", "down"]  # to the server, to the client

KINDS: tuple[Kind, ...] = (
    "corrupt",  # one bit is another one
    "dead",  # nothing passes any more, and nobody is told
    "fin",  # both sides are told that the other one has hung up
    "reset",  # both sides get a reset
    "split",  # bytes arrive in small pieces
    "stall",  # for a moment nothing passes in that direction
    "trickle",  # bytes arrive in small pieces, slowly
)

_RESET = struct.pack("ii", 1, 0)  # linger for 0 s
_HEAD_END = b"\r\n\r\n"
_SLOW_PIECES = 100  # of a unit that trickles; what is left of it then passes at once


@attrs.frozen(kw_only=True)
class Trouble:
    """
    Something that happens to a connection, once.

    Attributes:
        kind: What happens.
        connection: To which connection, counted from 0 as the proxy takes them.
        direction: Which way the unit goes at which it happens.
        unit: At which unit, counted from 0.
        offset: After how many bytes of it; None after the last one.
        seconds: How long a stall takes.
    """

    kind: Kind
    connection: int
    direction: Direction
    unit: int
    offset: int | None = 0
    seconds: float = 0.05


class Units:
    """
    Cuts a stream into its HTTP head and WebSocket frames, or into TLS records.

    Args:
        secure: Whether it is TLS.
    """

    def __init__(self, *, secure: bool) -> None:
        self._buffer = bytearray()
        self._secure = secure
        self._in_head = not secure

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the units that are whole now."""
        self._buffer += data
        while (length := self._length()) is not None and length <= len(self._buffer):
            yield bytes(self._buffer[:length])
            del self._buffer[:length]
            self._in_head = False

    def rest(self) -> bytes:
        """What has arrived of a unit that will never be whole."""
        return bytes(self._buffer)

    def _length(self) -> int | None:
        if self._in_head:
            end = self._buffer.find(_HEAD_END)
            return None if end < 0 else end + len(_HEAD_END)
        return self._record_length() if self._secure else self._frame_length()

    def _record_length(self) -> int | None:
        if len(self._buffer) < 5:
            return None
        return 5 + int.from_bytes(self._buffer[3:5], "big")

    def _frame_length(self) -> int | None:
        if len(self._buffer) < 2:
            return None
        mask, size = self._buffer[1] & 0x80, self._buffer[1] & 0x7F
        extended = {126: 2, 127: 8}.get(size, 0)
        header = 2 + extended + (4 if mask else 0)
        if len(self._buffer) < header:
            return None
        if extended:
            size = int.from_bytes(self._buffer[2 : 2 + extended], "big")
        return header + size


class Proxy:
    """
    Listens on a port of this machine and passes on what comes, with troubles.

    A context manager; leaving it cuts what is open and joins all threads.

    Args:
        port: Where the server listens.
        troubles: What happens, and when.
        secure: Whether clients speak TLS.
        seed: Decides on the sizes of pieces.

    Attributes:
        happened: How often each kind of trouble did.
        connections: How many there were.
        units: How many units passed the first of them, by direction.
    """

    def __init__(
        self,
        port: int,
        troubles: Iterable[Trouble] = (),
        *,
        secure: bool = False,
        seed: int = 0,
    ) -> None:
        self.happened: collections.Counter[Kind] = collections.Counter()
        self.connections = 0
        self.units: dict[Direction, int] = {}
        self._server_port = port
        self._troubles = list(troubles)
        self._secure = secure
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._links: list[_Link] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._acceptor = threading.Thread(target=self._accept, name="proxy")

    @property
    def port(self) -> int:
        """Where clients connect to."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Proxy:
        self._acceptor.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor
        self._acceptor.join()
        self._listener.close()
        for link in self._links:
            link.end()

    def calm(self) -> None:
        """Let no more troubles happen, except on connections that are dead."""
        with self._lock:
            self._troubles.clear()

    def cut(self, kind: Literal["fin", "reset"] = "reset") -> None:
        """Cut every connection that there is."""
        for link in self._links:
            link.cut(kind)

    # For the connections

    def next_trouble(
        self, connection: int, direction: Direction, unit: int
    ) -> Trouble | None:
        """Take the trouble that there is for a unit, if any."""
        if connection == 0:
            self.units[direction] = unit + 1
        with self._lock:
            for trouble in self._troubles:
                where = trouble.connection, trouble.direction, trouble.unit
                if where == (connection, direction, unit):
                    self._troubles.remove(trouble)
                    self.happened[trouble.kind] += 1
                    return trouble
        return None

    def size_of_piece(self) -> int:
        """How many bytes go together while they arrive in pieces."""
        with self._lock:
            return self._random.choice((1, 1, 2, 3, 7, 50, 1000))

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                client.close()
                continue
            link = _Link(self, self.connections, client, server, secure=self._secure)
            self.connections += 1
            self._links.append(link)
            link.start()


class _Link:
    """One connection through the proxy, with a thread for each direction."""

    def __init__(
        self,
        proxy: Proxy,
        number: int,
        client: socket.socket,
        server: socket.socket,
        *,
        secure: bool,
    ) -> None:
        self._proxy = proxy
        self._number = number
        self._secure = secure
        self._sockets = client, server
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._left = 0
        self._dead = False
        self._threads = [
            threading.Thread(target=self._pump, args=(client, server, "up")),
            threading.Thread(target=self._pump, args=(server, client, "down")),
        ]

    def start(self) -> None:
        for sock in self._sockets:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self.cut("fin")
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # wakes who sends, too
        for thread in self._threads:
            thread.join()

    def cut(self, kind: Kind) -> None:
        """Hang up on both sides; the sockets are closed by the last thread."""
        with self._lock:
            if self._over.is_set():
                return
            self._over.set()
        # A reset is sent by closing, if nothing says goodbye before.
        how = socket.SHUT_RD if kind == "reset" else socket.SHUT_RDWR
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                if kind == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                sock.shutdown(how)

    def _pump(
        self, source: socket.socket, sink: socket.socket, direction: Direction
    ) -> None:
        with contextlib.suppress(OSError):
            self._pass_all(source, sink, direction)
        self.cut("fin")  # what one side ended is over for the other one as well
        with self._lock:
            self._left += 1
            last = self._left == 2
        if last:  # before, the other thread may be in one of them
            for sock in self._sockets:
                sock.close()

    def _pass_all(
        self, source: socket.socket, sink: socket.socket, direction: Direction
    ) -> None:
        units = Units(secure=self._secure)
        number = 0
        while (data := source.recv(65_536)) and not self._over.is_set():
            for unit in units.feed(data):
                trouble = self._proxy.next_trouble(self._number, direction, number)
                number += 1
                if trouble is not None:
                    self._afflict(trouble, unit, sink)
                elif not self._dead:
                    sink.sendall(unit)
        if not self._dead and not self._over.is_set():
            sink.sendall(units.rest())

    def _afflict(self, trouble: Trouble, unit: bytes, sink: socket.socket) -> None:
        offset = len(unit) if trouble.offset is None else trouble.offset % len(unit)
        first, rest = unit[:offset], unit[offset:]
        if self._dead:
            return
        if trouble.kind == "corrupt":
            first = unit[: offset - 1] if offset else b""
            wrong = unit[max(0, offset - 1)] ^ (1 << self._proxy.size_of_piece() % 8)
            first, rest = first + bytes([wrong]), unit[max(0, offset - 1) + 1 :]
        sink.sendall(first)
        if trouble.kind in ("fin", "reset"):
            self.cut(trouble.kind)
        elif trouble.kind == "dead":
            self._dead = True
            return
        elif trouble.kind == "stall":
            self._over.wait(trouble.seconds)
        elif trouble.kind in ("split", "trickle"):
            rest = self._send_slowly(rest, sink, 0.001 * (trouble.kind == "trickle"))
        sink.sendall(rest)

    def _send_slowly(self, data: bytes, sink: socket.socket, pause: float) -> bytes:
        """Send most of *data* in pieces; return what is left."""
        for _ in range(_SLOW_PIECES):
            size = self._proxy.size_of_piece()
            sink.sendall(data[:size])
            data = data[size:]
            if not data:
                break
            self._over.wait(pause)
        return data
