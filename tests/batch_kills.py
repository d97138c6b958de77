"""A batch in a process of its own, killed at random moments and begun again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from realtime_sync import ask_many
from realtime_sync.client import RealtimeClient
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator


PATIENCE = 60.0  # seconds after which a test has failed
_ROOT = Path(__file__).parents[1]


def work(endpoint: str, journal: str, count: int) -> None:
    """Run the batch: ask *count* questions, and print each that ended now."""
    client = RealtimeClient(endpoint, "any", model="m", proxy="")
    questions = {f"q{number}": f"Say {number}." for number in range(count)}
    with ask_many(questions, client, journal=journal) as batch:
        for result in batch:
            if not result.replayed:
                print(result.key, flush=True)


def kill_and_count(journal: Path, *, items: int, kills: int, seed: int) -> list[int]:
    """
    Run a batch that is killed, and return how often each item has ended.

    Args:
        journal: The file that remembers.
        items: How many items there are.
        kills: How often it is killed before it may end.
        seed: Of the moments at which it is.
    """
    chance = random.Random(seed)
    settings = EmulatorSettings.instant(response_delay=0.01, record=False)
    with RealtimeEmulator(speech="tone", settings=settings) as emulator:
        arguments = [emulator.endpoint, str(journal), str(items)]
        for _ in range(kills):
            _run(arguments, kill_after=chance.randrange(items // kills), chance=chance)
        _run(arguments, kill_after=None, chance=chance)
    lines = journal.read_bytes().splitlines()
    ended = Counter(json.loads(line)["key"] for line in lines[1:])
    return [ended[f"q{number}"] for number in range(items)]


def _run(
    arguments: list[str], *, kill_after: int | None, chance: random.Random
) -> None:
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=_ROOT,
        env={"PYTHONPATH": str(_ROOT)},
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(kill_after or 0):
            process.stdout.readline()
        if kill_after is not None:
            try:  # amid whatever it does next
                process.wait(chance.uniform(0, 0.02))
            except subprocess.TimeoutExpired:
                process.kill()
        _, said = process.communicate(timeout=PATIENCE)

    assert (0 if kill_after is None else -9) == process.returncode, said


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]))
