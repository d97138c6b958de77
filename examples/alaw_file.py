"""A telephone's recording: A-law of 8,000 Hz in, A-law out."""

from pathlib import Path

from realtime_sync import RealtimeClient
from realtime_sync.audio import alaw_decode, duration_ms


QUESTION = Path(__file__).parent / "audio" / "question.wav"
ALAW = {"type": "audio/pcma"}

client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
session = {
    "audio": {
        "input": {"format": ALAW, "turn_detection": None},
        "output": {"format": ALAW},
    }
}
with client.connect(session=session) as connection:
    connection.append_audio(QUESTION)  # of whatever rate: it is sent as A-law
    connection.commit_input_audio()
    result = connection.create_response().result(timeout=60)
    print(result.transcript)
    print(duration_ms(alaw_decode(result.audio), 8_000), "ms of speech")
