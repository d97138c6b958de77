"""What a signal does to the bridge, and what the process then does."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest


pytest.importorskip("flask")
pytest.importorskip("wsproto")

from flask import Flask
from flask_bridge import Served

from realtime_sync import RealtimeClient
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator
from realtime_sync.flask import Realtime, _shutdown, listen_for_signals


NUMBER = signal.SIGTERM


@pytest.fixture(autouse=True)
def _handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the handlers of this process as they were, and forget what was heard."""
    names = [name for name in _shutdown._SIGNALS if hasattr(signal, name)]
    former = {getattr(signal, name): signal.getsignal(name_of(name)) for name in names}
    monkeypatch.setattr(_shutdown, "_former", {})
    monkeypatch.setattr(_shutdown, "_told_at", _shutdown._told_at)
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


def name_of(name: str) -> signal.Signals:
    return getattr(signal, name)


@pytest.fixture(name="listen")
def _listen() -> Callable[[Any], Realtime]:
    """A function that makes a bridge in a process that handles a signal so."""

    def listen(handler: Any) -> Realtime:
        signal.signal(NUMBER, handler)
        app = Flask(__name__)
        return Realtime(app, RealtimeClient("ws://127.0.0.1:9", "key", model="m"))

    return listen


def survive(number: int, frame: FrameType | None) -> None:
    """Handle a signal, and go on."""


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def test_a_signal_that_is_ignored_stays_so(listen: Callable[[Any], Realtime]) -> None:
    """Where a signal ends nothing, it ends no session, and nobody else hears it."""
    bridge = listen(signal.SIG_IGN)

    signal.raise_signal(NUMBER)

    assert not bridge.closing
    assert signal.SIG_IGN is signal.getsignal(NUMBER)


@pytest.mark.parametrize("handler", [survive, interrupt])
def test_who_survives_a_signal_serves_again(
    listen: Callable[[Any], Realtime],
    handler: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that goes on after a signal takes browsers again after a while."""
    bridge = listen(handler)
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(NUMBER)
    told = bridge.closing
    monkeypatch.setattr(_shutdown, "_GRACE", 0.0)

    assert told
    assert not bridge.closing


def test_without_another_handler_a_signal_ends_the_process(
    listen: Callable[[Any], Realtime],
) -> None:
    """It ends as the signal says, by way of what is done at the end of a process."""
    bridge = listen(signal.SIG_DFL)

    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(NUMBER)

    assert 128 + NUMBER == ended.value.code
    assert bridge.closing


def test_listening_twice_changes_nothing(listen: Callable[[Any], Realtime]) -> None:
    """The handler that was there before is called once."""
    calls: list[int] = []
    listen(lambda number, frame: calls.append(number))
    listen_for_signals()

    signal.raise_signal(NUMBER)

    assert [NUMBER] == calls


def test_sessions_end_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal closes with 1001, also while new browsers come, until it is over."""
    signal.signal(NUMBER, survive)
    app = Flask(__name__)
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(speech="tone", settings=settings) as emulator:
        client = RealtimeClient(emulator.endpoint, "key", model="m")
        bridge = Realtime(app, client, public=True)
        app.extensions["bridges"] = [bridge]
        with Served(app) as served:
            with served.open() as browser, served.open() as other:
                signal.raise_signal(NUMBER)
                codes = [each.wait_closed()[0] for each in (browser, other)]
            with served.open(start=False) as early:
                codes.append(early.wait_closed()[0])
            monkeypatch.setattr(_shutdown, "_GRACE", 0.0)
            with served.open() as later:
                assert later.greeting["conversation"]

    assert [1001, 1001, 1001] == codes
