"""
What a recorder costs the thread that reads, and its own thread.

Run it with ``python -m benchmarks.recording``. A connection without a network receives
deltas of 100 ms of audio; the reader's CPU time is taken by the reader itself, at the
first and at the last of them. Rounds with and without a recorder alternate, so that a
busy machine harms both alike; figures are medians. The network's part of the hot path
is missing, so the share is larger than it is with one.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.decode import GA
from realtime_sync import RealtimeClient, ResponseOutputAudioDelta
from realtime_sync._recording.intake import Captured, Intake
from realtime_sync.recording import Recorder
from realtime_sync.transport import FakeTransport


EVENTS = 5_000
ROUNDS = 15
CREATED = {
    "type": "session.created",
    "event_id": "event_1",
    "session": {"type": "realtime", "id": "sess_1"},
}


def reader_time(folder: Path | None, audio: str | None = "inline") -> float:
    """Return the reader's CPU seconds for each event."""
    transport = FakeTransport(CREATED)
    client = RealtimeClient(
        "ws://127.0.0.1:9", "key", model="any", make_transport=lambda: transport
    )
    count, started, ended = 0, 0.0, 0.0
    done = threading.Event()
    with client.connect() as connection:

        @connection.on(ResponseOutputAudioDelta)
        def note(event: ResponseOutputAudioDelta) -> None:
            nonlocal count, started, ended
            if count == 0:
                started = time.thread_time()
            count += 1
            if count == EVENTS:
                ended = time.thread_time()
                done.set()

        recorder = None
        if folder is not None:
            path = folder / "call.jsonl"
            recorder = Recorder(connection, path, audio=audio, overwrite=True)  # type: ignore[arg-type]
        for _ in range(EVENTS):
            transport.feed_frame(1, GA)
        done.wait()
        if recorder is not None:
            recorder.close()
            assert not recorder.lost
    return (ended - started) / (EVENTS - 1)


def recorder_time(folder: Path, audio: str | None) -> float:
    """Return the recorder's CPU seconds for each event."""
    transport = FakeTransport(CREATED)
    client = RealtimeClient(
        "ws://127.0.0.1:9", "key", model="any", make_transport=lambda: transport
    )
    with client.connect() as connection:
        path = folder / "call.jsonl"
        with Recorder(connection, path, audio=audio, overwrite=True) as recorder:  # type: ignore[arg-type]
            batch = [Captured(time.monotonic(), "received", GA)] * 500
            recorder._writer.write(batch)
            before = time.thread_time()
            recorder._writer.write(batch)
            return (time.thread_time() - before) / len(batch)


class _Nothing:
    def write(self, batch: list[Captured]) -> None:
        pass

    def close(self) -> None:
        pass


def tap_time() -> float:
    """Return the CPU seconds of capturing alone."""
    intake = Intake(_Nothing(), limit=1 << 40, failed=print, name="tap")
    before = time.thread_time()
    for _ in range(EVENTS):
        intake.tap("received", GA)
    return (time.thread_time() - before) / EVENTS


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        without, recorded = [], []
        for _ in range(ROUNDS):
            without.append(reader_time(None))
            recorded.append(reader_time(folder))
        alone, with_it = statistics.median(without), statistics.median(recorded)
        tap = statistics.median(tap_time() for _ in range(ROUNDS))
        print(f"reader, µs an event           {1e6 * alone:8.2f}")
        print(f"reader with a recorder        {1e6 * with_it:8.2f}")
        print(f"capturing alone               {1e6 * tap:8.2f}  {tap / alone:.1%}")
        for audio in ("inline", "wav", None):
            own = statistics.median(recorder_time(folder, audio) for _ in range(ROUNDS))
            print(f"recorder's thread, {audio!s:<10} {1e6 * own:9.2f}")


if __name__ == "__main__":
    main()
