"""A plain script: a spoken question, the answer as it comes."""

from pathlib import Path

from realtime_sync import RealtimeClient


QUESTION = Path(__file__).parent / "audio" / "question.wav"

client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect() as connection:
    connection.update_session(
        {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    )
    connection.append_audio(QUESTION)
    connection.commit_input_audio()
    for words in connection.create_response().text(timeout=60):
        print(words, end="", flush=True)
print()
