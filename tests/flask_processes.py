"""Servers of the example application, each a process of its own."""

from __future__ import annotations

import contextlib
import http.cookiejar
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from flask_bridge import WAIT, Browser


ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
_START = 60.0  # seconds in which a server listens, on a busy machine
_LISTENS = re.compile(rb"(?:Running on|Listening at:?|Serving on) https?://[^ ]*:(\d+)")

SERVERS = {
    "flask": ["-m", "flask", "--app", str(EXAMPLES / "flask_app"), "run"],
    "gthread": ["-m", "gunicorn", "-k", "gthread", "--threads", "20", "flask_app:app"],
    "gevent": ["-m", "gunicorn", "-k", "gevent", "flask_app:app"],
    "waitress": ["-m", "waitress", "flask_app:app"],
}
_PORT = {
    "flask": "--port={}",
    "gthread": "--bind=127.0.0.1:{}",
    "gevent": "--bind=127.0.0.1:{}",
    "waitress": "--listen=127.0.0.1:{}",
}


class Process:
    """
    A server of the example application.

    Args:
        kind: Which server.
        endpoint: Of the service.
        data: The folder that outlives the server.
        port: To listen on; 0 takes a free one.
        more: Further arguments of the server.
        trust: What to connect with, if it has TLS.
    """

    def __init__(
        self,
        kind: str,
        endpoint: str,
        data: Path,
        *,
        port: int = 0,
        more: Sequence[str] = (),
        trust: ssl.SSLContext | None = None,
    ) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{EXAMPLES}",
            "PYTHONUNBUFFERED": "1",
            "AZURE_OPENAI_ENDPOINT": endpoint,
            "AZURE_OPENAI_API_KEY": "key",
            "AZURE_OPENAI_DEPLOYMENT": "gpt-realtime",
            "FLASK_DATA_FOLDER": str(data),
            "HOME": str(data),  # gunicorn keeps a socket there
        }
        program, *arguments = SERVERS[kind]
        command = [program, *arguments[:1], *more, _PORT[kind].format(port)]
        if kind == "flask":
            command = [program, *arguments, *more, _PORT[kind].format(port)]
        else:
            command += arguments[1:]
        self._process = subprocess.Popen(
            [sys.executable, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group with its workers
        )
        self._trust = trust
        self._s = "s" if trust else ""
        self.output = b""
        self.port = 0
        self._listens = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self._reader.join()
        assert self._process.stdout
        self._process.stdout.close()

    @property
    def host(self) -> str:
        """Where it listens."""
        assert self._listens.wait(_START), self.output.decode()
        assert self.port, self.output.decode()
        return f"127.0.0.1:{self.port}"

    def log_in(self, user: str = "ada", password: str = "lovelace") -> str:
        """Return the cookie of a user."""
        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=self._trust),
            urllib.request.HTTPCookieProcessor(jar),
        )
        form = urllib.parse.urlencode({"user": user, "password": password}).encode()
        opener.open(f"http{self._s}://{self.host}/login", form, timeout=_START).close()
        return "; ".join(f"{each.name}={each.value}" for each in jar)

    def get(self, path: str, cookie: str) -> str:
        request = urllib.request.Request(f"http://{self.host}{path}")
        request.add_header("Cookie", cookie)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_START) as response:
            return str(response.read().decode())

    def open(self, cookie: str, **start: object) -> Browser:
        """Open a conversation, as the page of a user does."""
        browser = Browser(
            f"ws{self._s}://{self.host}/realtime",
            additional_headers={"Cookie": cookie},
            origin=f"http{self._s}://{self.host}",
            ssl=self._trust,
        )
        browser.send(type="start", **start)
        browser.greeting = browser.expect("connected")
        return browser

    def kill(self) -> None:
        """End it at once, with all its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Let it end; return its exit code."""
        self._process.send_signal(number)
        return self._process.wait(WAIT)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.output += line
            found = _LISTENS.search(line)
            if found and not self.port:
                self.port = int(found[1])
                self._listens.set()
        self._listens.set()
