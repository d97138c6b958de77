"""A voice assistant: microphone in, loudspeaker out, and you may interrupt it."""

import threading

from realtime_sync import RealtimeClient
from realtime_sync.audio import Microphone, Speaker


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect() as connection, Microphone() as microphone, Speaker() as speaker:
    answers = connection.use_player(speaker).audio()

    def play() -> None:
        for chunk in answers:
            speaker.write(chunk)

    threading.Thread(target=play, daemon=True).start()
    connection.append_audio(microphone)  # until Ctrl-C
