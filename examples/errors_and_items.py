"""A bad command raises where it was called, and the session goes on."""

from realtime_sync import RealtimeClient, ServerError


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect() as connection:
    try:
        connection.commit_input_audio()  # there is no audio
    except ServerError as error:
        print("refused:", error.code)

    item = connection.create_item(
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Remember the number 7."}],
        }
    )
    print("created:", connection.retrieve_item(item.id).content[0].text)
    connection.delete_item(item.id)
    try:
        connection.retrieve_item(item.id)
    except ServerError as error:
        print("gone:", error.param or error.code)
