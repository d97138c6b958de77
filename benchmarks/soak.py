"""
Hours on the line: real-time audio in both directions, and a loss each minute.

``python -m benchmarks.soak --minutes 30`` runs 8 sessions. Each of them sends audio as
it is spoken, commits a turn every 9.7 seconds and gets an answer that is spoken at the
same pace; once a minute all connections are reset, each time at another moment of a
turn. The server and the proxy that cuts the connections run in a process of their own,
so that memory, threads and file descriptors are those of the client alone. The result
is written as JSON, and printed as a table in Markdown.

What the process holds of the system's memory does not shrink when its parts are free
again, so what they use is measured as well, where the C library (glibc) tells it.

An event is late by how much longer it took than the fastest of its response. A thread
that only sleeps tells how late this machine wakes anybody; compare the two.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from realtime_sync import (
    ConnectionLost,
    RealtimeClient,
    RealtimeConnection,
    Reconnected,
    ReconnectPolicy,
    ResponseOutputAudioDelta,
)


_PIECE = 0.1  # seconds of audio in a message, in either direction
_PCM_PIECE = bytes(4_800)
_TURN = 97  # pieces
_ANSWER = 8.0  # seconds of speech
_LATE_BINS = 10_000  # of a millisecond each


@dataclass
class Lateness:
    """How late events were; bounded in memory, for one that writes at a time."""

    counts: list[int] = field(default_factory=lambda: [0] * _LATE_BINS)

    def add(self, seconds: float) -> None:
        """Count an event."""
        self.counts[min(int(seconds * 1000), _LATE_BINS - 1)] += 1

    def quantile(self, share: float) -> int:
        """Return the milliseconds that so large a share of events stays below."""
        wanted, seen = share * sum(self.counts), 0
        for milliseconds, count in enumerate(self.counts):
            seen += count
            if seen >= wanted:
                return milliseconds + 1
        return _LATE_BINS


@dataclass(frozen=True)
class Sample:
    """What the process holds at a moment, in seconds from the start."""

    at: float
    memory_kb: int
    used_kb: int
    threads: int
    files: int


class Talk:
    """One session, and the thread that speaks in it."""

    def __init__(self, client: RealtimeClient, stop: threading.Event) -> None:
        self.lateness = Lateness()
        self.turns = self.answers_lost = self.reconnects = 0
        self.errors: list[str] = []
        self._client = client
        self._stop = stop
        self._response: tuple[str, list[float]] = ("", [])
        self.thread = threading.Thread(target=self._run, name="talk")

    def _run(self) -> None:
        try:
            with self._client.connect() as connection:
                connection.on(ResponseOutputAudioDelta, self._hear)
                connection.on(Reconnected, self._note)
                self._speak(connection)
        except Exception as exc:
            self.errors.append(repr(exc))
        self._settle()

    def _speak(self, connection: RealtimeConnection) -> None:
        started, piece = monotonic(), 0
        while not self._stop.wait(max(0.0, started + piece * _PIECE - monotonic())):
            connection.append_input_audio(_PCM_PIECE)
            piece += 1
            if piece % _TURN == 0:
                connection.commit_input_audio()
                try:
                    connection.create_response(when_busy="wait")
                except ConnectionLost:
                    self.answers_lost += 1
                self.turns += 1

    def _hear(self, event: ResponseOutputAudioDelta) -> None:
        if event.response_id != self._response[0]:
            self._settle()
            self._response = event.response_id, []
        self._response[1].append(monotonic() - len(self._response[1]) * _PIECE)

    def _settle(self) -> None:
        """Count the events of a response; the fastest of them was not late."""
        moments = self._response[1]
        for moment in moments:
            self.lateness.add(moment - min(moments))

    def _note(self, notice: Reconnected) -> None:
        self.reconnects += 1
        self.answers_lost += len(notice.lost_responses)


def _watch_the_clock(lateness: Lateness, stop: threading.Event) -> None:
    """Measure how late a thread wakes that only sleeps."""
    due = monotonic()
    while True:
        due += _PIECE
        if stop.wait(max(0.0, due - monotonic())):
            return
        lateness.add(max(0.0, monotonic() - due))


def _sample(started: float) -> Sample:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sample(
        at=round(monotonic() - started, 1),
        memory_kb=pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        used_kb=_used_memory() // 1024,
        threads=threading.active_count(),
        files=len(os.listdir("/proc/self/fd")),
    )


class _MallocInfo(ctypes.Structure):
    """What glibc's ``mallinfo2()`` returns, for all arenas together."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def _used_memory() -> int:
    """Return the bytes that are allocated and not free; 0 where nobody tells."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        return 0
    mallinfo.restype = _MallocInfo
    info = mallinfo()
    return int(info.uordblks + info.hblkhd)


def soak(options: argparse.Namespace) -> dict[str, Any]:
    """Run all sessions for as long as is wanted; return the figures."""
    command = [sys.executable, "-m", "benchmarks.soak", "--serve"]
    command += ["--cut-every", str(options.cut_every)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            return _soak(options, f"ws://127.0.0.1:{port}")
        finally:
            server.stdin.close()


def _soak(options: argparse.Namespace, endpoint: str) -> dict[str, Any]:
    stop = threading.Event()
    client = RealtimeClient(
        endpoint,
        "key",
        model="any",
        proxy="",
        session={"audio": {"input": {"turn_detection": None}}},
        reconnect=ReconnectPolicy(first_delay=0.2),
    )
    talks = [Talk(client, stop) for _ in range(options.sessions)]
    clock = Lateness()
    watch = threading.Thread(target=_watch_the_clock, args=(clock, stop))
    started = monotonic()
    samples = []
    for thread in (watch, *(talk.thread for talk in talks)):
        thread.start()
    while monotonic() - started < options.minutes * 60:
        stop.wait(min(options.every, options.minutes * 60))
        samples.append(_sample(started))
        _write(options.output, _figures(options, talks, clock, samples))
    stop.set()
    for thread in (watch, *(talk.thread for talk in talks)):
        thread.join()
    figures = _figures(options, talks, clock, samples)
    figures["after"] = asdict(_sample(started))
    return figures


def _figures(
    options: argparse.Namespace,
    talks: Sequence[Talk],
    clock: Lateness,
    samples: Sequence[Sample],
) -> dict[str, Any]:
    together = Lateness()
    for talk in talks:
        sums = zip(together.counts, talk.lateness.counts, strict=True)
        together.counts = [one + other for one, other in sums]
    quarter = max(1, len(samples) // 4)
    return {
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "load": round(os.getloadavg()[1], 1),
        "sessions": options.sessions,
        "minutes": round(samples[-1].at / 60, 1),
        "reconnects": sum(talk.reconnects for talk in talks),
        "turns": sum(talk.turns for talk in talks),
        "answers_cut_off": sum(talk.answers_lost for talk in talks),
        "errors": [error for talk in talks for error in talk.errors],
        "events": sum(together.counts),
        "late_ms": {name: together.quantile(q) for name, q in _QUANTILES.items()},
        "clock_late_ms": {name: clock.quantile(q) for name, q in _QUANTILES.items()},
        "second_quarter": _typical(samples[quarter : 2 * quarter] or samples),
        "last_quarter": _typical(samples[-quarter:]),
        "samples": [asdict(sample) for sample in samples],
    }


_QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


def _typical(samples: Sequence[Sample]) -> dict[str, float]:
    names = ("memory_kb", "used_kb", "threads", "files")
    return {
        name: statistics.median(getattr(sample, name) for sample in samples)
        for name in names
    }


def _write(path: Path, figures: dict[str, Any]) -> None:
    path.write_text(json.dumps(figures, indent=1) + "\n")


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a table in Markdown."""
    early, late = figures["second_quarter"], figures["last_quarter"]
    rows = {
        "machine": f"{figures['machine']}; load {figures['load']}",
        "sessions": f"{figures['sessions']} for {figures['minutes']} minutes",
        "reconnects": figures["reconnects"],
        "turns, and answers that a loss cut off": (
            f"{figures['turns']}, {figures['answers_cut_off']}"
        ),
        "errors": len(figures["errors"]),
        "memory, second and last quarter": _mebibytes(early, late, "memory_kb"),
        "of it allocated": _mebibytes(early, late, "used_kb"),
        "threads": f"{early['threads']:g}, {late['threads']:g}",
        "file descriptors": f"{early['files']:g}, {late['files']:g}",
        "audio events": figures["events"],
        "late by, p50 / p99 / p99.9": _milliseconds(figures["late_ms"]),
        "a thread that only sleeps": _milliseconds(figures["clock_late_ms"]),
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| what | figure |", "| --- | --- |", *lines])


def _mebibytes(early: dict[str, float], late: dict[str, float], name: str) -> str:
    return f"{early[name] / 1024:.1f} MiB, {late[name] / 1024:.1f} MiB"


def _milliseconds(quantiles: dict[str, int]) -> str:
    return " / ".join(f"{value} ms" for value in quantiles.values())


def serve(cut_every: float) -> None:
    """Serve until the standard input ends, and cut all connections now and then."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "chaos"))
    from proxy import Proxy

    from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, Reply

    speech = bytes(int(_ANSWER * 48_000))
    settings = EmulatorSettings(speed=1.0, record=False)
    ended = threading.Event()
    with (
        RealtimeEmulator(
            settings=settings, replies=lambda turn: Reply("An answer.", audio=speech)
        ) as emulator,
        Proxy(emulator.port) as proxy,
    ):
        print(proxy.port, flush=True)
        reader = threading.Thread(target=lambda: (sys.stdin.read(), ended.set()))
        reader.start()
        while not ended.wait(cut_every):
            proxy.cut()
        reader.join()


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="how long")
    parser.add_argument("--sessions", type=int, default=8, help="how many at a time")
    parser.add_argument("--every", type=float, default=10.0, help="s between samples")
    parser.add_argument("--cut-every", type=float, default=60.0, help="s between cuts")
    output = Path(__file__).with_suffix(".json")
    parser.add_argument("--output", type=Path, default=output, help="the JSON file")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.cut_every)
        return
    figures = soak(options)
    _write(options.output, figures)
    print(table(figures))


if __name__ == "__main__":
    main()
