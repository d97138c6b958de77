"""Items of the conversation: create, place, retrieve, delete."""

from realtime_sync import RealtimeClient, ServerError


def message(text: str) -> dict:
    return {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": text}],
    }


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect(session={"output_modalities": ["text"]}) as connection:
    first = connection.create_item(message("Remember the number 7."))
    third = connection.create_item(message("And the number 9."))
    second = connection.create_item(
        message("And the number 8."), previous_item_id=first.id
    )
    print(connection.conversation)
    print("retrieved:", connection.retrieve_item(second.id).content[0].text)

    connection.delete_item(second.id)
    try:
        connection.retrieve_item(second.id)
    except ServerError as error:
        print("gone:", error.param or error.code)
    print("left:", [item.text for item in connection.conversation])
