"""A thousand sockets at once, on one worker of gunicorn."""

from __future__ import annotations

import collections
import contextlib
import resource
import selectors
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest


pytest.importorskip("flask")
pytest.importorskip("gunicorn")
pytest.importorskip("wsproto")

from flask_bridge import Browser
from flask_processes import Process
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator


SOCKETS = 1_000
PER_USER = 3  # of the example application


@pytest.fixture(autouse=True)
def _enough_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = SOCKETS + 500
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            pytest.skip(f"needs {needed} file descriptors, and may have {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(speech="tone", settings=settings) as emulator:
        yield emulator


class Peer:
    """One of many browsers: it says that it starts, and hears how that ends."""

    def __init__(self, server: Process, cookie: str) -> None:
        self.outcome: object = None  # the code of the close, or "connected"
        self._protocol = ClientProtocol(
            parse_uri(f"ws://{server.host}/realtime"),
            origin=f"http://{server.host}",  # type: ignore[arg-type]
        )
        request = self._protocol.connect()
        if cookie:
            request.headers["Cookie"] = cookie
        self._protocol.send_request(request)
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self._send()

    def hear(self) -> None:
        """Take what has arrived, and answer."""
        data = self.socket.recv(65_536)
        if not data:
            self.outcome = 1006
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response) and self._protocol.state is State.OPEN:
                self._protocol.send_text(b'{"type":"start"}')
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.outcome = "connected"
        if self._protocol.close_rcvd:
            self.outcome = self._protocol.close_rcvd.code
        self._send()

    def _send(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.socket.sendall(data)


def flood(server: Process, cookie: str) -> collections.Counter[object]:
    """Open all sockets, wait until each has its outcome, and count them."""
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        peers = [Peer(server, cookie) for _ in range(SOCKETS)]
        for peer in peers:
            stack.enter_context(peer.socket)
            selector.register(peer.socket, selectors.EVENT_READ, peer)
        while selector.get_map():
            for key, _ in selector.select():
                key.data.hear()
                if key.data.outcome is not None:
                    selector.unregister(key.fileobj)
    return collections.Counter(peer.outcome for peer in peers)


def talk(browser: Browser, until: threading.Event) -> list[str]:
    """Ask again and again; return the answers."""
    answers = []
    while not answers or not until.is_set():
        browser.send(type="text", text="What is the capital of Norway?")
        answers.append(browser.expect("said", final=True)["text"])
    return answers


@pytest.mark.parametrize(
    ("is_ada", "expected"),
    [
        (True, {4429: SOCKETS - PER_USER, "connected": PER_USER}),
        (False, {4401: SOCKETS}),
    ],
    ids=["one user", "nobody"],
)
def test_a_thousand_sockets_leave_others_their_session(
    emulator: RealtimeEmulator,
    tmp_path: Path,
    is_ada: bool,
    expected: dict[object, int],
) -> None:
    """All are told why they get none, and another user's conversation goes on."""
    over = threading.Event()
    with (
        Process("gthread", emulator.endpoint, tmp_path) as server,
        server.open(server.log_in("grace", "hopper")) as grace,
        ThreadPoolExecutor(1) as pool,
    ):
        answers = pool.submit(talk, grace, over)
        try:
            found = flood(server, server.log_in() if is_ada else "")
        finally:
            over.set()

    assert expected == found
    assert {"The capital of Norway is Oslo."} == set(answers.result())
    assert len(emulator.sessions) == 1 + expected.get("connected", 0)
    assert b"Traceback" not in server.output, server.output.decode()


def test_a_thousand_sockets_that_say_nothing_block_no_thread(
    emulator: RealtimeEmulator, tmp_path: Path
) -> None:
    """Who is not logged in, and never reads why, holds up no page of others."""
    with (
        Process("gthread", emulator.endpoint, tmp_path) as server,
        contextlib.ExitStack() as stack,
    ):
        cookie = server.log_in()
        sockets = [Peer(server, "").socket for _ in range(SOCKETS)]
        for each in sockets:
            stack.callback(each.close)
        page = server.get("/", cookie)

        assert "<html" in page
    assert [] == emulator.sessions
