"""A process that runs an emulator ends when its work is done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


_SCRIPT = """
from realtime_sync import RealtimeClient
from realtime_sync.emulator import RealtimeEmulator

emulator = RealtimeEmulator(speech="tone")
emulator.start()
client = RealtimeClient(emulator.endpoint, "any-key", model="any")
kept = RealtimeClient.emulated()
connection = client.connect()
print(client.ask("Hello.").text, kept.ask("Hello.").text)
"""


def test_script_that_closes_nothing_ends() -> None:
    """Globals that hold emulators, clients and connections do not keep it alive."""
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert 2 == ended.stdout.count("Hello! How can I help you?")
    assert "Traceback" not in ended.stderr
