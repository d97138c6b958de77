"""What becomes of connections when processes fork, end, or replace the threads."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from realtime_sync import RealtimeClient, RealtimeConnection
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator
from realtime_sync.recording import read_recording


ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds; a machine under load starts interpreters slowly
SESSION = {
    "output_modalities": ["text"],
    "audio": {"input": {"turn_detection": None}},
}
needs_fork = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # That a process with threads forks is what is tried here.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    with RealtimeEmulator(
        replies=lambda turn: "An answer.", settings=EmulatorSettings.instant()
    ) as emulator:
        yield emulator


@pytest.fixture(name="client")
def _client(emulator: RealtimeEmulator) -> RealtimeClient:
    return RealtimeClient(
        emulator.endpoint, "key", model="m", proxy="", session=SESSION
    )


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", script, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def in_child(work: object) -> int:
    """Fork; return the exit code of a child that does some work."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 1
        try:
            code = 0 if work() == "An answer." else 2  # type: ignore[operator]
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def ask_anew(client: RealtimeClient) -> str:
    """Ask over a new connection."""
    with client.connect() as connection:
        return connection.ask("Hello?").text


class TestFork:
    pytestmark = needs_fork

    def test_workers_of_a_busy_process(self, client: RealtimeClient) -> None:
        """A client that was made before the fork serves in children, too."""
        over = threading.Event()

        def keep_busy(connection: RealtimeConnection) -> int:
            answers = 0
            while not over.is_set():
                answers += connection.ask("Hello?").text == "An answer."
            return answers

        with client.connect() as connection, ThreadPoolExecutor(1) as pool:
            busy = pool.submit(keep_busy, connection)
            try:
                codes = [in_child(lambda: ask_anew(client)) for _ in range(8)]
            finally:
                over.set()

            assert busy.result(PATIENCE) > 0
            assert [0] * 8 == codes
            assert "An answer." == connection.ask("Still there?").text

    def test_child_that_ends_as_usual(self, emulator: RealtimeEmulator) -> None:
        """A child of `multiprocessing` that ends does not end its parent's session."""
        done = run(
            "import multiprocessing, sys, warnings\n"
            "warnings.simplefilter('ignore', DeprecationWarning)\n"
            "from realtime_sync import RealtimeClient\n"
            "def child():\n"
            "    try:\n"
            "        connection.ask('Hello?')\n"
            "    except RuntimeError as exc:\n"
            "        print(exc, flush=True)\n"
            "    with client.connect() as own:\n"
            "        print(own.ask('Hello?').text, flush=True)\n"
            "client = RealtimeClient(sys.argv[1], 'key', model='m', proxy='')\n"
            "with client.connect() as connection:\n"
            "    context = multiprocessing.get_context('fork')\n"
            "    process = context.Process(target=child)\n"
            "    process.start()\n"
            "    process.join(30)\n"
            "    print(process.exitcode, connection.ask('Hello?').text)\n",
            emulator.endpoint,
        )

        told = done.stdout.splitlines()
        assert "" == done.stderr
        assert "belongs to the process that opened it" in told[0]
        assert ["An answer.", "0 An answer."] == told[1:]

    def test_gunicorn(self, emulator: RealtimeEmulator, tmp_path: Path) -> None:
        """Workers of gunicorn ask over a client that was loaded before they forked."""
        pytest.importorskip("gunicorn")
        (tmp_path / "prefork.py").write_text(APP)
        address = f"unix:{tmp_path / 'gunicorn.sock'}"
        command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2"]
        command += ["-k", "gthread", "--threads", "4", "-b", address]
        command += ["--chdir", str(tmp_path), "prefork:application"]
        environment = {
            **os.environ,
            "ENDPOINT": emulator.endpoint,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
        }
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            try:
                booted = 0
                while booted < 2:
                    booted += "Booting worker" in process.stderr.readline()
                with ThreadPoolExecutor(8) as pool:
                    told = list(pool.map(get, [tmp_path / "gunicorn.sock"] * 24))
            finally:
                process.terminate()
                process.communicate(timeout=PATIENCE)

        assert {"An answer."} == {answer for _, answer in told}
        assert 0 == process.returncode


APP = """
import os

from realtime_sync import RealtimeClient

client = RealtimeClient(os.environ["ENDPOINT"], "key", model="m", proxy="")
opened_too_early = client.connect()


def application(environ, start_response):
    try:
        opened_too_early.ask("Hello?")
        answer = "a connection of the parent was used"
    except RuntimeError:
        with client.connect() as connection:
            answer = connection.ask("Hello?").text
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {answer}".encode()]
"""


def get(path: Path) -> tuple[str, str]:
    """Ask a server on a socket in the file system; return its process and answer."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(path))
        sock.sendall(b"GET / HTTP/1.0\r\nHost: here\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(4096), b"")).decode()
    process, _, words = answer.partition("\r\n\r\n")[2].partition(" ")
    return process, words


def test_gevent(emulator: RealtimeEmulator) -> None:
    """With gevent's threads in place of the system's, all is the same."""
    pytest.importorskip("gevent")
    done = run(
        "from gevent import monkey; monkey.patch_all()\n"
        "import sys, threading, gevent\n"
        "from realtime_sync import RealtimeClient, ResponseDone\n"
        "ticks = []\n"
        "def tick():\n"
        "    while True:\n"
        "        ticks.append(1)\n"
        "        gevent.sleep(0.001)\n"
        "gevent.spawn(tick)\n"
        "client = RealtimeClient(sys.argv[1], 'key', model='m', proxy='')\n"
        "with client.connect() as connection:\n"
        "    done = []\n"
        "    connection.on(ResponseDone, done.append)\n"
        "    texts = []\n"
        "    def ask():\n"
        "        with client.connect() as own:\n"
        "            texts.append(own.ask('Hello?').text)\n"
        "    others = [gevent.spawn(ask) for _ in range(5)]\n"
        "    print(connection.ask('Hello?').text)\n"
        "    gevent.joinall(others, raise_error=True)\n"
        "    try:\n"
        "        connection.wait_for(ResponseDone, timeout=0.05)\n"
        "    except TimeoutError:\n"
        "        print('timeout')\n"
        "    print(len(done), set(texts), len(texts), len(ticks) > 5)\n"
        "print(connection.closed, threading.active_count())\n",
        emulator.endpoint,
    )

    told = done.stdout.splitlines()
    assert "" == done.stderr
    assert ["An answer.", "timeout", "1 {'An answer.'} 5 True"] == told[:3]
    assert told[3].startswith("True ")


ENDINGS = {
    "at the end of the script": ("pass", 0),
    "by sys.exit()": ("sys.exit(3)", 3),
    "by an exception": ("raise LookupError('of the script')", 1),
    "amid audio": ("connection.append_input_audio(bytes(480_000))", 0),
    "with a thread that asks": (
        "threading.Thread(target=lambda: connection.ask('Hello?')).start()",
        0,
    ),
    "with a daemon that waits": (
        "threading.Thread(target=connection.recv, daemon=True).start()",
        0,
    ),
    "with a callback that blocks": (
        "connection.on('response.done', lambda event: threading.Event().wait())\n"
        "connection.create_response().wait_created()",
        0,
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_interpreter_ends(ending: str, emulator: RealtimeEmulator) -> None:
    """An open connection neither keeps a script from ending nor goes without a word."""
    code, expected = ENDINGS[ending]
    began = time.monotonic()
    done = run(
        "import sys, threading\n"
        "from realtime_sync import RealtimeClient\n"
        "client = RealtimeClient(\n"
        "    sys.argv[1], 'key', model='m', proxy='', close_timeout=2.0)\n"
        "connection = client.connect()\n"
        f"{code}\n",
        emulator.endpoint,
    )

    assert expected == done.returncode
    assert 1001 == emulator.sessions[0].wait_closed()[0]
    assert time.monotonic() - began < 30
    noise = [
        line
        for line in done.stderr.splitlines()
        if "LookupError" not in line and not line.startswith((" ", "Traceback"))
    ]
    assert [] == [line for line in noise if "still holds the thread" not in line]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no such limit")
def test_file_that_may_not_grow(emulator: RealtimeEmulator, tmp_path: Path) -> None:
    """A full disk ends a recording, not the session, and what is there can be read."""
    path = tmp_path / "call.jsonl"
    done = run(
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from realtime_sync import RealtimeClient\n"
        "from realtime_sync.recording import Recorder\n"
        "client = RealtimeClient(sys.argv[1], 'key', model='m', proxy='')\n"
        "faults = []\n"
        "with client.connect() as connection:\n"
        "    connection.on_error(faults.append)\n"
        "    recorder = Recorder(connection, sys.argv[2])\n"
        "    for _ in range(20):\n"
        "        connection.append_input_audio(bytes(4800))\n"
        "        connection.clear_input_audio()\n"
        "    answer = connection.ask('Hello?').text\n"
        "    recorder.close()\n"
        "print(answer, type(recorder.error).__name__, len(faults))\n",
        emulator.endpoint,
        str(path),
    )

    assert "An answer. OSError 1" == done.stdout.strip()
    assert list(read_recording(path))
