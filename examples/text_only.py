"""Text in, text out: no audio at all, and what it took."""

from realtime_sync import RealtimeClient


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect(session={"output_modalities": ["text"]}) as connection:
    for question in ("What is the capital of Norway?", "And what of Kenya's capital?"):
        print(">", question)
        print("<", connection.ask(question).text)
    print(connection.usage)
