"""Secrets stay secret: keys, tokens and passwords are in nothing that anybody shows."""

from __future__ import annotations

import base64
import logging
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.pretty import pretty_repr
from servers import (
    PATIENCE,
    Peer,
    Script,
    frame,
    http_proxy,
    refused_port,
    serve,
    socks_proxy,
    tls_contexts,
)

import realtime_sync
from realtime_sync import (
    ConnectionClosedError,
    HandshakeError,
    RealtimeClient,
    Reconnected,
    ReconnectPolicy,
)
from realtime_sync.control import ControlClient
from realtime_sync.doctor import diagnose
from realtime_sync.emulator import EmulatorSettings, Fault, RealtimeEmulator
from realtime_sync.recording import Recorder
from realtime_sync.telemetry import Telemetry
from realtime_sync.timeline import TimelineCollector
from realtime_sync.transport import CLOSE, TEXT


KEY = "sesame-open-4711-key"
PASSWORD = "hunter2-of-the-proxy"
TOOL_KEY = "sesame-of-the-tool"
USER = "porter"
SECRETS = (
    KEY,
    PASSWORD,
    TOOL_KEY,
    base64.b64encode(KEY.encode()).decode(),
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    quote(f"{USER}:{PASSWORD}"),
)
LOGIN = f"{USER}:{PASSWORD}"
CREATED = frame(
    TEXT,
    b'{"type":"session.created","event_id":"e0",'
    b'"session":{"type":"realtime","id":"sess_1"}}',
)
TOOL = {
    "type": "mcp",
    "server_label": "files",
    "server_url": "https://mcp.example/",
    "authorization": TOOL_KEY,
    "headers": {"x-key": TOOL_KEY},
}
PACKAGE = Path(realtime_sync.__file__).parent


def token() -> str:
    """Return a credential as a function does."""
    return KEY


class Shower:
    """Looks at things in every way that programs show things."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._spans = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.telemetry = Telemetry(tracer_provider=tracers, content=True)

    def look(self, *things: object) -> None:
        """Look at objects as logs, prints and notebooks do."""
        for thing in things:
            self.seen += [repr(thing), str(thing)]
            shown = getattr(thing, "_repr_html_", None)
            self.seen += [] if shown is None else [str(shown())]

    def fail(self, exc: BaseException) -> None:
        """Look at an exception as reporters of crashes do, locals included."""
        self.look(exc, exc.args, vars(exc))
        while exc.__traceback__ and _is_test(exc.__traceback__):
            exc = exc.with_traceback(exc.__traceback__.tb_next)
        told = traceback.TracebackException.from_exception(exc, capture_locals=True)
        self.seen += told.format(chain=True)
        each: BaseException | None = exc
        while each is not None:
            self._frames(each.__traceback__)
            each = each.__cause__ or each.__context__

    def _frames(self, trace: TracebackType | None) -> None:
        """Look at locals, as cgitb, rich and error trackers do."""
        while trace is not None:
            if not _is_test(trace):
                for value in trace.tb_frame.f_locals.values():
                    # As rich has it, which looks into containers and attrs classes.
                    self.seen += [repr(value), pretty_repr(value, max_string=2000)]
            trace = trace.tb_next

    def found(self) -> list[str]:
        """Return what of all that, and of the traces, holds a secret."""
        self.seen += [span.to_json() for span in self._spans.get_finished_spans()]
        return [text for text in self.seen if any(secret in text for secret in SECRETS)]


@pytest.fixture(name="shower")
def _shower(caplog: pytest.LogCaptureFixture) -> Iterator[Shower]:
    """Return what looks at things; logs of all levels are looked at in the end."""
    caplog.set_level(logging.DEBUG)
    shower = Shower()
    yield shower
    for record in caplog.records:
        shower.seen += [record.getMessage(), repr(record.args), repr(vars(record))]
    shower.seen += caplog.text.splitlines()

    assert [] == [text[:500] for text in shower.found()]


def _is_test(trace: TracebackType) -> bool:
    """Tell whether a frame is the caller's, who has his own secrets in it."""
    return not Path(trace.tb_frame.f_code.co_filename).is_relative_to(PACKAGE)


def client_of(url: str, **settings: Any) -> RealtimeClient:
    """Return a client that logs as much as it can."""
    settings = {
        "reconnect": None,
        "proxy": "",
        "logging_enable": True,
        "close_timeout": 0.5,
        "headers": {"X-Key": KEY},
        "credential": token,
        **settings,
    }
    return RealtimeClient(url, model="gpt-realtime", **settings)


def fail(shower: Shower, url: str, **settings: Any) -> None:
    """Connect in vain, and look at everything."""
    try:
        client = client_of(url, telemetry=shower.telemetry, **settings)
        shower.look(client)
        with client.connect() as connection:
            shower.look(connection)
            connection.update_session({"tools": [TOOL]}, timeout=PATIENCE)
            connection.wait_for("x.never", timeout=PATIENCE)  # type: ignore[type-var]
    except Exception as exc:
        failure = exc
    shower.fail(failure)


def echoing(status: int, *headers: str) -> Script:
    """Refuse the upgrade, and tell the key as services do."""
    body = f'{{"error":{{"code":"x","message":"no: {KEY}, Bearer {KEY}"}}}}'.encode()

    def script(peer: Peer) -> None:
        peer.read_request()
        head = (f"HTTP/1.1 {status} No", f"Content-Length: {len(body)}", *headers)
        peer.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    return script


def opened(then: Callable[[Peer], object]) -> Script:
    """Open a session, take a command, and do something."""

    def script(peer: Peer) -> None:
        peer.accept(then=CREATED)
        peer.read_frame()
        then(peer)

    return script


REFUSED = frame(
    TEXT,
    b'{"type":"error","event_id":"e","error":{"type":"invalid_request_error",'
    b'"message":"no","param":"session.tools"}}',
)
ECHO = frame(
    TEXT,
    b'{"type":"error","event_id":"e","error":{"type":"invalid_request_error","code":'
    b'"no %(key)s","message":"no: %(key)s.","param":"session.%(key)s","key":"%(key)s"}}'
    % {b"key": KEY.encode()},
)
ECHO_CLOSE = frame(CLOSE, b"\x0b\xb8no: " + KEY.encode())
UPDATED = frame(
    TEXT,
    b'{"type":"session.updated","event_id":"e1",'
    b'"session":{"type":"realtime","id":"sess_1","instructions":"Be brief."}}',
)
SERVERS: dict[str, Script] = {
    "401": echoing(401),
    "403": echoing(403),
    "404": echoing(404),
    "429": echoing(429, "Retry-After: 1"),
    "503": echoing(503),
    "redirect": echoing(302, f"Location: https://{USER}:{PASSWORD}@else/?key={KEY}"),
    "no answer": lambda peer: peer.read_request(),
    "no HTTP": lambda peer: peer.send(b"220 mail\r\n\r\n"),
    "cut": opened(lambda peer: None),
    "closed": opened(lambda peer: peer.send(frame(CLOSE, b"\x0f\xa0key expired"))),
    "broken rules": opened(lambda peer: peer.send(frame(TEXT, b"x", reserved=4))),
    "refused command": opened(lambda peer: peer.send(REFUSED)),
    "no session": lambda peer: peer.accept(then=REFUSED),
    "no session, with the key": lambda peer: peer.accept(then=ECHO),
    "closed before, with the key": lambda peer: peer.accept(then=ECHO_CLOSE),
    "no JSON, with the key": lambda peer: peer.accept(
        then=frame(TEXT, b"no: " + KEY.encode())
    ),
    "no event, with the key": lambda peer: peer.accept(
        then=frame(TEXT, b'{"type":"error","error":"no: %s"}' % KEY.encode())
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_failures_of_the_server(name: str, shower: Shower) -> None:
    """However a server fails, nothing tells a secret."""
    with serve(SERVERS[name]) as server:
        fail(shower, server.url)


def fails_later(told: bytes, *, created: bool) -> Script:
    """Cut the first session; tell something instead of the second, or within it."""
    sessions: list[Peer] = []

    def script(peer: Peer) -> None:
        sessions.append(peer)
        if len(sessions) == 1:
            peer.accept(then=CREATED)
            peer.read_frame()
            peer.send(UPDATED)
            peer.read_frame()
        elif created:
            peer.accept(then=CREATED)
            peer.read_frame()  # which sets the session up
            peer.send(told)
            peer.wait_eof()
        else:
            peer.accept(then=told)
            peer.wait_eof()

    return script


@pytest.mark.parametrize("created", [False, True], ids=["before", "within"])
@pytest.mark.parametrize("told", [ECHO, ECHO_CLOSE], ids=["error", "close"])
def test_failures_on_the_way_back(told: bytes, created: bool, shower: Shower) -> None:
    """A server that tells the key when it is asked again tells it to nobody."""
    policy = ReconnectPolicy(first_delay=0.0, tries=2)
    with serve(fails_later(told, created=created)) as server:
        client = client_of(server.url, reconnect=policy, session={"tools": []})
        with client.connect() as connection:
            with pytest.raises(ConnectionClosedError, match="hidden") as caught:
                connection.clear_input_audio(timeout=PATIENCE)
            shower.fail(caught.value)


@pytest.mark.parametrize("kind", ["authority", "host"])
def test_failures_of_tls(kind: str, shower: Shower) -> None:
    """A certificate that is not good sends nothing, and tells nothing."""
    server_context, trusting = tls_contexts(
        "localhost" if kind == "authority" else "elsewhere.example"
    )
    context = ssl.create_default_context() if kind == "authority" else trusting
    requests: list[bytes] = []

    def script(peer: Peer) -> None:
        requests.append(peer.read(1))

    with serve(script, server_context) as server:
        fail(shower, server.url, ssl_context=context)

    assert [] == requests


@pytest.mark.parametrize("kind", ["407", "none", "leads nowhere", "socks"])
def test_failures_of_proxies(kind: str, shower: Shower) -> None:
    """The password of a proxy is told nowhere."""
    target = f"ws://localhost:{refused_port()}"
    if kind == "none":
        fail(shower, target, proxy=f"http://{LOGIN}@localhost:{refused_port()}")
    elif kind == "socks":
        with socks_proxy((USER, "another")) as (proxy, _):
            fail(shower, target, proxy=f"socks5h://{LOGIN}@localhost:{proxy.port}")
    else:
        wanted = LOGIN if kind == "leads nowhere" else f"{USER}:another"
        with http_proxy(wanted) as (proxy, _):
            fail(shower, target, proxy=f"http://{LOGIN}@localhost:{proxy.port}")


@pytest.mark.parametrize("credential", [KEY, token])
def test_failures_of_the_network(credential: Any, shower: Shower) -> None:
    """Where nobody listens nobody hears."""
    fail(shower, f"ws://localhost:{refused_port()}", credential=credential)


@pytest.mark.parametrize("key", [f"{KEY}\r\nX: y", f" {KEY}", f"{KEY}é"])
def test_key_that_cannot_be_one(key: str, shower: Shower) -> None:
    """A key that cannot be one is refused without being repeated."""
    with pytest.raises(ValueError, match="the key") as caught:
        client_of("ws://localhost:9", credential=key)
    shower.look(caught.value, caught.value.args)


def test_control_api(shower: Shower) -> None:
    """Requests of the control API tell no key, nor does the key that they return."""
    with RealtimeEmulator(
        settings=EmulatorSettings.instant(), api_keys=[KEY]
    ) as emulator:
        client = client_of(emulator.endpoint, credential=KEY)
        with ControlClient(client) as control:
            made = control.create_client_secret()
            shower.look(control, made)
            shown = [repr(made), str(made)]
        with ControlClient(client_of(emulator.endpoint, credential="x" + KEY)) as other:
            with pytest.raises(Exception, match="401") as caught:
                other.create_client_secret()
            shower.fail(caught.value)

    assert all(made.value not in text for text in shown)


def test_doctor(shower: Shower) -> None:
    """A diagnosis, which people send to others, tells no key."""
    with serve(echoing(401)) as server:
        shower.look(*diagnose(lambda: client_of(server.url)))


def test_a_life(shower: Shower, tmp_path: Path) -> None:
    """A session that is recorded, lost and found again tells no secret anywhere."""
    found = threading.Event()
    notices: list[Reconnected] = []

    def tell(notice: Reconnected) -> None:
        notices.append(notice)
        found.set()

    policy = ReconnectPolicy(first_delay=0.01)
    with RealtimeEmulator(
        settings=EmulatorSettings.instant(), api_keys=[KEY]
    ) as emulator:
        client = client_of(
            emulator.endpoint, reconnect=policy, telemetry=shower.telemetry
        )
        with client.connect(session={"output_modalities": ["text"]}) as connection:
            path = tmp_path / "call.jsonl"
            with Recorder(connection, path), TimelineCollector(connection) as lines:
                connection.on(Reconnected, tell)
                connection.update_session({"tools": [TOOL]})
                connection.ask("Hello?")
                emulator.inject(Fault.cut())
                connection.send({"type": "response.cancel"})
                assert found.wait(PATIENCE)
                connection.ask("And again?")
                shower.look(connection.stats, lines.timeline().summary())
            conversation = connection.conversation
            shower.look(connection, connection.session, conversation, notices[0])
            shower.look(conversation.to_json(), conversation.to_markdown())
            shower.look(connection.response_headers, connection.stats)
            shower.seen.append(path.read_text())

    assert "restored" in str(notices[0])


def test_cookies_of_one_connection_are_not_those_of_another() -> None:
    """A cookie that a server sets goes back to nobody."""
    requests: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept("Set-Cookie: track=me; Domain=localhost", then=CREATED)
        requests.append(peer.request)
        peer.wait_eof()

    with serve(script) as server:
        for _ in range(2):
            client_of(server.url).connect().close()

    assert 2 == len(requests)
    assert all(b"cookie" not in request.lower() for request in requests)


def test_redirects_are_not_followed() -> None:
    """A redirect is refused, so that the key goes nowhere else."""
    with serve(lambda peer: peer.read_request()) as elsewhere:
        location = f"Location: {elsewhere.url.replace('ws', 'http')}"
        with (
            serve(echoing(302, location)) as server,
            pytest.raises(HandshakeError, match="redirects are not followed"),
        ):
            client_of(server.url).connect()

        assert 0 == elsewhere.accepted
