"""Transcribe a folder of recordings, and go on after an interruption."""

import shutil
import tempfile
from pathlib import Path

from realtime_sync import Prices, RealtimeClient, transcribe_many


QUESTION = Path(__file__).parent / "audio" / "question.wav"
PRICES = Prices(transcription_input_audio=6.0, transcription_output=10.0)  # yours

client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for number in range(6):
        shutil.copy(QUESTION, folder / f"call-{number}.wav")
    recordings = sorted(folder.glob("*.wav"))
    journal = folder / "calls.jsonl"

    # The first run is interrupted ...
    with transcribe_many(recordings, client, sessions=2, journal=journal) as batch:
        for _ in range(3):
            next(batch)

    # ... and the second goes on where it was.
    batch = transcribe_many(recordings, client, sessions=2, journal=journal)
    for result in batch:
        source = "journal" if result.replayed else f"{result.seconds:.2f} s"
        print(f"{Path(result.key).name}: {result.value or result.error} ({source})")
    cost = batch.progress.usage.estimate_cost(PRICES)
    print(f"{batch.progress.done} done, {batch.progress.replayed} before, {cost:.6f} $")
