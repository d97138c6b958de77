"""A bad command raises where it was called, and the session goes on."""

from realtime_sync import RealtimeClient, ServerError


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect(session={"output_modalities": ["text"]}) as connection:
    try:
        connection.commit_input_audio()  # there is no audio
    except ServerError as error:
        print("refused:", error.code)
    try:
        connection.update_session({"max_output_tokens": "plenty"})
    except ServerError as error:
        print("refused:", error.param, "-", error)

    print("still there:", connection.ask("What is the capital of Norway?").text)
