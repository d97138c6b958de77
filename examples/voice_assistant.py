"""A voice assistant: microphone in, loudspeaker out, and you may interrupt it."""

from realtime_sync import RealtimeClient
from realtime_sync.audio import Microphone, Speaker


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with Microphone() as microphone, Speaker() as speaker, client.connect() as connection:
    connection.play(speaker)
    connection.append_audio(microphone)  # until Ctrl-C
