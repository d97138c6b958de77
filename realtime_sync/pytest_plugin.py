"""
Fixtures for the tests of applications that use the ``/realtime`` API.

pytest finds them where the library is installed; they need its extra ``emulator``::

    def test_greets(realtime_emulator, realtime_client):
        with realtime_client.connect() as connection:
            my_application.greet(connection)

        assert ["Hello!"] == [said.text for said in texts(realtime_emulator)]

The emulator takes no time and speaks in tones. A mark gives it other arguments, those
of `RealtimeEmulator`::

    @pytest.mark.realtime_emulator(replies=["Hello!"], faults=[Fault.http(429)])

A test that asks for `realtime_clock` has an emulator whose time stands still until the
test calls ``realtime_clock.advance(seconds)``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from .client import RealtimeClient
    from .emulator import ManualClock, RealtimeEmulator


__all__ = [
    "pytest_configure",
    "realtime_client",
    "realtime_clock",
    "realtime_emulator",
]

_MARK = "realtime_emulator"


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest about the mark; pytest calls it."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(**arguments): arguments of the RealtimeEmulator of this test",
    )


@pytest.fixture
def realtime_clock() -> ManualClock:
    """The clock of this test's emulator: it stands still until it is advanced."""
    from .emulator import ManualClock

    # Of today: else clients would take sessions for such that are long over.
    return ManualClock(epoch=time.time())


@pytest.fixture
def realtime_emulator(request: pytest.FixtureRequest) -> Iterator[RealtimeEmulator]:
    """
    An emulator of the service, for one test.

    It keeps what it received: ``sessions[0].client_events``, ``.items``,
    ``.input_audio``, see `realtime_sync.emulator.SessionRecord`.
    """
    from .emulator import EmulatorSettings, RealtimeEmulator

    arguments = {
        "speech": "tone",
        "settings": EmulatorSettings.instant(),
        "clock": _clock(request),
        **_arguments(request),
    }
    with RealtimeEmulator(**arguments) as emulator:
        yield emulator


@pytest.fixture
def realtime_client(
    request: pytest.FixtureRequest, realtime_emulator: RealtimeEmulator
) -> RealtimeClient:
    """A client of this test's emulator, with a key and a model that it accepts."""
    from .client import RealtimeClient

    arguments = _arguments(request)
    return RealtimeClient(
        realtime_emulator.endpoint,
        next(iter(arguments.get("api_keys") or ["any-key"])),
        model=next(iter(arguments.get("deployments") or ["gpt-realtime"])),
        ssl_context=realtime_emulator.ssl_context(),
        reconnect=None,  # so that a fault shows at once, and as what it is
    )


def _clock(request: pytest.FixtureRequest) -> Any:
    if "realtime_clock" in request.fixturenames:
        return request.getfixturevalue("realtime_clock")
    return None


def _arguments(request: pytest.FixtureRequest) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    # The mark of a function goes over that of its class, and that over its module's.
    for mark in reversed(list(request.node.iter_markers(_MARK))):
        if mark.args:
            raise TypeError(
                f"the mark {_MARK} takes arguments by name, such as replies=[...]"
            )
        arguments.update(mark.kwargs)
    return arguments
