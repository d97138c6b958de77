"""Speech in one language in, speech in another language out."""

from pathlib import Path

from realtime_sync import (
    RealtimeClient,
    SessionClosed,
    SessionOutputAudioDelta,
    SessionOutputTranscriptDelta,
)
from realtime_sync.audio import Audio


QUESTION = Path(__file__).parent / "audio" / "question.wav"
SILENCE = bytes(48_000)  # one second

client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
session = {"audio": {"output": {"language": "es"}}}
with client.connect_translation(session) as connection:
    events = connection.events(timeout=60)
    connection.append_audio(QUESTION)
    connection.append_input_audio(SILENCE)
    connection.close_session()  # what is still to be said arrives all the same
    audio = bytearray()
    for event in events:
        if isinstance(event, SessionOutputTranscriptDelta):
            print(event.delta, end="", flush=True)
        elif isinstance(event, SessionOutputAudioDelta):
            audio += event.delta
        elif isinstance(event, SessionClosed):
            break
    print("\n", Audio(bytes(audio)))
