"""
TLS with both directions at full speed, and TLS 1.3 with session tickets, for a while.

Run it by hand, on each Python::

    python tests/long/tls_duplex.py

It counts connections that die under load, frames that arrive damaged or out of order,
and connects that hang; all have to be none. ``--plain-client`` puts the same load on
websocket-client with a timeout on its socket, which shows that the load would find a
fault: there most connections die.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import multiprocessing
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import trustme


sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from realtime_sync.transport import (
    BINARY,
    TEXT,
    ConnectRequest,
    WebSocketTransport,
)


SIZE = 6400  # bytes of a frame: about 100 ms of audio in base64
FILLING = bytes(SIZE - 8)
HANG = 10.0  # seconds after which a connect counts as hung


def numbered(number: int) -> bytes:
    """Return a frame's payload that shows its place and whether it is whole."""
    return number.to_bytes(8, "big") + FILLING


# The server, in a process of its own, on one thread


def serve(folder: str, port: Connection) -> None:
    """Serve until killed; send the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem")
    assert context.num_tickets > 0
    logging.disable()  # clients that hang up are what this is about
    asyncio.run(_serve(context, port))


async def _serve(context: ssl.SSLContext, port: Connection) -> None:
    from websockets.asyncio.server import serve as serve_websockets

    async with serve_websockets(
        _handle, "127.0.0.1", 0, ssl=context, compression=None, ping_interval=None
    ) as server:
        port.send(next(iter(server.sockets)).getsockname()[1])
        await asyncio.get_running_loop().create_future()


async def _handle(websocket: Any) -> None:
    if websocket.request.path == "/hello":
        await websocket.send("hello")
        await websocket.wait_closed()
        return
    pushing = asyncio.ensure_future(_push(websocket))
    try:
        number = 0
        async for payload in websocket:
            if payload != numbered(number):
                await websocket.close(4000, f"damaged frame {number}")
            number += 1
    finally:
        pushing.cancel()


async def _push(websocket: Any) -> None:
    number = 0
    while True:
        await websocket.send(numbered(number))
        await asyncio.sleep(0)  # or the loss of the connection is never noticed
        number += 1


@contextlib.contextmanager
def server() -> Iterator[tuple[str, ssl.SSLContext]]:
    """Run a server; yield its URL and what a client needs to trust it."""
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")
        context = ssl.create_default_context()
        authority.configure_trust(context)
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(folder, there), daemon=True
        )
        process.start()
        try:
            yield f"wss://localhost:{here.recv()}", context
        finally:
            process.kill()
            process.join()


# The clients


class Load:
    """Both directions of one connection at full speed for some seconds."""

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self.sent = self.received = 0
        self.failure: BaseException | None = None

    def run(self, send: Callable[[bytes], object], receive: Callable[[], Any]) -> None:
        """Send and receive, each on a thread, until the time is over."""
        directions = (self._send, send), (self._receive, receive)
        threads = [
            threading.Thread(target=self._guard, args=direction)
            for direction in directions
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _guard(self, direction: Callable[[Any], None], call: Any) -> None:
        try:
            direction(call)
        except BaseException as exc:
            self.failure = self.failure or exc

    def _send(self, send: Callable[[bytes], object]) -> None:
        while time.monotonic() < self.until and self.failure is None:
            send(numbered(self.sent))
            self.sent += 1

    def _receive(self, receive: Callable[[], Any]) -> None:
        while time.monotonic() < self.until and self.failure is None:
            for payload in receive():
                if payload != numbered(self.received):
                    raise AssertionError(
                        f"frame {self.received} is damaged: {payload!r}"
                    )
                self.received += 1


def load_transport(url: str, context: ssl.SSLContext, seconds: float) -> Load:
    """Put load on a transport of this library."""
    transport = WebSocketTransport()
    transport.connect(
        ConnectRequest(url=url, ssl_context=context, timeout=HANG, proxy="")
    )
    load = Load(seconds)
    load.run(
        lambda payload: transport.send([(BINARY, payload)], HANG),
        lambda: [payload for _, payload in transport.receive(HANG)],
    )
    transport.abort()
    transport.release()
    return load


def load_plain_client(url: str, context: ssl.SSLContext, seconds: float) -> Load:
    """Put load on websocket-client as it comes, with a timeout."""
    import websocket

    client: Any = websocket.create_connection(
        url,
        timeout=HANG,
        sslopt={"context": context},
        skip_utf8_validation=True,
    )
    load = Load(seconds)
    load.run(client.send_bytes, lambda: [client.recv()])
    client.shutdown()
    return load


def measure_load(url: str, context: ssl.SSLContext, options: Any) -> int:
    """Print what the connections did; return how many of them died."""
    deaths = sent = received = 0
    run = load_plain_client if options.plain_client else load_transport
    for number in range(options.connections):
        load = run(url, context, options.seconds)
        sent, received = sent + load.sent, received + load.received
        if load.failure is not None:
            deaths += 1
            print(f"  connection {number} died: {load.failure!r}"[:200])
    total = options.connections * options.seconds * 1e6
    print(
        f"load: {options.connections} connections x {options.seconds:g} s, "
        f"{deaths} died; {sent} frames sent ({sent * SIZE / total:.0f} MB/s), "
        f"{received} received ({received * SIZE / total:.0f} MB/s)"
    )
    return deaths


def measure_connects(url: str, context: ssl.SSLContext, count: int) -> int:
    """Print how the connects went; return how many of them hung."""
    hangs, started = 0, time.monotonic()
    for _ in range(count):
        transport = WebSocketTransport()
        try:
            transport.connect(
                ConnectRequest(
                    url=f"{url}/hello", ssl_context=context, timeout=HANG, proxy=""
                )
            )
            assert [(TEXT, b"hello")] == transport.receive(HANG)
        except TimeoutError:
            hangs += 1
        finally:
            transport.abort()
            transport.release()
    each = (time.monotonic() - started) / count * 1000
    print(f"connects: {count} with session tickets, {hangs} hung; {each:.1f} ms each")
    return hangs


def main() -> int:
    """Run the measurements; the exit code says whether something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--connections", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connects", type=int, default=1000)
    parser.add_argument("--plain-client", action="store_true")
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {ssl.OPENSSL_VERSION}")
    with server() as (url, context):
        failures = measure_load(url, context, options)
        if not options.plain_client:
            failures += measure_connects(url, context, options.connects)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
