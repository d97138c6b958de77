"""An open WebSocket: what it receives and sends, and how it ends, over ws and wss."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from servers import PATIENCE, Peer, Script, frame, serve, tls_contexts

from realtime_sync.errors import ConnectionClosedError, RemoteProtocolError
from realtime_sync.transport import (
    BINARY,
    CLOSE,
    PING,
    TEXT,
    ConnectRequest,
    Frame,
    WebSocketTransport,
    close_payload,
)


Connect = Callable[..., contextlib.AbstractContextManager[WebSocketTransport]]


@pytest.fixture(name="connect", params=["ws", "wss"])
def _connect(request: pytest.FixtureRequest) -> Connect:
    """Return what connects to a server that runs a script once it has accepted."""
    server_context, client_context = (
        tls_contexts() if request.param == "wss" else (None, None)
    )

    @contextlib.contextmanager
    def connect(
        script: Script, *, accept: bool = True, limit: int = 1 << 24
    ) -> Iterator[WebSocketTransport]:
        def accept_and_run(peer: Peer) -> None:
            if accept:
                peer.accept()
            script(peer)

        with serve(accept_and_run, server_context) as server:
            transport = WebSocketTransport()
            try:
                transport.connect(
                    ConnectRequest(
                        url=server.url,
                        ssl_context=client_context,
                        timeout=PATIENCE,
                        max_message_bytes=limit,
                    )
                )
                yield transport
            finally:
                transport.abort()
                transport.release()

    return connect


@pytest.fixture(name="pool")
def _pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def receive(transport: WebSocketTransport, count: int) -> list[Frame]:
    """Return so many frames."""
    frames: list[Frame] = []
    while len(frames) < count:
        frames += transport.receive(PATIENCE)
    return frames


def closed_code(future: Future[object]) -> tuple[int, str]:
    """Return how the connection ended for the thread of *future*."""
    error = future.exception(PATIENCE)
    assert isinstance(error, ConnectionClosedError)
    return error.code, error.initiated_by


def test_frames_that_came_with_the_upgrade(connect: Connect) -> None:
    """What the server sends in one piece with its answer is not lost."""

    def script(peer: Peer) -> None:
        peer.accept(then=frame(TEXT, b"first") + frame(TEXT, b"second")[:3])
        peer.send(frame(TEXT, b"second")[3:])
        peer.wait_over()

    with connect(script, accept=False) as transport:
        frames = receive(transport, 2)

    assert [(TEXT, b"first"), (TEXT, b"second")] == frames


def test_frames_both_ways(connect: Connect) -> None:
    """Frames of every kind and size arrive as they were sent, in order."""
    sent = [
        (TEXT, b"{}"),
        (PING, b"?"),
        (BINARY, random.Random(1).randbytes(200_000)),
        (TEXT, b"x" * 70_000),
    ]

    def script(peer: Peer) -> None:
        for _ in sent:
            peer.send(frame(*peer.read_frame()))
        peer.wait_over()

    with connect(script) as transport:
        transport.send(sent, PATIENCE)
        received = receive(transport, len(sent))

    assert sent == received


def test_system_without_poll(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no poll(), as on Windows, all is the same."""
    monkeypatch.delattr(select, "poll")
    payload = b"x" * 8_000_000

    def script(peer: Peer) -> None:
        peer.send(frame(*peer.read_frame()))
        peer.wait_over()

    with connect(script) as transport:
        with pytest.raises(TimeoutError):
            transport.receive(0.01)
        transport.send([(TEXT, payload)], PATIENCE)
        frames = transport.receive(PATIENCE)

    assert [(TEXT, payload)] == frames


def test_nothing_to_send(connect: Connect) -> None:
    """Sending no frames does nothing."""
    with connect(Peer.wait_over) as transport:
        transport.send([], 0)


def test_timeout_of_receive_loses_nothing(connect: Connect) -> None:
    """A frame of which a half was there at the timeout is whole afterwards."""
    whole = frame(TEXT, b"x" * 1000)
    half_seen = threading.Event()

    def script(peer: Peer) -> None:
        peer.send(whole[:500])
        assert half_seen.wait(PATIENCE)
        peer.send(whole[500:])
        peer.wait_over()

    with connect(script) as transport:
        for timeout in (0.05, 0, 0):
            with pytest.raises(TimeoutError):
                transport.receive(timeout)
        half_seen.set()
        frames = transport.receive(PATIENCE)

    assert [(TEXT, b"x" * 1000)] == frames


def test_endless_timeout(connect: Connect) -> None:
    """A timeout may be longer than what the system can wait for."""
    with connect(lambda peer: peer.send(frame(TEXT, b"{}"))) as transport:
        assert [(TEXT, b"{}")] == transport.receive(1e12)


def test_receive_with_no_time_takes_what_is_there(connect: Connect) -> None:
    """A timeout of zero is a look, also right after everything was read."""
    asked = threading.Event()

    def script(peer: Peer) -> None:
        peer.send(frame(TEXT, b"one"))
        assert asked.wait(PATIENCE)
        peer.send(frame(TEXT, b"two"))
        peer.wait_over()

    with connect(script) as transport:
        first = transport.receive(PATIENCE)
        with pytest.raises(TimeoutError):
            transport.receive(0)
        asked.set()
        second = None
        while second is None:
            with contextlib.suppress(TimeoutError):
                second = transport.receive(0)

    assert [[(TEXT, b"one")], [(TEXT, b"two")]] == [first, second]


def test_close_with_code_and_reason(connect: Connect) -> None:
    """The server's close frame arrives whole, and then its end."""

    def script(peer: Peer) -> None:
        peer.send(frame(TEXT, b"last") + frame(CLOSE, close_payload(4000, "why")))

    with connect(script) as transport:
        frames = receive(transport, 2)
        with pytest.raises(ConnectionClosedError) as caught:
            transport.receive(PATIENCE)

    assert [(TEXT, b"last"), (CLOSE, b"\x0f\xa0why")] == frames
    assert (1006, "network") == (caught.value.code, caught.value.initiated_by)


def test_server_vanishes(connect: Connect, pool: ThreadPoolExecutor) -> None:
    """A connection that is reset ends both directions with 1006."""
    blocked = threading.Event()

    def script(peer: Peer) -> None:
        assert blocked.wait(PATIENCE)
        peer.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )  # close() sends a reset
        socket.socket.close(peer.sock)

    with connect(script) as transport:
        receiving = pool.submit(transport.receive)
        sending = pool.submit(transport.send, [(TEXT, b"x" * 50_000_000)])
        blocked.set()

        assert (1006, "network") == closed_code(receiving)
        assert (1006, "network") == closed_code(sending)


def test_server_ends_tls_but_not_tcp(pool: ThreadPoolExecutor) -> None:
    """The end of TLS is an end, though the connection below it stays open."""
    server_context, client_context = tls_contexts()

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(frame(TEXT, b"bye"))
        peer.sock.setblocking(False)
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.sock.unwrap()  # type: ignore[attr-defined]
        peer.wait_over()

    with serve(script, server_context) as server:
        transport = WebSocketTransport()
        transport.connect(ConnectRequest(url=server.url, ssl_context=client_context))

        frames = transport.receive(PATIENCE)

        assert [(TEXT, b"bye")] == frames
        with pytest.raises(ConnectionClosedError):
            transport.receive(PATIENCE)
        transport.release()


def test_half_a_frame_and_the_end(connect: Connect) -> None:
    """A frame that is cut off by the end is no message."""
    with (
        connect(lambda peer: peer.send(frame(TEXT, b"x", length=10))) as transport,
        pytest.raises(ConnectionClosedError) as caught,
    ):
        transport.receive(PATIENCE)

    assert 1006 == caught.value.code


def test_server_that_stops_reading(connect: Connect) -> None:
    """A send that the server does not take times out and ends the transport."""
    with connect(Peer.wait_over) as transport:
        with pytest.raises(TimeoutError, match="sending"):
            transport.send([(TEXT, b"x" * 50_000_000)], 0.05)

        for call in (transport.receive, lambda: transport.send([(PING, b"")])):
            with pytest.raises(ConnectionClosedError) as caught:
                call()
            assert (1006, "client") == (caught.value.code, caught.value.initiated_by)


def test_send_waits_for_a_slow_reader(
    connect: Connect, pool: ThreadPoolExecutor
) -> None:
    """A send that has to wait goes on where it stopped; receiving goes on meanwhile."""
    payload = random.Random(2).randbytes(8_000_000)
    go_on = threading.Event()
    got: list[Frame] = []

    def script(peer: Peer) -> None:
        peer.send(frame(TEXT, b"meanwhile"))
        assert go_on.wait(PATIENCE)
        got.append(peer.read_frame())
        peer.send(frame(TEXT, b"done"))
        peer.wait_over()

    with connect(script) as transport:
        sending = pool.submit(transport.send, [(BINARY, payload)], PATIENCE)
        meanwhile = transport.receive(PATIENCE)
        go_on.set()
        done = transport.receive(PATIENCE)
        sending.result(PATIENCE)

    assert [(TEXT, b"meanwhile"), (TEXT, b"done")] == meanwhile + done
    assert [(BINARY, payload)] == got


def test_try_send(connect: Connect) -> None:
    """What the network takes at once has left when `try_send()` returns."""
    sent = [(TEXT, b"first"), (PING, b"second")]
    got: list[Frame] = []

    def script(peer: Peer) -> None:
        got.extend(peer.read_frame() for _ in sent)
        peer.send(frame(TEXT, b"done"))
        peer.wait_over()

    with connect(script) as transport:
        all_left = transport.try_send(sent)
        transport.receive(PATIENCE)

    assert all_left
    assert sent == got


def test_try_send_on_a_slow_network(connect: Connect) -> None:
    """What the network does not take at once leaves with the next send, in order."""
    sent = [(BINARY, random.Random(4).randbytes(8_000_000)), (TEXT, b"2"), (TEXT, b"3")]
    go_on = threading.Event()
    got: list[Frame] = []

    def script(peer: Peer) -> None:
        assert go_on.wait(PATIENCE)
        got.extend(peer.read_frame() for _ in sent)
        peer.send(frame(TEXT, b"done"))
        peer.wait_over()

    with connect(script) as transport:
        left = [transport.try_send([each]) for each in sent]
        go_on.set()
        transport.send((), PATIENCE)
        transport.receive(PATIENCE)

    assert [False] * 3 == left
    assert sent == got


def test_try_send_to_nobody(connect: Connect) -> None:
    """That the connection is gone is for the next send to tell."""
    with connect(Peer.wait_over) as transport:
        transport.abort()

        assert not transport.try_send([(TEXT, b"x")])
        with pytest.raises(ConnectionClosedError):
            transport.send(())


@pytest.mark.parametrize("extra", [0, 1])
def test_message_size_limit(connect: Connect, extra: int) -> None:
    """16 MiB is received; with one byte more the announcement alone is refused."""
    limit = 16 * 1024 * 1024
    payload = b"" if extra else b"x" * limit

    def script(peer: Peer) -> None:
        peer.send(frame(TEXT, payload, length=limit + extra))
        peer.wait_over()

    with connect(script, limit=limit) as transport:
        if extra:
            with pytest.raises(RemoteProtocolError) as caught:
                transport.receive(PATIENCE)
            assert 1009 == caught.value.close_code
        else:
            assert [(TEXT, payload)] == transport.receive(PATIENCE)


def test_close_frame_can_follow_a_broken_rule(connect: Connect) -> None:
    """After a protocol error the other direction still works, to say so."""
    got: list[Frame] = []

    def script(peer: Peer) -> None:
        peer.send(frame(TEXT, b"x", masked=True))
        got.append(peer.read_frame())
        peer.send(frame(TEXT))

    with connect(script) as transport:
        with pytest.raises(RemoteProtocolError) as caught:
            transport.receive(PATIENCE)
        farewell = close_payload(caught.value.close_code)
        transport.send([(CLOSE, farewell)], PATIENCE)
        with pytest.raises(RemoteProtocolError):
            transport.receive(PATIENCE)

    assert [(CLOSE, b"\x03\xea")] == got


def test_abort_wakes_both_directions(
    connect: Connect, pool: ThreadPoolExecutor
) -> None:
    """Abort ends a blocked receive and a blocked send at once, and may be repeated."""
    with connect(Peer.wait_over) as transport:
        receiving = pool.submit(transport.receive)
        sending = pool.submit(transport.send, [(TEXT, b"x" * 50_000_000)])

        transport.abort()
        transport.abort()

        assert (1006, "client") == closed_code(receiving)
        assert (1006, "client") == closed_code(sending)


def test_abort_reaches_the_server(connect: Connect) -> None:
    """The server learns of an abort, though the file descriptor is still open."""
    hung_up = threading.Event()

    def script(peer: Peer) -> None:
        peer.wait_eof()
        hung_up.set()

    with connect(script) as transport:
        transport.abort()

        assert hung_up.wait(PATIENCE)


def test_release_closes_the_descriptor(connect: Connect) -> None:
    """The descriptor is closed by release and not before; what follows is refused."""
    with connect(Peer.wait_over) as transport:
        descriptor = transport._line.sock.fileno()
        transport.abort()
        os.fstat(descriptor)

        transport.release()
        transport.release()
        transport.abort()

        assert -1 == transport._line.sock.fileno()
        with pytest.raises(ConnectionClosedError):
            transport.receive()


def test_lifecycle_misuse() -> None:
    """A transport that is not connected says what is missing."""
    transport = WebSocketTransport()

    with pytest.raises(RuntimeError, match="connect"):
        transport.receive()
    with pytest.raises(RuntimeError, match="connect"):
        transport.send([])
    transport.release()


def test_second_connect(connect: Connect) -> None:
    """A transport connects once."""
    with (
        connect(Peer.wait_over) as transport,
        pytest.raises(RuntimeError, match="another"),
    ):
        transport.connect(ConnectRequest(url="ws://localhost"))


def test_two_way_load(connect: Connect, pool: ThreadPoolExecutor) -> None:
    """Both directions at full speed at once leave every byte as it was."""
    payloads = [
        random.Random(size).randbytes(size) for size in (10, 1300, 6600, 40_000)
    ]
    sent = [(BINARY, payload) for payload in payloads] * 100

    def script(peer: Peer) -> None:
        for _ in sent:
            peer.send(frame(*peer.read_frame()))
        peer.wait_over()

    with connect(script) as transport:

        def send_all() -> None:
            for start in range(0, len(sent), 3):
                transport.send(sent[start : start + 3], PATIENCE)

        sending = pool.submit(send_all)
        received = receive(transport, len(sent))
        sending.result(PATIENCE)

    assert sent == received
