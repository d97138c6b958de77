"""
How many conversations an emulator holds: ``python -m benchmarks.emulator_load``.

The emulator runs in a process of its own, on one core; callers run on the others. Each
caller speaks and listens in real time: it appends 100 ms of sound every 100 ms, asks a
question every ten seconds, and plays the answer as it comes. What falls behind shows as
lateness: by how much a piece of an answer arrives after the moment at which a speaker
that began with the first piece needs it; and as the time from the end of the question
to the first sound of the answer, of which 200 ms are the silence that ends a turn.

With ``--cold`` it tells how long a new process takes from a question, appended at once,
to the first sound of its answer, and how much memory it takes, models and all.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import statistics
import subprocess
import sys
import time
from array import array
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from realtime_sync.audio import load_audio
from realtime_sync.emulator import ToneSpeech


__all__ = ["main"]

_SECOND = 48_000  # bytes of 16-bit PCM at 24 kHz
_PIECE = 4_800  # bytes: 100 ms
_QUIET = 500  # of 32,767
_CYCLE = 10.0  # seconds from a question to the next
_QUESTION = Path(__file__).parents[1] / "examples" / "audio" / "question.wav"


class Caller:
    """One conversation, and by how much the emulator was late in it."""

    def __init__(self, question: bytes, turns: int) -> None:
        self.lateness: list[float] = []
        self.waits: list[float] = []
        self._turns = turns
        padding = bytes(int(_CYCLE * _SECOND) - len(question))
        self._sound = question + padding
        # A recording may go on after its last word; the wait begins with that word.
        samples = array("h", question)
        last = max(i for i, sample in enumerate(samples) if abs(sample) > _QUIET)
        self._question_ends = 2 * last // _PIECE
        self._asked_at = 0.0
        self._playing: str | None = None
        self._due = 0.0

    async def call(self, url: str, delay: float) -> None:
        await asyncio.sleep(delay)
        async with connect(url, compression=None, max_size=None) as socket:
            listening = asyncio.create_task(self._listen(socket))
            await self._speak(socket)
            listening.cancel()

    async def _speak(self, socket: Any) -> None:
        due = time.perf_counter()
        for start in range(0, len(self._sound) * self._turns, _PIECE):
            offset = start % len(self._sound)
            audio = base64.b64encode(self._sound[offset : offset + _PIECE]).decode()
            event = {"type": "input_audio_buffer.append", "audio": audio}
            await socket.send(json.dumps(event))
            if offset // _PIECE == self._question_ends:
                self._asked_at = time.perf_counter()
            due += 0.1
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def _listen(self, socket: Any) -> None:
        async for message in socket:
            if '"response.output_audio.delta"' in message:
                self._note(json.loads(message), time.perf_counter())

    def _note(self, event: dict[str, Any], now: float) -> None:
        if event["response_id"] != self._playing:
            self._playing, self._due = event["response_id"], now
            self.waits.append(now - self._asked_at)
        self.lateness.append(max(0.0, now - self._due))
        self._due += len(event["delta"]) * 3 // 4 / _SECOND


def _show(name: str, values: list[float]) -> None:
    cuts = statistics.quantiles(values, n=100)
    print(
        f"{name}: median {cuts[49] * 1000:.0f} ms, 99 % {cuts[98] * 1000:.0f} ms, "
        f"most {max(values) * 1000:.0f} ms ({len(values)} of them)"
    )


def _measure(pid: int) -> tuple[float, float]:
    """Return the CPU seconds and the MiB of a process; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return cpu, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _run(url: str, callers: list[Caller]) -> None:
    # Spread, as people are, who do not all speak in the same moment.
    delays = [random.random() * _CYCLE for _ in callers]
    calls = [c.call(url, delay) for c, delay in zip(callers, delays, strict=True)]
    await asyncio.gather(*calls)


def _is_audible(pcm: bytes) -> bool:
    return max(map(abs, array("h", pcm)), default=0) > _QUIET


def _ask(socket: Any, question: bytes) -> float:
    """Return the seconds from a question to the first sound of its answer."""
    started = time.perf_counter()
    audio = base64.b64encode(question + bytes(_SECOND // 2)).decode()
    socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
    heard = None
    while (event := json.loads(socket.recv()))["type"] != "response.done":
        is_sound = event["type"] == "response.output_audio.delta"
        if is_sound and heard is None and _is_audible(base64.b64decode(event["delta"])):
            heard = time.perf_counter()
    assert heard is not None
    return heard - started


def _cold(speech: str) -> None:
    from websockets.sync.client import connect as connect_sync

    from realtime_sync.emulator import RealtimeEmulator

    started = time.perf_counter()
    with RealtimeEmulator(speech=speech) as emulator:
        url = f"{emulator.endpoint}/v1/realtime?model=any"
        with connect_sync(url, max_size=None, proxy=None) as socket:
            opened = time.perf_counter() - started
            before = _measure(os.getpid())[1]
            waits = [_ask(socket, _question(speech)) for _ in range(4)]
            after = _measure(os.getpid())[1]
    later = ", ".join(f"{wait:.2f}" for wait in waits[1:])
    print(f"start and connect: {opened:.2f} s")
    print(f"first question to first sound: {waits[0]:.2f} s; later ones: {later} s")
    print(f"memory, with the client: {before:.0f} MiB before, {after:.0f} MiB after")


def _question(speech: str) -> bytes:
    if speech == "tone":
        return ToneSpeech().speak("What is the capital of Norway?")
    return load_audio(_QUESTION).pcm


def main() -> None:
    """Run one load and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speech", choices=["tone", "real"], default="tone")
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--cold", action="store_true", help="measure a cold start")
    options = parser.parse_args()
    if options.cold:
        _cold(options.speech)
        return
    _load(options)


def _load(options: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "realtime_sync", "emulate", "--port", "0"]
    with subprocess.Popen(
        [*command, "--speech", options.speech, "--speed", "1"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    ) as emulator:
        assert emulator.stdout is not None
        url = emulator.stdout.readline().split()[1].rstrip(";")
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
        question = _question(options.speech)
        callers = [Caller(question, options.turns) for _ in range(options.sessions)]
        started, (cpu, _) = time.perf_counter(), _measure(emulator.pid)
        asyncio.run(_run(f"{url}/v1/realtime?model=any", callers))
        elapsed = time.perf_counter() - started
        used, memory = _measure(emulator.pid)
        emulator.terminate()
    answers = sum(len(caller.waits) for caller in callers)
    load = os.getloadavg()[0]
    print(
        f"{options.sessions} sessions, {options.speech} speech, {elapsed:.0f} s, "
        f"load average {load:.1f} with this"
    )
    print(f"answers: {answers} of {options.sessions * options.turns}")
    print(f"emulator: {(used - cpu) / elapsed:.0%} of a core, {memory:.0f} MiB")
    _show("lateness", [late for caller in callers for late in caller.lateness])
    _show("question to answer", [wait for caller in callers for wait in caller.waits])


if __name__ == "__main__":
    main()
