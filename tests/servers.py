"""
Servers on this machine that do to a client what no library would: each test writes down
in a script, byte by byte, what its server does with a connection.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

import trustme


__all__ = [
    "Peer",
    "Server",
    "frame",
    "http_proxy",
    "refused_port",
    "serve",
    "socks_proxy",
    "tls_contexts",
]

PATIENCE = 60.0  # seconds after which a test has failed
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


@functools.cache
def tls_contexts(host: str = "localhost") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a server at *host* needs, and a client that trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = False,
    length: int | None = None,
) -> bytes:
    """Return a frame, right or wrong; *length* is what its header announces."""
    length = len(payload) if length is None else length
    head = bytes(((fin << 7) | (reserved << 4) | opcode,))
    mask_bit = masked << 7
    if length <= 125:
        head += bytes((mask_bit | length,))
    elif length < 1 << 16:
        head += struct.pack("!BH", mask_bit | 126, length)
    else:
        head += struct.pack("!BQ", mask_bit | 127, length)
    return head + (bytes(4) if masked else b"") + payload


class Peer:
    """
    A connection, as a server's script sees it.

    Attributes:
        sock: The blocking socket.
        request: The head of the request, once `read_request()` was called.
        over: Is set when the test ends; what never does anything waits for it.
    """

    def __init__(self, sock: socket.socket, over: threading.Event) -> None:
        self.sock = sock
        self.over = over
        self.request = b""
        self._read = b""

    def read(self, count: int) -> bytes:
        """Return exactly so many bytes."""
        while len(self._read) < count:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._read += data
        data, self._read = self._read[:count], self._read[count:]
        return data

    def read_request(self) -> bytes:
        """Read the head of an HTTP request."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read(1)
        self.request = head
        return head

    def headers(self) -> dict[str, str]:
        """Return the headers of the request, by their names in lower case."""
        lines = self.request.decode().split("\r\n")[1:-2]
        pairs = [line.split(": ", 1) for line in lines]
        assert len({name.lower() for name, _ in pairs}) == len(pairs)
        return {name.lower(): value for name, value in pairs}

    def accept(self, *extra: str, then: bytes = b"") -> None:
        """Answer the upgrade, with more headers, and with bytes in the same piece."""
        self.read_request()
        self.send(self.acceptance(*extra) + then)

    def acceptance(self, *extra: str) -> bytes:
        """Return the answer to the upgrade."""
        key = self.headers()["sec-websocket-key"].encode()
        digest = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        lines = (
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {digest}",
            *extra,
        )
        return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def read_frame(self) -> tuple[int, bytes]:
        """Read a client's frame; return its opcode and its payload."""
        head, length = self.read(2)
        assert length & 0x80, "a client masks"
        length &= 0x7F
        if length > 125:
            length = int.from_bytes(self.read(2 if length == 126 else 8), "big")
        key = self.read(4)
        masked = self.read(length)
        keys = key * (length // 4) + key[: length % 4]
        plain = int.from_bytes(masked, "big") ^ int.from_bytes(keys, "big")
        return head & 0x0F, plain.to_bytes(length, "big")

    def wait_over(self) -> None:
        """Do nothing until the test has ended."""
        assert self.over.wait(PATIENCE)

    def wait_eof(self) -> None:
        """Read until the client has hung up."""
        with contextlib.suppress(OSError):
            while self.sock.recv(65536):
                pass


Script = Callable[[Peer], object]


class Server:
    """
    A server that runs a script for each connection, on a thread of its own.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        url: Its address.
        accepted: How many connections there were.
    """

    def __init__(self, script: Script, context: ssl.SSLContext | None) -> None:
        self._script = script
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"ws{'s' if context else ''}://localhost:{self.port}"
        self.accepted = 0
        self.over = threading.Event()
        self._failures: list[BaseException] = []
        self._socks: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self.over.is_set():
                sock.close()
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        try:
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
            self._script(Peer(sock, self.over))
        except (OSError, EOFError):
            pass  # the client may leave whenever it wants to
        except BaseException as exc:
            self._failures.append(exc)
        finally:
            sock.close()

    def close(self) -> None:
        """End what still runs; raise what a script has asserted in vain."""
        self.over.set()
        with contextlib.suppress(OSError):  # wakes the listener on every system
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        self._listener.close()
        for failure in self._failures:
            raise failure


@contextlib.contextmanager
def serve(script: Script, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server; with *context* it speaks TLS."""
    server = Server(script, context)
    try:
        yield server
    finally:
        server.close()


def refused_port() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


# Proxies


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side hangs up."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=pump, args=(other, one))
    back.start()
    pump(one, other)
    back.join()


@contextlib.contextmanager
def http_proxy(
    login: str | None = None, *, context: ssl.SSLContext | None = None
) -> Iterator[tuple[Server, list[str]]]:
    """Run a proxy that knows CONNECT; yield it and the targets it was asked for."""
    targets: list[str] = []

    def script(peer: Peer) -> None:
        peer.read_request()
        method, target, _ = peer.request.decode().split("\r\n")[0].split(" ")
        assert method == "CONNECT"
        targets.append(target)
        wanted = "Basic " + base64.b64encode((login or "").encode()).decode()
        if login and peer.headers().get("proxy-authorization") != wanted:
            peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        host, _, port = target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), 5) as upstream:
            peer.send(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
            if context is None:
                _relay(peer.sock, upstream)
            else:
                _relay_tls(peer, upstream)

    with serve(script, context) as server:
        yield server, targets


def _readable(*socks: socket.socket, timeout: float = PATIENCE) -> bool:
    """Wait until one can be read; other than select(), with any number of files."""
    with selectors.DefaultSelector() as selector:
        for sock in socks:
            selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(timeout))


def _relay_tls(peer: Peer, upstream: socket.socket) -> None:
    """Carry bytes both ways on one thread, for TLS does not bear two."""
    peer.sock.setblocking(False)
    while True:
        _readable(peer.sock, upstream)
        with contextlib.suppress(ssl.SSLWantReadError):
            while True:
                data = peer.sock.recv(65536)
                if not data:
                    return
                upstream.sendall(data)
        if _readable(upstream, timeout=0):
            data = upstream.recv(65536)
            if not data:
                return
            peer.sock.settimeout(PATIENCE)
            peer.sock.sendall(data)
            peer.sock.setblocking(False)


@contextlib.contextmanager
def socks_proxy(
    login: tuple[str, str] | None = None, *, reply: int = 0
) -> Iterator[tuple[Server, list[str]]]:
    """Run a SOCKS 5 proxy (RFC 1928, 1929); *reply* refuses what it is asked for."""
    targets: list[str] = []

    def script(peer: Peer) -> None:
        version, count = peer.read(2)
        methods = peer.read(count)
        assert version == 5
        if login is None:
            peer.send(b"\x05\x00")
        else:
            assert 2 in methods
            peer.send(b"\x05\x02")
            peer.read(1)
            name = peer.read(peer.read(1)[0]).decode()
            password = peer.read(peer.read(1)[0]).decode()
            granted = (name, password) == login
            peer.send(b"\x01\x00" if granted else b"\x01\x01")
            if not granted:
                return
        _, command, _, kind = peer.read(4)
        assert command == 1
        if kind == 3:
            host = peer.read(peer.read(1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, peer.read(size))
        port = int.from_bytes(peer.read(2), "big")
        targets.append(f"{host}:{port}")
        if reply:
            peer.send(bytes((5, reply, 0, 1)) + bytes(6))
            return
        with socket.create_connection((host, port), 5) as upstream:
            peer.send(b"\x05\x00\x00\x01" + bytes(6))
            _relay(peer.sock, upstream)

    with serve(script) as server:
        yield server, targets
