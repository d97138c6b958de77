"""The example deployment: nginx, two workers, one of them killed, a shared store."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest


pytest.importorskip("flask")
pytest.importorskip("wsproto")

from flask_bridge import WAIT, Browser
from flask_processes import EXAMPLES, Process

from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech


NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
REDIS = shutil.which("redis-server")
DEPLOYMENT = EXAMPLES / "flask_deployment"

pytestmark = pytest.mark.skipif(
    not NGINX
    or not REDIS
    or not all(map(importlib.util.find_spec, ("gunicorn", "redis"))),
    reason="needs nginx, redis-server, and the packages gunicorn and redis",
)


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> None:
    """Nothing to look for: what the test shares has threads that come and go."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def running(command: Sequence[str], word: bytes, folder: Path) -> Iterator[None]:
    """Run a program; go on when it has printed *word*."""
    program = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = threading.Event()
    output: list[bytes] = []

    def read() -> None:
        assert program.stdout
        for line in program.stdout:
            output.append(line)
            if word in line:
                said.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert said.wait(WAIT), b"".join(output).decode()
        yield
    finally:
        program.terminate()
        program.wait(WAIT)
        reader.join()
        assert program.stdout
        program.stdout.close()


@contextlib.contextmanager
def nginx(folder: Path, port: int, workers: Sequence[int]) -> Iterator[None]:
    """Run nginx with the configuration of the example, on other ports."""
    text = (DEPLOYMENT / "nginx.conf").read_text()
    for number, other in zip((8080, 8001, 8002), (port, *workers), strict=True):
        assert f":{number}" in text
        text = text.replace(f":{number}", f":{other}")
    # So that it says when it is there; and the test need not be root, or may be.
    text = text.replace("error_log stderr;", "error_log stderr notice;")
    (folder / "temp").mkdir()
    (folder / "nginx.conf").write_text(text)
    assert NGINX
    command = [NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    with running(command, b"start worker process ", folder):
        yield


def worker(endpoint: str, data: Path, redis: int) -> Process:
    configuration = DEPLOYMENT / "gunicorn.conf.py"
    more = [
        "-c",
        str(configuration),
        "-e",
        f"FLASK_REDIS_URL=redis://127.0.0.1:{redis}",
    ]
    return Process("gthread", endpoint, data, more=more)


def await_saved(port: int, count: int) -> None:
    """Return when so many conversations are in the store."""
    from redis import Redis

    deadline = time.monotonic() + WAIT
    with Redis(port=port) as store:
        while len(store.keys("realtime:*")) < count:
            assert time.monotonic() < deadline


def test_a_killed_worker_costs_no_conversation(tmp_path: Path) -> None:
    """A browser whose worker was killed goes on with the other one."""
    settings = EmulatorSettings.instant()
    redis, front = free_port(), free_port()
    store = [str(REDIS), "--port", str(redis), "--bind", "127.0.0.1", "--save", ""]
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        emulator = enter(RealtimeEmulator(speech="tone", settings=settings))
        first = enter(worker(emulator.endpoint, tmp_path, redis))
        second = enter(worker(emulator.endpoint, tmp_path, redis))
        enter(running(store, b"Ready to accept connections", tmp_path))
        cookie = first.log_in()
        assert second.log_in()
        enter(nginx(tmp_path, front, [first.port, second.port]))

        def connect(**start: object) -> Browser:
            url = f"ws://127.0.0.1:{front}/realtime"
            browser = enter(
                Browser(
                    url,
                    additional_headers={"Cookie": cookie},
                    origin=f"http://127.0.0.1:{front}",
                )
            )
            browser.send(type="start", **start)
            browser.greeting = browser.expect("connected")
            return browser

        # nginx takes turns: the first conversation is with the first worker.
        browsers = [connect(), connect()]
        for browser in browsers:
            browser.say(ToneSpeech().speak("My name is Ada.") + bytes(48_000))
            assert "My name is Ada." == browser.expect_turn()
            browser.send(type="text", text="A second word")
            browser.expect("response_done")
        await_saved(redis, len(browsers))

        first.kill()
        lost, kept = browsers
        assert 1006 == lost.wait_closed()[0]
        kept.send(type="text", text="Still there?")
        kept.expect("response_done")
        again = connect(resume=lost.greeting["conversation"])

        assert again.greeting["resumed"]
        said = [item["text"] for item in again.greeting["items"]]
        assert said[0] == "My name is Ada."
        again.send(type="text", text="Go on")
        again.expect("response_done")
