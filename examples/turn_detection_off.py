"""Turn detection can be turned off while a session goes on: then you say when."""

from pathlib import Path

from realtime_sync import RealtimeClient


QUESTION = Path(__file__).parent / "audio" / "question.wav"

client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect() as connection:
    print("before:", connection.session.audio.input.turn_detection)
    # None is null: it turns it off. Leaving it out would leave it alone.
    connection.update_session({"audio": {"input": {"turn_detection": None}}})
    print("after:", connection.session.audio.input.turn_detection)

    connection.append_audio(QUESTION)
    connection.commit_input_audio()
    print(connection.create_response().result(timeout=60).transcript)
