"""
One hour of conversation in fast time, and the memory of the process all along.

Run it by hand: ``python tests/long/one_hour.py``. It takes some minutes. 450 turns of
eight seconds are an hour: four of speech each way.
"""

from __future__ import annotations

import gc
import tracemalloc

from realtime_sync import RealtimeClient
from realtime_sync.audio import duration_ms
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech


TURNS = 450
TONES = ToneSpeech()
SPOKEN = TONES.speak("Please tell me about the fjords of Norway and how to get there.")
ANSWER = "They were carved by ice and are reached by road, by rail or by ship."


def main() -> None:
    """Print what of our own is kept, every 60 turns."""
    settings = EmulatorSettings.instant(record=False)
    not_ours = tracemalloc.Filter(False, "*emulator*", all_frames=True)
    heard = 0
    with (
        RealtimeEmulator(
            replies=lambda turn: ANSWER, speech=TONES, settings=settings
        ) as emulator,
        RealtimeClient(emulator.endpoint, "key", model="m").connect(
            session={"audio": {"input": {"turn_detection": None}}}
        ) as connection,
    ):
        tracemalloc.start(16)
        for turn in range(1, TURNS + 1):
            connection.append_input_audio(SPOKEN)
            connection.commit_input_audio()
            result = connection.create_response().result(timeout=60)
            heard += duration_ms(SPOKEN) + duration_ms(result.audio)
            if turn % 60 == 0:
                gc.collect()
                ours = tracemalloc.take_snapshot().filter_traces([not_ours])
                kept = sum(trace.size for trace in ours.traces)
                minutes = heard / 60_000
                print(f"{turn} turns, {minutes:.0f} minutes of audio: {kept:,} bytes")


if __name__ == "__main__":
    main()
