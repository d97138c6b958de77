"""Server voice activity detection: the server finds the turns and answers them."""

from pathlib import Path

from realtime_sync import (
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    RealtimeClient,
)


QUESTION = Path(__file__).parent / "audio" / "question.wav"
SILENCE = bytes(48_000)  # one second of 16-bit PCM at 24,000 Hz

client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect() as connection:
    connection.on(
        InputAudioBufferSpeechStarted, lambda e: print(f"speech at {e.audio_start_ms}")
    )
    connection.on(
        InputAudioBufferSpeechStopped, lambda e: print(f"silence at {e.audio_end_ms}")
    )
    with connection.responses() as responses:
        connection.append_audio(QUESTION)
        connection.append_input_audio(SILENCE)
        print(responses.take(timeout=60).result(timeout=60).transcript)
