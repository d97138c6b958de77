"""Log records say which connection, session and web request they are about."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

import realtime_sync
from realtime_sync import (
    FlaskFields,
    LogFields,
    RealtimeClient,
    RealtimeConnection,
    ResponseCreated,
)
from realtime_sync._logging import LOGGERS
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech


PATIENCE = 60.0  # seconds after which a test has failed
NAMES = ("connection", "session", "response", "request")
application = logging.getLogger("application")


class Kept(logging.Handler):
    """Keeps the records that come, with the fields that its filters add."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.arrived = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self.arrived:
            self.records.append(record)
            self.arrived.notify_all()

    def wait_for(self, text: str) -> dict[str, Any]:
        """Return the fields of the first record whose message begins so."""

        def found() -> list[logging.LogRecord]:
            return [
                each for each in self.records if each.getMessage()[: len(text)] == text
            ]

        with self.arrived:
            assert self.arrived.wait_for(found, PATIENCE), text
            return {
                name: getattr(found()[0], f"realtime_{name}", None) for name in NAMES
            }


@pytest.fixture(name="kept")
def _kept() -> Iterator[Kept]:
    handler = Kept()
    root = logging.getLogger()
    root.addHandler(handler)
    before = root.level
    root.setLevel(logging.DEBUG)
    yield handler
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.fixture(name="connection")
def _connection(kept: Kept) -> Iterator[RealtimeConnection]:
    with RealtimeEmulator(
        speech=ToneSpeech(), settings=EmulatorSettings.instant()
    ) as emulator:
        client = RealtimeClient(emulator.endpoint, "any", model="m", proxy="")
        with client.connect() as connection:
            yield connection


def test_of_the_library(kept: Kept, connection: RealtimeConnection) -> None:
    """Records of the library have the ids, whoever handles them."""
    connection.ask("Hello.")
    sent = kept.wait_for("> response.create")
    received = kept.wait_for("< response.output_audio.delta")
    opening = kept.wait_for("opening ")

    assert sent["session"] == received["session"] == connection.session.id
    assert sent["connection"] == received["connection"]
    assert str(received["connection"]).startswith("realtime_sync-")
    assert str(received["response"]).startswith("resp_")
    assert {connection.client_request_id} == {
        each["request"] for each in (opening, sent, received)
    }


def test_of_the_application(kept: Kept, connection: RealtimeConnection) -> None:
    """With the filter on its handler, so have those that callbacks make."""
    kept.addFilter(LogFields())

    @connection.on(ResponseCreated)
    def log(event: ResponseCreated) -> None:
        application.info("in a callback")

    connection.ask("Hello.")
    application.info("elsewhere")
    inside = kept.wait_for("in a callback")

    assert connection.session.id == inside["session"]
    assert str(inside["response"]).startswith("resp_")
    assert dict.fromkeys(NAMES, "-") == kept.wait_for("elsewhere")


def test_of_functions(kept: Kept, connection: RealtimeConnection) -> None:
    """And those that a function makes which the model calls."""
    kept.addFilter(LogFields())

    @connection.function
    def get_weather(city: str) -> str:
        """Get the weather of a city."""
        application.info("in a function")
        return "It rains."

    connection.ask("How is the weather in Rome?")

    assert connection.session.id == kept.wait_for("in a function")["session"]


def test_own_fields_stay(kept: Kept) -> None:
    """A record that has the fields already keeps them."""
    kept.addFilter(LogFields())
    application.info("mine", extra={"realtime_session": "sess_mine"})

    assert "sess_mine" == kept.wait_for("mine")["session"]


def test_forgotten_connection(kept: Kept) -> None:
    """The fields do not keep a connection alive, nor do without one."""
    from realtime_sync._log_fields import ConnectionFields

    kept.addFilter(LogFields())
    with ConnectionFields(lambda: None, "realtime_sync-7").bound():
        application.info("late")

    assert {
        "connection": "realtime_sync-7",
        "session": "-",
        "response": "-",
        "request": "-",
    } == kept.wait_for("late")


def test_every_logger() -> None:
    """Every logger of the package, but those of other sides, has the fields."""
    root = Path(realtime_sync.__file__).parent
    sides = {"cli", "emulator", "flask"}
    found = {
        name
        for path in root.rglob("*.py")
        if path.relative_to(root).parts[0] not in sides
        for name in re.findall(r'getLogger\("([^"]+)"\)', path.read_text("utf-8"))
    }

    assert set(LOGGERS) == found


def test_flask(kept: Kept) -> None:
    """Records of a web request have its id, method and path, without its query."""
    kept.addFilter(FlaskFields())
    app = flask.Flask("test")

    @app.get("/talk")
    def talk() -> str:
        application.info("in a view")
        return "ok"

    headers = {"X-Request-ID": "req-7"}
    app.test_client().get("/talk?key=secret", headers=headers)
    app.test_client().get("/talk")
    application.info("outside")
    inside, without, outside = (
        (record.request_id, record.request_method, record.request_path)  # type: ignore[attr-defined]
        for record in kept.records
        if record.name == "application"
    )

    assert ("req-7", "GET", "/talk") == inside
    assert ("-", "GET", "/talk") == without
    assert ("-", "-", "-") == outside
