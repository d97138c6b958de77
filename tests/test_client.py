"""From settings to an open connection."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
import scripted
from scripted import WAIT

from realtime_sync import (
    ConnectError,
    ConnectionClosedError,
    HandshakeError,
    RealtimeClient,
    RealtimeSession,
    ResponseOutputTextDelta,
    ServerError,
    SessionUpdate,
    TranscriptionConnection,
    TranslationConnection,
)
from realtime_sync._client_settings import ClientSettings
from realtime_sync.transport import ConnectRequest, FakeTransport


def client_of(*transports: FakeTransport, **settings: Any) -> RealtimeClient:
    """A client whose connections use the transports one after the other."""
    waiting = list(transports)
    settings.setdefault("model", "model")
    settings.setdefault("reconnect", None)
    return RealtimeClient(
        "ws://127.0.0.1:9",
        settings.pop("credential", "secret"),
        make_transport=lambda: waiting.pop(0),
        **settings,
    )


def request_of(transport: FakeTransport) -> ConnectRequest:
    (request,) = transport.requests
    return request


def refuse(event: Any) -> Any:
    return [scripted.refusal(event.event_id, param="session.voice")]


def function() -> None:
    """Do nothing."""


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"reconnect": False}, "a ReconnectPolicy or None, not False"),
    ({"functions": function}, "a list of functions, .* not function"),
    ({"functions": [function, "tell"]}, "holds functions, not str"),
    ({"open_timeout": "3"}, "a number of seconds above 0 or None, not str"),
    ({"open_timeout": True}, "not True"),
    ({"close_timeout": None}, "a number of seconds above 0, not None"),
    ({"ping_interval": "20"}, "not str"),
    ({"ssl_context": "ca.pem"}, r"ssl.create_default_context\(cafile="),
    ({"proxy": 8080}, "proxy is a str or None, not 8080"),
    ({"telemetry": True}, "a realtime_sync.Telemetry"),
    ({"headers": {"a": 1}}, "a mapping of str to str"),
    ({"session": "Be brief."}, "a RealtimeSession, a mapping"),
    ({"model": 5}, "model is a str"),
    ({"max_queue": None}, "max_queue is a whole number"),
    ({"make_transport": FakeTransport()}, "make_transport is a function"),
]


class TestWrongSettings:
    def test_types_of_the_settings(self) -> None:
        """Type checkers know every setting where a client is made in other ways."""
        fields = {
            field.name: field.type
            for field in attrs.fields(RealtimeClient)
            if field.kw_only
        }
        types = ClientSettings.__annotations__

        assert fields == {name: types[name].__forward_arg__ for name in types}

    @pytest.mark.parametrize(("settings", "words"), WRONG)
    def test_another_kind(self, settings: dict[str, Any], words: str) -> None:
        """What a setting cannot be is told where it is given, with the remedy."""
        with pytest.raises(TypeError, match=words):
            RealtimeClient("ws://127.0.0.1:9", "key", **settings)

    @pytest.mark.parametrize("value", [0, -1, math.nan])
    @pytest.mark.parametrize("name", ["open_timeout", "close_timeout", "ping_interval"])
    def test_no_time(self, name: str, value: float) -> None:
        """Nobody can wait for that long."""
        with pytest.raises(ValueError, match=f"{name} is a number of seconds above 0"):
            RealtimeClient("ws://127.0.0.1:9", "key", **{name: value})

    @pytest.mark.parametrize("name", ["max_queue", "max_message_bytes", "max_kept"])
    def test_no_size(self, name: str) -> None:
        """A limit leaves room for something."""
        with pytest.raises(ValueError, match=f"{name} is a whole number of bytes"):
            RealtimeClient("ws://127.0.0.1:9", "key", **{name: 0})

    def test_functions_of_a_generator(self) -> None:
        """Every connection has the functions, not only the first one."""
        client = RealtimeClient(
            "ws://127.0.0.1:9", "key", functions=(each for each in [function])
        )

        assert (function,) == client.functions

    def test_the_emulator_of_no_client(self) -> None:
        """An emulator whose client could not be made has ended."""
        before = set(threading.enumerate())
        with pytest.raises(TypeError, match="typo"):
            RealtimeClient.emulated(typo=1)

        assert before >= set(threading.enumerate())

    def test_no_call(self) -> None:
        """An empty id does not begin a session instead of joining a call."""
        client = RealtimeClient("ws://127.0.0.1:9", "key", model="model")
        with pytest.raises(ValueError, match="call_id is empty"):
            client.connect(call_id="")


class TestSettings:
    def test_immutable(self) -> None:
        """A client's settings cannot be changed."""
        client = client_of()

        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            client.model = "other"  # type: ignore[misc]

    def test_repr_has_no_secrets(self) -> None:
        """Keys, headers and proxies do not show in a client's repr."""
        client = client_of(
            headers={"x-token": "secret"}, proxy="http://user:secret@proxy:1"
        )

        assert "secret" not in repr(client)

    @pytest.mark.parametrize("credential", [1, b"key", object()])
    def test_credential(self, credential: Any) -> None:
        """A credential of no known kind is refused before anything is dialled."""
        with pytest.raises(TypeError):
            client_of(credential=credential)

    def test_endpoint(self) -> None:
        """An endpoint that is none is refused before anything is dialled."""
        with pytest.raises(ValueError, match=r"."):
            RealtimeClient("ftp://example.com", "key", model="model")

    def test_no_credential(self) -> None:
        """Only a server on this machine needs no credential."""
        RealtimeClient("ws://127.0.0.1:9", model="model")
        with pytest.raises((TypeError, ValueError)):
            RealtimeClient("https://example.openai.azure.com", model="model")


class TestConnect:
    def test_request(self, transport: FakeTransport) -> None:
        """The upgrade carries the user agent, the user's headers, and a request id."""
        client = client_of(transport, headers={"x-mine": "1"}, user_agent="app/1.0")
        with client.connect() as connection:
            headers = request_of(transport).headers

            assert headers["User-Agent"].startswith("app/1.0 realtime-sync/")
            assert "1" == headers["x-mine"]
            assert connection.client_request_id == headers["x-ms-client-request-id"]

    def test_fresh_each_time(self) -> None:
        """Each connection asks for a token anew, and has a request id of its own."""
        tokens = iter(["first", "second"])
        transports = [FakeTransport(scripted.created()) for _ in range(2)]
        client = client_of(*transports, credential=lambda: next(tokens))
        ids = set()
        for token, transport in zip(["first", "second"], transports, strict=True):
            with client.connect() as connection:
                ids.add(connection.client_request_id)
            assert any(
                token in value for value in request_of(transport).headers.values()
            )

        assert 2 == len(ids)

    def test_settings(self, transport: FakeTransport) -> None:
        """What the transport needs to know is handed to it."""
        client = client_of(
            transport, proxy="http://proxy:1", max_message_bytes=1234, open_timeout=7.0
        )
        with client.connect():
            request = request_of(transport)

        assert ("http://proxy:1", 1234) == (request.proxy, request.max_message_bytes)
        assert request.timeout is not None
        assert 0 < request.timeout <= 7.0

    def test_response_headers(self) -> None:
        """The headers of the answer to the upgrade can be read."""
        headers = {"x-request-id": "1"}
        transport = FakeTransport(scripted.created(), headers=headers)
        with client_of(transport).connect() as connection:
            assert headers == connection.response_headers

    def test_early_events(self) -> None:
        """Events that arrive with session.created are events like any other."""
        transport = FakeTransport(
            {"type": "novelty"}, scripted.created(), scripted.delta("early")
        )
        with client_of(transport).connect() as connection:
            types = [connection.recv(WAIT).type for _ in range(3)]

        assert {"session.created", ResponseOutputTextDelta.type} <= set(types)

    def test_closes(self, transport: FakeTransport) -> None:
        """The with statement closes the connection, also when an error leaves it."""
        client = client_of(transport)
        with pytest.raises(ZeroDivisionError), client.connect():
            raise ZeroDivisionError

        assert transport.released


class TestSession:
    @pytest.mark.parametrize(
        "session", [RealtimeSession(instructions="x"), {"instructions": "x"}]
    )
    def test_set_up(self, session: Any) -> None:
        """The session is set up before connect() returns, in either form."""
        transport = FakeTransport(scripted.created(), reply=scripted.acknowledge)
        with client_of(transport, session=session).connect() as connection:
            assert "x" == connection.session.instructions  # type: ignore[union-attr]

        assert [SessionUpdate] == [type(event) for event in transport.sent]

    def test_for_one_connection(self) -> None:
        """A connection may have a session of its own."""
        transport = FakeTransport(scripted.created(), reply=scripted.acknowledge)
        client = client_of(transport, session={"instructions": "client's"})
        with client.connect(session={"instructions": "own"}) as connection:
            assert "own" == connection.session.instructions  # type: ignore[union-attr]

    def test_refused(self) -> None:
        """When the server refuses the settings, that is raised and all is closed."""
        transport = FakeTransport(scripted.created(), reply=refuse)
        client = client_of(transport, session={"instructions": "x"})

        with pytest.raises(ServerError):
            client.connect()
        assert transport.released

    def test_transcription(self) -> None:
        """A transcription session is asked for by its intent, and set up."""
        transport = FakeTransport(
            scripted.created(type="transcription"), reply=scripted.acknowledge
        )
        session = {"type": "transcription"}
        with client_of(transport).connect_transcription(session) as connection:
            assert isinstance(connection, TranscriptionConnection)

        assert "intent=transcription" in request_of(transport).url

    def test_translation(self) -> None:
        """A translation session takes speech, and is told when no more comes."""
        transport = FakeTransport(scripted.created(type="translation"))
        with client_of(transport).connect_translation() as connection:
            assert isinstance(connection, TranslationConnection)
            connection.append_input_audio(b"123")
            connection.append_input_audio(b"4")
            connection.close_session()
            connection.flush(WAIT)

        assert [
            "session.input_audio_buffer.append",
            "session.input_audio_buffer.append",
            "session.close",
        ] == [event.type for event in transport.sent]
        assert "translation" in request_of(transport).url


class TestFailure:
    @pytest.mark.parametrize(
        ("first", "match"),
        [
            (scripted.refusal(code="invalid_model"), "refused the session: no"),
            (b"<html>", "does not speak this protocol"),
        ],
    )
    def test_no_session(self, first: Any, match: str) -> None:
        """A server that makes no session is a ConnectError that says what it said."""
        transport = FakeTransport(first)

        with pytest.raises(ConnectError, match=match):
            client_of(transport).connect()
        assert transport.released

    def test_closed_at_once(self) -> None:
        """A server that closes before there is a session is quoted."""
        transport = FakeTransport()
        transport.feed_close(4003, "no such model")

        with pytest.raises(ConnectError, match=r"code 4003.*: no such model") as caught:
            client_of(transport).connect()
        assert isinstance(caught.value.__cause__, ConnectionClosedError)
        assert transport.released

    def test_time_is_over(self) -> None:
        """A server that says nothing is given up when the open timeout is over."""
        transport = FakeTransport()

        with pytest.raises(TimeoutError):
            client_of(transport, open_timeout=0.005).connect()
        assert transport.released

    def test_network(self) -> None:
        """A network that breaks before there is a session is a ConnectError."""
        transport = FakeTransport()
        transport.fail()

        with pytest.raises(ConnectError, match="the fake broke"):
            client_of(transport).connect()
        assert transport.released

    @pytest.mark.parametrize("status", [401, 404])
    def test_refused_upgrade(self, status: int) -> None:
        """A refused upgrade is raised as it is, with a hint where one is known."""
        failure = HandshakeError(status)
        transport = FakeTransport(failure=failure)

        with pytest.raises(HandshakeError) as caught:
            client_of(transport).connect()
        assert failure is caught.value
        assert failure.hint
        assert transport.released


class TestPreview:
    def test_dialect(self) -> None:
        """The preview's URL makes a connection that speaks the preview's dialect."""
        created: Mapping[str, Any] = {
            "type": "session.created",
            "event_id": "event_1",
            "session": {"id": "sess_1", "modalities": ["text"], "voice": "alloy"},
        }
        transport = FakeTransport(created, dialect="preview")
        client = RealtimeClient(
            "https://example.openai.azure.com",
            "key",
            model="deployment",
            api_version="2025-04-01-preview",
            make_transport=lambda: transport,
        )
        with client.connect() as connection:
            assert "preview" == connection.dialect
            assert ["text"] == connection.session.output_modalities  # type: ignore[union-attr]

        assert "deployment=deployment" in request_of(transport).url
