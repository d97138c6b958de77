"""`python -m realtime_sync emulate` serves what its options say, until it is told."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_sync import (
    AuthenticationError,
    ConnectionClosedError,
    HandshakeError,
    RealtimeClient,
)
from realtime_sync.cli import main
from realtime_sync.cli._faults import fault_of
from realtime_sync.emulator import Fault, RealtimeEmulator
from realtime_sync.recording import Recorder


ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def _serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command on a free port; yield the process and its endpoint."""
    command = [sys.executable, "-m", "realtime_sync", "emulate", "--port", "0"]
    with subprocess.Popen(
        [*command, "--speech", "tone", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[1].rstrip(";")
        finally:
            process.kill()


def _client(
    endpoint: str,
    key: str = "any",
    model: str = "any",
    ssl_context: ssl.SSLContext | None = None,
) -> RealtimeClient:
    return RealtimeClient(
        endpoint, key, model=model, ssl_context=ssl_context, reconnect=None
    )


def test_serves_wss_until_it_is_terminated(tmp_path: Path) -> None:
    """TLS with the authority in a file; SIGTERM says goodbye to clients."""
    ca_file = tmp_path / "ca.pem"
    with _serving("--ca-file", str(ca_file)) as (process, endpoint):
        assert process.stdout is not None
        printed = process.stdout.readline()
        context = ssl.create_default_context(cafile=str(ca_file))
        with _client(endpoint, ssl_context=context).connect() as connection:
            process.terminate()
            with pytest.raises(ConnectionClosedError) as caught:
                for _ in connection.events(timeout=60):
                    pass
            assert 0 == process.wait(20)

    assert f"CA file: {ca_file}\n" == printed
    assert endpoint.startswith("wss://")
    assert 1001 == caught.value.code


def test_ends_with_ctrl_c() -> None:
    """SIGINT ends it with exit code 130 and without a traceback."""
    with _serving() as (process, _):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert 130 == process.returncode
    assert "" == errors


def test_options_are_obeyed() -> None:
    """Keys, deployments, the session's age, and faults in their order."""
    with _serving(
        *("--api-key", "good", "--deployment", "mine", "--session-seconds", "0.05"),
        *("--fault", "http=503", "--speed", "inf", "--response-delay", "0"),
    ) as (_, endpoint):
        with pytest.raises(HandshakeError, match="503"):
            _client(endpoint, "good", "mine").connect()
        with pytest.raises(AuthenticationError):
            _client(endpoint, "bad", "mine").connect()
        with pytest.raises(HandshakeError, match="404"):
            _client(endpoint, "good", "yours").connect()
        with (
            _client(endpoint, "good", "mine").connect() as connection,
            pytest.raises(ConnectionClosedError) as caught,
        ):
            for _ in connection.events(timeout=60):
                pass

    assert 1001 == caught.value.code


def test_faults_are_repeated_where_it_is_asked_for() -> None:
    """With `--repeat-faults` each connection meets the fault."""
    with _serving("--fault", "http=429", "--repeat-faults") as (_, endpoint):
        for _ in range(3):
            with pytest.raises(HandshakeError, match="429"):
                _client(endpoint).connect()


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["--fault", "rain"], "there is no fault 'rain'", 2),
        (["--fault", "http=abc"], "takes a number", 2),
        (["--fault", "drop@respnse.created"], "use 'response.created'", 2),
        (["--fault", "drop=3"], "has no value", 2),
        (["--speed", "0"], "speed", 2),
        (["--response-delay", "-1"], "response-delay", 2),
        (["--session-seconds", "0"], "session-seconds", 2),
        (["--whisper-model", "/nowhere"], "leave it out", 1),
        (["--speech", "real", "--whisper-model", "/nowhere"], "/nowhere", 1),
        (["--recording", __file__], "is no recording", 1),
    ],
)
def test_says_what_is_wrong(
    arguments: list[str], words: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong option ends the command with a sentence and an exit code."""
    if "real" in arguments:
        pytest.importorskip("hibari", reason="needs the extra speech")
    ended = main(["emulate", "--port", "0", "--speech", "tone", *arguments])

    assert code == ended
    assert re.search(re.escape(words), capsys.readouterr().err)


def test_says_that_the_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that another process listens on is an error that is told."""
    with _serving() as (_, endpoint):
        port = endpoint.rpartition(":")[2]
        code = main(["emulate", "--port", port, "--speech", "tone"])

    assert 1 == code
    assert "in use" in capsys.readouterr().err


def test_says_which_extra_is_missing() -> None:
    """Without the extra, the command ends with how to install it."""
    script = (
        "import sys; sys.modules['websockets'] = None\n"
        "from realtime_sync.cli import main; sys.exit(main(['emulate']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 1 == ended.returncode
    assert "pip install 'realtime_sync[emulator]'" in ended.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http=429,retry-after=2.5", Fault.http(429, retry_after=2.5)),
        (
            "http,retry-after=1,message=busy",
            Fault.http(503, message="busy", retry_after=1),
        ),
        (
            "close=1008,reason=go away,session=2@response.done",
            Fault.close(1008, "go away", at="response.done", session=2),
        ),
        ("close,times=3@@5", Fault.close(at=5, after=True, times=3)),
        ("drop,times=inf@session.updated", Fault.drop("session.updated", times=None)),
        ("error=bad,message=No.", Fault.error("bad", "No.")),
        (
            "error=bad,type=invalid_request_error,param=voice,event-id=e",
            Fault.error(
                "bad",
                error_type="invalid_request_error",
                param="voice",
                event_id="e",
            ),
        ),
        ("drop,skip=2@response.done", Fault.drop("response.done", skip=2)),
        ("redirect=wss://x/a,b", Fault.redirect("wss://x/a,b")),
        ("freeze=2", Fault.freeze(2.0)),
    ],
)
def test_faults_have_all_that_faults_can_have(text: str, expected: Fault) -> None:
    """Session, number of times, reason and Retry-After stand behind commas."""
    assert expected == fault_of(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cut,retry-after=2", "belongs to the fault http"),
        ("cut,session=one", "takes a number"),
        ("cut,param=x", "belongs to the fault error"),
        ("cut,colour=red", "'colour=red' is no addition to a fault"),
        ("cut,skip=1.5", "skip is a whole number"),
        ("http=429,skip=1", "waits for no event"),
    ],
)
def test_additions_that_make_no_sense(text: str, words: str) -> None:
    """What cannot stand behind a comma is refused."""
    with pytest.raises(ValueError, match=words):
        fault_of(text)


def test_serves_a_recording(tmp_path: Path) -> None:
    """With --recording every client gets the server's side of it."""
    path = tmp_path / "call.jsonl"
    with (
        RealtimeEmulator(speech="tone", replies=["Recorded."]) as emulator,
        _client(emulator.endpoint).connect() as connection,
        Recorder(connection, path),
    ):
        connection.ask("Hello?", response={"output_modalities": ["text"]})
    with (
        _serving("--recording", str(path)) as (_, endpoint),
        _client(endpoint).connect() as connection,
    ):
        answer = connection.ask("Hello?", response={"output_modalities": ["text"]})

    assert "Recorded." == answer.text


def test_first_line_is_an_object_for_machines() -> None:
    """With --json the endpoint is in an object."""
    with subprocess.Popen(
        [sys.executable, "-m", "realtime_sync", "emulate", "--port", "0", "--json"],
        cwd=ROOT,
        env={**os.environ, "REALTIME_SYNC_EMULATOR_SPEECH": "tone"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        served = json.loads(process.stdout.readline())
        process.terminate()
        process.communicate(timeout=60)

    assert "serving" == served["event"]
    assert served["endpoint"].startswith("ws://127.0.0.1:")
