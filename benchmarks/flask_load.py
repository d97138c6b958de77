"""
How many browsers a worker holds: ``python -m benchmarks.flask_load``.

A gunicorn worker (gthread, or gevent) runs the bridge in a process of its own, and the
emulator in another one. Each browser speaks and listens in real time: it sends 40 ms of
sound every 40 ms, asks a question every ten seconds, and plays the answer as it comes.
What is told of the worker is its own: processor time for each session, memory, threads.
What falls behind shows as lateness: by how much a piece of an answer arrives after the
moment at which a loudspeaker that began with the first piece needs it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from realtime_sync.audio import load_audio


__all__ = ["main"]

ROOT = Path(__file__).parents[1]
_SECOND = 48_000  # bytes of 16-bit PCM at 24 kHz
_PIECE = 1_920  # bytes: 40 ms
_CYCLE = 10.0  # seconds from a question to the next
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")

APP = """
import os
from flask import Flask
from realtime_sync import RealtimeClient
from realtime_sync.flask import Limits, Realtime

app = Flask(__name__)
client = RealtimeClient(os.environ["ENDPOINT"], "key", model="m", proxy="")
many = Limits(sessions=10_000, sessions_per_user=10_000, duration=36_000)
Realtime(app, client, public=True, limits=many)
"""


class Program:
    """A process that says on which port it listens."""

    def __init__(self, command: list[str], folder: Path, **more: str) -> None:
        path = os.pathsep.join([str(ROOT), str(folder)])
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env={**os.environ, **more, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout
        for line in self.process.stdout:
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                break
        else:
            raise SystemExit("the server did not start")

    def pid(self) -> int:
        """The process that does the work: the only child, if there is one."""
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return int(children[0]) if children else own

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Worker:
    """What a process has taken since this was made."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self._began = time.perf_counter()
        self._used = self._seconds()

    def _seconds(self) -> float:
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    @property
    def load(self) -> float:
        """The share of a core."""
        passed = time.perf_counter() - self._began
        return (self._seconds() - self._used) / passed

    @property
    def megabytes(self) -> float:
        return int((self._folder / "statm").read_text().split()[1]) * _PAGE / 1e6

    @property
    def threads(self) -> int:
        return len(list((self._folder / "task").iterdir()))


class Visitor:
    """One browser, and by how much it was kept waiting."""

    def __init__(self, question: bytes) -> None:
        self.lateness: list[float] = []
        self.answers = 0
        self._sound = question + bytes(int(_CYCLE * _SECOND) - len(question))
        self._item: str | None = None
        self._due = 0.0

    async def visit(self, url: str, delay: float, end: float) -> None:
        await asyncio.sleep(delay)
        async with connect(url, compression=None, max_size=None) as socket:
            await socket.send('{"type": "start"}')
            listening = asyncio.create_task(self._listen(socket))
            due = time.perf_counter()
            position = 0
            while due < end:
                await socket.send(self._sound[position : position + _PIECE])
                position = (position + _PIECE) % len(self._sound)
                due += 0.04
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            listening.cancel()

    async def _listen(self, socket: Any) -> None:
        async for message in socket:
            now = time.perf_counter()
            if isinstance(message, str):
                self._take(json.loads(message), now)
                continue
            self._due = self._due or now
            self.lateness.append(max(0.0, now - self._due))
            self._due += len(message) / _SECOND

    def _take(self, message: dict[str, Any], now: float) -> None:
        if message["type"] == "audio":
            self._due = 0.0
        elif message["type"] == "response_done":
            self.answers += 1


def _measure(count: int, seconds: float, kind: str, question: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "load_app.py").write_text(APP)
        emulate = ["-m", "realtime_sync", "emulate", "--port", "0", "--speech", "tone"]
        emulator = Program(emulate, folder)
        serve = ["-m", "gunicorn", "-k", kind, "-b", "127.0.0.1:0", "load_app:app"]
        if kind == "gthread":
            serve += ["--threads", str(count + 8)]
        bridge = Program(serve, folder, ENDPOINT=f"ws://127.0.0.1:{emulator.port}")
        try:
            asyncio.run(_visit(bridge, count, seconds, question))
        finally:
            bridge.end()
            emulator.end()


async def _visit(bridge: Program, count: int, seconds: float, question: bytes) -> None:
    url = f"ws://127.0.0.1:{bridge.port}/realtime"
    await asyncio.sleep(2.0)  # the worker has to load the application
    empty = Worker(bridge.pid()).megabytes
    visitors = [Visitor(question) for _ in range(count)]
    spread = min(_CYCLE, 0.1 * count)
    end = time.perf_counter() + spread + seconds
    visits = [
        asyncio.create_task(visitor.visit(url, spread * number / count, end))
        for number, visitor in enumerate(visitors)
    ]
    await asyncio.sleep(spread + 1.0)
    worker = Worker(bridge.pid())
    await asyncio.sleep(seconds - 2.0)
    load, megabytes, threads = worker.load, worker.megabytes, worker.threads
    await asyncio.gather(*visits)
    late = sorted(each for visitor in visitors for each in visitor.lateness) or [0.0]
    answers = statistics.mean(visitor.answers for visitor in visitors)
    print(
        f"{count:8} {load:7.1%} {load / count:10.2%} {megabytes - empty:9.1f} "
        f"{threads:8} {answers:8.1f} {1000 * late[int(0.99 * (len(late) - 1))]:8.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sessions", nargs="*", type=int, default=[1, 10, 25, 50])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--worker", choices=["gthread", "gevent"], default="gthread")
    options = parser.parse_args()
    question = load_audio(ROOT / "examples" / "audio" / "question.wav").pcm
    print("sessions    core   /session  MB more  threads  answers  p99 late/ms")
    for count in options.sessions:
        _measure(count, options.seconds, options.worker, question)


if __name__ == "__main__":
    main()
