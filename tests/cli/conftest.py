"""The command line in this process: its exit code, and what it prints."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Ran, Run

from realtime_sync.cli import main
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator


_VARIABLES = (
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_DEPLOYMENT",
    "OPENAI_API_VERSION",
    "OPENAI_API_KEY",
    "REALTIME_SYNC_PROFILE",
    "REALTIME_SYNC_PROFILE_FILE",
    "FORCE_COLOR",
)


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REALTIME_SYNC_EMULATOR_SPEECH", "tone")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(name="run")
def _run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line, with lines for its stdin."""

    def run(*arguments: object, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    """An emulator that takes no time, and any key."""
    with RealtimeEmulator(
        speech="tone", settings=EmulatorSettings.instant(close_timeout=0.1)
    ) as emulator:
        yield emulator


@pytest.fixture(name="service")
def _service(emulator: RealtimeEmulator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that lead to *emulator* as to a service, once."""
    monkeypatch.setenv("THE_KEY", "k")
    return [
        *("--endpoint", emulator.endpoint, "--model", "gpt-realtime"),
        *("--key-env", "THE_KEY", "--proxy", "", "--no-reconnect"),
    ]
