"""What a new user reads when something is wrong: the cause, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from servers import Peer, http_proxy, refused_port, serve, tls_contexts

from realtime_sync import RealtimeClient
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator
from realtime_sync.emulator import Fault as Trouble


Fault = Callable[[RealtimeEmulator], Any]
PREVIEW = "2025-04-01-preview"
NOWHERE = "https://no-such-resource-4711.openai.azure.invalid"


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    """A service with one key and one deployment."""
    with RealtimeEmulator(
        settings=EmulatorSettings.instant(),
        api_keys=["the-right-key"],
        deployments=["my-deployment"],
    ) as emulator:
        yield emulator


def connect(url: str, **settings: Any) -> None:
    """Connect as a new user does, with the default policy for trying again."""
    settings = {
        "credential": "the-right-key",
        "model": "my-deployment",
        "proxy": "",
        **settings,
    }
    RealtimeClient(url, **settings).connect().close()


def through_closed_proxy(emulator: RealtimeEmulator) -> None:
    """Connect by way of a proxy that asks for a password."""
    with http_proxy("user:password") as (proxy, _):
        connect(emulator.endpoint, proxy=f"http://127.0.0.1:{proxy.port}")


def through_strict_proxy(emulator: RealtimeEmulator) -> None:
    """Connect by way of a proxy that does not let through."""

    def refuse(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    with serve(refuse) as proxy:
        connect(emulator.endpoint, proxy=f"http://127.0.0.1:{proxy.port}")


def to_self_signed(emulator: RealtimeEmulator) -> None:
    """Connect to a server whose certificate nobody vouches for."""
    server_context, _ = tls_contexts()
    with serve(Peer.wait_eof, server_context) as server:
        connect(server.url)


def to_other_host(emulator: RealtimeEmulator) -> None:
    """Connect to a server with somebody else's certificate."""
    server_context, client_context = tls_contexts("elsewhere.example")
    with serve(Peer.wait_eof, server_context) as server:
        connect(server.url, ssl_context=client_context)


def to_tls_without(emulator: RealtimeEmulator) -> None:
    """Connect without TLS to a server that wants it."""
    server_context, _ = tls_contexts()
    with serve(Peer.wait_eof, server_context) as server:
        connect(server.url.replace("wss", "ws"))


def to_plain_with_tls(emulator: RealtimeEmulator) -> None:
    """Connect with TLS to a server that has none."""
    with serve(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        connect(server.url.replace("ws", "wss"))


def to_silence(emulator: RealtimeEmulator) -> None:
    """Connect to a server that says nothing."""
    with serve(Peer.wait_eof) as server:
        connect(server.url, open_timeout=0.2)


def to_a_page(emulator: RealtimeEmulator) -> None:
    """Connect to a web server that knows nothing of all this."""

    def answer(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")

    with serve(answer) as server:
        connect(server.url)


def with_trouble(trouble: Trouble) -> Fault:
    """Return what connects to a server that has some trouble."""

    def fault(emulator: RealtimeEmulator) -> None:
        emulator.inject(trouble)
        connect(emulator.endpoint)

    return fault


TABLE: dict[str, tuple[Fault, str, str]] = {
    "wrong key": (
        lambda e: connect(e.endpoint, credential="another-key"),
        "401",
        "check that it belongs to 127.0.0.1",
    ),
    "no key": (
        lambda e: connect(e.endpoint, credential=None),
        "401",
        "No credential was given: pass a key",
    ),
    "a key with a line break": (
        lambda e: connect(e.endpoint, credential="the-right-key\n"),
        "begins or ends with white space",
        "strip it",
    ),
    "wrong deployment": (
        lambda e: connect(e.endpoint, model="my-deploiment"),
        "404; DeploymentNotFound",
        "check that .* has a deployment named 'my-deploiment'",
    ),
    "no deployment": (
        lambda e: connect("https://x.openai.azure.com", model=None),
        "model is missing",
        "give the name of the deployment",
    ),
    "a preview URL with the GA protocol": (
        lambda e: connect(f"{e.endpoint}/openai/realtime"),
        "that of the preview",
        "for the GA protocol give wss://HOST/openai/v1/realtime",
    ),
    "a GA URL with the preview's version": (
        lambda e: connect(f"{e.endpoint}/openai/v1/realtime", api_version=PREVIEW),
        "that of the GA protocol, which takes no api-version",
        "leave it out",
    ),
    "a version that the service does not know": (
        lambda e: connect(e.endpoint, api_version="2024-10-01-preview"),
        "400; BadRequest; API version not supported",
        "its form is",
    ),
    "no such host": (
        lambda e: connect(NOWHERE),
        "the name is not known",
        "check its spelling, the network",
    ),
    "nobody listens": (
        lambda e: connect(f"ws://127.0.0.1:{refused_port()}"),
        "nobody takes connections there",
        "check the host and the port",
    ),
    "no answer": (to_silence, "longer than 0.2 s", "check the network"),
    "no proxy there": (
        lambda e: connect(e.endpoint, proxy=f"http://127.0.0.1:{refused_port()}"),
        "no connection to the proxy http://127.0.0.1",
        "check the host and the port.*https_proxy",
    ),
    "a proxy that asks for a password": (
        through_closed_proxy,
        "the proxy .* asks for a user name and a password",
        "write them into its address",
    ),
    "a proxy that refuses": (
        through_strict_proxy,
        "refused to connect to 127.0.0.1",
        "ask for this server to be allowed there, or name it in no_proxy",
    ),
    "a certificate that nobody vouches for": (
        to_self_signed,
        "does not trust who signed the server's certificate",
        "SSL_CERT_FILE",
    ),
    "a certificate for another host": (
        to_other_host,
        "the server's certificate is for another host",
        "check the host name",
    ),
    "no TLS where it is wanted": (
        to_tls_without,
        "hung up instead of answering",
        "check that the address begins with wss://",
    ),
    "TLS where there is none": (
        to_plain_with_tls,
        "the TLS handshake failed",
        "check that the port speaks TLS",
    ),
    "a web page": (to_a_page, "HTTP 200", "check the host and the path"),
    "a setting as the preview has it": (
        lambda e: connect(e.endpoint, session={"modalities": ["text"]}),
        "Unknown parameter: 'session.modalities'",
        "use session.output_modalities",
    ),
    "a setting where the preview has it": (
        lambda e: connect(e.endpoint, session={"voice": "alloy"}),
        "Unknown parameter: 'session.voice'",
        "use session.audio.output.voice",
    ),
    "closed instead of a session": (
        with_trouble(Trouble.close(1008, "no way", at="session.created")),
        "code 1008 before it made a session: no way",
        "check that 127.0.0.1:.* serves my-deployment",
    ),
    "closed without a reason": (
        with_trouble(Trouble.close(4000, "", at="session.created")),
        "code 4000 before it made a session",
        "check that 127.0.0.1:.* serves my-deployment",
    ),
    "closed for a while": (
        with_trouble(Trouble.close(1013, "busy", at="session.created", times=None)),
        "code 1013 before it made a session: busy",
        "try again later",
    ),
    "retired": (
        with_trouble(Trouble.http(410)),
        "HTTP 410",
        "check whether the model or the api_version was retired",
    ),
    "moved": (
        with_trouble(Trouble.redirect("https://elsewhere.example/x")),
        "points to https://elsewhere.example/x",
        "Use that address as the endpoint",
    ),
    "moved on the same server": (
        with_trouble(Trouble.redirect("/openai/v2")),
        "points to the path /openai/v2 of the same server",
        "Give the endpoint that path",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_message(name: str, emulator: RealtimeEmulator) -> None:
    """The message says what is wrong and what to do, soon, and on few lines."""
    fault, cause, remedy = TABLE[name]
    began = time.monotonic()
    with pytest.raises((Exception,), match=f"(?s){cause}.*{remedy}") as caught:
        fault(emulator)

    assert time.monotonic() - began < 4
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 900
