"""A voice assistant: microphone in, loudspeaker out, and you may interrupt it."""

from realtime_sync import (
    InputAudioBufferSpeechStarted,
    RealtimeClient,
    ResponseOutputAudioDelta,
)
from realtime_sync.audio import Microphone, Speaker


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect() as connection, Microphone() as microphone, Speaker() as speaker:
    connection.on(ResponseOutputAudioDelta, lambda event: speaker.write(event.delta))
    # The server stops speaking when you begin to; so must the loudspeaker.
    connection.on(InputAudioBufferSpeechStarted, lambda event: speaker.flush())
    connection.append_audio(microphone)  # until Ctrl-C
