"""Exit codes, errors in two lines, JSON, and what is asked for wrongly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import servers
from click.testing import CliRunner
from running import QUESTION, Run

from realtime_sync import (
    ConnectError,
    ConnectionClosedError,
    DecodeError,
    ErrorDetails,
    HandshakeError,
    ServerError,
    SessionExpired,
)
from realtime_sync.cli._app import app
from realtime_sync.cli._outcome import ExitCode, one_line, outcome_of
from realtime_sync.cli._output import harmless
from realtime_sync.emulator import Fault, RealtimeEmulator
from realtime_sync.recording import RecordingError


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("exc", "code", "remedy"),
    [
        (HandshakeError(503, hint="Wait."), 5, "Wait."),
        (ConnectError("no way: check the proxy"), 3, "check the proxy"),
        (ConnectError("no way"), 3, "doctor"),
        (ConnectionClosedError(1006, initiated_by="network"), 3, "doctor"),
        (ConnectionClosedError(1011, initiated_by="server"), 5, "doctor"),
        (SessionExpired(1001, initiated_by="server"), 5, "again"),
        (DecodeError("strange"), 5, "doctor"),
        (ServerError(ErrorDetails(type="t", message="no")), 5, "see 'x --help'"),
        (RecordingError("'x' is no recording"), 1, "name a file"),
        (TimeoutError("too long"), 6, "doctor"),
        (ValueError("bad; give another"), 1, "give another"),
        (ValueError("bad"), 1, "see 'x --help'"),
        (ImportError("needs y: pip install y"), 1, "pip install y"),
        (FileNotFoundError(2, "No such file", "a.wav"), 1, "path"),
        (OSError("no device"), 1, "device"),
    ],
)
def test_outcome(exc: Exception, code: int, remedy: str) -> None:
    """Each kind of error has its exit code, and something to do about it."""
    outcome = outcome_of(exc, "x --help")

    assert code == outcome.code
    assert remedy in outcome.remedy
    assert "\n" not in outcome.what + outcome.remedy


def test_words_of_the_library_become_options() -> None:
    """What a message calls by the name of an argument is named as an option."""
    text = "model is missing: give the name of the deployment as model="

    assert "model is missing: give its name with --model" == one_line(text)
    assert "or give --overwrite" == one_line("or pass overwrite=True")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("http=401", ExitCode.DENIED),
        ("http=429", ExitCode.REFUSED),
        ("refuse", ExitCode.UNREACHABLE),
        ("close=1011", ExitCode.REFUSED),
        ("close=1011@response.created", ExitCode.REFUSED),
        ("cut@response.created", ExitCode.UNREACHABLE),
        ("drop@response.output_audio.delta", ExitCode.DONE),
    ],
)
def test_fault_ends_with_its_code(
    fault: str, code: int, emulator: RealtimeEmulator, service: list[str], run: Run
) -> None:
    """What the service does wrong ends a command with the code that says so."""
    emulator.inject(Fault.parse(fault))
    ran = run("talk", QUESTION, *service)

    assert code == ran.code
    assert (0 if code == 0 else 2) == len(ran.err.splitlines())


def test_refused_option_is_looked_up_in_the_help(service: list[str], run: Run) -> None:
    """What the service says of an option is told without the doctor, who has none."""
    what, remedy = run("talk", QUESTION, *service, "--voice", "nope").err.splitlines()

    assert "Invalid value: 'nope'" in what
    assert "see 'realtime-sync talk --help'" == remedy


def test_closed_port_is_not_reachable(run: Run) -> None:
    """Nobody listening is exit code 3, and what to do is said."""
    endpoint = f"ws://127.0.0.1:{servers.refused_port()}"
    to = ("--endpoint", endpoint, "--model", "m", "--proxy", "", "--no-reconnect")
    ran = run("speak", "Hello", *to)

    assert ExitCode.UNREACHABLE == ran.code
    assert "check the host and the port" in ran.err.splitlines()[1]


def test_silence_times_out(
    emulator: RealtimeEmulator, service: list[str], run: Run
) -> None:
    """A session that does not come is exit code 6."""
    emulator.inject(Fault.freeze())
    ran = run("speak", "Hello", *service, "--open-timeout", "0.3")

    assert ExitCode.TIMED_OUT == ran.code


def test_errors_are_objects_for_machines(
    emulator: RealtimeEmulator, service: list[str], run: Run
) -> None:
    """With --json an error is one object on stderr, and stdout has results only."""
    emulator.inject(Fault.http(401))
    ran = run("talk", QUESTION, *service, "--json")

    assert "" == ran.out
    (error,) = ran.remarks
    assert ("error", 4) == (error["event"], error["exit_code"])
    assert error["message"]
    assert error["remedy"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["talk"], "name recordings"),
        (["talk", "--nope"], "--nope"),
        (["talk", "no-such.wav"], "no-such.wav"),
        (["nope"], "nope"),
        (["--nope"], "--nope"),
        (["speak", " "], "nothing to say"),
        (["transcribe"], "FILES"),
        (["speak", "x", "--open-timeout", "0"], "0"),
        (["emulate", "--port", "99999"], "99999"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, run: Run) -> None:
    """What is wrong with a command line is said in two lines, with exit code 2."""
    ran = run(*arguments)
    what, remedy = ran.err.splitlines()

    assert ExitCode.USAGE == ran.code
    assert words in what
    assert "--help" in remedy


@pytest.mark.parametrize(
    "arguments",
    [
        ("talk", "x.wav", "-o", "x.wav"),
        ("record", "x.wav", "x.wav", "--overwrite"),
        ("transcribe", "x.wav", "-o", "x.wav"),
    ],
)
def test_what_is_read_is_not_written_over(
    arguments: list[str], run: Run, tmp_path: Path
) -> None:
    """A recording that is asked with stays as it is, however the output is named."""
    shutil.copy(QUESTION, "x.wav")
    ran = run(*arguments)

    assert ExitCode.USAGE == ran.code
    assert QUESTION.read_bytes() == (tmp_path / "x.wav").read_bytes()


def test_usage_errors_are_objects_too(run: Run) -> None:
    """Wrong usage is told as JSON where JSON is asked for."""
    ran = run("talk", "--json")

    assert 2 == ran.remarks[-1]["exit_code"]


def test_endpoint_without_a_model(run: Run) -> None:
    """A model that is missing is asked for by the option's name."""
    ran = run(
        "speak", "x", "--endpoint", "https://r.openai.azure.com", "--key-env", "PATH"
    )

    assert 1 == ran.code
    assert "--model" in ran.err.splitlines()[1]


@pytest.mark.parametrize("error", [ZeroDivisionError, ImportError("no name 'x'")])
def test_unknown_error_is_not_hidden(
    error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of the program itself is a traceback, for whoever reports it."""

    @app.command("broken")
    def broken() -> None:
        raise error

    monkeypatch.setattr(
        type(app), "get_command", lambda self, ctx, name: self.commands[name]
    )
    with pytest.raises((ZeroDivisionError, ImportError)):
        app.main(["broken"], standalone_mode=False)
    app.commands.pop("broken")


def test_runs_under_clicks_own_runner() -> None:
    """The program is a click command like any other, and exits with its code."""
    result = CliRunner().invoke(app, ["talk"])

    assert 2 == result.exit_code


def test_commands_are_listed(run: Run) -> None:
    """The help names every command, and each has a help of its own."""
    ran = run("--help")

    assert 0 == ran.code
    for name in app.list_commands(click.Context(app)):
        assert f"\n  {name} " in ran.out
        assert 0 == run(name, "-h").code


def test_version(run: Run) -> None:
    """The version is told."""
    from realtime_sync import __version__

    assert f"realtime-sync, version {__version__}\n" == run("--version").out


@pytest.mark.parametrize("library", ["click", "rich"])
def test_missing_library_is_told_with_its_extra(library: str) -> None:
    """Without click or rich, two lines say what to install."""
    script = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from realtime_sync.cli import main; sys.exit(main(['talk']))"
    )
    ended = _python(script)

    assert 1 == ended.returncode
    assert 2 == len(ended.stderr.splitlines())
    assert "pip install 'realtime_sync[cli]'" in ended.stderr


def test_nothing_to_talk_to() -> None:
    """Without an endpoint and without the emulator, both ways out are named."""
    script = (
        "import sys; sys.modules['websockets'] = None\n"
        "from realtime_sync.cli import main; sys.exit(main(['speak', 'x']))"
    )
    remedy = _python(script).stderr.splitlines()[-1]

    assert "pip install 'realtime_sync[emulator]'" in remedy
    assert "AZURE_OPENAI_ENDPOINT" in remedy


def test_library_does_without_click_and_rich() -> None:
    """Importing the library, or its doctor, imports neither of them."""
    script = (
        "import sys, realtime_sync, realtime_sync.cli, realtime_sync.doctor\n"
        "sys.exit(bool({'click', 'rich'} & set(sys.modules)))"
    )

    assert 0 == _python(script).returncode


def _python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_text_cannot_steer_the_terminal() -> None:
    """Escapes and other controls in what is printed are made visible."""
    text = "a\x1b[31mb\x07c\x9bd\r\n\te"

    assert "a\ufffd[31mb\ufffdc\ufffdd\n\te" == harmless(text)
