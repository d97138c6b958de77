"""Moving to a new session before the old one expires, while the old one goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import scripted
from scripted import WAIT

from realtime_sync import (
    RealtimeClient,
    RealtimeConnection,
    Reconnected,
    ReconnectPolicy,
    ServerEvent,
    SessionExpired,
    SessionExpiring,
)
from realtime_sync._recovery import aside, lifetime, recovery
from realtime_sync._recovery.aside import Aside
from realtime_sync._recovery.lifetime import Lifetime, RolledOver
from realtime_sync._recovery.opening import Opened
from realtime_sync.emulator import (
    EmulatorSettings,
    Fault,
    ManualClock,
    RealtimeEmulator,
)
from realtime_sync.protocol.server_events import SessionCreated
from realtime_sync.protocol.sessions import RealtimeSession
from realtime_sync.transport import FakeTransport, Transport


SESSION: dict[str, Any] = {"output_modalities": ["text"]}


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    """A service whose sessions seem to last two seconds, and never end."""
    settings = EmulatorSettings.instant(session_seconds=2.0)
    clock = ManualClock(epoch=time.time())
    with RealtimeEmulator(settings=settings, clock=clock) as emulator:
        yield emulator


class Token:
    """A credential that has to wait for every token but the first."""

    def __init__(self) -> None:
        self.asked, self.leave = threading.Event(), threading.Event()
        self._first = True

    def __call__(self) -> str:
        if not self._first:
            self.asked.set()
            self.leave.wait(WAIT)
        self._first = False
        return "token"


def client_of(emulator: RealtimeEmulator, **settings: Any) -> RealtimeClient:
    """Return a client with the default policy."""
    credential = settings.pop("credential", "key")
    settings = {"session": SESSION, "proxy": "", **settings}
    return RealtimeClient(emulator.endpoint, credential, model="m", **settings)


def listen(connection: RealtimeConnection) -> Future[Reconnected]:
    """Return what is told when the connection has another session."""
    told: Future[Reconnected] = Future()
    connection.once(Reconnected, told.set_result)
    return told


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait, by looking, for what nobody tells of."""
    looked = threading.Event()
    while not condition():
        looked.wait(0.001)


def ids(emulator: RealtimeEmulator, session: int) -> list[str]:
    return [getattr(item, "id", "") for item in emulator.sessions[session].items]


class TestMeanwhile:
    def test_refused(self, emulator: RealtimeEmulator) -> None:
        """While there is no new session to be had, the old one goes on."""
        with client_of(emulator).connect() as connection:
            emulator.inject(Fault.http(503, times=None))
            inner: Any = connection._channel.reader._recovery
            wait_until(lambda: inner._not_before > 0)
            connection.create_item(scripted.message("item_1"), timeout=WAIT)

            assert ["item_1"] == ids(emulator, 0)
            assert not connection.closed

    def test_tried_again(self, emulator: RealtimeEmulator) -> None:
        """It is tried again as long as there is time, and then moved."""
        with client_of(emulator).connect() as connection:
            moved = listen(connection)
            emulator.inject(Fault.http(503))
            notice = moved.result(WAIT)

            assert notice.planned
            assert 2 == notice.tries

    @pytest.mark.parametrize("status", [401, 404])
    def test_refused_for_good(self, emulator: RealtimeEmulator, status: int) -> None:
        """What is refused for good is not asked for again before the session's end."""
        with client_of(emulator).connect() as connection:
            emulator.inject(Fault.http(status, times=None))
            inner: Any = connection._channel.reader._recovery
            wait_until(lambda: inner._not_before > 0)

            assert float("inf") == inner._not_before
            connection.create_item(scripted.message("item_1"), timeout=WAIT)

    def test_no_answer(self, emulator: RealtimeEmulator) -> None:
        """A new session that takes its time holds up nothing of the old one."""
        token = Token()
        with client_of(emulator, credential=token).connect() as connection:
            moved = listen(connection)
            assert token.asked.wait(WAIT)
            connection.create_item(scripted.message("item_1"), timeout=WAIT)
            connection.create_response().result(WAIT)

            assert "item_1" in ids(emulator, 0)
            assert not moved.done()
            token.leave.set()
            assert moved.result(WAIT).planned
            assert "item_1" in ids(emulator, 1)

    @pytest.mark.parametrize(
        "fault",
        [
            Fault.cut(at="conversation.item.added", session=1),
            Fault.close(1013, at="conversation.item.added", session=1),
        ],
    )
    def test_lost_while_it_is_told(
        self, emulator: RealtimeEmulator, fault: Fault
    ) -> None:
        """A new session that is lost before it knows everything is given up alone."""
        with client_of(emulator).connect() as connection:
            moved = listen(connection)
            emulator.inject(fault)
            connection.create_item(scripted.message("item_1"), timeout=WAIT)
            notice = moved.result(WAIT)
            connection.create_item(scripted.message("item_2"), timeout=WAIT)

            assert notice.planned
            assert 2 == notice.tries
            assert ["item_1", "item_2"] == ids(emulator, 2)

    def test_stands_still_while_it_is_told(
        self, emulator: RealtimeEmulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A new session that takes nothing holds the old one up for a moment only."""
        monkeypatch.setattr(recovery, "_BRIEF", 0.2)
        with client_of(emulator).connect() as connection:
            moved = listen(connection)
            emulator.inject(Fault.freeze(at="conversation.item.added", session=1))
            connection.create_item(scripted.message("item_1"), timeout=WAIT)
            notice = moved.result(WAIT)

            assert notice.planned
            assert 2 == notice.tries
            assert ["item_1"] == ids(emulator, 2)

    def test_old_one_lost(self, emulator: RealtimeEmulator) -> None:
        """A loss while a new session is being opened is mended as any other."""
        token = Token()
        with client_of(emulator, credential=token).connect() as connection:
            moved = listen(connection)
            assert token.asked.wait(WAIT)
            emulator.inject(Fault.cut(session=0))
            connection.send({"type": "input_audio_buffer.clear"})
            inner: Any = connection._channel.reader._recovery
            wait_until(lambda: inner._tries == 1)
            token.leave.set()

            assert not moved.result(WAIT).planned
            connection.create_item(scripted.message("item_1"), timeout=WAIT)

    def test_closed(self, emulator: RealtimeEmulator) -> None:
        """Closing waits for no new session, and leaves no thread behind."""
        token = Token()
        with client_of(emulator, credential=token).connect() as connection:
            assert token.asked.wait(WAIT)
            (thread,) = [t for t in threading.enumerate() if "aside" in t.name]
            connection.close()

            assert connection.closed
        token.leave.set()
        thread.join(WAIT)

        assert not thread.is_alive()
        assert 1 == len(emulator.sessions)


class SlowOpening:
    """Opens a transport when it is told to, before it is announced and after."""

    def __init__(self, *, waits: str = "") -> None:
        self.transport = FakeTransport()
        self.here, self.go_on = threading.Event(), threading.Event()
        self._waits = waits

    def open(
        self, timeout: float | None, announce: Callable[[Transport], None]
    ) -> Opened:
        self._pass("announcing")
        announce(self.transport)
        self._pass("opening")
        return Opened(
            transport=self.transport,
            created=b"",
            frames=(),
            client_request_id="",
            headers={},
        )

    def _pass(self, step: str) -> None:
        if step == self._waits:
            self.here.set()
            assert self.go_on.wait(WAIT)


def begin(opening: Any) -> Aside:
    return Aside(opening, WAIT)


class TestAside:
    def test_opened(self) -> None:
        """What is open is there, and closed if it is not needed any more."""
        opening = SlowOpening()
        there = begin(opening)
        wait_until(lambda: there.result() is not None)

        assert not there.is_stale()
        assert not opening.transport.aborted
        there.abandon()
        assert opening.transport.released

    def test_stale(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is open, and read by nobody, is not good for long."""
        monkeypatch.setattr(aside, "_FRESH", -1.0)
        there = begin(SlowOpening())
        wait_until(lambda: there.result() is not None)

        assert there.is_stale()

    @pytest.mark.parametrize("waits", ["announcing", "opening"])
    def test_abandoned(self, waits: str) -> None:
        """What is not needed any more while it is being opened is closed."""
        opening = SlowOpening(waits=waits)
        there = begin(opening)
        assert opening.here.wait(WAIT)
        there.abandon()

        assert (waits == "opening") == opening.transport.aborted
        opening.go_on.set()
        if waits == "opening":
            wait_until(lambda: opening.transport.released)
        else:
            wait_until(lambda: there._failure is not None)
        assert there._opened is None


def test_no_tries() -> None:
    """Where nothing is opened again, a session lasts until the service ends it."""
    settings = EmulatorSettings.instant(session_seconds=2.0)
    with RealtimeEmulator(settings=settings) as emulator:
        policy = ReconnectPolicy(tries=0)
        with client_of(emulator, reconnect=policy).connect() as connection:
            told = connection.events(SessionExpiring, timeout=WAIT)
            next(told)
            connection.wait_closed(WAIT)
            with pytest.raises(SessionExpired, match="maximum duration") as caught:
                connection.clear_input_audio(timeout=WAIT)

        assert "server" == caught.value.initiated_by


class Clock:
    """What `time` is to the lifetime of a session, as a test sets it."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.ahead = 0.0  # of the clock on the wall

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now + self.ahead


class Service:
    """Sessions of half an hour, one after the other, whenever a client moves."""

    def __init__(self, clock: Clock, seconds: float = 1_800.0) -> None:
        self._clock = clock
        self._seconds = seconds
        self.lifetime = Lifetime(120.0, quiet=lambda: True)
        self.begin()

    def begin(self) -> None:
        """Create a session."""
        ends = self._clock.time() - self._clock.ahead + self._seconds
        session = RealtimeSession(expires_at=int(ends))
        created: Any = SessionCreated(event_id="", session=session)
        self.lifetime.handlers()[SessionCreated](created)

    def spend(self, seconds: float) -> list[ServerEvent | None]:
        """Let time pass; return the notices, and None for each move."""
        found: list[ServerEvent | None] = []
        end = self._clock.now + seconds
        while (left := self.lifetime.left()) is not None and self._clock.now < end:
            self._clock.now += max(left, 0.01)
            try:
                notice = self.lifetime.check()
            except RolledOver:
                found.append(None)
                self.begin()
            else:
                found += [notice] if notice else []
        self._clock.now = max(self._clock.now, end)
        return found


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lifetime, "time", clock)
    return clock


class TestClock:
    def test_right(self, clock: Clock) -> None:
        """With the right time each session is told of, and left, once."""
        found = Service(clock).spend(4 * 1_800.0)

        assert 4 <= found.count(None) <= 5

    @pytest.mark.parametrize("left", [1.0, 5.0, 20.0])
    def test_ahead(self, clock: Clock, left: float) -> None:
        """A clock that is ahead by almost a session causes one move, not hundreds."""
        clock.ahead = 1_800.0 - left
        found = Service(clock).spend(1_800.0)

        assert 1 == found.count(None)

    def test_set_right(self, clock: Clock) -> None:
        """Once the clock is right again, sessions are left in time again."""
        clock.ahead = 1_795.0
        service = Service(clock)
        service.spend(60.0)
        clock.ahead = 0.0
        service.begin()

        assert None in service.spend(1_800.0)
