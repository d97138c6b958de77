"""The proxy of the chaos suite does what it is told, when it is told."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from proxy import Direction, Kind, Proxy, Trouble, Units


HEAD = b"HTTP/1.1 101 Switching\r\nA: b\r\n\r\n"
FRAME = b"\x81\x05hello"
WAIT = 60.0


@pytest.fixture(name="listener")
def _listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def received(
    listener: socket.socket, *troubles: Trouble, direction: Direction = "down"
) -> bytes:
    """What arrives of a head and two frames that one side sends, until the end."""
    port = listener.getsockname()[1]
    with (
        Proxy(port, troubles, seed=3) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port)) as client,
    ):
        server, _ = listener.accept()
        with server:
            ends = (server, client) if direction == "down" else (client, server)
            # Who sends may be cut off before it has said that this was all.
            with contextlib.suppress(OSError):
                ends[0].sendall(HEAD + FRAME + FRAME)
                ends[0].shutdown(socket.SHUT_WR)
            return _read(ends[1])


def _read(sock: socket.socket) -> bytes:
    sock.settimeout(WAIT)
    found = b""
    while data := sock.recv(1000):
        found += data
    return found


def trouble(kind: Kind, unit: int, offset: int | None = 0, **more: object) -> Trouble:
    direction: Direction = more.get("direction", "down")  # type: ignore[assignment]
    return Trouble(
        kind=kind, connection=0, direction=direction, unit=unit, offset=offset
    )


class TestTroubles:
    def test_none(self, listener: socket.socket) -> None:
        """Without troubles all bytes pass."""
        assert HEAD + FRAME + FRAME == received(listener)

    @pytest.mark.parametrize("kind", ["split", "stall", "trickle"])
    def test_delay(self, listener: socket.socket, kind: Kind) -> None:
        """What is late arrives all the same."""
        assert HEAD + FRAME + FRAME == received(listener, trouble(kind, 1, 3))

    def test_fin(self, listener: socket.socket) -> None:
        """Between two events there is an end."""
        assert HEAD + FRAME == received(listener, trouble("fin", 2))
        assert HEAD + FRAME == received(listener, trouble("fin", 1, None))

    def test_amid_an_event(self, listener: socket.socket) -> None:
        """An end may come anywhere."""
        assert HEAD + FRAME[:3] == received(listener, trouble("fin", 1, 3))

    def test_reset(self, listener: socket.socket) -> None:
        """A reset is one."""
        with pytest.raises(ConnectionResetError):
            received(listener, trouble("reset", 1))

    def test_corrupt(self, listener: socket.socket) -> None:
        """One bit is another one, in the event that was named."""
        found = received(listener, trouble("corrupt", 1, 4))
        wrong = [
            bin(one ^ other).count("1")
            for one, other in zip(found, HEAD + FRAME + FRAME, strict=True)
        ]

        assert 1 == sum(wrong)
        assert len(HEAD) + 3 == wrong.index(1)

    def test_dead(self, listener: socket.socket) -> None:
        """Nothing passes any more; here the end of the stream still does."""
        assert HEAD == received(listener, trouble("dead", 1))

    def test_up(self, listener: socket.socket) -> None:
        """The other direction has troubles of its own."""
        found = received(listener, trouble("fin", 1, direction="up"), direction="up")

        assert HEAD == found


class TestUnits:
    def test_frames(self) -> None:
        """A stream is cut behind the HTTP head and each frame, however it arrives."""
        masked = b"\x81\x82\x01\x02\x03\x04ab"
        long = b"\x82\x7e\x01\x00" + bytes(256)
        units = Units(secure=False)
        stream = HEAD + FRAME + masked + long
        found = [unit for byte in stream for unit in units.feed(bytes([byte]))]

        assert [HEAD, FRAME, masked, long] == found

    def test_records(self) -> None:
        """Where TLS hides the frames, its records take their place."""
        first, second = b"\x16\x03\x01\x00\x03abc", b"\x17\x03\x03\x00\x01x"
        units = Units(secure=True)

        assert [first, second] == list(units.feed(first + second + b"\x17\x03"))
        assert b"\x17\x03" == units.rest()
