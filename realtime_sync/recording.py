"""
Recordings of sessions: write them, read them, play them again.

::

    with client.connect() as connection, Recorder(connection, "call.jsonl"):
        ...

    for entry in read_recording("call.jsonl").events():
        print(f"{entry.time:.3f} {entry.direction} {entry.type}")

    with replay("call.jsonl", speed=None) as playing:
        playing.connection.on(ServerEvent, print)
        playing.run()

The emulator plays the server's side of a recording to any client:
``RealtimeEmulator(recording="call.jsonl")``; see `realtime_sync.emulator.recorded`. The
form of the files is told in `realtime_sync._recording.format`.
"""

from __future__ import annotations

from ._recording.format import (
    FORMAT,
    Ending,
    Entry,
    Gap,
    Notice,
    RecordedEvent,
    RecordingError,
)
from ._recording.reader import Recording, read_recording
from ._recording.recorder import Recorder
from ._recording.replay import Replay, replay


__all__ = [
    "FORMAT",
    "Ending",
    "Entry",
    "Gap",
    "Notice",
    "RecordedEvent",
    "Recorder",
    "Recording",
    "RecordingError",
    "Replay",
    "read_recording",
    "replay",
]
