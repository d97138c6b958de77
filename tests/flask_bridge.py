"""A Flask application on a port of this machine, and a browser without a page."""

from __future__ import annotations

import contextlib
import json
import threading
from types import TracebackType
from typing import Any

from flask import Flask
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler


WAIT = 60.0  # seconds that a correct run never needs


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadedWSGIServer):
    """The development server, whose threads can be waited for."""

    def __init__(self, app: Any) -> None:
        super().__init__("127.0.0.1", 0, app, _Quiet)
        self.threads: list[threading.Thread] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address)
        )
        self.threads.append(thread)
        thread.start()


class Served:
    """Serves an application, as the development server does."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._server = _Server(app)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Served:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for realtime in self.app.extensions.get("bridges", ()):
            realtime.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for thread in self._server.threads:
            thread.join(WAIT)

    def open(
        self,
        path: str = "/realtime",
        *,
        start: bool | dict[str, Any] = True,
        **more: Any,
    ) -> Browser:
        """Open a socket; say that it starts, unless told otherwise."""
        browser = Browser(f"ws://{self.host}{path}", **more)
        if start:
            browser.send(type="start", **(start if isinstance(start, dict) else {}))
            browser.greeting = browser.expect("connected")
        return browser


class Browser:
    """What a page would do with the socket, and what it hears."""

    def __init__(self, url: str, **options: Any) -> None:
        # Without a limit, or a close would wait for what nobody reads.
        options = {"compression": None, "max_queue": None, **options}
        self._opened = connect(url, open_timeout=WAIT, max_size=None, **options)
        self.socket = self._opened.__enter__()
        self.greeting: dict[str, Any] = {}
        self.audio = bytearray()
        self.seen: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, traceback)

    def send(self, **message: Any) -> None:
        self.throw(json.dumps(message))

    def say(self, pcm: bytes, piece: int = 4800) -> None:
        for start in range(0, len(pcm), piece):
            self.throw(pcm[start : start + piece])

    def throw(self, message: str | bytes) -> None:
        """Send a message, whether it is still wanted or not."""
        with contextlib.suppress(ConnectionClosed):
            self.socket.send(message)

    def expect(self, *kinds: str, **facts: Any) -> dict[str, Any]:
        """Return the next message of some kinds, with such facts; keep the audio."""
        while True:
            received = self.socket.recv(timeout=WAIT)
            if isinstance(received, bytes):
                self.audio += received
                continue
            message: dict[str, Any] = json.loads(received)
            self.seen.append(message)
            if message["type"] in kinds and facts.items() <= message.items():
                return message

    def expect_turn(self) -> str:
        """Return what was heard of the user, when the answer to it is complete."""
        missing = {"heard": "", "response_done": ""}
        heard = ""
        while missing:
            message = self.expect(*missing)
            if message["type"] == "heard" and message["final"]:
                heard = message["text"]
            if message.get("final", True):
                missing.pop(message["type"])
        return heard

    def wait_closed(self) -> tuple[int, str]:
        """Return the code and the reason with which the socket is closed."""
        try:
            while True:
                received = self.socket.recv(timeout=WAIT)
                if isinstance(received, bytes):
                    self.audio += received
                else:
                    self.seen.append(json.loads(received))
        except ConnectionClosed as exc:
            close = exc.rcvd
            return (close.code, close.reason) if close else (1006, "")
