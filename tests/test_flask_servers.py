"""The bridge under the servers that people run Flask on, each started as a process."""

from __future__ import annotations

import importlib.util
import signal
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import trustme


pytest.importorskip("flask")
pytest.importorskip("wsproto")

from flask_bridge import WAIT
from flask_processes import SERVERS, Process
from websockets.exceptions import InvalidStatus

from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech


QUESTION = ToneSpeech().speak("What is the capital of Norway?") + bytes(48_000)
_MODULES = {
    "gthread": "gunicorn",
    "gevent": "gevent",
    "waitress": "waitress",
    "tls": "gunicorn",
}


def is_there(kind: str) -> bool:
    names = {_MODULES.get(kind, "flask"), "gunicorn" if kind == "gevent" else "flask"}
    return all(map(importlib.util.find_spec, names))


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> None:
    """Nothing to look for: what all tests share has threads that come and go."""


@pytest.fixture(name="emulator", scope="module")
def _emulator() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(speech="tone", settings=settings) as emulator:
        yield emulator


@pytest.fixture(name="servers", scope="module")
def _servers(
    emulator: RealtimeEmulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Process]]:
    """All servers; they start while the first of them is tried."""
    with ExitStack() as stack:

        def start(kind: str, **more: Any) -> Process:
            data = tmp_path_factory.mktemp(kind)
            process = Process(kind, emulator.endpoint, data, **more)
            return stack.enter_context(process)

        found = {kind: start(kind) for kind in SERVERS if is_there(kind)}
        if "gthread" in found:
            pem = tmp_path_factory.mktemp("tls") / "server.pem"
            files = ["--certfile", str(pem), "--keyfile", str(pem)]
            found["tls"] = start("gthread", more=files, trust=certificate(pem))
        yield found


def certificate(path: Path) -> ssl.SSLContext:
    """Write a certificate and its key; return what trusts it."""
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(path)
    )
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def server_of(servers: dict[str, Process], kind: str) -> Process:
    if kind not in servers:
        pytest.skip(f"{_MODULES[kind]} is not installed")
    return servers[kind]


@pytest.mark.parametrize("kind", ["flask", "gthread", "gevent", "tls"])
def test_a_browser_talks_until_the_server_ends(
    servers: dict[str, Process], kind: str
) -> None:
    """Speech goes both ways, and a server that ends says 1001 and ends in time."""
    server = server_of(servers, kind)
    cookie = server.log_in()
    with server.open(cookie) as browser, server.open(cookie) as idle:
        browser.say(QUESTION)
        heard = browser.expect_turn()
        audio = bytes(browser.audio)
        code = server.stop(signal.SIGTERM)

        assert "What is the capital of Norway?" == heard
        assert "The capital of Norway is Oslo." == ToneSpeech().transcribe(audio)
        assert 1001 == browser.wait_closed()[0]
        assert 1001 == idle.wait_closed()[0]
    assert code in (0, 143), server.output.decode()
    assert b"Traceback" not in server.output, server.output.decode()


def test_views_are_served_by_waitress(servers: dict[str, Process]) -> None:
    """A server that hands out no sockets streams text, and says what it cannot do."""
    server = server_of(servers, "waitress")
    cookie = server.log_in()

    text = server.get("/ask?q=What+is+the+capital+of+Norway", cookie)

    assert "Oslo" in text
    assert text.endswith('event: done\ndata: {"status":"completed"}\n\n')
    with pytest.raises(InvalidStatus) as refused:
        server.open(cookie)
    assert 501 == refused.value.response.status_code


def test_a_wrong_password_opens_nothing(servers: dict[str, Process]) -> None:
    """Who does not know the password gets no cookie that opens a conversation."""
    server = server_of(servers, "waitress")

    with pytest.raises(HTTPError) as refused:
        server.log_in("ada", "wrong")

    with refused.value:
        assert 401 == refused.value.code


def await_saved(folder: Path) -> None:
    """Return when there is a conversation in the store."""
    deadline = time.monotonic() + WAIT
    while not list(folder.glob("*.json")):
        assert time.monotonic() < deadline


def test_a_conversation_survives_a_killed_server(
    emulator: RealtimeEmulator, tmp_path: Path
) -> None:
    """After a server was killed, the next one goes on with the conversation."""
    with Process("flask", emulator.endpoint, tmp_path) as first:
        cookie = first.log_in()
        with first.open(cookie) as browser:
            browser.send(type="text", text="My name is Ada.")
            browser.expect("response_done")
            token = browser.greeting["conversation"]
            browser.send(type="text", text="A word that nobody waits for.")
            browser.expect("response_done")
            await_saved(tmp_path / "conversations")
            first.stop(signal.SIGKILL)
            code, _ = browser.wait_closed()
    with (
        Process("flask", emulator.endpoint, tmp_path) as second,
        second.open(cookie, resume=token) as again,
    ):
        said = [item["text"] for item in again.greeting["items"]]

        assert 1006 == code
        assert again.greeting["resumed"]
        assert "My name is Ada." == said[0]
