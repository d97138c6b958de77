"""Which proxy is taken, and the way through proxies of every kind."""

from __future__ import annotations

import builtins
import contextlib
import importlib.metadata
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests.utils
from servers import (
    PATIENCE,
    Peer,
    frame,
    http_proxy,
    refused_port,
    serve,
    socks_proxy,
    tls_contexts,
)

from realtime_sync._wire.proxies import Proxy, choose_proxy, parse_proxy
from realtime_sync.errors import ConnectError
from realtime_sync.transport import TEXT, ConnectRequest, Frame, WebSocketTransport


VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ws_proxy")
SECRET = "sesame-open-4711"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# The choice


ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"https_proxy": "http://p:1"},
    {"HTTPS_PROXY": "http://p:1"},
    {"https_proxy": "http://small:1", "HTTPS_PROXY": "http://large:1"},
    {"http_proxy": "http://p:1"},
    {"all_proxy": "socks5h://p:1"},
    {"ALL_PROXY": "http://p:1", "https_proxy": "http://q:2"},
    *(
        {"all_proxy": "http://p:1", "no_proxy": exempt}
        for exempt in (
            "example.com",
            ".example.com",
            "*.example.com",
            "com",
            "xample.com",
            "a.example.com:443",
            "a.example.com:8443",
            "other.org, example.com",
            "*",
            "10.0.0.0/8",
            "10.1.2.3",
            "10.1.2.4",
            "127.0.0.1,localhost",
            "EXAMPLE.COM",
            "/8,10.1.2.0/33",
            " , ",
            "::1",
        )
    ),
    {"all_proxy": "http://p:1", "NO_PROXY": "example.com"},
    {"all_proxy": "http://p:1", "NO_PROXY": "example.com", "no_proxy": "other.org"},
]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=str)
@pytest.mark.parametrize(
    "url",
    [
        "wss://a.example.com/x",
        "ws://a.example.com/x",
        "wss://a.example.com:8443",
        "wss://example.com",
        "wss://anexample.com",
        "wss://10.1.2.3",
        "ws://localhost:80",
        "ws://[::1]:80",
    ],
)
def test_choice_is_that_of_requests(
    url: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment means what it means for requests."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    as_http = url.replace("ws", "http", 1)
    proxies = requests.utils.get_environ_proxies(as_http)
    expected = requests.utils.select_proxy(as_http, proxies)

    proxy = choose_proxy(url, None)

    assert expected == (str(proxy) if proxy else None)


def test_explicit_choice_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is given wins over the environment, and so does none."""
    monkeypatch.setenv("https_proxy", "http://env:1")
    monkeypatch.setenv("no_proxy", "*")

    given = choose_proxy("wss://host", "http://mine:2")
    monkeypatch.delenv("no_proxy")

    assert "http://mine:2" == str(given)
    assert choose_proxy("wss://host", "") is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("proxy:3128", Proxy(scheme="http", host="proxy", port=3128)),
        ("http://proxy", Proxy(scheme="http", host="proxy", port=80)),
        ("https://proxy", Proxy(scheme="https", host="proxy", port=443)),
        ("socks5://[::1]", Proxy(scheme="socks5", host="::1", port=1080)),
        (
            "http://us%40er:p%3Aw@proxy:1",
            Proxy(
                scheme="http", host="proxy", port=1, username="us@er", password="p:w"
            ),
        ),
    ],
)
def test_addresses(address: str, expected: Proxy) -> None:
    """The address of a proxy is read in every usual spelling."""
    assert expected == parse_proxy(address)


@pytest.mark.parametrize(
    "address",
    [f"ftp://u:{SECRET}@proxy:1", f"http://u:{SECRET}@", f"http://u:{SECRET}@p:x"],
)
def test_bad_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no proxy is refused, without its password, wherever it comes from."""
    monkeypatch.setenv("https_proxy", address)

    with pytest.raises(ValueError, match="proxy") as given:
        choose_proxy("wss://host", address)
    with pytest.raises(ConnectError, match="from the environment") as found:
        choose_proxy("wss://host", None)

    assert SECRET not in str(given.value) + str(found.value)


def test_password_is_not_shown() -> None:
    """Neither the text nor the repr of a proxy holds the log-in."""
    proxy = parse_proxy(f"http://someone:{SECRET}@proxy:1")

    shown = f"{proxy} {proxy!r}"

    assert SECRET not in shown
    assert "someone" not in shown


# The way through


@contextlib.contextmanager
def echo(*, tls: bool = False) -> Iterator[tuple[str, object]]:
    """Run a server that sends back one frame; yield its URL and a client's context."""
    server_context, client_context = tls_contexts() if tls else (None, None)

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(frame(*peer.read_frame()))
        peer.wait_eof()

    with serve(script, server_context) as server:
        yield server.url, client_context


def round_trip(url: str, proxy: str | None, context: object = None) -> list[Frame]:
    """Send a frame through a proxy; return what comes back."""
    transport = WebSocketTransport()
    try:
        transport.connect(
            ConnectRequest(url=url, proxy=proxy, ssl_context=context, timeout=PATIENCE)  # type: ignore[arg-type]
        )
        transport.send([(TEXT, b"x" * 100_000)], PATIENCE)
        return transport.receive(PATIENCE)
    finally:
        transport.abort()
        transport.release()


ECHOED = [(TEXT, b"x" * 100_000)]


@pytest.mark.parametrize("tls", [False, True])
def test_http_proxy(tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ws and wss go through the HTTP proxy that the environment names."""
    with echo(tls=tls) as (url, context), http_proxy() as (proxy, targets):
        monkeypatch.setenv(
            "https_proxy" if tls else "http_proxy", f"127.0.0.1:{proxy.port}"
        )

        frames = round_trip(url, None, context)

    assert ECHOED == frames
    assert [urlsplit(url).netloc] == targets


def test_http_proxy_with_log_in() -> None:
    """The log-in of the proxy's address is sent to it."""
    with echo() as (url, _), http_proxy("us er:p:w") as (proxy, _targets):
        frames = round_trip(url, f"http://us%20er:p%3Aw@127.0.0.1:{proxy.port}")

    assert ECHOED == frames


@pytest.mark.parametrize("tls", [False, True])
def test_https_proxy(tls: bool) -> None:
    """A proxy may speak TLS itself, around the TLS of the server."""
    proxy_context, client_context = tls_contexts()
    with (
        echo(tls=tls) as (url, _),
        http_proxy(context=proxy_context) as (proxy, _targets),
    ):
        frames = round_trip(url, f"https://localhost:{proxy.port}", client_context)

    assert ECHOED == frames


@pytest.mark.parametrize("login", ["", f"u:{SECRET}@"])
def test_proxy_wants_a_log_in(login: str) -> None:
    """A proxy that wants another log-in is told apart, its own not shown."""
    with (
        http_proxy("user:password") as (proxy, _),
        pytest.raises(ConnectError, match="407") as caught,
    ):
        round_trip("ws://localhost:1", f"http://{login}127.0.0.1:{proxy.port}")

    assert SECRET not in everything(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 403 Forbidden\r\n\r\n",
            r"refused to connect to host\.example:443 \(403",
        ),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "is no HTTP proxy"),
        (b"", "does not answer as an HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, "does not answer"),
    ],
)
def test_http_proxy_that_does_not_help(answer: bytes, words: str) -> None:
    """What a proxy refuses, or what is no proxy, is told with its address."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer)

    with serve(script) as server, pytest.raises(ConnectError, match=words) as caught:
        round_trip("wss://host.example", f"http://127.0.0.1:{server.port}")

    assert str(server.port) in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_silent_proxy(scheme: str) -> None:
    """A proxy that says nothing runs into the timeout of the whole."""
    transport = WebSocketTransport()
    with (
        serve(Peer.wait_over) as server,
        pytest.raises(TimeoutError, match=r"0\.1 s, waiting for the proxy"),
    ):
        transport.connect(
            ConnectRequest(
                url="wss://host.example",
                proxy=f"{scheme}://127.0.0.1:{server.port}",
                timeout=0.1,
            )
        )


def test_no_proxy_there() -> None:
    """A proxy that is not there is named."""
    port = refused_port()

    with pytest.raises(ConnectError, match=f"connecting to 127.0.0.1:{port}"):
        round_trip("wss://host.example", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_proxy(scheme: str, tls: bool) -> None:
    """With socks5 this side looks up the name, with socks5h the proxy does."""
    with echo(tls=tls) as (url, context), socks_proxy() as (proxy, targets):
        frames = round_trip(url, f"{scheme}://127.0.0.1:{proxy.port}", context)

    assert ECHOED == frames
    host = targets[0].rpartition(":")[0]
    assert ("localhost" == host) == (scheme == "socks5h")


def test_socks_proxy_with_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """all_proxy may name a SOCKS proxy with a log-in."""
    with echo() as (url, _), socks_proxy(("me", SECRET)) as (proxy, _targets):
        monkeypatch.setenv("ALL_PROXY", f"socks5h://me:{SECRET}@127.0.0.1:{proxy.port}")

        frames = round_trip(url, None)

    assert ECHOED == frames


def test_socks_proxy_refuses_the_log_in() -> None:
    """A refused log-in is an error that does not show it."""
    with (
        socks_proxy(("me", "other")) as (proxy, _),
        pytest.raises(ConnectError, match="proxy") as caught,
    ):
        round_trip("ws://h.example", f"socks5h://me:{SECRET}@127.0.0.1:{proxy.port}")

    assert SECRET not in everything(caught.value)


def test_socks_proxy_refuses_the_target() -> None:
    """What the proxy says is handed on."""
    with (
        socks_proxy(reply=2) as (proxy, _),
        pytest.raises(ConnectError, match=r"did not connect to h\.example: "),
    ):
        round_trip("ws://h.example", f"socks5h://127.0.0.1:{proxy.port}")


def test_socks_proxy_hangs_up() -> None:
    """A SOCKS proxy that hangs up is an error like others."""
    with (
        serve(lambda peer: peer.read(3)) as server,
        pytest.raises(ConnectError, match="proxy"),
    ):
        round_trip("ws://h.example", f"socks5h://127.0.0.1:{server.port}")


def test_socks_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error says how to install it."""
    import_ = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("python_socks"):
            raise ImportError(name)
        return import_(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)

    with pytest.raises(ConnectError, match=r"realtime_sync\[socks\]"):
        round_trip("ws://h.example", "socks5://127.0.0.1:1")


def test_proxy_of_somebody_else(tmp_path: Path) -> None:
    """The tunnel works through a proxy that was not written for these tests."""
    try:
        importlib.metadata.version("proxy.py")  # other modules are called so, too
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs proxy.py")
    port_file = tmp_path / "port"
    command = [sys.executable, "-W", "ignore", "-m", "proxy", "--hostname=127.0.0.1"]
    command += ["--port=0", f"--port-file={port_file}", "--basic-auth=me:pass word"]
    command += ["--num-workers=1", "--num-acceptors=1", "--log-level=ERROR"]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        try:
            port = wait_for_port(port_file, process)
            with echo(tls=True) as (url, context):
                frames = round_trip(
                    url, f"http://me:pass%20word@127.0.0.1:{port}", context
                )
        finally:
            process.terminate()

    assert ECHOED == frames


def wait_for_port(file: Path, process: subprocess.Popen[bytes]) -> int:
    """Return the port that a process writes to a file, once it listens there."""
    give_up = time.monotonic() + 4 * PATIENCE
    while time.monotonic() < give_up and process.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            port = int(file.read_text())
            socket.create_connection(("127.0.0.1", port), 1).close()
            return port
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise AssertionError("the proxy does not start")


def everything(exc: BaseException) -> str:
    """Return the traceback of *exc* and its causes with all variables."""
    shown = traceback.TracebackException.from_exception(exc, capture_locals=True)
    # The test itself knows the secret.
    return "".join(
        line
        for line in shown.format()
        if "test_proxies.py" not in line.split("\n", 1)[0]
    )
