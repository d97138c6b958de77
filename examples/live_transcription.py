"""Transcribe a recording while it is sent, at the pace at which it was spoken."""

import threading
from pathlib import Path

from realtime_sync import (
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    RealtimeClient,
)


QUESTION = Path(__file__).parent / "audio" / "question.wav"
SILENCE = bytes(48_000)  # one second: the end of a turn is silence

client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
session = {
    "audio": {
        "input": {
            "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": {"type": "server_vad"},
        }
    }
}
with client.connect_transcription(session) as connection:
    heard = threading.Event()

    @connection.on(ConversationItemInputAudioTranscriptionDelta)
    def show(event: ConversationItemInputAudioTranscriptionDelta) -> None:
        print(event.delta, end="", flush=True)

    @connection.on(ConversationItemInputAudioTranscriptionCompleted)
    def finish(event: ConversationItemInputAudioTranscriptionCompleted) -> None:
        print("\nwhole:", event.transcript)
        heard.set()

    connection.append_audio(QUESTION, pace="realtime")
    connection.append_input_audio(SILENCE)
    heard.wait(timeout=60)

print("in one line:", client.transcribe(QUESTION))
