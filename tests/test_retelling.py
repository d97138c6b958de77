"""Telling a new session what the old one knew: how long that may take."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest
import scripted

from realtime_sync import _deadline
from realtime_sync._deadline import Deadline
from realtime_sync._recovery.memory import Remembered
from realtime_sync._recovery.opening import Opened
from realtime_sync._recovery.retelling import Patience, Retelling
from realtime_sync.protocol.client_events import ConversationItemCreate
from realtime_sync.protocol.codec import decode_client_event, structure
from realtime_sync.transport import PING, TEXT, ConnectRequest, Frame, Transport


class Clock:
    """What `time` is to deadlines: it goes on when something takes time."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_deadline, "time", clock)
    return clock


class SlowTransport(Transport):
    """
    A network that takes some bytes a second, and a service that answers at once.

    Args:
        clock: Goes on by what that takes.
        rate: Bytes a second.
        answers: Whether commands are answered.
        pings: Whether there is a ping every second.
    """

    def __init__(
        self, clock: Clock, rate: float, *, answers: bool = True, pings: bool = False
    ) -> None:
        self._clock = clock
        self._rate = rate
        self._answers = answers
        self._pings = pings
        self._incoming: deque[Frame] = deque()

    def connect(self, request: ConnectRequest) -> Mapping[str, str]:
        return {}

    def receive(self, timeout: float | None = None) -> list[Frame]:
        if self._incoming:
            return [self._incoming.popleft()]
        assert timeout is not None  # or it would wait for ever
        if self._pings and timeout > 1.0:
            self._clock.now += 1.0
            return [(PING, b"")]
        self._clock.now += timeout
        raise TimeoutError("receiving took too long")

    def send(self, frames: Sequence[Frame], timeout: float | None = None) -> None:
        seconds = sum(len(payload) for _, payload in frames) / self._rate
        if timeout is not None and seconds > timeout:
            self._clock.now += timeout
            raise TimeoutError("sending took too long")
        self._clock.now += seconds
        for opcode, payload in frames:
            if opcode == TEXT and self._answers:
                answers = scripted.acknowledge(decode_client_event(payload, "ga"))
                self._incoming += [(TEXT, orjson.dumps(each)) for each in answers]

    def try_send(self, frames: Sequence[Frame]) -> bool:
        raise NotImplementedError

    def abort(self) -> None: ...

    def release(self) -> None: ...


def conversation(items: int, characters: int) -> Remembered:
    """Return a conversation of so many items of that length."""
    events = []
    for number in range(items):
        content = [{"type": "input_text", "text": "x" * characters}]
        wire = {**scripted.message(f"item_{number}"), "content": content}
        events.append(structure({"item": wire}, ConversationItemCreate))
    return Remembered(session={}, items=events)


def tell(
    transport: Transport,
    remembered: Remembered,
    *,
    patience: float | None = 2.0,
    deadline: float | None = 120.0,
) -> Retelling:
    """Tell a new session a conversation."""
    opened = Opened(
        transport=transport,
        created=orjson.dumps(scripted.created()),
        frames=(),
        client_request_id="",
        headers={},
    )
    retelling = Retelling(
        opened,
        "ga",
        Patience(patience, Deadline(deadline)),
        lambda direction, message: None,
    )
    retelling.run(remembered)
    return retelling


@pytest.mark.parametrize(
    ("items", "characters"), [(60, 64_000), (1, 4_000_000), (2_000, 2_000)]
)
def test_slow(clock: Clock, items: int, characters: int) -> None:
    """A conversation takes as long as it takes, as long as it goes on."""
    told = tell(SlowTransport(clock, 150_000), conversation(items, characters))

    assert items == len(told.items)
    assert clock.now > 20.0


@pytest.mark.parametrize("pings", [False, True])
def test_no_answer(clock: Clock, pings: bool) -> None:
    """A service that answers nothing is left soon, whatever else it sends."""
    transport = SlowTransport(clock, 1e9, answers=False, pings=pings)
    with pytest.raises(
        TimeoutError,
        match=r"the conversation \(0 of 60 items .* standstill of 2 s",
    ):
        tell(transport, conversation(60, 10), deadline=None)

    assert clock.now < 3.0


def test_no_uplink(clock: Clock) -> None:
    """A network that takes nothing is left in a time that goes with the bytes."""
    with pytest.raises(TimeoutError, match="standstill of 4 s"):
        tell(SlowTransport(clock, 1.0), conversation(60, 64_000))

    assert 4.0 == clock.now


@pytest.mark.parametrize("patience", [2.0, None])
def test_too_long(clock: Clock, patience: float | None) -> None:
    """All of it ends with the deadline, and the error tells what would help."""
    with pytest.raises(
        TimeoutError, match=r"\d+ of 60 items .*not over in time.*ReconnectPolicy"
    ):
        tell(
            SlowTransport(clock, 150_000),
            conversation(60, 64_000),
            patience=patience,
            deadline=10.0,
        )

    assert clock.now <= 10.0


def test_settings(clock: Clock) -> None:
    """An error says so when it is the settings that are not taken."""
    remembered: Any = Remembered(session={"instructions": "Be brief."})
    with pytest.raises(TimeoutError, match="setting up the new session came"):
        tell(SlowTransport(clock, 1e9, answers=False), remembered)
