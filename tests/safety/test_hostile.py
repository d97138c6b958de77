"""A server that means harm: memory stays bounded, and the error says what it did."""

from __future__ import annotations

import itertools
import json
import struct
import threading
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import PATIENCE, Peer, frame, serve

from realtime_sync import (
    ConnectError,
    ConnectionClosed,
    ConnectionClosedError,
    DecodeError,
    RealtimeClient,
    RealtimeConnection,
    ServerEvent,
    ServerResponses,
    UnknownEvent,
)
from realtime_sync.transport import BINARY, CLOSE, PING, TEXT


MB = 1024 * 1024
LIMIT = MB  # bytes of a message, in these tests
CREATED = frame(
    TEXT,
    b'{"type":"session.created","event_id":"e0",'
    b'"session":{"type":"realtime","id":"sess_1"}}',
)
Harm = Callable[[Peer], object]


def wire(kind: str, **fields: Any) -> bytes:
    """Return the frame of an event."""
    return frame(TEXT, json.dumps({"type": kind, "event_id": "e", **fields}).encode())


def client_of(url: str, **settings: Any) -> RealtimeClient:
    """Return a client that neither tries again nor waits for long."""
    settings = {
        "reconnect": None,
        "proxy": "",
        "close_timeout": 0.1,
        "max_message_bytes": LIMIT,
        **settings,
    }
    return RealtimeClient(url, "key", model="m", **settings)


class Attacked:
    """
    A connection to a server that does harm once the session is there.

    Attributes:
        connection: The connection.
        faults: What `on_error()` was told at last.
    """

    def __init__(self, connection: RealtimeConnection) -> None:
        self.connection = connection
        self.faults: deque[Exception] = deque(maxlen=100)
        connection.on_error(self.faults.append)

    def end(self) -> ConnectionClosedError:
        """Return how the connection ended."""
        assert self.connection.wait_closed(PATIENCE)
        with pytest.raises(ConnectionClosedError) as caught:
            self.connection.flush()
        return caught.value


Attack = Callable[..., "Attacked"]


@pytest.fixture(name="attack")
def _attack() -> Iterator[Attack]:
    """Return what connects to a server that does harm, and looks at the memory."""
    stack: list[Any] = []

    def attack(harm: Harm, **settings: Any) -> Attacked:
        def script(peer: Peer) -> None:
            peer.accept(then=CREATED)
            harm(peer)

        server = serve(script)
        url = server.__enter__().url
        stack.append(server)
        connection = client_of(url, **settings).connect()
        stack.append(connection)
        return Attacked(connection)

    yield attack
    for each in reversed(stack):
        each.__exit__(None, None, None)


@pytest.fixture(name="memory")
def _memory() -> Iterator[Callable[[], float]]:
    """Return what tells the most megabytes that Python has held since the start."""
    tracemalloc.start()
    begin, _ = tracemalloc.get_traced_memory()
    yield lambda: (tracemalloc.get_traced_memory()[1] - begin) / MB
    tracemalloc.stop()


def endlessly(data: bytes) -> Harm:
    """Send the same bytes until the client hangs up."""

    def harm(peer: Peer) -> None:
        peer.sock.settimeout(1.0)  # the client is gone
        while True:
            peer.send(data)

    return harm


BROKEN_RULES: dict[str, tuple[Harm, int, str]] = {
    "a frame larger than any memory": (
        lambda peer: peer.send(frame(TEXT, b"x", length=2**62)),
        1009,
        "max_message_bytes",
    ),
    "a frame of one byte too many": (
        lambda peer: peer.send(frame(TEXT, b"x", length=LIMIT + 1)),
        1009,
        "max_message_bytes",
    ),
    "fragments without end": (
        lambda peer: (
            peer.send(frame(TEXT, b"x", fin=False)),
            endlessly(frame(0, b"x" * 60_000, fin=False))(peer),
        ),
        1009,
        "max_message_bytes",
    ),
    "compression that was not agreed on": (
        lambda peer: peer.send(frame(TEXT, b"\xaa\x56\x4a", reserved=4)),
        1002,
        "reserved bits",
    ),
    "masked frames": (
        lambda peer: peer.send(frame(TEXT, b"{}", masked=True)),
        1002,
        "masked",
    ),
    "a long ping": (
        lambda peer: peer.send(frame(PING, b"x" * 126)),
        1002,
        "control frame of 126 bytes",
    ),
    "a reserved opcode": (lambda peer: peer.send(frame(5)), 1002, "opcode"),
    "a close with a code of one byte": (
        lambda peer: peer.send(frame(CLOSE, b"\x03")),
        1002,
        "invalid code",
    ),
    "a close with a reason that is no text": (
        lambda peer: peer.send(frame(CLOSE, b"\x03\xe8\xff")),
        1007,
        "UTF-8",
    ),
}


@pytest.mark.parametrize("name", BROKEN_RULES)
def test_broken_rules(name: str, attack: Attack, memory: Callable[[], float]) -> None:
    """Who breaks the rules of WebSocket is told so with the right code, at once."""
    harm, code, words = BROKEN_RULES[name]
    codes: list[int] = []

    def then_listen(peer: Peer) -> None:
        try:
            harm(peer)
        except OSError:
            return  # it was hung up on amid the endless
        opcode, payload = peer.read_frame()
        codes.append(struct.unpack("!H", payload[:2])[0] if opcode == CLOSE else 0)

    attacked = attack(then_listen)
    error = attacked.end()
    attacked.connection.close()

    assert code == error.code
    assert words in str(error)
    assert memory() < 4


NONSENSE = {
    "bad UTF-8": b'{"type":"\xff\xfe"}',
    "half a surrogate": b'{"type":"\\ud800"}',
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"type":' * 100_000 + b"1" + b"}" * 100_000,
    "a deep field": b'{"type":"error","error":'
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}",
    "a number larger than any": b'{"type":"response.done","response":1e999}',
    "a number that is none": b'{"type":"x","y":NaN}',
    "no object": b"42",
    "no type": b"{}",
    "a type that is no string": b'{"type":{}}',
    "nothing": b"",
    "the same key twice, and differently": b'{"type":"error","error":{},"error":1}',
    "a million digits": b'{"type":"x","y":' + b"9" * 900_000 + b"}",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense(name: str, attack: Attack, memory: Callable[[], float]) -> None:
    """A message that is none is reported, and the connection goes on."""

    def harm(peer: Peer) -> None:
        peer.send(frame(TEXT, NONSENSE[name]) + wire("x.after"))
        peer.wait_over()

    arrived = threading.Event()
    attacked = attack(lambda peer: (peer.read_frame(), harm(peer)))
    attacked.connection.on("x.after", lambda event: arrived.set())
    attacked.connection.send({"type": "x.ready"})

    assert arrived.wait(PATIENCE)
    assert all(isinstance(fault, DecodeError) for fault in attacked.faults)
    assert all(len(str(fault)) < 5000 for fault in attacked.faults)
    assert memory() < 30


def test_flood_of_unknown_events(attack: Attack, memory: Callable[[], float]) -> None:
    """Events that nobody knows, far more than anybody takes, are not kept."""
    count = 10_000
    flood = wire("x.flood", payload="x" * 200) * 100

    def harm(peer: Peer) -> None:
        peer.read_frame()
        for _ in range(count // 100):
            peer.send(flood)
        peer.send(wire("x.last"))
        peer.wait_over()

    last = threading.Event()
    attacked = attack(harm)
    attacked.connection.on("x.last", lambda event: last.set())
    attacked.connection.send({"type": "x.ready"})

    assert last.wait(PATIENCE * 3)
    assert memory() < 8


def test_large_events_that_nobody_takes(
    attack: Attack, memory: Callable[[], float]
) -> None:
    """An iterator that nobody turns holds so many bytes, and says what it dropped."""
    big = wire("x.big", payload="x" * 900_000)

    def harm(peer: Peer) -> None:
        peer.read_frame()
        for _ in range(60):
            peer.send(big)
        peer.send(wire("x.last"))
        peer.wait_over()

    last = threading.Event()
    attacked = attack(harm, max_unread=8 * MB)
    events = attacked.connection.events(UnknownEvent, timeout=PATIENCE)
    attacked.connection.on("x.last", lambda event: last.set())
    attacked.connection.send({"type": "x.ready"})

    assert last.wait(PATIENCE * 3)
    assert memory() < 30  # of 54 that came
    with pytest.raises(RuntimeError, match="dropped"):
        next(events)
    assert "x.big" == next(events).payload["type"]  # type: ignore[attr-defined]


def test_flood_while_a_callback_waits(
    attack: Attack, memory: Callable[[], float]
) -> None:
    """What arrives while a callback waits for the server is bounded, too."""
    big = wire("x.big", payload="x" * 900_000)

    def harm(peer: Peer) -> None:
        peer.send(wire("x.first"))
        endlessly(big)(peer)

    caught: list[BaseException] = []
    done = threading.Event()

    def wait_for_nothing(event: ServerEvent) -> None:
        try:
            attacked.connection.clear_input_audio(timeout=PATIENCE)
        except Exception as exc:
            caught.append(exc)
        done.set()

    attacked = attack(lambda peer: (peer.read_frame(), harm(peer)), max_unread=8 * MB)
    attacked.connection.on("x.first", wait_for_nothing)
    attacked.connection.send({"type": "x.ready"})

    assert done.wait(PATIENCE * 2)
    assert isinstance(caught[0], ConnectionClosed)
    assert "max_unread" in str(attacked.end())
    assert memory() < 24


PLACE = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
BEGUN = wire(
    "response.created",
    response={"id": "r", "object": "realtime.response", "output": []},
)
# What is kept of endless events, and who keeps it.
KEEPERS: dict[str, tuple[bytes, Callable[[int], bytes], Callable[..., object]]] = {
    "items": (
        b"",
        lambda n: wire(
            "conversation.item.added",
            item={
                "id": f"item_{n}",
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "x" * 100_000}],
            },
        ),
        lambda connection: None,
    ),
    "one item without end": (
        wire(
            "conversation.item.added",
            item={"id": "i", "type": "message", "role": "assistant", "content": []},
        ),
        lambda n: wire("response.output_text.delta", delta="x" * 100_000, **PLACE),
        lambda connection: None,
    ),
    "a response that is held": (
        BEGUN,
        lambda n: wire("response.output_text.delta", delta="x" * 100_000, **PLACE),
        lambda connection: connection.responses(PATIENCE),
    ),
    "unknown events of a response that is held": (
        BEGUN,
        lambda n: wire("response.news", response_id="r", news=["x" * 100_000]),
        lambda connection: connection.responses(PATIENCE),
    ),
    "speech to be played": (
        BEGUN,
        lambda n: wire("response.output_audio.delta", delta="A" * 100_000, **PLACE),
        lambda connection: connection.playback.audio(),
    ),
}


@pytest.mark.parametrize("name", KEEPERS)
def test_what_is_kept_has_a_limit(
    name: str, attack: Attack, memory: Callable[[], float]
) -> None:
    """What a server says without end, and this side has to keep, ends with an error."""
    first, event, keep = KEEPERS[name]

    def harm(peer: Peer) -> None:
        peer.sock.settimeout(1.0)  # the client is gone
        peer.read_frame()
        peer.send(first)
        for number in itertools.count():
            peer.send(event(number))

    attacked = attack(harm, max_kept=8 * MB)
    kept = keep(attacked.connection)
    attacked.connection.send({"type": "x.ready"})
    if isinstance(kept, ServerResponses):
        kept = next(kept)
    end = attacked.end()

    assert 1009 == end.code
    assert "max_kept" in str(end)
    assert memory() < 24
    del kept


@pytest.mark.parametrize(
    ("name", "default", "told"),
    [
        ("max_message_bytes", 16 * MB, "16 MiB"),
        ("max_unread", 64 * MB, "64 MiB"),
        ("max_kept", 512 * MB, "512 MiB"),
        ("max_queue", MB, "1 MiB"),
        ("open_timeout", 20.0, "20 s"),
        ("close_timeout", 5.0, "5 s"),
        ("ping_interval", 20.0, "20 s"),
    ],
)
def test_defaults(name: str, default: float, told: str) -> None:
    """The limits are what the documentation says."""
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
    rows = [row for row in page.splitlines() if row.startswith(f"| `{name}`")]

    assert default == getattr(RealtimeClient("ws://localhost", "key"), name)
    assert told in rows[0].split("|")[2]


def test_duplicate_ids(attack: Attack) -> None:
    """Ids that come twice are one item and one response, and confuse nobody."""
    item = {"type": "message", "id": "i", "role": "user", "content": []}
    response = {"id": "r", "status": "in_progress", "output": []}

    def harm(peer: Peer) -> None:
        for _ in range(50):
            peer.send(wire("conversation.item.added", item=item))
            peer.send(wire("response.created", response=response))
        peer.send(
            wire("response.done", response={**response, "status": "completed"}) * 2
        )
        peer.send(wire("x.last"))
        peer.wait_over()

    last = threading.Event()
    attacked = attack(lambda peer: (peer.read_frame(), harm(peer)))
    attacked.connection.on("x.last", lambda event: last.set())
    attacked.connection.send({"type": "x.ready"})

    assert last.wait(PATIENCE)
    assert 1 == len(attacked.connection.conversation)
    assert not attacked.faults
    assert attacked.connection.active_response is None


ODD_NUMBERS = [-1, -(2**63), 2**63, 10**18, 1e308, -1e308]


@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_odd_numbers(
    number: float, attack: Attack, memory: Callable[[], float]
) -> None:
    """Numbers that no service sends take no memory and end nothing."""
    item = {"type": "message", "id": "i", "role": "assistant", "content": []}
    part = {"item_id": "i", "response_id": "r", "output_index": number}
    delta = {**part, "content_index": number, "delta": "AAAA"}
    messages = [
        wire("response.created", response={"id": "r", "status": "in_progress"}),
        wire("response.output_item.added", **part, item=item),
        wire("conversation.item.added", item=item),
        wire("response.output_audio.delta", **delta),
        wire("response.output_text.delta", **delta),
        wire(
            "conversation.item.truncated",
            item_id="i",
            content_index=number,
            audio_end_ms=number,
        ),
        wire(
            "rate_limits.updated",
            rate_limits=[
                {
                    "name": "tokens",
                    "limit": number,
                    "remaining": number,
                    "reset_seconds": number,
                }
            ],
        ),
        wire("response.done", response={"id": "r", "usage": {"total_tokens": number}}),
        wire("x.last"),
    ]

    def harm(peer: Peer) -> None:
        peer.read_frame()
        peer.send(b"".join(messages))
        peer.wait_over()

    last = threading.Event()
    attacked = attack(harm)
    connection = attacked.connection
    assert connection.playback is not None
    connection.on("x.last", lambda event: last.set())
    connection.send({"type": "x.ready"})

    assert last.wait(PATIENCE)
    assert all(isinstance(fault, DecodeError) for fault in attacked.faults)
    assert connection.conversation.snapshot()
    assert connection.playback.interrupt()
    assert memory() < 4


def test_endless_pings(attack: Attack, memory: Callable[[], float]) -> None:
    """Pings of a server that does not read their answers are not all kept."""
    pings = frame(PING, b"x" * 125) * 200

    def harm(peer: Peer) -> None:
        for _ in range(200):
            peer.send(pings)
        peer.send(wire("x.last"))
        peer.wait_over()

    last = threading.Event()
    attacked = attack(lambda peer: (peer.read_frame(), harm(peer)))
    attacked.connection.on("x.last", lambda event: last.set())
    attacked.connection.send({"type": "x.ready"})

    assert last.wait(PATIENCE * 3)
    assert memory() < 1.5  # of 5 that came


@pytest.mark.parametrize(
    "data",
    [
        frame(0, b"", fin=False) * 1000,
        frame(BINARY, b"") * 1000,
        frame(TEXT, b"") * 20,
    ],
    ids=["fragments", "binary", "texts"],
)
def test_endless_emptiness(
    data: bytes,
    attack: Attack,
    memory: Callable[[], float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server that says nothing, very fast, keeps nobody from closing."""
    caplog.set_level("CRITICAL", "realtime_sync")  # pytest keeps every line

    def harm(peer: Peer) -> None:
        if not data[0]:
            peer.send(frame(TEXT, b"", fin=False))
        endlessly(data)(peer)

    attacked = attack(harm)
    started = time.monotonic()
    attacked.connection.close()

    assert time.monotonic() - started < 5
    assert memory() < 4


def test_server_that_never_answers_the_close(attack: Attack) -> None:
    """Closing takes the close timeout, whatever the server does not do."""
    attacked = attack(Peer.wait_over, close_timeout=0.2)
    started = time.monotonic()
    attacked.connection.close()

    assert 0.2 <= time.monotonic() - started < 2


def test_server_that_talks_on_after_the_close(attack: Attack) -> None:
    """What comes behind a close frame counts for nothing."""

    def harm(peer: Peer) -> None:
        peer.send(frame(CLOSE, b"\x03\xe8") + wire("x.late") * 10)
        endlessly(wire("x.late") * 100)(peer)

    late: list[object] = []
    attacked = attack(lambda peer: (peer.read_frame(), harm(peer)))
    attacked.connection.on("x.late", late.append)
    attacked.connection.send({"type": "x.ready"})

    assert attacked.connection.wait_closed(PATIENCE)
    attacked.connection.close()
    assert [] == late


def test_slower_than_a_byte_at_a_time(attack: Attack) -> None:
    """Half an event, byte by byte and for ever, is no sign of life."""

    def harm(peer: Peer) -> None:
        for byte in itertools.cycle(frame(TEXT, b"x" * 60_000)):
            peer.send(bytes((byte,)))
            if peer.over.wait(0.02):
                return

    attacked = attack(harm, ping_interval=0.1, ping_timeout=0.2)
    started = time.monotonic()
    error = attacked.end()

    assert 1006 == error.code
    assert "nothing arrived" in str(error)
    assert time.monotonic() - started < 5


def test_session_that_never_comes() -> None:
    """A server that talks of everything but the session is left in time."""

    def script(peer: Peer) -> None:
        peer.accept()
        endlessly(wire("x.other", payload="x" * 1000))(peer)

    with serve(script) as server:
        started = time.monotonic()
        client = client_of(server.url, open_timeout=0.5, max_unread=MB)
        with pytest.raises((TimeoutError, ConnectError)):
            client.connect()

    assert time.monotonic() - started < 3
