"""The way to an open WebSocket, and everything that can go wrong on it."""

from __future__ import annotations

import datetime
import email.utils
import errno
import socket
import ssl
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
from servers import PATIENCE, Peer, frame, refused_port, serve, tls_contexts

from realtime_sync.errors import AuthenticationError, ConnectError, HandshakeError
from realtime_sync.transport import TEXT, ConnectRequest, WebSocketTransport


SECRET = "sesame-open-4711"


def connect(url: str, **settings: object) -> dict[str, str]:
    """Connect and hang up; return the headers of the answer."""
    settings = {"timeout": PATIENCE, "proxy": "", **settings}
    transport = WebSocketTransport()
    try:
        return dict(transport.connect(ConnectRequest(url=url, **settings)))  # type: ignore[arg-type]
    finally:
        transport.release()


def refusal(answer: bytes, *, hold: bool = False) -> HandshakeError:
    """Return the error that an answer of a server makes."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer)
        if hold:
            peer.wait_over()

    with serve(script) as server, pytest.raises(HandshakeError) as caught:
        connect(server.url, headers={"api-key": SECRET})
    return caught.value


def test_request() -> None:
    """The request holds the headers of the upgrade and those given, once each."""
    seen: dict[str, str] = {}

    def script(peer: Peer) -> None:
        peer.accept("X-Request-Id: 42", "Set-Cookie: a=b; Domain=localhost")
        seen.update(peer.headers(), line=peer.request.decode().split("\r\n")[0])

    with serve(script) as server:
        answer = connect(
            f"{server.url}/openai/v1/realtime?model=gpt%20x",
            headers={"api-key": SECRET, "User-Agent": "tests/1"},
        )

    assert "42" == answer["x-request-id"]
    assert "GET /openai/v1/realtime?model=gpt%20x HTTP/1.1" == seen.pop("line")
    assert 16 <= len(seen.pop("sec-websocket-key"))
    assert {
        "host": f"localhost:{server.port}",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "api-key": SECRET,
        "user-agent": "tests/1",
    } == seen


def test_host_header_can_be_set() -> None:
    """A Host header of one's own replaces the one of the URL."""
    hosts: list[str] = []

    def script(peer: Peer) -> None:
        peer.accept()
        hosts.append(peer.headers()["host"])

    with serve(script) as server:
        connect(server.url, headers={"Host": "gateway.example"})

    assert ["gateway.example"] == hosts


def test_cookies_are_not_shared() -> None:
    """A cookie that one connection was given is not sent by the next one."""
    cookies: list[str | None] = []

    def script(peer: Peer) -> None:
        peer.accept("Set-Cookie: tenant=one; Domain=localhost; Path=/")
        cookies.append(peer.headers().get("cookie"))

    with serve(script) as server:
        connect(server.url)
        connect(server.url)

    assert [None, None] == cookies


def test_cookies_of_others_are_not_sent() -> None:
    """Cookies that another user of websocket-client has collected stay with it."""
    import websocket._handshake

    cookies: list[str | None] = []

    def script(peer: Peer) -> None:
        peer.accept()
        cookies.append(peer.headers().get("cookie"))

    jar = websocket._handshake.CookieJar
    jar.add("tenant=two; Domain=localhost")
    try:
        with serve(script) as server:
            connect(server.url)
            connect(server.url, headers={"Cookie": "mine=1"})
    finally:
        jar.jar.clear()

    assert [None, "mine=1"] == cookies


@pytest.mark.parametrize("value", ["sesame\n", "a\r\nX-Evil: 1", "x\0y"])
def test_header_with_a_line_break(value: str) -> None:
    """A header that would become two is refused before anything is dialled."""
    with pytest.raises(ValueError, match="'api-key' holds a line break") as caught:
        connect("ws://localhost:1", headers={"api-key": value})

    assert value.strip() not in str(caught.value)


@pytest.mark.parametrize("url", ["https://host", "ws://", "host:80", "file:///x"])
def test_bad_url(url: str) -> None:
    """Only ws and wss URLs with a host are accepted."""
    with pytest.raises(ValueError, match="ws://"):
        connect(url)


# Refusals


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, HandshakeError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, HandshakeError),
        (429, HandshakeError),
        (500, HandshakeError),
        (503, HandshakeError),
        (200, HandshakeError),
    ],
)
def test_refusals(status: int, kind: type[HandshakeError]) -> None:
    """A refusal has its class, the service's own words and the ids for its support."""
    body = b'{"error":{"code":"Code7","message":"Not today."}}'
    answer = (
        f"HTTP/1.1 {status} Words\r\nContent-Length: {len(body)}\r\n"
        "apim-request-id: A1\r\nX-Request-ID: B2\r\nx-ms-region: Norway\r\n"
        "x-ms-client-request-id: C3\r\n\r\n"
    ).encode()

    error = refusal(answer + body, hold=True)

    assert kind is type(error)
    assert (status, "Code7", "Not today.") == (error.status, error.code, error.message)
    assert body.decode() == error.body
    assert {
        "apim-request-id": "A1",
        "x-ms-client-request-id": "C3",
        "x-request-id": "B2",
    } == error.request_ids
    for fact in (str(status), "Code7", "Not today.", "A1"):
        assert fact in str(error)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"statusCode": 401, "message": "Denied."}', None, "Denied."),
        (b'{"error": {"type": "invalid", "message": "No."}}', "invalid", "No."),
        (b'{"code": "x", "message": 7}', "x", None),
        (b'{"error": "gone"}', None, "gone"),
        (b'{"error": null}', None, None),
        (b"[1]", None, None),
        (b"<html>Bad gateway</html>", None, None),
        (b"\xff\xfe", None, None),
        (b"[" * 50_000, None, None),
        (b"", None, None),
    ],
)
def test_bodies(body: bytes, code: str | None, message: str | None) -> None:
    """Bodies of every shape are read without a length, and none is an error itself."""
    error = refusal(b"HTTP/1.1 502 Bad\r\n\r\n" + body)

    assert (502, code, message) == (error.status, error.code, error.message)
    assert len(error.body) <= 4096


def test_body_in_chunks() -> None:
    """A chunked body is put together."""
    answer = (
        b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'a\r\n{"message"\r\n8\r\n: "no" }\r\n0\r\n\r\n'
    )

    error = refusal(answer, hold=True)

    assert "no" == error.message


def test_endless_body() -> None:
    """Of a body without end, a bounded part is read."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 500 Oops\r\n\r\n")
        while True:
            peer.send(b"x" * 65536)

    with serve(script) as server, pytest.raises(HandshakeError) as caught:
        connect(server.url)

    assert 4096 == len(caught.value.body)


def test_body_that_never_ends_nor_comes() -> None:
    """A body that does not come is not waited for longer than the timeout."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\nstart")
        peer.wait_over()

    with serve(script) as server, pytest.raises(HandshakeError) as caught:
        connect(server.url, timeout=0.3)

    assert (500, "start") == (caught.value.status, caught.value.body)


def test_endless_headers() -> None:
    """Headers without end are given up."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 101 Fine\r\n")
        while True:
            peer.send(b"x: " + b"y" * 8000 + b"\r\n")

    with serve(script) as server, pytest.raises(ConnectError, match="without end"):
        connect(server.url)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 7", 7.0),
        ("Retry-After: 0.5", 0.5),
        ("retry-after-ms: 250", 0.25),
        ("Retry-After: 9\r\nx-ms-retry-after-ms: 1500", 1.5),
        ("Retry-After: soon", None),
        ("Retry-After: -3", None),
        ("Retry-After: inf", None),
        ("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("X: y", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """The time to wait is read in every spelling."""
    error = refusal(f"HTTP/1.1 429 Slow down\r\n{header}\r\n\r\n".encode())

    assert seconds == error.retry_after


def test_retry_after_a_date() -> None:
    """A date is turned into the seconds until then."""
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)
    date = email.utils.format_datetime(then, usegmt=True)

    error = refusal(f"HTTP/1.1 503 Busy\r\nRetry-After: {date}\r\n\r\n".encode())

    assert error.retry_after is not None
    assert 290 < error.retry_after <= 300


def test_redirect_is_refused() -> None:
    """A redirect names its target, without secrets, and is not followed."""

    def target(peer: Peer) -> None:
        peer.read_request()

    with serve(target) as other:
        place = f"http://u:{SECRET}@localhost:{other.port}/x?key={SECRET}"
        error = refusal(f"HTTP/1.1 307 There\r\nLocation: {place}\r\n\r\n".encode())

    assert 0 == other.accepted
    assert f"http://localhost:{other.port}/x;" in str(error)
    assert SECRET not in str(error)


def test_redirect_to_nowhere() -> None:
    """A redirect to what is no address is refused like others."""
    error = refusal(b"HTTP/1.1 302 There\r\nLocation: http://[x\r\n\r\n")

    assert "redirects are not followed" in str(error)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "hung up instead of answering"),
        (b"HTTP/1.1 101 Swi", "hung up amid"),
        (b"220 mail.example ESMTP\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n\r\n", "not one to this request"),
        (b"HTTP/1.1 101 OK\r\n\xff\xff\r\n\r\n", "not one to this request"),
    ],
)
def test_odd_answers(answer: bytes, words: str) -> None:
    """What is no answer to an upgrade is told apart from a refusal."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer)

    with serve(script) as server, pytest.raises(ConnectError, match=words) as caught:
        connect(server.url)

    assert not isinstance(caught.value, HandshakeError)


@pytest.mark.parametrize(
    "header",
    [
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Protocol: realtime",
    ],
)
def test_answer_to_what_was_not_asked(header: str) -> None:
    """An extension or a subprotocol that nobody asked for is refused."""
    with (
        serve(lambda peer: peer.accept(header)) as server,
        pytest.raises(ConnectError, match="not one to this request"),
    ):
        connect(server.url)


# Time


def test_slow_answer() -> None:
    """An answer that trickles in byte by byte does not stretch the timeout."""

    def script(peer: Peer) -> None:
        peer.read_request()
        for byte in peer.acceptance("X: " + "y" * 10_000):
            peer.send(bytes((byte,)))
            if peer.over.wait(0.01):
                return

    started = time.monotonic()
    with (
        serve(script) as server,
        pytest.raises(TimeoutError, match=r"0\.2 s, waiting for the answer"),
    ):
        connect(server.url, timeout=0.2)

    assert time.monotonic() - started < 5


def test_silent_tls() -> None:
    """A server that does not answer the TLS handshake runs into the timeout."""
    with (
        serve(Peer.wait_over) as server,
        pytest.raises(TimeoutError, match="TLS handshake"),
    ):
        connect(f"wss://localhost:{server.port}", timeout=0.1)


def test_slow_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that takes its time does not stretch the timeout either."""
    over, left = threading.Event(), threading.Event()
    look_up = socket.getaddrinfo

    def slow(host: str, *args: object, **kwargs: object) -> object:
        if host != "slow.example":
            return look_up(host, *args, **kwargs)  # type: ignore[arg-type]
        if kwargs.get("flags"):
            raise socket.gaierror
        over.wait(PATIENCE)
        left.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    with pytest.raises(TimeoutError, match=r"looking up slow\.example"):
        connect("ws://slow.example", timeout=0.1)

    over.set()
    assert left.wait(PATIENCE)
    for thread in threading.enumerate():
        if "resolver" in thread.name:
            thread.join(PATIENCE)


def test_second_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a name has several addresses, one that does not answer is passed over."""
    closed = refused_port()
    with serve(lambda peer: peer.accept()) as server:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
            for port in (closed, server.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)

        answer = connect("ws://two.example")

    assert "websocket" == answer["upgrade"]


# Abort


def abort_while(
    connecting: Callable[[WebSocketTransport], object], ready: object
) -> str:
    """Return what a connect says that is aborted once *ready* is set."""
    transport = WebSocketTransport()
    with ThreadPoolExecutor() as pool:
        future = pool.submit(connecting, transport)
        if isinstance(ready, threading.Event):
            assert ready.wait(PATIENCE)
        transport.abort()
        error = future.exception(PATIENCE)
        transport.release()
    assert isinstance(error, ConnectError)
    return str(error)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_abort_while_connecting(scheme: str) -> None:
    """An abort from another thread ends a connect that waits for the server."""
    ready = threading.Event()

    def script(peer: Peer) -> None:
        peer.read(1)
        ready.set()
        peer.wait_over()

    with serve(script) as server:
        request = ConnectRequest(url=f"{scheme}://localhost:{server.port}", proxy="")
        message = abort_while(lambda transport: transport.connect(request), ready)

    assert "aborted" in message


def test_abort_while_looking_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An abort ends a connect that waits for the name server."""
    ready, over = threading.Event(), threading.Event()

    def slow(*_: object, **kwargs: object) -> object:
        if kwargs.get("flags"):
            raise socket.gaierror
        ready.set()
        over.wait(PATIENCE)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    request = ConnectRequest(url="ws://slow.example", proxy="")

    message = abort_while(lambda transport: transport.connect(request), ready)
    over.set()
    for thread in threading.enumerate():
        if "resolver" in thread.name:
            thread.join(PATIENCE)

    assert "aborted" in message


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's full backlog")
def test_abort_while_tcp_connects() -> None:
    """An abort ends a connect whose packets are dropped."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        request = ConnectRequest(url=f"ws://127.0.0.1:{port}", proxy="")

        message = abort_while(lambda transport: transport.connect(request), None)

        for filler in fillers:
            filler.close()
    assert "aborted" in message


def test_abort_before_connecting() -> None:
    """A transport that was aborted does not connect any more."""
    transport = WebSocketTransport()
    transport.abort()

    with serve(Peer.wait_eof) as server:
        with pytest.raises(ConnectError, match="aborted"):
            transport.connect(ConnectRequest(url=server.url, proxy=""))
        accepted = server.accepted

    assert 0 == accepted


# No way


def test_nobody_listens() -> None:
    """A refused connection says what to check."""
    port = refused_port()

    with pytest.raises(ConnectError, match=f"{port}: nobody takes connections"):
        connect(f"ws://127.0.0.1:{port}")


def test_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not resolve says so."""

    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(ConnectError, match=r"the name is not known.*no\.example"):
        connect("wss://no.example")


def test_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a network is told so."""
    monkeypatch.setattr(
        socket.socket, "connect_ex", lambda *_: errno.ENETUNREACH, raising=False
    )

    with pytest.raises(ConnectError, match="no way to that network"):
        connect("ws://127.0.0.1:9")


def test_plain_text_on_a_tls_port() -> None:
    """A server without TLS is recognised by its answer."""

    def script(peer: Peer) -> None:
        peer.read(5)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serve(script) as server, pytest.raises(ConnectError, match="speaks TLS"):
        connect(f"wss://localhost:{server.port}")


def test_server_hangs_up_during_tls() -> None:
    """A server that hangs up during TLS is no mystery."""
    with (
        serve(lambda peer: peer.read(5)) as server,
        pytest.raises(ConnectError, match=r"TLS handshake|was cut"),
    ):
        connect(f"wss://localhost:{server.port}")


# Certificates


def test_unknown_authority() -> None:
    """A certificate of an unknown authority is refused, with the remedy."""
    server_context, _ = tls_contexts()

    with (
        serve(Peer.wait_eof, server_context) as server,
        pytest.raises(ConnectError, match=r"does not trust.*SSL_CERT_FILE"),
    ):
        connect(server.url)


def test_certificate_of_another_host() -> None:
    """A certificate for another host is told apart from one of nobody known."""
    server_context, client_context = tls_contexts("other.example")

    with (
        serve(Peer.wait_eof, server_context) as server,
        pytest.raises(ConnectError, match="is for another host"),
    ):
        connect(server.url, ssl_context=client_context)


def test_expired_certificate() -> None:
    """A certificate that is out of date is told apart, too."""
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", not_after=past).configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)

    with (
        serve(Peer.wait_eof, server_context) as server,
        pytest.raises(ConnectError, match="out of date"),
    ):
        connect(server.url, ssl_context=client_context)


def test_ssl_cert_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The remedy that the message names works."""
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    with serve(lambda peer: peer.accept(), server_context) as server:
        answer = connect(server.url)

    assert "websocket" == answer["upgrade"]


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_versions(version: str) -> None:
    """Both versions of TLS work; with 1.3 the server's session tickets do no harm."""
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    server_context.minimum_version = server_context.maximum_version = getattr(
        ssl.TLSVersion, version
    )
    if version == "TLSv1_3":
        server_context.num_tickets = 4

    def script(peer: Peer) -> None:
        peer.accept(then=frame(TEXT, b"hello"))
        peer.wait_eof()

    with serve(script, server_context) as server:
        for _ in range(5):
            transport = WebSocketTransport()
            transport.connect(
                ConnectRequest(
                    url=server.url, ssl_context=client_context, timeout=PATIENCE
                )
            )
            frames = transport.receive(PATIENCE)
            transport.abort()
            transport.release()

            assert [(TEXT, b"hello")] == frames


# Secrets and sockets


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 401 No\r\n\r\n", b"HTTP/1.1 101 OK\r\n\r\n", b"nonsense\r\n\r\n"],
)
def test_no_secret_in_any_traceback(answer: bytes) -> None:
    """No failure shows a header's value, not even with the variables of all frames."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer)

    transport = WebSocketTransport()
    with serve(script) as server:
        request = ConnectRequest(
            url=server.url, proxy="", headers={"Authorization": f"Bearer {SECRET}"}
        )
        try:
            transport.connect(request)
        except ConnectError as exc:
            shown = "".join(
                traceback.TracebackException.from_exception(
                    exc, capture_locals=True
                ).format()
            )

    assert "_upgrade" in shown
    assert SECRET not in shown
    assert SECRET not in repr(request)


def test_socket_options() -> None:
    """Small packets leave at once, and a dead peer is noticed."""
    with serve(lambda peer: (peer.accept(), peer.wait_over())) as server:
        transport = WebSocketTransport()
        transport.connect(ConnectRequest(url=server.url, proxy=""))
        sock = transport._line.sock

        options = [
            sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        ]
        transport.release()

    assert all(options)
