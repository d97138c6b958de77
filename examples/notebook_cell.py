"""A notebook cell: the same blocking code, inside the kernel's running event loop."""

from realtime_sync import RealtimeClient


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect(session={"output_modalities": ["text"]}) as connection:
    print(connection.ask("What is the capital of Norway?").text)
    print(connection.ask("And what time is it?").text)
    print(connection.conversation)
